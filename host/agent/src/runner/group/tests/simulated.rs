//! Goal: a simulated group decides as a real one does, at the same times.
//! Method: one script of faults and latencies, played by the group runner in paused time and by the
//! simulation in virtual time; the questions to the selector and its answers are recorded in both.

use flume_core::SinkSelector;
use flume_core::clock::WallClock;
use flume_core::sink_selector::{Backoff, round_robin};
use flume_desk::simulate::{Outage, Scenario, Simulation, Window};
use flume_policy::trace::{Chunk, Recorder, Trace, TraceEntry, TraceHeader, TraceQueue};
use tokio::time::sleep_until;

use super::*;

/// A sink of the script.
struct Scripted {
    sink: SinkIndex,
    zero: Instant,
    scenario: Scenario,
}

#[async_trait]
impl Sink for Scripted {
    fn batch_size(&self) -> usize {
        self.scenario.batch
    }

    async fn deliver(&mut self, _: &[Event]) -> Result<(), EventDeliveryError> {
        sleep(self.scenario.latency).await;
        let at = self.zero.elapsed();
        let mut outages = self.scenario.outages.iter();
        match outages.any(|outage| outage.sink == self.sink && outage.during.contains(at)) {
            true => Err(EventDeliveryError::new("told to fail")),
            false => Ok(()),
        }
    }
}

/// An event every 50 ms, and sinks that answer within 3: so no two things happen at the same time,
/// in an order that could vary. Sink 1 fails for a while, then all do.
fn scenario() -> Scenario {
    let outage = |sink, from, to| Outage {
        sink,
        during: Window {
            from: Duration::from_secs(from),
            to: Duration::from_secs(to),
        },
        percent: 100,
    };
    Scenario {
        sinks: 3,
        rate: 20,
        duration: Duration::from_secs(12),
        latency: Duration::from_millis(3),
        jitter: 0,
        outages: vec![
            outage(1, 1, 2),
            outage(0, 3, 5),
            outage(1, 3, 6),
            outage(2, 3, 5),
        ],
        ..Scenario::default()
    }
}

type Recording = (Arc<TraceQueue>, Box<dyn SinkSelector>);

fn recorded(backoff: Backoff, zero: Instant) -> Recording {
    let queue = Arc::new(TraceQueue::new(16 << 20));
    let (selector, wall) = (round_robin::configure(backoff, 0), WallClock::fixed(0));
    let recorder = Recorder::new(selector, Arc::clone(&queue), zero, wall, Vec::new());
    (queue, Box::new(recorder))
}

/// What was recorded before this time.
fn entries(queue: &TraceQueue, before: Duration) -> Vec<TraceEntry> {
    let mut file = TraceHeader::default().encode();
    while let Some(Chunk(chunk)) = queue.take() {
        file.extend(chunk);
    }
    let mut entries = Trace::read(&file).unwrap().entries;
    entries.retain(|entry| u128::from(entry.at) < before.as_nanos());
    entries
}

fn simulated(scenario: &Scenario, backoff: Backoff) -> Vec<TraceEntry> {
    let zero = clock::now();
    let (queue, selector) = recorded(backoff, zero);
    Simulation::new(scenario.clone())
        .unwrap()
        .run(selector, zero);
    entries(&queue, scenario.duration)
}

async fn run(scenario: &Scenario, backoff: Backoff) -> Vec<TraceEntry> {
    let zero = clock::now();
    let (queue, selector) = recorded(backoff, zero);
    let mut bench = Bench::new();
    for sink in 0..scenario.sinks {
        let (script, channel) = (scenario.clone(), Arc::clone(&bench.channel));
        let factory = Box::new(move || {
            let scenario = script.clone();
            Box::new(Scripted {
                sink,
                zero,
                scenario,
            }) as Box<dyn Sink>
        });
        let lane = Lane::new(format!("s{sink}"), channel, Arc::default(), factory);
        bench.lanes.push(lane);
    }
    let processor = Box::new(LoadBalancingProcessor::new(scenario.sinks, selector));
    let lanes = std::mem::take(&mut bench.lanes);
    let runner = GroupRunner::new("g1", processor, lanes, false, scenario.parallel);
    let stop = CancellationToken::new();
    bench.put(0..1).await;
    let running = tokio::spawn(runner.run(CancellationToken::new(), stop.clone()));
    let (apart, mut at) = (Duration::from_secs(1) / 20, zero);
    while at < zero + scenario.duration {
        at += apart;
        sleep_until(at).await;
        bench.put(0..1).await;
    }
    stop.cancel();
    running.await.unwrap();
    entries(&queue, scenario.duration)
}

#[tokio::test(start_paused = true)]
async fn a_group_and_its_simulation_decide_alike() {
    let backoffs: [fn() -> Backoff; 2] = [
        || Backoff::none(3),
        || Backoff::capped(3, Duration::from_secs(4)),
    ];
    for backoff in backoffs {
        let expected = simulated(&scenario(), backoff());
        let seen = run(&scenario(), backoff()).await;
        assert!(expected.len() > 500, "{}", expected.len());
        let differs = expected.iter().zip(&seen).find(|(a, b)| a != b);
        assert_eq!(differs, None);
        assert_eq!(seen.len(), expected.len());
    }
}
