//! Goal: what a component calls secret is on no page, in no log and in no finding; and no web page
//! can read the admin port. Method: an agent with a secret in every place that has one, and each of
//! its outputs searched for them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use flume_tests::{AgentFile, Scratch, eventually, host, ports, process::Process};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// What every secret here contains.
const SECRET: &str = "hunter2";

const PAGES: [&str; 8] = [
    "/",
    "/metrics",
    "/livez",
    "/readyz",
    "/config",
    "/groups",
    "/policies",
    "/policies/a1/x",
];

/// An agent with a secret for each component that knows one. None of its stores is there, so each
/// complains.
fn agent(scratch: &Scratch) -> String {
    let nowhere = scratch.path("none.p12");
    let words = format!(
        "-H \"Authorization:{SECRET}-0\" -u me:{SECRET}-1 http://me:{SECRET}-2@127.0.0.1:1/"
    );
    let file = AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .memory("c2", 1_000, 100)
        .avro_source("r1", ports::free())
        .set("sources.r1.ssl", true)
        .set("sources.r1.keystore", nowhere.display())
        .set("sources.r1.keystore-password", format!("{SECRET}-3"))
        .set("sources.r1.keystore-key-password", format!("{SECRET}-4"))
        .set("sources.r2.type", "exec")
        .set("sources.r2.command", format!("true {words}"))
        .set("sources.r2.channels", "c1")
        .set("sources.r3.type", "seq")
        .set("sources.r3.totalEvents", 1)
        .set("sources.r3.channels", "c1 c2")
        .set("sources.r4.type", "exec")
        .set("sources.r4.command", format!("/nowhere/at-all {words}"))
        .set("sources.r4.channels", "c1")
        .avro_sink("k1", ports::free(), 100)
        .set("sinks.k1.ssl", true)
        .set("sinks.k1.truststore", nowhere.display())
        .set("sinks.k1.truststore-password", format!("{SECRET}-5"))
        .set("sinks.k2.type", "hdfs")
        .set("sinks.k2.channel", "c2")
        .set("sinks.k2.hdfs.path", "az://container/x")
        .set("sinks.k2.hdfs.store.account_name", "me")
        .set("sinks.k2.hdfs.store.account_key", format!("{SECRET}-6"))
        .set("sinks.k2.hdfs.store.endpoint", "http://127.0.0.1:1/me")
        .set("sinks.k2.hdfs.store.allow_http", true);
    let text = file.text();
    let text = text.replace("a1.sources = r1\n", "a1.sources = r1 r2 r3 r4\n");
    text.replace("a1.sinks = k1\n", "a1.sinks = k1 k2\n")
}

/// A process whose admin port is at this address.
fn run(scratch: &Scratch, text: &str, admin: &str, format: &str) -> Process {
    let file = scratch.file("a1.properties", text);
    let mut command = host::program();
    command
        .arg("run")
        .arg("-f")
        .arg(file)
        .arg("--no-reload-conf");
    command.args([
        "--admin",
        admin,
        "--log-format",
        format,
        "--drain-timeout",
        "1",
    ]);
    let log = scratch.path(&format!("{format}.log"));
    let process = Process::start("secrets", &mut command, log);
    let port = admin.rsplit(':').next().unwrap();
    let here = format!("127.0.0.1:{port}");
    let up = || ask(&here, "/livez", Some(&here)).filter(|(status, _)| *status == 200);
    eventually("the admin port answers", PATIENCE, up);
    process
}

#[test]
fn secrets_are_on_no_page_and_in_no_log() {
    for format in ["text", "json"] {
        let scratch = Scratch::new();
        let admin = format!("127.0.0.1:{}", ports::free());
        let mut process = run(&scratch, &agent(&scratch), &admin, format);
        let page = |path: &str| ask(&admin, path, Some(&admin));
        process.await_said("command exited", 1, PATIENCE);
        process.await_said("unable to run", 1, PATIENCE);
        let failed = || {
            let (_, groups) = page("/groups")?;
            (groups.matches("\"last-error\":{").count() == 2).then_some(())
        };
        eventually("both sinks have failed", PATIENCE, failed);
        for path in PAGES {
            let (_, text) = page(path).expect("an answer");
            assert!(!text.contains(SECRET), "{path}: {text}");
        }
        let (_, text) = page("/config").expect("an answer");
        let config: Value = serde_json::from_str(&text).expect("JSON");
        let keys = &config["a1"]["sources"][1]["properties"];
        assert_eq!(keys["command"], "true -H *** -u ***");
        let keys = &config["a1"]["groups"][1]["sinks"][0]["properties"];
        assert_eq!(keys["hdfs.store.account_key"], "***");
        assert_eq!(keys["hdfs.store.account_name"], "me");
        process.term();
        process.wait(PATIENCE);
        let log = process.log();
        assert!(log.contains("command exited"), "{log}");
        assert!(!log.contains(SECRET), "{log}");
    }
}

#[test]
fn a_refused_file_shows_no_secret() {
    let scratch = Scratch::new();
    let text = agent(&scratch);
    // Given twice, misspelt, in an address, and for nobody.
    let wrong = format!(
        "{text}a1.sources.r1.keystore-password = {SECRET}-7\n\
         a1.sources.r1.keystore-pasword = {SECRET}-8\n\
         a1.sinks.k2.hdfs.path = s3a://KEY:{SECRET}-9@bucket/\n\
         a1.sinks.k2.hdfs.store.acount_key = {SECRET}-10\n\
         a1.sink.k2.password = {SECRET}-11\n"
    );
    let file = scratch.file("wrong.properties", &wrong);
    let file = file.to_str().unwrap();
    for words in [
        vec!["check", file],
        vec!["check", "--format", "json", file],
        vec!["check", "--lenient", file],
        vec!["run", "-f", file],
        vec!["run", "-f", file, "--log-format", "json"],
        vec!["convert", file],
    ] {
        let done = host::command(&words, "");
        assert_eq!(done.status.code(), Some(78), "{words:?}: {}", done.stderr);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(!said.contains(SECRET), "{words:?}: {said}");
    }
    let said = host::command(&["check", file], "").stdout;
    for shown in [
        "keystore-password = ***",
        "keystore-pasword = ***",
        "hdfs.path = s3a://***@bucket/",
        "an address cannot hold a user or keys",
        "hdfs.store.secret_access_key",
    ] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    // A configuration is what `convert` is to write.
    let good = scratch.file("good.properties", &text);
    let done = host::command(&["convert", good.to_str().unwrap()], "");
    assert!(
        done.stdout.contains(&format!("{SECRET}-3")),
        "{}",
        done.stderr
    );
}

/// Status and text of a page, asked for under a name.
fn ask(address: &str, path: &str, name: Option<&str>) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let (version, host) = match name {
        Some(name) => ("1.1", format!("Host: {name}\r\nConnection: close\r\n")),
        None => ("1.0", String::new()),
    };
    write!(stream, "GET {path} HTTP/{version}\r\n{host}\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

fn small_agent() -> String {
    let file = AgentFile::new("a1").memory("c1", 100, 100);
    file.netcat("r1", ports::free()).null("k1", 10).text()
}

/// A web page whose name is turned to 127.0.0.1 asks under its own name.
#[test]
fn no_page_answers_to_a_foreign_name() {
    let scratch = Scratch::new();
    let port = ports::free();
    let address = format!("127.0.0.1:{port}");
    let _process = run(&scratch, &small_agent(), &address, "text");
    for path in PAGES {
        for name in [
            "evil.example",
            &format!("evil.example:{port}"),
            "127.0.0.1.evil.example",
        ] {
            let (status, text) = ask(&address, path, Some(name)).expect("an answer");
            assert_eq!(status, 403, "{path} {name}: {text}");
            assert!(text.contains("DNS rebinding"), "{text}");
        }
    }
    for name in ["127.0.0.1", "localhost", "[::1]", &address] {
        let (status, text) = ask(&address, "/config", Some(name)).expect("an answer");
        assert_eq!(status, 200, "{name}: {text}");
    }
    // As some health checks of load balancers ask.
    assert_eq!(ask(&address, "/livez", None).expect("an answer").0, 200);
}

/// Prometheus and load balancers ask under names that nobody here can know.
#[test]
fn a_port_that_is_open_to_others_is_read_under_any_name() {
    let scratch = Scratch::new();
    let port = ports::free();
    let _process = run(&scratch, &small_agent(), &format!("0.0.0.0:{port}"), "text");
    let address = format!("127.0.0.1:{port}");
    let (status, text) = ask(&address, "/metrics", Some("flume.example:41414")).expect("an answer");
    assert_eq!(status, 200, "{text}");
}
