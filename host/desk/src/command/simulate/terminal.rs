//! What the terminal can show: how wide it is, whether in colour, and with which characters.

use std::env;
use std::io::{IsTerminal, stdout};

/// Columns if the number is not known.
const COLUMNS: usize = 80;

/// The fewest columns that a chart needs, and the most that it uses.
const BOUNDS: (usize, usize) = (40, 260);

/// What the terminal can show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::command) struct Terminal {
    /// Columns.
    pub(in crate::command) width: usize,
    /// Whether characters beyond ASCII can be shown.
    pub(in crate::command) unicode: bool,
    /// Whether colours can be shown.
    pub(in crate::command) colour: bool,
}

impl Terminal {
    /// Standard output, unless the command line says otherwise.
    pub(super) fn find(width: Option<u16>, ascii: bool) -> Self {
        let is_terminal = stdout().is_terminal();
        let asked = if is_terminal { columns() } else { None };
        let width = width.map(usize::from).or(asked).unwrap_or(COLUMNS);
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(variable);
        Self {
            width: width.clamp(BOUNDS.0, BOUNDS.1),
            unicode: !ascii && locale.is_some_and(|locale| is_unicode(&locale)),
            colour: is_terminal && env::var_os("NO_COLOR").is_none(),
        }
    }

    /// Text in one of a few colours.
    pub(super) fn paint(&self, text: &str, colour: usize) -> String {
        const CODES: [u8; 6] = [34, 32, 33, 35, 36, 31];
        match CODES.get(colour % CODES.len()) {
            Some(code) if self.colour && !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

fn is_unicode(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

fn columns() -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked()?;
    (columns > 0).then_some(usize::from(columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_says_which_characters_there_are() {
        for (locale, expected) in [("C.UTF-8", true), ("de_DE.utf8", true), ("C", false)] {
            assert_eq!(is_unicode(locale), expected, "{locale}");
        }
    }

    #[test]
    fn the_width_has_bounds_and_ascii_wins() {
        let found = Terminal::find(Some(10), true);
        assert_eq!((found.width, found.unicode), (40, false));
        assert_eq!(Terminal::find(Some(1000), true).width, 260);
    }

    #[test]
    fn without_colour_text_is_as_it_was() {
        let mut terminal = Terminal {
            width: 80,
            unicode: true,
            colour: false,
        };
        assert_eq!(terminal.paint("x", 1), "x");
        terminal.colour = true;
        assert_eq!(terminal.paint("x", 1), "\x1b[32mx\x1b[0m");
    }
}
