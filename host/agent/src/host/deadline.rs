//! Goal: after the first signal to end, the process ends before its drain timeout and two seconds are
//! over, whatever hangs. Method: agents with work that never ends, in paused time. So a second too
//! many is seen on the busiest machine.

use std::sync::mpsc::{Receiver, channel};

use async_trait::async_trait;
use flume_core::clock;
use flume_core::testing::StallSink;
use flume_core::{ChannelSelector, Recipe, Sink, Source, SourceContext};
use parking_lot::Mutex;

use super::*;
use crate::load::Options;
use crate::plan::AgentPlan;
use crate::testing::{plan, services};

const DRAIN: Duration = Duration::from_secs(30);

/// What is promised beyond the drain timeout.
const AND: Duration = Duration::from_secs(2);

pub(super) const AGENT: &str = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = seq
a1.sources.r1.totalEvents = 10
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.c1.transactionCapacity = 5
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
";

/// A source that hangs in its start, or in its work.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Hangs {
    AtStart,
    AtWork,
}

#[async_trait]
impl Source for Hangs {
    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError> {
        match self {
            Self::AtStart => std::future::pending().await,
            Self::AtWork => Ok(None),
        }
    }

    async fn run(&mut self, _: SourceContext) -> Result<(), ComponentError> {
        std::future::pending().await
    }
}

fn with_source(source: Hangs) -> AgentPlan {
    let mut plan = plan(AGENT);
    let recipe = Recipe::<dyn Source>::new(source, |source| Box::new(*source));
    plan.sources[0].component.recipe = recipe;
    plan
}

fn with_stuck_sink() -> AgentPlan {
    let mut plan = plan(AGENT);
    let recipe = Recipe::<dyn Sink>::new((), |()| Box::new(StallSink));
    plan.groups[0].sinks[0].component.recipe = recipe;
    plan
}

/// A plan from which no agent can be made before the other end of the channel is gone.
pub(super) fn with_hung_maker(hold: Receiver<()>) -> AgentPlan {
    let mut plan = plan(AGENT);
    let (inner, hold) = (plan.sources[0].selector.clone(), Mutex::new(hold));
    let make = move |_: &&str| {
        assert!(hold.lock().recv().is_err(), "nothing is ever sent");
        inner.make()
    };
    plan.sources[0].selector = Recipe::<dyn ChannelSelector>::new("hangs", make);
    plan
}

pub(super) fn options() -> HostOptions {
    HostOptions {
        admin: AdminAddress::Off,
        socket: AdminSocket::Off,
        access: Access::default(),
        drain_timeout: DRAIN,
        reload_may_lose: false,
        log_format: LogFormat::Text,
    }
}

/// A host without agents.
fn host(signals: &Signals) -> Host {
    let services = services(1);
    let memory = services.components.memory.clone();
    let view = AdminView::new(services.policies.clone(), memory, services.reloads.clone());
    Host {
        fleet: Fleet::new(services.clone(), options(), view.clone()),
        watch: ConfigWatch::new("/nowhere".into(), Options::default(), false),
        services,
        options: options(),
        view,
        signals: signals.clone(),
        manager: Manager::nobody(),
        is_ready: false,
        is_reloading: false,
        settling: None,
    }
}

/// Runs a host, and ends it after a minute: how many events were left, and how long it took.
async fn ended(plan: AgentPlan) -> (usize, Duration) {
    let signals = Signals::default();
    let running = host(&signals).run(Draft::of(vec![plan]));
    let ending = async {
        sleep(Duration::from_secs(60)).await;
        assert!(signals.end_within(DRAIN), "the first");
        clock::now()
    };
    let (ended, since) = tokio::join!(running, ending);
    let Ended::Stopped(left) = ended.unwrap() else {
        panic!("it was not refused");
    };
    (left, clock::now() - since)
}

#[tokio::test(start_paused = true)]
async fn an_end_waits_for_nothing_that_hangs() {
    for (what, plan, events, at_least) in [
        ("nothing", plan(AGENT), 0, Duration::ZERO),
        ("a sink", with_stuck_sink(), 10, DRAIN),
        ("a source", with_source(Hangs::AtWork), 0, DRAIN),
        ("a start", with_source(Hangs::AtStart), 0, Duration::ZERO),
    ] {
        let (left, took) = ended(plan).await;
        assert!(took >= at_least && took <= DRAIN + AND, "{what}: {took:?}");
        assert!(left <= events, "{what}: {left}");
    }
}

/// A compiler at work, say. Time is moved by hand, since a thread that works holds it.
#[tokio::test(start_paused = true)]
async fn an_end_does_not_wait_for_a_reload_that_hangs() {
    let mut fleet = host(&Signals::default()).fleet;
    fleet.take_file(Draft::of(vec![with_stuck_sink()]), Way::Sighup);
    while !fleet.has_started() {
        fleet.progress().await.unwrap();
    }
    let (release, hold) = channel();
    fleet.take_file(Draft::of(vec![with_hung_maker(hold)]), Way::Sighup);
    fleet.progress().await.unwrap();
    assert!(fleet.is_reloading());
    let since = clock::now();
    let stopping = async { (fleet.stop(since + DRAIN).await, clock::now()) };
    let passing = async {
        for _ in 0..2 * (DRAIN + AND).as_millis() / 100 {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    };
    let ((left, at), ()) = tokio::join!(stopping, passing);
    drop(release);
    assert!(left > 0, "the sink has delivered none");
    let took = at - since;
    assert!(took >= DRAIN && took <= DRAIN + AND, "{took:?}");
}

/// The watch over policies may be at work in a compiler, too.
#[tokio::test(start_paused = true)]
async fn what_is_left_at_the_end_is_left_alone() {
    let start = clock::now();
    conclude("a task that hangs", tokio::spawn(std::future::pending())).await;
    assert!(clock::now() - start <= LAST_WORDS);
}

/// If all of this were wrong: the law of the signals.
#[tokio::test(start_paused = true)]
async fn who_is_overdue_is_ended() {
    let signals = Signals::default();
    let overdue = tokio::spawn(signals.clone().enforce(clock::now));
    sleep(Duration::from_secs(3600)).await;
    assert!(!overdue.is_finished(), "nobody has asked for the end");
    let since = clock::now();
    assert!(signals.end_within(DRAIN));
    sleep(Duration::from_secs(1)).await;
    assert!(!signals.end_within(DRAIN), "the first one counts");
    let took = overdue.await.unwrap() - since;
    assert!(took > DRAIN && took <= DRAIN + AND, "{took:?}");
}
