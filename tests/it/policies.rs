//! Goal: a new version of a policy takes over in a running process in every way that operators use,
//! and even if the version is bad, no event is lost, duplicated or delayed. Method: one process
//! with sinks that write files, and a policy that always tries the same sink first. Lines flow in
//! from netcat the whole time. The sink that gets the next lines shows which version runs, and at
//! the end all lines are counted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, eventually, landing, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between parts of a slow copy: the host checks the file several times meanwhile.
const STALL: Duration = Duration::from_millis(1_200);

/// More lines than a scenario sends, at 2,000 per second: they flow until it is over.
const LINES: u64 = 1_000_000;

/// A selector that always tries the sink with this number.
pub(crate) fn module(sink: u8) -> String {
    let text = include_str!("../diagnostics/policies/first.wat");
    // The order is at address 128: the sink, in four bytes.
    let data = format!("(data (i32.const 128) \"\\{:02x}\\00\\00\\00\"))", sink - 1);
    let end = text.trim_end().strip_suffix(')').expect("a module");
    format!("{end}\n  {data}\n")
}

/// netcat → memory → a balanced group of this many sinks.
fn agent(scratch: &Scratch, input: u16, sinks: u8) -> String {
    let mut file = AgentFile::new("a1")
        .memory("c1", 10_000, 1_000)
        .netcat("r1", input);
    let names: Vec<String> = (1..=sinks).map(|sink| format!("k{sink}")).collect();
    for name in &names {
        file = file.file_roll(name, &scratch.path(name), 10);
    }
    file.set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", names.join(" "))
        .set("sinkgroups.g1.processor.type", "load_balance")
        .set("sinkgroups.g1.processor.selector", "order.wat")
        // The machine may be busy with other tests.
        .set("policies.deadline-ms", 2_000)
        .set("policies.start-deadline-ms", 20_000)
        .text()
}

/// The process, its policy, and the lines that flow through it.
struct Scene {
    scratch: Scratch,
    host: Host,
    feed: Feed,
    input: u16,
    path: PathBuf,
    landed: [Landing; 3],
}

impl Scene {
    /// With the policy in a file, or behind a symbolic link to `link_to`.
    fn start(link_to: Option<&str>) -> Self {
        let scratch = Scratch::new();
        let input = ports::free();
        let path = match link_to {
            None => scratch.file("order.wat", &module(1)),
            Some(target) => {
                let target = scratch.file(target, &module(1));
                let link = scratch.path("order.wat");
                std::os::unix::fs::symlink(target, &link).expect("a link");
                link
            }
        };
        let folders = ["k1", "k2", "k3"].map(|sink| scratch.folder(sink));
        let file = scratch.file("a1.properties", &agent(&scratch, input, 2));
        let host = Host::run(&scratch, "a1", &file, &["--policy-cache", "none"]);
        let feed = Feed::start(input, Lines::new("n", LINES).rate(2_000));
        let landed = folders.map(Landing::Folder);
        let scene = Self {
            scratch,
            host,
            feed,
            input,
            path,
            landed,
        };
        scene.await_first(1);
        scene
    }

    /// Waits until the next hundred events go to this sink.
    fn await_first(&self, sink: u8) {
        let component = format!("SINK.k{sink}");
        let count = || self.host.counter(&component, "EventDrainSuccessCount");
        let before = count();
        let what = format!("k{sink} comes first");
        eventually(&what, PATIENCE, || (count() >= before + 100).then_some(()));
    }

    /// The report of the policy.
    fn report(&self) -> Value {
        let (status, text) = self.host.page("/policies/a1/order").expect("an answer");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Requests a change over the admin socket; returns status and text.
    fn change(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.host.change(method, &format!("a1/order{path}"), body)
    }

    /// All lines were acknowledged, and each is in exactly one of the folders, once.
    fn finish(self, what: &str) {
        let replies = self.feed.stop(PATIENCE);
        replies.assert_all_acknowledged();
        let lines = replies.acknowledged.len() as u64;
        assert!(lines < LINES, "{what}: the changes came in mid-stream");
        let landed: Vec<&Landing> = self.landed.iter().collect();
        landing::await_count(&landed, "n", lines, PATIENCE).assert_exact(what);
        // So the fallback was not used.
        let fallbacks = self.host.counter("POLICY.order", "FallbackCount");
        assert_eq!(fallbacks, 0, "{what}");
    }
}

/// Writes a new file and moves it into place.
pub(crate) fn move_into(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("a file");
    std::fs::rename(&new, path).expect("a move");
}

#[test]
fn a_file_that_is_moved_into_place_takes_over() {
    let scene = Scene::start(None);
    move_into(&scene.path, &module(2));
    scene.await_first(2);
    let report = scene.report();
    assert_eq!(
        (&report["generation"], &report["swaps"]),
        (&2.into(), &1.into())
    );
    assert_eq!(report["seats"][0]["state"], "running");
    assert_eq!(scene.host.counter("POLICY.order", "SwapCount"), 1);
    scene.finish("a file that is moved into place");
}

#[test]
fn a_changed_link_takes_over() {
    let scene = Scene::start(Some("one.wat"));
    let two = scene.scratch.file("two.wat", &module(2));
    let new = scene.path.with_extension("new");
    std::os::unix::fs::symlink(two, &new).expect("a link");
    std::fs::rename(&new, &scene.path).expect("a move");
    scene.await_first(2);
    scene.finish("a link that is changed");
}

/// The copy stalls repeatedly, longer than the host's interval between checks.
#[test]
fn a_slow_copy_takes_over_when_it_is_complete() {
    let mut scene = Scene::start(None);
    let text = module(2);
    for part in [text.len() / 3, text.len() * 2 / 3, text.len()] {
        std::fs::write(&scene.path, text.get(..part).expect("ASCII")).expect("a file");
        if part < text.len() {
            std::thread::sleep(STALL);
        }
    }
    scene.await_first(2);
    assert_eq!(scene.host.process().said("the policy stays as it is"), 0);
    scene.finish("a slow copy");
}

/// One log line says what is wrong, and the next good file takes over.
#[test]
fn a_broken_file_leaves_what_runs() {
    let mut scene = Scene::start(None);
    let refusal = "the policy stays as it is";
    move_into(&scene.path, "(module)");
    scene.host.process().await_said(refusal, 1, PATIENCE);
    scene.await_first(1);
    let error = scene.report()["last-error"].to_string();
    assert!(error.contains("exports nothing"), "{error}");
    move_into(&scene.path, &module(2));
    scene.await_first(2);
    assert_eq!(scene.report()["last-error"], Value::Null);
    assert_eq!(scene.host.process().said(refusal), 1);
    scene.finish("a broken file");
}

/// The new version is not valid for a group of two. After a SIGHUP with a third sink, both take
/// effect.
#[test]
fn sighup_applies_a_file_and_a_configuration_together() {
    let mut scene = Scene::start(None);
    move_into(&scene.path, &module(3));
    let refusal = "the policy stays as it is";
    scene.host.process().await_said(refusal, 1, PATIENCE);
    let text = agent(&scene.scratch, scene.input, 3);
    scene.host.reload(&text, 1, PATIENCE);
    scene.await_first(3);
    let report = scene.report();
    assert_eq!(report["last-error"], Value::Null);
    assert_eq!(
        report["seats"].as_array().map(Vec::len),
        Some(1),
        "{report}"
    );
    scene.finish("SIGHUP");
}

#[test]
fn the_admin_socket_uploads_rolls_back_and_deletes() {
    let scene = Scene::start(None);
    let (status, text) = scene.change("PUT", "", &module(2));
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("order.wat is unchanged"), "{text}");
    scene.await_first(2);
    assert_eq!(scene.report()["uploaded"], true);
    let on_disk = std::fs::read_to_string(&scene.path).expect("a file");
    assert_eq!(on_disk, module(1));
    let (status, text) = scene.change("PUT", "", "(module)");
    assert_eq!(status, 422, "{text}");
    let (status, text) = scene.change("POST", "/rollback", "");
    assert_eq!(status, 200, "{text}");
    scene.await_first(1);
    assert_eq!(scene.change("POST", "/rollback", "").0, 409);
    assert_eq!(scene.change("PUT", "", &module(2)).0, 200);
    scene.await_first(2);
    assert_eq!(scene.change("DELETE", "", "").0, 200);
    scene.await_first(1);
    scene.finish("changes over the admin socket");
}
