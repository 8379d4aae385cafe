//! The laws over random histories, with stops, kills and reloads between. Method: a queue in memory does the
//! same steps. A kill leaves a copy of the folder as it is at that moment; of what had been answered only
//! that may be missing which was in memory alone, and the rest is in order.

use std::collections::VecDeque;

use flume_core::ReservedPut;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put(usize),
    /// Reserves room for so many, and keeps it.
    Reserve(usize),
    /// Commits the oldest put that has room, or gives its room back.
    EndPut {
        commits: bool,
    },
    /// Takes so many, and keeps the transaction open.
    Take(usize),
    /// Commits the oldest or newest open take.
    Commit {
        newest: bool,
    },
    Rollback,
    /// Takes on other limits.
    Resize {
        memory: usize,
        overflow: usize,
    },
    /// Closes the channel once all takes are rolled back, and opens it again.
    Stop,
    /// Goes on with what a kill would leave.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..5_usize).prop_map(Step::Put),
        1 => (1..4_usize).prop_map(Step::Reserve),
        2 => any::<bool>().prop_map(|commits| Step::EndPut { commits }),
        5 => (1..6_usize).prop_map(Step::Take),
        4 => any::<bool>().prop_map(|newest| Step::Commit { newest }),
        2 => Just(Step::Rollback),
        1 => (prop_oneof![Just(0), 2..9_usize], prop_oneof![Just(0), 2..30_usize])
            .prop_filter("room", |(memory, overflow)| memory + overflow > 0)
            .prop_map(|(memory, overflow)| Step::Resize { memory, overflow }),
        1 => Just(Step::Stop),
        1 => Just(Step::Kill),
    ]
}

/// The event, and whether it is on the disk.
type Stored = (Event, bool);

fn events(stored: &[Stored]) -> Vec<Event> {
    stored.iter().map(|(event, _)| event.clone()).collect()
}

/// A channel, and what should be in it.
struct History {
    folder: tempfile::TempDir,
    channel: Arc<dyn Channel>,
    limits: (usize, usize),
    queue: VecDeque<Stored>,
    takes: VecDeque<(TakeTransaction, Vec<Stored>)>,
    reserved: VecDeque<(ReservedPut, Vec<Event>)>,
    sent: usize,
}

fn limited(folder: &Path, (memory, overflow): (usize, usize)) -> SpillableConfig {
    let (memory, overflow) = (memory.to_string(), overflow.to_string());
    let mut all = keys(&memory, &overflow, "0").to_vec();
    all.extend([("maxFileSize", "1048576"), ("settle", "synced")]);
    config(folder, &all)
}

impl History {
    async fn new() -> Self {
        let (folder, limits) = (tempfile::tempdir().unwrap(), (4, 20));
        let channel = limited(folder.path(), limits).make("c1");
        channel.open().await.unwrap();
        Self {
            folder,
            channel,
            limits,
            queue: VecDeque::new(),
            takes: VecDeque::new(),
            reserved: VecDeque::new(),
            sent: 0,
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Put(count) => self.put(count).await,
            Step::Reserve(count) => self.reserve(count).await,
            Step::EndPut { commits } => self.end_put(commits).await,
            Step::Take(most) => self.take(most).await,
            Step::Commit { newest } => {
                let take = match newest {
                    true => self.takes.pop_back(),
                    false => self.takes.pop_front(),
                };
                if let Some((take, _)) = take {
                    take.commit().await.unwrap();
                }
            }
            Step::Rollback => self.roll_back(),
            Step::Resize { memory, overflow } => {
                self.limits = (memory, overflow);
                let config = limited(self.folder.path(), self.limits);
                self.channel.resize(&config);
            }
            Step::Stop => {
                self.end_all();
                assert_eq!(self.channel.close().await, 0);
                let stored = self.queue.iter_mut();
                stored.for_each(|(_, is_on_disk)| *is_on_disk = true);
                self.open().await;
            }
            Step::Kill => self.kill().await,
        }
        assert_eq!(self.channel.depth(), self.queue.len());
    }

    fn next(&mut self, count: usize) -> Vec<Event> {
        self.sent += count;
        numbered(self.sent - count..self.sent)
    }

    /// Events that are in memory alone, and on the disk.
    fn stored(&self) -> (usize, usize) {
        let taken = self.takes.iter().flat_map(|(_, stored)| stored);
        let all = self.queue.iter().chain(taken);
        let (disk, memory): (Vec<_>, Vec<_>) = all.partition(|(_, is_on_disk)| *is_on_disk);
        (memory.len(), disk.len())
    }

    async fn put(&mut self, count: usize) {
        let events = self.next(count);
        let before = spills(&self.channel).spilled.get();
        let reserved: usize = self.reserved.iter().map(|(_, events)| events.len()).sum();
        let (in_memory, on_disk) = self.stored();
        let (memory, overflow) = self.limits;
        match put(&self.channel, events.clone()).await {
            Ok(()) => {
                self.came(events, before);
                let (now_in_memory, now_on_disk) = self.stored();
                assert!(now_in_memory == in_memory || now_in_memory <= memory);
                assert!(now_on_disk == on_disk || now_on_disk <= overflow);
            }
            Err(ChannelError::PutListFull { capacity, .. }) => assert!(count > capacity),
            Err(error) => {
                assert!(
                    on_disk > 0 || in_memory + reserved + count > memory,
                    "{error}"
                );
                assert!(on_disk + reserved + count > overflow, "{error}");
            }
        }
    }

    async fn reserve(&mut self, count: usize) {
        let events = self.next(count);
        let put = PutTransaction::of(&self.channel, events.clone());
        if let Ok(put) = put
            && let Ok(reserved) = put.reserve().await
        {
            self.reserved.push_back((reserved, events));
        }
    }

    async fn end_put(&mut self, commits: bool) {
        if let Some((reserved, _)) = self.reserved.pop_front()
            && commits
        {
            // It comes behind what was put meanwhile, so it is another event now.
            let events = self.next(reserved.len());
            let Ok(put) = PutTransaction::of(&self.channel, events.clone()) else {
                // A reload allows less now.
                return;
            };
            let Ok(reserved) = reserved.exchange(put).await else {
                return;
            };
            let before = spills(&self.channel).spilled.get();
            reserved.commit().await.unwrap();
            self.came(events, before);
        }
    }

    async fn take(&mut self, most: usize) {
        let count = most.min(self.queue.len());
        let count = count.min(self.channel.transaction_capacity());
        let take = taken(&self.channel, count).await;
        let stored: Vec<Stored> = self.queue.drain(..count).collect();
        assert_eq!(take.events(), events(&stored));
        self.takes.push_back((take, stored));
    }

    /// A put is done.
    fn came(&mut self, events: Vec<Event>, before: u64) {
        let is_on_disk = spills(&self.channel).spilled.get() > before;
        let stored = events.into_iter().map(|event| (event, is_on_disk));
        self.queue.extend(stored);
    }

    fn roll_back(&mut self) {
        if let Some((take, stored)) = self.takes.pop_back() {
            let stored = stored.into_iter().rev();
            stored.for_each(|stored| self.queue.push_front(stored));
            take.rollback();
        }
    }

    /// As at the end of an agent: the sources end, and the sinks give back what they have.
    fn end_all(&mut self) {
        self.reserved.clear();
        while !self.takes.is_empty() {
            self.roll_back();
        }
    }

    async fn kill(&mut self) {
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        self.end_all();
        self.queue.retain(|(_, is_on_disk)| *is_on_disk);
        self.channel.close().await;
        self.folder = copy;
        self.open().await;
    }

    /// What a look at the folder says is what comes then.
    async fn open(&mut self) {
        let waiting: Vec<Event> = self.queue.iter().map(|(event, _)| event.clone()).collect();
        assert_eq!(exported(self.folder.path()), waiting);
        self.channel = limited(self.folder.path(), self.limits).make("c1");
        self.channel.open().await.unwrap();
    }

    /// All that is left comes in order, and leaves nothing behind.
    async fn drain(mut self) {
        self.end_all();
        while !self.queue.is_empty() {
            self.take(usize::MAX).await;
            self.takes.pop_front().unwrap().0.commit().await.unwrap();
        }
        assert_eq!((self.channel.depth(), self.channel.bytes()), (0, Some(0)));
        assert_eq!(spills(&self.channel).on_disk.get(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn nothing_is_lost_doubled_or_reordered(steps in prop::collection::vec(step(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut history = History::new().await;
            for step in steps {
                history.step(step).await;
            }
            history.drain().await;
        });
    }
}
