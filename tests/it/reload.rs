//! Goal: a changed file is applied without affecting what did not change, and a broken one is not
//! applied at all. Method: the file is rewritten and SIGHUP is sent to agents that run with
//! `--no-reload-conf`. So the periodic check plays no part, and SIGHUP is seen to work without it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, eventually, landing, ports};

mod chains;

const PATIENCE: Duration = Duration::from_secs(60);

/// Less than the drain timeout of 30 s.
const AT_ONCE: Duration = Duration::from_secs(20);

/// netcat → memory → avro, in batches of this size.
fn sender(input: u16, output: u16, batch: u32) -> AgentFile {
    AgentFile::new("a1")
        .memory("c1", 20_000, 1_000)
        .netcat("r1", input)
        .avro_sink("k1", output, batch)
}

/// avro → memory → files.
fn collector(scratch: &Scratch, port: u16) -> (Host, Landing) {
    let folder = scratch.folder("landed");
    let file = AgentFile::new("a2")
        .memory("c1", 20_000, 1_000)
        .avro_source("r1", port)
        .file_roll("k1", &folder, 1_000);
    let host = Host::start(scratch, "collector", &file.text());
    (host, Landing::Folder(folder))
}

/// A client that sends a line and reads its answer.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a netcat source");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a TCP socket");
        Self(BufReader::new(stream))
    }

    fn types(&mut self, line: &str) -> String {
        let mut answer = String::new();
        writeln!(self.0.get_mut(), "{line}").expect("an open connection");
        self.0.read_line(&mut answer).expect("an answer");
        answer.trim_end().to_owned()
    }
}

/// Five changes of the sink in a row, while a connected client sends: each line arrives once, and
/// the source is not affected.
#[test]
fn a_changed_sink_is_replaced_without_loss() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let (_collector, landed) = collector(&scratch, output);
    let mut host = Host::start(&scratch, "sender", &sender(input, output, 100).text());
    let count = 20_000;
    let feed = Feed::start(input, Lines::new("n", count).rate(5_000));
    for change in 1..=5_u32 {
        feed.await_acknowledged(u64::from(change) * 2_000, PATIENCE);
        let text = sender(input, output, 100 + change).text();
        host.reload(&text, 1, PATIENCE);
        assert_eq!(host.counter("SOURCE.r1", "OpenConnectionCount"), 1);
    }
    assert!(
        feed.acknowledged() < count,
        "all five changes came in mid-stream"
    );
    feed.finish(PATIENCE).assert_all_acknowledged();
    landing::await_count(&[&landed], "n", count, PATIENCE).assert_exact("five changes of the sink");
    assert_eq!(host.counter("SOURCE.r1", "EventAcceptedCount"), count);
    let delivered = || host.counter("SINK.k1", "EventDrainSuccessCount");
    let all = || (delivered() == count).then_some(());
    eventually(
        "the counters continue over six sinks of one name",
        PATIENCE,
        all,
    );
}

#[test]
fn a_channel_keeps_its_events_and_takes_its_new_capacity() {
    let scratch = Scratch::new();
    let (input, nobody, output) = (ports::free(), ports::free(), ports::free());
    let text = |port: u16, capacity: u32| {
        let file = AgentFile::new("a1").memory("c1", capacity, 100);
        file.netcat("r1", input).avro_sink("k1", port, 100).text()
    };
    let mut host = Host::start(&scratch, "sender", &text(nobody, 100));
    Feed::send(input, Lines::new("n", 60), PATIENCE).assert_all_acknowledged();
    host.reload(&text(nobody, 200), 1, PATIENCE);
    let channel = |key| host.counter("CHANNEL.c1", key);
    assert_eq!(channel("ChannelCapacity"), 200);
    let held = || (channel("ChannelSize") == 60).then_some(());
    eventually("sixty events are still there", PATIENCE, held);
    Feed::send(input, Lines::new("n", 140).from(60), PATIENCE).assert_all_acknowledged();

    let (_collector, landed) = collector(&scratch, output);
    host.reload(&text(output, 200), 1, PATIENCE);
    landing::await_count(&[&landed], "n", 200, PATIENCE).assert_exact("a sink that was moved");
}

#[test]
fn sources_and_agents_come_and_go() {
    let scratch = Scratch::new();
    let [kept, gone, other] = std::array::from_fn(|_| ports::free());
    let folder = scratch.folder("landed");
    let agent = |name: &str, ports: &[(&str, u16)]| {
        let file = AgentFile::new(name).memory("c1", 1_000, 100);
        let file = file.file_roll("k1", &folder, 100);
        ports
            .iter()
            .fold(file, |file, (name, port)| file.netcat(name, *port))
            .text()
    };
    let both = agent("a1", &[("r1", kept), ("r2", gone)]);
    let mut host = Host::start(&scratch, "agents", &both);
    let mut client = Client::connect(kept);
    assert_eq!(client.types("one"), "OK");
    let mut leaves = Client::connect(gone);
    assert_eq!(leaves.types("two"), "OK");

    let one = agent("a1", &[("r1", kept)]);
    host.reload(&one, 1, PATIENCE);
    assert!(
        !ports::listening(gone),
        "the port of a removed source is closed"
    );
    let mut rest = String::new();
    let read = leaves.0.read_line(&mut rest).unwrap_or_default();
    assert_eq!(read, 0, "and so are its connections");
    assert_eq!(client.types("three"), "OK");
    assert_eq!(host.counter("SOURCE.r1", "EventReceivedCount"), 2);

    let second = agent("a2", &[("r1", other)]);
    host.reload(&format!("{one}{second}"), 2, PATIENCE);
    assert_eq!(Client::connect(other).types("four"), "OK");
    assert_eq!(client.types("five"), "OK");
    assert_eq!(host.counter("SOURCE.a1.r1", "EventReceivedCount"), 3);
    assert_eq!(host.counter("SOURCE.a2.r1", "EventReceivedCount"), 1);

    host.reload(&second, 1, PATIENCE);
    assert!(!ports::listening(kept), "a removed agent has no port");
    assert_eq!(
        host.counter("SOURCE.r1", "EventReceivedCount"),
        1,
        "the other agent goes on"
    );
}

#[test]
fn a_broken_file_is_refused_and_everything_goes_on() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let (_collector, landed) = collector(&scratch, output);
    let good = sender(input, output, 100).text();
    let mut host = Host::start(&scratch, "sender", &good);
    let mut client = Client::connect(input);
    assert_eq!(client.types("before"), "OK");

    let broken = good.replace("channels.c1.type = memory", "channels.c1.type = memry");
    let line = broken
        .lines()
        .position(|line| line.contains("memry"))
        .expect("it was there")
        + 1;
    host.rewrite(&broken);
    host.process()
        .await_said("is refused; the agents keep running", 1, PATIENCE);
    let log = host.process().log();
    let names_the_line = |text: &str| {
        let placed = text.contains("sender.properties") && text.contains(&format!("line={line}"));
        placed && text.contains("memry")
    };
    assert!(
        log.lines().any(names_the_line),
        "the log names file and line {line}:\n{log}"
    );
    assert_eq!(client.types("after"), "OK", "the connection stands");

    std::fs::remove_file(scratch.path("sender.properties")).expect("the agent's file");
    host.process().hup();
    host.process()
        .await_said("cannot be read; the agents keep running", 1, PATIENCE);
    assert_eq!(client.types("without a file"), "OK");

    host.reload(&good, 1, PATIENCE);
    assert_eq!(client.types("again"), "OK");
    let all = || (landed.bodies().len() == 4).then_some(());
    eventually("all four lines are delivered", PATIENCE, all);
}

/// A TERM takes effect while a removed channel still waits for its collector, and a second one does
/// not wait. In Flume, a stop right after a change can deadlock (FLUME-2786).
#[test]
fn a_term_after_a_reload_takes_effect() {
    let scratch = Scratch::new();
    let (input, nobody) = (ports::free(), ports::free());
    let text = sender(input, nobody, 100).text();
    let mut host = Host::start(&scratch, "sender", &text);
    Feed::send(input, Lines::new("n", 100), PATIENCE).assert_all_acknowledged();
    let other = text.replace("c1", "c2").replace("k1", "k2");
    host.reload(&other, 1, PATIENCE);
    host.process().term();
    let closed = || (!ports::listening(input)).then_some(());
    eventually("the source closes at the first signal", PATIENCE, closed);
    assert!(
        host.process().ended().is_none(),
        "the first one lets the channel drain"
    );
    let start = Instant::now();
    host.process().term();
    let status = host.process().wait(PATIENCE);
    let took = start.elapsed();
    assert!(took < AT_ONCE, "the second signal took {took:?}");
    assert_eq!(status.code(), Some(143));
}

/// Events that no sink drains are lost with their channel only if the operator has said so.
#[test]
fn events_go_with_their_channel_only_by_the_flag() {
    for (flag, said) in [
        (None, "start with --reload-may-lose"),
        (Some("--reload-may-lose"), "agent runs from the new file"),
    ] {
        let scratch = Scratch::new();
        let input = ports::free();
        let one = AgentFile::new("a1")
            .memory("c1", 100, 100)
            .netcat("r1", input)
            .null("k1", 100);
        let two = AgentFile::new("a1")
            .memory("c1", 100, 100)
            .memory("c2", 100, 100)
            .netcat("r1", input)
            .null("k1", 100);
        let file = scratch.file("a1.properties", &two.text());
        let words: Vec<&str> = flag.into_iter().collect();
        let mut host = Host::run(&scratch, "a1", &file, &words);
        Feed::send(input, Lines::new("n", 10), PATIENCE).assert_all_acknowledged();
        host.rewrite(&one.text());
        host.process().await_said(said, 1, PATIENCE);
        let (_, config) = host.page("/config").expect("an answer");
        assert_eq!(config.contains("\"c2\""), flag.is_none(), "{config}");
    }
}
