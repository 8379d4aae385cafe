//! `policy check`: would this policy be accepted in this place?
//!
//! The file goes through what it would go through in an agent: it is loaded, configured with the
//! properties and sinks of the command line, and tried out under the limits. Its log lines go to
//! standard error.

use std::process::ExitCode;

use clap::Args;
use flume_core::shell::print;
use flume_policy::{Artifact, Compiler, Limits, PolicyEngine, PolicyError, Trial, World};

use super::place::PlaceArgs;
use super::{needs_words, refuse};

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

/// Runs the command.
pub(super) fn run(args: &PolicyCheckArgs, compiler: &Compiler) -> ExitCode {
    let (bytes, limits) = match args.place.open() {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    match check(&args.place, &bytes, &limits, compiler) {
        Ok(report) => {
            print(&format!("{}: {report}\n", args.place.file.display()));
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
    let (trial, place) = match artifact.world() {
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
    Ok(format!(
        "{}{place}, flume:policy {}; asks to see {}; started in {:.1?}; the trial went well",
        artifact.world().words(),
        artifact.version(),
        needs_words(&trial.needs),
        trial.start,
    ))
}
