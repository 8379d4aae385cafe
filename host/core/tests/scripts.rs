//! Runs the golden scripts of sink processors and sink selectors (`tests/scripts` at the root).
//!
//! A script is a sequence of commands with explicit time; the expected trace follows each block of
//! commands. `UPDATE_GOLDENFILES=1 cargo test -p flume-core --test scripts` rewrites the traces.
//!
//! | command | does |
//! |---|---|
//! | `group TYPE s1 s2 … [key=value …] [seed=N]` | configures a processor; the keys are those of the file |
//! | `fail s1 …`, `idle s1 …`, `heal s1 …` | how sinks answer from now on: failed, BACKOFF, READY |
//! | `process [N]` | one call with its trace, or N calls with what each sink delivered |
//! | `open A`, `next A`, `answer A ready`, `drop A` | the same step by step, for several calls at once |
//! | `selector TYPE N [key=value …] [seed=N]` | makes a selector over N sinks |
//! | `order [N]`, `failed 0 …`, `delivered 0 …` | asks for orders, reports outcomes |
//! | `advance 2s` | time passes |
//! | `states` | the state of each sink |

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use flume_core::clock::{self, Instant};
use flume_core::sink_group::{SinkIndex, SinkState};
use flume_core::sink_processor::{self, Call, Group, Outcome, Verdict};
use flume_core::sink_selector::{self, Backoff};
use flume_core::{Context, SinkProcessor, SinkSelector, Status};
use goldenscript::{Argument, Command, Runner};

#[test]
fn processors() -> Result<(), Box<dyn Error>> {
    run_all("processor", 8)
}

#[test]
fn selectors() -> Result<(), Box<dyn Error>> {
    run_all("selector", 3)
}

/// Runs every script of a folder, which must have at least this many.
fn run_all(folder: &str, at_least: usize) -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/scripts")
        .join(folder);
    let mut scripts = 0;
    for script in std::fs::read_dir(folder)? {
        goldenscript::run(&mut Story::new(), script?.path())?;
        scripts += 1;
    }
    assert!(scripts >= at_least, "only {scripts} scripts");
    Ok(())
}

/// The state of a script.
struct Story {
    now: Instant,
    sinks: Vec<String>,
    answers: BTreeMap<String, Outcome>,
    processor: Option<Box<dyn SinkProcessor>>,
    calls: BTreeMap<String, (Call, SinkIndex)>,
    selector: Option<Box<dyn SinkSelector>>,
}

type Output = Result<String, Box<dyn Error>>;

impl Runner for Story {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &goldenscript::Context) -> Output {
        let (mut words, mut keys) = (Vec::new(), Vec::new());
        for argument in &command.args {
            match argument {
                Argument::Positional(word) => words.push(word.as_str()),
                Argument::KeyValue(key, value) => keys.push((key.as_str(), value.as_str())),
                other => return Err(format!("unknown argument {other}").into()),
            }
        }
        match (command.name.as_str(), words.as_slice()) {
            ("group", [kind, sinks @ ..]) => self.group(kind, sinks, &keys),
            ("selector", [kind, sinks]) => self.make_selector(kind, sinks.parse()?, &keys),
            ("fail", sinks) => self.answer_with(sinks, Outcome::Failed),
            ("idle", sinks) => self.answer_with(sinks, Outcome::Returned(Status::Backoff)),
            ("heal", sinks) => self.answer_with(sinks, Outcome::Returned(Status::Ready)),
            ("process", []) => self.process().map(|call| call.trace),
            ("process", [calls]) => self.process_many(calls.parse()?),
            ("open", [name]) => {
                let call = processor(&mut self.processor)?.begin(self.now);
                self.calls
                    .insert((*name).to_owned(), (call, SinkIndex::MAX));
                Ok(String::new())
            }
            ("next", [name]) => self.next(name),
            ("answer", [name, outcome]) => self.answer(name, outcome),
            ("drop", [name]) => {
                self.calls.remove(*name).ok_or("no such call")?;
                Ok(String::new())
            }
            ("order", []) => self.orders(1),
            ("order", [times]) => self.orders(times.parse()?),
            ("failed", sinks) => self.inform(sinks, |selector, sink, now| {
                selector.failed(sink, now);
            }),
            ("delivered", sinks) => self.inform(sinks, |selector, sink, now| {
                selector.delivered(sink, now);
            }),
            ("advance", [time]) => {
                self.now += duration(time)?;
                Ok(String::new())
            }
            ("states", []) => self.states(),
            (name, _) => Err(format!("unknown command {name}, or bad arguments").into()),
        }
    }
}

/// How a call went.
struct Processed {
    trace: String,
    delivered_by: Option<SinkIndex>,
}

impl Story {
    fn new() -> Self {
        Self {
            now: clock::now(),
            sinks: Vec::new(),
            answers: BTreeMap::new(),
            processor: None,
            calls: BTreeMap::new(),
            selector: None,
        }
    }

    fn group(&mut self, kind: &str, sinks: &[&str], keys: &[(&str, &str)]) -> Output {
        let (keys, seed) = without_seed(keys)?;
        let mut context = Context::of("a1.sinkgroups.g1.processor", &keys);
        self.sinks = sinks.iter().map(|sink| (*sink).to_owned()).collect();
        self.answers.clear();
        self.calls.clear();
        let kind = sink_processor::TYPES.find(kind);
        let kind = kind.ok_or("there is no such processor")?;
        let keys = (kind.configure)(&mut context, &Group::of(&self.sinks, seed));
        self.processor = keys.recipe.map(|recipe| recipe.processor.make());
        findings(context, self.processor.is_some())
    }

    fn make_selector(&mut self, kind: &str, sinks: usize, keys: &[(&str, &str)]) -> Output {
        let (keys, seed) = without_seed(keys)?;
        let mut context = Context::of("a1.sinkgroups.g1.processor", &keys);
        self.selector = match sink_selector::TYPES.find(kind) {
            Some(selector) => Backoff::configure(&mut context, sinks)
                .map(|backoff| (selector.configure)(backoff, seed)),
            None => {
                context.unknown_type("selector", kind, &sink_selector::TYPES.names());
                None
            }
        };
        findings(context, self.selector.is_some())
    }

    fn answer_with(&mut self, sinks: &[&str], outcome: Outcome) -> Output {
        for sink in sinks {
            self.answers.insert((*sink).to_owned(), outcome);
        }
        Ok(String::new())
    }

    fn process(&mut self) -> Result<Processed, Box<dyn Error>> {
        let processor = processor(&mut self.processor)?;
        let mut call = processor.begin(self.now);
        let mut trace = String::new();
        while let Some(sink) = processor.next(&mut call) {
            let name = self.sinks.get(sink).ok_or("a sink outside the group")?;
            let outcome = *self
                .answers
                .get(name)
                .unwrap_or(&Outcome::Returned(Status::Ready));
            match processor.report(&mut call, sink, outcome, self.now) {
                Verdict::Return(status) => {
                    let delivered_by = (status == Status::Ready).then_some(sink);
                    write!(trace, "{name} {}", word(outcome))?;
                    return Ok(Processed {
                        trace,
                        delivered_by,
                    });
                }
                Verdict::Continue => write!(trace, "{name} {}, ", word(outcome))?,
            }
        }
        write!(trace, "error: {}", processor.exhausted())?;
        Ok(Processed {
            trace,
            delivered_by: None,
        })
    }

    fn process_many(&mut self, calls: usize) -> Output {
        let mut shares = vec![0; self.sinks.len()];
        for _ in 0..calls {
            let sink = self.process()?.delivered_by;
            if let Some(share) = sink.and_then(|sink| shares.get_mut(sink)) {
                *share += 1;
            }
        }
        let shares = self
            .sinks
            .iter()
            .zip(shares)
            .map(|(sink, share)| format!("{sink}={share}"));
        Ok(shares.collect::<Vec<_>>().join(" "))
    }

    fn next(&mut self, name: &str) -> Output {
        let (call, tried) = self.calls.get_mut(name).ok_or("no such call")?;
        let processor = processor(&mut self.processor)?;
        let Some(sink) = processor.next(call) else {
            return Ok(format!("{name}: error: {}", processor.exhausted()));
        };
        *tried = sink;
        let sink = self.sinks.get(sink).ok_or("a sink outside the group")?;
        Ok(format!("{name}: {sink}"))
    }

    fn answer(&mut self, name: &str, outcome: &str) -> Output {
        let (call, sink) = self.calls.get_mut(name).ok_or("no such call")?;
        let outcome = match outcome {
            "ready" => Outcome::Returned(Status::Ready),
            "backoff" => Outcome::Returned(Status::Backoff),
            "failed" => Outcome::Failed,
            other => return Err(format!("no outcome {other}").into()),
        };
        match processor(&mut self.processor)?.report(call, *sink, outcome, self.now) {
            Verdict::Return(status) => Ok(format!("{name}: {}", word(Outcome::Returned(status)))),
            Verdict::Continue => Ok(format!("{name}: goes on")),
        }
    }

    fn orders(&mut self, times: usize) -> Output {
        let selector = self.selector.as_mut().ok_or("no selector")?;
        let orders = (0..times).map(|_| format!("{:?}", selector.order(self.now)));
        Ok(orders.collect::<Vec<_>>().join("\n"))
    }

    fn inform(
        &mut self,
        sinks: &[&str],
        tell: impl Fn(&mut dyn SinkSelector, SinkIndex, Instant),
    ) -> Output {
        let selector = self.selector.as_mut().ok_or("no selector")?;
        for sink in sinks {
            tell(selector.as_mut(), sink.parse()?, self.now);
        }
        Ok(String::new())
    }

    fn states(&self) -> Output {
        let states = match (&self.processor, &self.selector) {
            (Some(processor), _) => processor.states(self.now),
            (None, Some(selector)) => selector.states(self.now),
            (None, None) => return Err("neither group nor selector".into()),
        };
        let mut lines = Vec::new();
        for (sink, state) in states.into_iter().enumerate() {
            let name = self
                .sinks
                .get(sink)
                .cloned()
                .unwrap_or_else(|| sink.to_string());
            lines.push(match state {
                SinkState::Active => format!("{name} active"),
                SinkState::Standby => format!("{name} standby"),
                SinkState::Live => format!("{name} live"),
                SinkState::Penalty { until, failures } => {
                    let left = until.duration_since(self.now);
                    format!("{name} rests for {left:?} after {failures} failures")
                }
            });
        }
        Ok(lines.join("\n"))
    }
}

fn processor(
    processor: &mut Option<Box<dyn SinkProcessor>>,
) -> Result<&mut Box<dyn SinkProcessor>, Box<dyn Error>> {
    processor.as_mut().ok_or_else(|| "no group".into())
}

type Keys<'a> = Vec<(&'a str, &'a str)>;

/// Separates the seed, which is not a key of the file.
fn without_seed<'a>(keys: &[(&'a str, &'a str)]) -> Result<(Keys<'a>, u64), Box<dyn Error>> {
    let seed = keys
        .iter()
        .find(|(key, _)| *key == "seed")
        .map_or("1", |(_, seed)| *seed);
    let rest = keys
        .iter()
        .filter(|(key, _)| *key != "seed")
        .copied()
        .collect();
    Ok((rest, seed.parse()?))
}

/// The findings about the configuration.
fn findings(context: Context, made: bool) -> Output {
    let mut lines: Vec<String> = Vec::new();
    for found in context.finish() {
        let help = found
            .help
            .map(|help| format!(" ({help})"))
            .unwrap_or_default();
        lines.push(format!("{:?}: {}{help}", found.severity, found.message));
    }
    if !made {
        lines.push("not made".to_owned());
    }
    Ok(lines.join("\n"))
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Returned(Status::Ready) => "READY",
        Outcome::Returned(Status::Backoff) => "BACKOFF",
        Outcome::Failed => "failed",
    }
}

/// `2s`, `2100ms` or `1h`.
fn duration(text: &str) -> Result<Duration, Box<dyn Error>> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let amount: u64 = digits.parse()?;
    match text.strip_prefix(digits).unwrap_or_default() {
        "ms" => Ok(Duration::from_millis(amount)),
        "s" => Ok(Duration::from_secs(amount)),
        "h" => Ok(Duration::from_secs(amount * 3600)),
        unit => Err(format!("no unit of time: {unit}").into()),
    }
}
