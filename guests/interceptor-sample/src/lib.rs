//! Sample: keeps a share of the events and drops the others.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `rate` | (this or `every`) | the share to keep, 0 to 1 |
//! | `every` | (this or `rate`) | one event in this many is kept, 1 to 1000000000 |
//! | `header` | (none) | all events with the same value of this header are kept, or all are dropped |
//! | `salt` | (none) | with `header`: another salt keeps other values |
//!
//! With `rate`, random numbers decide for each event; they start from the policy's seed. With
//! `every`, events are counted, so exactly one in `every` is kept. With `header`, the hash of the
//! value and the salt decides instead, the same way in all agents and after every start. An event
//! without that header is drawn or counted.

use std::hash::Hasher;

use flume_policy_sdk::{
    Batch, Interceptor, InterceptorSetup, Moment, Projection, State, export_interceptor,
};
use siphasher::sip::SipHasher13;

/// Bits of random numbers and thresholds: all of them are exact as `f64`.
const BITS: u32 = 53;

/// Keeps a share of the events.
#[derive(Debug)]
pub struct Sample {
    share: Share,
    header: Option<String>,
    /// A hasher that contains the salt.
    hasher: SipHasher13,
    /// The state of the random numbers.
    random: u64,
    /// Events counted since one was kept.
    counted: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    /// Keep if a number drawn from [`BITS`] bits is below this.
    Below(u64),
    /// Keep one in this many.
    Every(u64),
}

impl Interceptor for Sample {
    fn configure(setup: &mut InterceptorSetup) -> Self {
        let properties = &mut setup.properties;
        let rate = properties.optional("rate").is_some();
        let every = properties.optional("every").is_some();
        if rate == every {
            properties.problem("it needs either the key `rate` or the key `every`");
        }
        let below = properties.number("rate", 1.0, 0.0..=1.0) * (1_u64 << BITS) as f64;
        let one_of = properties.number("every", 1_u64, 1..=1_000_000_000);
        let header = properties.optional("header");
        let salt = properties.optional("salt");
        if salt.is_some() && header.is_none() {
            properties.problem("`salt` means nothing without the key `header`");
        }
        let mut hasher = SipHasher13::new();
        hasher.write(salt.unwrap_or_default().as_bytes());
        // Separates the salt from the value.
        hasher.write_u8(0);
        Self {
            share: if every {
                Share::Every(one_of)
            } else {
                Share::Below(below as u64)
            },
            header,
            hasher,
            random: setup.seed,
            // So that not every agent starts by keeping the same event.
            counted: setup.seed % one_of,
        }
    }

    fn projection(&self) -> Projection {
        Projection::headers(self.header.clone())
    }

    fn intercept(&mut self, _: Moment, batch: &Batch) {
        for event in batch {
            let value = self.header.as_ref().and_then(|name| event.header(name));
            let is_kept = match value {
                Some(value) => self.keeps_value(value),
                None => self.keeps_next(),
            };
            if !is_kept {
                event.drop();
            }
        }
    }
}

impl Sample {
    fn keeps_value(&self, value: &str) -> bool {
        let mut hasher = self.hasher;
        hasher.write(value.as_bytes());
        let hash = hasher.finish();
        match self.share {
            Share::Below(below) => hash >> (64 - BITS) < below,
            Share::Every(one_of) => hash.is_multiple_of(one_of),
        }
    }

    fn keeps_next(&mut self) -> bool {
        match self.share {
            Share::Below(below) => self.draw() >> (64 - BITS) < below,
            Share::Every(one_of) => {
                self.counted += 1;
                let is_kept = self.counted >= one_of;
                if is_kept {
                    self.counted = 0;
                }
                is_kept
            }
        }
    }

    /// SplitMix64: a counter whose values are scrambled.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl State for Sample {
    const FORMAT: u32 = 1;

    fn export(&self) -> Vec<u8> {
        [self.random, self.counted].map(u64::to_le_bytes).concat()
    }

    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        match bytes.as_chunks::<8>() {
            ([random, counted], []) if format == Self::FORMAT => {
                self.random = u64::from_le_bytes(*random);
                self.counted = u64::from_le_bytes(*counted);
                Ok(())
            }
            _ => Err("no state of a sample".to_owned()),
        }
    }
}

export_interceptor!(Sample, state);

#[cfg(test)]
mod tests;
