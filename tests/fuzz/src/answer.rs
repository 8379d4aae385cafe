//! Answers of policies: each is a violation that changes nothing, or it is carried out within the
//! limits, and in one way.

use flume_core::Event;
use flume_policy::testing::{Answer, Rows, edit, order, route};

use crate::input::Input;

/// The bit of a row without a value.
const ABSENT: u32 = 0x8000_0000;

/// Limits that small answers reach.
const RESULT: usize = 4_000;
const USED: usize = 1_000;
const MEMORY: usize = 4_000;

/// The first byte says what is answered.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    match input.byte() % 4 {
        0 => orders(&mut input),
        _ => edits(&mut input),
    }
}

fn orders(input: &mut Input<'_>) {
    let (sinks, events) = (input.up_to(70), input.up_to(20));
    let answer = input.small_numbers(80);
    if let Ok(order) = order(&answer, sinks) {
        let mut seen = vec![false; sinks];
        for sink in order {
            assert!(!std::mem::replace(&mut seen[sink], true), "{answer:?}");
        }
    }
    if let Ok(route) = route(&answer, events, sinks) {
        assert_eq!(route.len(), events);
        assert!(route.iter().all(|sink| *sink < sinks), "{answer:?}");
    }
}

fn edits(input: &mut Input<'_>) {
    let events: Vec<Event> = (0..input.up_to(6)).map(|_| event(input)).collect();
    let verdicts = match input.byte() % 8 {
        0 => events.iter().map(|_| input.byte() % 3).collect(),
        1 => input.bytes(7).to_vec(),
        _ => Vec::new(),
    };
    let headers = (0..input.up_to(24)).map(|_| (name(input), rows(input, events.len())));
    let answer = Answer {
        verdicts,
        headers: headers.collect(),
        bodies: (input.byte() & 1 == 1).then(|| rows(input, events.len())),
    };
    let mut edited = events.clone();
    let (limits, whole) = ((RESULT, USED, MEMORY), answer.clone());
    let Ok(verdicts) = edit(whole, &mut edited, limits) else {
        assert_eq!(edited, events, "a violation changes nothing");
        return;
    };
    assert_eq!(edited.len(), events.len());
    assert!(verdicts.is_empty() || verdicts.len() == events.len());
    let pairs = edited.iter().zip(&events);
    let added: usize = pairs
        .map(|(new, old)| size(new).saturating_sub(size(old)))
        .sum();
    assert!(added <= MEMORY - USED, "{added} bytes by {answer:?}");
    // Many edits are carried out in another way than few; the result is the same.
    let mut one_by_one = events;
    for header in answer.headers {
        let headers = vec![header];
        edit(
            Answer {
                headers,
                ..Answer::default()
            },
            &mut one_by_one,
            limits,
        )
        .expect("a part");
    }
    let bodies = answer.bodies;
    edit(
        Answer {
            bodies,
            ..Answer::default()
        },
        &mut one_by_one,
        limits,
    )
    .expect("a part");
    assert_eq!(edited, one_by_one);
}

fn event(input: &mut Input<'_>) -> Event {
    let count = input.up_to(5);
    let mut event = Event::new(input.bytes(count).to_vec());
    for _ in 0..input.up_to(2) {
        event.headers.insert(name(input), "value");
    }
    event
}

fn size(event: &Event) -> usize {
    event.headers.bytes() + event.body.len()
}

/// One of few, mostly, so that edits meet.
fn name(input: &mut Input<'_>) -> String {
    match input.byte() {
        byte @ 0..240 => char::from(b'a' + byte % 5).to_string(),
        byte => String::from_utf8_lossy(input.bytes(usize::from(byte - 240))).into_owned(),
    }
}

/// Values for some of these events; mostly as many as there should be.
fn rows(input: &mut Input<'_>, events: usize) -> Rows {
    let wanted: Vec<u32> = match input.byte() % 8 {
        0..4 => Vec::new(),
        4..7 => {
            let mask = input.byte();
            (0..8_u8)
                .filter(|at| usize::from(*at) < events && mask >> at & 1 == 1)
                .map(u32::from)
                .collect()
        }
        _ => input.small_numbers(4),
    };
    let count = match (input.byte() % 8, wanted.len()) {
        (0, _) => 1,
        (1, _) => input.up_to(9),
        (_, 0) => events,
        (_, some) => some,
    };
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let here = u32::try_from(bytes.len()).expect("a few bytes");
        let end = match input.byte() {
            0..40 => here | ABSENT,
            254 => here + u32::from(input.byte() % 20),
            255 => input.number(),
            byte => {
                let value = input.bytes(usize::from(byte % 12));
                // Text, mostly.
                let as_text = |of: &u8| if byte < 230 { of & 0x7f } else { *of };
                bytes.extend(value.iter().map(as_text));
                u32::try_from(bytes.len()).expect("a few bytes")
            }
        };
        ends.push(end);
    }
    Rows {
        events: wanted,
        bytes,
        ends,
    }
}

/// An order, and edits of every kind: long enough for all that is drawn from them.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![vec![0, 3, 2, 3, 0, 1, 2], vec![0, 3, 2, 2, 2, 1]];
    let mut state = 1_u32;
    let mut byte = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    for length in [40, 80, 120, 200, 300, 500] {
        seeds.extend((0..8).map(|_| {
            let mut seed: Vec<u8> = (0..length).map(|_| byte()).collect();
            seed[0] |= 1;
            seed
        }));
    }
    seeds
}
