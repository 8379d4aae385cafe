//! Goal: an alert or a panel about something that does not exist never fires and shows nothing; so
//! all that `conf/alerts.yml` and `conf/grafana.json` name exists. Method: the selectors of their
//! expressions are looked for in a scrape of an agent with all kinds of components.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Lines, Scratch, eventually, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A metric of an expression, with the labels that it is asked for by.
pub(crate) type Selector = (String, BTreeSet<String>);

pub(crate) fn conf(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../conf")
        .join(name)
}

/// The scenarios of the alerts, which Prometheus's own tool runs in `peers`.
pub(crate) fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/alerts.yml")
}

/// A key store with a certificate until 2126.
fn keystore() -> PathBuf {
    let stores = "../host/components/src/net/keystore/stores/elliptic.p12";
    Path::new(env!("CARGO_MANIFEST_DIR")).join(stores)
}

/// An agent with an interceptor, a policy, a port with TLS, a durable channel, a spillable one, a sink that
/// works, one that does not, and a spare.
pub(crate) fn monitored(scratch: &Scratch, input: u16) -> AgentFile {
    AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .netcat("r1", input)
        .avro_source("r2", ports::free())
        .set("sources.r2.ssl", true)
        .set("sources.r2.keystore", keystore().display())
        .set("sources.r2.keystore-password", "changeit")
        .set("sources.r1.interceptors", "i1 i2")
        .set("sources.r1.interceptors.i1.type", "regex_filter")
        .set("sources.r1.interceptors.i1.regex", "dropped")
        .set("sources.r1.interceptors.i1.excludeEvents", true)
        .set(
            "sources.r1.interceptors.i2.type",
            flume_artifacts::shipped("dedupe").display(),
        )
        .set("sources.r1.interceptors.i2.header", "absent")
        .avro_sink("k1", ports::free(), 100)
        .bucket(
            "k2",
            &format!("file://{}", scratch.folder("landed").display()),
            100,
        )
        .file_channel("c2", &scratch.folder("c2"))
        .null("k3", 100)
        .drains("k3", "c2")
        .spillable("c3", &scratch.folder("c3"), 100, 1)
        .null("k4", 100)
        .drains("k4", "c3")
        .memory("c4", 1_000, 100)
        .spare("k9", "c4")
        .feeds("r1", "c1")
        .feeds("r2", "c1 c2 c3")
        .set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", "k1 k2 k9")
        .set("sinkgroups.g1.processor.type", "failover")
}

/// Starts it, and waits until one sink has failed and the other has delivered.
pub(crate) fn start(scratch: &Scratch) -> Host {
    let input = ports::free();
    let host = Host::start(scratch, "monitored", &monitored(scratch, input).text());
    Feed::send(input, Lines::new("n", 50), PATIENCE).assert_all_acknowledged();
    Feed::send(input, Lines::new("dropped", 7), PATIENCE).assert_all_acknowledged();
    eventually("both sinks were tried", PATIENCE, || {
        let failed = host.counter("SINK.k1", "EventWriteFail") > 0;
        let delivered = host.counter("SINK.k2", "EventDrainSuccessCount") == 50;
        (failed && delivered).then_some(())
    });
    host
}

/// The selectors of an expression: `a_b{c="d",e=~"f"}` is `a_b` with `c` and `e`.
pub(crate) fn selectors(expression: &str) -> Vec<Selector> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find(is_name) {
        rest = rest.split_at(at).1;
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        let ours = name.starts_with("flume_") || name.starts_with("process_");
        let inside = match after.strip_prefix('{') {
            Some(inside) if ours => inside,
            _ => {
                if ours {
                    found.push((name.to_owned(), BTreeSet::new()));
                }
                continue;
            }
        };
        let (inside, after) = inside.split_once('}').expect("braces are closed");
        rest = after;
        let labels = inside.split(',').filter(|part| !part.is_empty());
        let name_of = |part: &str| {
            part.split(['=', '!'])
                .next()
                .map(|name| name.trim().to_owned())
        };
        found.push((name.to_owned(), labels.filter_map(name_of).collect()));
    }
    found
}

/// The alerts of the file: name and expression.
pub(crate) fn alerts() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(conf("alerts.yml")).expect("conf/alerts.yml");
    let values = |key: &str| -> Vec<String> {
        let values = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix(key));
        values.map(|value| value.trim().to_owned()).collect()
    };
    let (names, expressions) = (values("- alert:"), values("expr:"));
    assert_eq!(
        names.len(),
        expressions.len(),
        "each alert has one line of `expr`"
    );
    names.into_iter().zip(expressions).collect()
}

/// The panels of the dashboard: title, expression and legend of each target.
fn targets() -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(conf("grafana.json")).expect("conf/grafana.json");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let targets = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().expect("targets");
        targets.iter().map(|target| {
            (
                text(&panel["title"]),
                text(&target["expr"]),
                text(&target["legendFormat"]),
            )
        })
    });
    targets.collect()
}

/// The metrics of a scrape with the labels of their series, and `instance`, which Prometheus adds.
fn scrape(host: &Host) -> BTreeMap<String, BTreeSet<String>> {
    let text = flume_text(host);
    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        for (name, mut labels) in selectors(line) {
            labels.insert("instance".to_owned());
            metrics.entry(name).or_default().extend(labels);
        }
    }
    metrics
}

fn flume_text(host: &Host) -> String {
    let url = format!("http://127.0.0.1:{}/metrics", host.admin_port());
    let request = ureq::get(&url).header("Accept", "application/openmetrics-text");
    let mut answer = request.call().expect("an answer");
    answer.body_mut().read_to_string().expect("a text")
}

/// The words in `{{…}}`, without `$labels.`; `$value` is none.
fn names_in_braces(text: &str) -> Vec<String> {
    let words = text
        .split("{{")
        .skip(1)
        .filter_map(|part| part.split("}}").next());
    let words = words.map(|word| word.trim().trim_start_matches("$labels.").to_owned());
    words.filter(|word| !word.starts_with('$')).collect()
}

#[test]
fn alerts_and_dashboard_name_what_a_scrape_has() {
    let scratch = Scratch::new();
    let host = start(&scratch);
    let metrics = scrape(&host);
    let assert_known = |place: &str, expression: &str, shown: &str| {
        let selectors = selectors(expression);
        assert!(!selectors.is_empty(), "{place}: {expression}");
        for (name, mut labels) in selectors {
            let known = metrics.get(&name);
            let known = known.unwrap_or_else(|| panic!("{place}: no metric {name}"));
            labels.extend(names_in_braces(shown));
            assert!(
                labels.is_subset(known),
                "{place}: {name} has {known:?}, not {labels:?}"
            );
        }
    };
    for (place, expression, legend) in targets() {
        assert_known(&place, &expression, &legend);
    }
    let text = std::fs::read_to_string(conf("alerts.yml")).expect("conf/alerts.yml");
    let texts = text.split("- alert:").skip(1);
    for ((place, expression), shown) in alerts().iter().zip(texts) {
        assert_known(place, expression, shown);
    }
}

/// An alert that was never seen to fire may be about nothing, and one that always fires is not read.
#[test]
fn every_alert_has_a_scenario_in_which_it_fires_and_one_in_which_it_does_not() {
    let text = std::fs::read_to_string(scenarios()).expect("tests/data/alerts.yml");
    let mut fires: BTreeMap<&str, [bool; 2]> = BTreeMap::new();
    for check in text.split("alertname: ").skip(1) {
        let (name, expected) = check.split_once('\n').expect("what is expected");
        let (_, expected) = expected.split_once("exp_alerts:").expect("exp_alerts");
        let is_quiet = expected.trim_start().starts_with("[]");
        fires.entry(name.trim()).or_default()[usize::from(is_quiet)] = true;
    }
    let alerts: BTreeSet<String> = alerts().into_iter().map(|(name, _)| name).collect();
    for name in &alerts {
        let seen = fires.remove(name.as_str());
        assert_eq!(seen, Some([true; 2]), "{name}: fires, does not fire");
    }
    assert!(fires.is_empty(), "scenarios of no alert: {fires:?}");
}

/// What operators compute with: each number is right, and those that belong together have labels
/// in common.
#[test]
fn series_are_right_and_can_be_joined() {
    let scratch = Scratch::new();
    let mut host = start(&scratch);
    let text = flume_text(&host);
    let value = |series: &str| -> Option<f64> {
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        line.parse().ok()
    };
    let sink = "{agent=\"a1\",name=\"k2\",channel=\"c1\",group=\"g1\"}";
    let timed = value(&format!("flume_sink_batch_latency_count{sink}"));
    assert!(timed.is_some_and(|batches| batches > 0.0), "{text}");
    let source = "{agent=\"a1\",name=\"r1\",interceptor=";
    for (series, expected) in [
        (format!("flume_sink_event_drain_success_total{sink}"), 50.0),
        (format!("flume_sink_batch_under_way{sink}"), 0.0),
        (
            format!("flume_source_event_dropped_total{source}\"i1\"}}"),
            7.0,
        ),
        (
            format!("flume_source_event_dropped_total{source}\"i2\"}}"),
            0.0,
        ),
        (
            "flume_source_certificate_not_after_seconds{agent=\"a1\",name=\"r2\"}".to_owned(),
            4_949_001_524.0,
        ),
        (
            "flume_source_channel_info{agent=\"a1\",name=\"r1\",channel=\"c1\",required=\"true\"}"
                .to_owned(),
            1.0,
        ),
        (
            "flume_channel_channel_bytes{agent=\"a1\",name=\"c1\"}".to_owned(),
            0.0,
        ),
        (
            "flume_channel_oldest_event_age{agent=\"a1\",name=\"c1\"}".to_owned(),
            0.0,
        ),
        (
            "flume_process_reload_total{name=\"flume-host\"}".to_owned(),
            0.0,
        ),
        (
            "flume_process_last_reload_taken{name=\"flume-host\"}".to_owned(),
            1.0,
        ),
    ] {
        assert_eq!(value(&series), Some(expected), "{series}: {text}");
    }
    let plain = "flume_source_certificate_not_after_seconds{agent=\"a1\",name=\"r1\"}";
    assert_eq!(value(plain), None, "a port without TLS has no certificate");
    let pid = host.process().id();
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    let open = value("process_open_fds{name=\"flume-host\"}").expect("open files");
    // A connection may have come or gone in between.
    assert!((open - files as f64).abs() <= 3.0, "{open} {files}");
    assert!(
        text.contains("flume_build_info{name=\"flume-host\",version=\""),
        "{text}"
    );
}

/// Events that wait are seen, and so is a file that is refused, or taken.
#[test]
fn waiting_events_and_reloads_are_seen() {
    let scratch = Scratch::new();
    let input = ports::free();
    let nobody = ports::free();
    let file = |capacity| {
        let file = AgentFile::new("a1").memory("c1", capacity, 100);
        file.netcat("r1", input).avro_sink("k1", nobody, 100).text()
    };
    let mut host = Host::start(&scratch, "waiting", &file(1_000));
    Feed::send(input, Lines::new("n", 10), PATIENCE).assert_all_acknowledged();
    let fraction = |host: &Host, component: &str, counter: &str| -> f64 {
        let value = host.metrics()[component][counter].clone();
        value
            .as_str()
            .and_then(|value| value.parse().ok())
            .expect("a number")
    };
    eventually("events grow old", PATIENCE, || {
        let age = fraction(&host, "CHANNEL.c1", "OldestEventAge");
        (age > 1.0).then_some(())
    });
    assert!(fraction(&host, "CHANNEL.c1", "OldestEventAge") < PATIENCE.as_secs_f64());
    assert_eq!(
        host.counter("CHANNEL.c1", "ChannelBytes"),
        1_000,
        "10 slots of 100 bytes"
    );

    host.rewrite("a1.sources = r1\n");
    let process = "PROCESS.flume-host";
    eventually("the file is refused", PATIENCE, || {
        (host.counter(process, "ReloadRefusedCount") == 1).then_some(())
    });
    assert_eq!(host.counter(process, "LastReloadTaken"), 0);
    host.reload(&file(2_000), 1, PATIENCE);
    eventually("the file is taken", PATIENCE, || {
        (host.counter(process, "ReloadCount") == 1).then_some(())
    });
    assert_eq!(host.counter(process, "LastReloadTaken"), 1);
    assert!(host.counter(process, "LastReloadTime") > 1_700_000_000_000);
}
