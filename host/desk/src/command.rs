//! `policy`: what the authors of policies need, one module for each command.
//!
//! Each command works on a file alone: it needs no configuration and no running agent.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use flume_core::Interceptor;
use flume_core::shell::{EXIT_CONFIG, EXIT_DATA, complain};
use flume_policy::{Bodies, Compiler, Needs, PolicyError, Properties};

pub(crate) mod bench;
pub(crate) mod candidate;
pub(crate) mod check;
mod deadline;
pub(crate) mod inspect;
pub(crate) mod new;
pub(crate) mod place;
pub(crate) mod replay;
pub(crate) mod simulate;
mod templates;

/// Looks into, checks and tries out policies: WebAssembly modules for groups and sources.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    Inspect(inspect::InspectArgs),
    Check(check::PolicyCheckArgs),
    Bench(bench::BenchArgs),
    Simulate(simulate::SimulateArgs),
    Replay(replay::ReplayArgs),
    New(new::NewArgs),
}

/// Makes a native interceptor of this type with these properties, to be compared with a policy.
/// An error is a message for each problem.
pub type NativeInterceptor = fn(&str, &Properties) -> Result<Box<dyn Interceptor>, Vec<String>>;

impl PolicyArgs {
    /// How much the command logs, if it logs at all.
    pub fn log_level(&self) -> Option<&'static str> {
        match self.command {
            PolicyCommand::Inspect(_) | PolicyCommand::New(_) => None,
            PolicyCommand::Check(_) => Some("info"),
            PolicyCommand::Bench(_) | PolicyCommand::Simulate(_) | PolicyCommand::Replay(_) => {
                Some("warn")
            }
        }
    }
}

/// Runs the command.
pub fn run(args: &PolicyArgs, native: NativeInterceptor, compiler: &Compiler) -> ExitCode {
    match &args.command {
        PolicyCommand::Inspect(args) => inspect::run(args, compiler),
        PolicyCommand::Check(args) => check::run(args, compiler),
        PolicyCommand::Bench(args) => bench::run(args, native, compiler),
        PolicyCommand::Simulate(args) => simulate::run(args, compiler),
        PolicyCommand::Replay(args) => replay::run(args, compiler),
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
