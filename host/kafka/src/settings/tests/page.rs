//! The tables of `host/KAFKA.md` are those of the code.

use std::fmt::Write;

use super::*;
use crate::settings::kind::Of;
use crate::settings::library::{SETTINGS, Use};
use crate::settings::names::{Becomes, Name};
use crate::settings::value::{How, Is};

/// What stands before the tables.
const MARK: &str = "<!-- From here on the page is made from the code: a test compares them. -->\n";

#[test]
fn the_page_shows_the_tables() {
    let page = include_str!("../../../../KAFKA.md");
    let (_, shown) = page.split_once(MARK).unwrap();
    let made = tables();
    assert!(shown == made, "below the mark has to be:\n{made}");
}

fn tables() -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").unwrap();
    line("\n## What holds where a file says nothing\n".to_owned());
    line("| setting | of | value |\n| --- | --- | --- |".to_owned());
    for (of, pairs) in [
        ("producer", PRODUCER),
        ("consumer", CONSUMER),
        ("consumer", COMMITS),
    ] {
        for (key, value) in pairs {
            line(format!("| `{key}` | {of} | `{value}` |"));
        }
    }
    line("\n## Java's settings\n".to_owned());
    line("| setting | of | shown | becomes |\n| --- | --- | --- | --- |".to_owned());
    for name in names::all() {
        let (of, shown) = (whose(name.of), shown(name.is_secret));
        line(format!(
            "| `{}` | {of} | {shown} | {} |",
            name.java,
            becomes(name)
        ));
    }
    line("\n## Settings of librdkafka that Java has not\n".to_owned());
    line("| setting | of | shown | value |\n| --- | --- | --- | --- |".to_owned());
    let is_java = |name: &str| names::all().any(|java| java.java == name);
    for setting in SETTINGS.iter().filter(|setting| !is_java(setting.name)) {
        let (of, shown) = (whose(setting.of), shown(setting.is_secret));
        let value = match setting.use_of {
            Use::Passed(is) => values(is),
            Use::Alias(other) => format!("is `{other}`"),
            Use::Ours(why) => format!("refused: {why}"),
        };
        line(format!("| `{}` | {of} | {shown} | {value} |", setting.name));
    }
    text
}

fn whose(of: Of) -> &'static str {
    match of {
        Of::Both => "both",
        Of::Producer => "producer",
        Of::Consumer => "consumer",
    }
}

fn shown(is_secret: bool) -> &'static str {
    if is_secret { "no" } else { "yes" }
}

fn values(is: Is) -> String {
    match is {
        Is::Text => "text".to_owned(),
        Is::OneOf(words) => format!("`{}`", words.join("`, `")),
        Is::Number(least, most) | Is::Decimal(least, most) => format!("{least} to {most}"),
    }
}

fn becomes(name: &Name) -> String {
    match name.becomes {
        Becomes::Setting(setting, how) => {
            let setting = match setting == name.java {
                true => "the same".to_owned(),
                false => format!("`{setting}`"),
            };
            format!("{setting}{}", how_said(how))
        }
        Becomes::Level(codec) => {
            format!("`compression.level`, if `compression.type` is `{codec}`")
        }
        Becomes::Part(what) => what.to_owned(),
        Becomes::Classes(classes) => format!("records are bytes; only `{}`", classes.join("`, `")),
        Becomes::Nothing(why) => format!("nothing: {why}"),
        Becomes::Missing(why) => format!("nothing, with a warning: {why}"),
        Becomes::Refused(why) => format!("refused: {why}"),
    }
}

fn how_said(how: How) -> String {
    match how {
        How::Same => String::new(),
        How::Kibibytes => ", in KiB".to_owned(),
        How::NegativeIsNone => "; a negative number is 0".to_owned(),
        How::Words(words) | How::Class(words) | How::Classes(words) => {
            let said = words.iter().map(|(java, library)| match *library {
                "" => format!("`{java}` sets nothing"),
                same if same.eq_ignore_ascii_case(java) => format!("`{java}`"),
                other => format!("`{java}` is `{other}`"),
            });
            format!(": {}", said.collect::<Vec<_>>().join(", "))
        }
    }
}
