//! Goal: before a node of Flume is replaced, its operator sees what its file channel still holds.
//! Method: the program over directories that real Flume left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flume_tests::process::Finished;
use flume_tests::{Scratch, host};

/// A sample of `host/adopt`, unpacked.
fn sample(scratch: &Scratch, name: &str) -> PathBuf {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/adopt/tests/data");
    let packed = samples.join(format!("{name}.tar.gz"));
    let folder = scratch.folder("flume");
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(packed).arg("-C").arg(&folder);
    assert!(tar.status().expect("tar").success());
    folder.join(name)
}

fn look(directories: &[&Path]) -> Finished {
    let mut words = vec!["channel", "adopt", "--dry-run"];
    let shown: Vec<String> = directories
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    words.extend(shown.iter().map(String::as_str));
    host::command(&words, "")
}

#[test]
fn a_dry_run_says_what_is_there_and_changes_nothing() {
    let scratch = Scratch::new();
    let folder = sample(&scratch, "08-torn-commit-1.11.0");
    let log = folder.join("data1/log-1");
    let before = fs::read(&log).unwrap();
    let done = look(&[&folder]);
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    let log_shown = log.display();
    for said in [
        format!("dataDirs: {}\n", folder.join("data1").display()),
        "60 events not delivered, 900 bytes of bodies\n".to_owned(),
        format!("{log_shown}: 35 bytes at 9312 damaged: a record that was not finished\n"),
        format!("would be moved aside: {log_shown}\n"),
    ] {
        assert!(
            done.stdout.contains(&said),
            "{said} is missing in\n{}",
            done.stdout
        );
    }
    assert_eq!(fs::read(&log).unwrap(), before);
    // Each directory by itself, and then another one.
    let each = look(&[&folder.join("checkpoint"), &folder.join("data1")]);
    assert_eq!(each.stdout, done.stdout);
    let none = look(&[&scratch.folder("other")]);
    assert_eq!(none.stdout, "no channel of Flume is there\n");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_reason() {
    let scratch = Scratch::new();
    let folder = sample(&scratch, "13-encrypted-1.8.0");
    let done = look(&[&folder]);
    assert_eq!((done.status.code(), done.stdout.as_str()), (Some(1), ""));
    assert!(
        done.stderr
            .contains("log-1 is encrypted (AESCTRNOPADDING, key key-1)")
    );
    assert_eq!(look(&[Path::new("/nowhere")]).status.code(), Some(66));
    let live = host::command(&["channel", "adopt", &folder.display().to_string()], "");
    assert_eq!(live.status.code(), Some(2), "{}", live.stdout);
}
