//! `fastavro` from PyPI: an Avro reader independent of Java's and ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{cached, fetched};
use crate::process;
use crate::skip::Availability;

/// The version with which the scenarios were written; cramjam decodes snappy for it.
const PACKAGES: [&str; 2] = ["fastavro==1.12.1", "cramjam==2.11.0"];

/// How long reading a file may take.
const READ: Duration = Duration::from_secs(60);

/// Prints the schema and then each record as a line of JSON, bytes as Latin-1 text.
const SCRIPT: &str = "\
import json, sys, fastavro
def plain(value):
    return value.decode('latin-1') if isinstance(value, bytes) else value
with open(sys.argv[1], 'rb') as file:
    reader = fastavro.reader(file)
    print(json.dumps([reader.codec, reader.writer_schema]))
    for record in reader:
        print(json.dumps({name: plain(value) for name, value in record.items()}))
";

/// fastavro, after it was fetched.
pub struct Fastavro {
    packages: PathBuf,
}

/// The contents of a container file.
#[derive(Debug)]
pub struct Container {
    /// The codec of its blocks.
    pub codec: String,
    /// Its schema.
    pub schema: Value,
    /// Headers and body of each record.
    pub events: Vec<(Value, Vec<u8>)>,
}

impl Fastavro {
    /// fastavro, fetched by pip unless that was already done.
    #[must_use]
    pub fn resolve() -> Availability<Self> {
        let folder = cached("fastavro-1.12.1", "python3", |folder| {
            let mut pip = Command::new("python3");
            pip.current_dir(folder)
                .args(["-m", "pip", "install", "--quiet", "--target", "."]);
            fetched("pip", pip.args(PACKAGES))
        });
        folder.map(|packages| Self { packages })
    }

    /// Reads an Avro container file.
    ///
    /// # Panics
    /// When the file is not an Avro container.
    #[must_use]
    pub fn read(&self, path: &Path) -> Container {
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", &self.packages);
        let read = process::run(python.args(["-c", SCRIPT]).arg(path), "", READ);
        let read = read.expect("python3 ends");
        assert!(read.status.success(), "{}: {}", path.display(), read.stderr);
        let mut lines = read
            .stdout
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        let head = lines.next().expect("a line about the file");
        Container {
            codec: head[0].as_str().expect("a codec").to_owned(),
            schema: head[1].clone(),
            events: lines.map(event).collect(),
        }
    }
}

fn event(record: Value) -> (Value, Vec<u8>) {
    let body = record["body"].as_str().expect("a body").chars();
    let body = body
        .map(|byte| u8::try_from(byte).expect("bytes travel as Latin-1"))
        .collect();
    (record["headers"].clone(), body)
}
