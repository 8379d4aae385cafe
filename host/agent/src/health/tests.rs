//! Health from the reports of running agents. Time is paused; nothing has a socket.

use std::path::PathBuf;

use flume_policy::{Limits, SeatReport, SeatState, StandIn};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::policies::{Failure, Origin, Totals};
use crate::testing::{plan, services};
use crate::topology::{ReloadTerms, RunningAgent};

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
    of(Phase::Running, &[], &[agent.view()], &[])
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

/// A source that always has another event, and a sink that cannot deliver any.
fn stuck() -> String {
    let text = AGENT.replace("totalEvents = 10", "totalEvents = 1000");
    format!("{text}a1.sinks.k1.sink.directory = /nowhere/at/all\n")
}

/// The full channel comes first, then the sink that is the cause; and both say since when.
#[tokio::test(start_paused = true)]
async fn a_sink_that_cannot_deliver_is_told_with_its_channel() {
    let agent = started(&stuck()).await;
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
    assert_eq!(all[0].impact, "source r1 refuses events");
    assert_eq!(worst(&all), Some(Level::Failing));
    assert_eq!(obstacles(&all).count(), 1);
    // Both from the first moment, whoever asks and how often. That of the channel is known to a
    // quarter of a second.
    let since = |all: &[Trouble]| [&all[0], &all[1]].map(|one| one.since_seconds);
    assert_eq!(since(&all), [Some(4), Some(5)]);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(since(&troubles(&agent)), [Some(604), Some(605)]);
}

/// The source delivers elsewhere what an optional channel does not take.
#[tokio::test(start_paused = true)]
async fn an_optional_channel_that_is_full_keeps_nothing_out() {
    let text = stuck().replace("channels = c1\n", "channels = c1 c2\n");
    let text = text.replace("a1.sinks = k1\n", "a1.sinks = k1 k2\n");
    let optional = format!(
        "{text}a1.sources.r1.selector.optional = c2\n\
         a1.channels.c2.type = memory\n\
         a1.channels.c2.capacity = 5\n\
         a1.channels.c2.transactionCapacity = 5\n\
         a1.sinks.k2.type = file_roll\n\
         a1.sinks.k2.channel = c2\n\
         a1.sinks.k2.sink.batchSize = 5\n\
         a1.sinks.k2.sink.directory = /nowhere/at/all\n"
    );
    for (text, keeps_out) in [
        (optional.clone(), ["channel c1 of a1"].as_slice()),
        (
            optional.replace("selector.optional = c2", "selector.type = replicating"),
            &["channel c2 of a1"],
        ),
    ] {
        let agent = started(&text).await;
        sleep(Duration::from_secs(60)).await;
        let all = troubles(&agent);
        let obstacles: Vec<&str> = obstacles(&all).map(|one| one.component.as_str()).collect();
        assert_eq!(obstacles, keeps_out, "{all:?}");
        let second = all.iter().find(|one| one.component == "channel c2 of a1");
        let second = second.expect("it is full");
        assert_eq!(second.state, Level::Failing, "its events are not delivered");
        if !second.takes_nothing_in {
            assert!(second.impact.contains("leave it out"), "{second}");
        }
    }
}

/// Only what can never be delivered goes there.
#[tokio::test(start_paused = true)]
async fn a_channel_for_dead_letters_that_is_full_keeps_nothing_out() {
    let text = stuck()
        .replace("a1.sources = r1\n", "a1.sources = r1 r2\n")
        .replace("a1.channels = c1\n", "a1.channels = c1 c2 c9\n")
        .replace("a1.sinks = k1\n", "a1.sinks = k1 k2 k9\n");
    // Every event of `r2` lacks the time that the folder of `k2` needs.
    let text = format!(
        "{text}a1.sources.r2.type = seq\n\
         a1.sources.r2.totalEvents = 5\n\
         a1.sources.r2.channels = c2\n\
         a1.sources.r2.interceptors = i1\n\
         a1.sources.r2.interceptors.i1.type = regex_extractor\n\
         a1.sources.r2.interceptors.i1.regex = at (\\\\d+)$\n\
         a1.sources.r2.interceptors.i1.serializers = s1\n\
         a1.sources.r2.interceptors.i1.serializers.s1.name = timestamp\n\
         a1.channels.c2.type = memory\n\
         a1.sinks.k2.type = file_roll\n\
         a1.sinks.k2.channel = c2\n\
         a1.sinks.k2.sink.directory = /nowhere\n\
         a1.sinks.k2.hdfs.path = %Y\n\
         a1.sinks.k2.hdfs.withoutTimestamp = fail\n\
         a1.sinks.k2.on-error = dead-letter:c9\n\
         a1.channels.c9.type = memory\n\
         a1.channels.c9.capacity = 5\n\
         a1.channels.c9.transactionCapacity = 5\n\
         a1.sinks.k9.type = file_roll\n\
         a1.sinks.k9.channel = c9\n\
         a1.sinks.k9.sink.batchSize = 5\n\
         a1.sinks.k9.sink.directory = /nowhere/at/all\n"
    );
    let agent = started(&text).await;
    sleep(Duration::from_secs(600)).await;
    let all = troubles(&agent);
    let obstacles: Vec<&str> = obstacles(&all).map(|one| one.component.as_str()).collect();
    assert_eq!(obstacles, ["channel c1 of a1"], "{all:?}");
    let letters = all.iter().find(|one| one.component == "channel c9 of a1");
    let letters = letters.expect("it is full");
    assert_eq!(
        (letters.state, letters.impact.as_str()),
        (Level::Failing, "it takes no dead letters in")
    );
}

/// A policy in one place, in which it is not asked.
fn down(stand_in: StandIn, state: SeatState, tries_next: bool) -> PolicyFileReport {
    let seat = SeatReport {
        place: "r1.i1".to_owned(),
        limits: Limits::default(),
        state,
        down_since: Some(clock::now() - Duration::from_secs(7)),
        stand_in,
        tries_next,
        generation: 1,
        vacancy: (state == SeatState::Vacant).then(|| "the file is garbage".to_owned()),
        fault: None,
    };
    PolicyFileReport {
        name: "a1/one".to_owned(),
        agent: "a1".to_owned(),
        path: PathBuf::from("one.wasm"),
        digest: "6b86b273ff34".to_owned(),
        world: "an interceptor",
        generation: 1,
        previous: None,
        last_time: 0,
        uploaded: false,
        seats: vec![seat],
        totals: Totals::default(),
        last_error: None,
        failure: None,
        refusals: 0,
    }
}

/// Only a file that would not start has to be mended.
#[tokio::test(start_paused = true)]
async fn a_version_that_does_not_run_is_told_with_its_origin() {
    let agent = started(&with_null()).await;
    sleep(Duration::from_secs(10)).await;
    for (origin, remedy) in [
        (Origin::File, "would not start again"),
        (Origin::AdminPort, "nothing is wrong with the file"),
        (Origin::Budget, "bring a mended version"),
    ] {
        let mut report = down(StandIn::Fallback, SeatState::Running, true);
        report.last_error = Some("not a policy".to_owned());
        let since = clock::now() - Duration::from_secs(8);
        report.failure = Some(Failure { origin, since });
        let all = of(Phase::Running, &[], &[agent.view()], &[report]);
        let [one] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!((one.state, one.since_seconds), (Level::Degraded, Some(8)));
        assert!(one.what_to_do.contains(remedy), "{one}");
    }
}

/// A place without any version is told with what is wrong with the file; its file says nothing more.
#[test]
fn a_policy_that_could_not_be_loaded_is_told_by_its_places() {
    for (stand_in, level, takes_nothing_in) in [
        (StandIn::Fallback, Level::Degraded, false),
        (StandIn::Unchanged, Level::Degraded, false),
        (StandIn::Nobody, Level::Failing, true),
    ] {
        let mut report = down(stand_in, SeatState::Vacant, false);
        report.digest.clear();
        report.last_error = Some("the file is garbage".to_owned());
        let (origin, since) = (Origin::File, clock::now());
        report.failure = Some(Failure { origin, since });
        let all = of(Phase::Running, &[], &[], &[report]);
        let [one] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!((one.state, one.takes_nothing_in), (level, takes_nothing_in));
        assert_eq!(one.component, "policy a1/one in r1.i1");
        assert_eq!(
            (one.symptom.as_str(), one.since_seconds),
            ("could not be loaded", Some(7))
        );
        assert_eq!(one.cause, "the file is garbage");
        assert!(one.what_to_do.contains("taken at once"), "{one}");
    }
}

/// What one agent lacks is no obstacle for another, and the end of the process is one for all.
#[test]
fn an_agent_that_does_not_run_is_an_obstacle_for_its_own_clients() {
    let since = clock::now();
    let standing = |agent: &str, doing| Standing {
        agent: agent.to_owned(),
        doing,
    };
    let why = "the policy is garbage".to_owned();
    let standings = [
        standing("a1", Doing::Preparing { since, runs: false }),
        standing("a2", Doing::Preparing { since, runs: true }),
        standing("a3", Doing::LeftOut { since, why }),
    ];
    let all = of(Phase::Running, &standings, &[], &[]);
    let levels = all.iter().map(|one| (one.component.as_str(), one.state));
    assert_eq!(
        levels.collect::<Vec<_>>(),
        [
            ("agent a3", Level::Failing),
            ("agent a1", Level::Waiting),
            ("agent a2", Level::Waiting)
        ]
    );
    assert_eq!(all[0].cause, "the policy is garbage");
    assert!(
        all[0]
            .what_to_do
            .contains("a3.policies.at-start = fallback")
    );
    let kept_out = |agent| obstacles(&about(all.clone(), agent)).count();
    assert_eq!(["a1", "a2", "a3", "a4"].map(kept_out), [1, 0, 1, 0]);
    let stopping = of(Phase::Stopping(since), &standings, &[], &[]);
    assert_eq!(stopping.len(), 1, "nobody starts any more");
    assert_eq!(obstacles(&about(stopping, "a2")).count(), 1);
}

/// An interceptor has no fallback: either its events pass, or its source refuses them. When a batch
/// may change that, it must not be kept away.
#[tokio::test(start_paused = true)]
async fn a_policy_that_is_not_asked_keeps_events_out_unless_something_stands_in() {
    let agent = started(&with_null()).await;
    sleep(Duration::from_secs(10)).await;
    let view = [agent.view()];
    let resting = SeatState::Resting {
        until: clock::now() + Duration::from_secs(9),
    };
    for state in [resting, SeatState::Starting, SeatState::Quarantined] {
        for stand_in in [StandIn::Fallback, StandIn::Unchanged, StandIn::Nobody] {
            let refuses = stand_in == StandIn::Nobody;
            let all = of(Phase::Running, &[], &view, &[down(stand_in, state, false)]);
            let what = format!("{state:?} {stand_in:?} {all:?}");
            assert_eq!(obstacles(&all).count(), usize::from(refuses), "{what}");
            let is_fine = state == SeatState::Starting && stand_in == StandIn::Fallback;
            let level = match refuses {
                true => Level::Failing,
                false => Level::Degraded,
            };
            assert_eq!(worst(&all), (!is_fine).then_some(level), "{what}");
            if let [one] = all.as_slice() {
                assert_eq!(one.component, "policy a1/one in r1.i1");
                assert_eq!(one.since_seconds, Some(7), "{what}");
                assert!(one.what_to_do.contains("mended version"), "{what}");
                assert_eq!(one.impact == "its source refuses every event", refuses);
            }
            let all = of(Phase::Running, &[], &view, &[down(stand_in, state, true)]);
            assert_eq!(obstacles(&all).count(), 0, "a batch finds out");
        }
    }
}

/// What the file has no more, and cannot be delivered, says for how long already.
#[tokio::test(start_paused = true)]
async fn a_departing_channel_says_since_when() {
    let mut agent = started(&stuck()).await;
    sleep(Duration::from_secs(60)).await;
    let terms = ReloadTerms {
        deadline: clock::now() + Duration::from_secs(30),
        hurry: CancellationToken::new(),
        may_lose: false,
        ports: Default::default(),
    };
    let other = with_null().replace("c1", "c2").replace("k1", "k2");
    let reloaded = agent.reload(plan(&other), &terms, &services(2)).await;
    reloaded.unwrap();
    sleep(Duration::from_secs(77)).await;
    let all = troubles(&agent);
    let [gone] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!(gone.component, "channel c1 of a1");
    assert_eq!((gone.state, gone.since_seconds), (Level::Waiting, Some(77)));
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
    let stopping = of(Phase::Stopping(until), &[], &view, &[]);
    assert_eq!(stopping[0].symptom, "draining: 0 events left, 24 s left");
    assert_eq!(obstacles(&stopping).count(), 1);
    let changing = [Standing {
        agent: "a1".to_owned(),
        doing: Doing::Changing {
            since: clock::now(),
            until,
        },
    }];
    let of_change = || of(Phase::Running, &changing, &view, &[]);
    assert_eq!(obstacles(&of_change()).count(), 0);
    sleep(NOTICED).await;
    let slow = of_change();
    assert_eq!(obstacles(&slow).count(), 1);
    assert_eq!(slow[0].since_seconds, Some(NOTICED.as_secs()));
    assert_eq!(obstacles(&of(Phase::Starting, &[], &view, &[])).count(), 1);
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
        agent: None,
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

/// The client of a source: nobody is there, then it is behind, and more and more so.
#[tokio::test(start_paused = true)]
async fn a_client_that_reaches_nobody_or_falls_behind_is_told() {
    let agent = started(&with_null()).await;
    sleep(Duration::from_secs(1)).await;
    let counters = &agent.view().sources[0].counters;
    let client = counters.client.get_or_init(Default::default).clone();
    assert_eq!(troubles(&agent), []);
    client.failed("unreachable", "Connection refused");
    client.set_reachable(false, clock::now());
    sleep(Duration::from_secs(7)).await;
    let away = troubles(&agent).remove(0);
    assert_eq!(
        away.to_string(),
        "failing source r1 of a1 for 7 s: no broker can be reached; impact: it reads nothing; cause: \
         Connection refused; what to do: see whether the brokers run, and whether this machine \
         reaches them"
    );
    assert!(!away.takes_nothing_in);
    client.set_reachable(true, clock::now());
    for records in [0, 6000, 12_000] {
        let behind = ["t-0", "t-1", "t-2"].map(|name| (name.to_owned(), records / 3));
        client.set_behind(behind.into(), clock::now());
        assert_eq!(troubles(&agent).len(), usize::from(records == 12_000));
        sleep(Duration::from_secs(15)).await;
    }
    let behind = troubles(&agent).remove(0);
    assert_eq!(
        behind.symptom,
        "behind by 12000 records on 3 partitions, growing"
    );
    assert_eq!(behind.state, Level::Degraded);
}
