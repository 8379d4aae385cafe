//! One HDFS for all scenarios of a run that do not break it; each has its own folder.
//!
//! It starts with the first scenario and ends with the process. Statics are not dropped, so each
//! node has a keeper: a shell that waits for the end of its input. The input ends when this process
//! ends, even if it is killed; the shell then ends the node and removes its data.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{BLOCK, Hadoop, Hdfs};
use crate::ports;
use crate::scratch::Scratch;

/// Becomes the node, after it has begun to keep it.
const KEEPER: &str = "data=$1; shift; exec 3<&0\n\
                      (cat <&3 > /dev/null; kill -9 $$; sleep 1; rm -rf \"$data\") 2> /dev/null &\n\
                      exec \"$@\"";

static SHARED: OnceLock<(Hdfs, Scratch)> = OnceLock::new();

impl Hadoop {
    /// The HDFS of this run, with a new folder as its root; for scenarios that stop no node and
    /// change nothing for others.
    ///
    /// # Panics
    /// When it cannot be written to in time.
    #[must_use]
    pub fn shared(&self) -> Hdfs {
        static FOLDERS: AtomicU32 = AtomicU32::new(1);
        let (shared, _) = SHARED.get_or_init(|| {
            let scratch = Scratch::new();
            let data = scratch.root().to_path_buf();
            let hdfs = self.launch(&scratch, ports::free(), BLOCK, |node| kept(&data, &node));
            (hdfs, scratch)
        });
        let hdfs = Hdfs {
            folder: shared.folder.clone(),
            conf: shared.conf.clone(),
            logs: shared.logs.clone(),
            root: format!("/scenario-{}", FOLDERS.fetch_add(1, Ordering::Relaxed)),
            nodes: None,
            ..*shared
        };
        hdfs.make_folder("");
        hdfs
    }
}

/// The command for a node with its keeper.
fn kept(data: &Path, node: &Command) -> Command {
    let mut keeper = Command::new("sh");
    keeper.args(["-c", KEEPER, "keeper"]).arg(data);
    keeper.arg(node.get_program()).args(node.get_args());
    keeper
}
