//! Passed sockets and what is configured: after each change it is settled which of them are used.

use flume_components::net::passed::{Transport, Wanted};

use super::AdminAddress;
use crate::plan::SourcePlan;
use crate::services::Services;

/// Has clients wait at the passed sockets that something is configured for, and turns clients of the
/// others away.
pub(super) async fn settle(sources: &[SourcePlan], admin: AdminAddress, services: &Services) {
    let wanted = sources.iter().filter_map(of_source).chain(of_admin(admin));
    let wanted: Vec<Wanted> = wanted.collect();
    let components = &services.components;
    components
        .sockets
        .settle(&wanted, &components.resolver)
        .await;
}

/// What a source listens on, if it has a port.
fn of_source(source: &SourcePlan) -> Option<Wanted> {
    let keys = &source.component.keys;
    let host = keys.text("bind").unwrap_or("0.0.0.0");
    Some(Wanted {
        transport: match source.component.kind {
            "netcatudp" => Transport::Udp,
            _ => Transport::Tcp,
        },
        host: host.trim_matches(['[', ']']).to_owned(),
        port: keys.text("port")?.trim().parse().ok()?,
    })
}

fn of_admin(admin: AdminAddress) -> Option<Wanted> {
    let address = match admin {
        AdminAddress::Off => return None,
        AdminAddress::Perhaps(address)
        | AdminAddress::Required(address)
        | AdminAddress::Flumes(address) => address,
    };
    Some(Wanted {
        transport: Transport::Tcp,
        host: address.ip().to_string(),
        port: address.port(),
    })
}
