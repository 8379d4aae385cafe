//! `policy replay`: where another selector would have decided differently.
//!
//! The trace says what the group was: its sinks, its properties, its seed. Of a trace in several
//! files (`trace.2`, `trace.1`, `trace`) those that go together are read, oldest first.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::replay::{Difference, Replay, Replayed, Told};
use clap::Args;
use flume_core::shell::{EXIT_DATA, complain, print, unreadable};
use flume_policy::Compiler;
use flume_policy::trace::{Trace, TraceEntry, TraceHeader, older};
use flume_policy::{Properties, SelectorSetup};

use super::candidate::{CandidateArgs, LoadedSelector, violations};

/// Gives another policy what a group has recorded, and shows where it decides differently. Exits
/// with 0 if it never does, and with 1 if it does.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// What `processor.record` wrote.
    trace: PathBuf,
    /// The selector; its properties are the recorded ones, and those of `--property`.
    #[command(flatten)]
    candidate: CandidateArgs,
    /// How many differences are shown.
    #[arg(long, default_value_t = 10)]
    show: usize,
}

/// What was recorded.
struct Recorded {
    /// Of the oldest file.
    header: TraceHeader,
    entries: Vec<TraceEntry>,
    /// Bytes at the end of the last file that could not be read.
    cut: usize,
}

/// Runs the command.
pub(super) fn run(args: &ReplayArgs, compiler: &Compiler) -> ExitCode {
    match replay(args, compiler) {
        Ok((text, same)) => {
            print(&text);
            ExitCode::from(u8::from(!same))
        }
        Err(code) => code,
    }
}

/// What the command prints, and whether the selector never differs.
fn replay(args: &ReplayArgs, compiler: &Compiler) -> Result<(String, bool), ExitCode> {
    let recorded = read(&args.trace)?;
    let header = &recorded.header;
    let replay = Replay::new(header.began_unix_ms);
    let setup = SelectorSetup {
        properties: with(&header.properties, &args.candidate.properties),
        sinks: header.sinks.clone(),
        seed: header.seed,
    };
    let LoadedSelector {
        selector,
        policy,
        zero,
    } = args.candidate.load(setup, replay.wall(), compiler)?;
    let sinks = header.sinks.len();
    let seen = replay.run(&recorded.entries, selector, sinks, zero, args.show);
    let mut text = heading(&recorded, &args.candidate.name());
    text.push_str(&report(header, &seen));
    let broken = policy.as_deref().map(violations).unwrap_or_default();
    for (rule, count) in &broken {
        line(&mut text, &format!("violations: {rule} {count}"));
    }
    Ok((text, seen.differing() == 0))
}

/// Reads the trace with the files before it that belong to it.
fn read(path: &Path) -> Result<Recorded, ExitCode> {
    let mut files = vec![one(path)?];
    for number in 1.. {
        let before = older(path, number);
        match std::fs::metadata(&before) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(unreadable(&before, &error)),
        }
        let before = one(&before)?;
        if !files.last().is_some_and(|next| before.goes_on_in(next)) {
            break;
        }
        files.push(before);
    }
    files.reverse();
    let cut = files.last().map_or(0, |last| last.cut);
    let header = files
        .first()
        .map(|first| first.header.clone())
        .unwrap_or_default();
    let entries = files.into_iter().flat_map(|file| file.entries).collect();
    Ok(Recorded {
        header,
        entries,
        cut,
    })
}

fn one(path: &Path) -> Result<Trace, ExitCode> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    Trace::read(&bytes).map_err(|error| {
        complain(&format!("error: {}: {error}\n", path.display()));
        ExitCode::from(EXIT_DATA)
    })
}

/// The recorded properties; those of the command line replace them or are added.
fn with(recorded: &Properties, given: &Properties) -> Properties {
    let is_given = |key: &str| given.iter().any(|(known, _)| known == key);
    let kept = recorded.iter().filter(|(key, _)| !is_given(key));
    kept.chain(given).cloned().collect()
}

fn heading(recorded: &Recorded, candidate: &str) -> String {
    let header = &recorded.header;
    let digest = match header.digest.get(..12) {
        Some(digest) => format!(" ({digest})"),
        None => String::new(),
    };
    let mut text = String::new();
    line(
        &mut text,
        &format!(
            "recorded: {}{digest}, {} sinks",
            header.selector,
            header.sinks.len()
        ),
    );
    line(&mut text, &format!("replayed: {candidate}"));
    if header.part > 0 {
        let words = "the trace begins in the middle of a life: what the recorded selector had \
                     learnt before, the other one does not know";
        line(&mut text, &format!("note: {words}"));
    }
    if recorded.cut > 0 {
        line(
            &mut text,
            &format!(
                "note: the last {} bytes of the trace are incomplete",
                recorded.cut
            ),
        );
    }
    text
}

fn report(header: &TraceHeader, seen: &Replayed) -> String {
    let mut text = String::new();
    if seen.lost > 0 {
        let words = "entries are missing, since they could not be written in time: from the first \
                     gap on the two selectors were not given the same";
        line(&mut text, &format!("note: {} {words}", seen.lost));
    }
    line(
        &mut text,
        &format!(
            "{} decisions: {} the same, {} with another first choice, {} with another order \
             after it",
            seen.decisions,
            seen.decisions - seen.differing(),
            seen.first_differs,
            seen.order_differs,
        ),
    );
    line(
        &mut text,
        &format!(
            "\n{:<16}{:>10}{:>10}",
            "first choice", "recorded", "replayed"
        ),
    );
    let counts = seen.recorded_first.iter().zip(&seen.replayed_first);
    for (sink, (recorded, replayed)) in counts.enumerate() {
        let share = |count: &u64| percent(*count, seen.decisions);
        let (name, old, new) = (name(header, sink), share(recorded), share(replayed));
        line(&mut text, &format!("{name:<16}{old:>10}{new:>10}"));
    }
    for difference in &seen.differences {
        text.push('\n');
        text.push_str(&shown(header, difference));
    }
    let more = seen.differing() - u64::try_from(seen.differences.len()).unwrap_or(u64::MAX);
    if more > 0 {
        line(&mut text, &format!("\n… and {more} more"));
    }
    text
}

fn shown(header: &TraceHeader, difference: &Difference) -> String {
    let mut text = String::new();
    let Difference {
        number,
        at,
        depth,
        events,
        ..
    } = difference;
    let shown = match events {
        0 => String::new(),
        events => format!(", {events} events shown"),
    };
    line(
        &mut text,
        &format!("decision {number} at {at:.3?}, channel depth {depth}{shown}"),
    );
    for told in &difference.told {
        let Told {
            in_flight,
            batches,
            events,
            latency,
            failures,
            ..
        } = told;
        let sink = name(header, told.sink);
        let words = format!(
            "{in_flight} under way, {batches} batches delivered ({events} events, {latency:.2?}), \
             {failures} failed"
        );
        line(&mut text, &format!("  feedback  {sink}: {words}"));
    }
    line(
        &mut text,
        &format!("  recorded  {}", names(header, &difference.recorded)),
    );
    line(
        &mut text,
        &format!("  replayed  {}", names(header, &difference.replayed)),
    );
    text
}

/// The first sinks of an answer, by name.
fn names(header: &TraceHeader, sinks: &[usize]) -> String {
    const MOST: usize = 16;
    let mut names: Vec<String> = sinks
        .iter()
        .take(MOST)
        .map(|sink| name(header, *sink))
        .collect();
    if sinks.is_empty() {
        return "none".to_owned();
    }
    if sinks.len() > MOST {
        names.push(format!("… ({} in all)", sinks.len()));
    }
    names.join(" ")
}

fn name(header: &TraceHeader, sink: usize) -> String {
    let known = header.sinks.get(sink).map(|sink| sink.name.clone());
    known.unwrap_or_else(|| format!("({sink})"))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share is looked at, not counted with"
)]
fn percent(part: u64, all: u64) -> String {
    match all {
        0 => "-".to_owned(),
        all => format!("{:.1}%", part as f64 * 100.0 / all as f64),
    }
}

fn line(text: &mut String, words: &str) {
    text.push_str(words);
    text.push('\n');
}

#[cfg(test)]
mod tests;
