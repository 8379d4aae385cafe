//! Dead letters of sinks, where an agent changes or ends. No event of the source has the time that
//! the folder of `k1` needs.

use super::*;
use crate::health::{self, Level};

fn text(on_error: &str) -> String {
    format!(
        "a1.sources = r1\n\
         a1.channels = c1 c9\n\
         a1.sinks = k1 k9\n\
         a1.sources.r1.type = seq\n\
         a1.sources.r1.totalEvents = 10\n\
         a1.sources.r1.channels = c1\n\
         a1.sources.r1.interceptors = i1\n\
         a1.sources.r1.interceptors.i1.type = regex_extractor\n\
         a1.sources.r1.interceptors.i1.regex = at (\\\\d+)$\n\
         a1.sources.r1.interceptors.i1.serializers = s1\n\
         a1.sources.r1.interceptors.i1.serializers.s1.name = timestamp\n\
         a1.channels.c1.type = memory\n\
         a1.channels.c9.type = memory\n\
         a1.sinks.k1.type = file_roll\n\
         a1.sinks.k1.channel = c1\n\
         a1.sinks.k1.sink.directory = /nowhere\n\
         a1.sinks.k1.hdfs.path = %Y\n\
         a1.sinks.k1.hdfs.withoutTimestamp = fail\n\
         a1.sinks.k1.on-error = {on_error}\n\
         a1.sinks.k9.type = null\n\
         a1.sinks.k9.channel = c9\n"
    )
}

async fn started(text: &str) -> RunningAgent {
    let services = services(1);
    let mut agent = RunningAgent::build(plan(text), &services).unwrap();
    agent.bind().await;
    agent.start_sinks(&services);
    agent.start_sources(&services);
    sleep(Duration::from_millis(10)).await;
    agent
}

async fn stopped(agent: &mut RunningAgent) -> usize {
    let deadline = clock::now() + Duration::from_secs(30);
    agent.stop(deadline, &services(9)).await
}

fn delivered(agent: &RunningAgent, sink: &str) -> u64 {
    let sinks = agent.groups.iter().flat_map(|group| &group.view.sinks);
    let mut sinks = sinks.filter(|known| known.name == sink);
    sinks.next().unwrap().counters.event_drain_success.get()
}

fn aside(agent: &RunningAgent) -> usize {
    let reports = agent
        .groups
        .iter()
        .flat_map(|group| group.view.runner.report());
    reports.map(|sink| sink.health.aside.events).sum()
}

#[tokio::test(start_paused = true)]
async fn dead_letters_of_the_last_moment_are_delivered() {
    let mut agent = started(&text("dead-letter:c9")).await;
    assert_eq!(aside(&agent), 10);
    let began = clock::now();
    assert_eq!(stopped(&mut agent).await, 0);
    assert!(clock::now() - began < Duration::from_secs(2));
    assert_eq!((delivered(&agent, "k1"), delivered(&agent, "k9")), (0, 10));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_given_up_counts_as_left_at_the_deadline() {
    let mut agent = started(&text("retry")).await;
    let began = clock::now();
    assert_eq!(stopped(&mut agent).await, 10);
    let took = clock::now() - began;
    assert!(took <= Duration::from_secs(32), "{took:?}");
    assert_eq!(channel(&agent, "c1").depth(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_for_dead_letters_keeps_the_rest_where_it_is() {
    let small = text("dead-letter:c9") + "a1.channels.c9.capacity = 4\n";
    let small = small.replace("k9.type = null", "k9.type = file_roll");
    let small =
        small + "a1.channels.c9.transactionCapacity = 4\na1.sinks.k9.sink.directory = /nowhere\n";
    let mut agent = started(&small).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!((aside(&agent), channel(&agent, "c9").is_full()), (6, true));
    assert_eq!(stopped(&mut agent).await, 10);
}

#[tokio::test(start_paused = true)]
async fn another_on_error_holds_for_what_is_aside() {
    let mut agent = started(&text("retry")).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(aside(&agent), 10);
    let k9 = agent.groups[1].view.runner.clone();
    reload(&mut agent, &text("dead-letter:c9")).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!((aside(&agent), delivered(&agent, "k9")), (0, 10));
    assert_eq!(
        k9.calls(),
        agent.groups[1].view.runner.calls(),
        "k9 is not touched"
    );
    assert_eq!(
        agent.view().groups[0].sinks[0]
            .counters
            .event_set_aside
            .get(),
        20
    );
}

/// A mended sink gets what was aside.
#[tokio::test(start_paused = true)]
async fn a_reload_gives_what_is_aside_to_the_new_sink() {
    let mut agent = started(&text("dead-letter:c9")).await;
    let mended = text("dead-letter:c9").replace("k1.type = file_roll", "k1.type = null");
    let lines = mended
        .lines()
        .filter(|line| !line.contains("hdfs") && !line.contains("sink.dir"));
    let mended: String = lines.map(|line| format!("{line}\n")).collect();
    reload(&mut agent, &mended).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!((delivered(&agent, "k1"), delivered(&agent, "k9")), (10, 0));
}

/// Both channels leave: the dead letters of the one are delivered from the other.
#[tokio::test(start_paused = true)]
async fn a_channel_for_dead_letters_leaves_after_those_that_fill_it() {
    let mut agent = started(&text("dead-letter:c9")).await;
    let view = agent.view();
    reload(&mut agent, &AGENT.replace("c1", "c2").replace("k1", "k2")).await;
    sleep(Duration::from_secs(60)).await;
    assert!(agent.settle_departures(&services(2)) && agent.departing.is_empty());
    let k9 = &view.groups[1].sinks[0].counters;
    assert_eq!(k9.event_drain_success.get(), 10);
}

/// The source requires the channel too: its events and the dead letters share it.
#[tokio::test(start_paused = true)]
async fn a_channel_of_the_source_may_take_dead_letters() {
    let both = text("dead-letter:c9").replace("r1.channels = c1", "r1.channels = c1 c9");
    let mut agent = started(&both).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!((aside(&agent), delivered(&agent, "k9")), (0, 20));
    assert_eq!(stopped(&mut agent).await, 0);
}

/// Of a failover group over mirrors the active sink gives up, and the mirrors stay one channel.
#[tokio::test(start_paused = true)]
async fn a_sink_over_mirrors_has_dead_letters_once() {
    let both = text("dead-letter:c9")
        .replace("a1.channels = c1 c9", "a1.channels = c1 c2 c9")
        .replace("a1.sinks = k1 k9", "a1.sinks = k1 k2 k9")
        .replace("r1.channels = c1", "r1.channels = c1 c2")
        + "a1.channels.c2.type = memory\n\
           a1.sinks.k2.type = null\n\
           a1.sinks.k2.channel = c2\n\
           a1.sinkgroups = g1\n\
           a1.sinkgroups.g1.sinks = k1 k2\n\
           a1.sinkgroups.g1.processor.type = failover\n\
           a1.sinkgroups.g1.processor.priority.k1 = 10\n\
           a1.sinkgroups.g1.processor.priority.k2 = 5\n";
    let mut agent = started(&both).await;
    assert_eq!(agent.channels.len(), 2);
    sleep(Duration::from_secs(60)).await;
    assert_eq!((delivered(&agent, "k2"), delivered(&agent, "k9")), (0, 10));
    assert_eq!(stopped(&mut agent).await, 0);
}

#[tokio::test(start_paused = true)]
async fn health_says_what_is_aside_and_what_to_do() {
    let agent = started(&text("retry")).await;
    sleep(Duration::from_secs(30)).await;
    let troubles = health::of(health::Phase::Running, &[], &[agent.view()], &[]);
    let [trouble] = troubles.as_slice() else {
        panic!("{troubles:?}")
    };
    assert_eq!(
        (trouble.component.as_str(), trouble.state),
        ("sink k1 of a1", Level::Degraded)
    );
    assert!(
        trouble.symptom.starts_with("10 events cannot be delivered"),
        "{trouble}"
    );
    assert!(trouble.cause.contains("no `timestamp` header"), "{trouble}");
    assert!(
        trouble.what_to_do.contains("dead-letter:<channel>"),
        "{trouble}"
    );
    assert!(!trouble.takes_nothing_in && trouble.since_seconds == Some(30));
}
