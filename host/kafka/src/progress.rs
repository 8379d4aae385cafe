//! How far a reader has come: of each partition, up to where everything is done, and up to where the
//! brokers know it.

use std::collections::BTreeMap;
use std::sync::Arc;

use flume_core::{LogLimit, clock};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::client::{ClientError, Consumer, Partition};
use crate::pace::EVERY;

/// The offsets of a reader's partitions.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Of each partition the first offset that is not done.
    done: BTreeMap<Partition, i64>,
    /// What of it is committed.
    committed: BTreeMap<Partition, i64>,
}

impl Progress {
    /// Everything below this offset is done.
    pub(crate) fn done(&mut self, partition: &Partition, next: i64) {
        match self.done.get_mut(partition) {
            Some(known) => *known = next.max(*known),
            None => drop(self.done.insert(partition.clone(), next)),
        }
    }

    /// A partition is another's now.
    pub(crate) fn forget(&mut self, partition: &Partition) {
        self.done.remove(partition);
        self.committed.remove(partition);
    }

    /// What is done and not committed.
    pub(crate) fn open(&self) -> Vec<(Partition, i64)> {
        let open = self.done.iter().filter(|(partition, next)| {
            let known = self.committed.get(*partition);
            known.is_none_or(|known| known < *next)
        });
        open.map(|(partition, next)| (partition.clone(), *next))
            .collect()
    }

    fn committed(&mut self, offsets: Vec<(Partition, i64)>) {
        let mine = offsets
            .into_iter()
            .filter(|(partition, _)| self.done.contains_key(partition));
        self.committed.extend(mine);
    }
}

/// Commits offsets beside the reading: one commit at a time, each of all that is done.
pub(crate) struct Committer {
    component: String,
    under_way: Option<BoxFuture<'static, Commit>>,
    log: LogLimit,
}

/// What was to be committed, and whether it is.
type Commit = (Vec<(Partition, i64)>, Result<(), ClientError>);

impl Committer {
    pub(crate) fn new(component: &str) -> Self {
        Self {
            component: component.to_owned(),
            under_way: None,
            log: LogLimit::new(1, EVERY),
        }
    }

    /// Whether the brokers do not know yet how far the reader is.
    pub(crate) fn has_work(&self, progress: &Progress) -> bool {
        self.under_way.is_some() || !progress.open().is_empty()
    }

    /// Takes the result of the last commit, if it is there, and begins the next one.
    pub(crate) fn advance(&mut self, consumer: &Arc<dyn Consumer>, progress: &mut Progress) {
        if let Some(commit) = &mut self.under_way {
            let Some(result) = commit.now_or_never() else {
                return;
            };
            self.under_way = None;
            self.end(result, progress);
        }
        let open = progress.open();
        if open.is_empty() {
            return;
        }
        let consumer = Arc::clone(consumer);
        let mut commit = async move {
            let committed = consumer.commit(open.clone()).await;
            (open, committed)
        }
        .boxed();
        // The first look begins it.
        match (&mut commit).now_or_never() {
            Some(result) => self.end(result, progress),
            None => self.under_way = Some(commit),
        }
    }

    /// Commits all that is done, and waits for it. A failure is said, and what it was for is doubled.
    pub(crate) async fn finish(&mut self, consumer: &Arc<dyn Consumer>, progress: &mut Progress) {
        if let Some(commit) = self.under_way.take() {
            let result = commit.await;
            self.end(result, progress);
        }
        let open = progress.open();
        if !open.is_empty() {
            let committed = consumer.commit(open.clone()).await;
            self.end((open, committed), progress);
        }
    }

    fn end(&mut self, (offsets, committed): Commit, progress: &mut Progress) {
        match committed {
            Ok(()) => progress.committed(offsets),
            Err(error) => {
                if let Some(left_out) = self.log.admit(clock::now()) {
                    let component = &self.component;
                    tracing::warn!(
                        component,
                        %error,
                        left_out,
                        "Error committing offsets: what was read since the last commit may come again"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> Partition {
        let topic = "t".into();
        Partition { topic, number }
    }

    #[test]
    fn what_is_done_is_open_until_it_is_committed() {
        let mut progress = Progress::default();
        progress.done(&partition(0), 5);
        progress.done(&partition(1), 7);
        // A record that was read before it was given back does not take anything back.
        progress.done(&partition(0), 3);
        assert_eq!(progress.open(), [(partition(0), 5), (partition(1), 7)]);
        progress.committed(vec![(partition(0), 5)]);
        progress.done(&partition(1), 8);
        assert_eq!(progress.open(), [(partition(1), 8)]);
        progress.forget(&partition(1));
        // Heard of too late.
        progress.committed(vec![(partition(1), 8)]);
        progress.done(&partition(1), 2);
        assert_eq!(progress.open(), [(partition(1), 2)]);
    }
}
