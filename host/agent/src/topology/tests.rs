//! Agents that start, change and stop, over real components without sockets. Time is paused.
//!
//! A sink that is not started takes nothing: that is how these tests keep events in a channel.

use flume_core::clock::WallClock;
use tokio::time::sleep;

use super::*;
use crate::load::{self, Options};
use crate::runner::SourceState;
use crate::services::Resolver;

/// Ten events into `c1`.
const AGENT: &str = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = seq
a1.sources.r1.totalEvents = 10
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.c1.transactionCapacity = 5
a1.channels.c1.keep-alive = 0
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
";

/// The same agent with `c1` and `c2` for the sinks of a failover group.
const TWO_CHANNELS: &str = "\
a1.sources = r1
a1.channels = c1 c2
a1.sinks = k1 k2
a1.sinkgroups = g1
a1.sources.r1.type = seq
a1.sources.r1.totalEvents = 10
a1.sources.r1.channels = c1 c2
a1.channels.c1.type = memory
a1.channels.c1.transactionCapacity = 5
a1.channels.c1.keep-alive = 0
a1.channels.c2.type = memory
a1.channels.c2.transactionCapacity = 5
a1.channels.c2.keep-alive = 0
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
a1.sinks.k2.type = null
a1.sinks.k2.channel = c2
a1.sinkgroups.g1.sinks = k1 k2
a1.sinkgroups.g1.processor.type = failover
";

/// Services at this time of day.
fn services(now: u64) -> Services {
    Services {
        wall: WallClock::fixed(now),
        ..Services::system(Resolver::default())
    }
}

fn plan(text: &str) -> AgentPlan {
    let path = "agent.properties".to_owned();
    let (bytes, options) = (text.as_bytes().to_vec(), Options::default());
    let mut loaded = load::compile(path, bytes, &options, &services(0), &|_| None);
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    loaded.plans.remove(0)
}

/// An agent that has put its ten events into its channels, and whose sinks were not started.
async fn filled(text: &str) -> RunningAgent {
    let services = services(1);
    let mut agent = RunningAgent::build(plan(text), &services).unwrap();
    agent.bind().await;
    agent.start_sources(&services);
    while agent.sources[0].view.status.state() != SourceState::Completed {
        sleep(Duration::from_millis(10)).await;
    }
    agent
}

async fn reload(agent: &mut RunningAgent, text: &str) -> usize {
    let deadline = clock::now() + Duration::from_secs(30);
    let left = agent.reload(plan(text), deadline, &services(2)).await;
    left.unwrap()
}

fn channel(agent: &RunningAgent, name: &str) -> Arc<MemoryChannel> {
    let is_called = |channel: &&RunningChannel| channel.names.iter().any(|known| known == name);
    let found = agent.channels.iter().find(is_called);
    Arc::clone(&found.expect("a channel of this name").channel)
}

/// Flume: TestApplication.testBasicConfiguration (G4): every component is started and stopped.
#[tokio::test(start_paused = true)]
async fn all_components_start_and_stop() {
    let mut agent = RunningAgent::build(plan(AGENT), &services(7)).unwrap();
    let view = agent.view();
    let times = || {
        let (source, channel) = (
            &view.sources[0].counters,
            view.channels[0].channel.counters(),
        );
        let sink = &view.groups[0].sinks[0].counters;
        [
            (source.start_time.get(), source.stop_time.get()),
            (channel.start_time.get(), channel.stop_time.get()),
            (sink.start_time.get(), sink.stop_time.get()),
        ]
    };
    assert_eq!(times(), [(0, 0); 3]);
    agent.bind().await;
    agent.start_sinks(&services(7));
    agent.start_sources(&services(7));
    assert_eq!(times(), [(7, 0); 3]);
    sleep(Duration::from_secs(1)).await;
    let deadline = clock::now() + Duration::from_secs(30);
    assert_eq!(agent.stop(deadline, &services(9)).await, 0);
    assert_eq!(times(), [(7, 9); 3]);
    assert_eq!(
        view.groups[0].sinks[0].counters.event_drain_success.get(),
        10
    );
}

/// Flume: TestApplication.testFLUME1854 (G4): start, any time, stop, three times.
#[tokio::test(start_paused = true)]
async fn an_agent_can_be_stopped_at_any_time() {
    // More than the channel takes at once, so that the first stop comes in the middle.
    let text = AGENT.replace("totalEvents = 10", "totalEvents = 5000");
    for millis in [0, 130, 10_000] {
        let services = services(1);
        let mut agent = RunningAgent::build(plan(&text), &services).unwrap();
        agent.bind().await;
        agent.start_sinks(&services);
        agent.start_sources(&services);
        sleep(Duration::from_millis(millis)).await;
        let began = clock::now();
        let left = agent.stop(began + Duration::from_secs(30), &services).await;
        assert_eq!(left, 0, "stopped after {millis} ms");
        assert!(clock::now() - began < Duration::from_secs(1), "no deadline");
        let view = agent.view();
        let accepted = view.sources[0].counters.event_accepted.get();
        let delivered = view.groups[0].sinks[0].counters.event_drain_success.get();
        assert_eq!(accepted, delivered);
    }
}

/// Flume: TestAbstractConfigurationProvider.testReusableChannel and testUnspecifiedChannel (G1):
/// a channel is kept. No channel here is disposable, so testDispoableChannel has no counterpart.
#[tokio::test(start_paused = true)]
async fn what_did_not_change_is_not_touched() {
    let mut agent = filled(AGENT).await;
    let before = agent.view();
    assert_eq!(reload(&mut agent, AGENT).await, 0);
    let after = agent.view();
    assert!(Arc::ptr_eq(
        &before.channels[0].channel,
        &after.channels[0].channel
    ));
    assert!(Arc::ptr_eq(
        &before.sources[0].status,
        &after.sources[0].status
    ));
    assert_eq!(after.channels[0].channel.depth(), 10);
    assert!(
        agent.groups[0].task.is_none(),
        "the old group, still not started"
    );
}

/// Flume: TestAbstractConfigurationProvider.testReusableChannelNotReusedLater (G2): a channel that
/// was away comes back empty. Flume's test changes the type; here a name goes and returns.
#[tokio::test(start_paused = true)]
async fn a_channel_that_was_away_is_a_new_one() {
    let mut agent = filled(AGENT).await;
    let first = channel(&agent, "c1");
    let other = AGENT.replace("c1", "c2");
    let left = reload(&mut agent, &other).await;
    assert_eq!(
        left, 10,
        "sinks that do not run cannot drain it, which is told"
    );
    assert_eq!(channel(&agent, "c2").counters().start_time.get(), 2);
    assert_eq!(reload(&mut agent, AGENT).await, 0);
    let again = channel(&agent, "c1");
    assert!(!Arc::ptr_eq(&first, &again));
    assert_eq!(agent.channels.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_goes_is_drained_first() {
    let mut agent = filled(AGENT).await;
    agent.start_sinks(&services(1));
    let sink = agent.view().groups[0].sinks[0].clone();
    assert_eq!(reload(&mut agent, &AGENT.replace("c1", "c2")).await, 0);
    assert!(sink.counters.event_drain_success.get() >= 10);
}

/// The counters go on where a component is replaced by one of the same name.
#[tokio::test(start_paused = true)]
async fn a_changed_sink_is_replaced_and_the_rest_is_not() {
    let mut agent = filled(AGENT).await;
    agent.start_sinks(&services(1));
    sleep(Duration::from_secs(1)).await;
    let before = agent.view();
    let changed = format!("{AGENT}a1.sinks.k1.batchSize = 3\n");
    assert_eq!(reload(&mut agent, &changed).await, 0);
    let after = agent.view();
    assert!(Arc::ptr_eq(
        &before.sources[0].status,
        &after.sources[0].status
    ));
    assert_eq!(
        before.groups[0].runner.calls(),
        2,
        "ten events, five in a batch"
    );
    assert_eq!(after.groups[0].runner.calls(), 0, "a new runner");
    let counters = &after.groups[0].sinks[0].counters;
    assert_eq!(counters.event_drain_success.get(), 10);
    assert_eq!(
        (counters.start_time.get(), counters.stop_time.get()),
        (2, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_that_goes_ends_and_one_that_comes_begins() {
    let mut agent = filled(AGENT).await;
    let old = Arc::clone(&agent.view().sources[0].status);
    let text = AGENT.replace("r1", "r2");
    reload(&mut agent, &text).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(old.state(), SourceState::Completed);
    let view = agent.view();
    assert_eq!(view.sources.len(), 1);
    assert_eq!(view.sources[0].name, "r2");
    assert_eq!(view.sources[0].counters.event_accepted.get(), 10);
    assert_eq!(channel(&agent, "c1").depth(), 20);
}

/// Room is taken away only if it is empty.
#[tokio::test(start_paused = true)]
async fn a_channel_keeps_its_events_and_moves_its_limits() {
    let mut agent = filled(AGENT).await;
    let c1 = channel(&agent, "c1");
    for (wanted, got) in [(200, 200), (10, 10), (9, 10), (11, 11)] {
        let text = format!("{AGENT}a1.channels.c1.capacity = {wanted}\n");
        assert_eq!(reload(&mut agent, &text).await, 0);
        assert!(Arc::ptr_eq(&c1, &channel(&agent, "c1")));
        assert_eq!((c1.capacity(), c1.depth()), (got, 10), "wanted: {wanted}");
    }
}

/// A mirror is added or taken away in an emergency: that must not cost events.
#[tokio::test(start_paused = true)]
async fn channels_that_become_mirrors_keep_their_events() {
    let mut agent = filled(AGENT).await;
    let c1 = channel(&agent, "c1");
    // A source that did put its ten events is new here, since it feeds another channel, too.
    let text = TWO_CHANNELS.replace("totalEvents = 10", "totalEvents = 0");
    assert_eq!(reload(&mut agent, &text).await, 0);
    assert!(Arc::ptr_eq(&c1, &channel(&agent, "c1")));
    assert!(Arc::ptr_eq(&c1, &channel(&agent, "c2")));
    assert_eq!(
        agent.groups.len(),
        1,
        "the group takes what the single sink left"
    );
    sleep(Duration::from_secs(1)).await;
    assert_eq!(c1.depth(), 0);
    assert_eq!(c1.counters().event_take_success.get(), 10);
}

#[tokio::test(start_paused = true)]
async fn mirrors_that_are_set_apart_lose_nothing() {
    let mut agent = filled(TWO_CHANNELS).await;
    let mirrored = channel(&agent, "c1");
    assert_eq!(mirrored.depth(), 10, "one channel with two names");
    let apart = TWO_CHANNELS.replace("totalEvents = 10", "totalEvents = 0");
    let apart = format!("{apart}a1.sinkgroups.g1.processor.mirrored = false\n");
    assert_eq!(reload(&mut agent, &apart).await, 0);
    assert!(Arc::ptr_eq(&mirrored, &channel(&agent, "c1")));
    let other = channel(&agent, "c2");
    assert!(!Arc::ptr_eq(&mirrored, &other));
    assert_eq!(other.counters().start_time.get(), 2);
}

/// A group of two sinks that a policy orders; `more` is a line about it.
fn with_policy(more: &str) -> String {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/diagnostics/policies"
    );
    format!(
        "{AGENT}a1.sinks = k1 k2\na1.sinks.k2.type = null\na1.sinks.k2.channel = c1\n\
         a1.sinkgroups = g1\na1.sinkgroups.g1.sinks = k1 k2\n\
         a1.sinkgroups.g1.processor.type = load_balance\n\
         a1.sinkgroups.g1.processor.selector = {folder}/first.wat\n{more}\n"
    )
    .replace("a1.sinks = k1\n", "")
}

/// The account of CPU time tells: a seat that is made anew is tried out. So time is not paused.
#[tokio::test]
async fn a_group_keeps_its_seat_unless_its_keys_change() {
    let services = services(1);
    let deadline = clock::now() + Duration::from_secs(30);
    let mut agent = RunningAgent::build(plan(&with_policy("")), &services).unwrap();
    let seats = || {
        let report = services.policies.reports().remove(0);
        let places: Vec<String> = report.seats.into_iter().map(|seat| seat.place).collect();
        assert_eq!(places, ["g1"]);
        report.totals.cpu
    };
    let made = seats();
    let same = plan(&with_policy("# A comment."));
    agent.reload(same, deadline, &services).await.unwrap();
    assert_eq!(seats(), made);
    for more in [
        "a1.sinks.k2.weight = 3",
        "a1.sinkgroups.g1.processor.selector.size = 3",
        "a1.sinkgroups.g1.processor.policy.deadline-ms = 30",
    ] {
        let before = seats();
        let changed = plan(&with_policy(more));
        agent.reload(changed, deadline, &services).await.unwrap();
        assert_ne!(seats(), before, "{more}");
    }
}

/// What is kept puts its dead letters into the channel that the plan names now.
#[tokio::test(start_paused = true)]
async fn a_source_follows_its_channel_for_dead_letters() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/diagnostics/policies"
    );
    let text = |dead: &str| {
        format!(
            "{AGENT}a1.channels = c1 {dead}\na1.channels.{dead}.type = memory\n\
             a1.sinks = k1 k9\na1.sinks.k9.type = null\na1.sinks.k9.channel = {dead}\n\
             a1.sources.r1.interceptors = i1\na1.sources.r1.interceptors.i1.type = {folder}/keep.wat\n\
             a1.sources.r1.interceptors.i1.on-error = dead-letter:{dead}\n"
        )
        .replace("a1.sinks = k1\n", "")
        .replace("a1.channels = c1\n", "")
    };
    let mut agent = filled(&text("c8")).await;
    assert_eq!(channel(&agent, "c1").depth(), 10);
    reload(&mut agent, &text("c9")).await;
    let holders = |name: &str| Arc::strong_count(&channel(&agent, name));
    // The agent, and the new interceptor, sink and the sink's lane.
    assert!(holders("c9") > 2, "{}", holders("c9"));
    assert!(agent.channels.iter().all(|known| known.names != ["c8"]));
}
