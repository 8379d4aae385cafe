//! What `flume-host channel` says of folders is what was sent into them, and what it repairs runs on.

use std::collections::BTreeMap;

use flume_tests::process::Finished;
use flume_tests::{host, tally};
use serde_json::Value;

use super::adopt::listing;
use super::*;

/// Lines in the channel, sent by this many clients, one after the other: so they are many puts.
const LINES: u64 = 1_000;
const CLIENTS: u64 = 10;

/// Runs `flume-host channel` with these words and this folder.
fn tool(words: &[&str], folder: &Path) -> Finished {
    let folder = folder.to_str().expect("a path of plain letters");
    host::command(&[&["channel"], words, &[folder]].concat(), "")
}

/// What is found, and with which status.
fn json(words: &[&str], folder: &Path) -> (Value, Option<i32>) {
    let done = tool(&[words, &["--json"]].concat(), folder);
    let found = serde_json::from_str(&done.stdout);
    let found = found.unwrap_or_else(|error| panic!("{error}: {}{}", done.stdout, done.stderr));
    (found, done.status.code())
}

/// The contents of all files below a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| (path.clone(), std::fs::read(path).unwrap());
    listing(folder).into_iter().map(read).collect()
}

/// Flips a bit in the middle of this text, which is in one segment; returns the segment and the place.
fn spoil(folder: &Path, text: &str) -> (String, u64) {
    for (path, mut bytes) in contents(folder) {
        let found = bytes
            .windows(text.len())
            .position(|it| it == text.as_bytes());
        if let Some(at) = found {
            bytes[at + 1] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            return (name.to_owned(), at as u64 + 1);
        }
    }
    panic!("{text} is in no file");
}

/// Sends the lines, each client when the one before is answered.
fn send(input: u16) {
    let each = LINES / CLIENTS;
    for client in 0..CLIENTS {
        let lines = Lines::new("n", each).from(client * each);
        Feed::send(input, lines, PATIENCE).assert_all_acknowledged();
    }
}

/// All lines wait, and those who look leave everything as it was. Returns their bodies.
fn assert_whole(folder: &Path) -> Vec<String> {
    let before = contents(folder);
    let (found, status) = json(&["verify"], folder);
    assert_eq!(
        (&found["waiting"], status),
        (&LINES.into(), Some(0)),
        "{found}"
    );
    let exported = tool(&["export"], folder);
    assert_eq!(exported.status.code(), Some(0), "{}", exported.stderr);
    let body = |line: &str| {
        let event: Value = line.parse().unwrap();
        event["body"].as_str().unwrap().to_owned()
    };
    let bodies: Vec<String> = exported.stdout.lines().map(body).collect();
    let sent: Vec<String> = (0..LINES).map(|number| tally::body("n", number)).collect();
    assert_eq!(bodies, sent);
    assert_eq!(before, contents(folder), "nothing is changed by a look");
    bodies
}

/// The damage at this place is named; returns how many events are lost.
fn assert_damaged(folder: &Path, file: &str, place: u64) -> u64 {
    let (found, status) = json(&["verify"], folder);
    assert_eq!(status, Some(1), "{found}");
    let lost = found["lost"].as_u64().unwrap();
    assert!((1..LINES).contains(&lost), "{found}");
    assert_eq!(found["waiting"], LINES - lost);
    let segments = found["segments"].as_array().unwrap();
    let segment = segments.iter().find(|it| it["file"] == file).unwrap();
    let [start, end] = ["start", "end"].map(|key| segment["damaged"][0][key].as_u64().unwrap());
    assert!((start..end).contains(&place), "{place}: {segment}");
    let said = tool(&["verify"], folder).stdout;
    let range = format!("damaged: {file}, bytes {start}..{end}: lost: {lost}, ");
    assert!(said.contains(&range), "{said}");
    lost
}

#[test]
fn damage_is_found_by_name_and_the_rest_is_delivered_after_a_repair() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let channel = scratch.folder("channel");
    let text = sender(input, output, &channel).text();
    let mut agent = Host::start(&scratch, "sender", &text);
    let folder = channel.join("data");
    send(input);
    let seen = tool(&["inspect"], &folder).stdout;
    assert!(seen.starts_with("waiting: 1000, lost: 0\n"), "{seen}");
    let refused = tool(&["repair"], &folder);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains("in use by process"),
        "{}",
        refused.stderr
    );
    agent.kill();

    let bodies = assert_whole(&folder);
    let (file, place) = spoil(&folder, &bodies[500]);
    let lost = assert_damaged(&folder, &file, place);
    let repaired = tool(&["repair"], &folder);
    assert_eq!(repaired.status.code(), Some(0), "{}", repaired.stderr);
    assert!(
        repaired.stdout.contains(&format!("of {file}: {lost} ")),
        "{}",
        repaired.stdout
    );
    let (found, status) = json(&["verify"], &folder);
    let counts = (found["lost"].as_u64(), found["waiting"].as_u64());
    assert_eq!(
        (counts, status),
        ((Some(0), Some(LINES - lost)), Some(0)),
        "{found}"
    );
    assert_eq!(found["kept"].as_array().unwrap().len(), 1, "{found}");

    let (_collector, landed) = collector(&scratch, "collector", output);
    agent.restart();
    agent.await_delivered("c1", LINES - lost, PATIENCE);
    let tally = landing::await_last(&[&landed], "n", LINES, PATIENCE);
    assert_eq!(tally.lost().len() as u64, lost);
    assert!(!tally.has(500) && tally.has(LINES - 1));
}

/// The name of the folder matters: a wrong one must neither be called whole nor be made.
#[test]
fn a_folder_without_a_channel_is_not_called_whole() {
    let scratch = Scratch::new();
    let empty = scratch.folder("empty");
    let missing = scratch.path("missing");
    for command in ["inspect", "verify", "repair", "export"] {
        for folder in [&empty, &missing] {
            let done = tool(&[command], folder);
            assert_eq!(done.status.code(), Some(66), "{command}: {}", done.stderr);
        }
    }
    assert!(!missing.exists());
    assert_eq!(listing(&empty), Vec::<PathBuf>::new());
}
