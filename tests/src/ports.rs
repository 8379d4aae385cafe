//! Free loopback ports.
//!
//! They are below the range from which the kernel picks ports for outgoing connections, so that no
//! client takes a free port before the agent binds it. Binding port 0 and closing it gives ports
//! inside that range.
//!
//! A test process claims ports in blocks, by a socket with the block's name that is open until it
//! ends: several test processes at a time never have a port in common.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;
use std::time::Duration;

use crate::eventually::eventually;

const FIRST: u16 = 15_000;
const BLOCKS: u16 = 300;
const SIZE: u16 = 50;

/// The blocks of this process, and the ports of the last one that are still free.
static CLAIMED: Mutex<(Vec<UnixDatagram>, Vec<u16>)> = Mutex::new((Vec::new(), Vec::new()));

/// A port on which nothing listens, and that no test was given before.
///
/// # Panics
/// When no port is free.
#[must_use]
pub fn free() -> u16 {
    let mut claimed = CLAIMED.lock().expect("no holder panics");
    let (claims, ports) = &mut *claimed;
    loop {
        let Some(port) = ports.pop() else {
            let (block, claim) = (0..BLOCKS)
                .find_map(|block| Some((block, claim(block)?)))
                .expect("a block of ports that no test process has");
            claims.push(claim);
            let first = FIRST + block * SIZE;
            ports.extend((first..first + SIZE).rev());
            continue;
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Claims a block, unless a process has it.
fn claim(block: u16) -> Option<UnixDatagram> {
    let name = format!("flume-tests-ports-{block}");
    let name = std::os::unix::net::SocketAddr::from_abstract_name(name).expect("a short name");
    UnixDatagram::bind_addr(&name).ok()
}

/// Whether the loopback port accepts connections.
#[must_use]
pub fn listening(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// Waits until the loopback port accepts connections.
///
/// # Panics
/// When it does not within `patience`.
pub fn await_listening(port: u16, patience: Duration) {
    eventually(&format!("a listener on port {port}"), patience, || {
        listening(port).then_some(())
    });
}
