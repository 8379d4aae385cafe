//! What reads bytes of strangers, as functions that fuzzers call.
//!
//! Each takes any bytes, and panics if a law is broken; memory and time are watched by whoever calls
//! it. They run without a fuzzer in the tier `quick`, over their seeds and some thousand mutations
//! (`tests/it/fuzz.rs`), and under cargo-fuzz (`targets/`, a workspace of its own, since it needs a
//! nightly compiler).
//!
//! | target | reads |
//! |---|---|
//! | [`adopt`](adopt::run) | directories of Flume's file channel |
//! | [`avro`](avro::run) | what a client sends, and what a server answers |
//! | [`properties`](properties::run) | files of configuration |
//! | [`keystore`](keystore::run) | JKS and PKCS12 |
//! | [`module`](module::run) | files of policies, up to the compiler |
//! | [`answer`](answer::run) | edits, orders and routes of policies. (A state is opaque bytes.) |
//! | [`trace`](trace::run) | records of selectors |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a broken law is a panic"
)]

pub mod adopt;
pub mod answer;
pub mod avro;
mod input;
pub mod keystore;
pub mod module;
pub mod properties;
pub mod trace;

use std::fs;
use std::path::{Path, PathBuf};

/// Something to fuzz.
pub struct Target {
    /// Its name, for fuzzers and folders.
    pub name: &'static str,
    /// Reads any bytes.
    pub run: fn(&[u8]),
    /// Good and bad examples that are somewhere in the repository.
    seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("adopt", adopt::run, adopt::seeds),
    target("answer", answer::run, answer::seeds),
    target("avro", avro::run, avro::seeds),
    target("keystore", keystore::run, keystore::seeds),
    target("module", module::run, module::seeds),
    target("properties", properties::run, properties::seeds),
    target("trace", trace::run, trace::seeds),
];

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

impl Target {
    /// The examples, and what fuzzers once found (`corpus/NAME`).
    #[must_use]
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds = (self.seeds)();
        seeds.extend(files("tests/fuzz/corpus", &[], Some(self.name)));
        assert!(!seeds.is_empty(), "{} has no seeds", self.name);
        seeds
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of a folder of the repository that end so; all, if no end is given. The folder `below`
/// need not exist.
fn files(folder: &str, ends: &[&str], below: Option<&str>) -> Vec<Vec<u8>> {
    let folder = below.map_or_else(
        || root().join(folder),
        |name| root().join(folder).join(name),
    );
    if below.is_some() && !folder.is_dir() {
        return Vec::new();
    }
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let ends_so = |path: &PathBuf| {
        let end = path.extension().unwrap_or_default();
        ends.is_empty() || ends.iter().any(|known| end == *known)
    };
    paths.retain(|path| path.is_file() && ends_so(path));
    // The same order everywhere, so that a seed of mutations means the same.
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}
