//! Java's replacement text: `$1` and `${name}` are groups, `\` takes the next character literally.
//!
//! Flume finds a bad one at the first event that matches; here it is found with the configuration.

use super::{Groups, JavaRegex};

/// A replacement for the matches of one pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replacement(Vec<TemplatePart>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// Reads a replacement for this pattern, whose groups decide how many digits `$12` has.
    pub(crate) fn new(text: &str, regex: &JavaRegex) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars();
        while let Some(next) = rest.next() {
            match next {
                '\\' => plain.push(rest.next().ok_or("a `\\` at the end escapes nothing")?),
                '$' => {
                    let (group, behind) = group(rest.as_str(), regex)?;
                    parts.push(TemplatePart::Text(std::mem::take(&mut plain)));
                    parts.push(TemplatePart::Group(group));
                    rest = behind.chars();
                }
                other => plain.push(other),
            }
        }
        parts.push(TemplatePart::Text(plain));
        parts.retain(|part| *part != TemplatePart::Text(String::new()));
        Ok(Self(parts))
    }

    /// Appends the replacement of a match. A group that did not take part is empty.
    pub(super) fn expand(&self, groups: &Groups, found_in: &str, into: &mut String) {
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) => into.push_str(text),
                TemplatePart::Group(group) => {
                    into.push_str(groups.text(*group, found_in).unwrap_or_default());
                }
            }
        }
    }
}

/// Reads what follows a `$`: the group, and the text after it.
fn group<'t>(text: &'t str, regex: &JavaRegex) -> Result<(usize, &'t str), String> {
    if let Some(named) = text.strip_prefix('{') {
        let (name, behind) = named.split_once('}').ok_or("`${` without `}`")?;
        let group = regex
            .group_named(name)
            .ok_or_else(|| format!("the pattern has no group `{name}`"))?;
        return Ok((group, behind));
    }
    // The first digit, and as many more as still give the number of a group.
    let mut group: Option<usize> = None;
    let mut behind = text;
    while let Some(digit) = behind.chars().next().and_then(|digit| digit.to_digit(10)) {
        let digit = usize::try_from(digit).unwrap_or(usize::MAX);
        let longer = group.unwrap_or(0).saturating_mul(10).saturating_add(digit);
        if group.is_some() && longer > regex.groups() {
            break;
        }
        group = Some(longer);
        behind = behind.get(1..).unwrap_or_default();
    }
    match group {
        Some(group) if group <= regex.groups() => Ok((group, behind)),
        Some(group) => Err(format!("the pattern has no group {group}")),
        None => Err("a `$` without a group is written `\\$`".to_owned()),
    }
}
