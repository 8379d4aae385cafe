//! Text of others, made fit for a line: a guest's words, a peer's error, a client's header.
//!
//! The law: it cannot end a line, move a cursor or turn the direction of writing. So nobody forges a
//! line of the log, or a screen of who reads it. It is applied once, where such text comes in; text
//! that went through it stays as it is if it does so again.

use std::borrow::Cow;

/// The text with each character that is not [plain](is_plain) written as an escape: `\n`, `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_plain(character) {
            true => shown.push(character),
            false => shown.extend(character.escape_default()),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character only shows itself. Control characters do not, nor do the separators of lines
/// and paragraphs, nor what turns the direction of writing.
pub fn is_plain(character: char) -> bool {
    let is_layout = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !character.is_control() && !is_layout
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_a_line_is_escaped_once() {
        for (text, shown) in [
            ("plain é 日本 \\ \"", "plain é 日本 \\ \""),
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("\u{1b}[31mred\u{9b}", r"\u{1b}[31mred\u{9b}"),
            ("\u{2028}\u{202e}\u{2066}", r"\u{2028}\u{202e}\u{2066}"),
            ("\0\u{7f}", r"\u{0}\u{7f}"),
        ] {
            assert_eq!(printable(text), shown);
            assert_eq!(printable(&printable(text)), shown);
        }
    }
}
