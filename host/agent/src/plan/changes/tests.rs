//! Edits of an agent's file, each with what is said of it.

use super::*;
use crate::testing::plan;

const AGENT: &str = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1 k2
a1.sinkgroups = g1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = 4000
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
a1.sinks.k2.type = avro
a1.sinks.k2.channel = c1
a1.sinks.k2.hostname = collector
a1.sinks.k2.port = 4545
a1.sinks.k2.ssl = true
a1.sinks.k2.truststore = /store
a1.sinks.k2.truststore-password = hunter2
a1.sinkgroups.g1.sinks = k1 k2
a1.sinkgroups.g1.processor.type = load_balance
";

/// Each edit with what is said of it.
#[test]
fn each_change_is_said_once() {
    let rows = [
        ("", "", ""),
        ("", "# a comment\n", ""),
        (
            "",
            "a1.channels.c1.capacity = 1000\n",
            "channel c1: capacity 100 -> 1000",
        ),
        ("port = 4000", "port = 4001", "source r1: port"),
        ("hunter2", "other", "sink k2: truststore-password"),
        ("type = null", "type = logger", "sink k1: null -> logger"),
        (
            "a1.sinkgroups.g1.processor.type = load_balance",
            "a1.sinkgroups.g1.processor.type = failover",
            "group g1: type",
        ),
        (
            "c1",
            "c2",
            "channel c2 is new; channel c1 is removed; source r1 changed; sink k1 changed; sink k2 changed",
        ),
        ("r1", "r2", "source r2 is new; source r1 is removed"),
    ];
    let old = plan(AGENT);
    for (from, to, said) in rows {
        let text = match from {
            "" => format!("{AGENT}{to}"),
            _ => AGENT.replace(from, to),
        };
        assert_eq!(
            between(&old, &plan(&text)).join("; "),
            said,
            "{from} -> {to}"
        );
    }
}
