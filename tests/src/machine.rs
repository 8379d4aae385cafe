//! A virtual machine in which our agent runs, and whose power is cut: the host's processes are outside,
//! its disk forgets what was not flushed, and its page cache is gone.
//!
//! The agent's netcat source listens on [`INPUT`] of the machine, which is a loopback port here; the
//! loopback interface of the host is [`HOST`] in the machine. What the agent and the kernel say comes
//! over the console, which is the process's log.

mod cached_disk;
mod image;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::cached_disk::{CachedDisk, Cut};
use crate::eventually::eventually;
use crate::peers::qemu::Qemu;
use crate::process::Process;
use crate::scratch::Scratch;
use crate::seed::Seed;

/// The port that the agent's source has to listen on, on all interfaces.
pub const INPUT: u16 = 4444;

/// The host's loopback interface, seen from the machine.
pub const HOST: &str = "10.0.2.2";

/// Where the disk is mounted.
pub const DATA: &str = "/data";

/// How long a start of the machine, and of an agent in it, may take; the processor is emulated.
const START: Duration = Duration::from_secs(240);

/// How long an order may take.
const ORDER: Duration = Duration::from_secs(60);

/// How long answers may be on their way.
const HEARD: Duration = Duration::from_millis(300);

/// MiB of a machine's memory.
const MEMORY: &str = "512";

/// A machine that is switched off, or runs.
pub struct Machine<'a> {
    qemu: &'a Qemu,
    name: String,
    folder: PathBuf,
    initramfs: PathBuf,
    tools: PathBuf,
    disk: CachedDisk,
    input: u16,
    starts: u32,
    process: Option<Process>,
}

/// How a machine is switched on.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// The options of the mount.
    pub mount: &'static str,
    /// Whether the disk fails when [`Machine::fail_disk`] is called.
    pub flakey: bool,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            mount: "barrier",
            flakey: false,
        }
    }
}

impl<'a> Machine<'a> {
    /// A machine with an empty disk, for an agent with this file. `input` is the host's port that leads
    /// to the agent's source.
    ///
    /// # Panics
    /// When its parts cannot be put together.
    #[must_use]
    pub fn new(qemu: &'a Qemu, scratch: &Scratch, name: &str, input: u16, text: &str) -> Self {
        let folder = scratch.folder(name);
        let initramfs = image::initramfs(qemu, &folder);
        let tools = image::tools(qemu, &folder, text);
        let disk = CachedDisk::of(&image::empty(&folder));
        Self {
            qemu,
            name: name.to_owned(),
            folder,
            initramfs,
            tools,
            disk,
            input,
            starts: 0,
            process: None,
        }
    }

    /// Switches it on, and waits until the agent's source listens.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn start(&mut self, start: Start) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        self.starts += 1;
        let socket = self.file("disk");
        self.disk.serve(&socket);
        let mut command = self.qemu.program();
        command.args(["-accel", "tcg", "-cpu", "max", "-m", MEMORY]);
        command.args(["-nodefaults", "-display", "none", "-no-reboot"]);
        command.arg("-kernel").arg(&self.qemu.kernel);
        command.arg("-initrd").arg(&self.initramfs);
        let flakey = if start.flakey { " FLAKEY=1" } else { "" };
        command.arg("-append").arg(format!(
            "console=ttyS0 loglevel=3 panic=-1 OPTIONS={}{flakey}",
            start.mount
        ));
        let disk = format!("nbd+unix:///?socket={}", socket.display());
        for drive in [
            format!("file={disk},format=raw,if=virtio,cache=writeback"),
            format!(
                "file={},format=raw,if=virtio,readonly=on",
                self.tools.display()
            ),
        ] {
            command.arg("-drive").arg(drive);
        }
        let input = self.input;
        command.args(["-device", "virtio-net-pci,netdev=n,romfile="]);
        command.arg("-netdev").arg(format!(
            "user,id=n,hostfwd=tcp:127.0.0.1:{input}-10.0.2.15:{INPUT}"
        ));
        command.args(["-serial", "stdio"]);
        let log = self.file("log");
        let process = Process::start(&self.name, &mut command, log);
        self.process
            .insert(process)
            .await_said("source listens", 1, START);
    }

    /// Waits until the disk no longer answers: from the write or flush with this number on, the next
    /// being 1. What the agent answers now, though it must not, is still heard.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn stall_disk(&self, request: u64) {
        self.disk.stall_at(request);
        eventually("the disk has stalled", START, || {
            self.disk.is_stalled().then_some(())
        });
        std::thread::sleep(HEARD);
    }

    /// Cuts its power: nothing of its memory outlives that, and of its disk what was flushed, with a
    /// seed some of the rest, too.
    ///
    /// # Panics
    /// When it is switched off.
    pub fn cut(&mut self, seed: Option<&mut Seed>) -> Cut {
        let mut process = self.process.take().expect("a machine that runs");
        process.kill();
        self.disk.cut(seed)
    }

    /// From now on all writes to its disk fail.
    ///
    /// # Panics
    /// When it was not switched on with such a disk.
    pub fn fail_disk(&mut self) {
        let process = self.process();
        process.order("fail");
        process.await_said("the disk fails", 1, ORDER);
    }

    /// Its process: the log is what its console shows.
    ///
    /// # Panics
    /// When it is switched off.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("a machine that runs")
    }

    /// A file of this start.
    fn file(&self, what: &str) -> PathBuf {
        Path::new(&self.folder).join(format!("{}.{what}", self.starts))
    }
}
