//! Goal: TLS and deflate, alone and together, as Flume's avro source and sink speak them.
//! Method: a key made by keytool; a chain of two agents, real before ours and ours before real,
//! and real before real to know that the setting itself works; 1,000 lines counted one by one.
//! With both, Flume to 1.9 compresses inside TLS and later ones outside it: with 1.11 each is
//! tried alone.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use flume_tests::{
    AgentFile, Availability, Feed, Kind, Landing, Lines, Release, Scratch, Stage, landing, ports,
    process, require,
};

const PATIENCE: Duration = Duration::from_secs(60);

const PASSWORD: &str = "changeit";

/// What the wire is wrapped in.
#[derive(Clone, Copy)]
struct Wrap {
    /// The store type of the TLS key, or no TLS.
    tls: Option<&'static str>,
    deflate: bool,
}

const PKCS12: Wrap = Wrap {
    tls: Some("PKCS12"),
    deflate: false,
};
const JKS: Wrap = Wrap {
    tls: Some("JKS"),
    deflate: false,
};
const DEFLATE: Wrap = Wrap {
    tls: None,
    deflate: true,
};
const BOTH: Wrap = Wrap {
    tls: Some("PKCS12"),
    deflate: true,
};

/// A key store with a self-signed key, and a trust store with its certificate.
struct Stores {
    key: PathBuf,
    trust: PathBuf,
}

impl Stores {
    fn make(scratch: &Scratch, kind: &str) -> Availability<Self> {
        let (key, trust) = (scratch.path("key.store"), scratch.path("trust.store"));
        let certificate = scratch.path("certificate.pem");
        let (key_text, trust_text) = (key.display().to_string(), trust.display().to_string());
        let certificate = certificate.display().to_string();
        let make = [
            "-genkeypair",
            "-alias",
            "agent",
            "-keyalg",
            "RSA",
            "-keysize",
            "2048",
        ];
        let name = [
            "-dname",
            "CN=127.0.0.1",
            "-ext",
            "san=ip:127.0.0.1",
            "-validity",
            "30",
        ];
        let make = [
            make.as_slice(),
            &name,
            &["-keystore", &key_text, "-storetype", kind],
        ]
        .concat();
        let export = [
            "-exportcert",
            "-rfc",
            "-alias",
            "agent",
            "-file",
            &certificate,
        ];
        let export = [export.as_slice(), &["-keystore", &key_text]].concat();
        let import = [
            "-importcert",
            "-noprompt",
            "-alias",
            "agent",
            "-file",
            &certificate,
        ];
        let import = [
            import.as_slice(),
            &["-keystore", &trust_text, "-storetype", kind],
        ]
        .concat();
        for words in [make, export, import] {
            let mut keytool = Command::new("keytool");
            keytool.args(&words).args(["-storepass", PASSWORD]);
            match process::run(&mut keytool, "", PATIENCE) {
                Ok(done) if done.status.success() => {}
                Ok(done) => panic!("keytool {words:?}: {}{}", done.stdout, done.stderr),
                Err(why) => return Availability::Missing(why),
            }
        }
        Availability::Ready(Self { key, trust })
    }
}

impl Wrap {
    fn source(self, mut file: AgentFile, stores: &Stores) -> AgentFile {
        if let Some(kind) = self.tls {
            file = file
                .set("sources.r1.ssl", true)
                .set("sources.r1.keystore", stores.key.display())
                .set("sources.r1.keystore-password", PASSWORD)
                .set("sources.r1.keystore-type", kind);
        }
        if self.deflate {
            file = file.set("sources.r1.compression-type", "deflate");
        }
        file
    }

    fn sink(self, mut file: AgentFile, stores: &Stores, trust_all: bool) -> AgentFile {
        if let Some(kind) = self.tls {
            file = file.set("sinks.k1.ssl", true);
            file = match trust_all {
                true => file.set("sinks.k1.trust-all-certs", true),
                false => file
                    .set("sinks.k1.truststore", stores.trust.display())
                    .set("sinks.k1.truststore-password", PASSWORD)
                    .set("sinks.k1.truststore-type", kind),
            };
        }
        if self.deflate {
            file = file.set("sinks.k1.compression-type", "deflate");
        }
        file
    }
}

/// A sender and a collector with the same wrapping; first with a trust store, then without.
fn chain(sender: Kind<'_>, collector: Kind<'_>, wrap: Wrap) {
    let scratch = Scratch::new();
    let stores = require!(Stores::make(&scratch, wrap.tls.unwrap_or("PKCS12")));
    let output = ports::free();
    let folder = scratch.folder("landed");
    let last = AgentFile::new("a2")
        .memory("c1", 10_000, 1_000)
        .avro_source("r1", output)
        .file_roll("k1", &folder, 1_000);
    let last = wrap.source(last, &stores);
    let _collector = collector.start(&scratch, "collector", &last, output);
    let landed = Landing::Folder(folder);
    let trusts: &[bool] = if wrap.tls.is_some() {
        &[false, true]
    } else {
        &[false]
    };
    for (round, &trust_all) in (0..).zip(trusts) {
        let input = ports::free();
        let first = AgentFile::new("a1")
            .memory("c1", 10_000, 1_000)
            .netcat("r1", input)
            .avro_sink("k1", output, 100);
        let first = wrap.sink(first, &stores, trust_all);
        let _sender = sender.start(&scratch, &format!("sender-{round}"), &first, input);
        let lines = Lines::new("n", 1_000).from(round * 1_000);
        Feed::send(input, lines, PATIENCE).assert_all_acknowledged();
        let sent = (round + 1) * 1_000;
        let tally = landing::await_count(&[&landed], "n", sent, PATIENCE);
        tally.assert_exact(&format!("wrapped; any certificate trusted: {trust_all}"));
    }
}

/// With the places filled in every way that has a real Flume in it.
macro_rules! scenarios {
    ($module:ident, $release:expr, $wrap:expr) => {
        mod $module {
            use super::*;

            #[test]
            fn real_to_real() {
                let stage = require!(Stage::enter($release, 2));
                chain(Kind::Real(&stage), Kind::Real(&stage), $wrap);
            }

            #[test]
            fn real_to_ours() {
                let stage = require!(Stage::enter($release, 1));
                chain(Kind::Real(&stage), Kind::Ours, $wrap);
            }

            #[test]
            fn ours_to_real() {
                let stage = require!(Stage::enter($release, 1));
                chain(Kind::Ours, Kind::Real(&stage), $wrap);
            }
        }
    };
}

scenarios!(pkcs12_1_8, Release::V1_8, PKCS12);
scenarios!(jks_1_8, Release::V1_8, JKS);
scenarios!(deflate_1_8, Release::V1_8, DEFLATE);
scenarios!(both_1_8, Release::V1_8, BOTH);
scenarios!(pkcs12_1_11, Release::V1_11, PKCS12);
scenarios!(deflate_1_11, Release::V1_11, DEFLATE);
