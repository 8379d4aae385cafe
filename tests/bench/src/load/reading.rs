//! How a receiver waits for bytes.

use std::io::{self, Read as _};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

/// How a receiver waits for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Asleep, as most receivers do: an event finds it only after the kernel has woken it.
    Asleep,
    /// Always awake, on a core of its own: what is measured ends where the bytes are there.
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
