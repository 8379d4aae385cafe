//! Values: what a setting may be, and what Java's words are in the library's.

use std::borrow::Cow;

/// What the value of a setting of the library may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Is {
    /// Anything.
    Text,
    /// One of these, in upper or lower case.
    OneOf(&'static [&'static str]),
    /// A whole number from the first to the last.
    Number(i64, i64),
    /// The same, with or without decimals.
    Decimal(i64, i64),
}

/// How Java's value becomes one of the library.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    /// It is the same.
    Same,
    /// A word, in upper or lower case, for another. An empty one sets nothing, and takes back what
    /// the same name has set.
    Words(&'static [(&'static str, &'static str)]),
    /// A name of a class or of the library, for a name of the library.
    Class(&'static [(&'static str, &'static str)]),
    /// A list of such names, with commas.
    Classes(&'static [(&'static str, &'static str)]),
    /// Bytes become KiB, rounded up.
    Kibibytes,
    /// A negative number means none, and the library's word for that is 0.
    NegativeIsNone,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is none of these words.
    NotOneOf(Vec<&'static str>),
    /// It is not a number in these bounds.
    NotANumber(i64, i64),
    /// It is a number below these bounds.
    TooSmall(i64, i64),
    /// It is a class that is not one of these.
    NoSuchClass(Vec<&'static str>),
}

/// A value that the library takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fit {
    /// The value.
    pub(super) text: String,
    /// Whether more was asked for than the library takes.
    pub(super) is_less: bool,
}

impl How {
    /// The value in the library's words.
    pub(super) fn convert(self, text: &str) -> Result<Cow<'_, str>, Flaw> {
        let number = |text: &str| text.parse::<i128>().ok();
        match self {
            Self::Same => Ok(Cow::Borrowed(text)),
            Self::Words(words) => match word_for(words, text) {
                Some(word) => Ok(Cow::Borrowed(word)),
                None => Err(Flaw::NotOneOf(
                    words.iter().map(|(word, _)| *word).collect(),
                )),
            },
            Self::Class(classes) => class_for(classes, text).map(Cow::Borrowed),
            Self::Classes(classes) => {
                let names = text
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty());
                let names: Result<Vec<_>, _> = names.map(|name| class_for(classes, name)).collect();
                Ok(Cow::Owned(names?.join(",")))
            }
            Self::Kibibytes => Ok(match number(text) {
                Some(bytes) if bytes > 0 => {
                    let whole = bytes / 1024 + i128::from(bytes % 1024 > 0);
                    Cow::Owned(whole.to_string())
                }
                _ => Cow::Borrowed(text),
            }),
            Self::NegativeIsNone => Ok(match number(text) {
                Some(none) if none < 0 => Cow::Borrowed("0"),
                _ => Cow::Borrowed(text),
            }),
        }
    }
}

impl Is {
    /// The value as the library takes it. Java's numbers may be larger than the library's, and the
    /// largest often stands for "no limit": the most that the library takes comes closest.
    pub(super) fn check(self, text: &str) -> Result<Fit, Flaw> {
        let fit = |text: &str, is_less| {
            let text = text.to_owned();
            Ok(Fit { text, is_less })
        };
        match self {
            Self::Text => fit(text, false),
            Self::OneOf(words) => {
                let found = words.iter().find(|word| word.eq_ignore_ascii_case(text));
                found.map_or_else(
                    || Err(Flaw::NotOneOf(words.to_vec())),
                    |word| fit(word, false),
                )
            }
            Self::Number(least, most) => match text.parse::<i128>() {
                Ok(number) if number < least.into() => Err(Flaw::TooSmall(least, most)),
                Ok(number) if number > most.into() => fit(&most.to_string(), true),
                // In the usual digits: Rust reads `+5`, and C may not.
                Ok(number) => fit(&number.to_string(), false),
                Err(_) => Err(Flaw::NotANumber(least, most)),
            },
            Self::Decimal(least, most) => match text.parse::<f64>() {
                Ok(_) if !text.bytes().all(is_of_number) => Err(Flaw::NotANumber(least, most)),
                // Both bounds are far below 2⁵³, so no digit is lost.
                Ok(number) if number < as_decimal(least) => Err(Flaw::TooSmall(least, most)),
                Ok(number) if number > as_decimal(most) => fit(&most.to_string(), true),
                Ok(_) => fit(text, false),
                Err(_) => Err(Flaw::NotANumber(least, most)),
            },
        }
    }
}

/// A digit, a sign or a point: `inf`, `nan` and `1e3` are numbers for Rust, too.
fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
}

fn as_decimal(bound: i64) -> f64 {
    i32::try_from(bound).map_or(f64::INFINITY, f64::from)
}

fn word_for(words: &[(&'static str, &'static str)], text: &str) -> Option<&'static str> {
    let mut words = words.iter();
    let found = words.find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, word)| *word)
}

/// Classes are named exactly, as Java does; words of the library in upper or lower case.
fn class_for(classes: &[(&'static str, &'static str)], text: &str) -> Result<&'static str, Flaw> {
    let mut all = classes.iter();
    let found = all.find(|(class, word)| *class == text || word.eq_ignore_ascii_case(text));
    let known = || classes.iter().map(|(class, _)| *class).collect();
    found
        .map(|(_, word)| *word)
        .ok_or_else(|| Flaw::NoSuchClass(known()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_java_become_those_of_the_library() {
        const WORDS: How = How::Words(&[("all", "all"), ("-1", "all"), ("no", "")]);
        const CLASSES: &[(&str, &str)] = &[("a.Range", "range"), ("a.Other", "other")];
        for (how, java, library) in [
            (How::Same, "aB", "aB"),
            (WORDS, "ALL", "all"),
            (WORDS, "-1", "all"),
            (WORDS, "no", ""),
            (How::Class(CLASSES), "a.Range", "range"),
            (How::Class(CLASSES), "OTHER", "other"),
            (How::Classes(CLASSES), "a.Other , a.Range,", "other,range"),
            (How::Kibibytes, "1024", "1"),
            (How::Kibibytes, "1025", "2"),
            (How::Kibibytes, "9223372036854775807", "9007199254740992"),
            (How::Kibibytes, "0", "0"),
            (How::Kibibytes, "x", "x"),
            (How::NegativeIsNone, "-1", "0"),
            (How::NegativeIsNone, "7", "7"),
        ] {
            assert_eq!(how.convert(java).as_deref(), Ok(library), "{how:?} {java}");
        }
        let words = Flaw::NotOneOf(vec!["all", "-1", "no"]);
        assert_eq!(WORDS.convert("2"), Err(words));
        let classes = Flaw::NoSuchClass(vec!["a.Range", "a.Other"]);
        assert_eq!(
            How::Classes(CLASSES).convert("range,a.range"),
            Err(classes.clone())
        );
        assert_eq!(How::Class(CLASSES).convert("b.Mine"), Err(classes));
    }

    #[test]
    fn a_value_fits_or_says_what_would() {
        for (is, given, taken, is_less) in [
            (Is::Text, "a b", "a b", false),
            (Is::OneOf(&["true", "false"]), "TRUE", "true", false),
            (Is::Number(-1, 10), "-1", "-1", false),
            (Is::Number(-1, 10), "+7", "7", false),
            (Is::Number(-1, 10), "11", "10", true),
            (Is::Number(-1, 10), "9223372036854775808", "10", true),
            (Is::Decimal(0, 900), "0.5", "0.5", false),
            (Is::Decimal(0, 900), "901", "900", true),
        ] {
            let text = taken.to_owned();
            assert_eq!(is.check(given), Ok(Fit { text, is_less }), "{is:?} {given}");
        }
        let number = Flaw::NotANumber(0, 9);
        for text in ["", "x", "1e1", "inf", "NaN", "1_0", "0x1"] {
            assert_eq!(Is::Number(0, 9).check(text), Err(number.clone()), "{text}");
            assert_eq!(Is::Decimal(0, 9).check(text), Err(number.clone()), "{text}");
        }
        assert_eq!(Is::Number(0, 9).check("-1"), Err(Flaw::TooSmall(0, 9)));
        assert_eq!(Is::Decimal(0, 9).check("-0.1"), Err(Flaw::TooSmall(0, 9)));
        let words = Flaw::NotOneOf(vec!["a"]);
        assert_eq!(Is::OneOf(&["a"]).check("b"), Err(words));
    }
}
