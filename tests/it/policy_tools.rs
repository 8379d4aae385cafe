//! Goal: the tools that measure policies run, and their reports about an agent are correct. Method:
//! each runs briefly with a small load. Events and swaps are counted; times are not judged.

use std::time::Duration;

use flume_artifacts::shipped;
use flume_tests::host;
use flume_tests::swap::{self, Load};

#[test]
fn a_policy_swapped_under_load_loses_and_duplicates_nothing() {
    let load = Load {
        rate: 1_000,
        // Long enough for one swap on a busy machine.
        seconds: 8,
        between: Duration::from_millis(1200),
        policies: ["weighted", "round-robin"].map(shipped),
    };
    let outcome = swap::run(&load);
    outcome.tally.assert_exact("with swaps");
    let swaps = outcome.stood_still.len();
    assert!(swaps > 0, "no swap was seen");
    assert_eq!(outcome.quiet.len() + outcome.swapped.len(), 16_000);
}

#[test]
fn a_policy_is_compared_with_its_twin() {
    for (guest, properties, twin) in [
        ("round-robin", &[][..], "native round_robin"),
        (
            "redact",
            &["--property", "patterns=secret"],
            "native, does nothing",
        ),
    ] {
        let file = shipped(guest).display().to_string();
        let words = ["policy", "bench", &file, "--rounds", "1", "--batch", "10"];
        let words: Vec<&str> = words.iter().chain(properties).copied().collect();
        let finished = host::command(&words, "");
        assert!(finished.status.success(), "{}", finished.stderr);
        for part in [twin, "one call: half within", "memory"] {
            assert!(finished.stdout.contains(part), "{}", finished.stdout);
        }
    }
    let refused = host::command(&["policy", "bench", "Cargo.toml"], "");
    assert_eq!(refused.status.code(), Some(65), "{}", refused.stderr);
}
