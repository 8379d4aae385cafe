//! What was released does not change: the text of the contract, and the guests built from it.
//!
//! A built guest contains the records, cases and signatures of its contract. So the text of a
//! released file never changes, but for comments, and additions come in files of their own. The
//! version in the package's name is not text: it moves with each addition.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flume_core::{Batch, Event, Interceptor, SinkSelector, clock};
use flume_policy::{Artifact, Remedy, SelectorSetup};

use crate::support::{fallback, guest, interceptor, loaded, pairs, policy, sinks};

/// The files of the contract: the version that they came with, and the SHA-256 of their text as
/// [`text`] takes it.
const RELEASED: &[(&str, &str, &str)] = &[
    (
        "0.1.0",
        "batch-router.wit",
        "09492bad279c9cb38aa82b424cb8c025ddcb0a574c7d6be4294e616be3c15e5c",
    ),
    (
        "0.1.0",
        "interceptor.wit",
        "e33e874016eb9bf5c355da1b9fd7cbe5ed074d1365c63a930d8630f628f2176e",
    ),
    (
        "0.1.0",
        "log.wit",
        "9468b3cd2f72b2f995142f0f546a48a0add93c06d20292b7d9ebcd9d80c00daf",
    ),
    (
        "0.1.0",
        "sink-selector.wit",
        "5c8e83413e0e57d22563b5d12b0615d034eb3b01f1821c2224368d6c7b4e1e88",
    ),
    (
        "0.1.0",
        "state.wit",
        "6778ac8daca0f33fddfb75a087173797998820a1097fc5515849350e32e31cfd",
    ),
    (
        "0.1.0",
        "types.wit",
        "c38bec00ca276c331cf288f145967bc06c07229171c7c72c7eaf4c95521a2586",
    ),
    (
        "0.1.0",
        "worlds.wit",
        "a79fb18d18787af1922c42a2c331c41410000c50019e9831c37a4371008473a3",
    ),
];

/// Guests that were built when 0.1.0 was released. They are never rebuilt.
const GUESTS: &[(&str, &str)] = &[
    (
        "weighted",
        "e7c7aed405b0459d9414fd5a6dcf3db54f080c39760371de7790df02ae4e0a7d",
    ),
    (
        "redact",
        "108c88bb0093f50fd5df2d76c5fc7ff3685b9c5f5933778aeda9f42c1d0d269c",
    ),
];

/// The text that counts: without comments, blank space and the line of the package.
fn text(file: &str) -> String {
    let code = file
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim());
    let words = code
        .filter(|code| !code.starts_with("package "))
        .flat_map(str::split_whitespace);
    words.collect::<Vec<_>>().join(" ")
}

fn contract() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")
}

#[test]
fn the_text_of_a_released_contract_does_not_change() {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(contract()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "wit") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let file = fs::read_to_string(&path).unwrap();
            found.insert(name, Artifact::digest_of(text(&file).as_bytes()));
        }
    }
    for (version, name, expected) in RELEASED {
        let digest = found.remove(*name).unwrap_or_default();
        assert_eq!(
            digest, *expected,
            "wit/{name} was released with {version}, and guests contain what it says. Take the \
             change back. An addition within 0.1 goes into a file of its own, as a new interface; \
             a change of what is there makes 0.2: the files of 0.1 go to wit/v0.1/ as they are, \
             and the host goes on serving them (wit/README.md, Versions)."
        );
    }
    assert!(
        found.is_empty(),
        "an addition to the contract: raise the version of the package in all files and in \
         complete.rs, and list it in RELEASED with that version: {found:?}"
    );
}

#[test]
fn comments_and_blank_space_may_change_and_nothing_else() {
    let file = "package a:b@0.1.0;\n/// One.\ninterface x {\n    f: func(); // two\n}\n";
    assert_eq!(text(file), "interface x { f: func(); }");
    for (from, to, is_same) in [
        ("One", "Another", true),
        ("    f", "  f", true),
        ("0.1.0", "0.1.1", true),
        ("f:", "g:", false),
        ("func()", "func(a: u8)", false),
    ] {
        assert_eq!(
            text(&file.replace(from, to)) == text(file),
            is_same,
            "{from} -> {to}"
        );
    }
}

/// A guest as it was built then.
fn then(name: &str) -> Artifact {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/0.1.0");
    let bytes = fs::read(data.join(name).with_extension("wasm")).unwrap();
    let artifact = loaded(name, &bytes);
    let (_, digest) = GUESTS.iter().find(|(known, _)| *known == name).unwrap();
    assert_eq!(
        artifact.digest(),
        *digest,
        "{name} is a fixture: it is never rebuilt"
    );
    assert_eq!(artifact.version(), "0.1.0");
    artifact
}

/// Orders, sinks' own properties, failures, state out and state in.
#[test]
fn a_selector_of_0_1_0_runs_and_hands_over() {
    let policy = policy(then("weighted"));
    let setup = SelectorSetup {
        properties: pairs(&[("backoff", "true")]),
        sinks: sinks(&[5, 1, 1]),
        seed: 1,
    };
    let mut selector = policy.selector("g1", setup, fallback(3)).unwrap();
    let now = clock::now();
    let mut firsts = |count| {
        (0..count)
            .map(|_| selector.order(now)[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(firsts(3), [0, 0, 1]);
    let candidate = policy.prepare(then("weighted")).unwrap();
    policy.install(candidate);
    assert_eq!(firsts(7), [0, 2, 0, 0, 0, 0, 1]);
    selector.failed(0, now);
    assert!(!selector.order(now).contains(&0));
    // A guest of today may have another layout of its state; then it begins without it.
    let candidate = policy.prepare(guest("selector-weighted")).unwrap();
    policy.install(candidate);
    assert!(!selector.order(now).is_empty());
    let stats = policy.stats();
    assert_eq!((stats.all_violations(), stats.fallbacks.get()), (0, 0));
}

/// Bodies in; bodies and headers out.
#[test]
fn an_interceptor_of_0_1_0_runs() {
    let policy = policy(then("redact"));
    let properties = [("patterns", "##"), ("header", "masked")];
    let redact = interceptor(&policy, &properties, Remedy::Fail).unwrap();
    let mut batch = Batch::new(vec![Event::new("a 12"), Event::new("b")]);
    redact.intercept(&mut batch).unwrap();
    let masked = Event::new("a **").with_header("masked", "1");
    assert_eq!(batch.events(), [masked, Event::new("b")]);
    assert!(interceptor(&policy, &[("pattern", "x")], Remedy::Fail).is_err());
    assert_eq!(policy.stats().all_violations(), 0);
}
