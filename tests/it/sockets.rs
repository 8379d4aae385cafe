//! Goal: a restart refuses no client, because the service manager opens the ports and passes them on.
//! Method: the test is the manager; it has the sockets, starts agents that are passed them, and is
//! their clients, too. systemd's own program does it once, where it is there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use flume_tests::process::Ends;
use flume_tests::{
    AgentFile, Availability, Landing, Process, Scratch, eventually, host, landing, ports, process,
    require, tally,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// How long a client waits for an answer before it asks again: its connection may be that of an
/// agent that ends.
const ANSWER: Duration = Duration::from_secs(60);

/// Passes standard input as the first socket.
const ONE: &str = "exec 3<&0 0</dev/null; export LISTEN_FDS=1";

/// Passes standard input as the first socket, and standard error as the second.
const TWO: &str = "exec 3<&0 4<&2 0</dev/null 2>&1; export LISTEN_FDS=2";

/// The service manager: its sockets stay open whatever agents do.
struct Manager {
    sockets: Vec<TcpListener>,
    scratch: Scratch,
    file: PathBuf,
    starts: usize,
}

impl Manager {
    /// A manager with sockets on these loopback ports, and the agent's file.
    fn new(ports: &[u16], text: impl FnOnce(&Scratch) -> String) -> Self {
        let scratch = Scratch::new();
        let bind = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port));
        let sockets = ports.iter().map(|port| bind(port).expect("a free port"));
        let text = text(&scratch);
        // It may have to be built, and clients that wait do not wait for that.
        drop(host::program());
        Self {
            sockets: sockets.collect(),
            file: scratch.file("a1.properties", &text),
            scratch,
            starts: 0,
        }
    }

    /// Starts an agent that is passed the sockets.
    fn start(&mut self, admin: &str) -> Process {
        self.start_for("$$", admin)
    }

    /// The same, with this as `LISTEN_PID`.
    fn start_for(&mut self, process: &str, admin: &str) -> Process {
        let handle = |at: usize| self.sockets.get(at).map(|socket| socket.try_clone());
        let handle = |at| -> Option<OwnedFd> { Some(handle(at)?.expect("a handle").into()) };
        let ends = Ends {
            input: handle(0),
            error: handle(1),
        };
        let pass = if ends.error.is_some() { TWO } else { ONE };
        // The process of the shell becomes that of the agent.
        let script = format!("{pass} LISTEN_PID={process}; exec \"$@\"");
        let mut command = through(&["sh", "-c", &script, "sh"]);
        command.arg("run").arg("-f").arg(&self.file);
        command.args([
            "--no-reload-conf",
            "--drain-timeout",
            "20",
            "--admin",
            admin,
        ]);
        self.starts += 1;
        let log = self.scratch.path(&format!("a1.{}.log", self.starts));
        Process::start_with("a1", &mut command, log, ends)
    }
}

/// The agent's program as the last words of a command.
fn through(words: &[&str]) -> Command {
    let program = host::program();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// A netcat source on this port, and its lines in a folder.
fn agent(scratch: &Scratch, port: u16) -> String {
    AgentFile::new("a1")
        .memory("c1", 100_000, 1_000)
        .netcat("r1", port)
        .file_roll("k1", &scratch.folder("landed"), 100)
        .text()
}

fn connect(port: u16) -> TcpStream {
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    let client = client.unwrap_or_else(|err| panic!("port {port} refuses a client: {err}"));
    client.set_read_timeout(Some(ANSWER)).expect("a limit");
    client
}

/// Says one line; the answer, unless the connection ends without one.
fn say(client: &TcpStream, line: &str) -> Option<String> {
    let mut out = client;
    out.write_all(format!("{line}\n").as_bytes()).ok()?;
    let mut answer = String::new();
    let read = BufReader::new(client).read_line(&mut answer).ok()?;
    (read > 0).then_some(answer)
}

/// A page of an admin port.
fn page(port: u16, path: &str) -> String {
    let mut client = connect(port);
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    client.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Has the agent run from a new text.
fn reload(agent: &mut Process, file: &Path, text: &str) {
    const DONE: &str = "agent runs from the new file";
    let before = agent.said(DONE);
    std::fs::write(file, text).expect("a file in the scratch folder");
    agent.hup();
    agent.await_said(DONE, before + 1, PATIENCE);
}

#[test]
fn ports_are_taken_from_the_service_manager() {
    let (input, admin) = (ports::free(), ports::free());
    let mut manager = Manager::new(&[input, admin], |scratch| {
        let script = scratch.file(
            "look.sh",
            "cd \"$(dirname \"$0\")\"; ls -l /proc/$$/fd > files; env > variables; echo looked\n",
        );
        agent(scratch, input).replace("a1.sources = r1", "a1.sources = r1 r2")
            + &format!(
                "a1.sources.r2.type = exec\na1.sources.r2.command = sh {}\n\
                 a1.sources.r2.channels = c1\n",
                script.display()
            )
    });
    // Before there is an agent: systemd starts it for this client.
    let early = connect(input);
    let asked = std::thread::spawn(move || page(admin, "/livez"));
    let mut agent = manager.start(&format!("127.0.0.1:{admin}"));
    assert_eq!(say(&early, "early").as_deref(), Some("OK\n"));
    assert!(asked.join().expect("an answer").ends_with("ok\n"));
    assert_eq!(agent.said("a socket was passed"), 2);
    assert_eq!(agent.said("is used by nothing"), 0, "both are used");

    let landed = Landing::Folder(manager.scratch.path("landed"));
    eventually("the command has looked", PATIENCE, || {
        landed.bodies().contains(&b"looked".to_vec()).then_some(())
    });
    let seen = |name: &str| std::fs::read_to_string(manager.scratch.path(name)).expect(name);
    let (files, variables) = (seen("files"), seen("variables"));
    assert!(files.contains("pipe:"), "its own: {files}");
    assert!(!files.contains("socket:"), "{files}");
    assert!(variables.contains("PATH="), "{variables}");
    assert!(!variables.contains("LISTEN_"), "{variables}");
    agent.term();
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_reload_keeps_a_passed_socket_or_gives_it_up() {
    const UNUSED: &str = "a passed socket is used by nothing";
    let (passed, other) = (ports::free(), ports::free());
    let mut manager = Manager::new(&[passed], |scratch| agent(scratch, passed));
    let text = agent(&manager.scratch, passed);
    let mut agent = manager.start("off");
    assert_eq!(say(&connect(passed), "first").as_deref(), Some("OK\n"));
    let changed = text.clone() + "a1.sources.r1.max-line-length = 1000\n";
    reload(&mut agent, &manager.file, &changed);
    let long = "x".repeat(900);
    assert_eq!(say(&connect(passed), &long).as_deref(), Some("OK\n"));

    // The file names another port: clients of the passed one do not wait for ever.
    let moved = text.replace(&passed.to_string(), &other.to_string());
    reload(&mut agent, &manager.file, &moved);
    agent.await_said(UNUSED, 1, PATIENCE);
    assert_eq!(say(&connect(other), "second").as_deref(), Some("OK\n"));
    assert_eq!(say(&connect(passed), "nobody"), None);
    agent.await_said("a client was turned away", 1, PATIENCE);
    let still = moved + "a1.sources.r1.max-line-length = 1000\n";
    reload(&mut agent, &manager.file, &still);
    assert_eq!(say(&connect(passed), "nobody"), None);
    assert_eq!(agent.said(UNUSED), 1, "said once");

    reload(&mut agent, &manager.file, &text);
    assert_eq!(say(&connect(passed), "third").as_deref(), Some("OK\n"));
    agent.term();
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_restart_under_load_refuses_nobody() {
    const CLIENTS: usize = 4;
    const MOST_TRIES: usize = 5;
    let input = ports::free();
    let mut manager = Manager::new(&[input], |scratch| agent(scratch, input));
    let (done, next, again) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let client = || {
        while !done.load(Ordering::Relaxed) {
            let line = tally::body("n", next.fetch_add(1, Ordering::Relaxed));
            // A connection that ends without an answer was that of an agent that has ended.
            let answered = |_| {
                let answer = say(&connect(input), &line);
                again.fetch_add(u64::from(answer.is_none()), Ordering::Relaxed);
                answer
            };
            let answer = (0..MOST_TRIES).find_map(answered);
            assert_eq!(answer.as_deref(), Some("OK\n"), "{line}");
        }
    };
    let mut agent = manager.start("off");
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(client);
        }
        let _clients_end = OnDrop(&done);
        for _ in 0..3 {
            let before = next.load(Ordering::Relaxed);
            eventually("lines are answered", PATIENCE, || {
                (next.load(Ordering::Relaxed) > before + 200).then_some(())
            });
            agent.term();
            assert_eq!(agent.wait(PATIENCE).code(), Some(0));
            // Nobody answers now, and nobody refuses.
            let waiting = connect(input);
            agent = manager.start("off");
            let line = tally::body("n", next.fetch_add(1, Ordering::Relaxed));
            assert_eq!(say(&waiting, &line).as_deref(), Some("OK\n"));
        }
    });
    agent.term();
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
    let landed = Landing::Folder(manager.scratch.path("landed"));
    let again = again.into_inner();
    let tally = landing::count(&[&landed], "n", next.into_inner());
    tally.assert_at_least_once("lines of the clients", again);
}

/// Sets a flag at its end, also at that of a failure.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let (passed, input) = (ports::free(), ports::free());
    let mut manager = Manager::new(&[passed], |scratch| agent(scratch, input));
    let mut agent = manager.start_for("1", "off");
    agent.await_said("agent started", 1, PATIENCE);
    assert_eq!(say(&connect(input), "bound here").as_deref(), Some("OK\n"));
    assert_eq!(agent.said("sockets were passed to another process"), 1);
    assert_eq!(agent.said("a socket was passed"), 0);
    agent.term();
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}

/// What variables promise that is not there is no reason not to run.
#[test]
fn a_promise_that_is_not_kept_is_told() {
    let (passed, input) = (ports::free(), ports::free());
    let mut manager = Manager::new(&[passed], |scratch| agent(scratch, input));
    let mut agent = manager.start_for("$$ LISTEN_FDS=7", "off");
    agent.await_said("passed sockets cannot be taken over", 1, PATIENCE);
    agent.await_said("agent started", 1, PATIENCE);
    assert_eq!(say(&connect(input), "bound here").as_deref(), Some("OK\n"));
}

/// The same by systemd's own program.
#[test]
fn systemd_passes_a_port() {
    const PROGRAM: &str = "systemd-socket-activate";
    let found = process::run(Command::new(PROGRAM).arg("--version"), "", PATIENCE);
    let version = require!(match found {
        Ok(found) if found.status.success() => Availability::Ready(found.stdout),
        Ok(found) => Availability::Missing(found.stderr),
        Err(why) => Availability::Missing(format!("{PROGRAM}: {why}")),
    });
    assert!(version.starts_with("systemd"), "{version}");
    let input = ports::free();
    let scratch = Scratch::new();
    let file = scratch.file("a1.properties", &agent(&scratch, input));
    let mut command = through(&[PROGRAM, "-l", &format!("127.0.0.1:{input}")]);
    command
        .arg("run")
        .arg("-f")
        .arg(&file)
        .args(["--admin", "off"]);
    let mut agent = Process::start("a1", &mut command, scratch.path("a1.log"));
    agent.await_said("Listening on", 1, PATIENCE);
    // It starts the agent for the first client.
    assert_eq!(say(&connect(input), "wake up").as_deref(), Some("OK\n"));
    assert_eq!(agent.said("a socket was passed"), 1);
    agent.term();
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}

/// The unit file as it is shipped, beside that of the service.
#[test]
fn systemd_understands_the_unit_of_the_sockets() {
    let scratch = Scratch::new();
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf");
    for name in ["flume-host.socket", "flume-host.service"] {
        let unit = std::fs::read_to_string(conf.join(name)).expect(name);
        // It looks whether the program is there.
        let program = host::binary().display().to_string();
        let unit = unit.replace("/usr/local/bin/flume-host", &program);
        std::fs::write(scratch.path(name), unit).expect("a file in the scratch folder");
    }
    let mut judge = Command::new("systemd-analyze");
    judge.arg("verify").arg(scratch.path("flume-host.socket"));
    let judged = require!(match process::run(&mut judge, "", PATIENCE) {
        Ok(judged) => Availability::Ready(judged),
        Err(why) => Availability::Missing(why),
    });
    let said = judged.stdout + &judged.stderr;
    assert!(
        judged.status.success() && !said.contains("flume-host"),
        "{said}"
    );
}
