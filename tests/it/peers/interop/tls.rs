//! Goal: TLS and deflate, alone and together, compatible with Flume's avro source and sink. Method:
//! keys made by keytool; a chain of two agents, real to ours and ours to real, and real to real to
//! check that the setup itself works; 1,000 lines counted one by one. When both are on, Flume up to
//! 1.9 compresses inside TLS, and later releases outside it. So with 1.11 each is tried alone.

use std::time::Duration;

use flume_tests::{
    AgentFile, Feed, KeyStores, Kind, Landing, Lines, Release, Scratch, Stage, landing, ports,
    require,
};

const PATIENCE: Duration = Duration::from_secs(300);

/// The wrapping of the connection.
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

impl Wrap {
    fn source(self, mut file: AgentFile, stores: Option<&KeyStores>) -> AgentFile {
        if let (Some(kind), Some(stores)) = (self.tls, stores) {
            file = file
                .set("sources.r1.ssl", true)
                .set("sources.r1.keystore", stores.key.display())
                .set("sources.r1.keystore-password", KeyStores::PASSWORD)
                .set("sources.r1.keystore-type", kind);
        }
        if self.deflate {
            file = file.set("sources.r1.compression-type", "deflate");
        }
        file
    }

    fn sink(self, mut file: AgentFile, stores: Option<&KeyStores>, trust_all: bool) -> AgentFile {
        if let (Some(kind), Some(stores)) = (self.tls, stores) {
            file = file.set("sinks.k1.ssl", true);
            file = match trust_all {
                true => file.set("sinks.k1.trust-all-certs", true),
                false => file
                    .set("sinks.k1.truststore", stores.trust.display())
                    .set("sinks.k1.truststore-password", KeyStores::PASSWORD)
                    .set("sinks.k1.truststore-type", kind),
            };
        }
        if self.deflate {
            file = file.set("sinks.k1.compression-type", "deflate");
        }
        file
    }
}

/// A sender and a collector with the same wrapping: first with a trust store, then without.
fn chain(sender: Kind<'_>, collector: Kind<'_>, wrap: Wrap) {
    let scratch = Scratch::new();
    let stores = match wrap.tls {
        Some(kind) => Some(require!(KeyStores::resolve(kind))),
        None => None,
    };
    let stores = stores.as_ref();
    let output = ports::free();
    let folder = scratch.folder("landed");
    let last = AgentFile::new("a2")
        .memory("c1", 10_000, 1_000)
        .avro_source("r1", output)
        .file_roll("k1", &folder, 1_000);
    let last = wrap.source(last, stores);
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
        let first = wrap.sink(first, stores, trust_all);
        let _sender = sender.start(&scratch, &format!("sender-{round}"), &first, input);
        let lines = Lines::new("n", 1_000).from(round * 1_000);
        Feed::send(input, lines, PATIENCE).assert_all_acknowledged();
        let sent = (round + 1) * 1_000;
        let tally = landing::await_count(&[&landed], "n", sent, PATIENCE);
        tally.assert_exact(&format!("wrapped; any certificate trusted: {trust_all}"));
    }
}

/// In all orders that include a real Flume.
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
