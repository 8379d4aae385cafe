//! Goal: one client takes neither all files of the process nor the admin port. Method: an agent that
//! may have few files, and far more connections than that, silent, to one of its sources and to the
//! admin port. Clients of the other source are served, and the first source again afterwards.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Lines, Scratch, eventually, host, ports, process};

const PATIENCE: Duration = Duration::from_secs(60);

/// The limit of open files, hard and soft.
const FILES: (u32, u32) = (120, 60);

fn connect(port: u16) -> TcpStream {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, PATIENCE).expect("the port's queue takes it")
}

/// Whether the connection has been closed.
fn is_closed(stream: &mut TcpStream) -> bool {
    let read = stream
        .set_nonblocking(true)
        .and_then(|()| stream.read(&mut [0]));
    !matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn a_flood_of_connections_leaves_files_for_others() {
    let scratch = Scratch::new();
    let (flooded, other) = (ports::free(), ports::free());
    let text = AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .netcat("r1", flooded)
        .netcat("r2", other)
        .null("k1", 100)
        .text();
    let file = scratch.file("a1.properties", &text);
    let (hard, soft) = FILES;
    let limited = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(limited).arg(host::binary());
    let mut agent = Host::run_by(&mut shell, &scratch, "a1", &file, &[]);
    let limits = format!("/proc/{}/limits", agent.process().id());
    let limits = std::fs::read_to_string(limits).expect("the limits of a child");
    let open = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let words: Vec<&str> = open.expect("its files").split_whitespace().collect();
    assert_eq!(words[3..5], ["120", "120"], "the soft limit is raised");

    const FEW: &str = "warning[open-files]: the sources may have 2048 connections at once";
    assert!(agent.process().log().contains(FEW), "said at the start");
    let mut check = Command::new("sh");
    let limited = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" check \"$1\"");
    check.arg("-c").arg(limited).arg(host::binary()).arg(&file);
    let checked = process::run(&mut check, "", PATIENCE).expect("check runs");
    assert_eq!(checked.status.code(), Some(0), "a warning");
    let said = checked.stdout;
    assert!(
        said.contains(FEW) && said.contains("limit of open files is 120"),
        "{said}"
    );

    let mut flood: Vec<TcpStream> = (0..200).map(|_| connect(flooded)).collect();
    // Those for which there is no file are told so.
    let mut closed = 0;
    let told = || {
        closed = flood
            .iter_mut()
            .map(is_closed)
            .filter(|closed| *closed)
            .count();
        (closed > 100).then_some(())
    };
    eventually("many are refused", PATIENCE, told);
    let open = agent.counter("SOURCE.r1", "OpenConnectionCount");
    assert!((40..100).contains(&open), "{open} connections");
    Feed::send(other, Lines::new("n", 100), PATIENCE).assert_all_acknowledged();
    assert!(
        agent
            .process()
            .log()
            .contains("the files of the process are shared out")
    );

    drop(flood);
    let freed = || (agent.counter("SOURCE.r1", "OpenConnectionCount") == 0).then_some(());
    eventually("the files are free again", PATIENCE, freed);
    Feed::send(flooded, Lines::new("m", 100), PATIENCE).assert_all_acknowledged();
}

#[test]
fn silent_clients_of_the_admin_port_do_not_keep_it() {
    let scratch = Scratch::new();
    let text = AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .netcat("r1", ports::free())
        .null("k1", 100)
        .text();
    let agent = Host::start(&scratch, "a1", &text);
    let silent: Vec<TcpStream> = (0..300).map(|_| connect(agent.admin_port())).collect();
    let (status, _) = agent.page("/livez").expect("an answer");
    assert_eq!(status, 200);
    drop(silent);
}
