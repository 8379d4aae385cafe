//! Goal: another version of a policy takes over in a running process by every way that operators
//! use, and whatever is wrong with it, no event is lost, doubled or held up.
//! Method: one process with sinks that write files, and a policy that always tries the same of them
//! first. Lines flow in from netcat the whole time; which sink has the next ones says
//! which version runs, and at the end all lines are counted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, eventually, landing, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// How long a part of a slow copy takes: several looks of the host at the file.
const STALL: Duration = Duration::from_millis(1_200);

/// Lines of a scenario, at 2,000 in a second: more than the changes take.
const LINES: u64 = 40_000;

/// A selector that always tries the sink of this number.
fn module(sink: u8) -> String {
    let text = include_str!("../diagnostics/policies/first.wat");
    // The order is what lies at 128: the sink, in four bytes.
    let data = format!("(data (i32.const 128) \"\\{:02x}\\00\\00\\00\"))", sink - 1);
    let end = text.trim_end().strip_suffix(')').expect("a module");
    format!("{end}\n  {data}\n")
}

/// netcat → memory → a balanced group of so many sinks.
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
    /// With the policy in a file; or behind a link to this one.
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

    /// The next hundred events go to this sink.
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

    /// Asks the admin port for a change; status and text.
    fn change(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build();
        let client = ureq::Agent::new_with_config(config);
        let url = format!(
            "http://127.0.0.1:{}/policies/a1/order{path}",
            self.host.admin_port()
        );
        let answer = match method {
            "PUT" => client.put(&url).send(body),
            "DELETE" => client.delete(&url).call(),
            _ => client.post(&url).send_empty(),
        };
        let mut answer = answer.unwrap_or_else(|err| panic!("{method} {url}: {err}"));
        let text = answer.body_mut().read_to_string().expect("a text");
        (answer.status().as_u16(), text)
    }

    /// All lines were acknowledged, and each is in one of the folders, once.
    fn finish(self, what: &str) {
        let acknowledged = self.feed.acknowledged();
        assert!(
            acknowledged < LINES,
            "{what}: the changes came in mid-stream"
        );
        self.feed.finish(PATIENCE).assert_all_acknowledged();
        let landed: Vec<&Landing> = self.landed.iter().collect();
        landing::await_count(&landed, "n", LINES, PATIENCE).assert_exact(what);
        // Not the fallback, that is.
        let fallbacks = self.host.counter("POLICY.order", "FallbackCount");
        assert_eq!(fallbacks, 0, "{what}");
    }
}

/// Writes a file beside its place and moves it there.
fn move_into(path: &Path, text: &str) {
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
fn a_link_that_is_turned_takes_over() {
    let scene = Scene::start(Some("one.wat"));
    let two = scene.scratch.file("two.wat", &module(2));
    let new = scene.path.with_extension("new");
    std::os::unix::fs::symlink(two, &new).expect("a link");
    std::fs::rename(&new, &scene.path).expect("a move");
    scene.await_first(2);
    scene.finish("a link that is turned");
}

/// The copy stalls again and again, longer than the host's looks are apart.
#[test]
fn a_slow_copy_takes_over_when_it_is_whole() {
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

/// One line in the log says what is wrong, and the next good file takes over.
#[test]
fn a_broken_file_leaves_what_runs() {
    let mut scene = Scene::start(None);
    let told = "the policy stays as it is";
    move_into(&scene.path, "(module)");
    scene.host.process().await_said(told, 1, PATIENCE);
    scene.await_first(1);
    let error = scene.report()["last-error"].to_string();
    assert!(error.contains("exports nothing"), "{error}");
    move_into(&scene.path, &module(2));
    scene.await_first(2);
    assert_eq!(scene.report()["last-error"], Value::Null);
    assert_eq!(scene.host.process().said(told), 1);
    scene.finish("a broken file");
}

/// The new version is none for a group of two. With a third sink, and SIGHUP, both are taken in.
#[test]
fn sighup_takes_in_a_file_and_a_configuration_together() {
    let mut scene = Scene::start(None);
    move_into(&scene.path, &module(3));
    let told = "the policy stays as it is";
    scene.host.process().await_said(told, 1, PATIENCE);
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
fn the_admin_port_puts_takes_back_and_drops() {
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
    scene.finish("changes over the admin port");
}
