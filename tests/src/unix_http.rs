//! HTTP over a Unix socket, one request for each connection: what `curl --unix-socket` does.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Sends a request: status and text of the answer.
///
/// # Errors
/// When there was no answer in time.
pub fn ask(
    socket: &Path,
    method: &str,
    path: &str,
    body: &[u8],
    patience: Duration,
) -> io::Result<(u16, String)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    // A body that is not wanted may be answered before it is read.
    let sent = stream.write_all(body);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let parts = answer.split_once("\r\n\r\n").and_then(|(head, text)| {
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, text.to_owned()))
    });
    match parts {
        Some(parts) => Ok(parts),
        None => Err(sent.and(read.map(drop)).err().unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("no answer: {answer:?}"))
        })),
    }
}
