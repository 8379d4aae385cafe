//! The laws over random histories, with closing and opening between. Method: a queue in memory does
//! the same steps.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put(usize),
    /// Takes so many, and keeps the transaction open.
    Take(usize),
    /// Ends the oldest or newest open take.
    Commit {
        newest: bool,
    },
    Rollback,
    /// Closes the channel, with takes open, and opens it again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_usize).prop_map(Step::Put),
        4 => (1..5_usize).prop_map(Step::Take),
        3 => any::<bool>().prop_map(|newest| Step::Commit { newest }),
        1 => Just(Step::Rollback),
        1 => Just(Step::Reopen),
    ]
}

/// Small files.
const SMALL: &[(&str, &str)] = &[("maxFileSize", "1048576")];

/// A channel, and what should be in it.
struct History {
    folder: tempfile::TempDir,
    channel: Arc<dyn Channel>,
    queue: VecDeque<Event>,
    takes: VecDeque<TakeTransaction>,
    sent: usize,
}

impl History {
    async fn step(&mut self, step: Step) {
        match step {
            Step::Put(count) => {
                let events = numbered(self.sent..self.sent + count);
                self.sent += count;
                put(&self.channel, events.clone()).await.unwrap();
                self.queue.extend(events);
            }
            Step::Take(most) => {
                let count = most.min(self.queue.len());
                let take = taken(&self.channel, count).await;
                let expected: Vec<Event> = self.queue.drain(..count).collect();
                assert_eq!(take.events(), expected);
                self.takes.push_back(take);
            }
            Step::Commit { newest } => {
                let take = match newest {
                    true => self.takes.pop_back(),
                    false => self.takes.pop_front(),
                };
                if let Some(take) = take {
                    take.commit().await.unwrap();
                }
            }
            Step::Rollback => {
                if let Some(take) = self.takes.pop_back() {
                    self.comes_back(&take);
                    take.rollback();
                }
            }
            Step::Reopen => {
                self.channel.close().await;
                // What was open comes again, in the order in which it was put.
                for take in std::mem::take(&mut self.takes) {
                    self.queue.extend(take.events().iter().cloned());
                }
                let number = |event: &Event| -> usize {
                    String::from_utf8_lossy(&event.body).parse().unwrap()
                };
                self.queue.make_contiguous().sort_by_key(number);
                self.channel = opened(self.folder.path(), SMALL).await;
            }
        }
        assert_eq!(self.channel.depth(), self.queue.len());
    }

    fn comes_back(&mut self, take: &TakeTransaction) {
        for event in take.events().iter().rev() {
            self.queue.push_front(event.clone());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn nothing_is_lost_doubled_or_reordered(steps in prop::collection::vec(step(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let channel = opened(folder.path(), SMALL).await;
            let mut history = History {
                folder,
                channel,
                queue: VecDeque::new(),
                takes: VecDeque::new(),
                sent: 0,
            };
            for step in steps {
                history.step(step).await;
            }
            let queue: Vec<Event> = history.queue.into_iter().collect();
            assert_eq!(contents(&history.channel).await, queue);
        });
    }
}
