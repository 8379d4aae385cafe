//! What a hostile tenant does: everything that it may do, as hard as it can.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use super::bomb::{bomb, module};
use super::scene::Scene;

/// An attack.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// Its name in a table.
    pub name: &'static str,
    /// What the tenant does.
    pub does: &'static str,
    means: Means,
}

#[derive(Clone, Copy, Debug)]
enum Means {
    /// A hostile guest orders.
    Order(&'static str),
    /// A hostile guest intercepts.
    Edit(&'static str),
    /// Files that keep a compiler busy until it is ended, one after the other.
    Compilers,
    /// Files as large as they may be, most of it nothing.
    LargeFiles,
    /// Uploads that are as slow as they may be, on many connections.
    SlowUploads,
    /// One good version after the other.
    Swaps,
    /// No attack: other processes, of the lowest priority, leave no processor idle.
    BusyMachine,
}

const fn order(guest: &'static str, does: &'static str) -> Attack {
    Attack {
        name: guest,
        does,
        means: Means::Order(guest),
    }
}

const fn edit(guest: &'static str, does: &'static str) -> Attack {
    Attack {
        name: guest,
        does,
        means: Means::Edit(guest),
    }
}

const fn other(name: &'static str, does: &'static str, means: Means) -> Attack {
    Attack { name, does, means }
}

/// No attack, for comparison: what happens to answers when no processor is idle, but nothing of that is
/// the agent's work.
pub const BUSY_MACHINE: Attack = other(
    "busy machine",
    "behaves; other processes of the lowest priority keep the processors busy",
    Means::BusyMachine,
);

/// All attacks.
pub const ATTACKS: &[Attack] = &[
    order("spin_in_order", "spins in each order"),
    order("busy", "takes milliseconds for each order"),
    order(
        "busy_now_and_then",
        "takes milliseconds for every second order",
    ),
    order("grow_memory", "takes all memory that it gets"),
    order("trap_in_order", "traps in each order"),
    order("log_flood", "logs ten thousand lines for each order"),
    edit("spin_in_intercept", "spins in each batch"),
    edit("many_edits", "sets a thousand headers on each event"),
    edit(
        "edit_amplified",
        "sets a header of a megabyte on each event",
    ),
    edit(
        "log_and_trap",
        "logs, and traps on batches but not on events",
    ),
    other(
        "swaps",
        "loads one good version after the other",
        Means::Swaps,
    ),
    other(
        "slow uploads",
        "uploads a byte now and then, on many connections",
        Means::SlowUploads,
    ),
    other(
        "large files",
        "uploads files of 60 MB, one after the other",
        Means::LargeFiles,
    ),
    other(
        "compilers",
        "uploads small files that keep a compiler busy, one after the other",
        Means::Compilers,
    ),
];

/// How many uploads are under way at once.
const UPLOADS: usize = 64;

/// How much of a large file says nothing.
const BLANK: usize = 60 << 20;

impl Attack {
    /// Whether it needs neither long compilations nor large files.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        !matches!(self.means, Means::LargeFiles | Means::Compilers)
    }

    /// Makes ready for it.
    pub(super) fn draw(&self, scene: &Scene) -> Weapon {
        let hostile = |name| std::fs::read_to_string(guest(name)).expect("a guest");
        match self.means {
            Means::Order(name) => Weapon::Load("bad/order", hostile(name)),
            Means::Edit(name) => Weapon::Load("bad/edit", hostile(name)),
            Means::Compilers => Weapon::Load("bad/order", bomb()),
            Means::LargeFiles => Weapon::Load("bad/order", module(1, "") + &" ".repeat(BLANK)),
            Means::Swaps => Weapon::Load("bad/order", module(1, "")),
            Means::BusyMachine => Weapon::Loops((0..processors()).map(|_| endless()).collect()),
            Means::SlowUploads => Weapon::Uploads((0..UPLOADS).map(|_| upload(scene)).collect()),
        }
    }
}

fn guest(name: &str) -> PathBuf {
    flume_artifacts::hostile(name)
}

/// An attack that is ready.
pub(super) enum Weapon {
    /// A policy, and the text that is loaded for it, with another comment each time.
    Load(&'static str, String),
    /// Uploads that are under way.
    Uploads(Vec<UnixStream>),
    /// Processes that do nothing, all the time.
    Loops(Vec<Child>),
}

impl Drop for Weapon {
    fn drop(&mut self) {
        if let Self::Loops(loops) = self {
            for endless in loops {
                endless.kill().expect("a child");
                endless.wait().expect("a child");
            }
        }
    }
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn endless() -> Child {
    let mut endless = Command::new("nice");
    endless.args(["-n", "19", "sh", "-c", "while :; do :; done"]);
    endless.spawn().expect("nice and sh")
}

impl Weapon {
    /// Attacks once more. Returns whether the agent took it.
    pub(super) fn strike(&self, scene: &Scene, time: u64) -> bool {
        match self {
            Self::Load(policy, text) => {
                let text = format!(";; {time}\n{text}");
                let (status, answer) = scene.host().change("PUT", policy, text);
                assert!(status < 500 || status == 503, "{status} {answer}");
                status == 200
            }
            Self::Uploads(streams) => {
                for mut stream in streams {
                    // It may have been ended. Slower ones are ended at once.
                    stream.write_all(&[b' '; 512]).unwrap_or_default();
                }
                true
            }
            Self::Loops(_) => true,
        }
    }

    /// The time until the next one.
    pub(super) fn pause(&self) -> Duration {
        match self {
            Self::Load(..) => Duration::from_millis(100),
            Self::Uploads(_) => Duration::from_millis(20),
            Self::Loops(_) => Duration::from_millis(100),
        }
    }
}

/// Begins to upload a policy.
fn upload(scene: &Scene) -> UnixStream {
    let stream = UnixStream::connect(scene.host().socket());
    let mut stream = stream.expect("an admin socket");
    let limit = Some(Duration::from_secs(1));
    stream.set_write_timeout(limit).expect("a limit");
    let head =
        "PUT /policies/bad/order HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("an admin socket");
    stream
}
