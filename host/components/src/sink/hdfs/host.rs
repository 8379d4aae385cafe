//! The names of this machine, for `%[localhost]`, `%[IP]` and `%[FQDN]`. Blocks during the
//! look-up.

use std::net::{IpAddr, ToSocketAddrs};

use flume_bucket::HostNames;

/// Its names. One that cannot be found is the machine's own name for itself, and the log says so.
pub(super) fn names() -> HostNames {
    let name = hostname::get()
        .ok()
        .and_then(|name| name.into_string().ok());
    let name = name.unwrap_or_else(|| "localhost".to_owned());
    let found = (name.as_str(), 0).to_socket_addrs();
    let addresses: Vec<IpAddr> = found
        .map(|all| all.map(|a| a.ip()).collect())
        .unwrap_or_default();
    // Of several the first of version 4, as Java prefers.
    let address = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first());
    let Some(address) = address else {
        tracing::warn!(
            name,
            "the address of this machine cannot be found: paths have its name"
        );
        return HostNames {
            address: name.clone(),
            full_name: name.clone(),
            name,
        };
    };
    let full_name = dns_lookup::lookup_addr(address).unwrap_or_else(|error| {
        tracing::warn!(%address, %error, "the full name of this machine cannot be found: paths \
            have its short one");
        name.clone()
    });
    HostNames {
        address: address.to_string(),
        full_name,
        name,
    }
}
