//! Sends batches to an avro source, as fast as they are answered, with several in flight.
//!
//! The frames of one write are built once; what changes are the numbers of requests and events.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flume_avro::{FLUME_HASH, Hash, PLAIN_HASH};

use super::frames::{Frame, put_frame, put_long};
use super::lines::{DIGITS, Shape, body, write_number};
use super::netcat::{Sent, connect};
use super::numbers::Numbers;

/// The least size of one write, in bytes.
const WRITE: usize = 128 * 1024;

/// How many writes may be without an answer.
const WINDOW: usize = 4;

/// Writes numbered events for this long, while there are numbers; returns when all are answered.
///
/// # Errors
/// Nothing listens on the port, or the other end stalls, hangs up, or does not speak Flume's
/// protocol.
pub fn send(port: u16, shape: Shape, numbers: &Numbers, time: Duration) -> io::Result<Sent> {
    let mut connection = SenderConnection {
        stream: connect(port)?,
        buffer: Vec::new(),
        open: 0,
        refused: 0,
    };
    connection.stream.set_nodelay(true)?;
    connection.greet()?;
    let batch = u64::from(shape.batch);
    // At least one, and no more than there are to send.
    let frames = WRITE.div_ceil(shape.size * shape.batch as usize) as u64;
    let frames = frames.min(numbers.left() / batch).max(1) as usize;
    let mut requests = Requests::new(shape, frames);
    let (began, mut sent) = (Instant::now(), 0);
    let events = requests.events();
    while began.elapsed() < time
        && let Some((first, _)) = numbers.take(events, events)
    {
        connection.stream.write_all(requests.numbered(first))?;
        connection.open += frames;
        sent += events;
        while connection.open > frames * (WINDOW - 1) {
            connection.read_answers()?;
        }
    }
    while connection.open > 0 {
        connection.read_answers()?;
    }
    Ok(Sent {
        events: sent,
        refused: connection.refused * batch,
    })
}

/// Frames that are written together.
struct Requests {
    bytes: Vec<u8>,
    serial: i32,
    /// Where the number of each request is.
    serials: Vec<usize>,
    /// Where the number of each event is.
    numbers: Vec<usize>,
}

impl Requests {
    fn new(shape: Shape, frames: usize) -> Self {
        let mut requests = Self {
            bytes: Vec::new(),
            serial: 1,
            serials: Vec::new(),
            numbers: Vec::new(),
        };
        for _ in 0..frames {
            let mut parameters = Vec::new();
            put_long(&mut parameters, i64::from(shape.batch));
            let mut numbers = Vec::new();
            for place in 0..shape.batch as usize {
                parameters.push(0);
                put_long(&mut parameters, shape.size as i64);
                numbers.push(parameters.len());
                parameters.extend(body(shape.size, place));
            }
            parameters.push(0);
            requests.serials.push(requests.bytes.len());
            put_frame(&mut requests.bytes, 0, &[&call("appendBatch"), &parameters]);
            let begin = requests.bytes.len() - parameters.len();
            requests.numbers.extend(numbers.iter().map(|at| begin + at));
        }
        requests
    }

    fn events(&self) -> u64 {
        self.numbers.len() as u64
    }

    fn numbered(&mut self, first: u64) -> &[u8] {
        for at in &self.serials {
            self.serial = self.serial.wrapping_add(1);
            self.bytes[*at..at + 4].copy_from_slice(&self.serial.to_be_bytes());
        }
        for (number, at) in (first..).zip(&self.numbers) {
            write_number(&mut self.bytes[*at..at + DIGITS], number);
        }
        &self.bytes
    }
}

/// No metadata, and the name of a message.
fn call(name: &str) -> Vec<u8> {
    let mut out = vec![0];
    put_long(&mut out, name.len() as i64);
    out.extend_from_slice(name.as_bytes());
    out
}

struct SenderConnection {
    stream: TcpStream,
    /// Bytes of answers that have not arrived in full.
    buffer: Vec<u8>,
    /// Requests without an answer.
    open: usize,
    /// Requests whose answer was not OK.
    refused: u64,
}

impl SenderConnection {
    /// Sends the handshake of Flume; if the server does not know that protocol, that of npm's avsc.
    fn greet(&mut self) -> io::Result<()> {
        for hash in [FLUME_HASH, PLAIN_HASH] {
            if self.greeted_as(hash)? {
                return Ok(());
            }
        }
        Err(io::Error::other("the handshake was not accepted"))
    }

    /// Sends the handshake with an empty batch, and waits for the answer.
    fn greeted_as(&mut self, hash: Hash) -> io::Result<bool> {
        let mut head = hash.to_vec();
        head.push(0);
        head.extend_from_slice(&hash);
        // Metadata is present but empty, as Java sends it.
        head.extend_from_slice(&[2, 0]);
        head.extend(call("appendBatch"));
        let mut out = Vec::new();
        put_frame(&mut out, 0, &[&head, &[0]]);
        self.stream.write_all(&out)?;
        self.open = 1;
        while self.open > 0 {
            self.read_answers()?;
        }
        Ok(std::mem::take(&mut self.refused) == 0)
    }

    fn read_answers(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        let read = self.stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(&chunk[..read]);
        let mut start = 0;
        while let Ok(Ok(frame)) = Frame::read(&self.buffer[start..]) {
            // Ends in no metadata, no error, and the first symbol of the status. The first answer has
            // a handshake before that.
            if !frame.ends_with(&self.buffer[start..], &[0, 0, 0]) {
                self.refused += 1;
            }
            self.open = self.open.saturating_sub(1);
            start += frame.length;
        }
        self.buffer.drain(..start);
        Ok(())
    }
}
