//! SASL: as whom a client logs in. Java's `sasl.jaas.config` becomes the library's settings.

use flume_core::Code;

use super::jaas::{self, Login};
use super::reading::{Part, Rank, Reading, Said};
use super::{kerberos, oauth, tls};

const JAAS: &str = "sasl.jaas.config";

/// What builds a program that has Kerberos.
const BUILD: &str = "cargo build --profile dist -p flume-agent --features kafka-kerberos";

/// Reads everything about SASL.
pub(super) fn read(reading: &mut Reading) {
    let names = reading.names_of(Part::Sasl);
    let protocol = reading.told("security.protocol").cloned();
    let Some(protocol) = protocol.filter(|protocol| protocol.text.starts_with("sasl")) else {
        for name in names {
            without_effect(reading, &name, "`security.protocol` is without SASL");
        }
        return;
    };
    reading.translate(&["sasl.mechanism".to_owned()]);
    let said = reading.said("sasl.mechanism").cloned();
    let mechanism = match (&said, reading.told("sasl.mechanism")) {
        (_, Some(told)) => told.text.clone(),
        // Java's default, and the library's.
        (None, None) => "GSSAPI".to_owned(),
        // It has left a finding.
        (Some(_), None) => return,
    };
    if !is_built(reading, &said.unwrap_or(protocol), &mechanism) {
        return;
    }
    let (ours, others): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| is_of(name, &mechanism));
    for name in others {
        without_effect(reading, &name, &format!("`sasl.mechanism` is {mechanism}"));
    }
    let ours: Vec<_> = ours
        .into_iter()
        .filter(|name| name != "sasl.mechanism")
        .collect();
    reading.translate(&ours);
    let Some(config) = reading.said(JAAS).cloned() else {
        if mechanism == "GSSAPI" {
            kerberos::without_login(reading);
        }
        return without_login(reading, &mechanism);
    };
    match jaas::parse(&config.text) {
        Ok(login) => log_in(reading, &config, &mechanism, &login),
        Err(error) => {
            let message = format!("`{}` cannot be read: {error}", reading.name(&config));
            let help = "write `MODULE required name=\"value\" …;`";
            reading.error(&config, Code::BadValue, message, help);
        }
    }
}

/// Which settings a mechanism reads.
fn is_of(name: &str, mechanism: &str) -> bool {
    let is_for = |start: &str| name.starts_with(start);
    if is_for("sasl.kerberos.") {
        mechanism == "GSSAPI"
    } else if is_for("sasl.oauthbearer.") || is_for("enable.sasl.oauthbearer.") {
        mechanism == "OAUTHBEARER"
    } else if ["sasl.username", "sasl.password"].contains(&name) {
        mechanism == "PLAIN" || mechanism.starts_with("SCRAM")
    } else {
        true
    }
}

fn is_built(reading: &mut Reading, said: &Said, mechanism: &str) -> bool {
    let (is_there, what, build) = match mechanism {
        "PLAIN" => return true,
        "GSSAPI" => (reading.built.kerberos, "Kerberos", BUILD),
        // Their digests and tokens come from OpenSSL.
        _ => (reading.built.tls, "OpenSSL", tls::BUILD),
    };
    if !is_there {
        let message = format!(
            "`{}` means {mechanism}, which needs {what}, and this program is built without",
            reading.name(said)
        );
        let help = format!("build it with `{build}`");
        reading.error(said, Code::Unsupported, message, &help);
    }
    is_there
}

fn log_in(reading: &mut Reading, config: &Said, mechanism: &str, login: &Login) {
    let needed = match mechanism {
        "PLAIN" => "PlainLoginModule",
        "GSSAPI" => "Krb5LoginModule",
        "OAUTHBEARER" => "OAuthBearerLoginModule",
        _ => "ScramLoginModule",
    };
    if login.class != needed {
        let message = format!(
            "`{}` has another login module than {mechanism} needs",
            reading.name(config)
        );
        let help = format!("{mechanism} needs `{needed}`");
        return reading.error(config, Code::Unsupported, message, &help);
    }
    match mechanism {
        "GSSAPI" => kerberos::log_in(reading, config, login),
        "OAUTHBEARER" => oauth::log_in(reading, config, login),
        _ => password(reading, config, login),
    }
}

fn password(reading: &mut Reading, config: &Said, login: &Login) {
    let tokens = login.options.get("tokenauth");
    if tokens.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return reading.refuse(config, "delegation tokens (`tokenauth`) are not supported");
    }
    for (option, setting) in [("username", "sasl.username"), ("password", "sasl.password")] {
        match login.options.get(option) {
            Some(text) => reading.tell(setting, &config.part(text)),
            None => {
                let message = format!("`{}` has no option `{option}`", reading.name(config));
                let help = "write `username=\"…\" password=\"…\"` in it";
                reading.error(config, Code::MissingKey, message, help);
            }
        }
    }
}

/// Without `sasl.jaas.config` Java looks into a file that its command line names.
fn without_login(reading: &mut Reading, mechanism: &str) {
    let needed: &[&str] = match mechanism {
        "GSSAPI" => &["sasl.kerberos.principal", "sasl.kerberos.keytab"],
        "OAUTHBEARER" => &["sasl.oauthbearer.config"],
        _ => &["sasl.username", "sasl.password"],
    };
    if needed.iter().all(|name| reading.told(name).is_some()) {
        return;
    }
    let message = format!(
        "`{}` needs the key `{JAAS}`: a JAAS file that is given to Java is not read here",
        reading.keys.path()
    );
    let help = format!(
        "copy the module of the section `KafkaClient` of the file: `{}.{JAAS} = … required …;`",
        reading.keys.path()
    );
    let nowhere = Said {
        rank: Rank::House,
        key: JAAS.to_owned(),
        text: String::new(),
    };
    reading.error(&nowhere, Code::MissingKey, message, &help);
}

fn without_effect(reading: &mut Reading, name: &str, why: &str) {
    if let Some(said) = reading.said(name).cloned() {
        reading.without_effect(&said, why);
    }
}
