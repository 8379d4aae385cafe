//! `policy`: what the authors of policies need, one module for each command.
//!
//! Each command works on a file alone: it needs no configuration and no running agent.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use flume_policy::{Bodies, Needs, PolicyError};

use super::{EXIT_CONFIG, complain};

pub mod bench;
pub mod candidate;
pub mod check;
pub mod inspect;
pub mod new;
pub mod replay;
pub mod simulate;
mod templates;

/// What the shell is told if a file is no policy, or breaks the contract: `EX_DATAERR` of sysexits.
const EXIT_DATA: u8 = 65;

/// Looks into, checks and tries out policies: WebAssembly modules for groups and sources.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    Inspect(inspect::InspectArgs),
    Check(check::CheckArgs),
    Bench(bench::BenchArgs),
    Simulate(simulate::SimulateArgs),
    Replay(replay::ReplayArgs),
    New(new::NewArgs),
}

/// Runs the command.
pub fn run(args: &PolicyArgs) -> ExitCode {
    match &args.command {
        PolicyCommand::Inspect(args) => inspect::run(args),
        PolicyCommand::Check(args) => check::run(args),
        PolicyCommand::Bench(args) => bench::run(args),
        PolicyCommand::Simulate(args) => simulate::run(args),
        PolicyCommand::Replay(args) => replay::run(args),
        PolicyCommand::New(args) => new::run(args),
    }
}

/// Says on standard error why a policy cannot be used, a line for each problem.
fn refuse(file: &Path, error: &PolicyError) -> ExitCode {
    let shown = file.display();
    match error {
        PolicyError::Config(problems) => {
            for problem in problems {
                complain(&format!("error: {shown}: {problem}\n"));
            }
            ExitCode::from(EXIT_CONFIG)
        }
        error => {
            complain(&format!("error: {shown}: {error}\n"));
            ExitCode::from(EXIT_DATA)
        }
    }
}

/// What a policy asks to be shown, in words.
fn needs_words(needs: &Needs) -> String {
    let mut parts = Vec::new();
    if !needs.headers.is_empty() {
        let names: Vec<String> = needs
            .headers
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        parts.push(format!("header {}", names.join(", ")));
    }
    match needs.bodies {
        Bodies::None => {}
        bodies => parts.push(bodies_words(bodies)),
    }
    if parts.is_empty() {
        return "nothing of the events".to_owned();
    }
    parts.join("; ")
}

/// How much of each body is shown, in words.
fn bodies_words(bodies: Bodies) -> String {
    match bodies {
        Bodies::None => "no bodies".to_owned(),
        Bodies::Length => "the length of bodies".to_owned(),
        Bodies::Prefix(most) => format!("{most} bytes of bodies"),
        Bodies::Whole => "whole bodies".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_told_in_words() {
        let needs = |headers: &[&str], bodies| {
            let headers = headers.iter().map(|name| (*name).to_owned()).collect();
            needs_words(&Needs { headers, bodies })
        };
        assert_eq!(needs(&[], Bodies::None), "nothing of the events");
        assert_eq!(needs(&["a", "b"], Bodies::None), "header `a`, `b`");
        assert_eq!(
            needs(&["a"], Bodies::Prefix(9)),
            "header `a`; 9 bytes of bodies"
        );
        assert_eq!(needs(&[], Bodies::Whole), "whole bodies");
    }
}
