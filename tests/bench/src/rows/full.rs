//! Runs each row briefly without peers, to show that it works. It takes a minute, so it is not among
//! the quick tests.

use super::*;

/// What a row writes.
fn output(row: Row) -> String {
    let mut out = Vec::new();
    let mut bench = Bench {
        table: Table::new(&mut out),
        scale: Scale::moment(),
        peers: Peers::new(false),
        attacks: Vec::new(),
    };
    bench.row(row).unwrap();
    let wrong = bench.table.end().unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!wrong, "{text}");
    text
}

#[test]
fn rows_of_throughput_lose_and_duplicate_nothing() {
    for (row, parts) in [
        (Row::Ceiling, &["lines", "avro, batch 1000"][..]),
        (Row::B1, &["ack per line", "no acks"]),
        (Row::B2, &["B2 memory under load", "100 B, batch 100"]),
        (Row::B3, &["ceiling, batch 100"]),
        (Row::B4, &["4 sinks at once / 1 sink"]),
        (Row::B5, &["0 lost"]),
        (Row::B6, &["3 redact.wasm / 3 search_replace"]),
        (Row::B7, &["the policy / native"]),
        (Row::B11, &["redact.wasm / none, 20 B"]),
        (
            Row::B12,
            &[
                "append and sync, batch 1000 × 4",
                "append and sync, lines × 64",
            ],
        ),
        (
            Row::B14,
            &[
                "spillable / memory, lines through redact.wasm",
                "memory / spillable, avro, batch 1000",
            ],
        ),
    ] {
        let text = output(row);
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn starts_and_waits_are_measured() {
    for (row, parts) in [
        (Row::B8, &["with a cached policy", "idle"][..]),
        (Row::B13, &["listening, ms, 1000 events", "delivered"][..]),
        (Row::B9, &["p50 at 1000", "p99 at 2 a second"]),
    ] {
        let text = output(row);
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn a_row_without_its_peers_says_so() {
    for row in [Row::B15, Row::B16, Row::B17, Row::Buckets] {
        assert!(output(row).contains("skipped: peers were not asked for"));
    }
}
