//! Dedupe: drops events whose header value was seen a short while ago.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `header` | (needed) | the header whose values are compared |
//! | `window-ms` | 60000 | how long a value is remembered, 0 to 604800000; 0: as long as there is room |
//! | `capacity` | 100000 | how many values are remembered, 1 to 250000; the oldest is forgotten first |
//! | `mark` | (none) | a header that a repeated event gets (`true`) instead of being dropped |
//!
//! The window of a value begins with the event that passed, so a value that keeps coming passes
//! once per window. Events without the header pass.
//!
//! Values are kept as 128 bits of a keyed hash: memory does not depend on their length, and
//! collisions are not expected. All memory is allocated at the start.

use std::hash::Hasher;

use flume_policy_sdk::{
    Batch, Interceptor, InterceptorSetup, Moment, Projection, State, export_interceptor,
};
use siphasher::sip128::{Hasher128, SipHasher13};

mod seen;

use seen::{Entry, Seen};

/// Bytes of a remembered value in a snapshot: its hash and its time.
const ENTRY: usize = 24;

/// Drops events whose value was seen.
#[derive(Debug)]
pub struct Dedupe {
    header: String,
    mark: Option<String>,
    /// Nanoseconds.
    window: Option<u64>,
    /// The key of the hash. A successor takes it over with the values.
    key: u64,
    seen: Seen,
}

impl Interceptor for Dedupe {
    fn configure(setup: &mut InterceptorSetup) -> Self {
        let properties = &mut setup.properties;
        let window = properties.number("window-ms", 60_000_u64, 0..=604_800_000);
        let capacity = properties.number("capacity", 100_000, 1..=250_000);
        let header = properties.required("header");
        let mark = properties.optional("mark");
        if mark.as_ref() == Some(&header) {
            properties.bad("mark", "another header than `header`");
        }
        Self {
            header,
            mark,
            window: (window > 0).then_some(window * 1_000_000),
            key: setup.seed,
            seen: Seen::new(capacity),
        }
    }

    fn projection(&self) -> Projection {
        Projection::headers([self.header.clone()])
    }

    fn intercept(&mut self, at: Moment, batch: &Batch) {
        self.forget(at.now);
        for event in batch {
            let Some(value) = event.header(&self.header) else {
                continue;
            };
            if self.is_new(value, at.now) {
                continue;
            }
            match &self.mark {
                Some(mark) => event.set_header(mark, "true"),
                None => event.drop(),
            }
        }
    }
}

impl Dedupe {
    /// Forgets values that are older than the window.
    fn forget(&mut self, now: u64) {
        let Some(window) = self.window else {
            return;
        };
        while let Some(oldest) = self.seen.oldest() {
            if now.saturating_sub(oldest.at) < window {
                break;
            }
            self.seen.forget_oldest();
        }
    }

    /// Whether a value is new. From now on it counts as seen.
    fn is_new(&mut self, value: &str, now: u64) -> bool {
        let mut hasher = SipHasher13::new_with_keys(self.key, 0);
        hasher.write(value.as_bytes());
        let hash = hasher.finish128();
        self.seen.insert(Entry {
            digest: [hash.h1, hash.h2],
            at: now,
        })
    }
}

impl State for Dedupe {
    const FORMAT: u32 = 1;

    fn export(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + ENTRY * self.seen.len());
        bytes.extend(self.key.to_le_bytes());
        for Entry { digest: [a, b], at } in self.seen.iter() {
            for number in [a, b, at] {
                bytes.extend(number.to_le_bytes());
            }
        }
        bytes
    }

    /// A smaller successor takes over the newest values.
    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        let (Some((key, rest)), Self::FORMAT) = (bytes.split_first_chunk::<8>(), format) else {
            return Err("no remembered values".to_owned());
        };
        let (entries, []) = rest.as_chunks::<ENTRY>() else {
            return Err("a part of a remembered value".to_owned());
        };
        self.key = u64::from_le_bytes(*key);
        while self.seen.len() > 0 {
            self.seen.forget_oldest();
        }
        for entry in entries {
            let (numbers, _) = entry.as_chunks::<8>();
            if let [a, b, at] = *numbers {
                let [a, b, at] = [a, b, at].map(u64::from_le_bytes);
                let digest = [a, b];
                self.seen.insert(Entry { digest, at });
            }
        }
        Ok(())
    }
}

export_interceptor!(Dedupe, state);

#[cfg(test)]
mod tests;
