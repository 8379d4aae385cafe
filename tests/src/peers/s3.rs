//! A real S3 server: Versity's gateway over a local folder, built with Go.
//!
//! It keeps what it has acknowledged: after a kill and a restart on the same folder, it still has
//! every object and every unfinished upload. Objects are read back by another client
//! (`s3/client.rs`) than the one that wrote them.

mod client;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{cached, fetched};
use crate::ports;
use crate::process::Process;
use crate::scratch::Scratch;
use crate::skip::Availability;

/// The module, and the version with which the scenarios were written.
const MODULE: &str = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(120);

/// The account that owns all buckets.
const KEY: &str = "flume";
const SECRET: &str = "flume-secret";

/// The region that it reports.
const REGION: &str = "us-east-1";

/// The server's program, after it was built.
pub struct S3 {
    program: PathBuf,
}

/// A running server with one bucket.
pub struct S3Server {
    program: PathBuf,
    data: PathBuf,
    metadata: PathBuf,
    logs: PathBuf,
    port: u16,
    starts: u32,
    process: Process,
}

impl S3 {
    /// The server, built with Go unless that was already done.
    #[must_use]
    pub fn resolve() -> Availability<Self> {
        let folder = cached("versitygw-1.8.0", "go", |folder| {
            let mut go = Command::new("go");
            go.current_dir(folder).env("GOBIN", folder);
            fetched("go install", go.args(["install", MODULE]))
        });
        folder.map(|folder| Self {
            program: folder.join("versitygw"),
        })
    }

    /// Starts a server with an empty bucket, [`S3Server::BUCKET`].
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(&self, scratch: &Scratch) -> S3Server {
        self.start_at(scratch, ports::free())
    }

    /// Like the above, on a given port.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_at(&self, scratch: &Scratch, port: u16) -> S3Server {
        let (data, metadata) = (scratch.folder("s3-data"), scratch.folder("s3-metadata"));
        let logs = scratch.root().to_path_buf();
        let mut command = serve(&self.program, port, &data, &metadata);
        let process = Process::start("s3", &mut command, logs.join("s3.1.log"));
        ports::await_listening(port, START);
        let server = S3Server {
            program: self.program.clone(),
            data,
            metadata,
            logs,
            port,
            starts: 1,
            process,
        };
        server.make_bucket();
        server
    }
}

impl S3Server {
    /// Its bucket.
    pub const BUCKET: &str = "events";

    /// An agent's settings for it: options of `object_store` and their values.
    #[must_use]
    pub fn options(&self) -> [(&'static str, String); 5] {
        [
            ("endpoint", self.endpoint()),
            ("region", REGION.to_owned()),
            ("access_key_id", KEY.to_owned()),
            ("secret_access_key", SECRET.to_owned()),
            ("allow_http", "true".to_owned()),
        ]
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same folder.
    ///
    /// # Panics
    /// When it still runs, or does not start.
    pub fn restart(&mut self) {
        assert!(self.process.ended().is_some(), "the S3 server still runs");
        self.starts += 1;
        let mut command = serve(&self.program, self.port, &self.data, &self.metadata);
        let log = self.logs.join(format!("s3.{}.log", self.starts));
        self.process = Process::start("s3", &mut command, log);
        ports::await_listening(self.port, START);
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn serve(program: &PathBuf, port: u16, data: &PathBuf, metadata: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command
        .env("ROOT_ACCESS_KEY", KEY)
        .env("ROOT_SECRET_KEY", SECRET);
    command.args(["--port", &format!("127.0.0.1:{port}"), "--region", REGION]);
    // Stored next to the objects, because not every file system has extended attributes.
    command.args(["--quiet", "posix", "--sidecar"]);
    command.arg(metadata).arg(data);
    command
}
