//! What may be shown of the values of a component.
//!
//! | key | its value is shown |
//! |---|---|
//! | the component calls it secret | never |
//! | the component says how | in that way |
//! | the component asks for it | yes |
//! | it is chosen by others (`hdfs.store.…`, the keys of a policy) | if the key is known to be harmless |
//! | nobody knows it, and it is close to a secret one, or reads like one | never |
//! | nobody knows it | yes |
//!
//! Of an address with `user:password@` that part is never shown, whatever the key.

use super::mask::{MASK, looks_secret, without_user};
use super::nearest;

/// What may be shown of the values of one component.
#[derive(Debug, Clone, Default)]
pub struct Disclosure {
    pub(super) asked: Vec<String>,
    pub(super) rules: Vec<(String, Rule)>,
}

/// What a component says about a key, or about all keys below a prefix.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// It is secret.
    Hidden,
    /// The function leaves out what is secret.
    Part(fn(&str) -> String),
    /// Others choose the keys; these are harmless.
    Below(fn(&str) -> bool),
}

impl Disclosure {
    pub(super) fn new<'r>(
        asked: Vec<String>,
        rules: impl Iterator<Item = &'r (String, Rule)>,
    ) -> Self {
        let rules = rules.cloned().collect();
        Self { asked, rules }
    }

    /// Adds what is said about the keys below `prefix.`.
    pub(super) fn add(&mut self, prefix: &str, other: Self) {
        let whole = |key: String| match key.as_str() {
            "" => prefix.to_owned(),
            key => format!("{prefix}.{key}"),
        };
        self.asked.extend(other.asked.into_iter().map(whole));
        let rules = other.rules.into_iter();
        self.rules
            .extend(rules.map(|(key, rule)| (whole(key), rule)));
    }

    /// What is said about the keys below `prefix.`, by their names without it.
    #[must_use]
    pub fn below(&self, prefix: &str) -> Self {
        let rest = |key: &str| match key.strip_prefix(prefix)? {
            "" => Some(String::new()),
            rest => rest.strip_prefix('.').map(str::to_owned),
        };
        let rules = self.rules.iter();
        Self {
            asked: self.asked.iter().filter_map(|key| rest(key)).collect(),
            rules: rules
                .filter_map(|(key, rule)| Some((rest(key)?, *rule)))
                .collect(),
        }
    }

    /// The keys that the component calls secret.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let rules = self.rules.iter();
        rules.filter_map(|(key, rule)| matches!(rule, Rule::Hidden).then_some(key.as_str()))
    }

    /// The value of a key, as it may be shown.
    pub fn shown(&self, key: &str, text: &str) -> String {
        let rule = self.rule(key).or_else(|| {
            let is_asked = self.asked.iter().any(|asked| asked == key);
            let unknown = || self.rule_of_unknown(key);
            (!is_asked).then(unknown).flatten()
        });
        match rule {
            Some(Rule::Hidden) => MASK.to_owned(),
            Some(Rule::Part(show)) => show(text),
            Some(Rule::Below(_)) | None => without_user(text),
        }
    }

    /// What the component says about exactly this key.
    fn rule(&self, key: &str) -> Option<Rule> {
        let mut rules = self.rules.iter();
        let found = rules.find(|(known, rule)| known == key && !matches!(rule, Rule::Below(_)));
        found.map(|(_, rule)| *rule)
    }

    /// What holds for a key that the component does not ask for.
    fn rule_of_unknown(&self, key: &str) -> Option<Rule> {
        let mut rules = self.rules.iter();
        let below = rules.find_map(|(prefix, rule)| match rule {
            Rule::Below(harmless) => Some(harmless(rest_below(key, prefix)?)),
            Rule::Hidden | Rule::Part(_) => None,
        });
        if let Some(is_harmless) = below {
            return (!is_harmless).then_some(Rule::Hidden);
        }
        let spoken = self.rules.iter().map(|(key, _)| key.as_str());
        let known: Vec<&str> = self
            .asked
            .iter()
            .map(String::as_str)
            .chain(spoken)
            .collect();
        let meant = nearest(key, &known).and_then(|meant| self.rule(meant));
        if meant.is_some() || looks_secret(key) {
            return Some(Rule::Hidden);
        }
        None
    }
}

/// The part of a key behind a prefix, also behind one that is misspelt.
fn rest_below<'k>(key: &'k str, prefix: &str) -> Option<&'k str> {
    if prefix.is_empty() {
        return Some(key);
    }
    let dots = prefix.matches('.').count();
    let (end, _) = key.match_indices('.').nth(dots)?;
    let (start, rest) = (key.get(..end)?, key.get(end + 1..)?);
    (start == prefix || nearest(start, &[prefix]).is_some()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use crate::Context;

    #[test]
    fn the_component_decides_and_words_only_where_nobody_knows() {
        let mut context = Context::of("a.b.c", &[]);
        context.secret("pin");
        context.string("token-header", "x");
        context.shown_as("command", |_| "some".to_owned());
        context.free_form("store", |key| key == "region");
        let disclosure = context.disclosure();
        for (key, shown) in [
            ("pin", "***"),
            // Asked for, and not called secret, however it reads.
            ("token-header", "value"),
            ("command", "some"),
            ("store.region", "value"),
            ("store.account", "***"),
            ("stor.account", "***"),
            // Close to a secret, and to one that is shown in part.
            ("Pin", "***"),
            ("comand", "***"),
            // Close to nothing.
            ("api-key", "***"),
            ("frobnicate", "value"),
        ] {
            assert_eq!(disclosure.shown(key, "value"), shown, "{key}");
        }
        let address = "s3://u:p@bucket/x";
        for key in ["token-header", "store.region", "frobnicate"] {
            assert_eq!(disclosure.shown(key, address), "s3://***@bucket/x");
        }
        assert_eq!(disclosure.secrets().collect::<Vec<_>>(), ["pin"]);
    }
}
