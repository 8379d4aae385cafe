//! Free loopback ports.
//!
//! They are below the range from which the kernel picks ports for outgoing connections, so that no
//! client takes a free port before the agent binds it. Binding port 0 and closing it gives ports
//! inside that range.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::eventually::eventually;

const FIRST: u32 = 15_000;
const COUNT: u32 = 15_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port on which nothing listens, and that this process has not used before.
///
/// # Panics
/// When no port is free.
#[must_use]
pub fn free() -> u16 {
    // Test binaries that run at the same time begin at different places.
    let offset = std::process::id().wrapping_mul(131);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + offset.wrapping_add(step) % COUNT;
        let port = u16::try_from(port).expect("the range ends below 65536");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free loopback port");
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
