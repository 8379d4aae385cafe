//! Regular expressions with Java's meaning, over the fancy-regex crate.
//!
//! [`translate`] turns what only Java writes, or means differently, into what the crate knows;
//! [`replacement`] reads `$1`, `${name}` and `\`. The crate has look-around and back-references, and
//! pays for them with backtracking, as Java does. But here the steps are bounded: a pattern that
//! runs away on some text is a [`RunAway`] after [`BACKTRACK_LIMIT`] steps, not a stuck thread. What
//! needs no backtracking goes to the automaton of the regex-automata crate at once ([`plain`]).

use fancy_regex::{Regex, RegexBuilder};
use flume_core::{Code, Context, InterceptorError};
use regex_automata::Input;
use regex_automata::meta;
use regex_automata::util::primitives::NonMaxUsize;

mod groups;
mod plain;
mod replacement;
#[cfg(test)]
mod tests;
mod translate;

pub(super) use self::groups::Groups;
pub(super) use self::replacement::Replacement;

/// Steps that one search may take: some hundred milliseconds at worst.
const BACKTRACK_LIMIT: usize = 1_000_000;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct JavaRegex {
    regex: Regex,
    /// What finds its groups, if it needs no backtracking.
    automaton: Option<meta::Regex>,
}

impl PartialEq for JavaRegex {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
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
        let regex = builder.build().map_err(|error| error.to_string())?;
        let automaton = plain::automaton(translated);
        Ok(Self { regex, automaton })
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
        self.regex.is_match(text).map_err(|_| RunAway)
    }

    /// For the places of its groups.
    pub(super) fn no_groups(&self) -> Groups {
        Groups::new(self.groups())
    }

    /// Finds the first match with its groups. Returns whether there is one.
    pub(super) fn find(&self, text: &str, groups: &mut Groups) -> Result<bool, RunAway> {
        self.find_from(text, 0, groups)
    }

    /// The parts of a text between the matches, trailing empty ones left out, as in Java.
    pub(super) fn split<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, RunAway> {
        let parts: Result<Vec<&str>, _> = self.regex.split(text).collect();
        let mut parts = parts.map_err(|_| RunAway)?;
        while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        Ok(parts)
    }

    /// The number of groups, without the whole match.
    pub(super) fn groups(&self) -> usize {
        self.regex.captures_len() - 1
    }

    /// The number of a named group.
    fn group_named(&self, name: &str) -> Option<usize> {
        self.regex
            .capture_names()
            .position(|known| known == Some(name))
    }

    fn find_from(&self, text: &str, at: usize, groups: &mut Groups) -> Result<bool, RunAway> {
        if let Some(automaton) = &self.automaton {
            let rest = Input::new(text).range(at..);
            return Ok(automaton.search_slots(&rest, &mut groups.slots).is_some());
        }
        let found = self.regex.captures_from_pos(text, at);
        let Some(captures) = found.map_err(|_| RunAway)? else {
            return Ok(false);
        };
        for (at, ends) in groups.slots.chunks_exact_mut(2).enumerate() {
            let group = captures.get(at);
            let start = group.and_then(|group| NonMaxUsize::new(group.start()));
            let end = group.and_then(|group| NonMaxUsize::new(group.end()));
            ends.copy_from_slice(&[start, end]);
        }
        Ok(true)
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
        let mut groups = self.no_groups();
        while from <= text.len() && self.find_from(text, from, &mut groups)? {
            let Some(found) = groups.get(0) else { break };
            any = true;
            replaced.push_str(text.get(copied..found.start).unwrap_or_default());
            replacement.expand(&groups, text, &mut replaced);
            copied = found.end;
            from = match found.is_empty() {
                true => next_char(text, found.end),
                false => found.end,
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
