//! `metrics`: all metrics that `/metrics` shows, with their meaning, as in `host/METRICS.md`.

use std::process::ExitCode;

use clap::Args;
use flume_core::ClientCounter;
use flume_core::counters::{Metric, MetricKind};
use flume_core::shell::print;

use crate::metrics::{prometheus, table};

/// Lists all metrics with their meaning, as Markdown tables.
#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {}

/// Runs the command.
pub(crate) fn run(_: &MetricsArgs) -> ExitCode {
    print(&listing());
    ExitCode::SUCCESS
}

/// All tables as Markdown.
pub(crate) fn listing() -> String {
    let tables: Vec<String> = table::metrics()
        .iter()
        .map(|(kind, title, metrics)| section(kind, title, metrics))
        .collect();
    tables.join("\n")
}

fn section(kind: &str, title: &str, metrics: &[&Metric]) -> String {
    let mut text = format!(
        "## {title}\n\nType `{kind}`.\n\n| JSON | Prometheus | kind | unit | labels | meaning |\n\
         | --- | --- | --- | --- | --- | --- |\n"
    );
    for metric in metrics {
        let Metric {
            name, unit, help, ..
        } = metric;
        let prometheus = prometheus::full_name(kind, metric);
        let counts = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let labels = match kind {
            "SINK" if **metric == ClientCounter::BEHIND => "agent, name, channel, group, partition",
            "SINK" if **metric == ClientCounter::ERRORS => "agent, name, channel, group, kind",
            _ if **metric == ClientCounter::BEHIND => "agent, name, partition",
            _ if **metric == ClientCounter::ERRORS => "agent, name, kind",
            _ if **metric == table::VIOLATIONS => "agent, name, kind",
            _ if **metric == table::DROPPED => "agent, name, interceptor",
            "SINK" => "agent, name, channel, group",
            "PROCESS" => "name",
            table::SOURCE_CHANNEL => "agent, name, channel, required",
            "BUILD" => "name, version, profile, os, arch",
            _ => "agent, name",
        };
        let json = match kind {
            table::SOURCE_CHANNEL => "-".to_owned(),
            _ => format!("`{name}`"),
        };
        text.push_str(&format!(
            "| {json} | `{prometheus}` | {counts} | {unit} | {labels} | {help} |\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::listing;

    /// The list of metrics in the documentation is the program's output.
    #[test]
    fn the_list_of_metrics_is_true() {
        let written = include_str!("../../../METRICS.md");
        let said = listing();
        let missing = said.lines().find(|line| !written.contains(line));
        assert!(
            written.ends_with(&said),
            "host/METRICS.md: copy the output of `flume-host metrics`; the first missing line is {missing:?}"
        );
    }

    /// An alert about a metric that does not exist never fires.
    #[test]
    fn alerts_name_metrics_that_exist() {
        let said = listing();
        let alerts = include_str!("../../../OPERATIONS.md");
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = alerts.split(|c| !is_name(c));
        let names: Vec<&str> = words.filter(|word| word.starts_with("flume_")).collect();
        assert!(names.len() > 10, "the alerts are there: {names:?}");
        for name in names {
            assert!(said.contains(&format!("`{name}`")), "no metric `{name}`");
        }
    }
}
