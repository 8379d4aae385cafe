//! Variables in values, after parsing and only when asked for.
//!
//! | mode | text | becomes | not set |
//! |---|---|---|---|
//! | off | everything | itself; `${env.` gets a warning | |
//! | `env` | `${env.NAME}` | the variable | an error at the place |
//! | `env` | `$${` | `${` | |
//! | as Flume's `EnvVarResolverProperties` | `${NAME}` | the variable | nothing |
//!
//! Values are replaced after the file was read, so a variable can hold any text: it is never taken
//! for syntax. Off is the default because `${name}` has a meaning in regular expressions.

use flume_core::context::Value;
use flume_core::{Code, Diagnostic, Span};

use super::Property;

/// Which variables are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// None.
    #[default]
    Off,
    /// `${env.NAME}`; a missing one is an error.
    Env,
    /// `${NAME}`, a missing one is empty: what Flume does if it is told to use
    /// `org.apache.flume.node.EnvVarResolverProperties`.
    Flume,
}

impl Interpolation {
    /// By the class that Flume's `-DpropertiesImplementation=` names.
    pub fn of_class(class: &str) -> Option<Self> {
        let known = class == "org.apache.flume.node.EnvVarResolverProperties";
        known.then_some(Self::Flume)
    }
}

/// Fills variables into all values. `text` is the file, for places within a value.
pub fn interpolate(
    properties: &mut [Property],
    text: &str,
    interpolation: Interpolation,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for Property { key, value } in properties {
        let (new, problems) = match interpolation {
            Interpolation::Off => {
                if value.text.contains("${env.") {
                    let message = format!("`{key}` is taken literally: interpolation is off");
                    let found = Diagnostic::new(Code::NotInterpolated, message);
                    let span = place_of("${env.", value, text);
                    let help = "fill variables in with `--interpolate env`";
                    diagnostics.push(found.at(&span, "not filled in").help(help));
                }
                continue;
            }
            Interpolation::Env => fill(&value.text, "${env.", true, environment),
            Interpolation::Flume => fill(&value.text, "${", false, environment),
        };
        for name in problems {
            let span = place_of(&format!("${{env.{name}}}"), value, text);
            let message = format!("`{key}` asks for the variable `{name}`, which is not set");
            let found = Diagnostic::new(Code::MissingVariable, message).at(&span, "not set");
            diagnostics
                .push(found.help(format!("set `{name}`, or write `$${{` for a plain `${{`")));
        }
        if new != value.text {
            // Nothing of the new text stands in the file, so each word has the place of the whole.
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

/// The text with its variables, and the names of those that are not set. With `strict`, `$${` is
/// an escape and a missing variable a problem.
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
                // The text stays, so that the value does not seem to be empty as well.
                None if strict => {
                    missing.push(name.to_owned());
                    out.push_str(rest.get(..rest.len() - after.len()).unwrap_or_default());
                }
                None => {}
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

/// Where a part of a value stands, if it stands there as it is.
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
