//! The house stays tidy. Goal: what the documents promise about layout, layers and sizes is true.
//! Method: read the manifests and the sources as text; every finding names file and line.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file, tests in sibling files not counted with it.
const MOST_FILE_LINES: usize = 600;
/// Lines of a function, its signature included; tables of cases in tests may be longer.
const MOST_FUNCTION_LINES: usize = 70;

/// Which rooms a room may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("host/core", &[]),
    ("host/avro", &[]),
    ("host/policy", &["flume-core"]),
    ("host/bucket", &["flume-core"]),
    (
        "host/agent",
        &["flume-core", "flume-avro", "flume-policy", "flume-bucket"],
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
    let mut wrong = Vec::new();
    for file in rust_files()
        .iter()
        .filter(|f| is_in(f, "host/core") || is_in(f, "host/avro"))
    {
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
                wrong.push(format!("{}:{number}: {word}", shown(file)));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = rust_files()
        .iter()
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//!"))
        .map(|file| shown(file))
        .collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn files_and_functions_stay_small() {
    let mut wrong = Vec::new();
    for file in &rust_files() {
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
            let rest = &all[at..];
            let length = rest
                .iter()
                .position(|(_, line)| *line == end)
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
fn nothing_is_left_to_do_in_comments() {
    // Put together here, so that this file does not find itself.
    let words = ["TO", "FIX"].map(|start| match start {
        "TO" => format!("{start}DO"),
        _ => format!("{start}ME"),
    });
    let mut wrong = Vec::new();
    for file in &rust_files() {
        for (number, line) in lines(file) {
            if words.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{}:{number}: {}", shown(file), line.trim()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The list of components in the documents is what the program says.
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
    let mut names: Vec<String> = tracked()
        .iter()
        .filter_map(|path| Some(path.components().next()?.as_os_str().to_str()?.to_owned()))
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names.dedup();
    let agreed = [
        "Cargo.lock",
        "Cargo.toml",
        "README.md",
        "conf",
        "guests",
        "host",
        "tests",
        "wit",
    ];
    names.retain(|name| !agreed.contains(&name.as_str()));
    assert_eq!(names, Vec::<String>::new(), "strangers at the top level");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The project's files, relative to its root: what is there, less what is built.
fn tracked() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            match path.is_dir() {
                true if ["target", ".git", "node_modules"].contains(&name.as_str()) => {}
                true => folders.push(path),
                false => files.push(path.strip_prefix(root()).unwrap().to_owned()),
            }
        }
    }
    files
}

fn rust_files() -> Vec<PathBuf> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    tracked()
        .into_iter()
        .filter(is_rust)
        .map(|path| root().join(path))
        .collect()
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
