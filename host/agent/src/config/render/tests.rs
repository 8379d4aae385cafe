//! The output of findings, for people and for machines.

use flume_core::Code;

use super::*;

fn file() -> SourceFile {
    let text = "# é\na1.sources = r1\na1.sinks = k1 ké\n".to_owned();
    SourceFile::new("conf/a.properties", text)
}

fn finding() -> Diagnostic {
    let text = file().text;
    let at = |part: &str| {
        let start = text.find(part).unwrap();
        Span {
            start,
            end: start + part.len(),
        }
    };
    Diagnostic::new(Code::UnknownSink, "there is no `ké`")
        .at(&at("ké"), "not here")
        .related(&at("r1"), "but this")
        .help("look again")
}

#[test]
fn findings_look_like_a_compilers() {
    let nowhere = Diagnostic::new(Code::UnknownAgent, "no agent `x`").help("the file has `a1`");
    let text = render(&[finding(), nowhere], &file(), false);
    let expected = "\
error[unknown-sink]: there is no `ké`
 --> conf/a.properties:3:15
  |
2 | a1.sources = r1
  |              -- but this
3 | a1.sinks = k1 ké
  |               ^^ not here
  |
  = help: look again

error[unknown-agent]: no agent `x`
--> conf/a.properties
 = help: the file has `a1`

";
    assert_eq!(text, expected);
    assert!(render(&[finding()], &file(), true).contains("\u{1b}["));
}

#[test]
fn machines_get_numbers() {
    let nowhere = Diagnostic::new(Code::UnknownAgent, "no agent `x`");
    let text = json(&[finding(), nowhere], &file());
    let expected = serde_json::json!([
        {
            "file": "conf/a.properties", "line": 3, "column": 15, "endLine": 3, "endColumn": 17,
            "code": "unknown-sink", "severity": "error", "message": "there is no `ké`",
            "label": "not here", "help": "look again",
            "related": [{
                "line": 2, "column": 14, "endLine": 2, "endColumn": 16, "message": "but this"
            }],
        },
        {
            "file": "conf/a.properties", "code": "unknown-agent", "severity": "error",
            "message": "no agent `x`",
        },
    ]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        expected
    );
}

#[test]
fn places_outside_of_the_text_are_moved_into_it() {
    let wild = Span {
        start: 3,
        end: 4000,
    };
    let found = Diagnostic::new(Code::Syntax, "x").at(&wild, "y");
    assert!(render(std::slice::from_ref(&found), &file(), false).contains("conf/a.properties:1:3"));
    let empty = SourceFile::new("f", "");
    assert!(json(&[found], &empty).contains("\"line\": 1"));
}

#[test]
fn the_summary_counts() {
    let warning = Diagnostic::new(Code::BatchSize, "x");
    let all = [finding(), finding(), warning];
    assert_eq!(
        summary(&all, &file()),
        "conf/a.properties: 2 errors, 1 warning"
    );
    assert_eq!(
        summary(&[], &file()),
        "conf/a.properties: nothing to report"
    );
}
