//! `dead-letters list`: how many there are, by who gave them up and why.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Args;
use flume_core::printable;
use flume_core::shell::print;
use serde_json::{Value, json};

use super::super::channel::FolderArgs;
use super::letter::{Letter, each, shown_time};

/// The most kinds of dead letters that are told apart; the rest is one kind.
const MOST_KINDS: usize = 1000;

/// Counts the dead letters by who gave them up, why, and by which policy, with the first and the last
/// time. The channel may be in use.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    folders: FolderArgs,
    /// One object of JSON.
    #[arg(long)]
    json: bool,
}

/// Who gave letters up, why, and with which policy; `None` for those beyond the limit.
type Kind = Option<(String, String, Option<String>)>;

#[derive(Debug, Default)]
struct Count {
    letters: u64,
    first: Option<u64>,
    last: Option<u64>,
}

#[derive(Debug, Default)]
struct Kinds(BTreeMap<Kind, Count>);

impl Kinds {
    fn add(&mut self, letter: &Letter) {
        let digest = letter.digest().map(str::to_owned);
        let mut kind = Some((letter.by(), letter.reason().to_owned(), digest));
        if self.0.len() >= MOST_KINDS && !self.0.contains_key(&kind) {
            kind = None;
        }
        let count = self.0.entry(kind).or_default();
        count.letters += 1;
        if let Some(time) = letter.time() {
            count.first = Some(count.first.map_or(time, |first| first.min(time)));
            count.last = count.last.max(Some(time));
        }
    }

    fn all(&self) -> u64 {
        self.0.values().map(|count| count.letters).sum()
    }

    fn json(&self, (strange, lost): (u64, u64)) -> Value {
        let kinds = self.0.iter().map(|(kind, count)| {
            let (by, reason, digest) = kind.clone().unwrap_or_default();
            json!({
                "by": by,
                "reason": reason,
                "policyDigest": digest,
                "letters": count.letters,
                "first": count.first,
                "last": count.last,
                "isRest": kind.is_none(),
            })
        });
        let kinds: Vec<Value> = kinds.collect();
        json!({"letters": self.all(), "strange": strange, "lost": lost, "kinds": kinds})
    }

    fn text(&self) -> String {
        let mut lines = format!("dead letters: {}\n", self.all());
        let mut kinds: Vec<_> = self.0.iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(count.letters));
        for (kind, count) in kinds {
            let what = match kind {
                Some((by, reason, None)) => format!("{by}: {reason}"),
                Some((by, reason, Some(digest))) => format!("{by} ({digest}): {reason}"),
                None => "others".to_owned(),
            };
            let when = match (count.first, count.last) {
                (Some(first), Some(last)) => {
                    format!("{} to {}", shown_time(first), shown_time(last))
                }
                _ => "no time".to_owned(),
            };
            lines.push_str(&format!(
                "{:>9}  {when}  {}\n",
                count.letters,
                printable(&what)
            ));
        }
        lines
    }
}

/// Runs the command.
pub(super) fn run(args: &ListArgs) -> Result<ExitCode, ExitCode> {
    let mut kinds = Kinds::default();
    let beside = each(&args.folders.folders, |letter| {
        kinds.add(&letter);
        Ok(ControlFlow::Continue(()))
    })?;
    let (strange, lost) = beside;
    print(&match args.json {
        true => format!("{}\n", kinds.json(beside)),
        false => kinds.text(),
    });
    if strange + lost > 0 && !args.json {
        print(&format!(
            "{lost} events are lost, {strange} records are no events\n"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use flume_core::{Event, dead_letter};

    use super::*;

    fn letter(reason: String, time: &'static str) -> Letter {
        let event = Event::new("x").with_header(dead_letter::SINK, "k1");
        let event = event.with_header(dead_letter::REASON, reason);
        let event = event.with_header(dead_letter::TIME, time);
        Letter { number: 0, event }
    }

    #[test]
    fn letters_are_counted_by_kind_with_first_and_last() {
        let mut kinds = Kinds::default();
        for (reason, time) in [
            ("a\nb", "2000"),
            ("c", "1000"),
            ("a\nb", "1000"),
            ("a\nb", "3000"),
        ] {
            kinds.add(&letter(reason.to_owned(), time));
        }
        let text = kinds.text();
        assert_eq!(
            text,
            "dead letters: 4\n        \
             3  1970-01-01T00:00:01Z to 1970-01-01T00:00:03Z  sink k1: a\\nb\n        \
             1  1970-01-01T00:00:01Z to 1970-01-01T00:00:01Z  sink k1: c\n"
        );
        let json = kinds.json((1, 2));
        assert_eq!(
            (&json["letters"], &json["strange"], &json["lost"]),
            (&4.into(), &1.into(), &2.into())
        );
        assert_eq!(json["kinds"][0]["first"], 1000);
    }

    #[test]
    fn kinds_beyond_the_limit_are_one() {
        let mut kinds = Kinds::default();
        for number in 0..MOST_KINDS + 5 {
            kinds.add(&letter(number.to_string(), "1"));
        }
        assert_eq!(kinds.0.len(), MOST_KINDS + 1);
        assert_eq!(kinds.0[&None].letters, 5);
        assert_eq!(kinds.all(), (MOST_KINDS + 5) as u64);
    }
}
