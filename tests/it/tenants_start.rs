//! Goal: at the start and in a reload no tenant waits for the policies of another, and a policy that
//! cannot be used keeps nobody else from starting. Method: two agents in one process, as in
//! [`tenants`](crate::tenants). The policy of one keeps a compiler busy for a minute, or is garbage;
//! the other one is to answer its clients meanwhile.

use flume_tests::tenants::bomb::{bomb, module};
use flume_tests::tenants::{folder, landings, tenant};
use flume_tests::{Feed, Host, Landing, Lines, Scratch, eventually, landing, ports};
use serde_json::Value;

use crate::tenants::{PATIENCE, assert_ends_at_once, child_of, lives, niceness};

/// A file that is no policy.
const GARBAGE: &str = "(module";

/// Two tenants, of whom one has a policy of its own making.
struct Scene {
    scratch: Scratch,
    host: Host,
    text: String,
    good: u16,
    bad: u16,
}

impl Scene {
    /// Starts both, with these lines more, and waits for neither.
    fn begin(policy: &str, lines: &str, words: &[&str]) -> Self {
        let scratch = Scratch::new();
        let (good, bad) = (ports::free(), ports::free());
        let [own, other] =
            [("good", good), ("bad", bad)].map(|(name, port)| tenant(name, &scratch, port).text());
        let text = own + &other + lines;
        std::fs::write(scratch.path("bad/order.wat"), policy).expect("a file");
        let file = scratch.file("both.properties", &text);
        let words = [&["--policy-cache", "none"], words].concat();
        let host = Host::begin(&scratch, "both", &file, &words);
        Self {
            scratch,
            host,
            text,
            good,
            bad,
        }
    }

    fn await_page(&self, path: &str, status: u16) -> String {
        eventually(&format!("{path} is {status}"), PATIENCE, || {
            let (now, text) = self.host.page(path).ok()?;
            (now == status).then_some(text)
        })
    }

    fn compiler(&mut self) -> u32 {
        let id = self.host.process().id();
        eventually("a compiler is at work", PATIENCE, || child_of(id))
    }

    /// Sends lines to a tenant, all of which are to be acknowledged.
    fn send(&self, port: u16, prefix: &str, lines: u64) {
        Feed::send(port, Lines::new(prefix, lines), PATIENCE).assert_all_acknowledged();
    }

    /// Replaces the bad tenant's policy at once.
    fn mend(&self) {
        let path = self.scratch.path("bad/order.wat");
        let new = path.with_extension("new");
        std::fs::write(&new, module(2, "")).expect("a file");
        std::fs::rename(&new, &path).expect("a move");
    }

    /// The configuration with another file for the bad tenant's policy: the watch would take what
    /// becomes of the first one by itself.
    fn with_new_file(&self, policy: &str) -> String {
        std::fs::write(self.scratch.path("bad/new.wat"), policy).expect("a file");
        let key = "bad.sinkgroups.g1.processor.selector = ";
        self.text
            .replace(&format!("{key}order"), &format!("{key}new"))
    }

    /// The places of the bad tenant's policy.
    fn seat(&self) -> Value {
        let (status, text) = self.host.page("/policies/bad/order").expect("an answer");
        assert_eq!(status, 200, "{text}");
        let report: Value = serde_json::from_str(&text).expect("JSON");
        report["seats"][0].clone()
    }

    fn process(&self, metric: &str) -> u64 {
        self.host.counter("PROCESS.flume-host", metric)
    }

    /// Waits until so many of the bad tenant's lines are in the folder of a sink.
    fn await_landed(&self, sink: &str, prefix: &str, lines: u64) {
        let landed = Landing::Folder(folder("bad", &self.scratch, sink));
        let has = || {
            let bodies = landed.bodies().into_iter();
            let ours = bodies.filter(|body| body.starts_with(prefix.as_bytes()));
            (ours.count() as u64 == lines).then_some(())
        };
        eventually("the lines are in the folder", PATIENCE, has);
    }
}

#[test]
fn a_tenant_starts_while_the_compiler_of_another_is_at_work() {
    let mut scene = Scene::begin(&bomb(), "", &[]);
    assert_eq!(scene.await_page("/readyz?agent=good", 200), "ok\n");
    // That of the good one has ended.
    let compiler = scene.compiler();
    assert!(niceness(compiler) < 19, "a start waits for it");
    scene.send(scene.good, "n", 1_000);
    let (status, text) = scene.host.page("/readyz").expect("an answer");
    assert_eq!(status, 503, "{text}");
    assert!(text.starts_with("waiting agent bad for "), "{text}");
    let (status, text) = scene.host.page("/readyz?agent=bad").expect("an answer");
    assert_eq!(status, 503, "{text}");
    let (status, text) = scene.host.page("/readyz?agent=god").expect("an answer");
    assert_eq!(status, 404, "a misspelt name does not look well: {text}");
    let (_, text) = scene.host.page("/config").expect("an answer");
    let config: Value = serde_json::from_str(&text).expect("JSON");
    assert!(
        config["good"].is_object() && config["bad"].is_null(),
        "{text}"
    );
    assert_eq!(
        (
            scene.process("RunningAgents"),
            scene.process("StartingAgents")
        ),
        (1, 1)
    );
    assert!(lives(compiler), "all of this while it was at work");

    assert_ends_at_once(&mut scene.host, compiler);
    let landed = landings("good", &scene.scratch);
    landing::count(&landed.each_ref(), "n", 1_000).assert_exact("the good tenant's lines");
}

#[test]
fn an_end_before_any_tenant_has_started_waits_for_no_compiler() {
    let mut scene = Scene::begin(&bomb(), "", &["-n", "bad"]);
    let compiler = scene.compiler();
    assert_ends_at_once(&mut scene.host, compiler);
}

#[test]
fn a_tenants_reloads_go_on_while_the_compiler_of_another_is_at_work() {
    let mut scene = Scene::begin(&module(1, ""), "", &["--compile-seconds", "15"]);
    scene.await_page("/readyz", 200);
    let text = scene.with_new_file(&bomb());
    let with = |capacity: u32| {
        let from = "good.channels.c1.capacity = 10000";
        text.replace(from, &format!("good.channels.c1.capacity = {capacity}"))
    };
    scene.host.rewrite(&with(20_000));
    let compiler = scene.compiler();
    let taken = "agent runs from the new file";
    scene.host.process().await_said(taken, 1, PATIENCE);
    // Nothing is closed meanwhile, and the next reload does not wait either.
    assert_eq!(scene.await_page("/readyz", 200), "ok\n");
    let (_, text) = scene.host.page("/readyz?verbose").expect("an answer");
    assert!(text.contains("it goes on from the file before"), "{text}");
    scene.host.rewrite(&with(30_000));
    scene.host.process().await_said(taken, 2, PATIENCE);
    scene.send(scene.good, "n", 1_000);
    scene.send(scene.bad, "n", 100);
    assert_eq!(scene.process("ReloadCount"), 0, "it is not over");
    assert!(lives(compiler), "all of this while it was at work");

    let over = "the reload is over";
    scene.host.process().await_said(over, 1, PATIENCE);
    let log = scene.host.process().log();
    let kept = "the new file cannot run; the agent keeps the old one";
    let line = log.lines().find(|line| line.contains(kept)).expect(kept);
    for part in [
        "agent=\"bad\"",
        "key=\"bad.sinkgroups.g1.processor.selector\"",
        "needs more than 15s of processor time",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(
        (
            scene.process("ReloadCount"),
            scene.process("ReloadRefusedCount")
        ),
        (0, 1)
    );
    assert_eq!(scene.process("LastReloadTaken"), 0);
    assert_eq!(scene.seat()["state"], "running", "what ran goes on");
    // The same again without the bomb is taken by both.
    std::fs::write(scene.scratch.path("bad/new.wat"), module(2, "")).expect("a file");
    scene.host.rewrite(&with(30_000));
    scene.host.process().await_said(over, 2, PATIENCE);
    assert_eq!(scene.process("LastReloadTaken"), 1);
    scene.send(scene.bad, "m", 10);
    scene.await_landed("k2", "m", 10);
}

#[test]
fn an_end_in_a_reload_waits_for_no_compiler() {
    let mut scene = Scene::begin(&module(1, ""), "", &[]);
    scene.await_page("/readyz", 200);
    let text = scene.with_new_file(&bomb());
    scene.host.rewrite(&text);
    let compiler = scene.compiler();
    scene.send(scene.good, "n", 1_000);
    scene.send(scene.bad, "n", 1_000);
    assert_ends_at_once(&mut scene.host, compiler);
    for name in ["good", "bad"] {
        let landed = landings(name, &scene.scratch);
        landing::count(&landed.each_ref(), "n", 1_000).assert_exact(name);
    }
}

#[test]
fn a_tenant_without_a_usable_policy_is_left_out_until_a_reload() {
    let mut scene = Scene::begin(GARBAGE, "", &[]);
    assert_eq!(scene.await_page("/readyz?agent=good", 200), "ok\n");
    scene.send(scene.good, "n", 100);
    let said = "agent left out, others start";
    scene.host.process().await_said(said, 1, PATIENCE);
    let log = scene.host.process().log();
    let line = log.lines().find(|line| line.contains(said)).expect(said);
    let place = scene
        .text
        .lines()
        .position(|line| line.contains("bad.sinkgroups.g1.processor.selector"));
    let place = format!("line={}", place.expect("a line") + 1);
    for part in [
        "agent=\"bad\"",
        "both.properties",
        &place,
        "key=\"bad.sinkgroups.g1.processor.selector\"",
        "is not a WebAssembly module",
        "send SIGHUP",
        "bad.policies.at-start = fallback",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let text = scene.await_page("/readyz?agent=bad", 503);
    assert!(text.starts_with("failing agent bad for "), "{text}");
    assert_eq!(scene.await_page("/readyz", 503), text);
    let (status, json) = scene.host.page("/healthz?format=json").expect("an answer");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let first = &json["troubles"][0];
    assert_eq!(
        (status, &first["component"]),
        (503, &"agent bad".into()),
        "{json}"
    );
    for part in ["state", "symptom", "impact", "cause", "what-to-do"] {
        assert!(
            first[part].as_str().is_some_and(|text| !text.is_empty()),
            "{part}: {json}"
        );
    }
    assert!(first["since-seconds"].is_u64(), "{json}");
    assert_eq!(scene.process("LeftOutAgents"), 1);
    assert!(!ports::listening(scene.bad));
    let file = scene.scratch.path("both.properties").display().to_string();
    let checked = flume_tests::host::command(&["check", &file], "");
    assert_eq!(checked.status.code(), Some(78), "{}", checked.stdout);
    for part in ["error[policy-refused]", "1 error", "ready to run: good\n"] {
        assert!(checked.stdout.contains(part), "{part}: {}", checked.stdout);
    }

    scene.mend();
    scene.host.process().hup();
    assert_eq!(scene.await_page("/readyz", 200), "ok\n");
    assert_eq!(scene.process("LeftOutAgents"), 0);
    scene.send(scene.bad, "n", 100);
    scene.await_landed("k2", "n", 100);
    assert!(
        scene.host.term(PATIENCE).success(),
        "the channels were drained"
    );
}

#[test]
fn a_tenant_on_its_fallback_takes_a_mended_policy_without_a_restart() {
    for over_http in [false, true] {
        let lines = "bad.policies.at-start = fallback\n";
        let mut scene = Scene::begin(GARBAGE, lines, &[]);
        // Degraded, and at work.
        assert_eq!(scene.await_page("/readyz", 200), "ok\n");
        scene
            .host
            .process()
            .await_said("agent starts on its fallback", 1, PATIENCE);
        scene.send(scene.good, "n", 100);
        scene.send(scene.bad, "n", 100);
        let (status, text) = scene.host.page("/healthz").expect("an answer");
        assert_eq!(status, 200, "{text}");
        assert!(
            text.starts_with("degraded policy bad/order in g1 for "),
            "{text}"
        );
        assert!(text.contains("is not a WebAssembly module"), "{text}");
        let seat = scene.seat();
        assert_eq!(seat["state"], "vacant", "{seat}");
        let policy = "POLICY.bad.order";
        assert_eq!(scene.host.counter(policy, "VacantSeats"), 1);
        assert_eq!(scene.host.counter(policy, "LastLoadTaken"), 0);
        assert!(scene.host.counter(policy, "FallbackCount") > 0);
        let (status, _) = scene.host.change("POST", "bad/order/rollback", "");
        assert_eq!(status, 409, "there is nothing to go back to");
        // A reload for another reason leaves it as it is.
        let text = scene.text.replace(
            "bad.channels.c1.capacity = 10000",
            "bad.channels.c1.capacity = 20000",
        );
        scene.host.reload(&text, 2, PATIENCE);
        assert_eq!(scene.seat()["state"], "vacant");

        match over_http {
            true => {
                let (status, text) = scene.host.change("PUT", "bad/order", module(2, ""));
                assert_eq!(status, 200, "{text}");
            }
            false => scene.mend(),
        }
        let takes_over = || {
            scene.send(scene.bad, "x", 1);
            (scene.seat()["state"] == "running").then_some(())
        };
        eventually("the policy takes over", PATIENCE, takes_over);
        scene.send(scene.bad, "m", 50);
        scene.await_landed("k2", "m", 50);
        assert_eq!(
            scene.host.page("/healthz").expect("an answer"),
            (200, "ok\n".to_owned())
        );
        assert!(
            scene.host.term(PATIENCE).success(),
            "the channels were drained"
        );
    }
}

/// As one that is quarantined: nothing passes unseen unless the file says so.
#[test]
fn an_interceptor_that_could_not_be_loaded_refuses_until_it_is_mended() {
    let lines = "bad.policies.at-start = fallback\n\
                 bad.sources.r1.interceptors = i1\n\
                 bad.sources.r1.interceptors.i1.type = keep.wat\n";
    let mut scene = Scene::begin(&module(1, ""), lines, &[]);
    assert_eq!(scene.await_page("/readyz?agent=good", 200), "ok\n");
    let text = eventually("its policy is told", PATIENCE, || {
        let (status, text) = scene.host.page("/readyz?agent=bad").ok()?;
        let begin = "failing policy bad/keep in r1.i1 for ";
        (status == 503 && text.starts_with(begin)).then_some(text)
    });
    assert!(text.contains("cannot be read"), "{text}");
    let replies = Feed::send(scene.bad, Lines::new("n", 5), PATIENCE);
    assert_eq!(replies.failed.len(), 5);
    let keep = include_str!("../diagnostics/policies/keep.wat");
    std::fs::write(scene.scratch.path("bad/keep.wat"), keep).expect("a file");
    scene.await_page("/readyz?agent=bad", 200);
    scene.send(scene.bad, "m", 5);
    assert!(
        scene.host.term(PATIENCE).success(),
        "the channels were drained"
    );
}

/// Nothing is left to run, as with any other mistake.
#[test]
fn a_process_without_an_agent_that_can_start_ends() {
    let mut scene = Scene::begin(GARBAGE, "", &["-n", "bad"]);
    assert_eq!(scene.host.process().wait(PATIENCE).code(), Some(78));
    let log = scene.host.process().log();
    for part in ["error[policy-refused]", "refused: see above"] {
        assert!(log.contains(part), "{part}: {log}");
    }
}
