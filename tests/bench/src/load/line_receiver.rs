//! Receives lines and counts them by their numbers.
//!
//! Used to measure the generator's own ceiling, and as the collector for peers without Avro.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use memchr::memchr_iter;

use super::arrivals::Slot;
use super::lines::read_number;
use super::reading::Reading;

/// The size of the read buffer.
const READ: usize = 1 << 20;

/// A listening receiver.
pub struct LineReceiver {
    port: u16,
    dead: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl LineReceiver {
    /// Listens on a port and counts into `slot`.
    ///
    /// # Panics
    /// When the port is taken.
    #[must_use]
    pub fn start(port: u16, slot: &Slot) -> Self {
        Self::reading(port, slot, Reading::Asleep)
    }

    /// Like the above, with a choice of how to wait for bytes.
    ///
    /// # Panics
    /// When the port is taken.
    #[must_use]
    pub fn reading(port: u16, slot: &Slot, reading: Reading) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
        let dead = Arc::new(AtomicBool::new(false));
        let (slot, ended) = (slot.clone(), Arc::clone(&dead));
        let listening = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let slot = slot.clone();
                thread::spawn(move || {
                    // A sender that breaks off shows in the count.
                    drop(serve(&stream, &slot, reading));
                });
            }
        });
        Self {
            port,
            dead,
            listening: Some(listening),
        }
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for LineReceiver {
    fn drop(&mut self) {
        self.dead.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(listening) = self.listening.take() {
            drop(listening.join());
        }
    }
}

fn serve(stream: &TcpStream, slot: &Slot, reading: Reading) -> io::Result<()> {
    let mut buffer = vec![0; READ];
    let mut end = 0;
    loop {
        let read = reading.read(stream, &mut buffer[end..])?;
        if read == 0 {
            return Ok(());
        }
        end += read;
        let arrivals = slot.get();
        let now = arrivals.now();
        let (mut start, mut lines) = (0, 0);
        for line_end in memchr_iter(b'\n', &buffer[..end]) {
            arrivals.add(read_number(&buffer[start..line_end]), now);
            start = line_end + 1;
            lines += 1;
        }
        if lines > 0 {
            arrivals.batch(lines, now);
        }
        buffer.copy_within(start..end, 0);
        end -= start;
        if end == buffer.len() {
            return Err(io::Error::other("a line without end"));
        }
    }
}
