//! The process with both tenants.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::bomb;
use crate::tally::Tally;
use crate::{AgentFile, Feed, Host, Landing, Lines, Scratch, landing, ports};

/// The text at the start of the lines of the tenant that works on.
pub(super) const PREFIX: &str = "n";

const PATIENCE: Duration = Duration::from_secs(120);

/// The share of one processor that the policies of the attacker have: whoever lets strangers bring
/// policies sets one.
const SHARE: u32 = 10;

/// A compiler's share of the time: an attack then has several turns.
const COMPILE_SECONDS: &str = "10";

/// Two agents in one process: `good` works on, `bad` attacks.
pub(super) struct Scene {
    scratch: Scratch,
    host: Host,
    quiet: u16,
    loud: u16,
    rate: u64,
    /// Lines that the attacker has sent.
    sent: AtomicU64,
}

impl Scene {
    /// Starts both. The attacker behaves at first.
    pub(super) fn start(rate: u64) -> Self {
        let scratch = Scratch::new();
        let (quiet, loud) = (ports::free(), ports::free());
        let text = good(&scratch, quiet) + &bad(&scratch, loud);
        let file = scratch.file("tenants.properties", &text);
        let words = ["--compile-seconds", COMPILE_SECONDS];
        let host = Host::run(&scratch, "tenants", &file, &words);
        Self {
            scratch,
            host,
            quiet,
            loud,
            rate,
            sent: AtomicU64::new(0),
        }
    }

    /// The process.
    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// The port of the tenant that works on.
    pub(super) fn quiet(&self) -> u16 {
        self.quiet
    }

    /// Lines of the attacker, which its policies handle. Whether they are accepted is its affair.
    pub(super) fn traffic(&self) -> Feed {
        let many = self.rate * 600;
        let first = self.sent.fetch_add(many, Ordering::Relaxed);
        Feed::start(self.loud, Lines::new("b", many).from(first).rate(self.rate))
    }

    /// Loads another version of the policy of the tenant that works on.
    pub(super) fn load_another(&self) {
        let (status, text) = self.host.change("PUT", "good/order", bomb::module(2, ""));
        assert_eq!(status, 200, "{text}");
    }

    /// Rolls it back.
    pub(super) fn roll_back(&self) {
        let (status, text) = self.host.change("POST", "good/order/rollback", "");
        assert_eq!(status, 200, "{text}");
    }

    /// What has landed of the lines of the tenant that works on, once that is all of them.
    pub(super) fn landed(&self, sent: u64) -> Tally {
        let landings = landings("good", &self.scratch);
        landing::await_count(&landings.each_ref(), PREFIX, sent, PATIENCE)
    }
}

/// netcat → memory → two folders in a group, with the policy `order` in the agent's own folder.
#[must_use]
pub fn tenant(name: &str, scratch: &Scratch, input: u16) -> AgentFile {
    let own = scratch.folder(name);
    std::fs::write(own.join("order.wat"), bomb::module(1, "")).expect("a file");
    let mut file = AgentFile::new(name)
        .memory("c1", 10_000, 1_000)
        .netcat("r1", input);
    for sink in ["k1", "k2"] {
        file = file.file_roll(sink, &folder(name, scratch, sink), 100);
    }
    let selector = [("type", "load_balance"), ("selector", "order.wat")];
    file.group("k1 k2", &selector)
        .set("policies.directory", own.display())
        // The machine may be busy with other work.
        .set("policies.deadline-ms", 2_000)
        .set("policies.start-deadline-ms", 20_000)
}

/// Where a sink of a tenant writes.
#[must_use]
pub fn folder(name: &str, scratch: &Scratch, sink: &str) -> PathBuf {
    scratch.folder(&format!("{name}-{sink}"))
}

/// Where both sinks of a tenant write.
#[must_use]
pub fn landings(name: &str, scratch: &Scratch) -> [Landing; 2] {
    ["k1", "k2"].map(|sink| Landing::Folder(folder(name, scratch, sink)))
}

/// The tenant that works on has redact.wasm as well.
fn good(scratch: &Scratch, input: u16) -> String {
    let file = tenant("good", scratch, input);
    let redact = flume_artifacts::shipped("redact");
    std::fs::copy(redact, scratch.path("good/edit.wasm")).expect("a file");
    file.set("sources.r1.interceptors", "i1")
        .set("sources.r1.interceptors.i1.type", "edit.wasm")
        .set("sources.r1.interceptors.i1.patterns", "################")
        .text()
}

/// netcat → a policy → memory → three sinks in a group with a policy, which forget.
fn bad(scratch: &Scratch, input: u16) -> String {
    let own = scratch.folder("bad");
    // Its order is valid.
    let order = flume_artifacts::hostile("import_trap");
    std::fs::copy(order, own.join("order.wat")).expect("a file");
    let edit = flume_artifacts::shipped("redact");
    std::fs::copy(edit, own.join("edit.wasm")).expect("a file");
    let mut file = AgentFile::new("bad")
        .memory("c1", 10_000, 1_000)
        .netcat("r1", input);
    for sink in ["k1", "k2", "k3"] {
        file = file.null(sink, 10);
    }
    let selector = [("type", "load_balance"), ("selector", "order.wat")];
    file.group("k1 k2 k3", &selector)
        .attacking("r1", "i1")
        .set("sources.r1.interceptors.i1.type", "edit.wasm")
        .set("sources.r1.interceptors.i1.patterns", "################")
        .set("policies.directory", own.display())
        .set("policies.cpu-percent", SHARE)
        .text()
}
