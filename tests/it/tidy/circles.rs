//! Goal: few files of a crate import each other in a circle, because to understand one of them you
//! have to read them all. Method: the `use` lines of each file, without tests, are arrows between
//! files. A re-export is not an arrow: an import is followed to the file that defines the item.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use flume_tests::require;

/// The largest circle of files that is allowed.
const MOST_FILES: usize = 3;

#[test]
fn files_do_not_import_each_other_in_large_circles() {
    let mut crates: BTreeMap<String, Modules> = BTreeMap::new();
    for path in require!(super::tracked()) {
        let Some((room, module)) = module(&path) else {
            continue;
        };
        let text = fs::read_to_string(super::root().join(&path)).unwrap();
        crates.entry(room).or_default().add(module, &text);
    }
    assert!(crates.len() >= 6, "the crates are found: {}", crates.len());
    let mut wrong = Vec::new();
    for (room, modules) in &crates {
        for circle in modules.circles() {
            if circle.len() > MOST_FILES {
                wrong.push(format!("{room}: {}", circle.join(", ")));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_circle_is_found_through_re_exports_and_not_through_tests() {
    let mut modules = Modules::default();
    modules.add(
        "",
        "mod a;\nmod b;\nmod c;\npub use b::{Inner as B, other};\n",
    );
    modules.add("a", "use crate::B;\n");
    modules.add("b", "mod inner;\npub use inner::Inner;\n");
    modules.add(
        "b/inner",
        "use super::super::{\n    c::{self, D},\n    a,\n};\n",
    );
    modules.add("c", "#[cfg(test)]\nmod tests {\n    use crate::B;\n}\n");
    assert_eq!(modules.circles(), [["a", "b/inner"]]);
}

/// The crate of a source file, and the file's module: `host/core` and `channel/memory`. Tests and
/// their helpers have no module.
fn module(path: &Path) -> Option<(String, String)> {
    let path = path.to_str()?.strip_suffix(".rs")?;
    let (room, module) = path.split_once("/src/")?;
    let helps_tests = |part: &str| part == "tests" || part == "testing";
    if !room.starts_with("host/") || module == "main" || module.split('/').any(helps_tests) {
        return None;
    }
    let module = if module == "lib" { "" } else { module };
    Some((room.to_owned(), module.to_owned()))
}

/// The modules of a crate by their path; the root is the empty one.
#[derive(Default)]
struct Modules(BTreeMap<String, Vec<Import>>);

/// One imported path, its name here, and whether it is re-exported.
struct Import {
    path: Vec<String>,
    name: String,
    is_public: bool,
}

impl Modules {
    fn add(&mut self, module: impl Into<String>, text: &str) {
        self.0.insert(module.into(), imports(&without_tests(text)));
    }

    /// Groups of two or more modules that reach each other.
    fn circles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> = self
            .0
            .keys()
            .map(|module| (module.as_str(), self.reached(module)))
            .collect();
        let mut circles = BTreeSet::new();
        for (module, others) in &reached {
            let circle: Vec<String> = others
                .iter()
                .filter(|other| reached[**other].contains(module))
                .map(|other| (*other).to_owned())
                .collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// The modules that a module imports from, directly or indirectly.
    fn reached<'a>(&'a self, from: &'a str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(module) = next.pop() {
            for import in self.0[module].iter().filter(|import| !import.is_public) {
                match self.resolve(module, &import.path, 0) {
                    Some(other) if other != module && reached.insert(other) => next.push(other),
                    _ => {}
                }
            }
        }
        reached
    }

    /// The module that a path in another module leads to; `None` if it leads out of the crate.
    fn resolve(&self, from: &str, path: &[String], depth: usize) -> Option<&str> {
        let mut at: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &path[1..];
            }
            "self" | "super" => {
                while let Some(word @ ("self" | "super")) = rest.first().map(String::as_str) {
                    if word == "super" {
                        at.pop();
                    }
                    rest = &rest[1..];
                }
            }
            first => {
                at.push(first);
                self.0.get(&at.join("/"))?;
                rest = &path[1..];
            }
        }
        while let Some((name, after)) = rest.split_first() {
            at.push(name);
            if !self.0.contains_key(&at.join("/")) {
                at.pop();
                break;
            }
            rest = after;
        }
        let (module, imports) = self.0.get_key_value(&at.join("/"))?;
        let Some((name, after)) = rest.split_first() else {
            return Some(module);
        };
        // A path followed this often is in a circle of re-exports.
        let passes_on = |import: &&Import| import.is_public && depth < 10 && import.name == *name;
        let elsewhere = imports.iter().find(passes_on).and_then(|import| {
            let path = [import.path.as_slice(), after].concat();
            self.resolve(module, &path, depth + 1)
        });
        elsewhere.or(Some(module))
    }
}

/// The text without code that is compiled only for tests.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let is_item = |line: &&str| !line.trim_start().starts_with("#[");
        let item = lines.by_ref().find(is_item).unwrap_or_default();
        let indent = item.len() - item.trim_start().len();
        let is_end = |line: &str| {
            let is_in_line = line.len() - line.trim_start().len() == indent;
            is_in_line && (line.ends_with('}') || line.ends_with("};"))
        };
        if !item.ends_with(';') && !is_end(item) {
            lines.by_ref().find(|line| is_end(line));
        }
    }
    kept
}

/// The paths in the `use` lines of a text.
fn imports(text: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    let mut rest = text;
    while let Some(line) = rest.lines().next() {
        let bare = line.trim_start();
        let (is_public, item) = match bare.strip_prefix("pub") {
            Some(more) => (
                true,
                more.split_once("use ").filter(|(scope, _)| is_scope(scope)),
            ),
            None => (false, bare.strip_prefix("use ").map(|item| ("", item))),
        };
        if item.is_some() {
            let (_, after) = rest.split_once("use ").unwrap_or_default();
            let (tree, left) = after.split_once(';').unwrap_or((after, ""));
            for (path, name) in paths(tree) {
                imports.push(Import {
                    path,
                    name,
                    is_public,
                });
            }
            rest = left;
        }
        rest = rest.split_once('\n').map_or("", |(_, after)| after);
    }
    imports
}

/// What may be between `pub` and `use`.
fn is_scope(text: &str) -> bool {
    text.trim().is_empty() || (text.starts_with('(') && text.trim_end().ends_with(')'))
}

/// The paths of a tree of imports with their names: `a::{b, c as d}` is `a::b` as `b`, `a::c` as `d`.
fn paths(tree: &str) -> Vec<(Vec<String>, String)> {
    let Some((before, inside)) = tree.split_once('{') else {
        let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
        let words = path.split("::").map(|word| word.trim().to_owned());
        let path: Vec<String> = words.filter(|word| !word.is_empty()).collect();
        let name = match alias.trim() {
            "" => path.last().cloned().unwrap_or_default(),
            alias => alias.to_owned(),
        };
        return vec![(path, name)];
    };
    let inside = inside.trim_end().strip_suffix('}').unwrap_or(inside);
    let mut branches = vec![String::new()];
    let mut depth = 0_usize;
    for letter in inside.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                branches.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(branch) = branches.last_mut() {
            branch.push(letter);
        }
    }
    let branches = branches.iter().filter(|branch| !branch.trim().is_empty());
    branches
        .flat_map(|branch| paths(&format!("{before}{}", branch.trim())))
        .collect()
}
