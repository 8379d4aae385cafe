//! Goal: the hot paths take as many instructions as recorded in `tests/counts/expected.toml`; wall
//! time says little on a machine that is busy with other work. Method: `flume-counts` does the work
//! of each path under valgrind, with few and with many repetitions; the difference, divided by
//! their number, is the cost of a batch. Counts depend on the compiler and the C library, so this
//! is skipped on machines other than the recorded one.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flume_tests::peers::valgrind::{self, Valgrind};
use flume_tests::{Scratch, process, require, say, skip, target};

/// The repetitions of the two runs.
const FEW: u64 = 20;
const MANY: u64 = 120;

/// How far a count may be from the recorded one, in percent.
const TOLERANCE: f64 = 5.0;

/// How long a build may take, from nothing on two cores.
const BUILD: Duration = Duration::from_secs(600);

/// How long a program may take to print its version.
const SAY: Duration = Duration::from_secs(60);

const RENEW: &str = "UPDATE_COUNTS=1 cargo test -p flume-tests --test it -- counts";

#[test]
fn hot_paths_take_the_recorded_number_of_instructions() {
    let valgrind = require!(valgrind::resolve());
    let machine = machine(&valgrind);
    let expected = fs::read_to_string(file()).unwrap_or_default();
    let expected: toml::Table = expected.parse().expect("the recorded counts are TOML");
    let renew = std::env::var("UPDATE_COUNTS").is_ok_and(|value| value == "1");
    let differing = differing(&machine, &expected);
    if !renew && !differing.is_empty() {
        let differing = differing.join(", ");
        return skip::report(&format!("counts are of another machine: {differing}"));
    }
    let counts = counts(&valgrind);
    if renew {
        fs::write(file(), written(&machine, &counts)).expect("the folder is writable");
        return;
    }
    let wrong = compared(&counts, &expected);
    assert!(wrong.is_empty(), "{}\nto record: {RENEW}", wrong.join("\n"));
}

#[test]
fn the_page_on_performance_states_the_recorded_counts() {
    let recorded = fs::read_to_string(file()).expect("the recorded counts");
    let recorded: toml::Table = recorded.parse().expect("TOML");
    let page = fs::read_to_string(target::workspace().join("host/PERFORMANCE.md")).expect("a page");
    let (_, counted) = page.split_once("## Counted").expect("a chapter");
    let batch = recorded["batch"].as_table().expect("a table");
    for (name, count) in batch {
        let count = count.as_integer().expect("a number");
        let stated = match (count / 1_000, count % 1_000) {
            (0, units) => units.to_string(),
            (thousands, units) => format!("{thousands},{units:03}"),
        };
        let row = counted
            .lines()
            .find(|line| line.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("`{name}` has no row"));
        let states_it = row
            .split(['|', ' '])
            .any(|word| word.trim_end_matches(',') == stated);
        assert!(states_it, "`{name}` takes {stated}: {row}");
    }
}

/// Instructions per batch, by workload.
type Counts = Vec<(String, u64)>;

fn counts(valgrind: &Valgrind) -> Counts {
    let (binary, scratch) = (binary(), Scratch::new());
    let names = said(&mut Command::new(&binary));
    let count = |name: &str, repetitions: u64| {
        valgrind.count(&scratch, &binary, &[name, &repetitions.to_string()])
    };
    let mut counts = Counts::new();
    for name in names.lines() {
        let added = count(name, MANY) - count(name, FEW);
        let batch = added / (MANY - FEW);
        say::line(&format!("{name}: {batch} instructions a batch"));
        counts.push((name.to_owned(), batch));
    }
    counts
}

/// The counts that are out of bounds, one line each.
fn compared(counts: &Counts, expected: &toml::Table) -> Vec<String> {
    let mut recorded = expected["batch"].as_table().cloned().unwrap_or_default();
    let mut wrong = Vec::new();
    for (name, seen) in counts {
        let before = recorded.remove(name).and_then(|count| count.as_integer());
        let Some(before) = before.and_then(|count| u32::try_from(count).ok()) else {
            wrong.push(format!("{name}: nothing recorded, {seen} seen: record it"));
            continue;
        };
        let seen = u32::try_from(*seen).expect("fewer instructions than 2^32");
        let change = (f64::from(seen) / f64::from(before) - 1.0) * 100.0;
        let remedy = match change {
            change if change > TOLERANCE => "make it cheap again, or say why not and record it",
            change if change < -TOLERANCE => "a gain: record it, so that it is not lost again",
            _ => continue,
        };
        wrong.push(format!(
            "{name}: {before} instructions a batch recorded, {seen} seen ({change:+.1} %): {remedy}"
        ));
    }
    wrong.extend(
        recorded
            .keys()
            .map(|name| format!("{name}: recorded, but no longer exists")),
    );
    wrong
}

/// What the counts depend on.
type Machine = Vec<(&'static str, String)>;

fn machine(valgrind: &Valgrind) -> Machine {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    vec![
        ("rustc", said(Command::new(rustc).arg("--version"))),
        ("arch", std::env::consts::ARCH.to_owned()),
        (
            "glibc",
            // On other systems there is no such name.
            heard(Command::new("getconf").arg("GNU_LIBC_VERSION")).unwrap_or_default(),
        ),
        ("valgrind", valgrind.version().to_owned()),
        ("avx2", has_avx2().to_string()),
    ]
}

/// Line ends are searched for with these instructions where available; valgrind supports them too.
fn has_avx2() -> bool {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cpu.split_whitespace().any(|word| word == "avx2")
}

fn differing(machine: &Machine, expected: &toml::Table) -> Vec<String> {
    let recorded = expected.get("machine").and_then(toml::Value::as_table);
    let differs = |(key, here): &(&str, String)| {
        let recorded = recorded.and_then(|recorded| recorded.get(*key)?.as_str());
        let recorded = recorded.unwrap_or("nothing");
        (recorded != here).then(|| format!("{key} is `{here}`, recorded is `{recorded}`"))
    };
    machine.iter().filter_map(differs).collect()
}

fn written(machine: &Machine, counts: &Counts) -> String {
    let mut text = format!(
        "# Instructions of the hot paths, for a batch of 100 events of 500 bytes.\n\
         # Written by `{RENEW}`.\n\n[machine]\n"
    );
    for (key, value) in machine {
        writeln!(text, "{key} = {value:?}").expect("a string takes all");
    }
    text.push_str("\n[batch]\n");
    for (name, count) in counts {
        writeln!(text, "{name} = {count}").expect("a string takes all");
    }
    text
}

/// The program that does the work, built like packages of the agent.
fn binary() -> PathBuf {
    // A separate folder, so that it does not wait for other builds.
    let folder = target::root().join("counts");
    let mut build = flume_tests::cargo();
    build
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--profile",
            "dist",
            "--locked",
            "-p",
            "flume-counts",
            "--target-dir",
        ])
        .arg(&folder);
    for flags in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
    ] {
        build.env_remove(flags);
    }
    let built = process::run(&mut build, "", BUILD).expect("cargo runs");
    assert!(built.status.success(), "flume-counts: {}", built.stderr);
    folder.join("dist/flume-counts")
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counts/expected.toml")
}

/// The output of a command.
fn said(command: &mut Command) -> String {
    heard(command).unwrap_or_else(|err| panic!("{command:?}: {err}"))
}

fn heard(command: &mut Command) -> Result<String, String> {
    let ended = process::run(command, "", SAY)?;
    match ended.status.success() {
        true => Ok(ended.stdout.trim().to_owned()),
        false => Err(ended.stderr),
    }
}
