//! Variables: filled in, escaped, missing, and left alone when nobody asked.

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
    let found = interpolate(&mut properties, &text, interpolation, &environment);
    (properties.remove(0).value.text, found)
}

#[test]
fn variables_are_filled_in_when_asked_for() {
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
        ("[${UNSET}]", "[]"),
        ("${env.HOST} $${HOST}", "${env.HOST} $h1"),
    ] {
        let (text, found) = filled(given, Interpolation::Flume);
        assert_eq!((text.as_str(), found), (wanted, vec![]), "{given}");
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
    assert_eq!(
        filled("${HOST}", Interpolation::Off),
        ("${HOST}".to_owned(), vec![])
    );
}

#[test]
fn words_of_a_filled_value_have_its_place() {
    let text = "a.b.c.channels = ${env.LIST}";
    let (mut properties, _) = properties::parse(text);
    let found = interpolate(&mut properties, text, Interpolation::Env, &environment);
    assert_eq!(found, []);
    let value = &properties[0].value;
    let words: Vec<&str> = value.words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(words, ["c1", "c2"]);
    assert!(value.words.iter().all(|word| word.span == value.span));
}
