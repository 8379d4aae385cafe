//! A sink that answers as its script says and remembers what happened to it.
//!
//! One double with a script serves most tests. A mock library would hide the order of calls, which
//! is what those tests are about.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::counters::SinkCounter;
use crate::error::{ComponentError, EventDeliveryError};
use crate::event::Event;
use crate::sink::Sink;

/// How a delivery goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The batch is delivered.
    Deliver,
    /// The batch is delivered, after this time.
    DeliverAfter(Duration),
    /// The delivery fails.
    Fail,
}

/// What happened to a [`ScriptedSink`]; shared with the test.
#[derive(Debug, Clone, Default)]
pub struct SinkLog(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    delivered: Vec<Event>,
    attempts: usize,
    starts: usize,
    stops: usize,
}

impl SinkLog {
    /// Delivered events, in order.
    pub fn delivered(&self) -> Vec<Event> {
        self.0.lock().delivered.clone()
    }

    /// Batches that were tried.
    pub fn attempts(&self) -> usize {
        self.0.lock().attempts
    }

    /// Times that the sink was started.
    pub fn starts(&self) -> usize {
        self.0.lock().starts
    }

    /// Times that the sink was stopped.
    pub fn stops(&self) -> usize {
        self.0.lock().stops
    }
}

/// Answers by a script, and then repeats the last reply for ever (without a script, it delivers).
#[derive(Debug)]
pub struct ScriptedSink {
    batch_size: usize,
    script: VecDeque<Reply>,
    log: SinkLog,
}

impl ScriptedSink {
    /// A sink with this batch size, and its log.
    pub fn new(batch_size: usize, script: impl IntoIterator<Item = Reply>) -> (Self, SinkLog) {
        let log = SinkLog::default();
        let script = script.into_iter().collect();
        (
            Self {
                batch_size,
                script,
                log: log.clone(),
            },
            log,
        )
    }

    fn reply(&mut self) -> Reply {
        let reply = match self.script.len() {
            0 | 1 => self.script.front().copied(),
            _ => self.script.pop_front(),
        };
        reply.unwrap_or(Reply::Deliver)
    }
}

#[async_trait]
impl Sink for ScriptedSink {
    fn batch_size(&self) -> usize {
        self.batch_size
    }

    async fn start(&mut self, _: &Arc<SinkCounter>) -> Result<(), ComponentError> {
        self.log.0.lock().starts += 1;
        Ok(())
    }

    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        self.log.0.lock().attempts += 1;
        match self.reply() {
            Reply::Deliver => {}
            Reply::DeliverAfter(time) => tokio::time::sleep(time).await,
            Reply::Fail => return Err(EventDeliveryError::new("failed by script")),
        }
        self.log.0.lock().delivered.extend_from_slice(batch);
        Ok(())
    }

    async fn stop(&mut self) {
        self.log.0.lock().stops += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_script_is_followed_and_its_last_reply_repeated() {
        let script = [
            Reply::Fail,
            Reply::DeliverAfter(Duration::from_secs(9)),
            Reply::Fail,
        ];
        let (mut sink, log) = ScriptedSink::new(7, script);
        let batch = [Event::new("a"), Event::new("b")];
        sink.start(&Arc::default()).await.unwrap();
        assert!(sink.deliver(&batch).await.is_err());
        let start = crate::clock::now();
        sink.deliver(&batch).await.unwrap();
        assert_eq!(crate::clock::now() - start, Duration::from_secs(9));
        assert!(sink.deliver(&batch).await.is_err());
        assert!(sink.deliver(&batch).await.is_err());
        sink.stop().await;
        assert_eq!(log.delivered(), batch);
        assert_eq!((log.attempts(), log.starts(), log.stops()), (4, 1, 1));
        assert_eq!(sink.batch_size(), 7);
    }
}
