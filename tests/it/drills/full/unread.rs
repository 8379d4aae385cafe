//! Goal: a log that nobody reads while much goes wrong stops nothing: sources, sinks that fail and
//! come back, a reload, the admin port and SIGTERM. (`logs` shows it without trouble in the agent.)
//! Method: an agent whose standard error is a pipe that is not read, with a flow into the log, one to
//! a collector that is missing, and one that an edit of the file begins.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use flume_tests::{AgentFile, Feed, Host, Lines, Scratch, collector, eventually, landing, ports};

const PATIENCE: Duration = Duration::from_secs(120);

/// How long the log is not read, in the middle of the load.
const UNREAD: Duration = Duration::from_secs(20);

/// Lines per second into the log: the queue and the pipe are full after some seconds.
const RATE: u64 = 5_000;

const EVENTS: u64 = 2_000;

/// Three flows: into the log, to a collector, and from one more source into the same channel.
fn agent(loud: u16, quiet: u16, added: Option<u16>, output: u16) -> String {
    let file = AgentFile::new("a1")
        .memory("c1", 50_000, 1_000)
        .memory("c2", 50_000, 1_000)
        .netcat("r1", loud)
        .netcat("r2", quiet)
        .feeds("r1", "c1")
        .feeds("r2", "c2")
        .logger("k1")
        .avro_sink("k2", output, 100)
        .drains("k2", "c2");
    match added {
        Some(port) => file.netcat("r3", port).feeds("r3", "c2").text(),
        None => file.text(),
    }
}

fn send(port: u16, first: u64) {
    Feed::send(port, Lines::new("n", EVENTS).from(first), PATIENCE).assert_all_acknowledged();
}

#[test]
fn trouble_under_an_unread_log_is_no_trouble() {
    let scratch = Scratch::new();
    let [loud, quiet, added, output] = std::array::from_fn(|_| ports::free());
    let file = scratch.file("a1.properties", &agent(loud, quiet, None, output));
    let words = ["--drain-timeout", "3"];
    let (mut host, log) = Host::run_unread(&scratch, "a1", &file, &words);
    let began = Instant::now();
    let flood = Feed::start(loud, Lines::new("m", 1_000_000).rate(RATE));
    let dropped = |host: &Host| host.counter("PROCESS.flume-host", "LogLineDroppedCount");
    eventually("the log is full", PATIENCE, || {
        (dropped(&host) > 0).then_some(())
    });

    send(quiet, 0);
    eventually("the sink fails, and says so", PATIENCE, || {
        let failing = host.counter("SINK.k2", "FailuresInSequence") > 0;
        (failing && host.page("/healthz").expect("an answer").0 == 503).then_some(())
    });
    host.rewrite(&agent(loud, quiet, Some(added), output));
    ports::await_listening(added, PATIENCE);
    send(added, EVENTS);
    let (_collector, landed) = collector(&scratch, "collector", output);
    send(quiet, 2 * EVENTS);
    let tally = landing::await_count(&[&landed], "n", 3 * EVENTS, PATIENCE);
    tally.assert_exact("beside an unread log");
    std::thread::sleep(UNREAD.saturating_sub(began.elapsed()));

    let replies = flood.stop(PATIENCE);
    replies.assert_all_acknowledged();
    let logged = replies.acknowledged.len() as u64;
    host.await_delivered("c1", logged, PATIENCE);
    // Somebody reads what was queued: each event of the log is there, or it was counted.
    let missing = dropped(&host);
    let mut log = BufReader::new(log);
    let (mut events, mut told) = (0, 0);
    while told < missing {
        let mut line = String::new();
        assert!(
            log.read_line(&mut line).expect("text") > 0,
            "{told} of {missing} told"
        );
        events += u64::from(line.contains("Event: "));
        if line.contains("log lines were dropped") {
            let (_, count) = line.trim_end().rsplit_once("count=").expect("a count");
            told += count.parse::<u64>().expect("a count");
        }
    }
    assert_eq!(told, missing);
    // The other dropped lines are those of the sink that failed, the edit, and connections.
    let others = (events + missing)
        .checked_sub(logged)
        .expect("an event is neither");
    assert!(others < 100, "{others} dropped lines are no events");
    // Full again, and the process is told to end.
    let flood = Feed::start(loud, Lines::new("m", 1_000_000));
    eventually("the log is full", PATIENCE, || {
        (dropped(&host) > missing).then_some(())
    });
    let more = flood.stop(PATIENCE).acknowledged.len() as u64;
    host.await_delivered("c1", logged + more, PATIENCE);
    assert!(host.term(PATIENCE).success(), "all is delivered");
}
