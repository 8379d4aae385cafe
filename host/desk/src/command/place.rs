//! A policy's file, and the place that it is to work in, from the command line.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use flume_core::shell::{EXIT_CONFIG, complain, unreadable};
use flume_core::{Context, Diagnostic};
use flume_policy::{InterceptorSetup, Limits, SelectorSetup, SinkInfo};

/// A policy and its place: what `check` and `bench` have in common.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// The file: a component or a core module, `.wasm` or `.wat`.
    pub(super) file: PathBuf,
    /// A property of the policy; may be given several times.
    #[arg(short, long = "property", value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) properties: Vec<(String, String)>,
    /// A sink of the group, with its own properties; may be given several times. Without it there
    /// are `s1` and `s2`; for `bench` also `s3` and `s4`.
    #[arg(short, long = "sink", value_name = "NAME[:KEY=VALUE,...]", value_parser = sink)]
    sinks: Vec<SinkInfo>,
    /// A limit, as below `processor.policy.`: `deadline-ms=5`; may be given several times.
    #[arg(short, long = "limit", value_name = "KEY=VALUE", value_parser = pair)]
    limits: Vec<(String, String)>,
    /// The seed of the policy's random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl PlaceArgs {
    /// What the policy is called: its file's name without the ending.
    pub(super) fn name(&self) -> Cow<'_, str> {
        stem(&self.file)
    }

    /// Reads the file and the limits; an error has been shown, and is the exit status.
    pub(super) fn open(&self) -> Result<(Vec<u8>, Limits), ExitCode> {
        opened(&self.file, &self.limits)
    }

    /// What a selector is made with; there are this many sinks unless some are named.
    pub(super) fn selector(&self, sinks: usize) -> SelectorSetup {
        let sinks = match self.sinks.as_slice() {
            [] => (1..=sinks).map(|sink| plain(&format!("s{sink}"))).collect(),
            named => named.to_vec(),
        };
        SelectorSetup {
            properties: self.properties.clone(),
            sinks,
            seed: self.seed,
        }
    }

    /// What an interceptor is made with.
    pub(super) fn interceptor(&self) -> InterceptorSetup {
        InterceptorSetup {
            properties: self.properties.clone(),
            seed: self.seed,
        }
    }
}

/// A file's name without its ending.
pub(super) fn stem(file: &Path) -> Cow<'_, str> {
    file.file_stem().unwrap_or_default().to_string_lossy()
}

/// Reads a file, and limits; an error has been shown, and is the exit status.
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

/// A sink of this name, without properties.
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
