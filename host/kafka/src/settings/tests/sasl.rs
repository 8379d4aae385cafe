//! SASL: the login modules of Java.

use super::*;

const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required";
const KRB5: &str = "com.sun.security.auth.module.Krb5LoginModule required";
const OAUTH: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";

fn read_sasl(mechanism: &str, more: &[(&str, &str)]) -> Read {
    let protocol = ("security.protocol", "SASL_PLAINTEXT");
    let mut keys = vec![protocol, ("sasl.mechanism", mechanism)];
    keys.extend(more);
    let is_here = match mechanism {
        "PLAIN" => true,
        "GSSAPI" => Built::HERE.kerberos,
        _ => Built::HERE.tls,
    };
    let read = read_for(ALL, Producer, &keys, &[], &[]);
    // Kerberos would look for a ticket.
    let is_here = is_here && mechanism != "GSSAPI";
    if let Some(settings) = read.settings.as_ref().filter(|_| is_here) {
        let resolved = settings.resolve(&Stores).unwrap();
        real(Producer, &resolved).unwrap_or_else(|error| panic!("{keys:?}: {error}"));
    }
    read
}

fn jaas(mechanism: &str, module: &str, options: &str) -> Read {
    let config = format!("{module} {options};");
    read_sasl(mechanism, &[("sasl.jaas.config", &config)])
}

#[test]
fn names_and_passwords_are_those_of_the_module() {
    for (mechanism, module) in [
        ("PLAIN", PLAIN),
        ("SCRAM-SHA-256", SCRAM),
        ("scram-sha-512", SCRAM),
    ] {
        let read = jaas(mechanism, module, r#"username="me" password="p;\"w 'q""#);
        assert_eq!(read.found, [], "{mechanism}");
        assert_eq!(
            read.get("sasl.mechanism"),
            Some(mechanism.to_uppercase().as_str())
        );
        assert_eq!(read.get("security.protocol"), Some("sasl_plaintext"));
        assert_eq!(read.get("sasl.username"), Some("me"));
        assert_eq!(read.get("sasl.password"), Some("p;\"w 'q"));
        assert_eq!(read.get("sasl.jaas.config"), None);
    }
    let own = [("sasl.username", "me"), ("sasl.password", "secret")];
    let read = read_sasl("PLAIN", &own);
    assert_eq!(
        (read.get("sasl.password"), read.found.len()),
        (Some("secret"), 0)
    );
}

#[test]
fn what_a_login_lacks_is_told() {
    for (mechanism, module, options, code) in [
        (
            "PLAIN",
            SCRAM,
            r#"username="u" password="hunter2""#,
            Code::Unsupported,
        ),
        ("PLAIN", PLAIN, r#"username="u""#, Code::MissingKey),
        ("PLAIN", PLAIN, r#"password="hunter2""#, Code::MissingKey),
        (
            "PLAIN",
            PLAIN,
            r#"username="u" password="hunter2"#,
            Code::BadValue,
        ),
        (
            "SCRAM-SHA-256",
            SCRAM,
            r#"username="u" password="hunter2" tokenauth=true"#,
            Code::Unsupported,
        ),
        (
            "OAUTHBEARER",
            OAUTH,
            r#"clientId="c" clientSecret="hunter2""#,
            Code::Unsupported,
        ),
        ("OAUTHBEARER", OAUTH, "", Code::MissingKey),
        (
            "OAUTHBEARER",
            OAUTH,
            r#"unsecuredLoginStringClaim_sub="a b""#,
            Code::Unsupported,
        ),
        ("GSSAPI", KRB5, "useKeyTab=true", Code::MissingKey),
        (
            "GSSAPI",
            KRB5,
            r#"useKeyTab=true keyTab="/k""#,
            Code::MissingKey,
        ),
        ("GSSAPI", KRB5, "", Code::MissingKey),
        ("GSSAPI", PLAIN, "", Code::Unsupported),
    ] {
        let read = jaas(mechanism, module, options);
        assert_eq!(
            read.codes(),
            [(code, Severity::Error)],
            "{mechanism} {options}"
        );
        let text = format!("{:?}", read.found);
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn without_a_login_the_key_for_it_is_told() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "GSSAPI", "OAUTHBEARER"] {
        let read = read_sasl(mechanism, &[]);
        assert_eq!(read.only().code, Code::MissingKey);
        let message = &read.only().message;
        assert!(message.contains("sasl.jaas.config"), "{message}");
        assert!(message.contains("JAAS file"), "{message}");
    }
    let read = read_sasl("AWS_MSK_IAM", &[]);
    assert_eq!(read.only().code, Code::BadValue);
    // Java's default.
    let protocol = [("security.protocol", "SASL_PLAINTEXT")];
    let read = read_for(NONE, Producer, &protocol, &[], &[]);
    assert!(read.only().message.contains("GSSAPI"), "{:?}", read.found);
}

#[test]
fn what_this_program_is_built_without_is_told_with_the_command() {
    for (mechanism, feature) in [
        ("GSSAPI", "kafka-kerberos"),
        ("SCRAM-SHA-256", "kafka-tls"),
        ("OAUTHBEARER", "kafka-tls"),
    ] {
        let keys = [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", mechanism),
        ];
        let read = read_for(NONE, Consumer, &keys, &[], &[]);
        assert_eq!(read.only().code, Code::Unsupported);
        let help = read.only().help.as_ref().unwrap();
        assert!(help.ends_with(&format!("--features {feature}`")), "{help}");
    }
}

#[test]
fn kerberos_has_a_key_table_or_a_ticket() {
    let options =
        r#"useKeyTab=true storeKey=true keyTab="FILE:/etc/k" principal="me/h@R" serviceName="bus""#;
    let read = jaas("GSSAPI", KRB5, options);
    assert_eq!(read.found, []);
    for (key, text) in [
        ("sasl.kerberos.keytab", Some("/etc/k")),
        ("sasl.kerberos.principal", Some("me/h@R")),
        ("sasl.kerberos.service.name", Some("bus")),
        ("sasl.kerberos.kinit.cmd", None),
        ("sasl.kerberos.min.time.before.relogin", None),
    ] {
        assert_eq!(read.get(key), text, "{key}");
    }
    let settings = read.settings.as_ref().unwrap();
    let file = ("a1.x.y.kafka.producer.sasl.jaas.config", "/etc/k");
    assert_eq!(settings.files().collect::<Vec<_>>(), [file]);
    let read = jaas("GSSAPI", KRB5, "useTicketCache=true");
    assert_eq!(read.get("sasl.kerberos.min.time.before.relogin"), Some("0"));
    let other = [
        ("sasl.jaas.config", format!("{KRB5} {options};")),
        ("sasl.kerberos.service.name", "kafka".to_owned()),
    ];
    let other: Vec<_> = other
        .iter()
        .map(|(key, text)| (*key, text.as_str()))
        .collect();
    assert_eq!(read_sasl("GSSAPI", &other).only().code, Code::DuplicateKey);
}

#[test]
fn javas_kinit_is_a_program_and_the_librarys_a_command() {
    let own = [
        ("sasl.kerberos.principal", "me@R"),
        ("sasl.kerberos.keytab", "/etc/k"),
    ];
    for (given, becomes) in [
        (
            "/usr/bin/kinit",
            "/usr/bin/kinit -k -t \"%{sasl.kerberos.keytab}\" %{sasl.kerberos.principal}",
        ),
        ("kinit -k me@R", "kinit -k me@R"),
    ] {
        let keys = [own[0], own[1], ("sasl.kerberos.kinit.cmd", given)];
        let read = read_sasl("GSSAPI", &keys);
        assert_eq!(read.get("sasl.kerberos.kinit.cmd"), Some(becomes));
        assert_eq!(read.found, []);
    }
}

#[test]
fn a_token_that_nobody_signs_is_for_tests() {
    let read = jaas(
        "OAUTHBEARER",
        OAUTH,
        r#"unsecuredLoginStringClaim_sub="alice" unsecuredLoginListClaim_scope="|a|b"
           unsecuredLoginLifetimeSeconds="60" unsecuredLoginExtension_trace="7""#,
    );
    assert_eq!(read.found, []);
    assert_eq!(
        read.get("sasl.oauthbearer.config"),
        Some(
            "principal=alice principalClaimName=sub scopeClaimName=scope scope=a,b lifeSeconds=60 \
             extension_trace=7"
        )
    );
    assert_eq!(
        read.get("enable.sasl.oauthbearer.unsecure.jwt"),
        Some("true")
    );
}

#[test]
fn settings_of_another_mechanism_change_nothing() {
    let config = format!("{PLAIN} username=u password=secret;");
    let keys = [
        ("sasl.jaas.config", config.as_str()),
        ("sasl.kerberos.service.name", "kafka"),
        ("sasl.oauthbearer.token.endpoint.url", "https://x"),
        ("sasl.login.refresh.window.factor", "0.8"),
    ];
    let read = read_sasl("PLAIN", &keys);
    assert_eq!(read.codes(), [(Code::NoEffect, Severity::Note); 3]);
    let mixed = [
        ("sasl.jaas.config", config.as_str()),
        ("sasl.username", "other"),
    ];
    assert_eq!(read_sasl("PLAIN", &mixed).only().code, Code::DuplicateKey);
}
