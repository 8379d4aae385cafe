//! Converts one syntax into the other and keeps every key, every value and the order of components.
//!
//! Comments are dropped: neither syntax says what a comment belongs to.
//!
//! TOML gets one table for each component, in the order of its list, and the tables imply the list.
//! What tables cannot express (a list that differs from the described components, or a key that is
//! both a value and a prefix of other keys) is written with quoted keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ::toml::Value as Toml;

use super::{Format, Property, properties, toml};

/// The properties as a file of this syntax.
pub(crate) fn convert(properties: &[Property], to: Format) -> String {
    let pairs = last_of_each(properties);
    match to {
        Format::Properties => properties::write(pairs),
        Format::Toml => TomlWriter::new(pairs).write(),
    }
}

/// Keys and values in the order of the file. Of a duplicate key only the last is kept, since it is
/// the one that counts.
fn last_of_each(properties: &[Property]) -> Vec<(&str, &str)> {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, property) in properties.iter().enumerate() {
        last.insert(&property.key, at);
    }
    let all = properties.iter().enumerate();
    all.filter(|(at, property)| last.get(property.key.as_str()) == Some(at))
        .map(|(_, property)| (property.key.as_str(), property.value.text.as_str()))
        .collect()
}

/// Which keys can be tables. A key that has a value cannot be one, nor can a key whose sub-tables
/// would imply a list that the file does not have.
struct TomlWriter<'p> {
    pairs: Vec<(&'p str, &'p str)>,
    /// The keys of lists that are implied by the tables below them.
    implied: BTreeSet<&'p str>,
}

impl<'p> TomlWriter<'p> {
    fn new(pairs: Vec<(&'p str, &'p str)>) -> Self {
        let implied = BTreeSet::new();
        let mut writer = Self { pairs, implied };
        let mut lists = writer.pairs.clone();
        lists.retain(|(key, _)| is_list(key));
        // A list within a component of another list depends on that one, whose key is shorter.
        lists.sort_by_key(|(key, _)| key.len());
        for (key, list) in lists {
            if writer.can_imply(key, list) {
                writer.implied.insert(key);
            }
        }
        writer
    }

    /// Whether tables below `key` imply exactly this list: each name once, each with keys below it,
    /// and no described name that is not listed.
    fn can_imply(&self, key: &str, list: &str) -> bool {
        let names: Vec<&str> = list.split(' ').collect();
        let distinct: BTreeSet<&&str> = names.iter().collect();
        let below = self.pairs.iter().filter_map(|(other, _)| below(other, key));
        let mut described = BTreeSet::new();
        for rest in below {
            match rest.split_once('.') {
                Some((name, _)) => described.insert(name),
                None => return false,
            };
        }
        // A component without keys is an empty table; a part of a component cannot be empty.
        let inner = prefixes(key).any(is_list);
        prefixes(key).all(|path| self.can_be_table(path))
            && key.split('.').chain(names.iter().copied()).all(is_plain)
            && distinct.len() == names.len()
            && described.iter().all(|name| names.contains(name))
            && (!inner || described.len() == names.len())
    }

    fn can_be_table(&self, path: &str) -> bool {
        let has_value = || self.pairs.iter().any(|(key, _)| *key == path);
        self.implied.contains(path) || !(is_list(path) || has_value())
    }

    fn write(&self) -> String {
        let tables = self.tables();
        let mut text = String::new();
        for table in &tables {
            let mut keys: Vec<&str> = self.pairs.iter().map(|(key, _)| *key).collect();
            keys.retain(|key| !self.implied.contains(key) && home(key, &tables) == *table);
            // Lists within the component depend on the order of its keys.
            keys.sort_by_key(|key| self.rank(key));
            let is_component = prefixes(table).any(is_list);
            if keys.is_empty() && !is_component {
                continue;
            }
            if !table.is_empty() {
                let header: Vec<String> = table.split('.').map(quoted).collect();
                let gap = if text.is_empty() { "" } else { "\n" };
                push_line(&mut text, format_args!("{gap}[{}]", header.join(".")));
            }
            for key in keys {
                self.line(&mut text, table, key);
            }
        }
        text
    }

    /// The paths of all tables: the root, the agents, and their listed components.
    fn tables(&self) -> Vec<String> {
        let mut tables = vec![String::new()];
        for (agent, _) in self.pairs.iter().filter_map(|(key, _)| key.split_once('.')) {
            if tables.iter().any(|table| table == agent) || !self.can_be_table(agent) {
                continue;
            }
            tables.push(agent.to_owned());
            for kind in ["sources", "channels", "sinks", "sinkgroups"] {
                let key = format!("{agent}.{kind}");
                let list = self.pairs.iter().find(|(other, _)| *other == key);
                if let Some((_, names)) = list.filter(|(key, _)| self.implied.contains(key)) {
                    tables.extend(names.split(' ').map(|name| format!("{key}.{name}")));
                }
            }
        }
        tables
    }

    /// Where a key stands among the items of the implied lists above it.
    fn rank(&self, key: &str) -> Vec<usize> {
        let lists = prefixes(key).filter_map(|path| {
            let (_, names) = self.pairs.iter().find(|(list, _)| *list == path)?;
            let name = below(key, path)?.split('.').next()?;
            self.implied.contains(path).then_some((names, name))
        });
        lists
            .filter_map(|(names, name)| names.split(' ').position(|other| other == name))
            .collect()
    }

    /// A key with its value. From the first part that cannot be a table, the rest of the key is one
    /// quoted name.
    fn line(&self, text: &mut String, table: &str, key: &str) {
        let rest = below(key, table).unwrap_or(key);
        let parents = prefixes(key).skip(table.split('.').filter(|part| !part.is_empty()).count());
        let nested = parents.take_while(|path| self.can_be_table(path)).count();
        let parts: Vec<String> = rest.splitn(nested + 1, '.').map(quoted).collect();
        let value = self.pairs.iter().find(|(other, _)| *other == key);
        let value = literal(key, value.map_or("", |(_, value)| value));
        push_line(text, format_args!("{} = {value}", parts.join(".")));
    }
}

/// The innermost table that a key is below.
fn home<'t>(key: &str, tables: &'t [String]) -> &'t str {
    let above = tables.iter().filter(|table| below(key, table).is_some());
    above
        .max_by_key(|table| table.len())
        .map_or("", String::as_str)
}

/// The part after `path.`; for the root, the whole key.
fn below<'k>(key: &'k str, path: &str) -> Option<&'k str> {
    if path.is_empty() {
        return Some(key);
    }
    key.strip_prefix(path)?.strip_prefix('.')
}

/// The paths above a key, shortest first.
fn prefixes(key: &str) -> impl Iterator<Item = &str> {
    key.match_indices('.').filter_map(|(at, _)| key.get(..at))
}

fn is_list(path: &str) -> bool {
    toml::is_list(&path.split('.').collect::<Vec<_>>())
}

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let written = writeln!(text, "{line}");
    debug_assert!(written.is_ok());
}

/// A key, quoted if necessary. The library writes a whole line, and the rest of it is cut off.
fn quoted(part: &str) -> String {
    let mut table = ::toml::Table::new();
    table.insert(part.to_owned(), Toml::Boolean(true));
    let line = table.to_string();
    line.trim_end()
        .trim_end_matches("true")
        .trim_end()
        .trim_end_matches('=')
        .trim_end()
        .to_owned()
}

fn is_plain(part: &str) -> bool {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    !part.is_empty() && part.chars().all(plain)
}

/// Keys whose values are lists of names.
const NAME_LISTS: [&str; 7] = [
    "sources",
    "channels",
    "sinks",
    "sinkgroups",
    "interceptors",
    "serializers",
    "hosts",
];

/// A value in TOML: a list of names as an array, a number or boolean unquoted if it reads back as
/// the same text, anything else as a string.
fn literal(key: &str, value: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let names: Vec<&str> = value.split(' ').collect();
    let list = NAME_LISTS.contains(&last)
        && names
            .iter()
            .all(|name| !name.is_empty() && !name.contains(char::is_whitespace));
    if list {
        let items = names.iter().map(|name| Toml::String((*name).to_owned()));
        return Toml::Array(items.collect()).to_string();
    }
    let number = value
        .parse::<i64>()
        .ok()
        .filter(|number| number.to_string() == value);
    match (number, value) {
        (Some(number), _) => number.to_string(),
        (None, "true" | "false") => value.to_owned(),
        (None, _) => Toml::String(value.to_owned()).to_string(),
    }
}

#[cfg(test)]
mod tests;
