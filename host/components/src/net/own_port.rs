//! A port that stays a test's own after it was closed: for peers that go and return on their port.
//!
//! It is below the range from which the kernel picks ports for outgoing connections and for binds
//! to port 0, and no other test process takes it: a socket with the port's name claims it until the
//! process ends.
#![allow(clippy::expect_used, reason = "a test without a port has failed")]

use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use parking_lot::Mutex;

/// Below those of the end-to-end scenarios, which claim theirs in the same way.
const PORTS: std::ops::Range<u16> = 11_000..15_000;

static CLAIMS: Mutex<Vec<UnixDatagram>> = Mutex::new(Vec::new());

/// A port on which nothing listens, and that nobody else was given.
pub(crate) fn own_port() -> u16 {
    let is_free = |port: &u16| {
        let name = format!("flume-tests-port-{port}");
        let name = SocketAddr::from_abstract_name(name).expect("a short name");
        let Ok(claim) = UnixDatagram::bind_addr(&name) else {
            return false;
        };
        CLAIMS.lock().push(claim);
        TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
    };
    PORTS.into_iter().find(is_free).expect("a free port")
}
