//! Variables: replaced, escaped, missing, and left alone unless requested.

use super::*;
use crate::config::properties;

fn environment(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("h1".to_owned()),
        "NC_PORT" => Some("6667".to_owned()),
        "LIST" => Some("c1  c2".to_owned()),
        "TRICK" => Some("${env.HOST}\na = b".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn filled(value: &str, interpolation: Interpolation) -> (String, Vec<Diagnostic>) {
    let text = format!("a.b.c.d = {value}\n");
    let (mut properties, _) = properties::parse(&text);
    let mode = (interpolation, Mode::Strict);
    let found = interpolate(&mut properties, &text, mode, &environment);
    (properties.remove(0).value.text, found)
}

#[test]
fn variables_are_replaced_on_request() {
    for (given, wanted) in [
        ("${env.HOST}", "h1"),
        ("x${env.HOST}:${env.NC_PORT}y", "xh1:6667y"),
        ("$${env.HOST}", "${env.HOST}"),
        ("${HOST} $1 ${name} $", "${HOST} $1 ${name} $"),
        ("${env.HOST", "${env.HOST"),
        ("${env.TRICK}", "${env.HOST}\na = b"),
        ("${env.}${env.a-b}", "${env.}${env.a-b}"),
        ("${env.EMPTY}", ""),
    ] {
        let (text, found) = filled(given, Interpolation::Env);
        assert_eq!((text.as_str(), found), (wanted, vec![]), "{given}");
    }
}

/// Flume: TestEnvVarResolverProperties.resolveEnvVar, resolveEnvVars, getProperty (G7).
#[test]
fn flumes_own_variables() {
    for (given, wanted) in [
        ("${HOST}", "h1"),
        ("${HOST} ${NC_PORT}", "h1 6667"),
        ("${env.HOST} $${HOST}", "${env.HOST} $h1"),
    ] {
        let (text, found) = filled(given, Interpolation::Flume);
        assert_eq!((text.as_str(), found), (wanted, vec![]), "{given}");
    }
}

/// Flume puts nothing in its place, so `${DATA}/out` is `/out`.
#[test]
fn a_variable_of_flume_that_is_not_set_is_named() {
    for (mode, severity) in [
        (Mode::Strict, Severity::Error),
        (Mode::Lenient, Severity::Warning),
    ] {
        let text = "a.b.c.d = ${UNSET}/out\n";
        let (mut properties, _) = properties::parse(text);
        let mode = (Interpolation::Flume, mode);
        let found = interpolate(&mut properties, text, mode, &environment);
        assert_eq!(properties[0].value.text, "/out");
        assert_eq!(
            (found[0].code, found[0].severity),
            (Code::MissingVariable, severity)
        );
        assert!(found[0].message.contains("`UNSET`"), "{}", found[0].message);
        assert_eq!(found[0].span, Some(Span { start: 10, end: 18 }));
    }
}

#[test]
fn a_missing_variable_is_found_at_its_place() {
    let (_, found) = filled("${env.HOST} ${env.NO} ${env.NEITHER}", Interpolation::Env);
    let spans: Vec<Span> = found.iter().filter_map(|finding| finding.span).collect();
    assert_eq!(found[0].code, Code::MissingVariable);
    assert_eq!(
        spans,
        [Span { start: 22, end: 31 }, Span { start: 32, end: 46 }]
    );
}

#[test]
fn off_means_off_and_says_so() {
    let (text, found) = filled("x${env.HOST}", Interpolation::Off);
    assert_eq!(text, "x${env.HOST}");
    assert_eq!(found[0].code, Code::NotInterpolated);
    for (line, is_told) in [
        ("a.sinks.k.hostname = ${COLL1}", true),
        ("a.sources.r.port = ${env:NC_PORT}", true),
        ("a.sinks.k.hdfs.path = /x/%{host}/$1", false),
        ("a.sources.r.command = tail -F ${LOG}", false),
        ("a.sources.r.interceptors.i.replaceString = ${name}", false),
    ] {
        let (mut properties, _) = properties::parse(line);
        let mode = (Interpolation::Off, Mode::Strict);
        let found = interpolate(&mut properties, line, mode, &environment);
        assert_eq!(!found.is_empty(), is_told, "{line}");
    }
}

#[test]
fn words_of_a_replaced_value_have_its_place() {
    let text = "a.b.c.channels = ${env.LIST}";
    let (mut properties, _) = properties::parse(text);
    let mode = (Interpolation::Env, Mode::Strict);
    let found = interpolate(&mut properties, text, mode, &environment);
    assert_eq!(found, []);
    let value = &properties[0].value;
    let words: Vec<&str> = value.words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(words, ["c1", "c2"]);
    assert!(value.words.iter().all(|word| word.span == value.span));
}
