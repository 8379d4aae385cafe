//! What is shown about a file, whether it is a policy or not.

use std::time::Duration;

use flume_policy::{
    Bodies, Inspection, InterceptorSetup, Limits, LoadError, Memory, PolicyError, SelectorSetup,
    Trial,
};

use crate::support::{ENGINE, guest, pairs, selector_text, sinks, text};

#[test]
fn a_guest_in_rust_is_complete_and_names_its_tools() {
    let bytes = flume_artifacts::bytes("selector-weighted").unwrap();
    let found = Inspection::of(&bytes).unwrap();
    assert_eq!((found.size, found.digest.len()), (bytes.len(), 64));
    assert!(!found.is_text && !found.is_component);
    assert!(found.completion.wasi.is_empty());
    let order = "flume:policy/sink-selector@0.1.0#order".to_owned();
    assert!(found.exports.contains(&order), "{:?}", found.exports);
    assert_eq!(found.imports, ["flume:policy/log@0.1.0"]);
    assert_eq!(found.memories.len(), 1);
    let names = |(role, name, _): &(String, String, String)| format!("{role} {name}");
    let producers: Vec<String> = found.producers.iter().map(names).collect();
    assert!(
        producers.contains(&"language Rust".to_owned()),
        "{producers:?}"
    );
}

#[test]
fn what_the_host_adds_is_told() {
    let wasi = "(import \"wasi_snapshot_preview1\" \"fd_write\"
        (func (param i32 i32 i32 i32) (result i32)))";
    let text = selector_text("(call $answer (i32.const 3))", wasi);
    let found = Inspection::of(text.as_bytes()).unwrap();
    assert!(found.is_text && found.completion.world);
    assert_eq!(found.completion.wasi, ["fd_write"]);
    assert_eq!(found.imports, ["wasi_snapshot_preview1"]);
    let memory = Memory {
        least: 4 << 16,
        most: None,
    };
    assert_eq!(found.memories, [memory]);
}

#[test]
fn a_file_that_is_no_policy_is_told_of_all_the_same() {
    let text = "(component
        (core module (memory 1 3) (export \"inner\" (memory 0)))
        (import \"wasi:cli/exit@0.2.0\" (instance)))";
    let found = Inspection::of(text.as_bytes()).unwrap();
    assert!(found.is_component && !found.completion.world);
    assert_eq!(found.imports, ["wasi:cli/exit@0.2.0"]);
    assert_eq!(found.exports, Vec::<String>::new());
    let memory = Memory {
        least: 1 << 16,
        most: Some(3 << 16),
    };
    assert_eq!(found.memories, [memory]);

    let error = Inspection::of(b"hello").unwrap_err();
    assert!(matches!(error, LoadError::NotWasm(_)), "{error}");
}

#[test]
fn a_trial_tells_what_a_policy_asks_for() {
    let limits = Limits::default();
    let setup = |keys: &[(&str, &str)]| InterceptorSetup {
        properties: pairs(keys),
        seed: 1,
    };
    let redact = guest("interceptor-redact");
    let passed =
        Trial::interceptor(&ENGINE, &redact, &limits, setup(&[("patterns", "x")])).unwrap();
    assert_eq!(
        (passed.needs.headers.len(), passed.needs.bodies),
        (0, Bodies::Whole)
    );
    assert!(passed.start > Duration::ZERO);
    let refused = Trial::interceptor(&ENGINE, &redact, &limits, setup(&[]));
    assert!(matches!(refused, Err(PolicyError::Config(problems)) if problems.len() == 1));

    let setup = SelectorSetup {
        sinks: sinks(&[1, 1]),
        ..SelectorSetup::default()
    };
    let repeats = selector_text(
        "(i32.store (i32.const 132) (i32.const 0)) (call $answer (i32.const 2))",
        "",
    );
    let refused = Trial::selector(&ENGINE, &text("p", &repeats), &limits, setup).unwrap_err();
    assert_eq!(refused.to_string(), "order-repeated: sink 0 twice");
}
