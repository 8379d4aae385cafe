//! Goal: no guest makes the agent lose an event or crash, and each gives its named error. Method:
//! one agent whose group and source have policies, a steady flow of numbered events with the header
//! that turns hostile guests, and those uploaded one after the other through the admin port. A guest is either refused, or runs
//! and is stopped, with the expected error; and in the end each event has landed once.

use std::time::Duration;

use flume_tests::landing;
use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, eventually, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);

/// Guests that are refused, and part of the message.
const REFUSED: &[(&str, &str)] = &[
    ("spin_in_configure", "deadline: took too long"),
    ("spin_in_start", "deadline: took too long"),
    ("many_memories", "memory: "),
    ("needs_many", "needs: asks for 1000 headers"),
    ("foreign_env", "imports `env`"),
    ("wrong_version", "flume:policy/sink-selector@0.2.0"),
    ("program", "is a program"),
    ("config_many", "and 9900 more problems"),
];

/// Selectors that are accepted, and the rule that they break.
const ORDERS: &[(&str, &str)] = &[
    ("spin_in_order", "deadline"),
    ("grow_memory", "memory"),
    ("deep_recursion", "stack"),
    ("huge_order", "result-size"),
    ("order_out_of_range", "order-out-of-range"),
    ("log_endless", "deadline"),
    ("exit", "trap"),
];

/// Interceptors that are accepted, and the rule that they break.
const BATCHES: &[(&str, &str)] = &[
    ("spin_in_intercept", "deadline"),
    ("trap_in_intercept", "trap"),
    ("edit_no_text", "edit-text"),
    ("verdict_length", "verdict-length"),
];

/// netcat → an interceptor → memory → three folders in a balanced group.
fn agent(scratch: &Scratch, input: u16) -> (String, Vec<Landing>) {
    for (name, guest) in [("order.wasm", "round-robin"), ("edit.wasm", "redact")] {
        let guest = flume_artifacts::shipped(guest);
        std::fs::copy(guest, scratch.path(name)).expect("a file");
    }
    let names = ["k1", "k2", "k3"];
    let mut file = AgentFile::new("a1")
        .memory("c1", 10_000, 100)
        .netcat("r1", input);
    for name in names {
        file = file.file_roll(name, &scratch.folder(name), 20);
    }
    let file = file
        .attacking("r1", "i1")
        .set("sources.r1.interceptors.i1.type", "edit.wasm")
        .set("sources.r1.interceptors.i1.patterns", "################")
        .set("sources.r1.interceptors.i1.on-error", "pass")
        .set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", names.join(" "))
        .set("sinkgroups.g1.processor.type", "load_balance")
        .set("sinkgroups.g1.processor.selector", "order.wasm");
    let landings = names.map(|name| Landing::Folder(scratch.folder(name)));
    (file.text(), landings.to_vec())
}

/// Uploads a guest over the admin socket; returns status and text.
fn put(host: &Host, policy: &str, guest: &str) -> (u16, String) {
    let text = std::fs::read(flume_artifacts::hostile(guest)).expect("a guest");
    host.change("PUT", &format!("a1/{policy}"), text)
}

/// How often a policy has broken a rule.
fn broken(host: &Host, policy: &str, rule: &str) -> u64 {
    let (_, text) = host.page("/policies").expect("an answer");
    let policies: Value = serde_json::from_str(&text).expect("JSON");
    let count = &policies[format!("a1/{policy}")]["violations"][rule];
    count.as_u64().unwrap_or(0)
}

/// Numbered events: some while a guest is uploaded, and some for it to handle.
struct Traffic {
    input: u16,
    sent: u64,
}

impl Traffic {
    fn during<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let feed = Feed::start(self.input, self.lines(300).rate(600));
        let done = work();
        feed.finish(PATIENCE).assert_all_acknowledged();
        Feed::send(self.input, self.lines(100), PATIENCE).assert_all_acknowledged();
        done
    }

    fn lines(&mut self, count: u64) -> Lines {
        let first = self.sent;
        self.sent += count;
        Lines::new("n", count).from(first)
    }
}

#[test]
fn no_guest_makes_the_agent_lose_an_event() {
    let scratch = Scratch::new();
    let input = ports::free();
    let (text, landings) = agent(&scratch, input);
    let host = Host::start(&scratch, "a1", &text);
    let mut traffic = Traffic { input, sent: 0 };
    for (guest, expected) in REFUSED {
        let (status, text) = traffic.during(|| put(&host, "order", guest));
        assert!((400..500).contains(&status), "{guest}: {status} {text}");
        assert!(text.contains(expected), "{guest}: {text}");
    }
    for (policy, guests) in [("order", ORDERS), ("edit", BATCHES)] {
        for (guest, rule) in guests {
            let before = broken(&host, policy, rule);
            let (status, text) = traffic.during(|| put(&host, policy, guest));
            assert_eq!(status, 200, "{guest}: {text}");
            let is_broken = || (broken(&host, policy, rule) > before).then_some(());
            eventually(&format!("{guest} breaks {rule}"), PATIENCE, is_broken);
        }
    }
    let landings: Vec<&Landing> = landings.iter().collect();
    let tally = landing::await_count(&landings, "n", traffic.sent, PATIENCE);
    tally.assert_exact("after all guests");
}

/// When an interceptor has used up its share of the processors, its source's clients wait; no event
/// is lost or bypasses it.
#[test]
fn a_busy_interceptor_costs_time_and_no_event() {
    let scratch = Scratch::new();
    let input = ports::free();
    let guest = flume_artifacts::hostile("busy_in_intercept");
    std::fs::copy(guest, scratch.path("busy.wat")).expect("a file");
    let file = AgentFile::new("a1")
        .memory("c1", 10_000, 100)
        .netcat("r1", input)
        .file_roll("k1", &scratch.folder("k1"), 20)
        .attacking("r1", "i1")
        .set("sources.r1.interceptors.i1.type", "busy.wat")
        // The machine may be busy with other tests.
        .set("policies.deadline-ms", 2_000)
        .set("policies.cpu-percent", 1);
    let host = Host::start(&scratch, "a1", &file.text());
    let mut traffic = Traffic { input, sent: 0 };
    let count = |attribute| host.counter("POLICY.busy", attribute);
    eventually("its share is used up", PATIENCE, || {
        Feed::send(input, traffic.lines(10), PATIENCE).assert_all_acknowledged();
        (count("ThrottledCount") >= 3).then_some(())
    });
    let landing = Landing::Folder(scratch.folder("k1"));
    let tally = landing::await_count(&[&landing], "n", traffic.sent, PATIENCE);
    tally.assert_exact("a busy interceptor");
    assert_eq!(count("EventCount"), traffic.sent, "no event bypassed it");
    assert_eq!(count("PoisonCount"), 0);
}
