//! Goal: the alerts and the dashboard that ship work in Prometheus. Method: a real Prometheus
//! scrapes an agent of which one sink fails and whose changed file is refused; it is asked for every
//! series that they name, and for the state of the alerts.

use std::time::Duration;

use flume_tests::{Scratch, eventually, peers::prometheus, require};

use crate::monitoring::{alerts, conf, scenarios, selectors, start};

const PATIENCE: Duration = Duration::from_secs(300);

/// Prometheus's own tests of rules: each alert fires in its scenario, says what it should, and does
/// not fire for what is well.
#[test]
fn each_alert_fires_when_it_should_and_not_otherwise() {
    let prometheus = require!(prometheus::resolve());
    let scenarios = scenarios().canonicalize().expect("tests/data/alerts.yml");
    prometheus.test_rules(&scenarios).expect("as expected");
}

#[test]
fn prometheus_finds_every_series_and_fires_the_alerts() {
    let prometheus = require!(prometheus::resolve());
    let rules = conf("alerts.yml").canonicalize().expect("conf/alerts.yml");
    let said = prometheus.check_rules(&rules).expect("promtool accepts it");
    assert!(
        said.contains(&format!("{} rules found", alerts().len())),
        "{said}"
    );

    let scratch = Scratch::new();
    let host = start(&scratch);
    let server = prometheus.start(&scratch, host.admin_port(), &rules);
    host.rewrite("a1.sources = r1\n");

    let mut names: Vec<String> = Vec::new();
    let dashboard = std::fs::read_to_string(conf("grafana.json")).expect("conf/grafana.json");
    let expressions = alerts().into_iter().map(|(_, expression)| expression);
    for text in expressions.chain([dashboard]) {
        names.extend(
            selectors(&text.replace("\\\"", "\""))
                .into_iter()
                .map(|(name, _)| name),
        );
    }
    names.sort();
    names.dedup();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        eventually(&format!("Prometheus has {name}"), PATIENCE, || {
            let series = server.query(&name).expect("a query");
            (!series.is_empty()).then_some(())
        });
    }
    let channel_of = "flume_source_event_accepted_total{name='r1'} \
        * on (instance, agent, name) group_right flume_source_channel_info";
    let joined = server.query(channel_of).expect("a query");
    let channels: Vec<_> = joined
        .iter()
        .map(|series| &series["metric"]["channel"])
        .collect();
    assert_eq!(channels, ["c1"], "{joined:?}");
    // At once, after some minutes, and not at all.
    for (alert, state) in [
        ("FlumeReloadRefused", "firing"),
        ("FlumeSinkFails", "pending"),
        ("FlumeChannelFills", "inactive"),
        ("FlumeCertificateExpires", "inactive"),
    ] {
        eventually(&format!("{alert} is {state}"), PATIENCE, || {
            (server.alert(alert).as_deref() == Some(state)).then_some(())
        });
    }
}
