//! `dead-letters show`: single letters, with their headers and the beginning of their bodies.

use std::io::{BufWriter, Write, stdout};
use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Args;
use data_encoding::BASE64;
use flume_core::dead_letter::PREFIX;
use flume_core::printable;
use serde_json::{Map, Value, json};

use super::super::channel::FolderArgs;
use super::FilterArgs;
use super::letter::{Letter, each, shown_time};

/// Shows dead letters, the oldest first. The channel may be in use.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    folders: FolderArgs,
    #[command(flatten)]
    which: FilterArgs,
    /// The one with this number alone.
    #[arg(long, value_name = "N")]
    number: Option<u64>,
    /// At most so many.
    #[arg(long, value_name = "LETTERS", default_value_t = 20)]
    most: u64,
    /// At most so many bytes of a body.
    #[arg(long, value_name = "BYTES", default_value_t = 1000)]
    bytes: usize,
    /// A line of JSON for each. A body that is no text is in `bodyBase64`.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &ShowArgs) -> Result<ExitCode, ExitCode> {
    let filter = args.which.filter();
    let mut out = BufWriter::new(stdout().lock());
    let mut shown = 0;
    each(&args.folders.folders, |letter| {
        if shown == args.most {
            return Ok(ControlFlow::Break(()));
        }
        let is_it = args.number.is_none_or(|number| number == letter.number);
        if !is_it || !filter.takes(&letter) {
            return Ok(ControlFlow::Continue(()));
        }
        shown += 1;
        match args.json {
            true => writeln!(out, "{}", as_json(&letter, args.bytes)),
            false => out.write_all(as_text(&letter, args.bytes).as_bytes()),
        }?;
        out.flush()?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The headers that the letter had when it was an event.
fn own_headers(letter: &Letter) -> impl Iterator<Item = (&str, &str)> {
    let headers = letter.event.headers.iter();
    let own = headers.filter(|(name, _)| !name.starts_with(PREFIX));
    own.map(|(name, value)| (&**name, &**value))
}

/// The beginning of a body, and whether that is all of it.
fn beginning(letter: &Letter, bytes: usize) -> (&[u8], bool) {
    let body = &letter.event.body;
    match body.get(..bytes) {
        Some(part) => (part, part.len() == body.len()),
        None => (body, true),
    }
}

fn as_text(letter: &Letter, bytes: usize) -> String {
    let when = letter
        .time()
        .map_or_else(|| "no time".to_owned(), shown_time);
    let attempts = letter
        .attempts()
        .map_or_else(|| "?".to_owned(), |n| n.to_string());
    let by = letter.by();
    let head = format!("{when}, by {by}, attempts: {attempts}");
    let mut text = format!("number {}: {}\n", letter.number, printable(&head));
    let mut line = |name: &str, value: &str| {
        let line = format!("{name}: {value}");
        text.push_str(&format!("  {}\n", printable(&line)));
    };
    line("reason", letter.reason());
    if let Some(digest) = letter.digest() {
        line("policy", digest);
    }
    for (name, value) in own_headers(letter) {
        line(&format!("header {name}"), value);
    }
    let (body, is_all) = beginning(letter, bytes);
    let rest = if is_all { "" } else { " …" };
    let size = letter.event.body.len();
    line(
        &format!("body ({size} bytes)"),
        &format!("{}{rest}", String::from_utf8_lossy(body)),
    );
    text
}

fn as_json(letter: &Letter, bytes: usize) -> Value {
    let headers = own_headers(letter).map(|(name, value)| (name.to_owned(), Value::from(value)));
    let headers: Map<String, Value> = headers.collect();
    let (body, is_all) = beginning(letter, bytes);
    let (key, body) = match std::str::from_utf8(body) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("bodyBase64", BASE64.encode(body)),
    };
    json!({
        "number": letter.number,
        "by": letter.by(),
        "reason": letter.reason(),
        "policyDigest": letter.digest(),
        "time": letter.time(),
        "attempts": letter.attempts(),
        "headers": headers,
        key: body,
        "bodyBytes": letter.event.body.len(),
        "isWhole": is_all,
    })
}

#[cfg(test)]
mod tests {
    use flume_core::{Event, dead_letter};

    use super::*;

    fn letter(body: &'static [u8]) -> Letter {
        let event = Event::new(body).with_header(dead_letter::SINK, "k1");
        let event = event.with_header(dead_letter::REASON, "no\u{1b}time");
        let event = event
            .with_header(dead_letter::TIME, "0")
            .with_header("k", "v\n");
        Letter { number: 7, event }
    }

    #[test]
    fn a_letter_is_shown_in_lines_that_nothing_in_it_can_forge() {
        assert_eq!(
            as_text(&letter(b"one\ntwo"), 5),
            "number 7: 1970-01-01T00:00:00Z, by sink k1, attempts: ?\n  \
             reason: no\\u{1b}time\n  header k: v\\n\n  body (7 bytes): one\\nt …\n"
        );
    }

    #[test]
    fn json_has_what_is_known() {
        let shown = as_json(&letter(b"one"), 3);
        let known = json!({
            "number": 7, "by": "sink k1", "reason": "no\u{1b}time", "policyDigest": null, "time": 0,
            "attempts": null, "headers": {"k": "v\n"}, "body": "one", "bodyBytes": 3, "isWhole": true,
        });
        assert_eq!(shown, known);
        let bytes = as_json(&letter(&[0xff, 0]), 1);
        assert_eq!(
            (&bytes["bodyBase64"], &bytes["isWhole"]),
            (&"/w==".into(), &false.into())
        );
    }
}
