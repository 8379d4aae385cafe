//! Records of selectors: any file is read up to its first damage, and takes memory in proportion to its
//! size.

use flume_policy::testing::trace;
use std::collections::HashMap;

use flume_policy::trace::{Trace, What};

use crate::input::Input;

/// A file as it is, and as payloads of frames with the checksums that belong to them.
pub fn run(data: &[u8]) {
    read(data);
    let mut input = Input(data);
    let mut payloads = Vec::new();
    while !input.is_empty() {
        let size = usize::from(u16::from_be_bytes([input.byte(), input.byte()]));
        payloads.push(input.bytes(size));
    }
    read(&trace(&payloads));
}

fn read(file: &[u8]) {
    let Ok(trace) = Trace::read(file) else {
        return;
    };
    assert!(trace.cut <= file.len());
    assert!(trace.entries.len() <= file.len());
    // Events that no header tells apart are shared.
    let events: HashMap<_, _> = trace
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Order { load, .. } | What::Route { load, .. } => Some(&load.events),
            _ => None,
        })
        .map(|events| (events.as_ptr(), events.len()))
        .collect();
    let events: usize = events.values().sum();
    assert!(
        events <= file.len() + (1 << 20),
        "{events} events of {} bytes",
        file.len()
    );
}

/// A header alone, and one with calls of each kind.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let framed = |payload: &[u8]| {
        let length = u16::try_from(payload.len()).expect("a short payload");
        [&length.to_be_bytes()[..], payload].concat()
    };
    // Run, part, began, selector, digest, seed, properties, two sinks, one header.
    let header = framed(b"\x01\x00\x05\x01s\x01d\x07\x00\x02\x01a\x01n\x00\x01b\x01n\x00\x01\x01h");
    // Each kind, with a load of two events of which one has the header.
    let calls = framed(
        b"\x05\x09\x00\x01\x01\x00\x03\x02\x02v\x00\x02\x00\x01\x02\x01\x00\x03\x05\x00\x02\x09\
          \x04\x01\x01\x05\x01\x00\x06\x01\x00\x02\x02\x00\x02w\x03\x00\x01",
    );
    let file = [&b"FLUMETRC\x01"[..], &[0; 8]].concat();
    vec![header.clone(), [header, calls].concat(), file]
}
