//! The host interceptor: which machine an event came through.
//!
//! The address is looked up once, at the first event, so that a check of a file needs no resolver.
//! If it cannot be found the header is not set, as in Flume, and the log says so.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::OnceLock;

use bytestring::ByteString;
use flume_core::{Batch, Context, Interceptor, InterceptorError, Recipe};

use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "host",
    "org.apache.flume.interceptor.HostInterceptor$Builder",
];

/// Sets one header to the address or the name of this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct HostInterceptor {
    name: String,
    header: ByteString,
    preserve: bool,
    use_ip: bool,
    host: OnceLock<Option<ByteString>>,
}

/// Reads `preserveExisting` (false), `useIP` (true; else the machine's own name for itself) and
/// `hostHeader` (`host`).
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Interceptor>> {
    let interceptor = HostInterceptor {
        name: context.name().to_owned(),
        header: context.string("hostHeader", "host").into(),
        preserve: context.flag("preserveExisting", false),
        use_ip: context.flag("useIP", true),
        host: OnceLock::new(),
    };
    Some(Recipe::<dyn Interceptor>::new(interceptor, |interceptor| {
        Box::new(interceptor.clone())
    }))
}

impl Interceptor for HostInterceptor {
    fn name(&self) -> &str {
        &self.name
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        let look_up = || {
            if self.use_ip {
                own_address()
            } else {
                own_name()
            }
        };
        let host = self.host.get_or_init(|| {
            let host = look_up();
            if host.is_none() {
                tracing::warn!(
                    interceptor = self.name,
                    "cannot find out this machine's host name \
                     or address, its header will not be set"
                );
            }
            host.map(ByteString::from)
        });
        if let Some(host) = host {
            super::set_header(batch, &self.header, host, self.preserve);
        }
        Ok(())
    }
}

fn own_name() -> Option<String> {
    hostname::get().ok()?.into_string().ok()
}

/// The address of this machine's name; of several the first of version 4, as Java prefers.
fn own_address() -> Option<String> {
    let addresses: Vec<IpAddr> = (own_name()?.as_str(), 0)
        .to_socket_addrs()
        .ok()?
        .map(|address| address.ip())
        .collect();
    let address = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first())?;
    Some(address.to_string())
}

#[cfg(test)]
mod tests {
    use flume_core::Event;

    use super::*;
    use crate::interceptor::tests::{header, intercept};

    /// Flume: TestHostInterceptor.testBasic, testCustomHeader, testPreserve, testClobber,
    /// testUseIP, testUseHostname (I2).
    #[test]
    fn the_host_is_set() {
        let (name, address) = (own_name().unwrap(), own_address().unwrap());
        assert!(address.parse::<IpAddr>().is_ok());
        let old = || Event::new("x").with_header("host", "old");
        for (keys, event, header_name, value) in [
            (&[][..], Event::new("x"), "host", address.as_str()),
            (&[("hostHeader", "h")], Event::new("x"), "h", &address),
            (&[("preserveExisting", "true")], old(), "host", "old"),
            (&[("preserveExisting", "false")], old(), "host", &address),
            (&[("useIP", "true")], Event::new("x"), "host", &address),
            (&[("useIP", "false")], Event::new("x"), "host", &name),
        ] {
            let event = intercept("host", keys, event).unwrap();
            assert_eq!(header(&event, header_name), Some(value), "{keys:?}");
        }
    }
}
