//! The search_replace interceptor: edits bodies with a pattern and Java's replacement syntax.
//!
//! A body without a match stays as it is, byte for byte. (Flume decodes and encodes it anyway, which
//! changes malformed bytes.)

use std::borrow::Cow;

use bytes::Bytes;
use flume_core::{Batch, Code, Context, Interceptor, InterceptorError, Recipe};

use super::java_regex::{JavaRegex, Replacement};
use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "search_replace",
    "org.apache.flume.interceptor.SearchAndReplaceInterceptor$Builder",
];

/// Replaces every match in a body.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchAndReplaceInterceptor {
    name: String,
    regex: JavaRegex,
    replacement: Replacement,
    charset: BodyCharset,
}

/// The character set of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyCharset {
    Utf8,
    Ascii,
    Latin1,
}

/// The names that Java has for them.
const CHARSETS: &[(&str, BodyCharset)] = &[
    ("UTF-8", BodyCharset::Utf8),
    ("UTF8", BodyCharset::Utf8),
    ("US-ASCII", BodyCharset::Ascii),
    ("ASCII", BodyCharset::Ascii),
    ("ISO-8859-1", BodyCharset::Latin1),
    ("ISO8859_1", BodyCharset::Latin1),
    ("latin1", BodyCharset::Latin1),
];

/// Reads `searchPattern` (required), `replaceString` (empty) and `charset` (UTF-8, US-ASCII or
/// ISO-8859-1).
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Interceptor>> {
    let pattern = context.required("searchPattern");
    let replacement = context.string("replaceString", "");
    let charset = charset(context);
    let regex = JavaRegex::or_report(JavaRegex::new(&pattern?), context, "searchPattern")?;
    let replacement = Replacement::new(&replacement, &regex)
        .map_err(|error| {
            let message = format!(
                "`{}.replaceString` is not a valid replacement: {error}",
                context.path()
            );
            let help = "`$1` and `${name}` are groups of `searchPattern`, `\\` escapes";
            context.error("replaceString", Code::BadValue, message, help);
        })
        .ok()?;
    let name = context.name().to_owned();
    let interceptor = SearchAndReplaceInterceptor {
        name,
        regex,
        replacement,
        charset: charset?,
    };
    Some(Recipe::<dyn Interceptor>::new(interceptor, |interceptor| {
        Box::new(interceptor.clone())
    }))
}

impl Interceptor for SearchAndReplaceInterceptor {
    fn name(&self) -> &str {
        &self.name
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        batch.try_edit(|event| {
            let text = self.charset.decode(&event.body);
            let replaced = self.regex.replace_all(&text, &self.replacement);
            if let Some(replaced) = replaced.map_err(|error| error.of(&self.name))? {
                event.body = self.charset.encode(replaced);
            }
            Ok(())
        });
        Ok(())
    }
}

impl BodyCharset {
    /// What is malformed becomes the replacement character, as in Java.
    fn decode(self, body: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Utf8 => String::from_utf8_lossy(body),
            Self::Latin1 => body.iter().map(|byte| char::from(*byte)).collect(),
            Self::Ascii => {
                let char_of = |byte: &u8| {
                    if byte.is_ascii() {
                        char::from(*byte)
                    } else {
                        '\u{FFFD}'
                    }
                };
                body.iter().map(char_of).collect()
            }
        }
    }

    /// What does not exist in the charset becomes `?`, as in Java.
    fn encode(self, text: String) -> Bytes {
        let limit = match self {
            Self::Utf8 => return text.into(),
            Self::Latin1 => u8::MAX,
            Self::Ascii => 0x7F,
        };
        let byte_of = |c| {
            u8::try_from(c)
                .ok()
                .filter(|byte| *byte <= limit)
                .unwrap_or(b'?')
        };
        text.chars().map(byte_of).collect()
    }
}

/// The character set. `None` leaves an error.
fn charset(context: &mut Context) -> Option<BodyCharset> {
    let name = context.string("charset", "UTF-8");
    let found = CHARSETS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(&name));
    if let Some((_, charset)) = found {
        return Some(*charset);
    }
    let message = format!(
        "`{}.charset` names a character set that is not here: `{name}`",
        context.path()
    );
    let help = "`UTF-8`, `US-ASCII` or `ISO-8859-1`";
    context.error("charset", Code::Unsupported, message, help);
    None
}

#[cfg(test)]
mod tests {
    use flume_core::Event;

    use crate::interceptor::tests::{finds, intercept, try_intercept};

    fn edited(keys: &[(&str, &str)], body: &'static [u8]) -> Vec<u8> {
        intercept("search_replace", keys, Event::new(body))
            .unwrap()
            .body
            .to_vec()
    }

    /// Flume: TestSearchAndReplaceInterceptor.testRemovePrefix, testSyslogStripPriority,
    /// testCapturedGroups, testRepeatedRemoval, testReplaceEmpty (I8).
    #[test]
    fn bodies_are_edited() {
        for (pattern, replacement, body, expected) in [
            (
                "^prefix",
                Some(""),
                "prefix non-prefix suffix",
                " non-prefix suffix",
            ),
            (
                "^<[0-9]+>",
                Some(""),
                "<13>Feb  5 17:32:18 10.0.0.99",
                "Feb  5 17:32:18 10.0.0.99",
            ),
            (
                "The quick brown ([a-z]+) jumped over the lazy ([a-z]+)",
                Some("The hungry $2 ate the careless $1"),
                "The quick brown fox jumped over the lazy dog",
                "The hungry dog ate the careless fox",
            ),
            (
                r"Email addresses: (.*)@(\w+)",
                Some("$2,$1"),
                "Email addresses: me@x",
                "x,me",
            ),
            ("[a-z]", Some(""), "a1b2c3", "123"),
            (
                "abc123@test.com",
                None,
                "My address is abc123@test.com.",
                "My address is .",
            ),
        ] {
            let mut keys = vec![("searchPattern", pattern)];
            keys.extend(replacement.map(|text| ("replaceString", text)));
            assert_eq!(
                edited(&keys, body.as_bytes()),
                expected.as_bytes(),
                "{pattern}"
            );
        }
    }

    #[test]
    fn charsets_are_javas() {
        let keys = |charset| {
            [
                ("searchPattern", "é|x"),
                ("replaceString", "ü"),
                ("charset", charset),
            ]
        };
        assert_eq!(
            edited(&keys("UTF-8"), b"caf\xC3\xA9\xFF"),
            "cafü\u{FFFD}".as_bytes()
        );
        assert_eq!(edited(&keys("iso-8859-1"), b"caf\xE9"), b"caf\xFC");
        assert_eq!(edited(&keys("US-ASCII"), b"x"), b"?");
        assert_eq!(edited(&keys("UTF-8"), b"no match \xFF"), b"no match \xFF");
        assert!(finds(
            "search_replace",
            &keys("EBCDIC"),
            "names a character set that is not here: `EBCDIC`"
        ));
    }

    #[test]
    fn bad_keys_are_findings() {
        let with = |replacement| [("searchPattern", "(x)"), ("replaceString", replacement)];
        assert!(finds(
            "search_replace",
            &with("$2"),
            "the pattern has no group 2"
        ));
        assert!(finds(
            "search_replace",
            &[("searchPattern", "(x")],
            "is not a valid regular expression"
        ));
        assert!(finds(
            "search_replace",
            &[],
            "needs the key `searchPattern`"
        ));
    }

    /// Java would not return from this one.
    #[test]
    fn a_pattern_that_runs_away_fails_its_event() {
        let keys = [("searchPattern", r"(a|aa)+$")];
        let error = try_intercept(
            "search_replace",
            &keys,
            Event::new(format!("{}bc", "a".repeat(60))),
        )
        .unwrap_err();
        assert_eq!(error.interceptor, "i1");
        assert!(error.message.contains("steps"), "{error}");
    }
}
