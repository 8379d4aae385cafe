//! A file that is not a policy is refused, in words that its author understands.

use flume_policy::{Artifact, LoadError, PolicyError, Problem, SelectorSetup, World};

use crate::support::{ENGINE, fallback, guest, pairs, policy, selector_text, sinks};

fn refusal(text: &str) -> String {
    Artifact::load(&ENGINE, "p", text.as_bytes(), None)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_guest_is_known_by_its_exports() {
    let weighted = guest("selector-weighted");
    assert_eq!(weighted.world(), World::Selector { router: false });
    assert!(weighted.has_state());
    assert_eq!((weighted.version(), weighted.digest().len()), ("0.1.0", 64));
    let redact = guest("interceptor-redact");
    assert_eq!(
        (redact.world(), redact.has_state()),
        (World::Interceptor, false)
    );
}

#[test]
fn what_is_no_policy_is_refused_with_a_reason() {
    let good = "(call $answer (i32.const 3))";
    for (text, expected) in [
        ("hello".to_owned(), "not a WebAssembly module: "),
        (
            "\0asm\u{1}\0\0\0\u{7f}".to_owned(),
            "not a WebAssembly module: ",
        ),
        (
            "(module (func (export \"run\")))".to_owned(),
            "exports nothing of `flume:policy` (it exports `run`)",
        ),
        (
            "(component)".to_owned(),
            "exports nothing of `flume:policy` (it exports nothing)",
        ),
        (
            selector_text(good, "(import \"env\" \"now\" (func (result i64)))"),
            "imports `env`; a policy may import",
        ),
        (
            selector_text(
                good,
                "(import \"wasi_snapshot_preview1\" \"fd_fly\" (func))",
            ),
            "does not keep to flume:policy: ",
        ),
        (
            "(component (import \"wasi:cli/exit@0.2.0\" (instance)))".to_owned(),
            "imports `wasi:cli/exit@0.2.0`; ",
        ),
        (
            selector_text(good, "(func (export \"_start\"))"),
            "is a program (it exports `_start`)",
        ),
        (
            selector_text(good, "").replace("@0.1.0", "@0.2.0"),
            "exports `flume:policy/sink-selector@0.2.0`; ",
        ),
        (
            selector_text(good, "").replace("#order", "#odrer"),
            "does not keep to flume:policy: ",
        ),
        (
            selector_text("(i64.const 1)", "").replace(
                "(param i64 i32 i32 i32) (result i32)",
                "(param i64 i32 i32 i32) (result i64)",
            ),
            "does not keep to flume:policy: ",
        ),
    ] {
        let found = refusal(&text);
        assert!(found.starts_with(expected), "{found}\n{text}");
    }
}

#[test]
fn an_interceptor_is_no_selector() {
    let policy = policy(guest("interceptor-redact"));
    let setup = SelectorSetup {
        sinks: sinks(&[1, 1]),
        ..SelectorSetup::default()
    };
    let error = policy.selector("g1", setup, fallback(2)).unwrap_err();
    let expected = LoadError::WrongKind {
        is: "an interceptor".to_owned(),
        wanted: "a sink selector".to_owned(),
    };
    assert!(matches!(error, PolicyError::Load(found) if found == expected));
}

#[test]
fn every_problem_with_the_properties_is_told() {
    let policy = policy(guest("selector-weighted"));
    let mut sinks = sinks(&[1, 1]);
    sinks[1].properties = pairs(&[("weight", "much")]);
    let properties = pairs(&[("backof", "true"), ("maxTimeOut", "-1")]);
    let setup = SelectorSetup {
        properties,
        sinks,
        seed: 1,
    };
    let PolicyError::Config(problems) = policy.selector("g1", setup, fallback(2)).unwrap_err()
    else {
        panic!("not a matter of configuration");
    };
    let expected = "a number from 0 to 31536000000".to_owned();
    assert_eq!(
        problems,
        [
            Problem::BadValue {
                key: "maxTimeOut".to_owned(),
                expected
            },
            Problem::UnknownKey("backof".to_owned()),
            Problem::Other("`weight` of sink `s1` must be a number from 0 to 1000000".to_owned()),
        ]
    );
}
