//! Goal: an event that can never be delivered does not stop those behind it. Everything else
//! arrives once, and the bad event is where `on-error` says: a line without the time that its folder
//! needs, and a line that is larger than the collector takes. Method: lines through netcat, some of
//! them bad, in the middle of numbered ones; the folders of the good and of the dead letters are
//! counted one by one. Counters and health say what happened.

use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, eventually, landing, ports};

const PATIENCE: Duration = Duration::from_secs(90);

const EVENTS: u64 = 300;

/// The agent `a1` with dead letters of `k1` in a folder.
fn with_letters(file: AgentFile, letters: &std::path::Path) -> AgentFile {
    file.memory("c1", 10_000, 1_000)
        .memory("c9", 1_000, 100)
        .set("sinks.k1.on-error", "dead-letter:c9")
        .file_roll("k9", letters, 10)
        .drains("k9", "c9")
}

fn send(port: u16, lines: &str) {
    let to = format!("127.0.0.1:{port}");
    let sent = flume_tests::host::command(&["send", "--to", &to], lines);
    assert!(sent.status.success(), "{}", sent.stderr);
}

fn assert_letters(folder: std::path::PathBuf, expected: &[&str]) {
    let bodies = Landing::Folder(folder).bodies();
    let bodies: Vec<String> = bodies
        .into_iter()
        .map(|body| String::from_utf8(body).unwrap())
        .collect();
    assert_eq!(bodies, expected);
}

/// The folder of a line is the year of its time, and two lines have none.
#[test]
fn a_line_without_its_time_goes_to_the_dead_letters() {
    let scratch = Scratch::new();
    let input = ports::free();
    let (landed, letters) = (scratch.folder("landed"), scratch.folder("letters"));
    let file = AgentFile::new("a1")
        .netcat("r1", input)
        .feeds("r1", "c1")
        .set("sources.r1.interceptors", "i1 i2")
        .set("sources.r1.interceptors.i1.type", "regex_extractor")
        .set("sources.r1.interceptors.i1.regex", "at (\\\\w+)$")
        .set("sources.r1.interceptors.i1.serializers", "s1")
        .set(
            "sources.r1.interceptors.i1.serializers.s1.name",
            "timestamp",
        )
        .set("sources.r1.interceptors.i2.type", "regex_extractor")
        .set("sources.r1.interceptors.i2.regex", "^n (\\\\d+)")
        .set("sources.r1.interceptors.i2.serializers", "s1")
        .set(
            "sources.r1.interceptors.i2.serializers.s1.name",
            "timestamp",
        )
        .file_roll("k1", &landed, 100)
        .drains("k1", "c1")
        .sink_keys(
            "k1",
            &[("hdfs.path", "%Y"), ("hdfs.withoutTimestamp", "fail")],
        );
    let mut host = Host::start(&scratch, "agent", &with_letters(file, &letters).text());
    send(input, "no time\nsome at noon\n");
    Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
    host.await_delivered("c1", EVENTS, PATIENCE);
    assert_eq!(host.counter("SINK.k1", "EventDrainSuccessCount"), EVENTS);
    let (_, health) = host.page("/healthz").unwrap();
    assert!(health.contains("cannot be delivered"), "{health}");
    host.await_delivered("c1", EVENTS + 2, PATIENCE);
    host.await_delivered("c9", 2, PATIENCE);
    let count = |name| host.counter("SINK.k1", name);
    assert_eq!(count("EventSetAsideCount"), 2);
    assert_eq!(count("EventDeadLetterCount"), 2);
    assert_eq!(count("AsideSize") + count("EventWriteFail"), 0);
    let (_, health) = host.page("/healthz").unwrap();
    assert!(!health.contains("cannot be delivered"), "{health}");
    assert!(host.term(PATIENCE).success(), "the agent ends well");
    let year = Landing::Folder(landed.join("1970"));
    landing::count(&[&year], "n", EVENTS).assert_exact("lines on disk");
    assert_letters(letters, &["no time", "some at noon"]);
}

/// A collector that hangs up on what is larger than its frame, and an agent that sends it lines.
struct Frames {
    _scratch: Scratch,
    input: u16,
    landed: std::path::PathBuf,
    letters: std::path::PathBuf,
    agent: Host,
    _collector: Host,
}

const LARGEST: usize = 16 * 1024;

impl Frames {
    fn start(keys: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new();
        let [input, between] = std::array::from_fn(|_| ports::free());
        let (landed, letters) = (scratch.folder("landed"), scratch.folder("letters"));
        let file = AgentFile::new("collector")
            .memory("c1", 10_000, 1_000)
            .avro_source("r1", between)
            .set("sources.r1.max-frame-size", LARGEST)
            .file_roll("k1", &landed, 1_000);
        let collector = Host::start(&scratch, "collector", &file.text());
        let file = AgentFile::new("a1")
            .netcat("r1", input)
            .feeds("r1", "c1")
            .set("sources.r1.max-line-length", 4 * LARGEST)
            .avro_sink("k1", between, 50)
            .drains("k1", "c1")
            .sink_keys("k1", keys);
        let agent = Host::start(&scratch, "agent", &with_letters(file, &letters).text());
        Self {
            _scratch: scratch,
            input,
            landed,
            letters,
            agent,
            _collector: collector,
        }
    }

    /// Lines before and behind a large one, until all of them are where they belong.
    fn deliver(&mut self, large: &str) {
        let Self { input, agent, .. } = self;
        let half = EVENTS / 2;
        Feed::send(*input, Lines::new("a", half), PATIENCE).assert_all_acknowledged();
        send(*input, &format!("{large}\n"));
        Feed::send(*input, Lines::new("b", half), PATIENCE).assert_all_acknowledged();
        agent.await_delivered("c1", EVENTS, PATIENCE);
        // An event is to blame only while others are taken.
        eventually("the large line is given up", PATIENCE, || {
            send(*input, "company\n");
            let counter = agent.counter("SINK.k1", "EventDeadLetterCount");
            (counter == 1).then_some(())
        });
        agent.await_delivered("c9", 1, PATIENCE);
        assert_eq!(agent.counter("SINK.k1", "EventSetAsideCount"), 1);
        assert!(agent.term(PATIENCE).success(), "the agent ends well");
        let landed = Landing::Folder(self.landed.clone());
        for prefix in ["a", "b"] {
            let tally = landing::await_count(&[&landed], prefix, half, PATIENCE);
            // Those with the other prefix are unexpected for the count.
            assert_eq!(tally.lost(), Vec::<u64>::new(), "{prefix}");
            assert_eq!(tally.doubled(), 0, "{prefix}");
        }
        assert_letters(self.letters.clone(), &[large]);
    }
}

#[test]
fn a_line_that_is_too_large_for_the_collector_goes_to_the_dead_letters() {
    let mut scene = Frames::start(&[]);
    scene.deliver(&"x".repeat(2 * LARGEST));
}

/// The sink knows it itself, so it does not lose its connection over it.
#[test]
fn a_line_that_is_too_large_for_the_sink_goes_to_the_dead_letters() {
    let largest = LARGEST.to_string();
    let mut scene = Frames::start(&[("max-frame-size", &largest)]);
    scene.deliver(&"x".repeat(2 * LARGEST));
}

/// An agent with a good line in a folder and three lines aside, with this `on-error`.
struct Aside {
    _scratch: Scratch,
    letters: std::path::PathBuf,
    landed: std::path::PathBuf,
    agent: Host,
}

/// The lines aside.
const BAD: [&str; 3] = ["bad 0", "bad 1", "bad 2"];

impl Aside {
    fn start(on_error: &str) -> Self {
        let scratch = Scratch::new();
        let input = ports::free();
        let (landed, letters) = (scratch.folder("landed"), scratch.folder("letters"));
        let file = AgentFile::new("a1")
            .memory("c1", 1_000, 100)
            .netcat("r1", input)
            .feeds("r1", "c1")
            .set("sources.r1.interceptors", "i1")
            .set("sources.r1.interceptors.i1.type", "regex_extractor")
            .set("sources.r1.interceptors.i1.regex", "^good (\\\\d+)")
            .set("sources.r1.interceptors.i1.serializers", "s1")
            .set(
                "sources.r1.interceptors.i1.serializers.s1.name",
                "timestamp",
            )
            .file_roll("k1", &landed, 100)
            .sink_keys(
                "k1",
                &[
                    ("hdfs.path", "%Y"),
                    ("hdfs.withoutTimestamp", "fail"),
                    ("on-error", on_error),
                ],
            )
            .memory("c9", 1_000, 100)
            .file_roll("k9", &letters, 10)
            .drains("k9", "c9");
        let file = scratch.file("agent.properties", &file.text());
        let agent = Host::run(&scratch, "agent", &file, &["--drain-timeout", "3"]);
        send(input, &format!("{}\ngood 1\n", BAD.join("\n")));
        agent.await_delivered("c1", 1, PATIENCE);
        eventually("the bad lines were set aside", PATIENCE, || {
            (agent.counter("SINK.k1", "EventSetAsideCount") == 3).then_some(())
        });
        Self {
            _scratch: scratch,
            letters,
            landed,
            agent,
        }
    }

    /// Ends it at once: its exit status, and its log.
    fn term(&mut self) -> (Option<i32>, String) {
        let code = self.agent.term(PATIENCE).code();
        (code, self.agent.process().log())
    }
}

/// Events that nothing else can be done with are lost with the process, as all of a memory channel;
/// but they are counted, and the exit status says so.
#[test]
fn events_aside_at_the_end_are_counted_as_left() {
    let mut scene = Aside::start("retry");
    let (code, log) = scene.term();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("events_left=3"), "{log}");
    assert!(log.contains("events were left in the channel"), "{log}");
    let year = Landing::Folder(scene.landed.join("1970"));
    assert_eq!(year.bodies(), [b"good 1".to_vec()]);
    assert_letters(scene.letters, &[]);
}

/// They do not wait for their next try: what `on-error` says is done before the end.
#[test]
fn events_aside_at_the_end_go_to_the_dead_letters() {
    let mut scene = Aside::start("dead-letter:c9");
    let (code, log) = scene.term();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("events_left=0"), "{log}");
    assert_letters(scene.letters, &BAD);
}

#[test]
fn events_aside_at_the_end_are_dropped_if_they_are_to_be() {
    let mut scene = Aside::start("drop");
    let (code, log) = scene.term();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("events_left=0"), "{log}");
    assert!(log.contains("an event is given up"), "{log}");
    assert_letters(scene.letters, &[]);
}
