//! Where the first brokers are: `kafka.bootstrap.servers`, or the old `brokerList`.

use flume_core::{Code, Context, Diagnostic, Severity};

const KEY: &str = "kafka.bootstrap.servers";
const OLD: &str = "brokerList";
const ZOOKEEPER: &str = "zookeeperConnect";

/// The servers, separated by commas. `None` leaves a finding. A channel reads them twice, for its
/// two clients: what is found is said once.
pub(super) fn read(context: &mut Context) -> Option<String> {
    let mut asked = context.questions().iter();
    if asked.any(|question| question.key == KEY) {
        return servers(&mut context.clone());
    }
    servers(context)
}

fn servers(context: &mut Context) -> Option<String> {
    context.require(KEY);
    let (given, old) = (context.value(KEY), context.value(OLD));
    let zookeeper = context.value(ZOOKEEPER);
    if let (None, Some(_)) = (&given, &old) {
        let message = format!("`{}.{OLD}` is the old name of `{KEY}`", context.path());
        note(context, OLD, message, "write the new name");
    }
    if given.is_some() {
        context.without_effect(OLD, "`kafka.bootstrap.servers` says it");
        context.without_effect(
            ZOOKEEPER,
            "`kafka.bootstrap.servers` says where the brokers are",
        );
    }
    let key = if given.is_some() { KEY } else { OLD };
    match (given.or(old), zookeeper) {
        (Some(value), _) => checked(context, key, &value.text),
        (None, Some(_)) => {
            let message = format!(
                "`{}.{ZOOKEEPER}` cannot say where the brokers are: ZooKeeper is not asked, and \
                 Kafka 4 has none; Bootstrap Servers must be specified",
                context.path()
            );
            let help = format!(
                "write `{}.{KEY} = host:port,host:port` instead",
                context.path()
            );
            context.error(ZOOKEEPER, Code::Unsupported, message, &help);
            None
        }
        (None, None) => {
            let message = format!(
                "`{}` needs the key `{KEY}`: Bootstrap Servers must be specified",
                context.path()
            );
            let help = format!("add `{}.{KEY} = host:port,host:port`", context.path());
            context.error(KEY, Code::MissingKey, message, &help);
            None
        }
    }
}

fn note(context: &mut Context, key: &str, message: String, help: &str) {
    let mut found = Diagnostic::new(Code::NoEffect, message).help(help);
    found.severity = Severity::Note;
    found.span = context.value(key).map(|value| value.key_span);
    context.push(found);
}

fn checked(context: &mut Context, key: &str, text: &str) -> Option<String> {
    let all = text
        .split(',')
        .map(str::trim)
        .filter(|server| !server.is_empty());
    let mut servers = Vec::new();
    for server in all {
        // Java reads the address of a listener, `SSL://host:port`, too, and skips the scheme.
        let address = server
            .split_once("://")
            .map_or(server, |(_, address)| address);
        if !is_address(address) {
            let message = format!(
                "`{}.{key}` has a server that is not `host:port`: `{server}`",
                context.path()
            );
            let help = "give `host:port,host:port`; the port of Kafka is usually 9092";
            context.error(key, Code::BadValue, message, help);
            return None;
        }
        servers.push(address);
    }
    if servers.is_empty() {
        let message = format!(
            "`{}.{key}` names no server: Bootstrap Servers must be specified",
            context.path()
        );
        context.error(key, Code::BadValue, message, "give `host:port,host:port`");
        return None;
    }
    Some(servers.join(","))
}

/// A name or an address with a port; one with colons has brackets.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_');
    let is_host = match inner {
        Some(inner) => inner
            .chars()
            .all(|char| is_name(char) || matches!(char, ':' | '%')),
        None => host.chars().all(is_name),
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = is_port && port.parse::<u16>().is_ok_and(|port| port > 0);
    is_port && is_host && !inner.unwrap_or(host).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(keys: &[(&str, &str)]) -> (Option<String>, Vec<Diagnostic>) {
        let mut context = Context::of("a1.sinks.k1", keys);
        let servers = read(&mut context);
        assert_eq!(read(&mut context), servers, "{keys:?}");
        (servers, context.finish())
    }

    #[test]
    fn servers_are_hosts_with_ports() {
        for (given, read) in [
            ("h:9092", Some("h:9092")),
            ("a.b-c:1, d_e:65535,", Some("a.b-c:1,d_e:65535")),
            (
                "[::1]:9092,[fe80::1%eth0]:9092",
                Some("[::1]:9092,[fe80::1%eth0]:9092"),
            ),
            ("SASL_SSL://h:9093", Some("h:9093")),
            ("h", None),
            ("h:0", None),
            ("h:65536", None),
            ("h:+1", None),
            (":9092", None),
            ("[]:9092", None),
            ("::1:9092", None),
            ("h:1;i:2", None),
            ("h 1:2", None),
            (",", None),
        ] {
            let (servers, found) = read_of(&[(KEY, given)]);
            assert_eq!(servers.as_deref(), read, "{given}");
            assert_eq!(
                found.len(),
                usize::from(read.is_none()),
                "{given}: {found:?}"
            );
        }
    }

    #[test]
    fn the_old_name_is_read_and_noted() {
        let (servers, found) = read_of(&[(OLD, "h:1")]);
        assert_eq!(servers.as_deref(), Some("h:1"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].severity, Severity::Note);
        let (servers, found) = read_of(&[(OLD, "h:1"), (KEY, "i:2"), (ZOOKEEPER, "z:3")]);
        assert_eq!(servers.as_deref(), Some("i:2"));
        assert!(
            found.iter().all(|found| found.code == Code::NoEffect),
            "{found:?}"
        );
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn without_servers_flumes_words_are_said_once() {
        for (keys, code) in [
            (&[][..], Code::MissingKey),
            (&[(ZOOKEEPER, "z:2181")][..], Code::Unsupported),
            (&[(KEY, " , ")][..], Code::BadValue),
        ] {
            let (servers, found) = read_of(keys);
            assert_eq!((servers, found.len()), (None, 1), "{found:?}");
            assert_eq!(found[0].code, code);
            let message = &found[0].message;
            assert!(
                message.contains("Bootstrap Servers must be specified"),
                "{message}"
            );
        }
    }
}
