//! Files that look small or harmless and cost a lot of work: they are refused within a known time,
//! and the process survives them.

use std::fmt::Write as _;
use std::time::Duration;

use flume_core::clock;
use flume_policy::{Artifact, Limits, LoadError, PolicyError, ViolationKind};

use crate::support::{ENGINE, limited, selector, selector_text, text};

fn refused(text: &str) -> LoadError {
    let began = clock::now();
    let error = Artifact::load(&ENGINE, "bomb", text.as_bytes(), None).unwrap_err();
    let took = clock::now() - began;
    assert!(took < Duration::from_secs(60), "{took:?}: {error}");
    error
}

const GOOD: &str = "(call $answer (i32.const 3))";

#[test]
fn a_text_of_megabytes_is_not_read() {
    let text = format!("(module ;; {}\n)", "x".repeat(9 << 20));
    assert!(matches!(refused(&text), LoadError::TooLarge { .. }));
}

#[test]
fn a_function_of_megabytes_is_not_compiled() {
    // A jump table of two million entries, a byte each.
    let table = "0 ".repeat(2_050_000);
    let more = format!("(func (param i32) (block (br_table {table} (local.get 0))))");
    let error = refused(&selector_text(GOOD, &more));
    let named =
        matches!(&error, LoadError::TooMuch { what, .. } if what == "bytes in one function");
    assert!(named, "{error}");
}

/// Deeper than any stack: of blocks, of folded expressions, of components.
#[test]
fn nesting_is_bounded() {
    let blocks = format!("{}{}", "block ".repeat(200_000), "end ".repeat(200_000));
    let folded = format!("{}(nop){}", "(block ".repeat(100_000), ")".repeat(100_000));
    for body in [blocks, folded] {
        let error = refused(&selector_text(GOOD, &format!("(func {body})")));
        let is_named = match &error {
            LoadError::TooMuch { what, .. } => what == "nested blocks",
            // The parser of texts has a bound of its own.
            LoadError::NotWasm(words) => words.contains("nesting too deep"),
            _ => false,
        };
        assert!(is_named, "{error}");
    }
    // What is just allowed is compiled quickly.
    let most = format!("{}{}", "block ".repeat(9_999), "end ".repeat(9_999));
    let began = clock::now();
    text("deep", &selector_text(GOOD, &format!("(func {most})")));
    let took = clock::now() - began;
    assert!(took < Duration::from_secs(60), "{took:?}");
    let components = format!("{}{}", "(component ".repeat(50), ")".repeat(50));
    let error = refused(&components);
    let named = matches!(&error, LoadError::TooMuch { what, .. } if what == "nested components");
    assert!(named, "{error}");
}

#[test]
fn locals_are_bounded() {
    let mut more = String::from("(func ");
    for _ in 0..60_000 {
        more.push_str("(local i64)");
    }
    more.push(')');
    let error = refused(&selector_text(GOOD, &more)).to_string();
    assert!(error.contains("too many locals"), "{error}");
}

/// The message about a thousand imports is short.
#[test]
fn messages_about_files_are_short() {
    let mut imports = String::new();
    for at in 0..1000 {
        writeln!(
            imports,
            "(import \"{}{at}\" \"f\" (func))",
            "m".repeat(1000)
        )
        .unwrap();
    }
    let error = refused(&selector_text(GOOD, &imports)).to_string();
    assert!(
        error.len() < 40_000 && error.contains("and 984 more"),
        "{}",
        error.len()
    );
}

/// Even the pieces that a completed module consists of are counted.
#[test]
fn instances_are_counted() {
    let limits = Limits {
        instances: 1,
        ..Limits::default()
    };
    let more = r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#;
    let policy = limited(text("pieces", &selector_text(GOOD, more)), limits);
    match selector(&policy).unwrap_err() {
        PolicyError::Violation(violation) => {
            assert_eq!(violation.kind, ViolationKind::Memory, "{violation}");
            assert!(
                violation.detail.contains("instance count too high"),
                "{violation}"
            );
        }
        other => panic!("{other}"),
    }
}
