//! Goal: a collector that refuses a batch makes its sender find the event that is to blame, if one
//! is, and lose nothing if the collector is merely full. Method: a collector with an expression that
//! runs away on one line of a hundred; and a collector whose own next hop is away for a long time,
//! then comes back. The lines on disk are counted one by one, and counters say what happened.

use std::path::PathBuf;
use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, eventually, landing, ports};

const PATIENCE: Duration = Duration::from_secs(120);

/// Lines before the bad one, and behind it.
const BEFORE: u64 = 60;
const BEHIND: u64 = 39;

/// The expression `(a|aa)+$` takes more steps on it than it may.
fn bad_line() -> String {
    format!("{}b", "a".repeat(39))
}

fn send(port: u16, line: &str) {
    let to = format!("127.0.0.1:{port}");
    let sent = flume_tests::host::command(&["send", "--to", &to], &format!("{line}\n"));
    assert!(sent.status.success(), "{}", sent.stderr);
}

/// A collector whose interceptor cannot handle one line, and an agent that sends it lines.
struct RunAway {
    _scratch: Scratch,
    input: u16,
    landed: PathBuf,
    letters: PathBuf,
    agent: Host,
    collector: Host,
}

impl RunAway {
    fn start(on_error: &str) -> Self {
        let scratch = Scratch::new();
        let [input, between] = std::array::from_fn(|_| ports::free());
        let (landed, letters) = (scratch.folder("landed"), scratch.folder("letters"));
        let file = AgentFile::new("collector")
            .memory("c1", 10_000, 1_000)
            .avro_source("r1", between)
            .set("sources.r1.interceptors", "i1")
            .set("sources.r1.interceptors.i1.type", "search_replace")
            .set("sources.r1.interceptors.i1.searchPattern", "(a|aa)+$")
            .file_roll("k1", &landed, 1_000);
        let collector = Host::start(&scratch, "collector", &file.text());
        let file = AgentFile::new("a1")
            .netcat("r1", input)
            .feeds("r1", "c1")
            .memory("c1", 10_000, 1_000)
            .memory("c9", 1_000, 100)
            .avro_sink("k1", between, 50)
            .drains("k1", "c1")
            .set("sinks.k1.on-error", on_error)
            .file_roll("k9", &letters, 10)
            .drains("k9", "c9");
        let agent = Host::start(&scratch, "agent", &file.text());
        Self {
            _scratch: scratch,
            input,
            landed,
            letters,
            agent,
            collector,
        }
    }

    /// A hundred lines, and the 99 good ones arrive once each.
    fn deliver(&self) {
        Feed::send(self.input, Lines::new("a", BEFORE), PATIENCE).assert_all_acknowledged();
        send(self.input, &bad_line());
        Feed::send(self.input, Lines::new("b", BEHIND), PATIENCE).assert_all_acknowledged();
        let landed = Landing::Folder(self.landed.clone());
        for (prefix, count) in [("a", BEFORE), ("b", BEHIND)] {
            let tally = landing::await_count(&[&landed], prefix, count, PATIENCE);
            // Those with the other prefix are unexpected for the count.
            assert_eq!(tally.lost(), Vec::<u64>::new(), "{prefix}");
            assert_eq!(tally.doubled(), 0, "{prefix}");
        }
    }

    /// Sends lines until the sink has counted one bad line. An event is to blame only while others
    /// are taken.
    fn await_counted(&self, counter: &str) {
        eventually("the bad line is where it belongs", PATIENCE, || {
            send(self.input, "company");
            (self.agent.counter("SINK.k1", counter) == 1).then_some(())
        });
        assert_eq!(self.agent.counter("SINK.k1", "EventSetAsideCount"), 1);
    }

    fn letters(&self) -> Vec<Vec<u8>> {
        Landing::Folder(self.letters.clone()).bodies()
    }
}

#[test]
fn a_line_that_runs_away_at_the_collector_goes_to_the_dead_letters() {
    let mut scene = RunAway::start("dead-letter:c9");
    scene.deliver();
    scene.await_counted("EventDeadLetterCount");
    scene.agent.await_delivered("c9", 1, PATIENCE);
    assert!(scene.agent.term(PATIENCE).success(), "the agent ends well");
    assert_eq!(scene.letters(), [bad_line().into_bytes()]);
    let (_, log) = scene.collector.page("/healthz").unwrap();
    assert!(!log.contains("failing"), "{log}");
}

#[test]
fn a_line_that_runs_away_at_the_collector_waits_aside() {
    let scene = RunAway::start("retry");
    scene.deliver();
    scene.await_counted("AsideSize");
    let (_, health) = scene.agent.page("/healthz").unwrap();
    assert!(health.contains("cannot be delivered"), "{health}");
    assert!(health.contains("steps on this text"), "{health}");
    assert_eq!(scene.letters(), Vec::<Vec<u8>>::new());
}

/// A full channel, too, is answered `FAILED`, again and again, and with room now and then for some.
#[test]
fn a_collector_that_is_full_for_a_long_time_costs_no_event() {
    const LINES: u64 = 2_000;
    let scratch = Scratch::new();
    let [input, between, next] = std::array::from_fn(|_| ports::free());
    let landed = scratch.folder("landed");
    let file = AgentFile::new("collector")
        .memory("c1", 130, 100)
        .avro_source("r1", between)
        .avro_sink("k1", next, 10);
    let _collector = Host::start(&scratch, "collector", &file.text());
    let file = AgentFile::new("a1")
        .netcat("r1", input)
        .memory("c1", 10_000, 1_000)
        .avro_sink("k1", between, 50)
        .set("sinks.k1.on-error", "drop");
    let agent = Host::start(&scratch, "agent", &file.text());
    Feed::send(input, Lines::new("a", LINES), PATIENCE).assert_all_acknowledged();
    eventually("the collector has refused often", PATIENCE, || {
        (agent.counter("SINK.k1", "EventWriteFail") >= 6).then_some(())
    });
    let file = AgentFile::new("next")
        .memory("c1", 10_000, 1_000)
        .avro_source("r1", next)
        .file_roll("k1", &landed, 1_000);
    let _next = Host::start(&scratch, "next", &file.text());
    let landed = Landing::Folder(landed);
    landing::await_count(&[&landed], "a", LINES, PATIENCE).assert_exact("lines on disk");
    for counter in ["EventSetAsideCount", "EventDroppedCount", "AsideSize"] {
        assert_eq!(agent.counter("SINK.k1", counter), 0, "{counter}");
    }
}
