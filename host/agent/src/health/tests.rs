//! Health from the reports of running agents. Time is paused; nothing has a socket.

use tokio::time::sleep;

use super::*;
use crate::testing::{plan, services};
use crate::topology::RunningAgent;

const AGENT: &str = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = seq
a1.sources.r1.totalEvents = 10
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.c1.capacity = 10
a1.channels.c1.transactionCapacity = 5
a1.channels.c1.keep-alive = 0
a1.sinks.k1.channel = c1
a1.sinks.k1.type = file_roll
a1.sinks.k1.sink.batchSize = 5
";

async fn started(text: &str) -> RunningAgent {
    let services = services(1);
    let mut agent = RunningAgent::build(plan(text), &services).unwrap();
    agent.bind().await;
    agent.start_sinks(&services);
    agent.start_sources(&services);
    agent
}

fn troubles(agent: &RunningAgent) -> Vec<Trouble> {
    of(Phase::Running, &[agent.view()], &[])
}

/// The same agent with a sink that always works.
fn with_null() -> String {
    let text = AGENT.replace("file_roll", "null");
    text.replace("sink.batchSize", "batchSize")
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_works_has_no_trouble() {
    let agent = started(&with_null()).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(troubles(&agent), []);
}

/// The full channel comes first, then the sink that is the cause; and both say since when.
#[tokio::test(start_paused = true)]
async fn a_sink_that_cannot_deliver_is_told_with_its_channel() {
    let text = format!("{AGENT}a1.sinks.k1.sink.directory = /nowhere/at/all\n");
    let agent = started(&text).await;
    let all = loop {
        sleep(Duration::from_secs(5)).await;
        let all = troubles(&agent);
        if all.len() == 2 {
            break all;
        }
    };
    assert_eq!(all[0].component, "channel c1 of a1");
    assert_eq!(
        all[0].symptom,
        "full: 10 of 10 events, and no sink of it works"
    );
    assert!(all[0].takes_nothing_in && all[0].cause.contains("k1"));
    assert_eq!(all[1].component, "sink k1 of a1");
    assert_eq!(
        (all[1].state, all[1].takes_nothing_in),
        (Level::Failing, false)
    );
    assert!(all[1].cause.contains("/nowhere/at/all"), "{}", all[1].cause);
    assert!(all[1].since_seconds.is_some());
    assert_eq!(worst(&all), Some(Level::Failing));
    assert_eq!(obstacles(&all).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_of_two_sinks_is_a_degradation() {
    let text = format!(
        "{AGENT}a1.sinks.k1.sink.directory = /nowhere/at/all\n\
         a1.sinks.k2.type = null\na1.sinks.k2.channel = c1\n\
         a1.sinkgroups = g1\na1.sinkgroups.g1.sinks = k1 k2\n\
         a1.sinkgroups.g1.processor.type = load_balance\n\
         a1.sinkgroups.g1.processor.backoff = true\n"
    )
    .replace("a1.sinks = k1\n", "a1.sinks = k1 k2\n");
    let agent = started(&text).await;
    let all = loop {
        sleep(Duration::from_secs(1)).await;
        let all = troubles(&agent);
        if !all.is_empty() {
            break all;
        }
    };
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].component, "sink k1 of a1");
    assert_eq!(
        (all[0].state, all[0].takes_nothing_in),
        (Level::Degraded, false)
    );
    assert_eq!(all[0].impact, "the other sinks deliver");
}

#[tokio::test(start_paused = true)]
async fn a_phase_says_what_is_left() {
    let agent = started(&with_null()).await;
    sleep(Duration::from_secs(1)).await;
    let view = [agent.view()];
    let until = clock::now() + Duration::from_secs(24);
    let stopping = of(Phase::Stopping(until), &view, &[]);
    assert_eq!(stopping[0].symptom, "draining: 0 events left, 24 s left");
    assert_eq!(obstacles(&stopping).count(), 1);
    let reloading = Phase::Reloading {
        since: clock::now(),
        until,
    };
    assert_eq!(obstacles(&of(reloading, &view, &[])).count(), 0);
    sleep(NOTICED).await;
    assert_eq!(obstacles(&of(reloading, &view, &[])).count(), 1);
    assert_eq!(obstacles(&of(Phase::Starting, &view, &[])).count(), 1);
}

#[test]
fn a_trouble_is_one_line() {
    let trouble = Trouble {
        component: "sink k1 of a1".to_owned(),
        state: Level::Failing,
        since_seconds: Some(61),
        symptom: "fails: 16 batches in sequence".to_owned(),
        impact: "5 of 10 events wait in channel c1".to_owned(),
        cause: "connection refused".to_owned(),
        what_to_do: String::new(),
        takes_nothing_in: false,
    };
    assert_eq!(
        trouble.to_string(),
        "failing sink k1 of a1 for 61 s: fails: 16 batches in sequence; impact: 5 of 10 events wait \
         in channel c1; cause: connection refused"
    );
    let json = serde_json::to_value(&trouble).unwrap();
    assert_eq!(
        (&json["state"], &json["since-seconds"]),
        (&"failing".into(), &61.into())
    );
    assert!(json["what-to-do"].is_string());
}
