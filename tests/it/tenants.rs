//! Goal: what one tenant's policy does to its compiler is felt by nobody else. Method: two agents in
//! one process, each with a policy of its own. One of them gets a file that is small, passes every
//! guard, and keeps a compiler busy for a minute; meanwhile the other one works on, changes its
//! policy and rolls it back, and the process is ended.

use std::path::Path;
use std::time::Duration;

use flume_tests::tenants::bomb::{bomb, module};
use flume_tests::tenants::{landings, tenant};
use flume_tests::{Feed, Host, Lines, Scratch, eventually, landing, ports};
use serde_json::Value;

pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The end of the process, with what a busy machine adds. The compiler would go on for longer.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Bytes that this process may need more because another tenant's file is compiled: its bytes, on
/// their way to the child, and no compiler. The compiler takes some hundred MB.
const MORE: u64 = 64 << 20;

/// Two tenants, and lines that flow through the good one.
struct Scene {
    scratch: Scratch,
    host: Host,
    feed: Feed,
}

impl Scene {
    fn start(words: &[&str]) -> Self {
        let scratch = Scratch::new();
        let (input, other) = (ports::free(), ports::free());
        let [good, bad] = [("good", input), ("bad", other)]
            .map(|(name, port)| tenant(name, &scratch, port).text());
        let text = good + &bad;
        let file = scratch.file("both.properties", &text);
        let words = [&["--policy-cache", "none"], words].concat();
        let host = Host::run(&scratch, "both", &file, &words);
        let feed = Feed::start(input, Lines::new("n", 1_000_000).rate(1_000));
        Self {
            scratch,
            host,
            feed,
        }
    }

    /// Moves the bomb over the bad tenant's file, and waits until its compiler is at work.
    fn attack(&mut self) -> u32 {
        let path = self.scratch.path("bad/order.wat");
        let new = path.with_extension("new");
        std::fs::write(&new, bomb()).expect("a file");
        std::fs::rename(&new, &path).expect("a move");
        let id = self.host.process().id();
        eventually("a compiler is at work", PATIENCE, || child_of(id))
    }

    fn report(&self, name: &str) -> Value {
        let (status, text) = self
            .host
            .page(&format!("/policies/{name}/order"))
            .expect("an answer");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

/// A child of this process that compiles.
pub(crate) fn child_of(parent: u32) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").ok()?;
    let ids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let words = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        status.contains(&format!("\nPPid:\t{parent}\n")) && words.contains("policy\0compile\0")
    };
    let mut children = ids.filter(is_child);
    children.next()
}

pub(crate) fn lives(id: u32) -> bool {
    Path::new(&format!("/proc/{id}/fd")).exists()
}

/// By how much a process gives way to others.
pub(crate) fn niceness(id: u32) -> i64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("a process");
    let (_, after_name) = stat.rsplit_once(')').expect("a name");
    let nice = after_name.split_whitespace().nth(16).expect("a niceness");
    nice.parse().expect("a number")
}

/// SIGTERM drains what there is and ends the process, and the compiler with it, which would go on for
/// longer.
pub(crate) fn assert_ends_at_once(host: &mut Host, compiler: u32) {
    let began = std::time::Instant::now();
    assert!(
        host.term(PATIENCE).success(),
        "what had come in was drained"
    );
    let took = began.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
    eventually("the compiler has ended", AT_ONCE, || {
        (!lives(compiler)).then_some(())
    });
}

/// The most memory that a process has had, in bytes.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("a peak") << 10
}

#[test]
fn a_file_that_no_compiler_can_bear_is_felt_by_its_tenant_alone() {
    let mut scene = Scene::start(&["--compile-seconds", "15"]);
    let before = peak(scene.host.process().id());
    let compiler = scene.attack();
    // No event of anybody waits for it: it takes what others leave, and never every processor.
    assert_eq!(niceness(compiler), 19);
    let words = std::fs::read_to_string(format!("/proc/{compiler}/cmdline")).expect("a process");
    assert!(words.ends_with("\x001\0"), "{words:?}");
    // Another tenant's changes wait for nothing.
    let (status, text) = scene.host.change("PUT", "good/order", module(2, ""));
    assert_eq!(status, 200, "{text}");
    let (status, text) = scene.host.change("POST", "good/order/rollback", "");
    assert_eq!(status, 200, "{text}");
    // Neither do the bad tenant's own ways back.
    let (status, text) = scene.host.change("DELETE", "bad/order", "");
    assert_eq!(status, 200, "{text}");
    assert!(
        lives(compiler),
        "all of this while the compiler was at work"
    );
    let refused = || {
        let error = scene.report("bad")["last-error"].as_str()?.to_owned();
        error
            .contains("needs more than 15s of processor time")
            .then_some(())
    };
    eventually("the bad file is refused", PATIENCE, refused);
    assert!(!lives(compiler));
    let after = peak(scene.host.process().id());
    assert!(after < before + MORE, "{} MiB more", (after - before) >> 20);
    let seat = &scene.report("bad")["seats"][0];
    assert_eq!(seat["state"], "running", "what ran goes on");

    let replies = scene.feed.stop(PATIENCE);
    replies.assert_all_acknowledged();
    let lines = replies.acknowledged.len() as u64;
    let landed = landings("good", &scene.scratch);
    landing::await_count(&landed.each_ref(), "n", lines, PATIENCE)
        .assert_exact("the good tenant's lines");
}

#[test]
fn memory_of_a_compiler_is_not_the_agents() {
    let mut scene = Scene::start(&["--compile-memory", "300"]);
    let before = peak(scene.host.process().id());
    scene.attack();
    let refused = || {
        let error = scene.report("bad")["last-error"].as_str()?.to_owned();
        error
            .contains("needs more than 300 MiB of memory")
            .then_some(())
    };
    eventually("the bad file is refused", PATIENCE, refused);
    let after = peak(scene.host.process().id());
    assert!(after < before + MORE, "{} MiB more", (after - before) >> 20);
}

#[test]
fn the_end_waits_for_no_compiler() {
    let mut scene = Scene::start(&[]);
    let compiler = scene.attack();
    drop(scene.feed.stop(PATIENCE));
    assert_ends_at_once(&mut scene.host, compiler);
}
