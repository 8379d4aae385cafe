//! Goal: in every language, the project that `policy new` writes builds with the commands that it
//! prints. Method: run exactly the printed commands in a shell that finds the language's toolchain.

use std::path::Path;
use std::process::{Command, Output};

use flume_artifacts::Language;
use flume_tests::{Scratch, host, target};

#[test]
fn a_selector_in_rust_builds_as_printed() {
    builds_as_printed(Language::Rust, "selector");
}

#[test]
fn a_selector_in_c_builds_as_printed() {
    builds_as_printed(Language::C, "selector");
}

#[test]
fn a_selector_in_go_builds_as_printed() {
    builds_as_printed(Language::Go, "selector");
}

#[test]
fn a_selector_in_python_builds_as_printed() {
    builds_as_printed(Language::Python, "selector");
}

#[test]
fn a_selector_in_javascript_builds_as_printed() {
    builds_as_printed(Language::Js, "selector");
}

/// The interceptors of the languages that build fast.
#[test]
fn interceptors_build_as_printed() {
    for language in [Language::Rust, Language::C, Language::Go] {
        builds_as_printed(language, "interceptor");
    }
}

/// Python's and JavaScript's take long to build, so only their own tests run.
#[test]
fn interceptors_of_scripting_languages_are_tested_as_printed() {
    for (language, test) in [
        (Language::Python, "python3 -m unittest policy_test"),
        (Language::Js, "node --test"),
    ] {
        let scratch = Scratch::new();
        let printed = generate(&scratch, language, "interceptor");
        assert_eq!(printed.get(1).map(String::as_str), Some(test));
        if Command::new(test.split(' ').next().unwrap())
            .arg("--version")
            .output()
            .is_err()
        {
            flume_tests::skip::report(&format!("{language:?} is not installed"));
            continue;
        }
        run(Command::new("sh"), &scratch, &printed[..2]);
    }
}

#[test]
fn a_name_must_be_new_and_good() {
    let scratch = Scratch::new();
    let new = |name: &str| {
        let output = policy_new(&scratch, &["--lang", "go", name]);
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    assert_eq!(new("mine"), (Some(0), String::new()));
    let (code, said) = new("mine");
    assert!(
        code == Some(1) && said.contains("cannot write mine: "),
        "{code:?} {said}"
    );
    let (code, said) = new("../mine");
    assert!(
        code == Some(2) && said.contains("letters"),
        "{code:?} {said}"
    );
}

fn builds_as_printed(language: Language, kind: &str) {
    let tool = match language.tool() {
        Ok(tool) => tool,
        Err(why) => return flume_tests::skip::report(&format!("{language:?}: {why}")),
    };
    let scratch = Scratch::new();
    let printed = generate(&scratch, language, kind);
    if language == Language::Rust {
        // Not part of the printed commands: the guests' versions, and what an earlier run has
        // built.
        let guests = flume_artifacts::folder();
        let project = scratch.path("my-own");
        std::fs::copy(guests.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
        // A folder for each kind, since two projects at the same time would remove each other's
        // files.
        let target = flume_tests::target::root().join("policy-new").join(kind);
        std::fs::create_dir_all(&target).unwrap();
        std::os::unix::fs::symlink(target, project.join("target")).unwrap();
    }
    let said = run(tool.command("sh"), &scratch, &printed);
    let world = if kind == "selector" {
        "a sink selector"
    } else {
        "an interceptor"
    };
    assert!(said.contains(world), "{language:?} {kind}: {said}");
    assert!(scratch.path("my-own/my-own.wasm").is_file());
}

/// Writes a project; returns the commands that it printed.
fn generate(scratch: &Scratch, language: Language, kind: &str) -> Vec<String> {
    let words = ["my-own", "--lang", language.name(), "--kind", kind];
    let output = policy_new(scratch, &words);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let commands: Vec<String> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .map(str::to_owned)
        .collect();
    assert!(commands.len() >= 4, "{printed}");
    commands
}

/// Runs `flume-host policy new` with these arguments, in the folder of a test.
fn policy_new(scratch: &Scratch, words: &[&str]) -> Output {
    let mut command = host::program();
    command.args(["policy", "new"]).args(words);
    command.current_dir(scratch.path("")).output().unwrap()
}

/// Runs commands in a shell that finds `flume-host`; returns their output.
fn run(mut shell: Command, scratch: &Scratch, commands: &[String]) -> String {
    let folder = host::binary().parent().unwrap_or(Path::new("/"));
    let script = format!(
        "set -e\nPATH=\"$PATH:{}\"\n{}",
        folder.display(),
        commands.join("\n")
    );
    let output = shell
        .env("XDG_CACHE_HOME", target::root().join("cache"))
        .arg("-c")
        .arg(&script)
        .current_dir(scratch.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{said}\n{complaints}");
    said
}
