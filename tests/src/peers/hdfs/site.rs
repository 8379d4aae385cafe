//! The configuration of an HDFS for one scenario, and the folders that must exist.

use std::path::PathBuf;

use crate::peers::jvm::LOG4J;
use crate::scratch::Scratch;

/// Bytes of a block: the least that a namenode allows, so that files have several blocks.
pub const BLOCK: u64 = 1 << 20;

/// The folder of both nodes' data, below the scratch folder.
pub(super) const DATA: &str = "hadoop-data";

/// Writes the folder for the class path; both nodes keep their data next to it.
pub(super) fn write(scratch: &Scratch, [port, http]: [u16; 2], block: u64) -> PathBuf {
    // A namenode without these folders on its class path refuses to start.
    for page in ["hdfs", "datanode", "static"] {
        drop(scratch.folder(&format!("hadoop/webapps/{page}")));
    }
    let core = [
        ("fs.defaultFS", format!("hdfs://127.0.0.1:{port}")),
        ("hadoop.tmp.dir", scratch.path(DATA).display().to_string()),
        // Ten attempts in a row would take longer than most scenarios.
        ("ipc.client.connect.max.retries", "2".to_owned()),
    ];
    for (name, text) in [
        ("core-site.xml", xml(&core)),
        ("hdfs-site.xml", xml(&hdfs(http, block))),
        ("log4j.properties", LOG4J.to_owned()),
    ] {
        drop(scratch.file(&format!("hadoop/{name}"), &text));
    }
    scratch.path("hadoop")
}

fn hdfs(http: u16, block: u64) -> Vec<(&'static str, String)> {
    let loopback = || "127.0.0.1:0".to_owned();
    vec![
        ("dfs.replication", "1".to_owned()),
        ("dfs.blocksize", block.to_string()),
        ("dfs.namenode.http-address", format!("127.0.0.1:{http}")),
        ("dfs.datanode.address", loopback()),
        ("dfs.datanode.http.address", loopback()),
        ("dfs.datanode.ipc.address", loopback()),
        // In seconds and milliseconds: a datanode counts as dead after 2 × 1 + 10 × 1 s, not after
        // 10 minutes, and a namenode leaves safe mode as soon as all blocks are reported.
        ("dfs.heartbeat.interval", "1".to_owned()),
        ("dfs.namenode.heartbeat.recheck-interval", "1000".to_owned()),
        ("dfs.namenode.safemode.extension", "0".to_owned()),
        // Independent of this machine's host name and of the user who runs the tests.
        (
            "dfs.namenode.datanode.registration.ip-hostname-check",
            "false".to_owned(),
        ),
        ("dfs.permissions.enabled", "false".to_owned()),
    ]
}

fn xml(properties: &[(&str, String)]) -> String {
    let property = |(name, value): &(&str, String)| {
        format!("<property><name>{name}</name><value>{value}</value></property>\n")
    };
    let properties: String = properties.iter().map(property).collect();
    format!("<configuration>\n{properties}</configuration>\n")
}
