//! Programs from Debian's packages, unpacked below `target/peers`: nothing is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{FETCH, cached, complaint};
use crate::process;
use crate::skip::Availability;

/// The folder that the packages are unpacked to. What they depend on is taken from the system.
pub(super) fn unpacked(name: &str, packages: &[&str]) -> Availability<PathBuf> {
    cached(name, "apt-get", |folder| {
        if let Err(why) = download(folder, packages) {
            // A new machine has no lists, and an old list names packages that are gone.
            let updated = ended(Command::new("apt-get").args(["-q", "update"]));
            updated.map_err(|update| format!("{why}; {update}"))?;
            download(folder, packages)?;
        }
        let files = std::fs::read_dir(folder).map_err(|err| err.to_string())?;
        for file in files.flatten().map(|entry| entry.path()) {
            if file.extension().is_some_and(|extension| extension == "deb") {
                ended(Command::new("dpkg-deb").arg("-x").arg(&file).arg(folder))?;
            }
        }
        Ok(())
    })
}

fn download(folder: &Path, packages: &[&str]) -> Result<(), String> {
    let mut download = Command::new("apt-get");
    download.current_dir(folder).args(["-q", "download"]);
    ended(download.args(packages))
}

fn ended(command: &mut Command) -> Result<(), String> {
    let finished = process::run(command, "", FETCH)?;
    match finished.status.success() {
        true => Ok(()),
        false => {
            let program = command.get_program().to_string_lossy().into_owned();
            Err(complaint(&program, &finished.stderr))
        }
    }
}
