//! Goal: a service manager knows when the agent is ready, applies a change, and stops, and that it is
//! alive. Method: a datagram socket in the place of systemd's, and the messages that come there.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flume_tests::{
    AgentFile, Availability, Feed, Host, Lines, Scratch, host, ports, process, require,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The drain timeout of 1 s, and what a busy machine adds.
/// (`host/agent/src/host/deadline.rs` holds the exact promise, in paused time.)
const AT_ONCE: Duration = Duration::from_secs(20);

/// Reads messages until one has this line; returns that message.
fn told(manager: &UnixDatagram, line: &str) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match manager.recv(&mut buffer) {
            Ok(size) => {
                let message = String::from_utf8_lossy(&buffer[..size]).into_owned();
                if message.lines().any(|said| said.starts_with(line)) {
                    return message;
                }
                seen.push(message);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("not told {line:?} ({error}), but {seen:?}"),
        }
    }
}

fn agent(input: u16, capacity: u32) -> String {
    AgentFile::new("a1")
        .memory("c1", capacity, 100)
        .netcat("r1", input)
        .avro_sink("k1", ports::free(), 100)
        .text()
}

#[test]
fn the_service_manager_is_told_what_happens() {
    let scratch = Scratch::new();
    let socket = scratch.path("notify");
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let input = ports::free();
    let text = agent(input, 1_000);
    let file = scratch.file("a1.properties", &text);
    let mut program = host::program();
    program.env("NOTIFY_SOCKET", &socket);
    program.env("WATCHDOG_USEC", "400000");
    let words = ["--drain-timeout", "2"];
    let mut agent = Host::run_by(&mut program, &scratch, "a1", &file, &words);
    told(&manager, "READY=1");
    assert!(ports::listening(input), "READY, and the source listens");
    Feed::send(input, Lines::new("n", 7), PATIENCE).assert_all_acknowledged();
    let status = told(
        &manager,
        "STATUS=running: 1 of 1 sources work, 7 events in channels",
    );
    assert!(status.starts_with("WATCHDOG=1\n"), "{status}");
    // Nobody is there to whom they could go, and that is said with them.
    told(
        &manager,
        "STATUS=running: 1 of 1 sources work, 7 events in channels; failing sink k1 of a1: fails: ",
    );

    agent.rewrite(&text.replace("capacity = 1000", "capacity = 2000"));
    let reloading = told(&manager, "RELOADING=1");
    let time = reloading
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(
        time.is_some_and(|time| time.parse::<u64>().is_ok()),
        "{reloading}"
    );
    told(&manager, "READY=1");
    // Neither does a file that is refused keep it waiting.
    agent.rewrite("a1.sources = r1");
    told(&manager, "RELOADING=1");
    told(&manager, "READY=1");

    agent.process().term();
    told(&manager, "STOPPING=1");
    let draining = told(&manager, "STATUS=draining: 7 events left");
    assert!(
        draining.starts_with("WATCHDOG=1\n"),
        "fed to the end: {draining}"
    );
    assert_eq!(agent.process().wait(PATIENCE).code(), Some(1));
}

/// The queue of a socket that nobody reads is full soon.
#[test]
fn a_service_manager_that_is_stuck_holds_up_nothing() {
    let scratch = Scratch::new();
    let socket = scratch.path("notify");
    let stuck = UnixDatagram::bind(&socket).expect("a socket");
    let input = ports::free();
    let file = scratch.file("a1.properties", &agent(input, 1_000));
    let mut program = host::program();
    program.env("NOTIFY_SOCKET", &socket);
    // A message in each 500 microseconds.
    program.env("WATCHDOG_USEC", "1000");
    let words = ["--drain-timeout", "1"];
    let mut agent = Host::run_by(&mut program, &scratch, "a1", &file, &words);
    std::thread::sleep(Duration::from_secs(1));
    Feed::send(input, Lines::new("n", 7), PATIENCE).assert_all_acknowledged();
    assert_eq!(agent.page("/livez").expect("an answer").0, 200);
    let start = std::time::Instant::now();
    assert_eq!(agent.term(PATIENCE).code(), Some(1));
    assert!(start.elapsed() < AT_ONCE);
    drop(stuck);
}

/// What the documentation says of the unit; systemd itself judges it where it is there.
#[test]
fn the_unit_file_is_hardened() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/flume-host.service");
    let unit = std::fs::read_to_string(&path).expect("the unit file");
    for line in [
        "Type=notify",
        "WatchdogSec=30",
        "TimeoutStopSec=45",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
    ] {
        assert!(unit.lines().any(|said| said == line), "{line}");
    }
    let mut judge = Command::new("systemd-analyze");
    // The threshold is ten times the exposure.
    judge
        .args(["security", "--offline=true", "--threshold=20"])
        .arg(&path);
    let judged = process::run(&mut judge, "", PATIENCE);
    let judged = require!(match judged {
        // Older ones cannot judge a file.
        Ok(judged) if !judged.stdout.is_empty() => Availability::Ready(judged),
        Ok(judged) => Availability::Missing(judged.stderr),
        Err(why) => Availability::Missing(why),
    });
    assert!(judged.status.success(), "{}", judged.stdout);
}
