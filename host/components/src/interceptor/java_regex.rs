//! Regular expressions with Java's meaning, over the fancy-regex crate.
//!
//! [`translate`] turns what only Java writes, or means differently, into what the crate knows;
//! [`replacement`] reads `$1`, `${name}` and `\`. The crate has look-around and back-references, and
//! pays for them with backtracking, as Java does. But here the steps are bounded: a pattern that
//! runs away on some text is a [`RunAway`] after [`BACKTRACK_LIMIT`] steps, not a stuck thread.

use fancy_regex::{Captures, Regex, RegexBuilder};
use flume_core::{Code, Context, InterceptorError};

mod replacement;
#[cfg(test)]
mod tests;
mod translate;

pub(super) use self::replacement::Replacement;

/// Steps that one search may take: some hundred milliseconds at worst.
const BACKTRACK_LIMIT: usize = 1_000_000;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct JavaRegex(Regex);

impl PartialEq for JavaRegex {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// A search that was given up.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern takes more than {BACKTRACK_LIMIT} steps on this text")]
pub(super) struct RunAway;

impl RunAway {
    /// The error of an interceptor.
    pub(super) fn of(self, interceptor: &str) -> InterceptorError {
        InterceptorError::never(interceptor, self.to_string())
    }
}

/// Whether a pattern has what Java understands and this translation does not: blocks and other
/// properties of characters, characters by name, and clusters.
fn is_java_only(pattern: &str) -> bool {
    let mut known = [r"\p{", r"\P{", r"\N{", r"\X", r"\b{"].iter();
    known.any(|part| pattern.contains(part))
}

impl JavaRegex {
    /// Compiles a pattern.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        Self::compile(&translate::translate(pattern)?)
    }

    /// Compiles a pattern that has to match the whole of a text.
    pub(super) fn whole(pattern: &str) -> Result<Self, String> {
        Self::compile(&format!(r"\A(?:{})\z", translate::translate(pattern)?))
    }

    fn compile(translated: &str) -> Result<Self, String> {
        let mut builder = RegexBuilder::new(translated);
        builder.backtrack_limit(BACKTRACK_LIMIT);
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    /// Takes what was compiled for a key, or reports at the key what is wrong.
    pub(super) fn or_report(
        made: Result<Self, String>,
        context: &mut Context,
        key: &str,
    ) -> Option<Self> {
        made.map_err(|error| {
            let path = context.path();
            let pattern = context.iter().find(|(other, _)| *other == key);
            let (code, message) = match pattern.map(|(_, value)| &value.text) {
                Some(pattern) if is_java_only(pattern) => {
                    let message = format!("`{path}.{key}` has what only Java knows: {error}");
                    (Code::Unsupported, message)
                }
                _ => {
                    let message =
                        format!("`{path}.{key}` is not a valid regular expression: {error}");
                    (Code::BadValue, message)
                }
            };
            context.error(key, code, message, "");
        })
        .ok()
    }

    /// Whether it is found anywhere in a text.
    pub(super) fn is_found(&self, text: &str) -> Result<bool, RunAway> {
        self.0.is_match(text).map_err(|_| RunAway)
    }

    /// The first match with its groups.
    pub(super) fn find<'t>(&self, text: &'t str) -> Result<Option<Captures<'t, str>>, RunAway> {
        self.find_from(text, 0)
    }

    /// The parts of a text between the matches, trailing empty ones left out, as in Java.
    pub(super) fn split<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, RunAway> {
        let parts: Result<Vec<&str>, _> = self.0.split(text).collect();
        let mut parts = parts.map_err(|_| RunAway)?;
        while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        Ok(parts)
    }

    /// The number of groups, without the whole match.
    pub(super) fn groups(&self) -> usize {
        self.0.captures_len() - 1
    }

    /// The number of a named group.
    fn group_named(&self, name: &str) -> Option<usize> {
        self.0.capture_names().position(|known| known == Some(name))
    }

    fn find_from<'t>(
        &self,
        text: &'t str,
        at: usize,
    ) -> Result<Option<Captures<'t, str>>, RunAway> {
        self.0.captures_from_pos(text, at).map_err(|_| RunAway)
    }

    /// The text with every match replaced; `None` if there is no match.
    ///
    /// As in Java an empty match right after another one counts: `a*` matches `aab` three times.
    pub(super) fn replace_all(
        &self,
        text: &str,
        replacement: &Replacement,
    ) -> Result<Option<String>, RunAway> {
        let mut replaced = String::new();
        let (mut copied, mut from) = (0, 0);
        let mut any = false;
        while from <= text.len() {
            let Some(captures) = self.find_from(text, from)? else {
                break;
            };
            let Some(found) = captures.get(0) else { break };
            any = true;
            replaced.push_str(text.get(copied..found.start()).unwrap_or_default());
            replacement.expand(&captures, &mut replaced);
            copied = found.end();
            from = match found.start() == found.end() {
                true => next_char(text, found.end()),
                false => found.end(),
            };
        }
        replaced.push_str(text.get(copied..).unwrap_or_default());
        Ok(any.then_some(replaced))
    }
}

/// The end of the character at this position.
fn next_char(text: &str, at: usize) -> usize {
    let next = text.get(at..).and_then(|rest| rest.chars().next());
    at + next.map_or(1, char::len_utf8)
}
