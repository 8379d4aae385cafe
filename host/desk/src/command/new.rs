//! `policy new`: a project for a policy that builds as printed.
//!
//! All that it needs besides the toolchain of its language is written with it: the SDK's sources
//! and the contract, as this program knows them. So a project and the host that made it always
//! use the same version, and nothing has to be published in a registry.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use flume_core::shell::{complain, print};

use super::templates::{self, Project};

/// The most characters of a name, which becomes the name of a file and of a policy.
const MOST_NAME: usize = 64;

/// Writes a project for a policy: a working example with its test, and all that it needs besides
/// the toolchain of its language. Prints the commands that test, build and check it.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The project's folder and the policy's name: letters from a to z, digits and hyphens.
    #[arg(value_parser = name)]
    name: String,
    /// The language to write it in.
    #[arg(long, value_enum)]
    lang: Language,
    /// What the policy is.
    #[arg(long, value_enum, default_value_t = PolicyKind::Selector)]
    kind: PolicyKind,
}

/// A language that there is an SDK for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// Needs cargo and the target wasm32-unknown-unknown.
    Rust,
    /// Needs zig (or a clang with a wasi-sdk).
    C,
    /// Needs Go 1.24 or later, and nothing else.
    Go,
    /// Needs componentize-py.
    Python,
    /// Needs Node.js and componentize-js.
    Js,
}

/// What a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PolicyKind {
    /// Orders the sinks of a group.
    Selector,
    /// Edits or drops the events of a source.
    Interceptor,
}

/// Runs the command.
pub(super) fn run(args: &NewArgs) -> ExitCode {
    let project = templates::project(args.lang, args.kind, &args.name);
    match write(Path::new(&args.name), &project) {
        Ok(()) => {
            print(&words(&args.name, &project));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("error: cannot write {}: {error}\n", args.name));
            ExitCode::FAILURE
        }
    }
}

/// Writes the files into a new folder. What exists is never touched.
fn write(folder: &Path, project: &Project) -> io::Result<()> {
    fs::create_dir(folder)?;
    for (path, text) in &project.files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// What is printed; the commands are those of the project's README.
fn words(name: &str, project: &Project) -> String {
    let commands: String = project
        .commands
        .iter()
        .map(|command| format!("    {command}\n"))
        .collect();
    format!(
        "{name} is {}. It needs {}.\n\n    cd {name}\n{commands}\nThen look into {}.\n",
        project.is, project.needs, project.begin
    )
}

fn name(text: &str) -> Result<String, String> {
    let mut letters = text.chars();
    let begins = letters.next().is_some_and(|c| c.is_ascii_lowercase());
    let goes_on = letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if begins && goes_on && text.len() <= MOST_NAME {
        return Ok(text.to_owned());
    }
    Err(format!(
        "begins with a letter from a to z and has only such letters, digits and hyphens, \
         {MOST_NAME} at most"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_good_everywhere() {
        for good in ["a", "least-busy", "x2", &"a".repeat(MOST_NAME)] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "-a",
            "2x",
            "A",
            "a/b",
            "..",
            "a b",
            "ä",
            &"a".repeat(MOST_NAME + 1),
        ] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_there_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let project = templates::project(Language::Go, PolicyKind::Selector, "p");
        let place = folder.path().join("p");
        write(&place, &project).unwrap();
        fs::write(place.join("policy.go"), "mine").unwrap();
        let error = write(&place, &project).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(place.join("policy.go")).unwrap(), "mine");
    }

    #[test]
    fn every_project_names_itself_and_has_a_test() {
        for lang in Language::value_variants() {
            for kind in [PolicyKind::Selector, PolicyKind::Interceptor] {
                let project = templates::project(*lang, kind, "my-own");
                let words = words("my-own", &project);
                assert!(words.contains("flume-host policy check"), "{words}");
                let text: String = project.files.iter().map(|(_, text)| &**text).collect();
                assert!(!text.contains("@NAME@"), "{lang:?}");
                assert!(!text.contains("../../../../wit"), "{lang:?}");
                let has_test = |(path, text): &(String, String)| {
                    path.contains("test") || text.contains("#[test]")
                };
                assert!(project.files.iter().any(has_test), "{lang:?} {kind:?}");
            }
        }
    }

    /// A file that is added to an SDK must be added to the list of what is written.
    #[test]
    fn sdks_are_complete() {
        let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests");
        for (lang, sdk, into) in [
            (Language::Rust, "sdk/src", "sdk/src"),
            (Language::C, "sdk-c", "sdk"),
            (Language::Go, "sdk-go", "sdk"),
            (Language::Python, "sdk-python", "sdk"),
            (Language::Js, "sdk-js", "sdk"),
        ] {
            let project = templates::project(lang, PolicyKind::Selector, "p");
            let mut found = 0;
            let mut folders = vec![guests.join(sdk)];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(&folder).unwrap() {
                    let path = entry.unwrap().path();
                    let within = path.strip_prefix(guests.join(sdk)).unwrap();
                    let name = within.to_str().unwrap().to_owned();
                    if path.is_dir() {
                        folders.push(path);
                    } else if !is_besides(&name) {
                        let place = format!("{into}/{name}");
                        let is_written = project.files.iter().any(|(path, _)| *path == place);
                        assert!(is_written, "{lang:?} lacks {place}");
                        found += 1;
                    }
                }
            }
            assert!(found > 0, "{sdk} is empty");
        }
    }

    /// What a project does not need: the tests and the manual of an SDK, and what tools leave.
    fn is_besides(name: &str) -> bool {
        name.ends_with("README.md") || name.ends_with("_test.go") || name.contains("__pycache__")
    }

    #[test]
    fn the_sdk_for_rust_has_the_dependencies_of_the_original() {
        let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests");
        let original = fs::read_to_string(guests.join("sdk/Cargo.toml")).unwrap();
        let (_, rest) = original.split_once("[features]").unwrap();
        let (expected, _) = rest.split_once("[lints]").unwrap();
        let project = templates::project(Language::Rust, PolicyKind::Selector, "p");
        let written = project.files.iter().find(|file| file.0 == "sdk/Cargo.toml");
        let (_, written) = written.unwrap().1.split_once("[features]").unwrap();
        assert_eq!(written.trim(), expected.trim());
    }
}
