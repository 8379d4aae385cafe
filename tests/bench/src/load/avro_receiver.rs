//! The far end of an avro sink: counts the events of each call, and answers at once.
//!
//! One thread per connection, reads of up to a megabyte, and one write for the answers to all calls
//! of a read. Answers can be delayed to simulate network distance. Each is delayed on its own, so
//! that several batches in flight wait at the same time.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flume_avro::{FLUME_HASH, FLUME_TEXT};

use super::arrivals::{Arrivals, Slot};
use super::frames::{Broken, Frame, put_frame, put_long};
use super::reading::Reading;

/// The initial size of the read buffer; it grows for larger frames.
const READ: usize = 1 << 20;

/// The largest frame.
const MOST_FRAME: usize = 64 << 20;

/// The most delayed answers per connection.
const MOST_HELD: usize = 4096;

/// A listening receiver.
pub struct AvroReceiver {
    port: u16,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    slot: Slot,
    delay: Duration,
    reading: Reading,
    dead: AtomicBool,
    /// Events that this receiver took, in all runs.
    taken: AtomicU64,
    connections: Mutex<Vec<TcpStream>>,
}

impl AvroReceiver {
    /// Listens on a port, counts into `slot`, and holds each answer back for `delay`.
    ///
    /// # Panics
    /// When the port is taken.
    #[must_use]
    pub fn start(port: u16, slot: &Slot, delay: Duration) -> Self {
        Self::reading(port, slot, delay, Reading::Asleep)
    }

    /// Like the above, with a choice of how to wait for bytes.
    ///
    /// # Panics
    /// When the port is taken.
    #[must_use]
    pub fn reading(port: u16, slot: &Slot, delay: Duration, reading: Reading) -> Self {
        let shared = Arc::new(Shared {
            slot: slot.clone(),
            delay,
            reading,
            dead: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            connections: Mutex::default(),
        });
        let mut receiver = Self {
            port,
            shared,
            listening: None,
        };
        receiver.revive();
        receiver
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Events that it took so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.shared.taken.load(Ordering::Relaxed)
    }

    /// Closes its port and all connections at once, even with calls in progress.
    ///
    /// # Panics
    /// When one of its threads has panicked.
    pub fn die(&mut self) {
        self.shared.dead.store(true, Ordering::SeqCst);
        let Some(listening) = self.listening.take() else {
            return;
        };
        // Wakes the accepting thread; a refusal only means that it has already ended.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        listening.join().expect("the thread that accepts");
        for stream in self.shared.connections.lock().expect("the list").drain(..) {
            // It may have been closed by the other end.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Listens again, on the same port.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn revive(&mut self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).expect("a free port");
        self.shared.dead.store(false, Ordering::SeqCst);
        let shared = Arc::clone(&self.shared);
        self.listening = Some(thread::spawn(move || accept(&listener, &shared)));
    }
}

impl Drop for AvroReceiver {
    fn drop(&mut self) {
        self.die();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.dead.load(Ordering::SeqCst) {
            return;
        }
        let kept = stream.try_clone().expect("a second handle on a socket");
        shared.connections.lock().expect("the list").push(kept);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let peer = stream.peer_addr();
            let served = serve(&stream, &shared);
            // The list has its own handle. The socket may have been closed by the other end.
            drop(stream.shutdown(Shutdown::Both));
            if let Err(error) = served
                && !shared.dead.load(Ordering::SeqCst)
            {
                broken(peer, &error);
            }
        });
    }
}

/// Reports why a connection failed; the failure itself shows in the count.
fn broken(peer: io::Result<SocketAddr>, error: &io::Error) {
    if error.kind() != io::ErrorKind::ConnectionReset {
        let peer = peer.map_or_else(|_| "somebody".to_owned(), |peer| peer.to_string());
        flume_tests::say::line(&format!("receiver: {peer}: {error}\n"));
    }
}

fn serve(mut stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let held = if shared.delay > Duration::ZERO {
        Some(delayed_answers(stream.try_clone()?))
    } else {
        None
    };
    let mut connection = ReceiverConnection {
        shared,
        greeted: false,
        answers: Vec::with_capacity(4096),
    };
    let mut buffer = vec![0; READ];
    let (mut start, mut end) = (0, 0);
    loop {
        let read = shared.reading.read(stream, &mut buffer[end..])?;
        if read == 0 {
            return Ok(());
        }
        end += read;
        let needs = connection.take_in(&buffer, &mut start, end)?;
        if !connection.answers.is_empty() {
            match &held {
                Some(held) => hold(held, &mut connection.answers, shared.delay)?,
                None => stream.write_all(&connection.answers)?,
            }
            connection.answers.clear();
        }
        if start == end {
            (start, end) = (0, 0);
        } else if buffer.len() - end < READ / 8 || start + needs > buffer.len() {
            buffer.copy_within(start..end, 0);
            (start, end) = (0, end - start);
            if needs > buffer.len() {
                buffer.resize(needs.next_multiple_of(READ), 0);
            }
        }
    }
}

struct ReceiverConnection<'a> {
    shared: &'a Shared,
    greeted: bool,
    answers: Vec<u8>,
}

impl ReceiverConnection<'_> {
    /// Counts and answers the whole frames between `start` and `end`, and moves `start` past them.
    /// Returns how many bytes the next frame needs.
    fn take_in(&mut self, buffer: &[u8], start: &mut usize, end: usize) -> io::Result<usize> {
        let arrivals = self.shared.slot.get();
        let now = arrivals.now();
        let mut events = 0;
        let needs = loop {
            let bytes = &buffer[*start..end];
            match Frame::read(bytes).map_err(refused)? {
                Ok(frame) => {
                    events += self.call(&frame, bytes, &arrivals, now).map_err(refused)?;
                    *start += frame.length;
                }
                Err(needs) if needs > MOST_FRAME => return Err(refused(Broken("a huge frame"))),
                Err(needs) => break needs,
            }
        };
        if events > 0 {
            self.shared.taken.fetch_add(events, Ordering::Relaxed);
            arrivals.batch(events, now);
        }
        Ok(needs)
    }

    fn call(
        &mut self,
        frame: &Frame,
        bytes: &[u8],
        arrivals: &Arrivals,
        now: u64,
    ) -> Result<u64, Broken> {
        let mut cursor = frame.cursor(bytes);
        let mut greeting = Vec::new();
        if !self.greeted {
            greeting = greet(cursor.handshake()?);
            self.greeted = true;
        }
        let events = cursor.count(arrivals, now)?;
        // No metadata, no error, the first symbol of the status: OK. A ping has no answer.
        let ok: &[u8] = events.map_or(&[], |_| &[0, 0, 0]);
        if greeting.is_empty() {
            put_frame(&mut self.answers, frame.serial, &[ok]);
        } else {
            put_frame(&mut self.answers, frame.serial, &[&greeting, ok]);
        }
        Ok(events.unwrap_or(0))
    }
}

/// The server's handshake. It never asks for the client's protocol text, since every call is read
/// the same way.
fn greet(knows: bool) -> Vec<u8> {
    if knows {
        return vec![0, 0, 0, 0];
    }
    let mut out = vec![2, 2];
    put_long(&mut out, FLUME_TEXT.len() as i64);
    out.extend_from_slice(FLUME_TEXT.as_bytes());
    out.push(2);
    out.extend_from_slice(&FLUME_HASH);
    out.push(0);
    out
}

fn refused(broken: Broken) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, broken.0)
}

/// An answer and when it is due.
type Held = (Instant, Vec<u8>);

fn hold(held: &SyncSender<Held>, answers: &mut Vec<u8>, delay: Duration) -> io::Result<()> {
    let due = Instant::now() + delay;
    let sent = held.send((due, std::mem::take(answers)));
    sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
}

fn delayed_answers(mut stream: TcpStream) -> SyncSender<Held> {
    let (sender, receiver): (_, Receiver<Held>) = sync_channel(MOST_HELD);
    thread::spawn(move || {
        for (due, answers) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // The reading side sees that the connection is gone, and why.
            if stream.write_all(&answers).is_err() {
                return;
            }
        }
    });
    sender
}
