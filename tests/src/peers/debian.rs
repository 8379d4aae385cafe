//! Programs from Debian's packages, unpacked below `target/peers`: nothing is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{cached, fetched};
use crate::skip::Availability;

/// The folder to which the packages are unpacked. Their dependencies come from the system.
pub(super) fn unpacked(name: &str, packages: &[&str]) -> Availability<PathBuf> {
    cached(name, "apt-get", |folder| {
        if let Err(why) = download(folder, packages) {
            // A new machine has no lists, and old lists name packages that no longer exist.
            let updated = fetched("apt-get", Command::new("apt-get").args(["-q", "update"]));
            updated.map_err(|update| format!("{why}; {update}"))?;
            download(folder, packages)?;
        }
        let files = std::fs::read_dir(folder).map_err(|err| err.to_string())?;
        for file in files.flatten().map(|entry| entry.path()) {
            if file.extension().is_some_and(|extension| extension == "deb") {
                fetched(
                    "dpkg-deb",
                    Command::new("dpkg-deb").arg("-x").arg(&file).arg(folder),
                )?;
            }
        }
        Ok(())
    })
}

fn download(folder: &Path, packages: &[&str]) -> Result<(), String> {
    let mut download = Command::new("apt-get");
    download.current_dir(folder).args(["-q", "download"]);
    fetched("apt-get", download.args(packages))
}
