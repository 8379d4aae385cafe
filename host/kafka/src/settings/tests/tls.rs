//! TLS: stores, PEM and host names.

use super::*;

const SSL: (&str, &str) = ("security.protocol", "SSL");

fn read_tls(keys: &[(&str, &str)]) -> Read {
    let keys: Vec<(&str, &str)> = std::iter::once(SSL).chain(keys.iter().copied()).collect();
    let read = read_for(ALL, Producer, &keys, &[], &[]);
    if let Some(settings) = read.settings.as_ref().filter(|_| Built::HERE.tls) {
        let resolved = settings.resolve(&Stores).unwrap();
        real(Producer, &resolved).unwrap_or_else(|error| panic!("{keys:?}: {error}"));
    }
    read
}

fn resolved(read: &Read) -> Resolved {
    read.settings.as_ref().unwrap().resolve(&Stores).unwrap()
}

#[test]
fn stores_of_java_are_opened_when_a_client_is_made() {
    let read = read_tls(&[
        ("ssl.truststore.location", "/t.jks"),
        ("ssl.truststore.password", "right"),
        ("ssl.keystore.location", "/k.p12"),
        ("ssl.keystore.password", "right"),
        ("ssl.keystore.type", "pkcs12"),
        ("ssl.key.password", "right"),
    ]);
    assert_eq!(read.found, []);
    let opened = resolved(&read);
    for (key, text) in [
        ("security.protocol", Some("ssl")),
        ("ssl.ca.pem", Some(CERTIFICATE)),
        ("ssl.certificate.pem", Some(CERTIFICATE)),
        ("ssl.key.pem", Some(KEY)),
        ("ssl.key.password", None),
        ("ssl.keystore.location", None),
        ("ssl.keystore.password", None),
    ] {
        assert_eq!(opened.get(key), text, "{key}");
    }
    let settings = read.settings.unwrap();
    assert!(settings.look(&Stores).is_none());
    let files: Vec<_> = settings.files().collect();
    let key = |end: &str| format!("a1.x.y.kafka.producer.ssl.{end}.location");
    let (trust, own) = (key("truststore"), key("keystore"));
    assert_eq!(
        files,
        [(trust.as_str(), "/t.jks"), (own.as_str(), "/k.p12")]
    );
}

#[test]
fn a_store_that_stays_closed_is_an_error_without_its_password() {
    for keys in [
        [
            ("ssl.truststore.location", "/t"),
            ("ssl.truststore.password", "wrong!"),
        ],
        [
            ("ssl.keystore.location", "/t"),
            ("ssl.keystore.password", "wrong!"),
        ],
    ] {
        let read = read_for(ALL, Producer, &[SSL, keys[0], keys[1]], &[], &[]);
        let settings = read.settings.unwrap();
        let error = settings.resolve(&Stores).unwrap_err();
        let (key, looked) = settings.look(&Stores).unwrap();
        assert_eq!(key, format!("a1.x.y.kafka.producer.{}", keys[0].0));
        assert_eq!(looked.to_string(), error.to_string());
        assert!(!format!("{error} {error:?}").contains("wrong!"), "{error}");
    }
}

#[test]
fn pem_is_the_librarys_to_read() {
    let one_line = CERTIFICATE.replace('\n', " ");
    let read = read_tls(&[
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.certificates", &one_line),
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.key", ENCRYPTED_KEY),
        ("ssl.keystore.certificate.chain", CERTIFICATE),
        ("ssl.key.password", "keypass"),
    ]);
    assert_eq!(read.get("ssl.ca.pem"), Some(CERTIFICATE));
    assert_eq!(read.get("ssl.key.pem"), Some(ENCRYPTED_KEY));
    assert_eq!(read.get("ssl.certificate.pem"), Some(CERTIFICATE));
    assert_eq!(read.get("ssl.key.password"), Some("keypass"));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/settings/tests/pem/");
    let [trust, key] = ["certificate.pem", "key.pem"].map(|name| format!("{folder}{name}"));
    let read = read_tls(&[
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.location", &trust),
        ("ssl.truststore.password", "none is needed"),
        ("ssl.certificate.location", &trust),
        ("ssl.key.location", &key),
    ]);
    assert_eq!(read.get("ssl.ca.location"), Some(trust.as_str()));
    assert_eq!(read.codes(), [(Code::NoEffect, Severity::Note)]);
    let files: Vec<_> = read.settings.as_ref().unwrap().files().collect();
    assert_eq!(files.len(), 3, "{files:?}");
    let both = [
        ("ssl.keystore.type", "pem"),
        ("ssl.keystore.location", "/k.pem"),
        ("ssl.key.password", "keypass"),
    ];
    let read = read_for(ALL, Producer, &[&[SSL][..], &both].concat(), &[], &[]);
    assert_eq!(read.get("ssl.key.location"), Some("/k.pem"));
    assert_eq!(read.get("ssl.certificate.location"), Some("/k.pem"));
    assert_eq!(read.settings.unwrap().files().count(), 1);
}

#[test]
fn what_is_incomplete_or_twice_is_an_error() {
    for (keys, code) in [
        (&[("ssl.keystore.location", "/k")][..], Code::MissingKey),
        (
            &[("ssl.truststore.certificates", CERTIFICATE)],
            Code::MissingKey,
        ),
        (&[("ssl.truststore.type", "BCFKS")], Code::Unsupported),
        (
            &[("ssl.cipher.suites", "TLS_RSA_WITH_AES_128_CBC_SHA")],
            Code::Unsupported,
        ),
        (&[("ssl.engine.factory.class", "a.B")], Code::Unsupported),
        (
            &[("ssl.endpoint.identification.algorithm", "LDAPS")],
            Code::BadValue,
        ),
        (
            &[("ssl.keystore.type", "PEM"), ("ssl.keystore.key", KEY)],
            Code::MissingKey,
        ),
        (
            &[
                ("ssl.keystore.type", "PEM"),
                ("ssl.keystore.certificate.chain", CERTIFICATE),
            ],
            Code::MissingKey,
        ),
        (
            &[
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.certificates", "MIIB"),
            ],
            Code::BadValue,
        ),
        (
            &[
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.certificates", CERTIFICATE),
                ("ssl.truststore.location", "/t.pem"),
            ],
            Code::DuplicateKey,
        ),
    ] {
        let read = read_tls(keys);
        assert_eq!(read.codes(), [(code, Severity::Error)], "{:?}", read.found);
    }
}

#[test]
fn host_names_are_checked_unless_the_file_says_no() {
    let algorithm = "ssl.endpoint.identification.algorithm";
    let off = "ssl.disableTLSHostnameVerification";
    for (keys, becomes) in [
        (&[][..], None),
        (&[(algorithm, "")], Some("none")),
        (&[(algorithm, "none")], Some("none")),
        (&[(algorithm, "HTTPS")], Some("https")),
        (&[(off, "true")], Some("none")),
        (&[(off, "false")], None),
        (&[(off, "TRUE"), (algorithm, "https")], Some("none")),
    ] {
        assert_eq!(read_tls(keys).get(algorithm), becomes, "{keys:?}");
    }
}

#[test]
fn without_openssl_the_command_that_builds_with_it_is_told() {
    for (kind, protocol) in [(Producer, "SSL"), (Consumer, "SASL_SSL")] {
        let keys = [
            ("security.protocol", protocol),
            ("ssl.truststore.location", "/t"),
        ];
        let read = read_for(NONE, kind, &keys, &[], &[]);
        let found = read.found.first().unwrap();
        assert_eq!(found.code, Code::Unsupported);
        let help = found.help.as_ref().unwrap();
        let command = "cargo build --profile dist -p flume-agent --features kafka-tls";
        assert!(help.contains(command), "{help}");
    }
}

#[test]
fn without_tls_its_keys_change_nothing() {
    let keys = [("ssl.keystore.location", "/k"), ("ssl.ca.location", "/c")];
    let read = read_for(NONE, Producer, &keys, &[], &[]);
    assert_eq!(read.codes(), [(Code::NoEffect, Severity::Note); 2]);
    let settings = read.settings.unwrap();
    assert_eq!(settings.files().count(), 0);
    assert_eq!(real(Producer, &settings.resolve(&Stores).unwrap()), Ok(()));
}
