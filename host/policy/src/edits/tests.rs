//! Every edit is good, or one named violation that leaves the batch as it was.

use super::*;

fn column(values: &[Option<&str>]) -> types::ColumnResult {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for value in values {
        bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
        let end = u32::try_from(bytes.len()).unwrap();
        ends.push(end | if value.is_none() { ABSENT } else { 0 });
    }
    types::ColumnResult { bytes, ends }
}

fn none() -> interceptor::Edits {
    interceptor::Edits {
        verdicts: Vec::new(),
        headers: Vec::new(),
        bodies: None,
    }
}

fn header(name: &str, events: &[u32], values: types::ColumnResult) -> interceptor::Edits {
    let edit = interceptor::HeaderEdit {
        name: name.to_owned(),
        events: events.to_vec(),
        values,
    };
    interceptor::Edits {
        headers: vec![edit],
        ..none()
    }
}

fn bodies(events: &[u32], bodies: types::ColumnResult) -> interceptor::Edits {
    let edit = interceptor::BodyEdit {
        events: events.to_vec(),
        bodies,
    };
    interceptor::Edits {
        bodies: Some(edit),
        ..none()
    }
}

fn events() -> Vec<Event> {
    vec![
        Event::new("a").with_header("h", "1"),
        Event::new("b"),
        Event::new("c"),
    ]
}

/// Room for answers of this size, and for all that they add.
fn room(result: usize) -> Room {
    Room {
        result,
        used: 1000,
        memory: usize::MAX,
    }
}

fn applied(answer: interceptor::Edits) -> (Vec<Event>, Vec<EventVerdict>) {
    let (mut events, mut verdicts) = (events(), Vec::new());
    let edits = Edits::checked(answer, &events, room(1 << 20)).unwrap();
    edits.apply(&mut events, |_, verdict| verdicts.push(verdict));
    (events, verdicts)
}

#[test]
fn no_edit_changes_nothing() {
    assert_eq!(applied(none()), (events(), Vec::new()));
}

#[test]
fn headers_are_set_and_removed() {
    let (edited, _) = applied(header("h", &[0, 2], column(&[None, Some("é")])));
    let expected = [
        Event::new("a"),
        Event::new("b"),
        Event::new("c").with_header("h", "é"),
    ];
    assert_eq!(edited, expected);
}

#[test]
fn one_value_goes_to_all() {
    let (edited, _) = applied(header("n", &[], column(&[Some("x")])));
    assert!(
        edited
            .iter()
            .all(|event| event.headers.get("n").is_some_and(|value| *value == "x"))
    );
    let (edited, _) = applied(header("n", &[1, 2], column(&[Some("x")])));
    assert_eq!(edited[0], events()[0]);
    assert!(edited[1].headers.contains("n") && edited[2].headers.contains("n"));
}

#[test]
fn bodies_are_replaced_and_events_judged() {
    let answer = interceptor::Edits {
        verdicts: vec![1, 0, 2],
        ..bodies(&[1], column(&[Some("B")]))
    };
    let (edited, verdicts) = applied(answer);
    assert_eq!(edited[1].body, "B");
    assert_eq!(
        verdicts,
        [EventVerdict::Keep, EventVerdict::Drop, EventVerdict::Reject]
    );
}

#[test]
fn what_is_wrong_has_a_name() {
    let cut = types::ColumnResult {
        bytes: "é".as_bytes().to_vec(),
        ends: vec![1, 2, 2],
    };
    let behind = types::ColumnResult {
        bytes: vec![],
        ends: vec![0, 0, 1],
    };
    let falling = types::ColumnResult {
        bytes: vec![65; 3],
        ends: vec![2, 1, 3],
    };
    let absent_but_long = types::ColumnResult {
        bytes: vec![65],
        ends: vec![1 | ABSENT, 1, 1],
    };
    let three = || column(&[Some("x"); 3]);
    for (answer, expected) in [
        (
            interceptor::Edits {
                verdicts: vec![1],
                ..none()
            },
            ViolationKind::VerdictLength,
        ),
        (
            interceptor::Edits {
                verdicts: vec![1, 3, 1],
                ..none()
            },
            ViolationKind::VerdictUnknown,
        ),
        (
            header("h", &[0, 3], column(&[None, None])),
            ViolationKind::EditOutOfRange,
        ),
        (
            header("h", &[2, 1], column(&[None, None])),
            ViolationKind::EditUnsorted,
        ),
        (
            header("h", &[1, 1], column(&[None, None])),
            ViolationKind::EditUnsorted,
        ),
        (
            header("h", &[], column(&[None, None])),
            ViolationKind::EditLength,
        ),
        (header("h", &[1], three()), ViolationKind::EditLength),
        (header("", &[], three()), ViolationKind::EditText),
        (header("h", &[], cut), ViolationKind::EditText),
        (header("h", &[], behind), ViolationKind::EditColumn),
        (header("h", &[], falling), ViolationKind::EditColumn),
        (header("h", &[], absent_but_long), ViolationKind::EditColumn),
        (bodies(&[], column(&[None; 3])), ViolationKind::EditColumn),
        (bodies(&[], column(&[Some("x")])), ViolationKind::EditLength),
    ] {
        let text = format!("{answer:?}");
        let found = Edits::checked(answer, &events(), room(1 << 20))
            .map(|_| ())
            .map_err(|violation| violation.kind);
        assert_eq!(found, Err(expected), "{text}");
    }
}

/// A few bytes for each of many events are many bytes.
#[test]
fn edits_are_measured_by_what_they_make() {
    let checked = |most| {
        let answer = header("h", &[], column(&[Some("1234")]));
        Edits::checked(answer, &vec![Event::new("x"); 100], room(most))
    };
    // Name, value, and what a header costs beside them.
    let makes = 100 * (1 + 4 + CELL);
    assert!(checked(makes).is_ok());
    let violation = checked(makes - 1).unwrap_err();
    assert_eq!(violation.kind, ViolationKind::ResultSize);
    let body = || bodies(&[], column(&[Some("12345"); 3]));
    assert!(Edits::checked(body(), &events(), room(15)).is_ok());
    assert!(Edits::checked(body(), &events(), room(14)).is_err());
}

/// What an answer adds to each event counts like memory of the instance, to the byte.
#[test]
fn what_edits_add_counts_as_memory() {
    let held = |answer: &interceptor::Edits, memory: usize| {
        let room = Room {
            memory,
            ..room(usize::MAX)
        };
        Edits::checked(answer.clone(), &events(), room).map(drop)
    };
    let long = "x".repeat(700);
    let one = |events: &[u32]| header("name", events, column(&[Some(&long)]));
    let each = 4 + 700 + CELL;
    for (answer, adds) in [
        (one(&[]), 3 * each),
        (one(&[1]), each),
        // What is removed adds nothing.
        (header("name", &[0, 1], column(&[None, Some(&long)])), each),
        // Of bodies, what they become longer: each had one byte.
        (
            bodies(&[], column(&[Some(&long), Some(""), Some("y")])),
            699,
        ),
        (
            interceptor::Edits {
                headers: one(&[2]).headers,
                ..bodies(&[1], column(&[Some(&long)]))
            },
            each + 699,
        ),
    ] {
        assert_eq!(held(&answer, 1000 + adds), Ok(()), "{answer:?}");
        let violation = held(&answer, 1000 + adds - 1).unwrap_err();
        assert_eq!(violation.kind, ViolationKind::Memory);
        let (total, may) = (1000 + adds, 999 + adds);
        let figures = format!(
            "has 1000 bytes of memory, and its edits add {adds} to 3 events: \
             {total} together, may have {may} (memory-kib)"
        );
        assert_eq!(violation.detail, figures);
    }
    // A policy that has all of its memory may still change what is there.
    let same = bodies(&[], column(&[Some("A"), Some("B"), Some("C")]));
    assert_eq!(held(&same, 1000), Ok(()));
}

/// One event must not keep the answer of a whole batch in memory.
#[test]
fn values_of_a_large_answer_stand_alone() {
    for (size, shares) in [(SHARED, true), (SHARED + 1, false)] {
        let values = Values::checked(types::ColumnResult {
            bytes: vec![b'x'; size],
            ends: vec![1, u32::try_from(size).unwrap()],
        })
        .unwrap();
        let first = values.iter().next().unwrap().unwrap();
        assert_eq!(first.as_ptr() == values.bytes.as_ptr(), shares, "{size}");
    }
    // Bytes after the last value belong to no value.
    let values = Values::checked(types::ColumnResult {
        bytes: vec![b'x'; 100],
        ends: vec![1],
    })
    .unwrap();
    assert_eq!(values.bytes.len(), 1);
}

/// A name, the events, and their values.
type Edit<'e> = (String, Vec<u32>, Vec<Option<&'e str>>);

fn headers(edits: Vec<Edit<'_>>) -> interceptor::Edits {
    let edits = edits
        .into_iter()
        .map(|(name, events, values)| interceptor::HeaderEdit {
            name,
            events,
            values: column(&values),
        });
    interceptor::Edits {
        headers: edits.collect(),
        ..none()
    }
}

/// Up to so many are made one by one, more are gathered: nobody can tell.
#[test]
fn many_edits_are_as_few() {
    let edit = |at: usize| {
        let name = if at.is_multiple_of(5) {
            "h".to_owned()
        } else {
            format!("h{}", at % 11)
        };
        match at % 3 {
            0 => (name, vec![0, 2], vec![Some("x"), None]),
            1 => (name, vec![], vec![Some("y")]),
            _ => (name, vec![], vec![None, Some("z"), Some("é")]),
        }
    };
    let all: Vec<_> = (0..200).map(edit).collect();
    let (at_once, _) = applied(headers(all.clone()));
    let mut one_by_one = events();
    for part in all.chunks(FEW) {
        let edits = Edits::checked(headers(part.to_vec()), &events(), room(1 << 20)).unwrap();
        edits.apply(&mut one_by_one, |_, _| {});
    }
    assert_eq!(at_once, one_by_one);
    assert!(at_once.iter().all(|event| event.headers.len() > 3));
}

#[test]
fn the_number_of_edits_is_bounded() {
    let many = |count: usize| {
        let edit = |at| (format!("h{at}"), vec![0], vec![Some("x")]);
        Edits::checked(
            headers((0..count).map(edit).collect()),
            &events(),
            room(1 << 20),
        )
    };
    assert!(many(MOST_EDITS).is_ok());
    let violation = many(MOST_EDITS + 1).unwrap_err();
    assert_eq!(violation.kind, ViolationKind::EditCount, "{violation}");
}
