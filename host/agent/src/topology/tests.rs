//! Agents that start, change and stop, over real components without sockets. Time is paused.
//!
//! A sink that is not started takes nothing: that is how these tests keep events in a channel.

use flume_core::TakeTransaction;
use tokio::time::sleep;

mod letters;
mod spares;

use super::*;
use crate::runner::SourceState;
use crate::testing::{plan, services};

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

fn terms() -> ReloadTerms {
    ReloadTerms {
        deadline: clock::now() + Duration::from_secs(30),
        hurry: CancellationToken::new(),
        may_lose: false,
        ports: Default::default(),
    }
}

async fn reload(agent: &mut RunningAgent, text: &str) {
    let reloaded = agent.reload(plan(text), &terms(), &services(2)).await;
    reloaded.unwrap();
}

fn channel(agent: &RunningAgent, name: &str) -> Arc<dyn Channel> {
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

/// What a sink has and never answered for is left, as what is in the channel.
#[tokio::test(start_paused = true)]
async fn events_that_a_sink_has_are_counted_as_left() {
    let mut agent = filled(AGENT).await;
    let mut aside = TakeTransaction::begin(&channel(&agent, "c1"));
    assert_eq!(aside.take_batch(1), 1);
    let mut batch = TakeTransaction::begin(&channel(&agent, "c1"));
    assert_eq!(batch.take_batch(3), 3);
    assert_eq!(events_left(&[agent.view()]), 10);
    assert!(batch.commit().is_done());
    assert_eq!(events_left(&[agent.view()]), 7);
    assert_eq!(agent.stop(clock::now(), &services(2)).await, 7);
    drop(aside);
    assert_eq!(events_left(&[agent.view()]), 7);
}

/// What the owner of an agent does meanwhile does not matter, and he can stop it afterwards.
#[tokio::test(start_paused = true)]
async fn a_brake_ends_sources_and_drains_channels() {
    let endless = AGENT.replace("totalEvents = 10", "totalEvents = 1000000");
    let services = services(1);
    let mut agent = RunningAgent::build(plan(&endless), &services).unwrap();
    agent.bind().await;
    agent.start_sinks(&services);
    agent.start_sources(&services);
    sleep(Duration::from_millis(130)).await;
    let brake = Brake::of(std::slice::from_ref(&agent));
    brake.pull(clock::now() + Duration::from_secs(30)).await;
    let (source, group) = (&agent.sources[0], &mut agent.groups[0]);
    assert_eq!(source.view.status.state(), SourceState::Stopped);
    let soon = clock::now() + Duration::from_secs(5);
    assert!(ended(&mut group.task, soon, "k1").await, "the sinks end");
    let deadline = clock::now() + Duration::from_secs(30);
    assert_eq!(agent.stop(deadline, &services).await, 0);
}

/// Sources that do not end get no more time than the deadline.
#[tokio::test(start_paused = true)]
async fn a_brake_waits_no_longer_than_the_deadline() {
    let mut agent = RunningAgent::build(plan(AGENT), &services(1)).unwrap();
    agent.start_sinks(&services(1));
    let (brake, start) = (Brake::of(std::slice::from_ref(&agent)), clock::now());
    brake.pull(start + Duration::from_secs(30)).await;
    assert_eq!((clock::now() - start).as_secs(), 30);
    assert!(agent.groups[0].drain.is_cancelled());
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
    reload(&mut agent, AGENT).await;
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
    agent.start_sinks(&services(1));
    let first = channel(&agent, "c1");
    let other = AGENT.replace("c1", "c2").replace("k1", "k2");
    reload(&mut agent, &other).await;
    assert_eq!(channel(&agent, "c2").counters().start_time.get(), 2);
    sleep(Duration::from_secs(1)).await;
    assert!(agent.settle_departures(&services(2)));
    reload(&mut agent, AGENT).await;
    let again = channel(&agent, "c1");
    assert!(!Arc::ptr_eq(&first, &again));
    assert_eq!(agent.channels.len(), 1);
}

/// The same sink drains it: so it is the same channel.
#[tokio::test(start_paused = true)]
async fn a_channel_with_a_new_name_keeps_its_events() {
    let mut agent = filled(AGENT).await;
    let first = channel(&agent, "c1");
    let renamed = AGENT
        .replace("c1", "c2")
        .replace("totalEvents = 10", "totalEvents = 0");
    reload(&mut agent, &renamed).await;
    assert!(Arc::ptr_eq(&first, &channel(&agent, "c2")));
    assert!(agent.departing.is_empty());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(first.counters().event_take_success.get(), 10);
}

/// The new source runs at once, and the old sink has all the time that it needs.
#[tokio::test(start_paused = true)]
async fn a_channel_that_goes_is_emptied_by_its_old_sinks() {
    let mut agent = filled(AGENT).await;
    let (old, sink) = (
        channel(&agent, "c1"),
        agent.view().groups[0].sinks[0].clone(),
    );
    let began = clock::now();
    reload(&mut agent, &AGENT.replace("c1", "c2").replace("k1", "k2")).await;
    assert!(clock::now() - began < Duration::from_secs(1));
    assert_eq!(agent.departing.len(), 1);
    assert_eq!(old.depth(), 10, "its sink was not started");
    agent.departing[0].start();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(old.depth(), 0);
    assert_eq!(sink.counters.event_drain_success.get(), 10);
    assert!(agent.settle_departures(&services(2)));
    assert!(agent.departing.is_empty());
    let view = agent.view();
    assert_eq!(
        view.groups[0].sinks[0].counters.event_drain_success.get(),
        10
    );
}

/// `k2` drained `c2`, and now drains `c1`, which `k1` leaves.
#[tokio::test(start_paused = true)]
async fn events_move_to_where_their_sink_is_now() {
    let two = AGENT
        .replace("a1.channels = c1\n", "a1.channels = c1 c2\n")
        .replace("r1.channels = c1\n", "r1.channels = c1 c2\n")
        .replace("a1.sinks = k1\n", "a1.sinks = k1 k2\n")
        + "a1.channels.c2.type = memory\na1.channels.c2.keep-alive = 0\n\
           a1.sinks.k2.type = null\na1.sinks.k2.channel = c2\n";
    let mut agent = filled(&two).await;
    let (c1, c2) = (channel(&agent, "c1"), channel(&agent, "c2"));
    let one = AGENT
        .replace("k1", "k2")
        .replace("totalEvents = 10", "totalEvents = 0");
    reload(&mut agent, &one).await;
    // What `k1` did not deliver is in the channel with its name, and there is no `k1` any more.
    assert_eq!(agent.departing.len(), 1);
    assert!(Arc::ptr_eq(&c1, &channel(&agent, "c1")));
    sleep(Duration::from_secs(1)).await;
    assert_eq!((c1.depth(), c2.depth()), (0, 0));
    assert_eq!(c1.counters().event_take_success.get(), 20);
    assert!(agent.settle_departures(&services(2)));
}

#[tokio::test(start_paused = true)]
async fn a_channel_on_its_way_out_can_come_back() {
    let mut agent = filled(AGENT).await;
    let first = channel(&agent, "c1");
    let other = AGENT.replace("c1", "c2").replace("k1", "k2");
    reload(&mut agent, &other).await;
    assert_eq!((agent.departing.len(), first.depth()), (1, 10));
    reload(
        &mut agent,
        &AGENT.replace("totalEvents = 10", "totalEvents = 0"),
    )
    .await;
    assert!(Arc::ptr_eq(&first, &channel(&agent, "c1")));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(first.counters().event_take_success.get(), 10);
}

/// A file that would lose events is refused, unless the operator has said that it may.
#[tokio::test(start_paused = true)]
async fn a_channel_without_a_sink_does_not_go_with_its_events() {
    let two = AGENT
        .replace("a1.channels = c1\n", "a1.channels = c1 c2\n")
        .replace("r1.channels = c1\n", "r1.channels = c1 c2\n")
        + "a1.channels.c2.type = memory\na1.channels.c2.keep-alive = 0\n";
    let mut agent = filled(&two).await;
    let refused = agent.reload(plan(AGENT), &terms(), &services(2)).await;
    let message = refused.unwrap_err().to_string();
    for part in ["10 events", "`c2`", "--reload-may-lose"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(channel(&agent, "c2").depth(), 10);
    let may_lose = ReloadTerms {
        may_lose: true,
        ..terms()
    };
    let lost = agent.reload(plan(AGENT), &may_lose, &services(2)).await;
    assert!(lost.is_ok() && agent.channels.len() == 1);
}

/// An agent that the file has no more is there until its channels are empty, and may come back.
#[tokio::test(start_paused = true)]
async fn an_agent_that_goes_is_emptied_first() {
    let mut agent = filled(AGENT).await;
    let c1 = channel(&agent, "c1");
    agent
        .reload(AgentPlan::empty("a1"), &terms(), &services(2))
        .await
        .unwrap();
    assert!(agent.channels.is_empty() && !agent.is_gone());
    assert_eq!(events_left(&[agent.view()]), 10);
    reload(
        &mut agent,
        &AGENT.replace("totalEvents = 10", "totalEvents = 0"),
    )
    .await;
    assert!(Arc::ptr_eq(&c1, &channel(&agent, "c1")));
    agent
        .reload(AgentPlan::empty("a1"), &terms(), &services(2))
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    assert!(agent.settle_departures(&services(2)) && agent.is_gone());
    assert_eq!(c1.counters().event_take_success.get(), 10);
}

/// The counters go on where a component is replaced by one of the same name.
#[tokio::test(start_paused = true)]
async fn a_changed_sink_is_replaced_and_the_rest_is_not() {
    let mut agent = filled(AGENT).await;
    agent.start_sinks(&services(1));
    sleep(Duration::from_secs(1)).await;
    let before = agent.view();
    let changed = format!("{AGENT}a1.sinks.k1.batchSize = 3\n");
    reload(&mut agent, &changed).await;
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

/// A limit below what the channel holds counts at once, and no event goes for it.
#[tokio::test(start_paused = true)]
async fn a_channel_keeps_its_events_and_moves_its_limits() {
    let mut agent = filled(AGENT).await;
    let c1 = channel(&agent, "c1");
    for (wanted, got) in [(200, 200), (10, 10), (9, 9), (11, 11)] {
        let text = format!("{AGENT}a1.channels.c1.capacity = {wanted}\n");
        reload(&mut agent, &text).await;
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
    reload(&mut agent, &text).await;
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
    reload(&mut agent, &apart).await;
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
    let mut agent = RunningAgent::build(plan(&with_policy("")), &services).unwrap();
    let seats = || {
        let report = services.policies.reports().remove(0);
        let places: Vec<String> = report.seats.into_iter().map(|seat| seat.place).collect();
        assert_eq!(places, ["g1"]);
        report.totals.cpu
    };
    let made = seats();
    let same = plan(&with_policy("# A comment."));
    agent.reload(same, &terms(), &services).await.unwrap();
    assert_eq!(seats(), made);
    for more in [
        "a1.sinks.k2.weight = 3",
        "a1.sinkgroups.g1.processor.selector.size = 3",
        "a1.sinkgroups.g1.processor.policy.deadline-ms = 30",
    ] {
        let before = seats();
        let changed = plan(&with_policy(more));
        agent.reload(changed, &terms(), &services).await.unwrap();
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
