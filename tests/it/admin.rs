//! Goal: operators and their tools can read from the admin port what Flume's port shows, and more.
//! Method: agents as processes, asked over HTTP on the port of `-Dflume.monitoring.port`.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Lines, Scratch, eventually, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// The `Accept` header that Prometheus sends.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

fn agent(scratch: &Scratch, name: &str, input: u16) -> AgentFile {
    AgentFile::new(name)
        .memory("c1", 1_000, 100)
        .netcat("r1", input)
        .file_roll("k1", &scratch.folder("landed"), 100)
}

/// An answer: status, type, text.
struct Answer(u16, String, String);

fn ask(host: &Host, method: &str, path: &str, accept: &str) -> Answer {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .build();
    let client = ureq::Agent::new_with_config(config);
    let url = format!("http://127.0.0.1:{}{path}", host.admin_port());
    let answer = match method {
        "GET" => client.get(&url).header("Accept", accept).call(),
        "HEAD" => client.head(&url).call(),
        "TRACE" => client.trace(&url).call(),
        "OPTIONS" => client.options(&url).call(),
        "POST" => client.post(&url).send_empty(),
        other => panic!("no such method here: {other}"),
    };
    let mut answer = answer.unwrap_or_else(|err| panic!("{method} {path}: {err}"));
    let kind = answer.headers().get("content-type");
    let kind = kind
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let text = answer.body_mut().read_to_string().expect("a text");
    Answer(answer.status().as_u16(), kind, text)
}

/// Flume: TestHTTPMetricsServer.testJSON (G10): names and counters, all values strings, on the
/// port that was asked for. Several agents in one process, which Flume cannot run, do not share
/// names.
#[test]
fn metrics_are_flumes_json() {
    let scratch = Scratch::new();
    let (one, other) = (ports::free(), ports::free());
    let file = agent(&scratch, "a1", one);
    let mut host = Host::start(&scratch, "agents", &file.text());
    Feed::send(one, Lines::new("n", 7), PATIENCE).assert_all_acknowledged();
    let taken = || (host.counter("CHANNEL.c1", "EventTakeSuccessCount") == 7).then_some(());
    eventually("seven events went through", PATIENCE, taken);

    let Answer(status, kind, text) = ask(&host, "GET", "/metrics", "*/*");
    assert_eq!((status, kind.as_str()), (200, "application/json"));
    let metrics: Value = serde_json::from_str(&text).expect("JSON");
    for (component, key, value) in [
        ("SOURCE.r1", "Type", "SOURCE"),
        ("SOURCE.r1", "EventReceivedCount", "7"),
        ("SOURCE.r1", "EventAcceptedCount", "7"),
        ("CHANNEL.c1", "Type", "CHANNEL"),
        ("CHANNEL.c1", "ChannelSize", "0"),
        ("CHANNEL.c1", "ChannelCapacity", "1000"),
        ("CHANNEL.c1", "ChannelFillPercentage", "0.0"),
        ("CHANNEL.c1", "EventPutAttemptCount", "7"),
        ("CHANNEL.c1", "EventPutSuccessCount", "7"),
        ("CHANNEL.c1", "StopTime", "0"),
        ("SINK.k1", "EventDrainSuccessCount", "7"),
    ] {
        assert_eq!(metrics[component][key], value, "{component} {key}: {text}");
    }
    let components = metrics.as_object().expect("an object").values();
    let values = components.flat_map(|one| one.as_object().expect("an object").values());
    assert!(values.into_iter().all(Value::is_string), "{text}");

    let second = agent(&scratch, "a2", other).text();
    host.reload(&format!("{}{second}", file.text()), 2, PATIENCE);
    let metrics = host.metrics();
    assert_eq!(metrics["CHANNEL.a1.c1"]["EventPutSuccessCount"], "7");
    assert_eq!(metrics["CHANNEL.a2.c1"]["EventPutSuccessCount"], "0");
    assert_eq!(metrics["CHANNEL.c1"], Value::Null);
}

/// A line of OpenMetrics: a comment with its keyword, or `name{labels} number`.
fn assert_sample(line: &str) {
    let letters = |text: &str, more: &str| {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || more.contains(letter);
        !text.is_empty() && text.chars().all(allowed)
    };
    if let Some(comment) = line.strip_prefix("# ") {
        let mut words = comment.split(' ');
        let (keyword, name) = (words.next(), words.next().unwrap_or_default());
        match keyword {
            Some("TYPE") => {
                assert!(
                    matches!(words.next(), Some("counter" | "gauge" | "histogram")),
                    "{line}"
                );
            }
            Some("HELP") => assert!(words.next().is_some(), "{line}"),
            _ => panic!("not a comment of OpenMetrics: {line}"),
        }
        return assert!(letters(name, "_"), "{line}");
    }
    let (name, rest) = line.split_once('{').expect("labels");
    let (labels, value) = rest.rsplit_once("} ").expect("a value");
    assert!(letters(name, "_") && value.parse::<f64>().is_ok(), "{line}");
    for label in labels.split(',') {
        let (name, value) = label.split_once('=').expect("name=value");
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        assert!(
            letters(name, "_") && letters(value.unwrap_or_default(), "_.-+"),
            "{line}"
        );
    }
}

#[test]
fn prometheus_gets_open_metrics() {
    let scratch = Scratch::new();
    let input = ports::free();
    let host = Host::start(&scratch, "a1", &agent(&scratch, "a1", input).text());
    Feed::send(input, Lines::new("n", 3), PATIENCE).assert_all_acknowledged();
    let Answer(status, kind, text) = ask(&host, "GET", "/metrics", PROMETHEUS);
    assert_eq!(status, 200);
    assert!(
        kind.starts_with("application/openmetrics-text; version=1.0.0"),
        "{kind}"
    );
    let samples = text
        .strip_suffix("# EOF\n")
        .expect("the last line is # EOF");
    samples.lines().for_each(assert_sample);
    let accepted = "flume_source_event_accepted_total{agent=\"a1\",name=\"r1\"} 3";
    assert!(samples.lines().any(|line| line == accepted), "{text}");
    let json = "application/json, text/plain, */*";
    let Answer(_, kind, _) = ask(&host, "GET", "/metrics", json);
    assert_eq!(
        kind, "application/json",
        "a client that asks for JSON gets it"
    );
}

/// Flume: TestHTTPMetricsServer.testTrace and testOptions (G10): 403. Other paths are 404.
#[test]
fn methods_and_paths_are_answered_as_by_flume() {
    let scratch = Scratch::new();
    let host = Host::start(&scratch, "a1", &agent(&scratch, "a1", ports::free()).text());
    for (method, path, wanted) in [
        ("GET", "/", 200),
        ("GET", "/livez", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/metrics/more", 404),
        ("TRACE", "/metrics", 403),
        ("OPTIONS", "/metrics", 403),
        ("TRACE", "/nowhere", 403),
        ("POST", "/metrics", 405),
    ] {
        let Answer(status, _, text) = ask(&host, method, path, "*/*");
        assert_eq!(status, wanted, "{method} {path}: {text}");
        assert!(method != "HEAD" || text.is_empty(), "{text}");
    }
    let Answer(_, kind, text) = ask(&host, "GET", "/", "*/*");
    assert!(
        kind.starts_with("text/html") && text.contains("href=\"metrics\""),
        "{kind}: {text}"
    );
}

/// Flume tries to bind every 3 s and does not report it.
#[test]
fn a_source_without_its_port_is_not_ready() {
    let scratch = Scratch::new();
    let (free, taken) = (ports::free(), ports::free());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).expect("a free port");
    let file = agent(&scratch, "a1", free);
    let mut host = Host::start(&scratch, "a1", &file.text());
    let more = file.netcat("waits", taken);
    host.reload(&more.text(), 1, PATIENCE);
    let text = eventually("it has tried its port", PATIENCE, || {
        let (status, text) = host.page("/readyz").expect("an answer");
        (status == 503).then_some(text)
    });
    assert!(
        text.contains("source waits of a1") && !text.contains("r1"),
        "{text}"
    );
    assert_eq!(host.page("/livez").expect("an answer").0, 200);
    drop(listener);
    let ready = || matches!(host.page("/readyz"), Ok((200, _))).then_some(());
    eventually("the source has its port", PATIENCE, ready);
    Feed::send(taken, Lines::new("n", 1), PATIENCE).assert_all_acknowledged();
}

#[test]
fn passwords_are_not_shown() {
    let scratch = Scratch::new();
    let file = AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .netcat("r1", ports::free())
        .avro_sink("k1", ports::free(), 100)
        .set("sinks.k1.ssl", true)
        .set("sinks.k1.truststore", scratch.path("none.p12").display())
        .set("sinks.k1.truststore-password", "hunter2");
    let mut host = Host::start(&scratch, "a1", &file.text());
    let (status, text) = host.page("/config").expect("an answer");
    assert_eq!(status, 200);
    assert!(!text.contains("hunter2"), "{text}");
    let config: Value = serde_json::from_str(&text).expect("JSON");
    let agent = &config["a1"];
    let sink = &agent["groups"][0]["sinks"][0];
    assert_eq!(
        (&sink["name"], &sink["type"]),
        (&"k1".into(), &"avro".into())
    );
    assert_eq!(sink["properties"]["truststore-password"], "***");
    assert_eq!(sink["properties"]["ssl"], "true");
    assert_eq!(agent["channels"][0]["capacity"], 1_000);
    // Where it is not in the file, the share of the memory that was found.
    let memory = agent["memory-limit"]["bytes"].as_u64().expect("a number");
    let bytes = agent["channels"][0]["byteCapacity"].as_u64();
    assert_eq!(bytes, Some(memory / 100 * 80));
    let from = agent["memory-limit"]["from"].as_str().expect("a file");
    assert!(host.process().log().contains(from), "{from}");
    let listens = agent["sources"][0]["listens"].as_str().unwrap_or_default();
    assert!(listens.starts_with("127.0.0.1:"), "{text}");
}

#[test]
fn a_dead_sink_shows_its_penalty_and_its_error() {
    let scratch = Scratch::new();
    let (input, nobody) = (ports::free(), ports::free());
    let file = agent(&scratch, "a1", input)
        .avro_sink("k2", nobody, 100)
        .set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", "k1 k2")
        .set("sinkgroups.g1.processor.type", "failover")
        .set("sinkgroups.g1.processor.priority.k1", 5)
        .set("sinkgroups.g1.processor.priority.k2", 10);
    let host = Host::start(&scratch, "a1", &file.text());
    Feed::send(input, Lines::new("n", 1), PATIENCE).assert_all_acknowledged();
    let delivered = || (host.counter("SINK.k1", "EventDrainSuccessCount") == 1).then_some(());
    eventually("the standby delivers", PATIENCE, delivered);
    let (_, text) = host.page("/groups").expect("an answer");
    let groups: Value = serde_json::from_str(&text).expect("JSON");
    let group = &groups["a1"]["g1"];
    assert_eq!(
        (&group["processor"], &group["selector"]),
        (&"failover".into(), &Value::Null)
    );
    let sinks = &group["sinks"];
    let (alive, dead) = (&sinks[0], &sinks[1]);
    assert_eq!(
        (&alive["name"], &alive["state"]),
        (&"k1".into(), &"active".into()),
        "{text}"
    );
    assert_eq!(
        (&alive["delivered"], &alive["last-error"]),
        (&1.into(), &Value::Null)
    );
    assert_eq!(
        (&dead["name"], &dead["state"]),
        (&"k2".into(), &"penalty".into()),
        "{text}"
    );
    assert_eq!(
        (&dead["delivered"], &dead["failed-batches"]),
        (&0.into(), &1.into())
    );
    assert_eq!(dead["failures-in-sequence"], 1);
    let penalty = dead["penalty-ms"].as_u64().expect("a number");
    assert!(
        (1..=2_000).contains(&penalty),
        "2 s after a first failure: {text}"
    );
    let error = dead["last-error"]["text"].as_str().expect("a text");
    assert!(
        error.contains("connect") && error.contains(&nobody.to_string()),
        "{error}"
    );
}
