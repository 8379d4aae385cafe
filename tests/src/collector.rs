//! A collector whose events are counted: our agent, avro → memory → `file_roll`.

use crate::agent_file::AgentFile;
use crate::host::Host;
use crate::landing::Landing;
use crate::scratch::Scratch;

/// Starts one, and returns it with the place where its events land: `NAME-landed`.
///
/// # Panics
/// When it does not start in time.
#[must_use]
pub fn collector(scratch: &Scratch, name: &str, port: u16) -> (Host, Landing) {
    let folder = scratch.folder(&format!("{name}-landed"));
    let file = AgentFile::new("a2")
        .memory("c1", 100_000, 1_000)
        .avro_source("r1", port)
        .file_roll("k1", &folder, 1_000);
    let host = Host::start(scratch, name, &file.text());
    (host, Landing::Folder(folder))
}
