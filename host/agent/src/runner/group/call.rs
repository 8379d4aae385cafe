//! One call of the processor: sinks are tried in turn until one delivers or none is left.

use flume_core::clock::{self, Instant};
use flume_core::sink_group::{Load, SinkIndex, Step};
use flume_core::sink_processor::{Call, Outcome, Verdict};
use flume_core::sink_schedule::{Attempt, Attempts};
use flume_core::{EventDeliveryError, Status, chain};
use tokio::sync::MutexGuard as AsyncGuard;

use super::GroupRunner;
use super::beside::Errand;
use crate::runner::lane::Lane;

/// How a call ended.
pub(super) enum End {
    Returned(Status, SinkIndex),
    /// Every sink failed.
    Exhausted,
    /// Nobody delivered, and a sink that is away may still do so.
    Away,
}

impl GroupRunner {
    /// One call of the processor.
    pub(super) async fn call(&self) -> End {
        self.counts.all.increment();
        let now = clock::now();
        let depth = self.depth();
        let begun = {
            let mut processor = self.processor.lock();
            let shows = self.can_show_events() && processor.wants_events();
            (!shows).then(|| processor.begin_load(now, Load { depth, events: &[] }))
        };
        let Some(call) = begun else {
            return self.call_showing(now).await;
        };
        let mut attempts = Attempts::of(call);
        while let Some((sink, mut lane)) = self.next_lane(&mut attempts).await {
            let attempted = self.attempt(attempts.call(), sink, &mut lane).await;
            if let Some(end) = attempted {
                return end;
            }
        }
        self.exhausted()
    }

    /// How a call ends in which no sink delivered.
    pub(super) fn exhausted(&self) -> End {
        if self.beside.any_away() {
            return End::Away;
        }
        self.counts.exhausted.increment();
        let error = self.processor.lock().exhausted();
        // Of a sink without others it was said when it failed, with its cause.
        if !self.has_one_sink()
            && let Some(calls) = self.complaints.exhausted(error, clock::now())
        {
            tracing::error!(group = self.name, error, calls, "unable to deliver events");
        }
        End::Exhausted
    }

    /// The next sink that a call tries, with its lane, which is locked for this call. One that kept
    /// the group waiting connects beside it.
    pub(super) async fn next_lane(
        &self,
        attempts: &mut Attempts,
    ) -> Option<(SinkIndex, AsyncGuard<'_, Lane>)> {
        loop {
            let mut free = None;
            let next = attempts.next(&mut **self.processor.lock(), |sink| {
                free = self.lanes.get(sink).and_then(|lane| lane.try_lock().ok());
                free.is_some() || self.beside.is_away(sink)
            });
            let sink = match next {
                Attempt::Try(sink) | Attempt::WaitFor(sink) => sink,
                Attempt::Exhausted => return None,
            };
            let lane = match (free, self.lanes.get(sink)) {
                _ if self.beside.is_away(sink) => continue,
                (Some(lane), _) => lane,
                (None, Some(lane)) => lane.lock().await,
                // Not a sink of this group: passed by.
                (None, None) => continue,
            };
            // Asked last: the worker that used the lane before may have found out.
            if !self.beside.is_slow(sink) || self.beside.is_connected(sink) {
                return Some((sink, lane));
            }
            self.run_beside(attempts.call(), sink, Errand::Connect);
        }
    }

    /// Tries one sink; returns how the call ended, if it did.
    async fn attempt(&self, call: &mut Call, sink: SinkIndex, lane: &mut Lane) -> Option<End> {
        if self.beside.is_slow(sink) {
            let Some(batch) = lane.take() else {
                return Some(End::Returned(Status::Backoff, sink));
            };
            self.run_beside(call, sink, Errand::Deliver(batch));
            return None;
        }
        if self.pipelined {
            self.drain_others(call, sink).await;
        }
        let (began, before) = (self.begin_step(sink), lane.delivered());
        let outcome = match lane.process().await {
            Ok(status) => Outcome::Returned(status),
            Err(error) => self.sink_failed(sink, &error),
        };
        let events = lane.delivered().saturating_sub(before);
        match self.end_step(call, sink, outcome, began, events) {
            Verdict::Return(status) => Some(End::Returned(status, sink)),
            Verdict::Continue => None,
        }
    }

    pub(super) fn sink_failed(&self, sink: SinkIndex, error: &EventDeliveryError) -> Outcome {
        let error = chain(error);
        if let Some(failures) = self.complaints.failed(sink, &error, clock::now()) {
            let sink = self.names.get(sink);
            match self.has_one_sink() {
                true => tracing::error!(sink, error, failures, "unable to deliver events"),
                false => tracing::warn!(group = self.name, sink, error, failures, "sink failed"),
            }
        }
        Outcome::Failed
    }

    fn has_one_sink(&self) -> bool {
        self.names.len() == 1
    }

    /// Reports to the processor that a sink gets a batch; returns the time.
    pub(super) fn begin_step(&self, sink: SinkIndex) -> Instant {
        let now = clock::now();
        self.processor.lock().step(sink, Step::Begun, now);
        now
    }

    /// Reports to the processor what became of the batch.
    pub(super) fn end_step(
        &self,
        call: &mut Call,
        sink: SinkIndex,
        outcome: Outcome,
        began: Instant,
        events: u64,
    ) -> Verdict {
        let now = clock::now();
        let latency = now.saturating_duration_since(began);
        let step = Step::Ended {
            events: usize::try_from(events).unwrap_or(usize::MAX),
            latency,
        };
        self.beside.note(sink, outcome, events, latency);
        if events > 0 {
            self.delivered(sink, now);
            self.note_home(sink, events);
        }
        let mut processor = self.processor.lock();
        let verdict = processor.report(call, sink, outcome, now);
        processor.step(sink, step, now);
        verdict
    }

    /// Notes that a sink works, and says so if it did not before.
    fn delivered(&self, sink: SinkIndex, now: Instant) {
        let (Some(faults), Some(name)) = (self.faults.get(sink), self.names.get(sink)) else {
            return;
        };
        if let Some(outage) = faults.delivered(now) {
            self.complaints.delivers(sink);
            let seconds = now.saturating_duration_since(outage.since).as_secs();
            let failed_batches = outage.failures;
            tracing::info!(
                group = self.name,
                sink = name,
                seconds,
                failed_batches,
                "delivering again"
            );
        }
    }

    /// Has other sinks answer for their batches before this one is tried: those are older.
    async fn drain_others(&self, call: &mut Call, sink: SinkIndex) {
        for (other, lane) in self.lanes.iter().enumerate() {
            let Ok(mut lane) = lane.try_lock() else {
                continue;
            };
            if other != sink && lane.is_busy() && lane.drain().await.is_err() {
                // The verdict is about that sink; this call goes on with its own.
                self.report_outcome(call, other, Outcome::Failed);
            }
        }
    }

    fn report_outcome(&self, call: &mut Call, sink: SinkIndex, outcome: Outcome) -> Verdict {
        self.processor
            .lock()
            .report(call, sink, outcome, clock::now())
    }
}
