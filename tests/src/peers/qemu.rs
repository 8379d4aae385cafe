//! qemu, and what a machine in it is made of: Debian's kernel, busybox and `dmsetup`.
//!
//! It emulates the processor (`tcg`): slower than KVM, and there on every machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{complaint, debian, on_path};
use crate::process;
use crate::skip::Availability;

const PROGRAM: &str = "qemu-system-x86_64";

/// Stands for the newest kernel of a release, which is small, and has ext4 built in.
const KERNEL: &str = "linux-image-cloud-amd64";

/// In the order in which they are inserted: a disk and a network interface of a virtual machine, and
/// disks that fail.
pub const MODULES: [&str; 11] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "failover",
    "net_failover",
    "virtio_net",
    "dm-mod",
    "dm-flakey",
];

/// What makes file systems. It is not on the path of every user.
pub const MKFS: &str = "/usr/sbin/mkfs.ext4";

/// What else puts a machine together.
const NEEDED: [&str; 2] = ["strip", "ldd"];

const REMEDY: &str = "a virtual machine needs Debian on x86_64, its lists of packages, and \
                      `apt-get install --no-install-recommends qemu-system-x86 binutils e2fsprogs`";

/// How long it may take to say its version.
const VERSION: Duration = Duration::from_secs(60);

/// qemu, installed or unpacked, and the parts of a machine.
pub struct Qemu {
    /// The folder to which it was unpacked; `None` if it is installed.
    unpacked: Option<PathBuf>,
    /// The kernel's image.
    pub kernel: PathBuf,
    /// The files of [`MODULES`].
    pub modules: Vec<PathBuf>,
    /// A busybox that needs no libraries.
    pub busybox: PathBuf,
    /// `dmsetup`.
    pub dmsetup: PathBuf,
    /// The folder of its library.
    pub dmsetup_library: PathBuf,
}

impl Qemu {
    /// The installed qemu, or Debian's, and the parts, unpacked unless that was already done.
    #[must_use]
    pub fn resolve() -> Availability<Self> {
        match Self::look() {
            Ok(qemu) => Availability::Ready(qemu),
            Err(why) => Availability::Missing(format!("{why}; {REMEDY}")),
        }
    }

    fn look() -> Result<Self, String> {
        if std::env::consts::ARCH != "x86_64" {
            return Err("no kernel for this processor".to_owned());
        }
        if let Some(lacks) = NEEDED.iter().find(|program| !on_path(program)) {
            return Err(format!("no {lacks}"));
        }
        if !Path::new(MKFS).is_file() {
            return Err(format!("no {MKFS}"));
        }
        let unpacked = match on_path(PROGRAM) {
            true => None,
            false => Some(there(debian::unpacked_as("qemu", || {
                debian::with_dependencies("qemu-system-x86")
            }))?),
        };
        let kernel = there(debian::unpacked_as("kernel", || {
            Ok(vec![debian::dependency(KERNEL, "linux-image-")?])
        }))?;
        let packages = ["busybox-static", "dmsetup", "libdevmapper1.02.1"];
        let tools = there(debian::unpacked("machine", &packages))?;
        let modules = MODULES.map(|name| found(&kernel, &format!("{name}.ko")));
        let qemu = Self {
            unpacked,
            kernel: found(&kernel, "vmlinuz")?,
            modules: modules.into_iter().collect::<Result<_, _>>()?,
            busybox: found(&tools, "bin/busybox")?,
            dmsetup: found(&tools, "sbin/dmsetup")?,
            dmsetup_library: parent(found(&tools, "libdevmapper.so.1.02.1")?),
        };
        let said = process::run(qemu.program().arg("--version"), "", VERSION)?;
        match said.status.success() {
            true => Ok(qemu),
            false => Err(complaint(PROGRAM, &said.stderr)),
        }
    }

    /// Its command, without arguments.
    #[must_use]
    pub fn program(&self) -> Command {
        let Some(root) = &self.unpacked else {
            return Command::new(PROGRAM);
        };
        let mut command = Command::new(root.join("usr/bin").join(PROGRAM));
        let libraries = ["usr/lib", "lib"].map(|lib| root.join(lib).join("x86_64-linux-gnu"));
        let libraries = std::env::join_paths(libraries).expect("a path without colons");
        command.env("LD_LIBRARY_PATH", libraries);
        for firmware in ["usr/share/seabios", "usr/share/qemu"] {
            command.arg("-L").arg(root.join(firmware));
        }
        command
    }
}

fn there(folder: Availability<PathBuf>) -> Result<PathBuf, String> {
    match folder {
        Availability::Ready(folder) => Ok(folder),
        Availability::Missing(why) => Err(why),
    }
}

fn parent(path: PathBuf) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The file below a folder with this name, or with this name and a version.
fn found(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let versioned = format!("{name}-");
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let entries = std::fs::read_dir(&next).map_err(|err| err.to_string())?;
        for entry in entries.flatten() {
            let path = entry.path();
            let file = entry.file_name();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if path.ends_with(name) || file.to_string_lossy().starts_with(&versioned) {
                return Ok(path);
            }
        }
    }
    Err(format!("no {name} in {}", folder.display()))
}
