//! The text of a file as it may be shown: without the values that are secret.
//!
//! Findings draw lines of the file, and lines between them, so the text is masked as a whole and
//! not finding by finding. Lines stay lines; columns behind a masked value move.

use std::ops::Range;

use flume_core::Span;
use flume_core::context::{MASK, looks_secret, without_user};

/// A part of the text, and what is shown in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hidden {
    /// The part.
    pub span: Span,
    /// What is shown.
    pub shown: String,
}

/// The text with other parts in place of the hidden ones.
pub(super) struct ShownText {
    pub(super) text: String,
    /// Each hidden part, and where its replacement is.
    moved: Vec<(Span, Range<usize>)>,
}

impl ShownText {
    pub(super) fn new(text: &str, hidden: &[Hidden]) -> Self {
        let mut parts: Vec<&Hidden> = hidden.iter().collect();
        parts.sort_by_key(|part| part.span);
        let mut shown = Self {
            text: String::with_capacity(text.len()),
            moved: Vec::new(),
        };
        let mut at = 0;
        for Hidden { span, shown: with } in parts {
            let Some(part) = text.get(span.start..span.end) else {
                continue;
            };
            // Of parts that overlap the first one counts, up to where it ends.
            let Some(before) = text.get(at..span.start) else {
                continue;
            };
            shown.text.push_str(before);
            let start = shown.text.len();
            shown.text.push_str(with);
            shown.text.extend(part.matches('\n'));
            shown.moved.push((*span, start..shown.text.len()));
            at = span.end;
        }
        shown.text.push_str(text.get(at..).unwrap_or_default());
        shown
    }

    /// Where a place of the file is in the shown text. A place in a hidden part is all of it.
    pub(super) fn place(&self, span: Span) -> Span {
        Span {
            start: self.moved(span.start, false),
            end: self.moved(span.end, true),
        }
    }

    fn moved(&self, at: usize, is_end: bool) -> usize {
        let before = self.moved.iter().rev().find(|(span, _)| match is_end {
            true => span.start < at,
            false => span.start <= at,
        });
        match before {
            None => at,
            Some((span, to)) if at >= span.end => to.end + (at - span.end),
            Some((_, to)) if is_end => to.end,
            Some((_, to)) => to.start,
        }
    }
}

/// What is hidden in comments: they are not read, and may hold what was set before.
pub(crate) fn in_comments(text: &str, marks: &[char]) -> Vec<Hidden> {
    let comments = lines(text).filter(|(_, line)| line.trim_start().starts_with(marks));
    comments
        .filter_map(|(start, line)| in_line(start, line))
        .collect()
}

/// What is hidden in a file whose keys cannot be read. A text over several lines is hidden to its
/// end.
pub(crate) fn in_unreadable(text: &str) -> Vec<Hidden> {
    let mut hidden: Vec<Hidden> = Vec::new();
    for (start, line) in lines(text) {
        if hidden.last().is_some_and(|last| last.span.end > start) {
            continue;
        }
        let Some(mut part) = in_line(start, line) else {
            continue;
        };
        let value = text.get(part.span.start..).unwrap_or_default();
        for quotes in ["\"\"\"", "'''"] {
            if let Some(inner) = value.strip_prefix(quotes) {
                let end = inner.find(quotes).map(|end| end + 2 * quotes.len());
                let end = part.span.start + end.unwrap_or(value.len());
                part.span.end = part.span.end.max(end);
            }
        }
        hidden.push(part);
    }
    hidden
}

/// The lines of a text without their ends, each with its place.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |next, line| {
        let start = *next;
        *next += line.len();
        Some((start, line.trim_end()))
    })
}

/// The value of the first key in a line that reads like a secret, or else an address with a user.
fn in_line(start: usize, line: &str) -> Option<Hidden> {
    for (at, _) in line.match_indices(['=', ':']) {
        let (before, after) = (line.get(..at)?, line.get(at + 1..)?);
        let blank = |char: char| char.is_whitespace() || matches!(char, '"' | '\'');
        let key = before.trim_end_matches(blank);
        let mut words = key.rsplit(|char: char| char.is_whitespace() || ",{\"'".contains(char));
        let Some(key) = words.find(|word| !word.is_empty()) else {
            continue;
        };
        if looks_secret(key) || key.rsplit('.').next() == Some("command") {
            let blanks = after.len() - after.trim_start().len();
            let span = Span {
                start: start + at + 1 + blanks,
                end: start + line.len(),
            };
            let shown = MASK.to_owned();
            return Some(Hidden { span, shown });
        }
    }
    let shown = without_user(line);
    let span = Span {
        start,
        end: start + line.len(),
    };
    (shown != line).then_some(Hidden { span, shown })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    fn shown(text: &str, hidden: &[Hidden]) -> String {
        ShownText::new(text, hidden).text
    }

    #[test]
    fn places_move_with_the_text() {
        let text = "a = secret\nb = x\ny z\nc = 1\n";
        let hide = |start, end| Hidden {
            span: span(start, end),
            shown: MASK.to_owned(),
        };
        let shown = ShownText::new(text, &[hide(15, 20), hide(4, 10), hide(900, 901)]);
        assert_eq!(shown.text, "a = ***\nb = ***\n\nc = 1\n");
        for (from, to) in [
            (span(0, 1), span(0, 1)),
            (span(4, 10), span(4, 7)),
            (span(6, 8), span(4, 7)),
            (span(11, 12), span(8, 9)),
            (span(21, 22), span(17, 18)),
            (span(10, 10), span(7, 7)),
        ] {
            assert_eq!(shown.place(from), to, "{from:?}");
        }
    }

    #[test]
    fn comments_hide_what_was_set_before() {
        let text = "# keystore-password = old\nx.password = y\n#a: s3://k:s@b\n! none\n";
        assert_eq!(
            shown(text, &in_comments(text, &['#', '!'])),
            "# keystore-password = ***\nx.password = y\n#a: s3://***@b\n! none\n"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_hides_what_reads_like_a_secret() {
        let text = "[a.sinks.k]\nport = 4x\naccount_key = \"one\nk = { \"sas\" = 'x', y = 1 }\n\
                    token = \"\"\"\ntwo=\nthree\"\"\"\nx = 1\nsecret = '''\nfour\n";
        assert_eq!(
            shown(text, &in_unreadable(text)),
            "[a.sinks.k]\nport = 4x\naccount_key = ***\nk = { \"sas\" = ***\n\
             token = ***\n\n\nx = 1\nsecret = ***\n\n"
        );
    }
}
