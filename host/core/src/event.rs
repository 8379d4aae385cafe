//! The event: headers and a body, both shared and cheap to clone.
//!
//! A body is a slice of the buffer that the socket was read into, and an event without headers
//! allocates nothing. So an event's bytes are in memory once, no matter how many channels it goes
//! to.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

pub use self::java_map::JavaMap;

mod java_map;

/// A body of bytes with a map of text headers.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Small facts about the body, by name.
    pub headers: Headers,
    /// The payload, never interpreted by the host.
    pub body: Bytes,
}

impl Event {
    /// An event without headers.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            headers: Headers::new(),
            body: body.into(),
        }
    }

    /// The same event with one header set.
    #[must_use]
    pub fn with_header(
        mut self,
        name: impl Into<ByteString>,
        value: impl Into<ByteString>,
    ) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.headers, self.body)
    }
}

/// Header names and values in the order in which they were set; each name once.
///
/// Copied on write: clones share one allocation until one of them changes.
/// There is no null value: a header without a value does not exist.
#[derive(Clone, Default)]
pub struct Headers(Option<Arc<Vec<(ByteString, ByteString)>>>);

/// What a header takes besides its name and value.
const PAIR: usize = size_of::<(ByteString, ByteString)>();

/// Up to this many headers are compared pairwise, which is faster than hashing them.
const FEW: usize = 16;

/// Removes earlier pairs of the same name in one pass, because a client may send a million headers.
fn keep_last_of_many(pairs: &mut Vec<(ByteString, ByteString)>) {
    let mut seen = HashSet::with_capacity(pairs.len());
    let last: Vec<bool> = pairs
        .iter()
        .rev()
        .map(|(name, _)| seen.insert(name.clone()))
        .collect();
    let mut last = last.into_iter().rev();
    pairs.retain(|_| last.next().unwrap_or(true));
}

impl Headers {
    /// No headers, no allocation.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Takes over a list of pairs. If a name occurs twice, its last value stays.
    pub fn from_pairs(mut pairs: Vec<(ByteString, ByteString)>) -> Self {
        if pairs.is_empty() {
            return Self::new();
        }
        if pairs.len() > FEW {
            keep_last_of_many(&mut pairs);
            return Self(Some(Arc::new(pairs)));
        }
        let mut at = 0;
        while at < pairs.len() {
            let doubled = match (pairs.get(at), pairs.get(at + 1..)) {
                (Some((name, _)), Some(rest)) => rest.iter().any(|(other, _)| other == name),
                _ => false,
            };
            if doubled {
                pairs.remove(at);
            } else {
                at += 1;
            }
        }
        Self(Some(Arc::new(pairs)))
    }

    /// The value of a header.
    pub fn get(&self, name: &str) -> Option<&ByteString> {
        self.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// Whether the header is there.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets a header, replacing its value if it is there.
    pub fn insert(&mut self, name: impl Into<ByteString>, value: impl Into<ByteString>) {
        let (name, value) = (name.into(), value.into());
        let pairs = Arc::make_mut(self.0.get_or_insert_default());
        match pairs.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = value,
            None => pairs.push((name, value)),
        }
    }

    /// Sets and removes many headers in one pass, however many there are: a value sets a header, none
    /// removes it. Of edits of one name the last one counts.
    pub fn edit(&mut self, edits: Vec<(ByteString, Option<ByteString>)>) {
        let last = edits.iter().enumerate();
        let last: HashMap<ByteString, usize> =
            last.map(|(at, edit)| (edit.0.clone(), at)).collect();
        let mut edits: Vec<Option<_>> = edits.into_iter().map(Some).collect();
        let mut pairs = Vec::with_capacity(self.len() + last.len());
        for (name, value) in self.iter() {
            match last.get(name).and_then(|at| edits.get_mut(*at)?.take()) {
                None => pairs.push((name.clone(), value.clone())),
                Some((name, Some(new))) => pairs.push((name, new)),
                Some((_, None)) => {}
            }
        }
        for (at, edit) in edits.into_iter().enumerate() {
            if let Some((name, Some(value))) = edit
                && last.get(&name) == Some(&at)
            {
                pairs.push((name, value));
            }
        }
        self.0 = (!pairs.is_empty()).then(|| Arc::new(pairs));
    }

    /// Removes a header, and returns whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.len();
        self.retain(|key, _| key != name);
        self.len() < before
    }

    /// Keeps the headers that the test accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        let Some(shared) = &mut self.0 else { return };
        if shared.iter().all(|(name, value)| keep(name, value)) {
            return;
        }
        Arc::make_mut(shared).retain(|(name, value)| keep(name, value));
        if shared.is_empty() {
            self.0 = None;
        }
    }

    /// All headers in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(ByteString, ByteString)> {
        self.0
            .as_deref()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
    }

    /// How many headers there are.
    pub fn len(&self) -> usize {
        self.iter().len()
    }

    /// The memory that they take: names, values, and a fixed part of each.
    pub fn bytes(&self) -> usize {
        let Some(pairs) = &self.0 else { return 0 };
        let pair = |(name, value): &(ByteString, ByteString)| PAIR + name.len() + value.len();
        pairs.iter().map(pair).sum()
    }

    /// Whether there are no headers.
    pub fn is_empty(&self) -> bool {
        // No headers have no allocation.
        self.0.is_none()
    }
}

/// Order does not matter, as in a map.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (&**name, &**value)))
            .finish()
    }
}

impl<N: Into<ByteString>, V: Into<ByteString>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self::from_pairs(
            pairs
                .into_iter()
                .map(|(n, v)| (n.into(), v.into()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_headers_is_small() {
        assert!(
            size_of::<Event>() <= 40,
            "an event is moved often: {}",
            size_of::<Event>()
        );
    }

    #[test]
    fn a_clone_does_not_see_later_changes() {
        let first = Event::new("x").with_header("a", "1");
        let mut second = first.clone();
        second.headers.insert("a", "2");
        assert_eq!(first.headers.get("a").map(|v| &**v), Some("1"));
        assert_eq!(second.headers.get("a").map(|v| &**v), Some("2"));
    }

    #[test]
    fn the_last_of_duplicate_names_stays() {
        let headers: Headers = [("a", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        assert_eq!(headers, [("b", "2"), ("a", "3")].into_iter().collect());
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn many_headers_are_as_few() {
        let pairs = (0..100_000).map(|n| (format!("{}", n % 50_000), format!("{n}")));
        let headers: Headers = pairs.collect();
        assert_eq!(headers.len(), 50_000);
        assert_eq!(headers.get("7").map(|v| &**v), Some("50007"));
    }

    /// One by one, and in one pass.
    #[test]
    fn many_edits_are_as_each_of_them() {
        let name = |n: usize| ByteString::from(format!("h{}", n % 97));
        let mut one_by_one: Headers = (0..60).map(|n| (name(n), "old")).collect();
        let mut at_once = one_by_one.clone();
        let edits: Vec<(ByteString, Option<ByteString>)> = (0..300)
            .map(|n| (name(n * 31), (n % 3 > 0).then(|| format!("{n}").into())))
            .collect();
        for (name, value) in edits.clone() {
            match value {
                Some(value) => one_by_one.insert(name, value),
                None => drop(one_by_one.remove(&name)),
            }
        }
        at_once.edit(edits);
        assert_eq!(at_once, one_by_one);
        let removed = at_once
            .iter()
            .map(|(name, _)| (name.clone(), None))
            .collect();
        at_once.edit(removed);
        assert!(at_once.is_empty());
    }

    #[test]
    fn the_memory_of_headers_is_names_values_and_a_part_of_each() {
        assert_eq!(Headers::new().bytes(), 0);
        let headers: Headers = [("a", "12"), ("bc", "")].into_iter().collect();
        assert_eq!(headers.bytes(), 5 + 2 * PAIR);
    }

    #[test]
    fn removing_the_last_header_leaves_none() {
        let mut headers: Headers = [("a", "1")].into_iter().collect();
        assert!(headers.remove("a"));
        assert!(!headers.remove("a"));
        assert!(headers.is_empty());
        assert_eq!(headers, Headers::new());
    }
}
