//! The house stays tidy. Goal: what the documentation promises about layout, layers and sizes is
//! true. Method: read the manifests and the sources that git tracks as text; every finding names
//! file and line. Untracked files (notes, a `venv`) are ignored. Without git, as in an unpacked
//! archive, these tests report that they are skipped.

mod circles;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flume_tests::{Availability, process, require};

/// The most lines of a file; tests in sibling files are not part of it.
const MOST_FILE_LINES: usize = 600;
/// The most lines of a function, including its signature; tables of cases in tests may be longer.
const MOST_FUNCTION_LINES: usize = 70;

/// The names at the top level, besides those that begin with a dot.
const TOP_LEVEL: &[&str] = &[
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "NOTICE",
    "README.md",
    "SECURITY.md",
    "conf",
    "guests",
    "host",
    "rust-toolchain.toml",
    "tests",
    "wit",
];

/// How long git may take to list the files.
const LISTING: Duration = Duration::from_secs(60);

/// The rooms that each room may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("host/core", &[]),
    ("host/avro", &[]),
    ("host/log", &[]),
    ("host/adopt", &[]),
    ("host/policy", &["flume-core"]),
    ("host/bucket", &["flume-core"]),
    ("host/kafka", &["flume-core", "flume-avro"]),
    (
        "host/components",
        &[
            "flume-core",
            "flume-avro",
            "flume-bucket",
            "flume-log",
            "flume-adopt",
            "flume-kafka",
        ],
    ),
    ("host/desk", &["flume-core", "flume-policy"]),
    (
        "host/agent",
        &[
            "flume-adopt",
            "flume-core",
            "flume-policy",
            "flume-components",
            "flume-log",
            "flume-desk",
        ],
    ),
];

#[test]
fn rooms_depend_only_on_those_below() {
    let mut wrong = Vec::new();
    for (room, allowed) in LAYERS {
        let manifest = root().join(room).join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(&manifest).unwrap().parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for name in dependencies
            .keys()
            .filter(|name| name.starts_with("flume-"))
        {
            if !allowed.contains(&name.as_str()) {
                wrong.push(format!("{room} depends on {name}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn core_and_avro_know_no_sockets_and_no_files() {
    let banned = [
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "tokio::net",
        "tokio::fs",
    ];
    let files = require!(rust_files());
    assert_eq!(words_in(&files, "host/core", &banned), Vec::<String>::new());
    assert_eq!(words_in(&files, "host/avro", &banned), Vec::<String>::new());
}

#[test]
fn core_reads_time_only_in_its_clock() {
    let mut found = words_in(
        &require!(rust_files()),
        "host/core",
        &["tokio::time", "std::time::Instant", "SystemTime"],
    );
    found.retain(|place| !place.starts_with("host/core/src/clock.rs:"));
    assert_eq!(found, Vec::<String>::new());
}

/// Where these words occur in a room, without its tests.
fn words_in(files: &[PathBuf], room: &str, banned: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| is_in(file, room)) {
        let tests = ["tests", "testing"].map(std::ffi::OsStr::new);
        if file
            .with_extension("")
            .components()
            .any(|part| tests.contains(&part.as_os_str()))
        {
            continue;
        }
        for (number, line) in lines(file) {
            if let Some(word) = banned.iter().find(|word| line.contains(*word)) {
                found.push(format!("{}:{number}: {word}", shown(file)));
            }
        }
    }
    found
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = require!(rust_files())
        .iter()
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//!"))
        .map(|file| shown(file))
        .collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn files_and_functions_stay_small() {
    let mut wrong = Vec::new();
    for file in &require!(rust_files()) {
        let all = lines(file);
        if all.len() > MOST_FILE_LINES {
            wrong.push(format!("{} has {} lines", shown(file), all.len()));
        }
        for (at, (number, line)) in all.iter().enumerate() {
            if !is_function(line) || file.ends_with("tests.rs") {
                continue;
            }
            let indent: String = line.chars().take_while(|c| *c == ' ').collect();
            let end = format!("{indent}}}");
            // A function of a trait, whose words take several lines and which has no body.
            let declared = format!("{indent})");
            let ends =
                |line: &str| line == end || line.starts_with(&declared) && line.ends_with(';');
            let rest = &all[at..];
            let length = rest
                .iter()
                .position(|(_, line)| ends(line))
                .map_or(1, |l| l + 1);
            if length > MOST_FUNCTION_LINES {
                wrong.push(format!(
                    "{}:{number}: {length} lines of function",
                    shown(file)
                ));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_comment_names_open_work() {
    // Composed here, so that this file does not match itself.
    let words = ["TO", "FIX"].map(|start| match start {
        "TO" => format!("{start}DO"),
        _ => format!("{start}ME"),
    });
    let mut wrong = Vec::new();
    for file in &require!(rust_files()) {
        for (number, line) in lines(file) {
            if words.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{}:{number}: {}", shown(file), line.trim()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The list of components in the documentation is the program's output.
#[test]
fn the_list_of_components_is_true() {
    let path = root().join("host/agent/COMPONENTS.md");
    let said = flume_tests::host::command(&["components", "--markdown"], "").stdout;
    let written = fs::read_to_string(&path).unwrap();
    let hint = "take it from `flume-host components --markdown`";
    assert!(
        !said.is_empty() && written.ends_with(&said),
        "{}: {hint}",
        path.display()
    );
}

#[test]
fn the_top_level_is_as_agreed() {
    let mut names: Vec<String> = require!(tracked())
        .iter()
        .filter_map(|path| Some(path.components().next()?.as_os_str().to_str()?.to_owned()))
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names.dedup();
    names.retain(|name| !TOP_LEVEL.contains(&name.as_str()));
    assert_eq!(
        names,
        Vec::<String>::new(),
        "unexpected names at the top level"
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The files that git tracks, relative to the root.
fn tracked() -> Availability<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.arg("-C").arg(root()).args(["ls-files", "-z"]);
    match process::run(&mut git, "", LISTING) {
        Ok(listed) if listed.status.success() => Availability::Ready(
            listed
                .stdout
                .split_terminator('\0')
                .map(PathBuf::from)
                // Git still lists a file that was deleted but not yet committed.
                .filter(|path| root().join(path).exists())
                .collect(),
        ),
        Ok(refused) => Availability::Missing(format!("git: {}", refused.stderr.trim())),
        Err(why) => Availability::Missing(why),
    }
}

fn rust_files() -> Availability<Vec<PathBuf>> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    tracked().map(|files| {
        let rust = files.into_iter().filter(is_rust);
        rust.map(|path| root().join(path)).collect()
    })
}

fn is_in(file: &Path, room: &str) -> bool {
    file.starts_with(root().join(room))
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().display().to_string()
}

fn lines(file: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.to_owned()))
        .collect()
}

fn is_function(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let before = [
        "pub",
        "pub(crate)",
        "pub(super)",
        "async",
        "const",
        "unsafe",
        "extern",
    ];
    words.find(|word| !before.contains(word)) == Some("fn") && !line.ends_with(';')
}
