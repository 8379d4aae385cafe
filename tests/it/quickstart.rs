//! Goal: the commands in the README work for a newcomer, from one file, in one process. Method:
//! `conf/quickstart.properties` with all agents, and with free ports in place of its own; lines
//! sent with `flume-host send`; every line is answered `OK`, and both collectors get a share.

use std::path::Path;
use std::time::Duration;

use flume_tests::{Host, Scratch, eventually, host, ports};

const PATIENCE: Duration = Duration::from_secs(60);

/// The ports in the file, which are fixed so that a newcomer can type them: of the input, and of
/// the two collectors. The kernel may give the first to an outgoing connection of another process.
const PORTS: [&str; 3] = ["44444", "4141", "4142"];

#[test]
fn lines_are_acknowledged_and_shared_out() {
    let scratch = Scratch::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/quickstart.properties");
    let text = std::fs::read_to_string(&file).expect("conf/quickstart.properties");
    let sinks = avro_sinks(&text);
    assert_eq!(sinks.len(), 2, "a group of two avro sinks: {sinks:?}");
    let [input, first, second] = PORTS.map(|port| (port, ports::free().to_string()));
    let text = [&input, &first, &second]
        .iter()
        .fold(text, |text, (port, free)| with_port(&text, port, free));
    let host = Host::start(&scratch, "quickstart", &text);
    let input = format!("127.0.0.1:{}", input.1);

    let typed: String = (0..200).map(|number| format!("line {number}\n")).collect();
    let done = host::command(&["send", "--to", &input], &typed);
    assert!(
        done.status.success(),
        "send: {}{}",
        done.stdout,
        done.stderr
    );
    let replies = done
        .stdout
        .lines()
        .filter(|line| line.trim() == "OK")
        .count();
    assert_eq!(replies, 200, "each line is answered OK: {}", done.stdout);

    let done = host::command(&["send", "--to", &input, "from", "arguments"], "");
    let replies = done
        .stdout
        .lines()
        .filter(|line| line.trim() == "OK")
        .count();
    assert_eq!(
        replies, 2,
        "each argument is a line: {}{}",
        done.stdout, done.stderr
    );

    // Both sinks of the group have delivered, and together everything.
    let shares = || {
        let delivered = delivered(&host, &sinks);
        (delivered.iter().sum::<u64>() >= 202).then_some(delivered)
    };
    let shares = eventually("202 events delivered by the avro sinks", PATIENCE, shares);
    assert_eq!(shares.iter().sum::<u64>(), 202, "each once: {shares:?}");
    assert_eq!(shares, [101, 101], "shared out between two collectors");
}

/// The file with another port in every setting that names this one.
fn with_port(text: &str, port: &str, other: &str) -> String {
    let (was, is) = (format!("port = {port}\n"), format!("port = {other}\n"));
    assert!(text.contains(&was), "conf/quickstart.properties has {was}");
    text.replace(&was, &is)
}

/// The file's avro sinks as the metrics of several agents name them: `agent.NAME`.
fn avro_sinks(text: &str) -> Vec<String> {
    let settings = text.lines().filter_map(|line| line.split_once('='));
    let avro = settings.filter(|(_, value)| value.trim() == "avro");
    avro.filter_map(|(key, _)| {
        let (agent, name) = key.split_once(".sinks.")?;
        Some(format!("{agent}.{}", name.trim().strip_suffix(".type")?))
    })
    .collect()
}

/// How much each of these sinks has delivered.
fn delivered(host: &Host, sinks: &[String]) -> Vec<u64> {
    sinks
        .iter()
        .map(|sink| host.counter(&format!("SINK.{sink}"), "EventDrainSuccessCount"))
        .collect()
}
