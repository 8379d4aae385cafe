//! Goal: a start that fails has its exit status, and says what to correct. Method: `run` with a
//! wrong name, and with a missing file.

use flume_tests::{AgentFile, Scratch, host, ports};

#[test]
fn a_wrong_agent_name_lists_the_right_ones() {
    let scratch = Scratch::new();
    let agent = |name: &str| {
        let file = AgentFile::new(name).memory("c1", 100, 100);
        let file = file.netcat("r1", ports::free());
        file.file_roll("k1", &scratch.folder("landed"), 100).text()
    };
    let file = scratch.file(
        "two.properties",
        &format!("{}{}", agent("a1"), agent("web2")),
    );
    let file = file.to_str().expect("a path of plain letters");
    for words in [
        ["run", "-n", "agent", "-f", file],
        ["agent", "-f", file, "-n", "agent"],
    ] {
        let done = host::command(&words, "");
        assert_eq!(done.status.code(), Some(78), "{words:?}: {}", done.stderr);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(
            said.contains("a1") && said.contains("web2"),
            "{words:?}: {said}"
        );
    }
}

#[test]
fn a_missing_file_is_named() {
    let scratch = Scratch::new();
    let path = scratch.path("nowhere.properties");
    let path = path.to_str().expect("a path of plain letters");
    let done = host::command(&["run", "-n", "a1", "-f", path], "");
    assert_eq!(done.status.code(), Some(66), "{}", done.stderr);
    assert!(
        done.stderr.contains("nowhere.properties"),
        "{}",
        done.stderr
    );
}
