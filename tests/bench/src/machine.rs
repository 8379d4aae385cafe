//! The origin of the figures: the machine, its load, and the versions of the programs.

use std::fs;
use std::process::Command;
use std::time::Duration;

use flume_tests::{host, process};

/// How long a program may take to print its version.
const VERSION: Duration = Duration::from_secs(20);

/// The first lines of the table.
#[must_use]
pub fn lines() -> Vec<String> {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    vec![
        format!("machine   {cpus} x {model}, {memory}, Linux {kernel}"),
        format!(
            "host      {}, {}",
            version(host::program().arg("--version")),
            revision()
        ),
        format!(
            "others    {}; {}",
            tool("rustc", "--version"),
            tool("java", "--version")
        ),
        format!("load      {} before the first run", load()),
    ]
}

/// The load averages of 1, 5 and 15 minutes.
#[must_use]
pub fn load() -> String {
    let text = read("/proc/loadavg");
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    words.join(" ")
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The first line of a file that begins with a name and a colon.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn revision() -> String {
    let mut git = Command::new("git");
    git.current_dir(env!("CARGO_MANIFEST_DIR"));
    match process::run(git.args(["describe", "--always", "--dirty"]), "", VERSION) {
        Ok(said) if said.status.success() => format!("revision {}", said.stdout.trim()),
        _ => "no revision".to_owned(),
    }
}

fn tool(name: &str, flag: &str) -> String {
    version(Command::new(name).arg(flag))
}

/// The first line of a program's output.
fn version(program: &mut Command) -> String {
    let name = program.get_program().to_string_lossy().into_owned();
    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
    match process::run(program, "", VERSION) {
        Ok(said) => said.stdout.lines().next().unwrap_or_default().to_owned(),
        Err(_) => format!("no {name}"),
    }
}
