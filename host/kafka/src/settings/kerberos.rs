//! Kerberos: what `Krb5LoginModule` is told, for the library's `kinit`.

use flume_core::Code;

use super::jaas::Login;
use super::reading::{Reading, Said};

const SERVICE: &str = "sasl.kerberos.service.name";
const COMMAND: &str = "sasl.kerberos.kinit.cmd";

/// Logs in with a key table, or with the ticket that is there.
pub(super) fn log_in(reading: &mut Reading, config: &Said, login: &Login) {
    let option = |name: &str| login.options.get(name).map(String::as_str);
    let is_set = |name: &str| option(name).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    service(reading, config, option("serviceName"));
    if let Some(principal) = option("principal") {
        reading.tell("sasl.kerberos.principal", &config.part(principal));
    }
    if !is_set("useKeyTab") {
        if !is_set("useTicketCache") {
            let message = format!("`{}` names no key table", reading.name(config));
            let help =
                "write `useKeyTab=true keyTab=\"…\" principal=\"…\"`, or `useTicketCache=true`";
            return reading.error(config, Code::MissingKey, message, help);
        }
        // Whoever has made the ticket renews it: `kinit` is not called.
        return reading.tell("sasl.kerberos.min.time.before.relogin", &config.part("0"));
    }
    let (Some(keytab), Some(_)) = (option("keyTab"), option("principal")) else {
        let message = format!(
            "`{}` has no option `keyTab` or no `principal`",
            reading.name(config)
        );
        let help = "write `keyTab=\"…\" principal=\"…\"` in it";
        return reading.error(config, Code::MissingKey, message, help);
    };
    let path = keytab
        .strip_prefix("FILE:")
        .or(keytab.strip_prefix("file:"));
    reading.tell("sasl.kerberos.keytab", &config.part(path.unwrap_or(keytab)));
    command(reading);
}

fn service(reading: &mut Reading, config: &Said, option: Option<&str>) {
    let said = reading.said(SERVICE).cloned();
    if let Some(said) = &said {
        reading.tell(SERVICE, said);
    }
    if let Some(name) = option {
        reading.tell(SERVICE, &config.part(name));
    }
}

/// With the library's own settings.
pub(super) fn without_login(reading: &mut Reading) {
    if let Some(said) = reading.said(SERVICE).cloned() {
        reading.tell(SERVICE, &said);
    }
    command(reading);
}

/// Java names the program here, the library has a command of a shell.
fn command(reading: &mut Reading) {
    let Some(said) = reading.said(COMMAND).cloned() else {
        return;
    };
    let is_command = said.text.contains("%{") || said.text.contains(char::is_whitespace);
    let text = match is_command {
        true => said.text.clone(),
        false => format!(
            "{} -k -t \"%{{sasl.kerberos.keytab}}\" %{{sasl.kerberos.principal}}",
            said.text
        ),
    };
    reading.tell(COMMAND, &Said { text, ..said });
}
