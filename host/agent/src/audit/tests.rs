//! Lines of the audit log, and what becomes of those that cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use flume_components::said::Said;
use serde_json::Value;

use super::*;

/// The lines of a file, each a JSON object.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn entry<'a>(by: &'a By, outcome: Outcome<'a>) -> Entry<'a> {
    Entry {
        by,
        action: Action::Upload,
        policy: "a1/one",
        from: Some("aa"),
        to: Some("bb"),
        outcome,
    }
}

fn by(way: Way) -> By {
    By {
        who: "uid 7".to_owned(),
        way,
    }
}

fn audit() -> (tempfile::TempDir, PathBuf, Audit) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let audit = Audit::default();
    audit.write_to(&path).unwrap();
    (folder, path, audit)
}

#[test]
fn a_change_is_a_line_of_both_logs() {
    let (_folder, path, audit) = audit();
    let said = Said::listen();
    let by = by(Way::Socket);
    audit.record(&entry(&by, Outcome::Done));
    audit.record(&entry(&by, Outcome::Failed("no \"order\"\nat all")));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read_to_string(&path).unwrap();
    let first = text.lines().next().unwrap();
    let (time, rest) = first.split_at(r#"{"time":"2026-11-29T20:00:00.000000Z""#.len());
    assert!(time.ends_with("Z\""), "{first}");
    let expected = r#","who":"uid 7","way":"socket","action":"upload","policy":"a1/one","from":"aa","to":"bb","result":"done"}"#;
    assert_eq!(rest, expected);
    let second = &lines(&path)[1];
    assert_eq!(
        (&second["result"], &second["why"]),
        (&"failed".into(), &"no \"order\"\nat all".into())
    );
    let done = said.lines("audit: a policy was changed");
    assert_eq!(done.len(), 1);
    for part in [
        "INFO audit:",
        "who=\"uid 7\"",
        "way=\"socket\"",
        "from=\"aa\"",
        "to=\"bb\"",
    ] {
        assert!(done[0].contains(part), "{done:?}");
    }
    let failed = said.lines("audit: a policy was not changed");
    assert!(failed[0].starts_with("WARN"), "{failed:?}");
}

/// Anybody can cause them. Results of trials are not limited.
#[tokio::test(start_paused = true)]
async fn refusals_are_limited_and_counted() {
    let (_folder, path, audit) = audit();
    let by = by(Way::Loopback);
    for _ in 0..25 {
        audit.record(&entry(&by, Outcome::Refused("no")));
        audit.record(&entry(&by, Outcome::Failed("bad")));
    }
    let count = |result: &str| {
        let all = lines(&path).into_iter();
        all.filter(|line| line["result"] == result).count()
    };
    assert_eq!((count("refused"), count("failed")), (10, 25));
    tokio::time::advance(REFUSED_EVERY).await;
    audit.record(&entry(&by, Outcome::Refused("no")));
    let last = lines(&path).pop().unwrap();
    assert_eq!(last["left-out"], 15, "{last}");
}

/// As logrotate does it.
#[test]
fn a_file_that_was_moved_away_is_begun_anew() {
    let (_folder, path, audit) = audit();
    let by = by(Way::File);
    audit.record(&entry(&by, Outcome::Done));
    let old = path.with_extension("1");
    fs::rename(&path, &old).unwrap();
    audit.record(&entry(&by, Outcome::Done));
    assert_eq!(lines(&old).len(), 2, "until it is told");
    audit.reopen();
    audit.record(&entry(&by, Outcome::Done));
    assert_eq!((lines(&old).len(), lines(&path).len()), (2, 1));
    // If it cannot be opened, the old one goes on.
    let said = Said::listen();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    audit.reopen();
    assert_eq!(said.lines("the audit log cannot be opened again").len(), 1);
    audit.record(&entry(&by, Outcome::Done));
    assert_eq!(audit.failed(), 0);
}

#[test]
fn a_line_that_cannot_be_written_is_said_and_counted() {
    let audit = Audit::default();
    audit.write_to(Path::new("/dev/full")).unwrap();
    let said = Said::listen();
    let by = by(Way::Sighup);
    for _ in 0..3 {
        audit.record(&entry(&by, Outcome::Done));
    }
    assert_eq!(audit.failed(), 3);
    let lines = said.lines("the audit log cannot be written");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("/dev/full") && lines[0].contains("No space left"),
        "{lines:?}"
    );
    assert_eq!(
        said.lines("audit: a policy was changed").len(),
        3,
        "in the log all the same"
    );
    let nowhere = Audit::default().write_to(Path::new("/nowhere/audit.log"));
    assert_eq!(nowhere.unwrap_err().kind(), io::ErrorKind::NotFound);
}
