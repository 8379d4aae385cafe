//! Consistent hash by a header: events with the same value go to the same sink.
//!
//! The table is that of Maglev: each sink goes through the slots in its own order, derived from its
//! name, and the sinks take turns in taking a slot. So slots are shared evenly, and a group with
//! one sink more or less has nearly the same table. While a sink is out of use, only its own keys
//! go elsewhere: they are looked up again, with a hash of the hash. The table is kept, which moves
//! fewer keys than a new table would, and costs nothing.

use flume_policy_sdk::{
    Ask, Backoff, BatchRouter, Event, News, SelectorSetup, SinkSelector, export_selector, hash,
};

/// The most look-ups before the sinks in use are simply taken in order.
const LOOKS: u32 = 64;

/// Sends events by a hash of a header.
#[derive(Debug)]
pub struct Maglev {
    backoff: Backoff,
    header: String,
    table: Vec<u32>,
    sinks: usize,
    /// Used in place of a key for events without one.
    turn: u64,
}

impl SinkSelector for Maglev {
    fn configure(setup: &mut SelectorSetup) -> Self {
        let properties = &mut setup.properties;
        let header = properties.required("header");
        let mut slots = properties.number("table", 5003, 101..=1_000_003);
        if !is_prime(slots) {
            properties.bad("table", "a prime number");
            slots = 101;
        }
        let names: Vec<&str> = setup.sinks.iter().map(|sink| &*sink.name).collect();
        Self {
            backoff: Backoff::with_default(properties, names.len(), true),
            header,
            table: table(&names, slots),
            sinks: names.len(),
            turn: 0,
        }
    }

    fn headers(&self) -> Vec<String> {
        vec![self.header.clone()]
    }

    fn failed(&mut self, sink: usize, at: u64) {
        self.backoff.failed(sink, at);
    }

    fn delivered(&mut self, sink: usize, _: &News) {
        self.backoff.delivered(sink);
    }

    /// A batch that cannot be split goes where most of its events belong; the further order is that
    /// of the first of these events.
    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let in_use = self.in_use(ask);
        let mut votes: Vec<(u32, u64)> = vec![(0, 0); self.sinks];
        for event in ask.events {
            if let Some(key) = self.key(&event) {
                let (votes, first) = &mut votes[self.sink(key, &in_use)];
                *first = if *votes == 0 { key } else { *first };
                *votes += 1;
            }
        }
        // `max_by_key` takes the last of several maxima; reversed, that is the first in the list.
        let most = votes.iter().rev().max_by_key(|(votes, _)| *votes);
        let key = match most {
            Some((1.., key)) => *key,
            _ => self.next_turn(),
        };
        self.sequence(key, in_use)
    }
}

impl BatchRouter for Maglev {
    fn route(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let in_use = self.in_use(ask);
        let mut route = Vec::with_capacity(ask.events.len());
        for event in ask.events {
            let key = self.key(&event).unwrap_or_else(|| self.next_turn());
            route.push(self.sink(key, &in_use));
        }
        route
    }
}

impl Maglev {
    fn key(&self, event: &Event<'_>) -> Option<u64> {
        event
            .header(&self.header)
            .map(|value| hash(value.as_bytes()))
    }

    fn next_turn(&mut self) -> u64 {
        self.turn = self.turn.wrapping_add(1);
        again(self.turn)
    }

    /// The sinks that may be tried; all of them if none may, because each event needs one.
    fn in_use(&self, ask: &Ask<'_>) -> Vec<bool> {
        let allows = |sink| self.backoff.allows(sink, ask.at.now);
        let in_use: Vec<bool> = (0..self.sinks).map(allows).collect();
        match in_use.contains(&true) {
            true => in_use,
            false => vec![true; self.sinks],
        }
    }

    /// The sink of a key, among those in use.
    fn sink(&self, mut key: u64, in_use: &[bool]) -> usize {
        for _ in 0..LOOKS {
            let sink = self.table[(key % self.table.len() as u64) as usize] as usize;
            if in_use[sink] {
                return sink;
            }
            key = again(key);
        }
        in_use.iter().position(|in_use| *in_use).unwrap_or(0)
    }

    /// The sinks in use in the order in which a key would go to them.
    fn sequence(&self, key: u64, mut in_use: Vec<bool>) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.sinks);
        while in_use.contains(&true) {
            let sink = self.sink(key, &in_use);
            in_use[sink] = false;
            order.push(sink);
        }
        order
    }
}

/// The slots, each with the number of a sink.
fn table(names: &[&str], slots: u64) -> Vec<u32> {
    const FREE: u32 = u32::MAX;
    let mut turns: Vec<usize> = (0..names.len()).collect();
    // The order of the file does not matter.
    turns.sort_by_key(|sink| names[*sink]);
    // Each sink's next slot and its step: with a prime number of slots, any step visits all of
    // them.
    let walk = |name: &&str| (hash(name.as_bytes()) % slots, again(hash(name.as_bytes())));
    let walks = names.iter().map(walk);
    let mut walks: Vec<(u64, u64)> = walks
        .map(|(at, step)| (at, 1 + step % (slots - 1)))
        .collect();
    let mut table = vec![FREE; slots as usize];
    for sink in turns.into_iter().cycle().take(table.len()) {
        let (at, step) = &mut walks[sink];
        while table[*at as usize] != FREE {
            *at = (*at + *step) % slots;
        }
        table[*at as usize] = sink as u32;
    }
    table
}

/// A hash of a hash.
fn again(key: u64) -> u64 {
    hash(&key.to_le_bytes())
}

fn is_prime(number: u64) -> bool {
    number > 1
        && (2..)
            .take_while(|d| d * d <= number)
            .all(|d| !number.is_multiple_of(d))
}

export_selector!(Maglev, router);

#[cfg(test)]
mod tests;
