//! Goal: what was answered with `OK` arrives, also where lines wait for room after interceptors that
//! remember, and where a client's batches take longer than a call of a policy may. Method: distinct
//! lines of several lengths, as fast as they go, into Flume's default channel of 100 events, through
//! a native interceptor and the shipped policy dedupe, which drops a line that it is shown twice;
//! what landed is counted one by one. And large batches of an RPC client through an interceptor that
//! takes about 76 µs for each event and drops every third that it has seen; what landed is compared
//! line by line.

use std::fmt::Write as _;
use std::time::Duration;

use flume_artifacts::slow_interceptor;
use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, host, landing, ports};

const PATIENCE: Duration = Duration::from_secs(120);

const EVENTS: u64 = 20_000;

/// netcat → regex_extractor, dedupe → memory → a folder.
fn agent(scratch: &Scratch, input: u16) -> String {
    let chain = "sources.r1.interceptors";
    AgentFile::new("a1")
        .netcat("r1", input)
        .plain_memory("c1")
        .file_roll("k1", &scratch.folder("out"), 100)
        .set(chain, "i1 i2")
        .set(&format!("{chain}.i1.type"), "regex_extractor")
        .set(&format!("{chain}.i1.regex"), "^(.*)$")
        .set(&format!("{chain}.i1.serializers"), "s1")
        .set(&format!("{chain}.i1.serializers.s1.name"), "line")
        .set(
            &format!("{chain}.i2.type"),
            flume_artifacts::shipped("dedupe").display(),
        )
        .set(&format!("{chain}.i2.header"), "line")
        .text()
}

#[test]
fn lines_that_wait_for_room_are_not_intercepted_again() {
    let scratch = Scratch::new();
    let input = ports::free();
    let mut host = Host::start(&scratch, "agent", &agent(&scratch, input));
    let feed = Feed::start(input, Lines::new("n", EVENTS));
    feed.finish(PATIENCE).assert_all_acknowledged();
    host.await_delivered("c1", EVENTS, PATIENCE);
    assert!(host.term(PATIENCE).success(), "the agent ends well");
    let landed = Landing::Folder(scratch.folder("out"));
    landing::count(&[&landed], "n", EVENTS).assert_exact("interceptors that remember");
}

/// Sends lines with these numbers in requests of so many events.
fn send(scratch: &Scratch, port: u16, batch: usize, numbers: std::ops::Range<usize>) {
    let properties = format!("hosts = h1\nhosts.h1 = 127.0.0.1:{port}\nbatch-size = {batch}\n");
    let file = scratch.file("client.properties", &properties);
    let count = numbers.len();
    let mut lines = String::new();
    for number in numbers {
        writeln!(lines, "{number}").expect("a string grows");
    }
    let finished = host::command(&["avro-client", "-P", &file.display().to_string()], &lines);
    let said = format!("{count} events read, {count} acknowledged");
    let (out, err) = (&finished.stdout, &finished.stderr);
    assert!(
        out.contains(&said) && finished.status.success(),
        "{out}{err}"
    );
}

/// What a call may take is less than a batch of 5000 needs on any machine, and enough for one that is
/// busy.
#[test]
fn a_slow_interceptor_takes_what_a_client_sends_at_once() {
    let scratch = Scratch::new();
    let port = ports::free();
    let guest = scratch.file("slow.wat", &slow_interceptor(0, 280_000));
    let file = AgentFile::new("a1")
        .memory("c1", 20_000, 5_000)
        .avro_source("r1", port)
        .file_roll("k1", &scratch.folder("landed"), 1_000)
        .set("sources.r1.interceptors", "i1")
        .set("sources.r1.interceptors.i1.type", guest.display())
        .set("policies.deadline-ms", 50);
    let mut host = Host::start(&scratch, "agent", &file.text());
    send(&scratch, port, 500, 0..2_000);
    send(&scratch, port, 5_000, 2_000..12_000);
    let policies = host.page("/policies").expect("the policies").1;
    let policies: serde_json::Value = serde_json::from_str(&policies).expect("JSON");
    let policy = &policies["a1/slow"];
    assert_eq!(policy["violations"], serde_json::json!({}), "{policies}");
    assert_eq!(policy["events"], 12_000, "{policies}");
    let seat = &policy["seats"][0];
    assert_eq!(
        (&seat["deadline-ms"], &seat["deadline-us-per-event"]),
        (&50.into(), &10.into())
    );
    assert_eq!(
        host.page("/readyz").expect("an answer"),
        (200, "ok\n".to_owned())
    );
    assert!(host.term(PATIENCE).success(), "the agent ends well");
    let landed = Landing::Folder(scratch.folder("landed")).bodies();
    let expected = (0..12_000).filter(|number| number % 3 != 0);
    let expected: Vec<Vec<u8>> = expected
        .map(|number: i32| number.to_string().into())
        .collect();
    assert_eq!(landed.len(), expected.len());
    assert!(landed == expected, "in order");
}
