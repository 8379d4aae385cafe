//! Where a peer listens: a host and a port.

use std::fmt;

use flume_core::{Code, Context};

/// Where a peer listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Reads the name or address of one host; an IPv6 address may have brackets, as in Java. `None` leaves
/// a diagnostic.
pub fn host(context: &mut Context, key: &str) -> Option<String> {
    let text = context.required(key)?;
    if text.contains(char::is_whitespace) {
        let message = format!("`{}.{key}` is not one host: `{text}`", context.path());
        let help = "a key has one host, and a `#` behind a value begins no comment";
        context.error(key, Code::BadValue, message, help);
        return None;
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    Some(bare.unwrap_or(&text).to_owned())
}

impl Address {
    /// Reads `host:port`, as the list of hosts of an RPC client has it. `None` leaves a diagnostic.
    pub fn read(context: &mut Context, key: &str) -> Option<Self> {
        let text = context.required(key)?;
        let address = text.rsplit_once(':').and_then(|(host, port)| {
            let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
            // Without brackets it is not clear where an IPv6 address ends.
            let host = bracketed.unwrap_or(host).trim();
            let clear = bracketed.is_some() || !host.contains(':');
            let port = port.trim().parse().ok()?;
            let host = host.to_owned();
            (clear && !host.is_empty()).then_some(Self { host, port })
        });
        if address.is_none() {
            let message = format!("`{}.{key}` is not `host:port`: `{text}`", context.path());
            context.error(
                key,
                Code::BadValue,
                message,
                "for example `collector1:4141`",
            );
        }
        address
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flume listens on `[::1]`, and takes `a # note` for the name of a host that is never found.
    #[test]
    fn a_key_has_one_host() {
        let read = |text: &str| {
            host(
                &mut Context::of("a1.sinks.k1", &[("hostname", text)]),
                "hostname",
            )
        };
        for (text, expected) in [
            ("collector", Some("collector")),
            ("[::1]", Some("::1")),
            ("::1", Some("::1")),
            ("one two", None),
            ("one # primary", None),
        ] {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
    }
}
