//! Each target for a minute under libFuzzer, which sees which branches an input takes. It needs a
//! nightly compiler and `cargo install cargo-fuzz`.

use std::fs;
use std::process::Command;
use std::time::Duration;

use flume_fuzz::TARGETS;
use flume_tests::{Availability, Scratch, process, require, say, target};

/// Each target.
const SECONDS: u32 = 60;

/// For a reader, one input must not take longer.
const SLOW_SECONDS: u32 = 20;

/// The build of a target from nothing, and its run.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// How long a program may take to print its version.
const SAY: Duration = Duration::from_secs(60);

#[test]
fn no_fuzzer_finds_an_input_that_panics() {
    require!(cargo_fuzz());
    for target in TARGETS {
        let (name, scratch) = (target.name, Scratch::new());
        let found = scratch.folder("found");
        for (at, seed) in target.seeds().iter().enumerate() {
            fs::write(found.join(format!("seed-{at}")), seed).expect("a file");
        }
        let mut command = cargo(&["fuzz", "run", "--fuzz-dir"]);
        command
            .arg(target::workspace().join("tests/fuzz/targets"))
            .args([name, &found.display().to_string(), "--"])
            .arg(format!("-max_total_time={SECONDS}"))
            .arg(format!("-timeout={SLOW_SECONDS}"))
            .arg(format!("-artifact_prefix={}/", target::root().display()));
        let ended = process::run(&mut command, "", PATIENCE).expect("the fuzzer ends");
        let last: Vec<&str> = ended.stderr.lines().rev().take(40).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        assert!(ended.status.success(), "{name}:\n{}", last.join("\n"));
        let done = last.iter().rfind(|line| line.starts_with("Done "));
        say::line(&format!("fuzz {name}: {}", done.unwrap_or(&"nothing said")));
    }
}

fn cargo_fuzz() -> Availability<()> {
    match process::run(&mut cargo(&["fuzz", "--version"]), "", SAY) {
        Ok(said) if said.status.success() => Availability::Ready(()),
        Ok(said) => {
            let first = said.stderr.lines().next().unwrap_or_default();
            Availability::Missing(format!("cargo-fuzz with a nightly compiler: {first}"))
        }
        Err(why) => Availability::Missing(why),
    }
}

/// Cargo with the nightly compiler.
fn cargo(words: &[&str]) -> Command {
    let mut cargo = Command::new("rustup");
    cargo
        .args(["run", "nightly", "cargo"])
        .args(words)
        // What the cargo of the tests has set is about another compiler.
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(target::workspace());
    cargo
}
