//! Files that a component will open: whether they can be opened here and now. What its keys say was
//! checked before, and nothing is kept.
//!
//! A file that is not there is a warning: the file may be made later, or be on another machine. One
//! that is there and useless is an error.

use std::io::ErrorKind;
use std::path::Path;

use flume_core::{Code, Context, Diagnostic, Severity};
#[cfg(feature = "kafka")]
use flume_kafka::settings::Kind;
use rustix::fs::{Access, access};

use crate::net::keystore::KeystoreError;
use crate::net::tls::{ClientTls, ServerTls};

/// What is wrong with a file.
struct Flaw {
    key: String,
    reason: String,
    /// Whether it is there and useless.
    is_useless: bool,
}

/// Looks at the files of a source with these keys.
pub fn source(keys: &Context) -> Option<Diagnostic> {
    #[cfg(feature = "kafka")]
    if is_kafka(keys) {
        return kafka(keys, &[Kind::Consumer]);
    }
    let tls = ServerTls::configure(&mut keys.clone())??;
    let flaw = keystore("keystore", tls.look())?;
    Some(told(keys, flaw))
}

/// Looks at the files of a sink with these keys.
pub fn sink(keys: &Context) -> Option<Diagnostic> {
    #[cfg(feature = "kafka")]
    if is_kafka(keys) {
        return kafka(keys, &[Kind::Producer]);
    }
    let mut all = keys.clone();
    let flaw = match (all.optional("hdfs.path"), all.optional("sink.directory")) {
        (Some(path), None) => local_path(&path)?,
        (_, Some(directory)) => folder(keys, Path::new(&directory))?,
        _ => keystore("truststore", ClientTls::configure(&mut all)??.look())?,
    };
    Some(told(keys, flaw))
}

/// Looks at the files of a channel with these keys, but for the folders of one that has a disk.
#[cfg(feature = "kafka")]
pub fn channel(keys: &Context) -> Option<Diagnostic> {
    if is_kafka(keys) {
        return kafka(keys, &[Kind::Producer, Kind::Consumer]);
    }
    None
}

/// No channel of this build names other files.
#[cfg(not(feature = "kafka"))]
pub fn channel(_: &Context) -> Option<Diagnostic> {
    None
}

/// Whether the keys are those of a Kafka client that may name files.
#[cfg(feature = "kafka")]
fn is_kafka(keys: &Context) -> bool {
    let starts = ["kafka.producer.", "kafka.consumer."];
    keys.iter()
        .any(|(key, _)| starts.iter().any(|start| key.starts_with(start)))
}

#[cfg(feature = "kafka")]
fn kafka(keys: &Context, kinds: &[Kind]) -> Option<Diagnostic> {
    let mut flaws = kinds
        .iter()
        .filter_map(|kind| crate::kafka::look(keys, *kind));
    let (key, reason, is_useless) = flaws.next()?;
    let below = key
        .strip_prefix(keys.path())
        .and_then(|key| key.strip_prefix('.'));
    let key = below.map(str::to_owned).unwrap_or(key);
    Some(told(
        keys,
        Flaw {
            key,
            reason,
            is_useless,
        },
    ))
}

fn keystore(key: &str, looked: Result<(), KeystoreError>) -> Option<Flaw> {
    let error = looked.err()?;
    Some(Flaw {
        key: key.to_owned(),
        is_useless: !matches!(error, KeystoreError::Read { .. }),
        reason: error.to_string(),
    })
}

/// The folder of a file_roll sink. With keys of the hdfs sink it makes the folder itself.
fn folder(keys: &Context, folder: &Path) -> Option<Flaw> {
    if keys.iter().any(|(key, _)| key.starts_with("hdfs.")) {
        return None;
    }
    let (reason, is_useless) = match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => ("it is not a folder".to_owned(), true),
        Ok(_) => {
            let error = access(folder, Access::WRITE_OK | Access::EXEC_OK).err()?;
            (error.to_string(), false)
        }
        Err(error) if error.kind() == ErrorKind::NotADirectory => (error.to_string(), true),
        Err(error) => (error.to_string(), false),
    };
    Some(Flaw {
        key: "sink.directory".to_owned(),
        reason: format!("cannot write to {}: {reason}", folder.display()),
        is_useless,
    })
}

/// A path of this machine (`file:///…`) of an hdfs sink, which makes its folders: whether it could
/// make those that are the same for all events.
fn local_path(path: &str) -> Option<Flaw> {
    let path = path.strip_prefix("file:")?;
    let path = path
        .strip_prefix("//")
        .filter(|path| path.starts_with('/'))
        .unwrap_or(path);
    // An escape ends what is the same, and the folder that it is a part of.
    let same = match path.split_once('%') {
        Some((same, _)) => same.rsplit_once('/').map_or("", |(same, _)| same),
        None => path,
    };
    let same = Path::new(same);
    let (there, found) = same
        .ancestors()
        .find_map(|above| Some((above, above.metadata().ok()?)))?;
    let (reason, is_useless) = match access(there, Access::WRITE_OK | Access::EXEC_OK) {
        _ if !found.is_dir() => ("it is not a folder".to_owned(), true),
        Ok(()) => return None,
        Err(error) => (error.to_string(), false),
    };
    let what = match there == same {
        true => format!("cannot write to {}", same.display()),
        false => format!("cannot make {} in {}", same.display(), there.display()),
    };
    Some(Flaw {
        key: "hdfs.path".to_owned(),
        reason: format!("{what}: {reason}"),
        is_useless,
    })
}

fn told(keys: &Context, flaw: Flaw) -> Diagnostic {
    let message = format!("`{}.{}`: {}", keys.path(), flaw.key, flaw.reason);
    let mut found = Diagnostic::new(Code::UnusableFile, message);
    let help = if flaw.is_useless {
        found.severity = Severity::Error;
        "correct the path, the password or the file"
    } else {
        "until it can be opened, the component does not work and tries again"
    };
    let value = keys.iter().find(|(key, _)| *key == flaw.key);
    let found = match value {
        Some((_, value)) => found.at(&value.span, "on this machine"),
        None => found,
    };
    found.help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_or_it_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        std::fs::write(&file, "").unwrap();
        let severity = |path: &Path| {
            let path = path.display().to_string();
            let keys = Context::of("a1.sinks.k1", &[("sink.directory", &path)]);
            sink(&keys).map(|found| found.severity)
        };
        assert_eq!(severity(scratch.path()), None);
        assert_eq!(
            severity(&scratch.path().join("none")),
            Some(Severity::Warning)
        );
        assert_eq!(severity(&file), Some(Severity::Error));
        assert_eq!(severity(&file.join("below")), Some(Severity::Error));
        // With keys of the hdfs sink the folder is made.
        let keys = [("sink.directory", "/no/such"), ("hdfs.path", "x")];
        assert!(sink(&Context::of("a1.sinks.k1", &keys)).is_none());
    }

    #[test]
    fn a_local_path_can_be_made_or_it_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        std::fs::write(&file, "").unwrap();
        let told = |path: String| {
            let keys = Context::of("a1.sinks.k1", &[("hdfs.path", &path)]);
            sink(&keys).map(|found| (found.severity, found.message))
        };
        let folder = scratch.path().display();
        assert_eq!(told(format!("file://{folder}/a/b/%Y/%{{host}}")), None);
        assert_eq!(told(format!("file:{folder}")), None);
        assert_eq!(told(format!("hdfs://nowhere{}/a", file.display())), None);
        for below in ["", "/a/b", "/a-%Y/b", "/%Y"] {
            let path = format!("file://{}{below}", file.display());
            let (severity, message) = told(path).expect(below);
            assert_eq!(severity, Severity::Error, "{message}");
            assert!(message.contains("it is not a folder"), "{message}");
            assert!(
                message.starts_with("`a1.sinks.k1.hdfs.path`: cannot"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_key_store_opens_or_it_is_told() {
        let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/net/keystore/stores");
        let one = std::fs::read_dir(stores)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let one = one.into_iter().next().unwrap().display().to_string();
        for (path, severity) in [
            (one.as_str(), Severity::Error),
            ("/no/such", Severity::Warning),
        ] {
            let keys = [
                ("ssl", "true"),
                ("keystore", path),
                ("keystore-password", "not it"),
            ];
            let found = source(&Context::of("a1.sources.r1", &keys)).unwrap();
            assert_eq!(found.severity, severity, "{}", found.message);
            assert!(!found.message.contains("not it"), "{}", found.message);
            let keys = [
                ("ssl", "true"),
                ("truststore", path),
                ("truststore-password", "not it"),
            ];
            let found = sink(&Context::of("a1.sinks.k1", &keys)).unwrap();
            assert_eq!(found.severity, severity, "{}", found.message);
        }
        assert!(source(&Context::of("a1.sources.r1", &[("bind", "x")])).is_none());
        let anybody = [("ssl", "true"), ("trust-all-certs", "true")];
        assert!(sink(&Context::of("a1.sinks.k1", &anybody)).is_none());
    }

    #[cfg(feature = "kafka")]
    #[test]
    fn files_of_a_kafka_client_open_or_it_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let there = scratch.path().join("x.pem");
        std::fs::write(&there, "").unwrap();
        let there = there.display().to_string();
        for (prefix, look) in [
            ("kafka.producer", sink as fn(&Context) -> Option<Diagnostic>),
            ("kafka.consumer", source),
            ("kafka.producer", channel),
            ("kafka.consumer", channel),
        ] {
            let severity = |kind: &str, path: &str| {
                let key = |end: &str| format!("{prefix}.{end}");
                let [protocol, store, location] = [
                    "security.protocol",
                    "ssl.truststore.type",
                    "ssl.truststore.location",
                ]
                .map(key);
                let keys = Context::of(
                    "a1.x.y",
                    &[
                        ("kafka.bootstrap.servers", "h:1"),
                        (&protocol, "SSL"),
                        (&store, kind),
                        (&location, path),
                    ],
                );
                let found = look(&keys)?;
                let begin = format!("`a1.x.y.{location}`: ");
                assert!(found.message.starts_with(&begin), "{}", found.message);
                Some(found.severity)
            };
            // Without TLS in the client no file is named; the settings are refused then.
            let is_built = cfg!(feature = "kafka-tls");
            let told = |severity| is_built.then_some(severity);
            assert_eq!(severity("PEM", &there), None);
            assert_eq!(severity("PEM", "/no/such"), told(Severity::Warning));
            assert_eq!(severity("JKS", &there), told(Severity::Error));
        }
    }
}
