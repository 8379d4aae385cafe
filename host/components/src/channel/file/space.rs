//! How much room the disk has, looked up now and then.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use flume_core::ChannelError;
use flume_core::clock::{self, Instant};
use parking_lot::Mutex;

/// How often the disk is asked.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Puts are refused while the disk has less room than this.
#[derive(Debug)]
pub(super) struct Space {
    required: AtomicU64,
    is_short: AtomicBool,
    looked: Mutex<Option<(Instant, u64)>>,
}

impl Space {
    /// So many bytes have to stay free.
    pub(super) fn new(required: u64) -> Self {
        Self {
            required: required.into(),
            is_short: false.into(),
            looked: Mutex::new(None),
        }
    }

    /// From now on so many bytes have to stay free.
    pub(super) fn require(&self, bytes: u64) {
        self.required.store(bytes, Relaxed);
        *self.looked.lock() = None;
    }

    /// Whether puts were refused at the last look.
    pub(super) fn is_short(&self) -> bool {
        self.is_short.load(Relaxed)
    }

    /// Whether a put may be taken in, with the room that the disk has. If the disk does not say, a put
    /// finds out.
    pub(super) fn check(&self, room: impl FnOnce() -> Option<u64>) -> Result<(), ChannelError> {
        let now = clock::now();
        let mut looked = self.looked.lock();
        let free = match *looked {
            Some((at, free)) if now.saturating_duration_since(at) < LOOK_EVERY => free,
            _ => {
                let free = room().unwrap_or(u64::MAX);
                *looked = Some((now, free));
                free
            }
        };
        drop(looked);
        let required = self.required.load(Relaxed);
        let is_short = free < required;
        self.is_short.store(is_short, Relaxed);
        match is_short {
            false => Ok(()),
            true => Err(ChannelError::Place {
                reason: format!(
                    "Usable space exhausted, only {free} bytes remaining, required {required} bytes"
                )
                .into(),
            }),
        }
    }
}
