//! Variables in values; replaced after parsing, and only on request.
//!
//! | mode | text | becomes | not set |
//! |---|---|---|---|
//! | off | everything | itself; what looks like a variable gets a warning | |
//! | `env` | `${env.NAME}` | the variable | an error at the place |
//! | `env` | `$${` | `${` | |
//! | as Flume's `EnvVarResolverProperties` | `${NAME}` | the variable | nothing, and an error; in lenient mode a warning |
//!
//! Variables are replaced after the file was parsed, so they can hold any text: it is never read as
//! syntax. Off is the default because `${name}` has a meaning in regular expressions.

use flume_core::context::{Mode, Value};
use flume_core::{Code, Diagnostic, Severity, Span};

use super::Property;

/// Which variables are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Interpolation {
    /// None.
    #[default]
    Off,
    /// `${env.NAME}`; a missing one is an error.
    Env,
    /// `${NAME}`; a missing one is empty. Flume does this with
    /// `org.apache.flume.node.EnvVarResolverProperties`.
    Flume,
}

/// Keys in whose values `${name}` is a group of a pattern, or a variable of a shell.
const OTHERWISE: [&str; 7] = [
    "command",
    "fromListSeparator",
    "matching",
    "regex",
    "replaceString",
    "searchPattern",
    "shell",
];

impl Interpolation {
    /// The mode for the class in Flume's `-DpropertiesImplementation=`.
    pub(crate) fn of_class(class: &str) -> Option<Self> {
        let known = class == "org.apache.flume.node.EnvVarResolverProperties";
        known.then_some(Self::Flume)
    }
}

/// Replaces the variables in all values. `text` is the file, for places within a value.
pub(crate) fn interpolate(
    properties: &mut [Property],
    text: &str,
    (interpolation, mode): (Interpolation, Mode),
    environment: &dyn Fn(&str) -> Option<String>,
) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for Property { key, value } in properties {
        let (new, problems) = match interpolation {
            Interpolation::Off => {
                diagnostics.extend(not_replaced(key, value, text));
                continue;
            }
            Interpolation::Env => fill(&value.text, "${env.", true, environment),
            Interpolation::Flume => fill(&value.text, "${", false, environment),
        };
        for name in problems {
            let is_flumes = interpolation == Interpolation::Flume;
            let (open, help) = match is_flumes {
                true => (
                    "${",
                    format!("set `{name}`: Flume puts nothing in its place"),
                ),
                false => (
                    "${env.",
                    format!("set `{name}`, or write `$${{` for a plain `${{`"),
                ),
            };
            let span = place_of(&format!("{open}{name}}}"), value, text);
            let message = format!("`{key}` uses the variable `{name}`, which is not set");
            let mut found = Diagnostic::new(Code::MissingVariable, message).at(&span, "not set");
            if is_flumes && mode == Mode::Lenient {
                found.severity = Severity::Warning;
            }
            diagnostics.push(found.help(help));
        }
        if new != value.text {
            // The new text is not in the file, so each word has the place of the whole value.
            let mut filled = Value::new(new.trim(), value.key_span, value.span);
            filled
                .words
                .iter_mut()
                .for_each(|word| word.span = value.span);
            *value = filled;
        }
    }
    diagnostics
}

/// What looks like a variable while none is replaced. In patterns and commands `${name}` has a
/// meaning of its own.
fn not_replaced(key: &str, value: &Value, text: &str) -> Option<Diagnostic> {
    let last = key.rsplit('.').next().unwrap_or(key);
    let open = ["${env.", "${env:"];
    let open = open.into_iter().find(|open| value.text.contains(open));
    let part = match open {
        Some(open) => open.to_owned(),
        None if OTHERWISE.contains(&last) => return None,
        None => {
            let starts = value.text.match_indices("${");
            let mut parts = starts.filter_map(|(at, _)| value.text.get(at..));
            let (name, _) = parts.find_map(|rest| variable(rest, "${"))?;
            format!("${{{name}}}")
        }
    };
    let message = format!("`{key}` is taken literally: interpolation is off");
    let found = Diagnostic::new(Code::NotInterpolated, message);
    let found = found.at(&place_of(&part, value, text), "not replaced");
    Some(found.help(
        "`${env.NAME}` is replaced with `--interpolate env`, and `${NAME}` as in Flume with \
         `-DpropertiesImplementation=org.apache.flume.node.EnvVarResolverProperties`",
    ))
}

/// The text with its variables replaced, and the names of those that are not set. With `strict`,
/// `$${` is an escape.
fn fill(
    text: &str,
    open: &str,
    strict: bool,
    environment: &dyn Fn(&str) -> Option<String>,
) -> (String, Vec<String>) {
    let mut out = String::with_capacity(text.len());
    let mut missing = Vec::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        if strict && let Some(after) = rest.strip_prefix("$${") {
            out.push_str("${");
            rest = after;
        } else if let Some((name, after)) = variable(rest, open) {
            match environment(name) {
                Some(value) => out.push_str(&value),
                // The text is kept, so that the value is not reported as empty as well.
                None if strict => {
                    missing.push(name.to_owned());
                    out.push_str(rest.get(..rest.len() - after.len()).unwrap_or_default());
                }
                None => missing.push(name.to_owned()),
            }
            rest = after;
        } else {
            out.push(char);
            rest = rest.get(char.len_utf8()..).unwrap_or_default();
        }
    }
    (out, missing)
}

/// A variable at the start of the text: its name and what follows.
fn variable<'t>(text: &'t str, open: &str) -> Option<(&'t str, &'t str)> {
    let (name, after) = text.strip_prefix(open)?.split_once('}')?;
    let word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    (!name.is_empty() && name.chars().all(word)).then_some((name, after))
}

/// The place of a part of a value, if it is in the file literally.
fn place_of(part: &str, value: &Value, text: &str) -> Span {
    let raw = text
        .get(value.span.start..value.span.end)
        .unwrap_or_default();
    let Some(at) = raw.find(part) else {
        return value.span;
    };
    let start = value.span.start + at;
    Span {
        start,
        end: start + part.len(),
    }
}

#[cfg(test)]
mod tests;
