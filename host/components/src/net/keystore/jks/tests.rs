//! Stores that Java made, stores made up here, and both with every kind of damage.

use super::*;
use crate::net::testing::{PASSWORD, java_store};

impl<'a> JksStore<'a> {
    /// The only entry, which is a key: its name, its envelope, its certificates.
    pub(in super::super) fn only_key(&self) -> (&str, &'a [u8], &[&'a [u8]]) {
        match &self.entries[..] {
            [
                JksEntry::Key {
                    alias,
                    protected,
                    chain,
                },
            ] => (alias, protected, chain),
            _ => panic!("{self:?}"),
        }
    }
}

fn agent() -> Vec<u8> {
    std::fs::read(java_store("agent.jks")).unwrap()
}

/// Adds the matching digest after a content.
fn sealed(content: &[u8], password: &str) -> Vec<u8> {
    let digest = hash(&utf16(password), &[WHITENER, content]);
    [content, &digest].concat()
}

fn content(file: &[u8]) -> &[u8] {
    file.split_last_chunk::<DIGEST>().unwrap().0
}

/// A store of this version with whatever follows the number of entries.
fn made_up(version: u32, count: u32, rest: &[u8]) -> Vec<u8> {
    let head = [u32::from_be_bytes(MAGIC), version, count].map(u32::to_be_bytes);
    sealed(&[head.as_flattened(), rest].concat(), PASSWORD)
}

/// An entry named `a` up to where its kinds begin to differ.
fn head(kind: u32) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &[0, 1, b'a'], &[0; 8]].concat()
}

#[test]
fn javas_store_is_read() {
    let file = agent();
    let store = JksStore::read(&file, PASSWORD).unwrap();
    let (alias, protected, chain) = store.only_key();
    assert_eq!((alias, chain.len()), ("agent", 1));
    let key = open_key(alias, protected, PASSWORD).unwrap();
    // A PKCS8 key: a sequence that begins with version 0.
    assert_eq!((key[0], &key[4..7]), (0x30, &[2, 1, 0][..]));
    let wrong = open_key(alias, protected, "wrong").unwrap_err();
    assert_eq!(wrong, JksError::KeyPassword("agent".into()));
}

#[test]
fn the_first_version_has_no_kinds_of_certificates() {
    let file = made_up(1, 1, &[&head(2)[..], &[0, 0, 0, 3], b"der"].concat());
    let store = JksStore::read(&file, PASSWORD).unwrap();
    assert_eq!(store.entries, [JksEntry::Trusted(b"der")]);
    assert_eq!(
        JksStore::read(&made_up(2, 0, &[]), PASSWORD)
            .unwrap()
            .entries,
        []
    );
}

#[test]
fn passwords_are_not_ascii_only() {
    let content = content(&made_up(2, 0, &[])).to_owned();
    // The two code units of a character beyond the first plane, and one that needs two bytes.
    let units = [0x01, 0x7e, 0xd8, 0x3d, 0xdd, 0x11];
    let digest = hash(&units, &[WHITENER, &content]);
    JksStore::read(&[&content[..], &digest].concat(), "\u{17e}\u{1f511}").unwrap();
}

#[test]
fn each_kind_of_nonsense_has_its_name() {
    let certificate = |kind: &[u8]| [&head(2)[..], &[0, 4], kind, &[0, 0, 0, 0]].concat();
    let huge = u32::MAX.to_be_bytes();
    let cases = [
        (made_up(3, 0, &[]), JksError::Version(3)),
        (made_up(2, 1, &[]), JksError::Length),
        (made_up(2, u32::MAX, &[]), JksError::Length),
        (made_up(2, 0, &[0]), JksError::Length),
        (made_up(2, 1, &head(3)), JksError::Kind(3)),
        (
            made_up(2, 1, &certificate(b"SPKI")),
            JksError::Certificate("SPKI".into()),
        ),
        // A key, a chain and a certificate that claim to be larger than the file.
        (
            made_up(2, 1, &[&head(1)[..], &huge].concat()),
            JksError::Length,
        ),
        (
            made_up(2, 1, &[&head(1)[..], &[0; 4], &huge].concat()),
            JksError::Length,
        ),
        (
            made_up(1, 1, &[&head(2)[..], &huge].concat()),
            JksError::Length,
        ),
        (Vec::new(), JksError::Digest),
        (MAGIC.to_vec(), JksError::Digest),
    ];
    for (file, expected) in cases {
        assert_eq!(
            JksStore::read(&file, PASSWORD).unwrap_err(),
            expected,
            "{file:x?}"
        );
    }
    let protection = JksError::Protection("a".into());
    let envelopes: [&[u8]; 4] = [
        b"",
        b"no envelope",
        // SHA-1 as the protection.
        &[0x30, 0x0b, 0x30, 7, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 4, 0],
        // The right one, with less in it than a salt and a check.
        &[
            0x30, 0x14, 0x30, 0x0e, 6, 10, 0x2b, 6, 1, 4, 1, 0x2a, 2, 0x11, 1, 1, 5, 0, 4, 2, 1, 2,
        ],
    ];
    for envelope in envelopes {
        assert_eq!(
            open_key("a", envelope, PASSWORD).unwrap_err(),
            protection,
            "{envelope:x?}"
        );
    }
}

#[test]
fn no_cut_store_is_taken_for_a_whole_one() {
    let file = agent();
    for length in 0..file.len() {
        let cut = &file[..length];
        assert_eq!(
            JksStore::read(cut, PASSWORD).unwrap_err(),
            JksError::Digest,
            "{length}"
        );
        // Cut and sealed again, so that the reader has to notice.
        if let Some((content, [_, ..])) = content(&file).split_at_checked(length) {
            assert!(
                JksStore::read(&sealed(content, PASSWORD), PASSWORD).is_err(),
                "{length}"
            );
        }
    }
}

/// Damage under a digest that fits again reaches every part of the reader; it may or may not be
/// noticed, and never ends in a panic.
#[test]
fn damage_never_panics() {
    let file = agent();
    let whole = content(&file);
    let mut random = fastrand::Rng::with_seed(7);
    let (mut noticed, mut opened) = (0, 0);
    for round in 0..4_000 {
        let mut content = whole.to_vec();
        for _ in 0..random.usize(1..4) {
            // The first bytes are lengths and kinds, where damage means most.
            let most = if round % 2 == 0 { 120 } else { content.len() };
            let at = random.usize(4..most);
            match random.u8(0..4) {
                0 => content[at] = random.u8(..),
                1 => content[at] ^= 1 << random.u8(0..8),
                2 => drop(content.remove(at)),
                _ => content.insert(at, random.choice([0, 1, 0x7f, 0x80, 0xff]).unwrap()),
            }
        }
        let damaged = sealed(&content, PASSWORD);
        let Ok(store) = JksStore::read(&damaged, PASSWORD) else {
            noticed += 1;
            continue;
        };
        for entry in &store.entries {
            if let JksEntry::Key {
                alias, protected, ..
            } = entry
            {
                opened += usize::from(open_key(alias, protected, PASSWORD).is_ok());
            }
        }
    }
    assert!(
        noticed > 1_000 && opened > 100,
        "{noticed} noticed, {opened} opened"
    );
}
