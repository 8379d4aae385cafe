//! What a component can rely on when it asks for its keys.

use super::*;

#[test]
fn contexts_are_equal_if_they_say_the_same() {
    let keys = [("bind", "localhost"), ("port", "1")];
    let (one, mut other) = (Context::of("a.b.c", &keys), Context::of("a.b.c", &keys));
    other.set_span(Span { start: 3, end: 4 });
    assert_eq!(other.required_number::<u16>("port", 2..=3), None);
    assert_eq!(one, other);
    assert_ne!(one, Context::of("a.b.d", &keys));
    assert_ne!(one, Context::of("a.b.c", &keys[..1]));
    assert_ne!(
        one,
        Context::of("a.b.c", &[("bind", "localhost"), ("port", "2")])
    );
    assert_eq!(
        one.without(|key| key == "port"),
        Context::of("a.b.c", &keys[..1])
    );
}

#[test]
fn what_is_accepted_is_not_unknown() {
    let keys = [("x", "1"), ("y.z", "2")];
    let mut context = Context::of("a.b.c", &keys);
    context.accept("x");
    assert_eq!(
        context.unasked().map(|(key, _)| key).collect::<Vec<_>>(),
        ["y.z"]
    );
    assert_eq!(context.clone().finish().len(), 1);
    context.accept_all();
    assert_eq!(context.finish(), []);
}

/// Flume reads no key that is near no other, but it may have been meant for us.
#[test]
fn an_unknown_key_is_an_error_if_another_was_meant() {
    use crate::Severity::{Error, Warning};
    let severity = |key: &str, mode: Mode, ours: bool| {
        let mut context = Context::new("a.b.c", None, mode);
        let nowhere = Span { start: 0, end: 0 };
        context.insert(key, Value::new("1", nowhere, nowhere));
        context.string("batchSize", "x");
        if ours {
            context.set_ours();
        }
        context.finish().remove(0).severity
    };
    assert_eq!(severity("batch-size", Mode::Strict, false), Error);
    assert_eq!(severity("batch-size", Mode::Lenient, false), Warning);
    assert_eq!(severity("txnEventMax", Mode::Strict, false), Warning);
    assert_eq!(severity("txnEventMax", Mode::Strict, true), Error);
}

/// Flume runs with more than fits here, and with classes of plug-ins.
#[test]
fn what_flume_runs_and_this_host_cannot_is_unsupported() {
    let keys = [
        ("size", "20"),
        ("small", "0"),
        ("form", "com.example.F$Builder"),
    ];
    let mut context = Context::of("a.b.c", &keys);
    assert_eq!(context.number_up_to("size", 1, 1..=10), None);
    assert_eq!(context.number_up_to("small", 1, 1..=10), None);
    let words = [("TEXT", 1), ("org.example.Text$Builder", 1)];
    assert_eq!(context.one_of_or_class("form", "TEXT", &words), None);
    context.unknown_type("form", "com.example.F$Builder", &["text"]);
    let found: Vec<_> = context
        .finish()
        .into_iter()
        .map(|found| found.code)
        .collect();
    let ours = crate::Code::Unsupported;
    assert_eq!(found, [ours, crate::Code::OutOfRange, ours, ours]);
}

#[test]
fn an_unknown_key_far_from_all_others_lists_them() {
    let mut context = Context::of("a.b.c", &[("frobnicate", "1")]);
    context.string("bind", "x");
    context.string("port", "y");
    let help = context.finish().remove(0).help;
    assert_eq!(
        help.as_deref(),
        Some("remove it; the keys are `bind`, `port`")
    );
}
