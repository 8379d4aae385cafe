//! `policy check`: would this policy be accepted in this place?
//!
//! The file goes through what it would go through in an agent: it is loaded, configured with the
//! properties and sinks of the command line, and tried out under the limits. Its log lines go to
//! standard error. What passes is given some more batches, to say which would be too large for its
//! deadline.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use flume_core::clock::{self, WallClock};
use flume_core::shell::print;
use flume_core::sink_selector::{self, Backoff};
use flume_core::{Batch, Event, Interceptor as _, Load, SinkSelector as _};
use flume_policy::{
    Artifact, CallCost, Compiler, Limits, Needs, Policy, PolicyEngine, PolicyError, Remedy, Trial,
    World,
};

use super::place::PlaceArgs;
use super::{deadline, needs_words, refuse};

/// Checks a policy as a start of an agent would. Exits with 0, with 65 if the file is not a policy
/// or breaks the contract, with 66 if it cannot be read, or with 78 if it does not accept its
/// properties.
#[derive(Debug, Args)]
pub(super) struct PolicyCheckArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

/// Sinks of the group, unless the command line names some.
const SINKS: usize = 2;

/// Events in the batches that show what a policy costs: growing, then of two sizes.
const BATCHES: [usize; 8] = [1, 4, 16, 64, 256, 64, 256, 64];

/// No further batch is tried after this time.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs the command.
pub(super) fn run(args: &PolicyCheckArgs, compiler: &Compiler) -> ExitCode {
    let (bytes, limits) = match args.place.open() {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    match check(&args.place, &bytes, &limits, compiler) {
        Ok(report) => {
            print(&format!("{}: {report}", args.place.file.display()));
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&args.place.file, &error),
    }
}

fn check(
    args: &PlaceArgs,
    bytes: &[u8],
    limits: &Limits,
    compiler: &Compiler,
) -> Result<String, PolicyError> {
    let engine = PolicyEngine::new(compiler.clone())?;
    let artifact = Artifact::load(&engine, &args.name(), bytes, None)?;
    let world = artifact.world();
    let (trial, place) = match world {
        World::Interceptor => {
            let trial = Trial::interceptor(&engine, &artifact, limits, args.interceptor())?;
            (trial, String::new())
        }
        World::Selector { .. } => {
            let setup = args.selector(SINKS);
            let place = format!(" for {} sinks", setup.sinks.len());
            (Trial::selector(&engine, &artifact, limits, setup)?, place)
        }
    };
    let report = format!(
        "{}{place}, flume:policy {}; asks to see {}; started in {:.1?}; the trial went well",
        world.words(),
        artifact.version(),
        needs_words(&trial.needs),
        trial.start,
    );
    let policy = Policy::new(engine, artifact, WallClock::system());
    let cost = match world {
        World::Interceptor => Some(of_interceptor(args, &policy, limits, &trial.needs)?),
        World::Selector { .. } => of_selector(args, &policy, limits, &trial.needs)?,
    };
    let more = cost.map(|cost| deadline::verdict(world, &cost, limits));
    Ok(format!("{report}\n{}", more.unwrap_or_default()))
}

/// Events of about 100 bytes, with the headers that the policy asks for.
fn events(count: usize, needs: &Needs) -> Vec<Event> {
    let event = |at: usize| {
        let body = format!(
            r#"{{"level": "info", "host": "web-{}", "message": "GET /index.html", "status": 200, "id": {at}}}"#,
            at % 7
        );
        let names = needs.headers.iter();
        names.fold(Event::new(body), |event, name| {
            event.with_header(name.as_str(), "value")
        })
    };
    (0..count).map(event).collect()
}

/// What an interceptor's calls cost. What it makes of the events is not looked at.
fn of_interceptor(
    args: &PlaceArgs,
    policy: &Arc<Policy>,
    limits: &Limits,
    needs: &Needs,
) -> Result<CallCost, PolicyError> {
    let setup = args.interceptor();
    let interceptor = policy.interceptor("check", limits.clone(), setup, Remedy::Pass)?;
    let began = clock::now();
    for size in BATCHES {
        let mut batch = Batch::new(events(size, needs));
        let handled = interceptor.intercept(&mut batch);
        if handled.is_err() || began.elapsed() > PATIENCE {
            break;
        }
    }
    Ok(interceptor.cost())
}

/// What a selector's calls cost; `None` if it sees no events.
fn of_selector(
    args: &PlaceArgs,
    policy: &Arc<Policy>,
    limits: &Limits,
    needs: &Needs,
) -> Result<Option<CallCost>, PolicyError> {
    let setup = args.selector(SINKS);
    let fallback = sink_selector::round_robin::configure(Backoff::none(setup.sinks.len()), 0);
    let mut selector = policy.selector("check", limits.clone(), setup, fallback)?;
    if !selector.wants_events() {
        return Ok(None);
    }
    let began = clock::now();
    for size in BATCHES {
        let events = events(size, needs);
        let load = Load {
            depth: size,
            events: &events,
        };
        let now = clock::now();
        if selector.route(now, load).is_none() {
            selector.order_load(now, load);
        }
        if began.elapsed() > PATIENCE {
            break;
        }
    }
    Ok(Some(selector.cost()))
}
