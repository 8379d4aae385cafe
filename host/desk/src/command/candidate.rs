//! The selector that a command is to try: a policy's file, or the name of a native selector to
//! compare it with.
//!
//! A call may take a second here. Time is virtual, and an outcome must not depend on how busy the
//! machine is.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use flume_core::clock::{self, Instant, WallClock};
use flume_core::shell::{EXIT_CONFIG, complain};
use flume_core::sink_selector::{self, Backoff};
use flume_core::{Context, SinkSelector};
use flume_policy::{
    Artifact, Compiler, Limits, Policy, PolicyEngine, PolicyError, Properties, SelectorSetup,
    ViolationKind,
};

use super::{place, refuse};

/// What a call may take, unless `--limit` says otherwise.
const DEADLINE_MS: &str = "1000";

/// A selector and what it is made from.
#[derive(Debug, Args)]
pub(super) struct CandidateArgs {
    /// A policy's file (`.wasm`, `.wat`), or a native selector: `round_robin`, `random`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A property of the selector, as below `processor.selector.`; may be given several times.
    #[arg(short, long = "property", value_name = "KEY=VALUE", value_parser = place::pair)]
    pub properties: Vec<(String, String)>,
    /// A limit, as below `processor.policy.`: `deadline-ms=5`; may be given several times.
    #[arg(short, long = "limit", value_name = "KEY=VALUE", value_parser = place::pair)]
    pub limits: Vec<(String, String)>,
}

/// A selector that is ready to be tried.
pub(super) struct LoadedSelector {
    pub(super) selector: Box<dyn SinkSelector>,
    /// Its policy; `None` for a native selector.
    pub(super) policy: Option<Arc<Policy>>,
    /// The moment at which its time begins.
    pub(super) zero: Instant,
}

impl CandidateArgs {
    /// The selector's name, for display.
    pub(super) fn name(&self) -> String {
        let name = self.file.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Makes the selector; an error has been shown, and is the exit status.
    pub(super) fn load(
        &self,
        setup: SelectorSetup,
        wall: WallClock,
        compiler: &Compiler,
    ) -> Result<LoadedSelector, ExitCode> {
        let native = self
            .file
            .to_str()
            .and_then(|name| sink_selector::TYPES.find(name));
        if let Some(native) = native {
            let backoff = self.backoff(setup.sinks.len())?;
            return Ok(LoadedSelector {
                selector: (native.configure)(backoff, setup.seed),
                policy: None,
                zero: clock::now(),
            });
        }
        let (policy, limits) = self.policy(wall, compiler)?;
        let fallback = sink_selector::round_robin::configure(Backoff::none(setup.sinks.len()), 0);
        let selector = policy.selector("g1", limits, setup, fallback);
        Ok(LoadedSelector {
            selector: Box::new(selector.map_err(|error| refuse(&self.file, &error))?),
            zero: policy.zero(),
            policy: Some(policy),
        })
    }

    fn policy(
        &self,
        wall: WallClock,
        compiler: &Compiler,
    ) -> Result<(Arc<Policy>, Limits), ExitCode> {
        let mut limits = vec![("deadline-ms".to_owned(), DEADLINE_MS.to_owned())];
        limits.extend(self.limits.iter().cloned());
        let (bytes, limits) = place::opened(&self.file, &limits)?;
        let loaded = || -> Result<Arc<Policy>, PolicyError> {
            let engine = PolicyEngine::new(compiler.clone())?;
            let artifact = Artifact::load(&engine, &place::stem(&self.file), &bytes, None)?;
            Ok(Policy::new(engine, artifact, wall))
        };
        let policy = loaded().map_err(|error| refuse(&self.file, &error))?;
        Ok((policy, limits))
    }

    /// The back-off of a native selector, from the keys that the same selectors have as policies.
    fn backoff(&self, sinks: usize) -> Result<Backoff, ExitCode> {
        let keys = |(key, value): &(String, String)| match key.as_str() {
            "maxTimeOut" => ("selector.maxTimeOut".to_owned(), value.clone()),
            _ => (key.clone(), value.clone()),
        };
        let pairs: Properties = self.properties.iter().map(keys).collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (&**k, &**v)).collect();
        let mut context = Context::of("property", &pairs);
        let backoff = Backoff::configure(&mut context, sinks);
        let problems = context.finish();
        complain(&place::problem_lines(&problems));
        match backoff {
            Some(backoff) if problems.is_empty() => Ok(backoff),
            _ => Err(ExitCode::from(EXIT_CONFIG)),
        }
    }
}

/// The rules that a policy broke, and how often.
pub(super) fn violations(policy: &Policy) -> Vec<(&'static str, u64)> {
    let counts = ViolationKind::ALL
        .iter()
        .map(|kind| (kind.id(), policy.stats().violations(*kind)));
    counts.filter(|(_, count)| *count > 0).collect()
}
