//! valgrind: counts the instructions of a program, the same on every run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{debian, on_path};
use crate::process;
use crate::scratch::Scratch;
use crate::skip::Availability;

/// The package. Only tools that check memory also need the C library's debug symbols.
const PACKAGE: &str = "valgrind";

/// How long it may take to print its version.
const START: Duration = Duration::from_secs(120);

/// How long a counted program may take: it is about fifty times slower than normal.
const RUN: Duration = Duration::from_secs(120);

/// The C library chooses variants of `memcpy` by processor: this makes it choose those that every
/// processor has. The names have changed over time; it ignores those that it does not know.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX512F,-AVX512F_Usable,-AVX512VL,\
                        -AVX512BW,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,-Prefer_ERMS,-Prefer_FSRM";

/// valgrind, installed or unpacked.
pub struct Valgrind {
    /// The folder to which it was unpacked; `None` if it is installed.
    unpacked: Option<PathBuf>,
    version: String,
}

/// The installed one, or Debian's package unpacked below `target/peers`.
#[must_use]
pub fn resolve() -> Availability<Valgrind> {
    let unpacked = if on_path("valgrind") {
        Availability::Ready(None)
    } else {
        debian::unpacked("valgrind", &[PACKAGE]).map(Some)
    };
    let unpacked = match unpacked {
        Availability::Ready(unpacked) => unpacked,
        Availability::Missing(why) => return Availability::Missing(why),
    };
    let mut valgrind = Valgrind {
        unpacked,
        version: String::new(),
    };
    match process::run(valgrind.program().arg("--version"), "", START) {
        Ok(said) if said.status.success() => {
            let version = said.stdout.trim().trim_start_matches("valgrind-");
            valgrind.version = version.to_owned();
            Availability::Ready(valgrind)
        }
        Ok(said) => Availability::Missing(super::complaint("valgrind", &said.stderr)),
        Err(why) => Availability::Missing(why),
    }
}

impl Valgrind {
    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The instructions of a program from its start to its end.
    ///
    /// # Panics
    /// When it fails, or does not end in time.
    #[must_use]
    pub fn count(&self, scratch: &Scratch, program: &Path, words: &[&str]) -> u64 {
        let mut counted = self.program();
        let mut file = OsString::from("--callgrind-out-file=");
        file.push(scratch.path("callgrind.out"));
        counted.arg("--tool=callgrind").arg(file);
        counted.env("GLIBC_TUNABLES", TUNABLES);
        let said = process::run(counted.arg(program).args(words), "", RUN);
        let said = said.unwrap_or_else(|err| panic!("{words:?}: {err}"));
        assert!(said.status.success(), "{words:?}: {}", said.stderr);
        let collected = said
            .stderr
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let count = collected.and_then(|(_, count)| count.trim().parse().ok());
        count.unwrap_or_else(|| panic!("{words:?}: no count in {}", said.stderr))
    }

    /// With a fixed environment: its length, and options in it, would change the count.
    fn program(&self) -> Command {
        let program = match &self.unpacked {
            Some(root) => root.join("usr/bin/valgrind"),
            None => PathBuf::from("valgrind"),
        };
        let mut command = Command::new(program);
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        if let Some(root) = &self.unpacked {
            command.env("VALGRIND_LIB", tools(root));
        }
        command
    }
}

/// `usr/libexec/valgrind`, or its place in older packages.
fn tools(root: &Path) -> PathBuf {
    let libexec = root.join("usr/libexec/valgrind");
    if libexec.is_dir() {
        return libexec;
    }
    let folders = std::fs::read_dir(root.join("usr/lib"))
        .into_iter()
        .flatten();
    let mut tools = folders.flatten().map(|entry| entry.path().join("valgrind"));
    tools.find(|tools| tools.is_dir()).unwrap_or(libexec)
}
