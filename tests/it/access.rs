//! Goal: a policy is changed only by those who may, and who did it is on record. Method: an agent as a
//! process; real `curl` over its socket and its port, as its own user, as another one, and with tokens;
//! and the audit log.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flume_tests::{
    AgentFile, Availability, Host, Scratch, eventually, host, ports, process, require,
};
use serde_json::Value;

use crate::policies::{module, move_into};

const PATIENCE: Duration = Duration::from_secs(60);

const ONE: &str = "1111111111111111111111111111";
const ALL: &str = "3333333333333333333333333333";

/// Nobody, on most machines.
const NOBODY: u32 = 65_534;

/// Two agents, each with a group of two sinks and a policy.
fn agents(scratch: &Scratch) -> String {
    let agent = |name: &str| {
        let own = scratch.folder(name);
        std::fs::write(own.join("order.wat"), module(1)).expect("a file");
        let mut file = AgentFile::new(name)
            .memory("c1", 1_000, 100)
            .netcat("r1", ports::free());
        for sink in ["k1", "k2"] {
            file = file.file_roll(sink, &scratch.folder(&format!("{name}-{sink}")), 100);
        }
        file.set("sinkgroups", "g1")
            .set("sinkgroups.g1.sinks", "k1 k2")
            .set("sinkgroups.g1.processor.type", "load_balance")
            .set("sinkgroups.g1.processor.selector", "order.wat")
            .set("policies.directory", own.display())
            // The machine may be busy with other tests.
            .set("policies.deadline-ms", 2_000)
            .set("policies.start-deadline-ms", 20_000)
            .text()
    };
    agent("a1") + &agent("a2")
}

fn start(scratch: &Scratch, words: &[&str]) -> Host {
    let file = scratch.file("both.properties", &agents(scratch));
    let words = [&["--policy-cache", "none"], words].concat();
    Host::run(scratch, "both", &file, &words)
}

/// `curl`, which says the status after the text.
struct Curl;

impl Curl {
    fn find() -> Availability<Self> {
        match process::run(Command::new("curl").arg("--version"), "", PATIENCE) {
            Ok(done) if done.status.success() => Availability::Ready(Self),
            Ok(done) => Availability::Missing(format!("curl: {}", done.stderr)),
            Err(why) => Availability::Missing(why),
        }
    }

    fn command(words: &[&str]) -> Command {
        let mut command = Command::new("curl");
        command.args(["-sS", "-w", "\n%{http_code}"]).args(words);
        command
    }

    /// Status and text of an answer.
    fn ask(&self, words: &[&str]) -> (u16, String) {
        Self::run(&mut Self::command(words)).unwrap_or_else(|err| panic!("{words:?}: {err}"))
    }

    fn run(command: &mut Command) -> Result<(u16, String), String> {
        let done = process::run(command, "", PATIENCE)?;
        let (text, status) = done.stdout.rsplit_once('\n').ok_or(done.stderr.clone())?;
        match status.parse() {
            Ok(0) | Err(_) => Err(done.stderr),
            Ok(status) => Ok((status, text.to_owned())),
        }
    }
}

/// A file with a module, to be uploaded.
fn upload(scratch: &Scratch, sink: u8) -> String {
    let path = scratch.file(&format!("upload-{sink}.wat"), &module(sink));
    path.display().to_string()
}

fn tokens(scratch: &Scratch, text: &str) -> String {
    let path = scratch.file("tokens", text);
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
    path.display().to_string()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The last line may not be whole yet.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let line = |line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"));
    whole.lines().map(line).collect()
}

/// What a default start accepts, and from whom.
#[test]
fn changes_come_over_the_socket_and_from_its_owner() {
    let curl = require!(Curl::find());
    let scratch = Scratch::new();
    let mut host = start(&scratch, &[]);
    let socket = host.socket().display().to_string();
    let two = upload(&scratch, 2);
    let url = "http://localhost/policies/a1/order";
    let (status, text) = curl.ask(&["--unix-socket", &socket, "-T", &two, url]);
    assert_eq!(status, 200, "{text}");
    let (status, text) = curl.ask(&["--unix-socket", &socket, "http://localhost/metrics"]);
    assert!(status == 200 && text.contains("POLICY.a1.order"), "{text}");

    // The port shows, and changes nothing; it says what would.
    let port = format!("http://127.0.0.1:{}", host.admin_port());
    let policy = format!("{port}/policies/a1/order");
    for words in [
        vec!["-T", &two, &policy],
        vec!["-X", "DELETE", &policy],
        vec!["-X", "POST", &format!("{policy}/rollback")],
    ] {
        let (status, text) = curl.ask(&words);
        assert_eq!(status, 403, "{text}");
        let remedy = format!("curl --unix-socket {socket}");
        assert!(
            text.contains(&remedy) && text.contains("--admin-changes loopback"),
            "{text}"
        );
    }
    assert_eq!(curl.ask(&[&format!("{port}/metrics")]).0, 200);
    let (_, text) = curl.ask(&[&policy]);
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&report["uploaded"], &report["generation"]),
        (&true.into(), &2.into())
    );

    // A killed process leaves its socket behind, and the next one replaces it.
    host.kill();
    assert!(Path::new(&socket).exists());
    host.restart();
    let (status, text) = curl.ask(&["--unix-socket", &socket, "-T", &two, url]);
    assert_eq!(status, 200, "{text}");
    host.term(PATIENCE);
    assert!(!Path::new(&socket).exists(), "it is gone with its process");
}

/// The mode of the socket keeps others out; where somebody has changed it, the kernel says who comes.
#[test]
fn another_user_changes_nothing_over_the_socket() {
    require!(Curl::find());
    require!(match rustix::process::geteuid().is_root() {
        true => Availability::Ready(()),
        false => Availability::Missing("only root can be another user".to_owned()),
    });
    let scratch = Scratch::new();
    let mut host = start(&scratch, &[]);
    let socket = host.socket();
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
    };
    assert_eq!(mode(&socket) & 0o777, 0o600);
    for folder in [scratch.root(), socket.parent().expect("a folder")] {
        std::fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("a mode");
    }
    let words = [
        "--unix-socket",
        &socket.display().to_string(),
        "-X",
        "DELETE",
    ];
    let words = [&words[..], &["http://localhost/policies/a1/order"]].concat();
    let as_nobody = || {
        Curl::run(
            Curl::command(&words)
                .uid(NOBODY)
                .gid(NOBODY)
                .current_dir("/"),
        )
    };
    let kept_out = as_nobody().expect_err("the mode keeps it out");
    assert!(kept_out.contains("(7)"), "{kept_out}");

    std::fs::set_permissions(&socket, Permissions::from_mode(0o666)).expect("a mode");
    let (status, text) = as_nobody().expect("an answer");
    assert_eq!(status, 403, "{text}");
    assert!(
        text.contains("is for uid 0 and root, and this is uid 65534"),
        "{text}"
    );
    host.process()
        .await_said("audit: a policy was not changed", 1, PATIENCE);
    assert_eq!(Curl.ask(&words).0, 200);
}

#[test]
fn a_token_has_the_rights_of_its_line() {
    let curl = require!(Curl::find());
    let scratch = Scratch::new();
    let file = tokens(&scratch, &format!("one change:a1 {ONE}\n"));
    let words = [
        "--admin-tokens",
        &file,
        "--admin-see",
        "token",
        "--admin-socket",
        "off",
    ];
    let mut host = start(&scratch, &words);
    let (one, all) = (
        format!("Authorization: Bearer {ONE}"),
        format!("Authorization: Bearer {ALL}"),
    );
    let port = format!("http://127.0.0.1:{}", host.admin_port());
    let page = |path: &str| format!("{port}{path}");
    let two = upload(&scratch, 2);
    let (status, text) = curl.ask(&["-H", &one, "-T", &two, &page("/policies/a1/order")]);
    assert_eq!(status, 200, "{text}");
    let (status, text) = curl.ask(&["-H", &one, "-T", &two, &page("/policies/a2/order")]);
    assert_eq!(status, 403, "{text}");
    assert!(
        text.contains("token one may change:a1, and this needs change:a2"),
        "{text}"
    );
    let (status, text) = curl.ask(&["-H", &one, &page("/policies")]);
    assert!(
        status == 200 && text.contains("a1/order") && !text.contains("a2/order"),
        "{text}"
    );
    // Probes work without one; nothing else does.
    assert_eq!(curl.ask(&[&page("/livez")]).0, 200);
    assert_eq!(curl.ask(&[&page("/readyz")]), (200, "ok\n".to_owned()));
    for path in ["/metrics", "/config", "/groups", "/healthz", "/policies"] {
        let (status, text) = curl.ask(&[&page(path)]);
        assert_eq!(status, 401, "{path}: {text}");
        assert!(text.contains("--admin-see token"), "{text}");
        assert_eq!(curl.ask(&["-H", &all, &page(path)]).0, 401, "not known yet");
    }
    assert!(!host.socket().exists());

    tokens(&scratch, &format!("all change {ALL}\n"));
    host.process().hup();
    let known = || (curl.ask(&["-H", &all, &page("/metrics")]).0 == 200).then_some(());
    eventually("the tokens were read again", PATIENCE, known);
    assert_eq!(curl.ask(&["-H", &one, &page("/metrics")]).0, 401);
    let (status, text) = curl.ask(&["-H", &all, "-T", &two, &page("/policies/a2/order")]);
    assert_eq!(status, 200, "{text}");
}

/// A start says at once what is wrong with what is to guard it.
#[test]
fn what_guards_the_port_is_looked_at_before_the_start() {
    let scratch = Scratch::new();
    let file = scratch.file("both.properties", &agents(&scratch));
    let file = file.display().to_string();
    let open = scratch.file("open", &format!("all change {ALL}\n"));
    std::fs::set_permissions(&open, Permissions::from_mode(0o640)).expect("a mode");
    let (open, nowhere) = (open.display().to_string(), scratch.path("no/such"));
    let nowhere = nowhere.display().to_string();
    let bad = tokens(&scratch, "all change\n");
    for (flag, value, status, words) in [
        ("--admin-tokens", &open, 78, "lets others in: chmod 600"),
        (
            "--admin-tokens",
            &bad,
            78,
            "tokens:1: a line has a name, verbs and a token",
        ),
        ("--audit-log", &nowhere, 1, "the audit log cannot be opened"),
        ("--admin-socket", &nowhere, 1, "cannot be opened"),
    ] {
        let words_of = ["run", "-f", &file, "--admin", "off", flag, value];
        let done = host::command(&words_of, "");
        assert_eq!(done.status.code(), Some(status), "{flag}: {}", done.stderr);
        assert!(done.stderr.contains(words), "{}", done.stderr);
        assert!(!done.stderr.contains(ALL), "{}", done.stderr);
    }
}

/// Who did what, by which way, and what became of it.
#[test]
fn every_change_is_on_record() {
    let scratch = Scratch::new();
    let log = scratch.path("audit.log");
    let shown = log.display().to_string();
    // Who changes what is no question of the level.
    let mut quiet = host::program();
    quiet.env("RUST_LOG", "error");
    let file = scratch.file("both.properties", &agents(&scratch));
    let words = ["--policy-cache", "none", "--audit-log", &shown];
    let mut host = Host::run_by(&mut quiet, &scratch, "both", &file, &words);
    let mode = std::fs::metadata(&log)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let loaded: Vec<Value> = lines(&log);
    let ways: Vec<&str> = loaded
        .iter()
        .filter_map(|line| line["way"].as_str())
        .collect();
    assert_eq!(ways, ["configuration"; 2], "{loaded:?}");

    assert_eq!(host.change("PUT", "a1/order", module(2)).0, 200);
    let last = lines(&log).pop().expect("a line");
    let own = format!("uid {}", rustix::process::geteuid().as_raw());
    for (key, expected) in [
        ("who", own.as_str()),
        ("way", "socket"),
        ("action", "upload"),
        ("policy", "a1/order"),
        ("result", "done"),
    ] {
        assert_eq!(last[key], expected, "{last}");
    }
    let (_, report) = host.page("/policies/a1/order").expect("an answer");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(
        (&last["from"], &last["to"]),
        (&report["previous"], &report["digest"])
    );

    assert_eq!(host.change("PUT", "a1/order", "(module)").0, 422);
    let last = lines(&log).pop().expect("a line");
    assert_eq!(last["result"], "failed", "{last}");
    assert_eq!(host.change("POST", "a1/none/rollback", "").0, 404);
    let last = lines(&log).pop().expect("a line");
    assert_eq!(
        (&last["result"], &last["policy"]),
        (&"refused".into(), &"a1/none".into())
    );
    let said = [
        ("audit: a policy was changed", 3),
        ("audit: a policy was not changed", 2),
    ];
    for (words, times) in said {
        host.process().await_said(words, times, PATIENCE);
    }
    assert_eq!(host.process().said("admin port listens"), 0);
}

#[test]
fn the_record_goes_on_in_a_new_file_after_a_rotation() {
    let scratch = Scratch::new();
    let log = scratch.path("audit.log");
    let shown = log.display().to_string();
    let mut host = start(&scratch, &["--audit-log", &shown]);
    let old = scratch.path("audit.log.1");
    std::fs::rename(&log, &old).expect("a move");
    let written = lines(&old).len();
    host.process().hup();
    eventually("the file is begun anew", PATIENCE, || {
        log.exists().then_some(())
    });
    move_into(&scratch.path("a2/order.wat"), &module(2));
    let noted = || {
        lines(&log)
            .into_iter()
            .find(|line| line["policy"] == "a2/order")
    };
    let line = eventually("the change of the file is noted", PATIENCE, noted);
    assert!(
        line["result"] == "done" && line["action"] == "load",
        "{line}"
    );
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(line["who"], format!("owner uid {own}"));
    assert_eq!(lines(&old).len(), written);
    assert_eq!(
        host.counter("PROCESS.flume-host", "AuditLineFailedCount"),
        0
    );
}
