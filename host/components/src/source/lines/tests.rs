//! Lines, shown as text, for input cut in any way.

use proptest::prelude::*;

use super::*;

fn settings(max_length: usize) -> LineSettings {
    LineSettings {
        max_length,
        charset: Charset::Utf8,
        skip_long: false,
        replace_malformed: false,
        deliver_partial: false,
    }
}

/// What a stream gives, in order: lines, `<too long>`, and why it ended.
fn read(
    settings: LineSettings,
    pieces: &[&[u8]],
    most: usize,
) -> (Vec<String>, Option<StopReason>) {
    let mut lines = Lines::new(settings);
    let mut seen = Vec::new();
    for piece in pieces {
        lines.space().extend_from_slice(piece);
        lines.take_in();
        loop {
            let batch = lines.next_batch(most);
            if batch.is_empty() {
                break;
            }
            assert!(batch.events.len() <= most);
            seen.extend(told(&batch));
            if batch.end.is_some() {
                return (seen, batch.end);
            }
        }
        lines.rest();
    }
    let batch = lines.finish();
    seen.extend(told(&batch));
    (seen, batch.end)
}

fn told(batch: &LineBatch) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut long = batch.too_long.iter().peekable();
    for at in 0..=batch.events.len() {
        while long.next_if(|before| **before == at).is_some() {
            told.push("<too long>".to_owned());
        }
        if let Some(event) = batch.events.get(at) {
            told.push(String::from_utf8(event.body.to_vec()).unwrap());
        }
    }
    told
}

fn whole(settings: LineSettings, input: &[u8]) -> (Vec<String>, Option<StopReason>) {
    read(settings, &[input], usize::MAX)
}

#[test]
fn lines_end_with_lf_alone() {
    let (seen, end) = whole(settings(512), b"a\r\n\nb\nrest");
    assert_eq!(
        seen,
        ["a\r", "", "b"],
        "CR stays, an empty line counts, the rest is dropped"
    );
    assert_eq!(end, None);
}

#[test]
fn the_rest_is_delivered_on_request() {
    let partial = LineSettings {
        deliver_partial: true,
        ..settings(512)
    };
    assert_eq!(whole(partial.clone(), b"a\nrest").0, ["a", "rest"]);
    assert_eq!(whole(partial.clone(), b"a\n").0, ["a"]);
    assert_eq!(
        whole(partial, b"a\nb\xFF"),
        (vec!["a".to_owned()], Some(StopReason::Malformed))
    );
}

#[test]
fn the_length_counts_the_line_end() {
    let (seen, end) = whole(settings(10), b"123456789\n1234567890\nnext\n");
    assert_eq!(seen, ["123456789", "<too long>"]);
    assert_eq!(end, Some(StopReason::TooLong));
}

#[test]
fn a_line_without_end_is_too_long_as_soon_as_the_end_can_no_longer_fit() {
    assert_eq!(whole(settings(10), b"123456789").1, None);
    assert_eq!(
        whole(settings(10), b"1234567890").1,
        Some(StopReason::TooLong)
    );
}

#[test]
fn the_length_is_in_java_characters() {
    // Nine characters of two bytes; then four of four bytes, which Java counts as eight.
    assert_eq!(
        whole(settings(10), "äöüäöüäöü\n😀😀😀😀\n".as_bytes())
            .0
            .len(),
        2
    );
    assert_eq!(
        whole(settings(10), "😀😀😀😀😀\n".as_bytes()).1,
        Some(StopReason::TooLong)
    );
}

#[test]
fn long_lines_are_skipped_on_request() {
    let skip = LineSettings {
        skip_long: true,
        ..settings(10)
    };
    let (seen, end) = whole(skip, b"a\n1234567890abcdef\nb\n0123456789012\nc\n");
    assert_eq!(seen, ["a", "<too long>", "b", "<too long>", "c"]);
    assert_eq!(end, None);
}

#[test]
fn lines_before_malformed_input_are_kept() {
    let (seen, end) = whole(settings(512), b"a\nb\n\xFF\nc\n");
    assert_eq!(
        (seen, end),
        (
            vec!["a".to_owned(), "b".to_owned()],
            Some(StopReason::Malformed)
        )
    );
    let replace = LineSettings {
        replace_malformed: true,
        ..settings(512)
    };
    assert_eq!(
        whole(replace, b"a\nb\n\xFF\nc\n").0,
        ["a", "b", "\u{FFFD}", "c"]
    );
}

/// A client that never ends its line, and one that never ends it while it is skipped.
#[test]
fn an_endless_line_costs_bounded_memory() {
    let mut lines = Lines::new(LineSettings {
        skip_long: true,
        ..settings(100_000)
    });
    let piece = [b'x'; READ_BYTES / 2];
    let mut too_long = 0;
    for _ in 0..1000 {
        lines.space().extend_from_slice(&piece);
        lines.take_in();
        too_long += lines.next_batch(usize::MAX).too_long.len();
        assert!(lines.tail.capacity() <= 4 * (100_000 + READ_BYTES));
    }
    assert_eq!(too_long, 1, "one line, one answer");
}

#[test]
fn few_short_lines_do_not_hold_a_whole_buffer() {
    let mut lines = Lines::new(settings(512));
    lines.space().extend_from_slice(b"short\nlines\n");
    lines.take_in();
    let batch = lines.next_batch(usize::MAX);
    lines.rest();
    assert_eq!(
        lines.tail.capacity(),
        0,
        "nothing is kept while nothing comes"
    );
    let body = batch.events.into_iter().next().unwrap().body;
    let buffer = body.try_into_mut().unwrap_or_default();
    assert!(
        buffer.capacity() < 100,
        "the body is alone in {} bytes",
        buffer.capacity()
    );
}

#[test]
fn many_lines_share_the_buffer_that_was_read() {
    let mut lines = Lines::new(settings(512));
    let space = lines.space();
    let read_to = space.as_ptr();
    space.extend_from_slice(&b"0123456789\n".repeat(3000));
    lines.take_in();
    let batch = lines.next_batch(usize::MAX);
    assert_eq!(batch.events.len(), 3000);
    assert_eq!(batch.events[0].body.as_ptr(), read_to, "no copy");
}

/// Malformed text counts as what replaces it, even before its line is complete.
#[test]
fn a_malformed_byte_is_as_long_as_its_replacement() {
    let settings = LineSettings {
        replace_malformed: true,
        ..settings(8)
    };
    let input = "äa\0a"
        .bytes()
        .chain([0xF0, b'a', b'a', b'\n'])
        .collect::<Vec<_>>();
    let whole = read(settings.clone(), &[&input], usize::MAX);
    assert_eq!(whole, (vec!["äa\0a\u{FFFD}aa".to_owned()], None));
    let (begin, end) = input.split_at(input.len() - 1);
    assert_eq!(read(settings, &[begin, end], usize::MAX), whole);
}

/// A client that sends halves of characters for ever is cut off like any other.
#[test]
fn a_line_of_stray_bytes_is_too_long_at_last() {
    for replace_malformed in [false, true] {
        let settings = LineSettings {
            replace_malformed,
            ..settings(512)
        };
        let (lines, end) = read(settings, &[&[0x80; 300], &[0x80; 300]], usize::MAX);
        assert_eq!(end, Some(StopReason::TooLong), "{lines:?}");
    }
}

proptest! {
    /// The lines do not depend on how the input is cut, nor on how many are requested at once.
    #[test]
    fn cuts_do_not_matter(
        input in proptest::collection::vec(
            prop_oneof![Just(b'\n'), Just(b'a'), Just(0xC3), Just(0xA4), any::<u8>()], 0..200),
        cuts in proptest::collection::vec(0_usize..200, 0..8),
        most in 1_usize..5,
        (skip_long, replace_malformed, deliver_partial) in any::<(bool, bool, bool)>(),
    ) {
        let settings =
            LineSettings { skip_long, replace_malformed, deliver_partial, ..settings(8) };
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]).collect();
        let text = std::str::from_utf8(&input).is_ok();
        prop_assume!(text || replace_malformed);
        prop_assert_eq!(
            read(settings.clone(), &pieces, most),
            read(settings, &[&input], usize::MAX)
        );
    }
}
