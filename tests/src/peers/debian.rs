//! Programs from Debian's packages, unpacked below `target/peers`: nothing is installed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{cached, complaint, fetched};
use crate::process;
use crate::skip::Availability;

/// How long a look into the lists of packages may take.
const LOOK: Duration = Duration::from_secs(60);

/// The folder to which the packages are unpacked. Their dependencies come from the system.
pub(super) fn unpacked(name: &str, packages: &[&str]) -> Availability<PathBuf> {
    let named = |package: &&str| (*package).to_owned();
    unpacked_as(name, || Ok(packages.iter().map(named).collect()))
}

/// The same, for packages that are looked up first.
pub(super) fn unpacked_as(
    name: &str,
    packages: impl Fn() -> Result<Vec<String>, String>,
) -> Availability<PathBuf> {
    cached(name, "apt-get", |folder| {
        let fetch = || download(folder, &packages()?);
        if let Err(why) = fetch() {
            // A new machine has no lists, and old lists name packages that no longer exist.
            let updated = fetched("apt-get", Command::new("apt-get").args(["-q", "update"]));
            updated.map_err(|update| format!("{why}; {update}"))?;
            fetch()?;
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

/// A package with all that it depends on and the system lacks.
pub(super) fn with_dependencies(package: &str) -> Result<Vec<String>, String> {
    let mut install = Command::new("apt-get");
    install.args(["-qq", "--no-install-recommends", "--print-uris", "install"]);
    // 'http://…/libaio1_0.3.113-4_amd64.deb' libaio1_0.3.113-4_amd64.deb 13360 …
    let file = |line: &str| {
        Some(
            line.split_whitespace()
                .nth(1)?
                .split_once('_')?
                .0
                .to_owned(),
        )
    };
    Ok(said(install.arg(package))?
        .lines()
        .filter_map(file)
        .collect())
}

/// What a package depends on that begins so: what a package stands for that has no files of its own.
pub(super) fn dependency(package: &str, begin: &str) -> Result<String, String> {
    let text = said(Command::new("apt-cache").args(["depends", package]))?;
    let mut depended = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    let found = depended.find(|name| name.starts_with(begin));
    Ok(found
        .ok_or_else(|| format!("{package} depends on no {begin}"))?
        .to_owned())
}

fn said(command: &mut Command) -> Result<String, String> {
    let finished = process::run(command, "", LOOK)?;
    match finished.status.success() {
        true => Ok(finished.stdout),
        false => Err(complaint("apt", &finished.stderr)),
    }
}

fn download(folder: &Path, packages: &[String]) -> Result<(), String> {
    let mut download = Command::new("apt-get");
    download.current_dir(folder).args(["-q", "download"]);
    fetched("apt-get", download.args(packages))
}
