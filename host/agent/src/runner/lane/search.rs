//! The search for the events of a batch that keep it from being delivered.
//!
//! A place that takes a connection and does not answer for a batch may be broken, or an event of the
//! batch is more than it takes. So the batch is delivered in halves, until an event is alone with the
//! failure. It is to blame if the place has taken others since; if it takes nothing, the place is.
//!
//! Before the halves, events are tried alone until one is delivered. A place that is merely full
//! takes a small batch where it refuses a large one, and says of a single event what it cannot say
//! of a batch: that it has no room. So the search of a full place ends with its first try.
//!
//! The laws: whoever ends the search, every event is delivered, aside, or back in its old order; and
//! none is set aside unless another one was delivered alone, as it was tried.

use std::collections::VecDeque;
use std::sync::Arc;

use flume_core::{Blame, EventDeliveryError, Sink, TakeTransaction, chain};

use super::takes::{FIRST_IN_A_ROW, Takes};

/// The most events in a row that may fail alone before the place is to blame. There may really be so
/// many, so each search that ends so doubles their number.
const MOST_IN_A_ROW: usize = 128;

/// What a search has not finished, in order.
struct Search {
    /// Events that failed alone, with the reasons.
    suspects: Vec<(TakeTransaction, String)>,
    parts: VecDeque<TakeTransaction>,
    /// Whether anything was delivered or set aside.
    progress: bool,
    /// Whether an event was delivered alone.
    alone: bool,
}

impl Search {
    /// Puts a part that failed back in halves, or makes it a suspect.
    fn split(&mut self, mut part: TakeTransaction, reason: &str) {
        let half = part.events().len() / 2;
        if half == 0 {
            self.suspects.push((part, reason.to_owned()));
            return;
        }
        let later = part.split_off(half);
        self.parts.push_front(later);
        self.parts.push_front(part);
    }

    /// Makes the next part a single event, until one was delivered alone.
    fn narrow(&mut self) {
        if !self.alone
            && let Some(next) = self.parts.front_mut()
            && next.events().len() > 1
        {
            let later = next.split_off(1);
            self.parts.insert(1, later);
        }
    }

    /// The suspects are to blame if another event was delivered alone, as far as there is room for
    /// them.
    async fn convict(&mut self, takes: &mut Takes) {
        if !self.alone {
            return;
        }
        let mut suspects = std::mem::take(&mut self.suspects).into_iter();
        for (event, reason) in suspects.by_ref() {
            if let Err(event) = takes.convict(event, reason.clone()).await {
                self.suspects.push((event, reason));
                break;
            }
            self.progress = true;
        }
        self.suspects.extend(suspects);
    }

    /// All that is left, in one piece.
    fn whole(&mut self) -> Option<TakeTransaction> {
        let suspects = self.suspects.drain(..).map(|(event, _)| event);
        let mut all = suspects.chain(self.parts.drain(..));
        let mut whole = all.next()?;
        all.for_each(|part| whole.append(part));
        Some(whole)
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        // One rollback keeps the order.
        drop(self.whole());
    }
}

/// Delivers a batch after a failure, except for the events that are to blame, which are set aside.
///
/// # Errors
/// The place is to blame: the whole batch, and the reason.
pub(super) async fn search(
    sink: &mut dyn Sink,
    batch: TakeTransaction,
    error: EventDeliveryError,
    takes: &mut Takes,
) -> Result<(), (Option<TakeTransaction>, EventDeliveryError)> {
    let events = batch.events().len();
    let from = Arc::clone(batch.channel());
    let mut search = Search {
        suspects: Vec::new(),
        parts: [batch].into(),
        progress: false,
        alone: false,
    };
    let mut last = error;
    let mut in_a_row = 0;
    while in_a_row < takes.in_a_row {
        search.narrow();
        let Some(part) = search.parts.front() else {
            // Another event shows whether the place takes any.
            let wanted = !search.progress;
            let Some(company) = wanted.then(|| takes.take_one(&from)).flatten() else {
                break;
            };
            search.parts.push_back(company);
            continue;
        };
        let delivered = sink.deliver(part.events()).await;
        let Some(part) = search.parts.pop_front() else {
            break;
        };
        let error = match delivered {
            Ok(()) => {
                search.alone |= part.events().len() == 1;
                takes.commit(part).await;
                search.progress = true;
                in_a_row = 0;
                takes.in_a_row = FIRST_IN_A_ROW;
                search.convict(takes).await;
                continue;
            }
            Err(error) => error,
        };
        if *error.blame() == Blame::Batch {
            in_a_row += usize::from(part.events().len() == 1);
            search.split(part, &chain(&error));
            last = error;
            continue;
        }
        search.progress |=
            matches!(error.blame(), Blame::Refused(bad) if bad.len() < part.events().len());
        let (part, error) = takes.commit_rest(part, error).await;
        match takes.condemn(part, error).await {
            Ok(rest) => {
                search.progress = true;
                if !rest.events().is_empty() {
                    search.parts.push_front(rest);
                }
            }
            Err((part, error)) => {
                search.parts.push_front(part);
                last = error;
                break;
            }
        }
    }
    conclude(search, last, events, (in_a_row, takes)).await
}

/// Ends a search.
async fn conclude(
    mut search: Search,
    last: EventDeliveryError,
    events: usize,
    (in_a_row, takes): (usize, &mut Takes),
) -> Result<(), (Option<TakeTransaction>, EventDeliveryError)> {
    let gave_up = in_a_row >= takes.in_a_row;
    if gave_up {
        takes.in_a_row = (takes.in_a_row * 2).min(MOST_IN_A_ROW);
    }
    if search.progress {
        if *last.blame() == Blame::Batch && !gave_up {
            search.convict(takes).await;
        }
        return Ok(());
    }
    let mut whole = search.whole();
    // What was taken in addition goes back.
    if let Some(whole) = &mut whole {
        whole.split_off(events).rollback();
    }
    Err((whole, last))
}
