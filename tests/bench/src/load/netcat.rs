//! Sends lines to a netcat source (or any line receiver), as fast as it takes them.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use memchr::memchr_iter;

use super::lines::{Block, Shape};
use super::numbers::Numbers;

/// How long the receiver may neither read nor answer before the run is abandoned.
const PATIENCE: Duration = Duration::from_secs(20);

/// The totals of a sender.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// Events.
    pub events: u64,
    /// Events that were not answered with success, if answers were asked for.
    pub refused: u64,
}

/// Writes numbered lines for this long, in whole batches while there are numbers; returns when the last
/// answer has come, if there are answers.
///
/// # Errors
/// Nothing listens on the port, or the receiver stalls or hangs up.
pub fn send(port: u16, shape: Shape, numbers: &Numbers, time: Duration) -> io::Result<Sent> {
    let mut stream = connect(port)?;
    let answers = shape.ack.then(|| count_answers(&stream)).transpose()?;
    let mut block = Block::new(shape.size);
    let (began, mut sent) = (Instant::now(), 0_u64);
    let batch = u64::from(shape.batch);
    let mut over = false;
    loop {
        over |= began.elapsed() >= time;
        let left = match over {
            true => sent.next_multiple_of(batch) - sent,
            false => u64::MAX,
        };
        let Some((first, count)) = numbers.take(1, block.lines().min(left)) else {
            break;
        };
        stream.write_all(block.numbered(first, count))?;
        sent += count;
    }
    stream.shutdown(Shutdown::Write)?;
    let refused = match answers {
        Some(answers) => sent - answers.join().expect("the reader of answers")?,
        None => 0,
    };
    Ok(Sent {
        events: sent,
        refused,
    })
}

/// A connection with timeouts.
pub(super) fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Counts the `OK` lines until the receiver hangs up, which it does after the last answer.
fn count_answers(stream: &TcpStream) -> io::Result<JoinHandle<io::Result<u64>>> {
    let mut stream = stream.try_clone()?;
    Ok(thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        let mut accepted = 0;
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(accepted),
                // No refusal contains a `K`.
                read => accepted += memchr_iter(b'K', &buffer[..read]).count() as u64,
            }
        }
    }))
}
