//! Goal: whatever happens to the bytes, nothing panics, and no body is given that was not put.
//! Method: each sample with flipped bits, zeroed and cut ranges, by seeds.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use fastrand::Rng;

use super::samples::{NAMES, Sample, shown};
use crate::record::{self, Says};
use crate::scan::{Item, Kind, Scan, payload};
use crate::window::Window;
use crate::{Event, Holds, Limits, Report, find};

/// Mutations of each sample.
const ROUNDS: u64 = 150;

/// What a log holds: the place of each record, and what is text of headers in it.
struct Known {
    /// All events that were ever put, delivered or not.
    bodies: HashMap<bytes::Bytes, Vec<Event>>,
    /// Bytes that no checksum covers, and that are no structure.
    texts: Vec<Range<u64>>,
    /// Numbers of transactions, of the order, and of what is taken.
    numbers: Vec<Range<u64>>,
}

fn known(sample: &Sample) -> Known {
    let mut known = Known {
        bodies: HashMap::new(),
        texts: Vec::new(),
        numbers: Vec::new(),
    };
    let mut window = Window::open(&sample.log()).unwrap();
    let mut scan = Scan::open(&sample.log(), 1, u64::MAX).unwrap();
    while let Some(item) = scan.next().unwrap() {
        let Item::Record(pointer, _, kind) = item else {
            continue;
        };
        let at = pointer.offset() + 5;
        known.numbers.push(at + 6..at + 24);
        match kind {
            Kind::Put => {
                let payload = payload(&mut window, pointer.offset(), u64::MAX)
                    .unwrap()
                    .unwrap();
                let Some((_, Says::Put { headers, body })) = record::read(&payload) else {
                    panic!("{pointer:?}");
                };
                let from = headers.as_ptr() as u64 - payload.as_ptr() as u64 + at;
                known.texts.push(from..from + headers.len() as u64);
                let (event, _) = Event::of(&payload, headers, body);
                known
                    .bodies
                    .entry(event.body.clone())
                    .or_default()
                    .push(event);
            }
            Kind::Take(_) => known.numbers.push(at + 24..at + 36),
            _ => {}
        }
    }
    known
}

/// A file of the sample, and what was done to it from where on.
fn mutate(sample: &Sample, rng: &mut Rng) -> (PathBuf, Range<u64>, Vec<u8>) {
    let mut files: Vec<PathBuf> = sample
        .directories
        .list()
        .unwrap()
        .into_iter()
        .filter(|file| file.length > 0 && file.path.is_file())
        .map(|file| file.path)
        .collect();
    // Half of all happen to the log.
    files.extend(vec![sample.log(); files.len()]);
    let path = rng.choice(files).unwrap();
    let before = fs::read(&path).unwrap();
    let mut bytes = before.clone();
    // Not in the fill, for the most part.
    let content = bytes.iter().rposition(|byte| *byte != 0x80).unwrap_or(0) + 1;
    let at = rng.usize(..content);
    let end = (at + rng.usize(1..200)).min(bytes.len());
    let range = match rng.u8(..4) {
        0 => {
            bytes[at] ^= 1 << rng.u8(..8);
            at..at + 1
        }
        1 => {
            bytes[at..end].fill(*[0, 0x80, 0x7F].get(rng.usize(..3)).unwrap());
            at..end
        }
        2 => {
            bytes.truncate(at);
            at..before.len()
        }
        _ => {
            rng.fill(&mut bytes[at..end]);
            at..end
        }
    };
    fs::write(&path, &bytes).unwrap();
    (path, range.start as u64..range.end as u64, before)
}

/// A MiB of fill tells nothing, and takes time.
fn with_little_fill(sample: &Sample) {
    let mut bytes = fs::read(sample.log()).unwrap();
    let content = bytes.iter().rposition(|byte| *byte != 0x80).unwrap() + 1;
    bytes.truncate(content + 1000);
    fs::write(sample.log(), bytes).unwrap();
}

fn read(sample: &Sample) -> Option<(Vec<Event>, Report)> {
    let Holds::Channel(found) = find(&sample.directories, Limits::default()).ok()? else {
        return None;
    };
    let mut events = Vec::new();
    let report = found.read(0, |event| {
        events.push(event);
        Ok::<_, std::fmt::Error>(())
    });
    Some((events, report.ok()?))
}

#[test]
fn no_bytes_panic_or_give_what_was_not_put() {
    let seed = std::env::var("FLUME_TESTS_SEED").map_or(7, |seed| seed.parse().unwrap());
    for name in NAMES.iter().filter(|name| !name.starts_with("13")) {
        let sample = Sample::new(name);
        with_little_fill(&sample);
        let (known, expected) = (known(&sample), read(&sample).unwrap());
        let rounds = if name.starts_with("05") {
            ROUNDS / 10
        } else {
            ROUNDS
        };
        for round in 0..rounds {
            let mut rng = Rng::with_seed(seed + round);
            let (path, range, before) = mutate(&sample, &mut rng);
            let what = format!(
                "{name}, seed {}, {} {range:?}",
                seed + round,
                path.display()
            );
            if let Some(read) = read(&sample) {
                let is_log = path == sample.log();
                check(&known, &expected, &read, is_log.then_some(&range), &what);
            }
            fs::write(&path, before).unwrap();
        }
    }
}

fn check(
    known: &Known,
    expected: &(Vec<Event>, Report),
    read: &(Vec<Event>, Report),
    log: Option<&Range<u64>>,
    what: &str,
) {
    let (events, report) = read;
    let touches = |ranges: &[Range<u64>]| {
        let meets = |range: &Range<u64>| {
            log.is_some_and(|log| log.start < range.end && range.start < log.end)
        };
        ranges.iter().any(meets)
    };
    for event in events {
        let put = known.bodies.get(&event.body);
        let put = put.unwrap_or_else(|| panic!("{what}: nobody put {:?}", event.body));
        assert!(
            put.contains(event) || touches(&known.texts),
            "{what}: other headers"
        );
    }
    // Damage is told, unless no checksum covers it.
    let is_hidden = touches(&known.texts) || touches(&known.numbers);
    let is_same = events.iter().map(shown).eq(expected.0.iter().map(shown));
    let is_told = report.damaged_places > 0 || report.strays > 0 || !report.unused.is_empty();
    assert!(is_same || is_told || is_hidden, "{what}: {report}");
}
