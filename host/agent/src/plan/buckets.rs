//! Folders and files by time and size: what spans a sink and the sources behind its channel, and what
//! only looks right.

use flume_core::{Code, Diagnostic, Severity, Sink};

use super::finding::Finding;
use super::parts::Parts;
use super::{ComponentPlan, InterceptorPlan, SourcePlan};

/// The keys whose values have escapes.
const TEMPLATES: [&str; 2] = ["hdfs.path", "hdfs.filePrefix"];
/// Letters that stand for the event's time after a `%`.
const TIMES: &str = "aAbBcdDeHIjklmMnpSsTtyYz";
/// Sources whose events have no headers but those of their interceptors.
const BARE: [&str; 5] = ["netcat", "netcatudp", "exec", "seq", "stress"];
/// The header with the time.
const TIMESTAMP: &str = "timestamp";

/// Looks at all sinks that run.
pub(super) fn find(parts: Parts<'_>) -> Vec<Finding> {
    let sinks = parts.sinks.all.iter();
    let sinks = sinks.filter_map(|sink| sink.plan.as_ref());
    let found = sinks.flat_map(|sink| {
        let component = &sink.component;
        let timeless = timeless(parts, component, &sink.channel);
        let patterns = TEMPLATES.iter().filter_map(|key| pattern(component, key));
        let all = timeless.into_iter().chain(ten_events(component));
        all.chain(patterns).collect::<Vec<_>>()
    });
    found.map(Finding::Problem).collect()
}

/// A path by time behind a source whose events have none.
fn timeless(parts: Parts<'_>, sink: &ComponentPlan<dyn Sink>, channel: &str) -> Option<Diagnostic> {
    let keys = &sink.keys;
    let is = |key: &str, wanted: &str| {
        let text = keys.text(key);
        text.is_some_and(|text| text.eq_ignore_ascii_case(wanted))
    };
    if is("hdfs.useLocalTimeStamp", "true") || is("hdfs.withoutTimestamp", "now") {
        return None;
    }
    let has_time = |key: &&&str| keys.text(key).is_some_and(has_time);
    let key = TEMPLATES.iter().find(has_time)?;
    let value = keys.value(key)?;
    let sources = parts.sources.all.iter();
    let mut sources = sources.filter(|source| source.channels.iter().any(|name| name == channel));
    let source = sources.find(|source| source.plan.as_ref().is_some_and(is_timeless))?;
    let (agent, name) = (parts.agent, &source.name);
    let message = format!(
        "`{}.{key}` needs the time of each event, and those of source `{name}` have none",
        keys.path()
    );
    let found = Diagnostic::new(Code::MissingTimestamp, message);
    let found = found.at(&value.span, "no header `timestamp`");
    let found = found.related(&source.span, "this source");
    let interceptor = format!("{agent}.sources.{name}.interceptors.….type = timestamp");
    let local = format!("{}.hdfs.useLocalTimeStamp = true", keys.path());
    let now = format!("{}.hdfs.withoutTimestamp = now", keys.path());
    Some(found.help(format!("set `{local}`, or `{interceptor}`, or `{now}`")))
}

/// Whether a text has an escape for a part of the event's time.
fn has_time(text: &str) -> bool {
    escapes(text).any(|(letter, _)| TIMES.contains(letter))
}

/// The characters after each `%`, with what follows them.
fn escapes(text: &str) -> impl Iterator<Item = (char, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once('%')?;
        let letter = after.chars().next()?;
        rest = after.get(letter.len_utf8()..)?;
        Some((letter, rest))
    })
}

/// Whether no event of a source has a time. A policy may set one.
fn is_timeless(source: &SourcePlan) -> bool {
    let mut interceptors = source.interceptors.iter();
    BARE.contains(&source.component.kind) && !interceptors.any(may_set_time)
}

fn may_set_time(interceptor: &InterceptorPlan) -> bool {
    let InterceptorPlan::Native(native) = interceptor else {
        return true;
    };
    let keys = &native.keys;
    let mut named = keys.names().filter_map(|key| keys.text(key));
    match native.kind {
        "timestamp" => {
            let header = keys.text("headerName").or(keys.text("header"));
            header.is_none_or(|header| header == TIMESTAMP)
        }
        _ => named.any(|text| text == TIMESTAMP),
    }
}

/// A limit of size, and Flume's default of ten events beside it.
fn ten_events(sink: &ComponentPlan<dyn Sink>) -> Option<Diagnostic> {
    let keys = &sink.keys;
    let size = keys.value("hdfs.rollSize")?;
    if sink.kind != "hdfs" || keys.value("hdfs.rollCount").is_some() {
        return None;
    }
    let path = keys.path();
    let message = format!("files of `{path}` end after 10 events, whatever their size");
    let found = Diagnostic::new(Code::SmallFiles, message);
    let found = found.at(&size.span, "the number of events is not set");
    Some(found.help(format!(
        "set `{path}.hdfs.rollCount = 0`: the default is 10, as in Flume"
    )))
}

/// A pattern of Java's dates, where `%` takes one letter.
fn pattern(sink: &ComponentPlan<dyn Sink>, key: &str) -> Option<Diagnostic> {
    let value = sink.keys.value(key)?;
    let doubled = |(letter, rest): (char, &str)| {
        let more = rest.chars().take_while(|next| *next == letter).count();
        let meant = match letter {
            'y' => "%Y",
            'M' => "%m",
            'd' => "%d",
            'H' => "%H",
            'm' => "%M",
            's' => "%S",
            _ => return None,
        };
        (more > 0).then(|| (letter, letter.to_string().repeat(more), meant))
    };
    let (letter, more, meant) = escapes(&value.text).find_map(doubled)?;
    let path = sink.keys.path();
    let message = format!("`{path}.{key}`: `%{letter}{more}` is `%{letter}` and the text `{more}`");
    let mut found = Diagnostic::new(Code::BadValue, message);
    found.severity = Severity::Warning;
    let found = found.at(&value.span, "an escape has one letter");
    Some(found.help(format!("write `{meant}`")))
}
