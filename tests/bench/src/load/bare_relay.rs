//! A relay that only reads and writes. It shows the least that any process between sender and
//! receiver must cost.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use flume_tests::ports;

/// The size of one read, in bytes.
const READ: usize = 64 * 1024;

/// Relays each connection to `output` on threads of this process, which end with their
/// connections; returns the port that it listens on.
///
/// # Panics
/// When no port is free.
#[must_use]
pub fn start(output: u16) -> u16 {
    let input = ports::free();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, input)).expect("a free port");
    thread::spawn(move || {
        while let Ok((near, _)) = listener.accept() {
            let far = TcpStream::connect((Ipv4Addr::LOCALHOST, output)).expect("the receiver");
            for (from, to) in [(&near, &far), (&far, &near)] {
                let from = from.try_clone().expect("a second handle on a socket");
                let to = to.try_clone().expect("a second handle on a socket");
                to.set_nodelay(true).expect("a TCP socket");
                // A broken connection shows in the count of what arrives.
                thread::spawn(move || copy(from, to).ok());
            }
        }
    });
    input
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; READ];
    loop {
        match from.read(&mut buffer)? {
            0 => return to.shutdown(Shutdown::Write),
            read => to.write_all(&buffer[..read])?,
        }
    }
}
