//! Goal: the limits in the documentation are those of the program.
//!
//! `host/LIMITS.md` has one row for each limit. A row with a key is compared with the default in
//! `host/agent/COMPONENTS.md`, which another test compares with the program's output; a row with a
//! constant is compared with the constant's text in the source. The README repeats some rows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Constants that are named like a limit but are not one, or that are the default of a key.
const OTHERS: &[&str] = &[
    // Sizes of the encoding.
    "MAX_LENGTH",
    "MAX_VARINT",
    // Defaults of keys, or of the library for other users.
    "MAX_CONNECTIONS",
    "MAX_FRAME",
    "MAX_FRAME_SIZE",
    "MAX_PENALTY_MS",
    "MAX_PENDING",
    "MAX_TIMEOUT_MS",
    // What the system takes in one call.
    "MOST_PARTS",
    // What Flume says, which the next one narrows.
    "MOST_FILE",
];

/// Rooms whose limits concern users; those of the authors' tools do not.
const ROOMS: [&str; 9] = [
    "adopt",
    "agent",
    "avro",
    "bucket",
    "components",
    "core",
    "kafka",
    "log",
    "policy",
];

#[test]
fn limits_of_keys_are_the_defaults() {
    let components = read("host/agent/COMPONENTS.md");
    let mut wrong = Vec::new();
    for row in rows(&read("host/LIMITS.md")) {
        let [what, said, kind, key] = &row[..] else {
            continue;
        };
        let (kind, key) = (code(kind), code(key));
        let defaults = defaults(&components, kind, key);
        if defaults.is_empty() || !defaults.iter().any(|is| same(said, is)) {
            wrong.push(format!("{what}: {said}, but `{key}` is {defaults:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn fixed_limits_are_the_constants() {
    let mut wrong = Vec::new();
    for row in rows(&read("host/LIMITS.md")) {
        let [what, said, place] = &row[..] else {
            continue;
        };
        let [file, name] = codes(place)[..] else {
            wrong.push(format!("{what}: which constant?"));
            continue;
        };
        let source = read(&format!("host/{file}"));
        let is = source.lines().find_map(|line| constant(line, name));
        let said_values: Vec<f64> = numbers(said).into_iter().map(|(n, _)| n).collect();
        if is.as_ref().is_none_or(|is| *is != said_values) {
            wrong.push(format!("{what}: {said}, but {name} is {is:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_limit_has_its_row() {
    let listed = read("host/LIMITS.md");
    let mut missing = BTreeSet::new();
    for room in ROOMS {
        for file in rust_files(&root().join("host").join(room).join("src")) {
            let shown = file.strip_prefix(root().join("host")).unwrap();
            let shown = shown.display().to_string();
            // Not part of the daemon.
            if ["test", "/cli/", "simulate"]
                .iter()
                .any(|part| shown.contains(part))
            {
                continue;
            }
            for line in fs::read_to_string(&file).unwrap().lines() {
                let Some((_, rest)) = line.split_once("const ") else {
                    continue;
                };
                let name = rest.split(':').next().unwrap_or_default();
                let is_limit = name.starts_with("MOST_") || name.starts_with("MAX_");
                if is_limit && line.contains(" = ") && !OTHERS.contains(&name) {
                    let row = format!("`{shown}` `{name}`");
                    if !listed.contains(&row) && constant(line, name).is_some() {
                        missing.insert(row);
                    }
                }
            }
        }
    }
    assert_eq!(missing, BTreeSet::new(), "not in host/LIMITS.md");
}

#[test]
fn the_readme_has_the_same_limits() {
    let all = rows(&read("host/LIMITS.md"));
    let readme = read("README.md");
    let (_, limits) = readme.split_once("\n## Limits\n").expect("it has limits");
    let limits = limits.split("\n## ").next().unwrap_or_default();
    let said = rows(limits);
    assert!(!said.is_empty());
    for row in said {
        let is_known = all.iter().any(|known| known[..2] == row[..2]);
        assert!(is_known, "README: {row:?} is not a row of host/LIMITS.md");
    }
}

/// The rows of all tables, without headers and separators.
fn rows(text: &str) -> Vec<Vec<String>> {
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| what |");
    let cells = |line: &str| {
        let inner = line.trim().trim_matches('|');
        inner
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    text.lines().filter(is_row).map(cells).collect()
}

/// The text between backquotes.
fn codes(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn code(cell: &str) -> &str {
    codes(cell).first().copied().unwrap_or_default()
}

/// The defaults of a key in all tables of components of this type.
fn defaults(components: &str, kind: &str, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    for row in rows(components) {
        let [of, name, default] = &row[..] else {
            continue;
        };
        if !of.is_empty() {
            current = code(of).to_owned();
        }
        if current == kind && code(name) == key {
            found.push(default.trim_matches('`').to_owned());
        }
    }
    found
}

/// Whether a key's default is what the document says, in the key's unit.
fn same(said: &str, is: &str) -> bool {
    let (Ok(is), Some((said, unit))) = (is.parse::<f64>(), numbers(said).first().copied()) else {
        return said == is;
    };
    let scales: &[f64] = match unit {
        Unit::Time => &[1.0, 1000.0],
        Unit::Bytes => &[1.0, 1024.0, 1024.0 * 1024.0],
        Unit::Count => &[1.0],
    };
    scales.iter().any(|scale| said / scale == is)
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Count,
    Bytes,
    Time,
}

/// The numbers of a cell: counts, bytes, and times in milliseconds.
fn numbers(cell: &str) -> Vec<(f64, Unit)> {
    let words: Vec<&str> = cell.split_whitespace().collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Ok(number) = word.replace(',', "").parse::<f64>() else {
            continue;
        };
        let (scale, unit) = match words.get(at + 1).copied() {
            Some("KiB") => (1024.0, Unit::Bytes),
            Some("MiB") => (1024.0 * 1024.0, Unit::Bytes),
            Some("GiB") => (1024.0 * 1024.0 * 1024.0, Unit::Bytes),
            Some("ms") => (1.0, Unit::Time),
            Some("s") => (1000.0, Unit::Time),
            _ => (1.0, Unit::Count),
        };
        found.push((number * scale, unit));
    }
    found
}

/// The values of a constant, if this line defines it: times in milliseconds.
fn constant(line: &str, name: &str) -> Option<Vec<f64>> {
    let (_, rest) = line.split_once(&format!("const {name}: "))?;
    let value = rest.split_once(" = ")?.1.strip_suffix(';')?;
    let parts = match value.strip_prefix('(').and_then(|v| v.strip_suffix(')')) {
        Some(pair) => pair.split(", ").collect(),
        None => vec![value],
    };
    parts.into_iter().map(evaluate).collect()
}

/// A number, a product, a shift, or a duration.
fn evaluate(text: &str) -> Option<f64> {
    for (call, scale) in [("from_secs(", 1000.0), ("from_millis(", 1.0)] {
        if let Some((_, number)) = text.split_once(call) {
            return Some(evaluate(number.strip_suffix(')')?)? * scale);
        }
    }
    if let Some((left, right)) = text.split_once(" << ") {
        return Some(evaluate(left)? * evaluate(right)?.exp2());
    }
    if let Some((left, right)) = text.split_once(" * ") {
        return Some(evaluate(left)? * evaluate(right)?);
    }
    let digits = text.trim().replace('_', "");
    match digits.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok().map(f64::from),
        None => digits.parse().ok(),
    }
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests are in the tree").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(rust_files(&path)),
            false if path.extension().is_some_and(|e| e == "rs") => files.push(path),
            false => {}
        }
    }
    files
}
