//! libfaketime: a wall clock that jumps when a scenario says so. The monotonic clock goes on, as on a
//! machine whose clock is set.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::debian;
use crate::skip::Availability;

/// The library in the package, below the folder of the processor.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The library, unpacked below `target/peers`.
pub struct Faketime {
    library: PathBuf,
}

/// The clock of a process: a file with its distance to the real one.
pub struct Clock {
    file: PathBuf,
}

impl Faketime {
    /// Debian's package, unpacked unless that was already done.
    #[must_use]
    pub fn resolve() -> Availability<Self> {
        let folder = match debian::unpacked("faketime", &["libfaketime"]) {
            Availability::Ready(folder) => folder.join("usr/lib"),
            Availability::Missing(why) => return Availability::Missing(why),
        };
        let architectures = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut libraries = architectures.map(|entry| entry.path().join(LIBRARY));
        match libraries.find(|path| path.is_file()) {
            Some(library) => Availability::Ready(Self { library }),
            None => Availability::Missing(format!("no {LIBRARY} in {}", folder.display())),
        }
    }

    /// Gives a command a clock of its own, which is kept in a file and does not jump yet.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn set(&self, command: &mut Command, file: PathBuf) -> Clock {
        let clock = Clock { file };
        clock.jump(0);
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &clock.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        clock
    }
}

impl Clock {
    /// From now on it shows the real time and these seconds.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn jump(&self, seconds: i64) {
        // Renamed, so that no reader sees half of it.
        let new: &Path = &self.file.with_extension("new");
        std::fs::write(new, format!("{seconds:+}\n")).expect("a file in the scratch folder");
        std::fs::rename(new, &self.file).expect("a file in the scratch folder");
    }
}
