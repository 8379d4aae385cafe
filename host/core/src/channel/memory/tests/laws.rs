//! The laws over random histories. Method: a model with plain lists does the same steps, and after
//! each of them the channels must look like it; at the end everything is drained and nothing may be
//! charged any more.

use std::collections::VecDeque;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::transaction::ReservedPut;

const CHANNELS: usize = 3;

/// One step of a history. An `Index` picks one of the transactions open at that time.
#[derive(Debug, Clone)]
enum Step {
    /// Opens a put of events with these body lengths.
    Put {
        channel: usize,
        lengths: Vec<usize>,
    },
    /// Reserves, either waiting or at once.
    Reserve {
        put: Index,
        waiting: bool,
    },
    CommitPut {
        put: Index,
    },
    /// Ends a put in its current state.
    DropPut {
        put: Index,
    },
    OpenTake {
        channel: usize,
    },
    Take {
        take: Index,
        most: usize,
    },
    CommitTake {
        take: Index,
    },
    Rollback {
        take: Index,
        dropped: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let channel = 0..CHANNELS;
    let index = any::<Index>;
    let lengths = prop::collection::vec(prop_oneof![Just(0), 1..250_usize, Just(100)], 0..6);
    prop_oneof![
        4 => (channel.clone(), lengths).prop_map(|(channel, lengths)| Step::Put { channel, lengths }),
        4 => (index(), any::<bool>()).prop_map(|(put, waiting)| Step::Reserve { put, waiting }),
        3 => index().prop_map(|put| Step::CommitPut { put }),
        1 => index().prop_map(|put| Step::DropPut { put }),
        2 => channel.prop_map(|channel| Step::OpenTake { channel }),
        4 => (index(), 0..8_usize).prop_map(|(take, most)| Step::Take { take, most }),
        3 => index().prop_map(|take| Step::CommitTake { take }),
        2 => (index(), any::<bool>()).prop_map(|(take, dropped)| Step::Rollback { take, dropped }),
    ]
}

/// What a channel should hold.
#[derive(Debug, Default)]
struct Model {
    queue: VecDeque<Event>,
    places: u64,
    slots: u64,
}

struct OpenPut {
    channel: usize,
    events: Vec<Event>,
    state: PutState,
}

enum PutState {
    Open(PutTransaction),
    Reserved(ReservedPut),
}

struct OpenTake {
    channel: usize,
    events: Vec<Event>,
    transaction: TakeTransaction,
}

/// The channels, their models, and the open transactions.
struct History {
    memories: Vec<Arc<MemoryChannel>>,
    channels: Vec<Arc<dyn Channel>>,
    limits: Vec<(u64, u64)>,
    models: Vec<Model>,
    puts: Vec<OpenPut>,
    takes: Vec<OpenTake>,
    sent: usize,
}

impl History {
    fn new() -> Self {
        let limits = [(4, 1_000), (8, 6), (5, 12)];
        let memories = limits.iter().enumerate().map(|(at, (places, slots))| {
            let config = MemoryConfig {
                capacity: *places,
                transaction_capacity: 4,
                keep_alive: Duration::from_secs(3),
                byte_capacity: slots * SLOT_BYTES,
                buffer_percentage: 0,
            };
            Arc::new(MemoryChannel::new(format!("c{at}"), &config))
        });
        let memories: Vec<_> = memories.collect();
        Self {
            channels: memories
                .iter()
                .map(|channel| Arc::clone(channel) as _)
                .collect(),
            memories,
            limits: limits
                .iter()
                .map(|(places, slots)| (*places as u64, *slots))
                .collect(),
            models: (0..CHANNELS).map(|_| Model::default()).collect(),
            puts: Vec::new(),
            takes: Vec::new(),
            sent: 0,
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Put { channel, lengths } => self.put(channel, &lengths),
            Step::Reserve { put, waiting } if !self.puts.is_empty() => {
                let put = self.puts.swap_remove(put.index(self.puts.len()));
                self.reserve(put, waiting).await;
            }
            Step::CommitPut { put } if !self.puts.is_empty() => {
                let put = self.puts.swap_remove(put.index(self.puts.len()));
                match put.state {
                    PutState::Reserved(reserved) => {
                        assert!(reserved.commit().is_done());
                        self.models[put.channel].queue.extend(put.events);
                    }
                    open @ PutState::Open(_) => self.puts.push(OpenPut { state: open, ..put }),
                }
            }
            Step::DropPut { put } if !self.puts.is_empty() => {
                let put = self.puts.swap_remove(put.index(self.puts.len()));
                if matches!(put.state, PutState::Reserved(_)) {
                    self.free(put.channel, &put.events);
                }
            }
            Step::OpenTake { channel } => self.takes.push(OpenTake {
                channel,
                events: Vec::new(),
                transaction: TakeTransaction::begin(&self.channels[channel]),
            }),
            Step::Take { take, most } if !self.takes.is_empty() => {
                let at = take.index(self.takes.len());
                self.take(at, most);
            }
            Step::CommitTake { take } if !self.takes.is_empty() => {
                let take = self.takes.swap_remove(take.index(self.takes.len()));
                assert!(take.transaction.commit().is_done());
                self.free(take.channel, &take.events);
            }
            Step::Rollback { take, dropped } if !self.takes.is_empty() => {
                let take = self.takes.swap_remove(take.index(self.takes.len()));
                if dropped {
                    drop(take.transaction);
                } else {
                    take.transaction.rollback();
                }
                let queue = &mut self.models[take.channel].queue;
                take.events
                    .into_iter()
                    .rev()
                    .for_each(|event| queue.push_front(event));
            }
            _ => {}
        }
    }

    fn put(&mut self, channel: usize, lengths: &[usize]) {
        let mut events = Vec::new();
        for length in lengths {
            let mut event = Event::new(vec![b'x'; *length]);
            event.headers.insert("number", self.sent.to_string());
            self.sent += 1;
            events.push(event);
        }
        match PutTransaction::of(&self.channels[channel], events.clone()) {
            Ok(open) => self.puts.push(OpenPut {
                channel,
                events,
                state: PutState::Open(open),
            }),
            Err(error) => {
                assert!(lengths.len() > 4);
                assert_eq!(error, put_list_full(4));
            }
        }
    }

    /// A reservation succeeds exactly if the model has room; nothing else here frees any.
    async fn reserve(&mut self, put: OpenPut, waiting: bool) {
        let OpenPut {
            channel,
            events,
            state,
        } = put;
        let PutState::Open(transaction) = state else {
            self.puts.push(OpenPut {
                channel,
                events,
                state,
            });
            return;
        };
        let (places, slots) = cost(&events);
        let (limit, model) = (self.limits[channel], &mut self.models[channel]);
        let fits = model.places + places <= limit.0 && model.slots + slots <= limit.1;
        let state = if waiting {
            transaction.reserve().await.ok().map(PutState::Reserved)
        } else {
            match transaction.try_reserve() {
                Ok(reserved) => Some(PutState::Reserved(reserved)),
                Err(open) => Some(PutState::Open(open)),
            }
        };
        assert_eq!(matches!(state, Some(PutState::Reserved(_))), fits);
        if fits {
            model.places += places;
            model.slots += slots;
        }
        if let Some(state) = state {
            self.puts.push(OpenPut {
                channel,
                events,
                state,
            });
        }
    }

    fn take(&mut self, at: usize, most: usize) {
        let take = &mut self.takes[at];
        let queue = &mut self.models[take.channel].queue;
        let expected = most.min(4 - take.events.len()).min(queue.len());
        assert_eq!(take.transaction.take_batch(most), expected);
        take.events.extend(queue.drain(..expected));
        assert_eq!(take.transaction.events(), take.events);
    }

    fn free(&mut self, channel: usize, events: &[Event]) {
        let (places, slots) = cost(events);
        self.models[channel].places -= places;
        self.models[channel].slots -= slots;
    }

    fn check(&self) {
        for (at, model) in self.models.iter().enumerate() {
            let charged = self.memories[at].events.lock().room.charged();
            assert_eq!(charged, (model.places, model.slots), "channel {at}");
            assert!(charged.0 <= self.limits[at].0 && charged.1 <= self.limits[at].1);
            assert_eq!(self.channels[at].depth(), model.queue.len());
        }
    }

    /// Ends everything and takes the rest out in the model's order.
    fn drain(mut self) {
        self.puts.clear();
        while let Some(take) = self.takes.pop() {
            drop(take.transaction);
            let queue = &mut self.models[take.channel].queue;
            take.events
                .into_iter()
                .rev()
                .for_each(|event| queue.push_front(event));
        }
        for (at, model) in self.models.into_iter().enumerate() {
            let mut rest = Vec::new();
            while self.channels[at].depth() > 0 {
                rest.extend(take(&self.channels[at], 3));
            }
            assert_eq!(rest, model.queue.into_iter().collect::<Vec<_>>());
            assert_eq!(self.memories[at].events.lock().room.charged(), (0, 0));
        }
    }
}

/// Places and byte slots of events: one slot for every 100 bytes or part of them, at least one.
fn cost(events: &[Event]) -> (u64, u64) {
    let slots = events
        .iter()
        .map(|event| event.body.len().div_ceil(100).max(1));
    (events.len() as u64, slots.sum::<usize>() as u64)
}

proptest! {
    #[test]
    fn nothing_is_lost_duplicated_or_reordered(steps in prop::collection::vec(step(), 0..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut history = History::new();
            for step in steps {
                history.step(step).await;
                history.check();
            }
            history.drain();
        });
    }
}
