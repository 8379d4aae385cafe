//! Goal: an edit never loses an event and never closes a port for longer than the change needs, also
//! while a collector is away. Method: an agent, netcat → memory → avro, whose collector is missing;
//! its file is rewritten, and SIGHUP is sent. Later the collector is started, and events are counted.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use flume_tests::{AgentFile, Feed, Host, Lines, Scratch, collector, eventually, landing, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// Far less than the drain timeout, for which a reload once stood still.
const AT_ONCE: Duration = Duration::from_secs(20);

const EVENTS: u64 = 500;

/// netcat → this channel → avro.
fn agent(input: u16, channel: &str, sink: &str, output: u16) -> AgentFile {
    AgentFile::new("a1")
        .memory(channel, 20_000, 1_000)
        .netcat("r1", input)
        .avro_sink(sink, output, 100)
}

fn send(input: u16, first: u64, count: u64) {
    Feed::send(input, Lines::new("n", count).from(first), PATIENCE).assert_all_acknowledged();
}

/// What `/config` says of channels on their way out: names, events, sinks.
fn departing(host: &Host) -> Value {
    let (status, text) = host.page("/config").expect("an answer");
    assert_eq!(status, 200, "{text}");
    let config: Value = serde_json::from_str(&text).expect("JSON");
    config["a1"]["departing"].clone()
}

#[test]
fn a_channel_with_a_new_name_goes_on_at_once() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let mut host = Host::start(&scratch, "sender", &agent(input, "c1", "k1", output).text());
    send(input, 0, EVENTS);
    let start = Instant::now();
    host.reload(&agent(input, "renamed", "k1", output).text(), 1, PATIENCE);
    send(input, EVENTS, 1);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    assert_eq!(departing(&host), serde_json::json!([]));
    let size = || (host.counter("CHANNEL.renamed", "ChannelSize") == EVENTS + 1).then_some(());
    eventually("all events are in the renamed channel", PATIENCE, size);
    let (_collector, landed) = collector(&scratch, "collector", output);
    landing::await_count(&[&landed], "n", EVENTS + 1, PATIENCE).assert_exact("a renamed channel");
}

/// The old sink keeps its channel until its collector is back, and the new flow runs beside it.
#[test]
fn a_channel_that_goes_waits_for_its_collector() {
    let scratch = Scratch::new();
    let [input, old, new] = std::array::from_fn(|_| ports::free());
    let (_new, new_landed) = collector(&scratch, "new", new);
    let mut host = Host::start(&scratch, "sender", &agent(input, "c1", "k1", old).text());
    send(input, 0, EVENTS);
    let start = Instant::now();
    host.reload(&agent(input, "c2", "k2", new).text(), 1, PATIENCE);
    send(input, EVENTS, EVENTS);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let leaving = departing(&host);
    assert_eq!(leaving[0]["sinks"], serde_json::json!(["k1"]), "{leaving}");
    assert_eq!(
        leaving[0]["channels"][0]["names"],
        serde_json::json!(["c1"])
    );
    assert_eq!(host.counter("CHANNEL.c1", "ChannelCapacity"), 20_000);
    let (_old, old_landed) = collector(&scratch, "old", old);
    host.process()
        .await_said("the channel is empty and gone", 1, PATIENCE);
    let both = [&old_landed, &new_landed];
    landing::await_count(&both, "n", 2 * EVENTS, PATIENCE).assert_exact("two collectors");
    assert_eq!(old_landed.bodies().len() as u64, EVENTS);
    assert_eq!(departing(&host), serde_json::json!([]));
}

/// An agent that the file has no more keeps its events too, and others go on at once.
#[test]
fn an_agent_that_goes_waits_for_its_collector() {
    let scratch = Scratch::new();
    let [input, other, output] = std::array::from_fn(|_| ports::free());
    let first = agent(input, "c1", "k1", output).text();
    let second = AgentFile::new("a3")
        .memory("c1", 100, 100)
        .netcat("r1", other);
    let second = second.null("k1", 100).text();
    let mut host = Host::start(&scratch, "sender", &format!("{first}{second}"));
    send(input, 0, EVENTS);
    let start = Instant::now();
    host.reload(&second, 1, PATIENCE);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    assert!(!ports::listening(input));
    send(other, 0, 1);
    let (_collector, landed) = collector(&scratch, "collector", output);
    host.process().await_said("the agent is gone", 1, PATIENCE);
    landing::await_count(&[&landed], "n", EVENTS, PATIENCE).assert_exact("an agent that went");
}

/// A port that another process has: the working one stays open.
#[test]
fn a_taken_port_costs_nothing() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = taken.local_addr().expect("a bound socket").port();
    let mut host = Host::start(&scratch, "sender", &agent(input, "c1", "k1", output).text());
    send(input, 0, 1);
    host.rewrite(&agent(port, "c1", "k1", output).text());
    host.process()
        .await_said("the agent keeps the old one", 1, PATIENCE);
    let log = host.process().log();
    let said = log.lines().find(|line| line.contains("keeps the old one"));
    let said = said.expect("it was waited for");
    assert!(
        said.contains("r1") && said.contains("Address already in use"),
        "{said}"
    );
    send(input, 1, 1);
    assert_eq!(host.counter("SOURCE.r1", "EventAcceptedCount"), 2);
}

/// Each source has the port that the other one had.
#[test]
fn two_sources_change_their_ports() {
    let scratch = Scratch::new();
    let [one, two, output] = std::array::from_fn(|_| ports::free());
    let text =
        |first: u16, second: u16| agent(first, "c1", "k1", output).netcat("r2", second).text();
    let mut host = Host::start(&scratch, "sender", &text(one, two));
    host.reload(&text(two, one), 1, PATIENCE);
    let listening = || (ports::listening(one) && ports::listening(two)).then_some(());
    eventually("both ports are open", AT_ONCE, listening);
    send(one, 0, 1);
    assert_eq!(host.counter("SOURCE.r2", "EventAcceptedCount"), 1);
    assert_eq!(host.counter("SOURCE.r1", "EventAcceptedCount"), 0);
}

#[test]
fn the_log_says_what_changed() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let text = agent(input, "c1", "k1", output).text();
    let mut host = Host::start(&scratch, "sender", &text);
    host.rewrite(&text);
    host.process()
        .await_said("nothing changed: the agent", 1, PATIENCE);
    host.reload(&text.replace("20000", "4000"), 1, PATIENCE);
    let log = host.process().log();
    assert!(log.contains("channel c1: capacity 20000 -> 4000"), "{log}");
}

/// A smaller limit counts at once, and what is above it stays.
#[test]
fn a_channel_above_its_new_capacity_takes_nothing_in() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let text = agent(input, "c1", "k1", output).text();
    let mut host = Host::start(&scratch, "sender", &text);
    send(input, 0, EVENTS);
    let smaller = text.replace("capacity = 20000", "capacity = 200");
    let smaller = smaller.replace("transactionCapacity = 1000", "transactionCapacity = 100");
    assert_ne!(text, smaller);
    host.reload(&smaller, 1, PATIENCE);
    assert_eq!(host.counter("CHANNEL.c1", "ChannelCapacity"), 200);
    let refused = Feed::send(input, Lines::new("n", 1).from(EVENTS), PATIENCE);
    assert_eq!((refused.acknowledged.len(), refused.failed.len()), (0, 1));
    let (_collector, landed) = collector(&scratch, "collector", output);
    landing::await_count(&[&landed], "n", EVENTS, PATIENCE).assert_exact("above the limit");
    send(input, EVENTS, 1);
    landing::await_count(&[&landed], "n", EVENTS + 1, PATIENCE).assert_exact("and below it");
}

mod full {
    use std::collections::HashSet;

    use flume_tests::say;
    use flume_tests::tally::Tally;

    use super::*;

    /// How long the drill lasts.
    const DRILL: Duration = Duration::from_secs(60);

    /// A file that changes all the time, under load, with one collector that comes and goes.
    #[test]
    fn a_minute_of_edits_loses_and_doubles_nothing() {
        let scratch = Scratch::new();
        let [one, two, first, second] = std::array::from_fn(|_| ports::free());
        let (mut away, first_landed) = collector(&scratch, "first", first);
        let (_stays, second_landed) = collector(&scratch, "second", second);
        // Name of the channel, name of the sink, port of the source, port of the sink.
        let edits = [
            (one, "c1", "k1", first),
            (one, "c2", "k1", first),
            (two, "c2", "k1", first),
            (two, "c3", "k2", second),
            (one, "c1", "k1", second),
            (one, "c1", "k2", first),
        ];
        // Room for all that arrives while the collector is away: 40 s on a machine that is busy.
        let texts = edits.map(|(input, channel, sink, output)| {
            let text = agent(input, channel, sink, output).text();
            let roomy = text.replace("capacity = 20000", "capacity = 200000");
            assert_ne!(text, roomy);
            (input, roomy)
        });
        let mut host = Host::start(&scratch, "sender", &texts[0].1);
        let mut input = texts[0].0;
        let (mut sent, mut unanswered, mut edits) = (0, HashSet::new(), 0);
        let start = Instant::now();
        while start.elapsed() < DRILL {
            let feed = Feed::start(input, Lines::new("n", 1_000_000).from(sent).rate(5_000));
            feed.await_acknowledged(500, PATIENCE);
            edits += 1;
            if edits % 7 == 0 {
                away.term(PATIENCE);
            }
            if edits % 7 == 3 && away.process().ended().is_some() {
                away.restart();
            }
            let (next, text) = &texts[edits % texts.len()];
            host.reload(text, 1, PATIENCE);
            input = *next;
            let replies = feed.stop(PATIENCE);
            assert_eq!(replies.failed, [], "after {edits} edits");
            unanswered.extend(replies.unanswered.iter().copied());
            sent += (replies.acknowledged.len() + replies.unanswered.len()) as u64;
        }
        if away.process().ended().is_some() {
            away.restart();
        }
        let both = [&first_landed, &second_landed];
        // A line without an answer may have been taken in or not.
        let all = |tally: &Tally| tally.lost().iter().all(|lost| unanswered.contains(lost));
        let tally = landing::await_tally(&both, "n", sent, PATIENCE, all);
        let open = unanswered.len();
        say::line(&format!(
            "{edits} edits, {sent} lines, {open} of them without an answer"
        ));
        assert!(all(&tally), "{:?}", tally.lost());
        assert_eq!(tally.doubled(), 0);
        assert!(edits > 20, "{edits}");
    }
}
