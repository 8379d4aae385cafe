//! Events that can never be delivered, in every mode of a lane and in groups.

use flume_core::clock::WallClock;
use flume_core::testing::{Picky, PickyPlace, PickySink};
use flume_core::{ReservedFront, TakeTransaction};
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

use super::*;
use crate::runner::lane::{AsideHealth, Remedy, TRIES};
use flume_core::DeadLetters;

const MODES: [Picky; 6] = [
    Picky::Single,
    Picky::Pipelined(2),
    Picky::Pipelined(4),
    Picky::Sifting(1),
    Picky::Sifting(3),
    Picky::Gathering(3),
];

fn memory(name: &str, capacity: usize) -> Arc<dyn Channel> {
    let config = MemoryConfig {
        capacity,
        transaction_capacity: capacity.min(100),
        keep_alive: Duration::ZERO,
        ..MemoryConfig::defaults(1 << 30)
    };
    Arc::new(MemoryChannel::new(name, &config))
}

/// For how many small events a channel has room now.
fn room(channel: &Arc<dyn Channel>) -> usize {
    let mut events = vec![Event::new("x"); 200].into_iter();
    let channels = [channel];
    let reserved = ReservedFront::reserve(&channels, &mut events, 200);
    reserved.events().len()
}

/// Picky sinks over one channel, with a channel for dead letters.
struct Places {
    channel: Arc<dyn Channel>,
    letters: Arc<dyn Channel>,
    place: PickyPlace,
    counters: Arc<SinkCounter>,
    runner: Option<GroupRunner>,
    drain: CancellationToken,
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Places {
    fn new(place: PickyPlace, capacity: usize) -> Self {
        Self {
            channel: memory("c1", capacity),
            letters: memory("c9", 1000),
            place,
            counters: Arc::default(),
            runner: None,
            drain: CancellationToken::new(),
            stop: CancellationToken::new(),
            task: None,
        }
    }

    fn dead_letters(&self) -> Remedy {
        Remedy::DeadLetter(DeadLetters {
            channel: Arc::clone(&self.letters),
            wall: WallClock::fixed(77),
        })
    }

    async fn put(&self, bodies: &[&str]) {
        for body in bodies {
            let put = PutTransaction::of(&self.channel, vec![Event::new(body.to_string())]);
            put.unwrap().commit().await.unwrap();
        }
    }

    fn lane(&self, name: &str, batch_size: usize, mode: Picky, remedy: Remedy) -> Lane {
        let place = self.place.clone();
        let factory = Box::new(move || -> Box<dyn Sink> {
            Box::new(PickySink::new(batch_size, mode, &place))
        });
        let counters = Arc::clone(&self.counters);
        Lane::new(name, Arc::clone(&self.channel), counters, factory).on_error(remedy)
    }

    fn start(&mut self, processor: Box<dyn SinkProcessor>, lanes: Vec<Lane>, workers: usize) {
        let runner = GroupRunner::new("g1", processor, lanes, workers == 1, workers);
        let run = runner.clone().run(self.drain.clone(), self.stop.clone());
        self.runner = Some(runner);
        self.task = Some(tokio::spawn(run));
    }

    fn start_one(&mut self, batch_size: usize, mode: Picky, remedy: Remedy) {
        let lane = self.lane("k1", batch_size, mode, remedy);
        self.start(single(), vec![lane], 1);
    }

    fn delivered(&self) -> Vec<String> {
        self.place.delivered().iter().map(body).collect()
    }

    fn aside(&self) -> AsideHealth {
        self.report().remove(0).health.aside
    }

    fn report(&self) -> Vec<SinkReport> {
        self.runner.as_ref().map(GroupRunner::report).unwrap()
    }

    /// Ends the group once its channel is empty and nothing is aside.
    async fn drained(&mut self) {
        self.drain.cancel();
        let task = self.task.take().unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(1000), task).await;
        ended.expect("the group drains").unwrap();
    }

    async fn stopped(&mut self) {
        self.stop.cancel();
        self.task.take().unwrap().await.unwrap();
    }
}

fn body(event: &Event) -> String {
    String::from_utf8_lossy(&event.body).into_owned()
}

fn taken(channel: &Arc<dyn Channel>) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let mut take = TakeTransaction::begin(channel);
        if take.take_batch(usize::MAX) == 0 {
            return all;
        }
        all.extend_from_slice(take.events());
        assert!(take.commit().is_done());
    }
}

fn bodies(channel: &Arc<dyn Channel>) -> Vec<String> {
    taken(channel).iter().map(body).collect()
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn one_bad_event_goes_to_the_dead_letters_and_the_others_are_delivered_in_every_mode() {
    for (mode, knows) in MODES
        .into_iter()
        .flat_map(|mode| [(mode, true), (mode, false)])
    {
        let mut places = Places::new(PickyPlace::new(knows), 100);
        let remedy = places.dead_letters();
        places.start_one(4, mode, remedy);
        places
            .put(&["0", "1", "bad", "2", "3", "4", "5", "6"])
            .await;
        seconds(1).await;
        if !matches!(mode, Picky::Gathering(_)) {
            let good = ["0", "1", "2", "3", "4", "5", "6"];
            assert_eq!(places.delivered(), good, "{mode:?} {knows}");
        }
        assert_eq!(places.aside().events, 1, "{mode:?} {knows}");
        assert!(places.report().iter().all(SinkReport::is_usable));
        // Where nobody knows, a try counts if another event was delivered since.
        for later in 10..60 {
            places.put(&[&later.to_string()]).await;
            seconds(1).await;
        }
        let letters = taken(&places.letters);
        assert_eq!(
            letters.iter().map(body).collect::<Vec<_>>(),
            ["bad"],
            "{mode:?} {knows}"
        );
        let header = |name| letters[0].headers.get(name).map(|value| &**value);
        assert_eq!(header("dead-letter.sink"), Some("k1"));
        assert_eq!(header("dead-letter.reason"), Some("more than it takes"));
        assert_eq!(header("dead-letter.time"), Some("77"));
        assert_eq!(header("dead-letter.attempts"), Some("10"));
        places.drained().await;
        let good = [numbers(0..7), numbers(10..60)].concat();
        assert_eq!(places.delivered(), good, "{mode:?} {knows}");
        let counters = &places.counters;
        assert_eq!(counters.event_set_aside.get(), 1);
        assert_eq!(counters.event_dead_letter.get(), 1);
        assert_eq!(counters.event_drain_success.get(), 57);
        assert_eq!(
            places.aside(),
            AsideHealth {
                remedy: "dead-letter:c9".to_owned(),
                ..AsideHealth::default()
            }
        );
        // All of its room is free.
        assert_eq!(room(&places.channel), 100);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_event_is_tried_ten_times_before_it_is_dropped() {
    let place = PickyPlace::new(true);
    let mut places = Places::new(place.clone(), 100);
    places.start_one(10, Picky::Single, Remedy::Drop);
    places.put(&["bad"]).await;
    seconds(60).await;
    assert_eq!(place.attempts(), TRIES as usize);
    assert_eq!(places.counters.event_dropped.get(), 1);
    places.drained().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_aside_is_delivered_once_the_place_takes_it() {
    for mode in MODES {
        let place = PickyPlace::new(true);
        let mut places = Places::new(place.clone(), 100);
        places.start_one(10, mode, Remedy::Retry);
        places.put(&["bad", "1"]).await;
        seconds(200).await;
        let aside = places.aside();
        assert_eq!((aside.events, aside.overdue, aside.is_full), (1, 1, false));
        assert_eq!(aside.reason, "more than it takes");
        place.take_all();
        seconds(40).await;
        places.drained().await;
        let mut delivered = places.delivered();
        delivered.sort_unstable();
        assert_eq!(delivered, ["1", "bad"], "{mode:?}");
    }
}

/// A place that answers for nothing is to blame itself: nothing is set aside, and all is delivered
/// in order when it works again.
#[tokio::test(start_paused = true)]
async fn a_place_that_takes_nothing_is_not_the_events_fault() {
    for mode in MODES {
        let place = PickyPlace::new(false);
        let mut places = Places::new(place.clone(), 100);
        place.set_down(true);
        places.start_one(4, mode, Remedy::Drop);
        let events: Vec<String> = numbers(0..20);
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        places.put(&events).await;
        seconds(300).await;
        assert_eq!(places.counters.event_set_aside.get(), 0, "{mode:?}");
        assert!(places.report()[0].health.outage.is_some());
        place.set_down(false);
        places.drained().await;
        assert_eq!(places.delivered(), numbers(0..20), "{mode:?}");
    }
}

/// Sets the room of a collector again and again, and leaves it so for a while.
async fn trickle(place: &PickyPlace, rooms: &[usize]) {
    for room in rooms {
        place.set_room(Some(*room));
        seconds(7).await;
    }
}

/// A collector that takes only batches says nothing about single events, and one that is full
/// refuses batches: together they look like events that are bad.
#[tokio::test(start_paused = true)]
async fn a_full_place_that_takes_only_batches_is_not_the_events_fault() {
    for mode in [Picky::Single, Picky::Pipelined(2)] {
        let place = PickyPlace::new(false);
        place.give_no_reasons();
        let mut places = Places::new(place.clone(), 100);
        place.set_room(Some(0));
        let events: Vec<String> = numbers(0..40);
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        places.put(&events).await;
        places.start_one(10, mode, Remedy::Drop);
        trickle(&place, &[3, 0, 7, 2, 5, 10, 0, 9, 4, 0, 12, 0]).await;
        assert_eq!(places.counters.event_set_aside.get(), 0, "{mode:?}");
        place.set_room(None);
        places.drained().await;
        assert_eq!(places.delivered(), numbers(0..40), "{mode:?}");
    }
}

/// Many bad events in a row, before any good one: the search reaches farther each time.
#[tokio::test(start_paused = true)]
async fn a_row_of_bad_events_is_passed() {
    for mode in MODES {
        let mut places = Places::new(PickyPlace::new(false), 100);
        let remedy = places.dead_letters();
        places.put(&["bad"; 30]).await;
        places.put(&["good"]).await;
        places.start_one(8, mode, remedy);
        seconds(120).await;
        places.drained().await;
        assert_eq!(places.delivered(), ["good"], "{mode:?}");
        assert_eq!(bodies(&places.letters).len(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn without_room_aside_the_lane_stands_and_says_so() {
    let place = PickyPlace::new(true);
    let mut places = Places::new(place.clone(), 8);
    places.start_one(2, Picky::Single, Remedy::Retry);
    // Half of the channel.
    places.put(&["bad", "bad", "1", "bad", "bad", "2"]).await;
    seconds(1).await;
    let aside = places.aside();
    assert_eq!((aside.events, aside.is_full), (4, true));
    assert_eq!(places.delivered(), ["1", "2"]);
    places.put(&["bad", "3"]).await;
    seconds(10).await;
    assert_eq!(places.delivered(), ["1", "2"]);
    assert!(!places.report()[0].is_usable());
    place.take_all();
    seconds(200).await;
    places.drained().await;
    assert_eq!(places.delivered().len(), 8);
    assert!(places.report()[0].is_usable());
}

/// What may be given up makes room, so a stream of bad events goes as fast as any other.
#[tokio::test(start_paused = true)]
async fn events_that_may_be_given_up_make_room_for_others() {
    let mut places = Places::new(PickyPlace::new(true), 100);
    let remedy = places.dead_letters();
    places.start_one(10, Picky::Single, remedy);
    for _ in 0..5 {
        places.put(&["bad"; 40]).await;
        places.put(&["good"]).await;
        seconds(1).await;
    }
    assert_eq!(places.delivered(), ["good"; 5]);
    places.drained().await;
    assert_eq!(bodies(&places.letters).len(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_waits_aside_for_room() {
    let mut places = Places::new(PickyPlace::new(true), 100);
    places.letters = memory("c9", 1);
    let remedy = places.dead_letters();
    places.start_one(10, Picky::Single, remedy);
    places.put(&["bad 1", "bad 2", "0"]).await;
    seconds(60).await;
    assert_eq!(places.delivered(), ["0"]);
    assert_eq!((places.letters.depth(), places.aside().events), (1, 1));
    assert_eq!(bodies(&places.letters), ["bad 1"]);
    seconds(60).await;
    assert_eq!(bodies(&places.letters), ["bad 2"]);
    places.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_stops_gives_back_what_is_aside_in_order() {
    for mode in MODES {
        let mut places = Places::new(PickyPlace::new(true), 100);
        places.start_one(2, mode, Remedy::Drop);
        places
            .put(&["bad 1", "0", "bad 2", "bad 3", "1", "2"])
            .await;
        seconds(1).await;
        assert_eq!(places.aside().events, 3, "{mode:?}");
        places.stopped().await;
        assert_eq!(places.aside().events, 0);
        assert_eq!(
            bodies(&places.channel),
            ["bad 1", "bad 2", "bad 3"],
            "{mode:?}"
        );
        assert_eq!(places.delivered(), ["0", "1", "2"]);
    }
}

/// At the end nobody waits for ten tries.
#[tokio::test(start_paused = true)]
async fn a_group_that_drains_gives_up_what_is_aside() {
    for mode in MODES {
        let mut places = Places::new(PickyPlace::new(true), 100);
        let remedy = places.dead_letters();
        places.start_one(2, mode, remedy);
        places.put(&["bad 1", "0", "bad 2"]).await;
        seconds(1).await;
        let began = clock::now();
        places.drained().await;
        assert!(clock::now() - began < Duration::from_secs(1), "{mode:?}");
        assert_eq!(bodies(&places.letters), ["bad 1", "bad 2"]);
    }
}

/// A sink whose only trouble is an event is not excluded, and has no failed batch.
#[tokio::test(start_paused = true)]
async fn a_group_does_not_hold_an_event_against_its_sink() {
    for (processor, workers) in [(failover as fn() -> _, 1), (two_sinks, 1), (two_sinks, 2)] {
        for knows in [true, false] {
            let place = PickyPlace::new(knows);
            let mut places = Places::new(place, 100);
            let remedy = places.dead_letters();
            let lanes =
                ["k1", "k2"].map(|name| places.lane(name, 4, Picky::Pipelined(2), remedy.clone()));
            places.start(processor(), lanes.into(), workers);
            for round in 0..40 {
                places.put(&["a", "bad", "b", &round.to_string()]).await;
                seconds(1).await;
                assert!(places.report().iter().all(SinkReport::is_usable), "{knows}");
            }
            places.drained().await;
            assert_eq!(places.delivered().len(), 120);
            assert_eq!(bodies(&places.letters).len(), 40);
            assert_eq!(places.counters.event_write_fail.get(), 0);
        }
    }
}

/// A group that shows events takes the batch itself.
#[tokio::test(start_paused = true)]
async fn a_batch_from_the_group_is_delivered_without_the_bad_event() {
    for knows in [true, false] {
        let places = Places::new(PickyPlace::new(knows), 100);
        let mut lane = places.lane("k1", 10, Picky::Single, Remedy::Drop);
        places.put(&["0", "bad", "1", "2"]).await;
        let batch = lane.take().unwrap();
        lane.deliver(batch).await.unwrap();
        assert_eq!(places.delivered(), ["0", "1", "2"], "{knows}");
        assert_eq!(lane.faults().health().aside.events, 1);
        // The place is to blame: the batch comes back whole.
        places.put(&["3", "4"]).await;
        places.place.set_down(true);
        let batch = lane.take().unwrap();
        let (back, _) = lane.deliver(batch).await.unwrap_err();
        let back: Vec<String> = back.events().iter().map(body).collect();
        assert_eq!(back, ["3", "4"]);
        assert_eq!(places.channel.depth(), 0);
    }
}

fn two_sinks() -> Box<dyn SinkProcessor> {
    load_balance(2)
}

/// What is put while a group works: bodies, some of them bad.
fn stream() -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec(any::<u8>().prop_map(|n| n % 5 == 0), 1..60)
}

proptest! {
    /// Whatever is bad, in whatever mode: each good event is delivered once and in order, each bad
    /// one is in the dead letters once, and nothing keeps its room.
    #[test]
    fn every_event_is_in_its_place_once(
        bad in stream(), batch_size in 1..9_usize, mode in 0..4_usize, knows in any::<bool>(),
        pause in 0..3_u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        let (delivered, letters, room, expected) = runtime.block_on(async {
            let mut places = Places::new(PickyPlace::new(knows), 100);
            let remedy = places.dead_letters();
            places.start_one(batch_size, MODES[mode], remedy);
            let names = (0..).zip(&bad);
            let names: Vec<String> = names
                .map(|(n, bad)| if *bad { format!("bad {n}") } else { n.to_string() })
                .collect();
            for name in &names {
                places.put(&[name]).await;
                seconds(pause).await;
            }
            // Company for the last one.
            places.put(&["last"]).await;
            seconds(100).await;
            places.drained().await;
            let room = room(&places.channel);
            let (bad, mut good): (Vec<_>, Vec<_>) =
                names.into_iter().partition(|name| name.starts_with("bad"));
            good.push("last".to_owned());
            let mut letters = bodies(&places.letters);
            letters.sort_unstable();
            let mut bad = bad;
            bad.sort_unstable();
            (places.delivered(), letters, room, (good, bad))
        });
        prop_assert_eq!(delivered, expected.0);
        prop_assert_eq!(letters, expected.1);
        prop_assert_eq!(room, 100);
    }

    /// A collector that is full for a long time, with a little room now and then, costs no good
    /// event its place, and a bad one is found all the same.
    #[test]
    fn a_full_place_has_no_good_event_dropped(
        bad in stream(), rooms in proptest::collection::vec(0..12_usize, 1..30),
        batch_size in 1..9_usize, mode in 0..3_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        let (delivered, dropped, expected) = runtime.block_on(async {
            let place = PickyPlace::new(false);
            place.set_room(Some(0));
            let mut places = Places::new(place.clone(), 100);
            let names = (0..).zip(&bad);
            let names: Vec<String> = names
                .map(|(n, bad)| if *bad { format!("bad {n}") } else { n.to_string() })
                .collect();
            let events: Vec<&str> = names.iter().map(String::as_str).collect();
            places.put(&events).await;
            places.start_one(batch_size, MODES[mode], Remedy::Drop);
            seconds(200).await;
            trickle(&place, &rooms).await;
            place.set_room(None);
            for _ in 0..40 {
                places.put(&["company"]).await;
                seconds(5).await;
            }
            places.drained().await;
            let mut good: Vec<String> =
                names.iter().filter(|name| !name.starts_with("bad")).cloned().collect();
            good.extend(vec!["company".to_owned(); 40]);
            let dropped = places.counters.event_dropped.get();
            (places.delivered(), dropped, (good, names.len() + 40))
        });
        prop_assert_eq!(delivered.len() + usize::try_from(dropped).unwrap(), expected.1);
        prop_assert_eq!(delivered, expected.0);
    }
}
