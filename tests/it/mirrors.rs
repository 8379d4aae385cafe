//! Goal: a failover group whose sinks drain two channels that hold the same events delivers each
//! event once, whichever sink is active; with `mirrored = false`, it does as Flume. Method: two
//! netcat sources into both channels. The preferred collector keeps its events in a small channel
//! whose next hop is missing, so it refuses for as long as the scenario wants. Lines are counted
//! one by one at both ends.

use std::time::Duration;

use flume_tests::{
    AgentFile, Feed, Host, Landing, Lines, Replies, Scratch, Tally, UNDER_WAY, eventually, landing,
    ports,
};

const PATIENCE: Duration = Duration::from_secs(90);

/// Lines on each of two connections.
const LINES: u64 = 5_000;

const BATCH: u32 = 100;

/// Flume's answer when a channel has no room.
const FULL: &str = "FAILED: Space for commit to queue couldn't be acquired. \
                    Sinks are likely not keeping up with sources, or the buffer size is too tight";

/// Two sources, two channels of these capacities, and a failover group that prefers `k2`.
fn mirrored(inputs: [u16; 2], capacities: [u32; 2]) -> AgentFile {
    let [first, second] = capacities;
    AgentFile::new("a1")
        .memory("c1", first, first.min(1_000))
        .memory("c2", second, second.min(1_000))
        .netcat("r1", inputs[0])
        .netcat("r2", inputs[1])
        .set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", "k1 k2")
        .set("sinkgroups.g1.processor.type", "failover")
        .set("sinkgroups.g1.processor.priority.k1", 5)
        .set("sinkgroups.g1.processor.priority.k2", 10)
}

/// The agent with a standby that always accepts, and a preferred collector that accepts 1,000
/// events until there is a listener on its `onward` port.
struct Scene {
    inputs: [u16; 2],
    onward: u16,
    agent: Host,
    by_standby: Landing,
    by_preferred: Landing,
    scratch: Scratch,
    others: Vec<Host>,
}

impl Scene {
    fn start() -> Self {
        let scratch = Scratch::new();
        let [one, other, standby, preferred, onward] = std::array::from_fn(|_| ports::free());
        let (by_standby, by_preferred) = (scratch.folder("standby"), scratch.folder("preferred"));
        let file = AgentFile::new("standby")
            .memory("c1", 10_000, 1_000)
            .avro_source("r1", standby)
            .file_roll("k1", &by_standby, 1_000);
        let on_standby = Host::start(&scratch, "standby-agent", &file.text());
        let file = AgentFile::new("preferred")
            .memory("c1", 1_000, BATCH)
            .avro_source("r1", preferred)
            .avro_sink("k1", onward, BATCH);
        let on_preferred = Host::start(&scratch, "preferred-agent", &file.text());
        let inputs = [one, other];
        let file = mirrored(inputs, [20_000; 2])
            .avro_sink("k1", standby, BATCH)
            .avro_sink("k2", preferred, BATCH)
            .drains("k2", "c2");
        let agent = Host::start(&scratch, "a1", &file.text());
        Self {
            inputs,
            onward,
            agent,
            by_standby: Landing::Folder(by_standby),
            by_preferred: Landing::Folder(by_preferred),
            scratch,
            others: vec![on_standby, on_preferred],
        }
    }

    /// Starts the next hop of the preferred collector, which from now on accepts everything.
    fn stop_refusing(&mut self) {
        let Landing::Folder(folder) = &self.by_preferred else {
            unreachable!("made above")
        };
        let file = AgentFile::new("archive")
            .memory("c1", 10_000, 1_000)
            .avro_source("r1", self.onward)
            .file_roll("k1", folder, 1_000);
        let archive = Host::start(&self.scratch, "archive", &file.text());
        self.others.push(archive);
    }

    fn await_all(&self, count: u64) -> Tally {
        landing::await_count(
            &[&self.by_standby, &self.by_preferred],
            "n",
            count,
            PATIENCE,
        )
    }

    /// How many events may arrive twice: at each failure, those of the batches in flight.
    fn doubled(&self) -> u64 {
        let failures = self.agent.counter("SINK.k2", "EventWriteFail");
        failures * UNDER_WAY * u64::from(BATCH)
    }
}

/// The numbers, in the order of their first arrival.
fn first_arrivals(landing: &Landing) -> Vec<u64> {
    let mut seen = std::collections::HashSet::new();
    let number = |body: Vec<u8>| -> Option<u64> {
        std::str::from_utf8(&body)
            .ok()?
            .split(' ')
            .nth(1)?
            .parse()
            .ok()
    };
    let numbers = landing.bodies().into_iter().filter_map(number);
    numbers.filter(|&number| seen.insert(number)).collect()
}

#[test]
fn a_collector_that_refuses_costs_nothing_and_is_used_again() {
    let mut scene = Scene::start();
    let [one, other] = scene.inputs;
    let feeds = [
        Feed::start(one, Lines::new("n", LINES).rate(1_000)),
        Feed::start(other, Lines::new("n", LINES).from(LINES).rate(1_000)),
    ];
    let takes_over = || (scene.by_standby.bodies().len() > 500).then_some(());
    eventually("the standby takes what is refused", PATIENCE, takes_over);
    scene.stop_refusing();
    for feed in feeds {
        feed.finish(PATIENCE).assert_all_acknowledged();
    }
    let mut count = 2 * LINES;
    let tally = scene.await_all(count);
    tally.assert_at_least_once("a collector that refused for a while", scene.doubled());
    assert!(
        scene.agent.counter("SINK.k2", "EventWriteFail") > 0,
        "the collector has refused"
    );
    // The lines of each connection are in order, at either collector.
    for landing in [&scene.by_standby, &scene.by_preferred] {
        let arrivals = first_arrivals(landing);
        assert!(arrivals.len() > 500, "a share: {}", arrivals.len());
        for connection in [0..LINES, LINES..2 * LINES] {
            let of_it = arrivals.iter().filter(|number| connection.contains(number));
            assert!(of_it.is_sorted(), "lines of one connection in their order");
        }
    }
    // Once the penalty is over, everything goes to the preferred collector again.
    eventually("the group fails back", PATIENCE, || {
        let lines = Lines::new("n", 100).from(count);
        Feed::send(one, lines, PATIENCE).assert_all_acknowledged();
        count += 100;
        scene.await_all(count);
        let share = landing::count(&[&scene.by_preferred], "n", count);
        (share.arrived_of(count - 100..count) == 100).then_some(())
    });
    let tally = scene.await_all(count);
    tally.assert_at_least_once("fail-back", scene.doubled());
    let channels = ["CHANNEL.c1", "CHANNEL.c2"].map(|c| scene.agent.counter(c, "ChannelSize"));
    assert_eq!(channels, [0, 0], "both mirrors are empty");
}

/// Sends sixty lines on one connection and returns how many of the replies were of each kind.
fn sixty_lines(port: u16) -> Replies {
    let replies = Feed::send(port, Lines::new("n", 60), PATIENCE);
    let numbers: Vec<u64> = (0..50).collect();
    assert_eq!(
        replies.acknowledged, numbers,
        "exactly as many as there is room for"
    );
    assert_eq!(replies.unanswered, Vec::<u64>::new());
    replies
}

/// The smaller mirror sets the limit, and both always hold the same events.
#[test]
fn mirrors_are_full_when_the_smaller_one_is() {
    let scratch = Scratch::new();
    let [one, other, nobody] = std::array::from_fn(|_| ports::free());
    let file = mirrored([one, other], [100, 50])
        .avro_sink("k1", nobody, BATCH)
        .avro_sink("k2", nobody, BATCH)
        .drains("k2", "c2");
    let text = file.text().replace("keep-alive = 1", "keep-alive = 0");
    let host = Host::start(&scratch, "a1", &text);
    let sizes = || {
        let metrics = host.metrics();
        ["c1", "c2"].map(|name| {
            let channel = &metrics[format!("CHANNEL.{name}")];
            ["ChannelSize", "ChannelCapacity"].map(|key| channel[key].as_str().map(str::to_owned))
        })
    };
    let replies = sixty_lines(one);
    assert_eq!(replies.failed.len(), 10);
    assert!(
        replies.failed.iter().all(|(_, text)| text == FULL),
        "{replies:?}"
    );
    // Sinks that fail hold a batch for a moment.
    let full = [["50", "50"], ["50", "50"]].map(|pair| pair.map(|text| Some(text.to_owned())));
    let settled = || (sizes() == full).then_some(());
    eventually("both mirrors hold fifty of fifty", PATIENCE, settled);
    // The other source meets the same limit.
    let refused = Feed::send(other, Lines::new("n", 1), PATIENCE);
    assert_eq!(refused.failed, [(0, FULL.to_owned())]);
}

/// Mirrors are one queue; optional channels of a second group are not, since some events miss them.
/// Each of these counts what it misses, under its own name, and the mirrors lose nothing.
#[test]
fn full_optional_channels_beside_mirrors_miss_events_each_for_itself() {
    let scratch = Scratch::new();
    let [one, other, nobody] = std::array::from_fn(|_| ports::free());
    let mut file = mirrored([one, other], [100, 100])
        .memory("c3", 10, 10)
        .memory("c4", 20, 20)
        .set("sources.r1.selector.optional", "c3 c4")
        .feeds("r2", "c1 c2")
        .set("sinkgroups.g2.sinks", "k3 k4")
        .set("sinkgroups.g2.processor.type", "failover");
    for (sink, channel) in [("k1", "c1"), ("k2", "c2"), ("k3", "c3"), ("k4", "c4")] {
        file = file.avro_sink(sink, nobody, BATCH).drains(sink, channel);
    }
    let text = file.text().replace("keep-alive = 1", "keep-alive = 0");
    let text = text.replace("sinkgroups = g1", "sinkgroups = g1 g2");
    let host = Host::start(&scratch, "a1", &text);
    Feed::send(one, Lines::new("n", 60), PATIENCE).assert_all_acknowledged();
    Feed::send(other, Lines::new("m", 20), PATIENCE).assert_all_acknowledged();
    let counts = || {
        ["c1", "c2", "c3", "c4"].map(|name| {
            let count = |counter| host.counter(&format!("CHANNEL.{name}"), counter);
            (count("ChannelSize"), count("EventMissedCount"))
        })
    };
    // Sinks that fail hold a batch for a moment.
    let expected = [(80, 0), (80, 0), (10, 50), (20, 40)];
    eventually("each channel has its events", PATIENCE, || {
        (counts() == expected).then_some(())
    });
    assert_eq!(host.counter("CHANNEL.c1", "EventPutSuccessCount"), 80);
}

/// With Flume's behaviour, the group drains only the active sink's channel. The standby's channel
/// fills and stalls the sources: first each put waits, and then all are refused.
#[test]
fn channels_not_treated_as_mirrors_stall_as_in_flume() {
    for seconds in [0, 1] {
        let scratch = Scratch::new();
        let [one, other] = std::array::from_fn(|_| ports::free());
        let (standby, active) = (scratch.folder("standby"), scratch.folder("active"));
        let file = mirrored([one, other], [50, 100])
            .set("sinkgroups.g1.processor.mirrored", false)
            .file_roll("k1", &standby, BATCH)
            .file_roll("k2", &active, BATCH)
            .drains("k2", "c2");
        let keep_alive = format!("keep-alive = {seconds}");
        let text = file.text().replace("keep-alive = 1", &keep_alive);
        let host = Host::start(&scratch, "a1", &text);
        let replies = sixty_lines(one);
        assert_eq!(replies.failed.len(), 10, "{keep_alive}");
        assert!(
            replies.failed.iter().all(|(_, text)| text == FULL),
            "{replies:?}"
        );
        let landed = landing::await_count(&[&Landing::Folder(active)], "n", 50, PATIENCE);
        landed.assert_exact("events of the active sink");
        assert_eq!(
            Landing::Folder(standby).bodies().len(),
            0,
            "the standby delivers nothing"
        );
        let sizes = ["CHANNEL.c1", "CHANNEL.c2"].map(|c| host.counter(c, "ChannelSize"));
        assert_eq!(sizes, [50, 0]);
    }
}
