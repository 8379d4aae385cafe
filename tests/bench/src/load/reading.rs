//! How a receiver waits for bytes.

use std::io::{self, Read as _};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

/// How a receiver waits for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Blocks, as most receivers do: the kernel must wake it for each event.
    Asleep,
    /// Polls on a core of its own: no wake-up is included in what is measured.
    Awake,
}

impl Reading {
    /// Reads what is there, at least a byte unless the other end has hung up.
    pub(super) fn read(self, mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        if self == Self::Asleep {
            return stream.read(buffer);
        }
        loop {
            match recv(stream.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN | Errno::EINTR) => std::hint::spin_loop(),
                read => return Ok(read?),
            }
        }
    }
}
