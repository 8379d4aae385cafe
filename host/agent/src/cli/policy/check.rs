//! `policy check`: would this policy be accepted in this place?
//!
//! It passes through what a file passes before it may work: loaded, configured with the properties
//! and sinks of the command line, and tried out under the limits. Its log lines go to standard
//! error.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use flume_core::{Context, Diagnostic};
use flume_policy::{
    Artifact, InterceptorSetup, Limits, PolicyEngine, PolicyError, Properties, SelectorSetup,
    SinkInfo, Trial, World,
};

use super::{needs_words, refuse};
use crate::cli::{EXIT_CONFIG, complain, print, unreadable};
use crate::logging::{self, LogFormat};

/// Checks a policy as a start of an agent would. Exits with 0, with 65 if the file is no policy or
/// breaks the contract, with 66 if it cannot be read, or with 78 if it does not accept its
/// properties.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The file: a component or a core module, `.wasm` or `.wat`.
    file: PathBuf,
    /// A property of the policy; may be given several times.
    #[arg(short, long = "property", value_name = "KEY=VALUE", value_parser = pair)]
    properties: Vec<(String, String)>,
    /// A sink of the group, with its own properties; may be given several times. Without it there
    /// are two sinks, `s1` and `s2`.
    #[arg(short, long = "sink", value_name = "NAME[:KEY=VALUE,...]", value_parser = sink)]
    sinks: Vec<SinkInfo>,
    /// A limit, as below `processor.policy.`: `deadline-ms=5`; may be given several times.
    #[arg(short, long = "limit", value_name = "KEY=VALUE", value_parser = pair)]
    limits: Vec<(String, String)>,
    /// The seed of the policy's random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the command.
pub fn run(args: &CheckArgs) -> ExitCode {
    logging::start(LogFormat::Text, "info");
    let (bytes, limits) = match opened(&args.file, &args.limits) {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    let name = args.file.file_stem().unwrap_or_default().to_string_lossy();
    match check(args, &name, &bytes, &limits) {
        Ok(report) => {
            print(&format!("{}: {report}\n", args.file.display()));
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&args.file, &error),
    }
}

fn check(
    args: &CheckArgs,
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<String, PolicyError> {
    let engine = PolicyEngine::new()?;
    let artifact = Artifact::load(&engine, name, bytes, None)?;
    let properties: Properties = args.properties.clone();
    let seed = args.seed;
    let (trial, place) = match artifact.world() {
        World::Interceptor => {
            let setup = InterceptorSetup { properties, seed };
            let trial = Trial::interceptor(&engine, &artifact, limits, setup)?;
            (trial, String::new())
        }
        World::Selector { .. } => {
            let sinks = match args.sinks.as_slice() {
                [] => ["s1", "s2"].map(plain).to_vec(),
                sinks => sinks.to_vec(),
            };
            let place = format!(" for {} sinks", sinks.len());
            let setup = SelectorSetup {
                properties,
                sinks,
                seed,
            };
            (Trial::selector(&engine, &artifact, limits, setup)?, place)
        }
    };
    Ok(format!(
        "{}{place}, flume:policy {}; asks to see {}; started in {:.1?}; the trial went well",
        artifact.world().words(),
        artifact.version(),
        needs_words(&trial.needs),
        trial.start,
    ))
}

/// Reads a file, and limits; an error has been told, and is what the shell is to be told.
pub(super) fn opened(
    file: &Path,
    pairs: &[(String, String)],
) -> Result<(Vec<u8>, Limits), ExitCode> {
    let bytes = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
    let limits = limits(pairs).map_err(|problems| {
        complain(&problems);
        ExitCode::from(EXIT_CONFIG)
    })?;
    Ok((bytes, limits))
}

/// Reads limits; an error is a line for each problem.
fn limits(pairs: &[(String, String)]) -> Result<Limits, String> {
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect();
    let mut context = Context::of("limit", &pairs);
    let limits = Limits::configure(&mut context);
    let problems = context.finish();
    if problems.is_empty() {
        return Ok(limits);
    }
    Err(problem_lines(&problems))
}

/// Problems with words of the command line, a line each.
pub(super) fn problem_lines(problems: &[Diagnostic]) -> String {
    let line = |problem: &Diagnostic| format!("error: {}\n", problem.message);
    problems.iter().map(line).collect()
}

/// Reads `KEY=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}

/// Reads `NAME` or `NAME:KEY=VALUE,KEY=VALUE`.
pub(super) fn sink(text: &str) -> Result<SinkInfo, String> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    if name.is_empty() {
        return Err(format!("`{text}` has no name"));
    }
    let pairs = rest.split(',').filter(|part| !part.is_empty());
    Ok(SinkInfo {
        properties: pairs.map(pair).collect::<Result<_, _>>()?,
        ..plain(name)
    })
}

pub(super) fn plain(name: &str) -> SinkInfo {
    SinkInfo {
        name: name.to_owned(),
        kind: "null".to_owned(),
        properties: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_carry_properties() {
        assert_eq!(sink("s1"), Ok(plain("s1")));
        let properties = [("weight", "3"), ("zone", "a b")];
        let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let expected = SinkInfo {
            properties: properties.to_vec(),
            ..plain("s2")
        };
        assert_eq!(sink("s2:weight=3, zone=a b"), Ok(expected));
        for wrong in ["", ":weight=3", "s1:weight", "s1:=3"] {
            assert!(sink(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits_are_those_of_the_configuration() {
        let pairs = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        let limits = |key, value| super::limits(&pairs(key, value));
        let deadline = std::time::Duration::from_millis(5);
        assert_eq!(limits("deadline-ms", "5").unwrap().deadline, deadline);
        assert!(
            limits("deadline-ms", "0")
                .unwrap_err()
                .contains("deadline-ms")
        );
        assert!(limits("dead-line", "1").unwrap_err().contains("dead-line"));
    }
}
