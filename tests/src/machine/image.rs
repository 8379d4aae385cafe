//! What a machine boots from: the first process with its modules in memory, and a disk with the agent.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::DATA;
use crate::host;
use crate::peers::qemu::{MKFS, MODULES, Qemu};
use crate::process::{self, Finished};

/// How long one of the commands here may take.
const COMMAND: Duration = Duration::from_secs(120);

/// Bytes of the machine's disk.
const DISK: u64 = 96 << 20;

/// Bytes beside the files on the disk with the agent, for the file system itself.
const SPARE: u64 = 16 << 20;

/// The first process.
const INIT: &str = include_str!("init");

/// Busybox, the kernel's modules and the first process, as the kernel unpacks them into its memory.
pub(super) fn initramfs(qemu: &Qemu, folder: &Path) -> PathBuf {
    let root = folder.join("initramfs");
    for name in [
        "bin",
        "modules",
        "dev",
        "proc",
        "sys",
        "tmp",
        "tools",
        DATA.trim_start_matches('/'),
    ] {
        std::fs::create_dir_all(root.join(name)).expect("a folder in the scratch folder");
    }
    copy(&qemu.busybox, &root.join("bin/busybox"));
    for (file, name) in qemu.modules.iter().zip(MODULES) {
        copy(file, &root.join(format!("modules/{name}.ko")));
    }
    let list = MODULES.map(|name| format!("{name}\n")).concat();
    std::fs::write(root.join("modules/list"), list).expect("a file in the scratch folder");
    let init = root.join("init");
    std::fs::write(&init, INIT).expect("a file in the scratch folder");
    run(Command::new("chmod").arg("755").arg(init), "");
    let archive = folder.join("initramfs.cpio");
    let listed = run(
        Command::new(&qemu.busybox).arg("find").current_dir(&root),
        "",
    );
    let mut pack = Command::new(&qemu.busybox);
    pack.args(["cpio", "-o", "-H", "newc", "-F"]).arg(&archive);
    run(pack.current_dir(&root), &listed.stdout);
    archive
}

/// A disk with the agent without its symbols, `dmsetup`, their libraries, and the agent's file.
pub(super) fn tools(qemu: &Qemu, folder: &Path, text: &str) -> PathBuf {
    let root = folder.join("tools");
    let lib = root.join("lib");
    std::fs::create_dir_all(&lib).expect("a folder in the scratch folder");
    let agent = root.join("flume-host");
    run(
        Command::new("strip")
            .arg("-o")
            .arg(&agent)
            .arg(host::binary()),
        "",
    );
    copy(&qemu.dmsetup, &root.join("dmsetup"));
    for program in [&agent, &qemu.dmsetup] {
        let mut ldd = Command::new("ldd");
        ldd.env("LD_LIBRARY_PATH", &qemu.dmsetup_library)
            .arg(program);
        for library in libraries(&run(&mut ldd, "").stdout) {
            copy(&library, &lib.join(library.file_name().expect("a file")));
        }
    }
    std::fs::write(root.join("agent.properties"), text).expect("a file in the scratch folder");
    let files = [root.clone(), lib].into_iter().flat_map(|folder| {
        let entries = std::fs::read_dir(folder).expect("a folder that was made");
        entries.map(|entry| {
            entry
                .and_then(|entry| entry.metadata())
                .map_or(0, |meta| meta.len())
        })
    });
    let disk = folder.join("tools.img");
    ext4(&disk, files.sum::<u64>() / 10 * 11 + SPARE, Some(&root));
    disk
}

/// The bytes of a disk with an empty file system.
pub(super) fn empty(folder: &Path) -> Vec<u8> {
    let disk = folder.join("empty.img");
    ext4(&disk, DISK, None);
    std::fs::read(&disk).expect("a file that was made")
}

/// A new file system in a file, with what is in this folder.
fn ext4(file: &Path, bytes: u64, of: Option<&Path>) {
    let mut make = Command::new(MKFS);
    make.args(["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"]);
    if let Some(of) = of {
        make.arg("-d").arg(of);
    }
    run(make.arg(file).arg(format!("{}k", bytes.div_ceil(1024))), "");
}

/// The files in the answer of `ldd`: `libc.so.6 => /lib/libc.so.6 (0x…)`, and the loader.
fn libraries(said: &str) -> Vec<PathBuf> {
    let words = said.lines().filter_map(|line| {
        let line = line.split(" (").next()?;
        line.split_whitespace().last()
    });
    words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

fn copy(from: &Path, to: &Path) {
    let copied = std::fs::copy(from, to);
    copied.unwrap_or_else(|err| panic!("{} to {}: {err}", from.display(), to.display()));
}

fn run(command: &mut Command, input: &str) -> Finished {
    let finished = process::run(command, input, COMMAND);
    let finished = finished.unwrap_or_else(|err| panic!("{command:?}: {err}"));
    assert!(
        finished.status.success(),
        "{command:?}: {}",
        finished.stderr
    );
    finished
}
