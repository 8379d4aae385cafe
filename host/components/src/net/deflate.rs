//! `compression-type = deflate`: one zlib stream in each direction, for the whole connection.
//!
//! The laws: what was written is complete for the peer after a flush (zlib's sync flush), so
//! a writer flushes after each message; a read inflates into the caller's buffer and no
//! further, so that a few bytes that inflate to gigabytes cost no memory; a shut down stream ends
//! with zlib's final block.
//!
//! Why not `async-compression`: its readers and writers end a stream where ours must go on; and
//! a peer that does not compress at all has to be recognised by its first bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use flume_avro::Foreign;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Compressed bytes that one read takes from the stream below.
const RAW: usize = 16 * 1024;

/// Compressed bytes that the first read takes.
const FIRST: usize = 512;

/// Uncompressed bytes that one write takes, and compressed bytes at which a write waits until
/// the stream below has taken some.
const STEP: usize = 64 * 1024;

/// A compressed stream over another stream.
///
/// Both zlib states together take about 300 KiB for each connection. Each is made with the first
/// byte, so a connection without one costs nothing of the kind.
pub struct Deflate<S> {
    below: S,
    level: u32,
    inflate: Option<Decompress>,
    deflate: Option<Compress>,
    /// Compressed bytes read and not inflated yet are those from `start` to `end`. Empty before the
    /// first.
    raw: Box<[u8]>,
    start: usize,
    end: usize,
    /// The peer has ended its stream.
    ended: bool,
    /// Compressed bytes to write, of which the first `written` are gone.
    out: Vec<u8>,
    written: usize,
    /// Something was compressed since the last sync flush.
    unflushed: bool,
    /// The final block has been written.
    finished: bool,
}

impl<S> Deflate<S> {
    /// Compresses what is written with a level from 0 to 9; the level of the peer does not matter.
    pub fn new(below: S, level: u32) -> Self {
        Self {
            below,
            level: level.min(9),
            inflate: None,
            deflate: None,
            raw: Box::default(),
            start: 0,
            end: 0,
            ended: false,
            out: Vec::new(),
            written: 0,
            unflushed: false,
            finished: false,
        }
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        &self.below
    }

    /// Inflates what has been read into `target`; says how many bytes came out.
    fn inflate(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let Some(inflate) = &mut self.inflate else {
            return Ok(0);
        };
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let raw = self.raw.get(self.start..self.end).unwrap_or_default();
        let status = inflate
            .decompress(raw, target, FlushDecompress::None)
            .map_err(|error| not_inflatable(raw, before_in == 0, &error))?;
        self.start += difference(inflate.total_in(), before_in);
        self.ended = status == Status::StreamEnd;
        Ok(difference(inflate.total_out(), before_out))
    }

    /// Compresses all of `data` and, for the other flushes than `None`, what must follow it.
    fn compress(&mut self, mut data: &[u8], flush: FlushCompress) -> io::Result<()> {
        let level = Compression::new(self.level);
        let deflate = self
            .deflate
            .get_or_insert_with(|| Compress::new(level, true));
        loop {
            self.out.reserve(data.len() / 2 + 1024);
            let before = deflate.total_in();
            let status = deflate.compress_vec(data, &mut self.out, flush)?;
            let taken = difference(deflate.total_in(), before);
            data = data.get(taken..).unwrap_or_default();
            // Zlib has nothing more to write once it leaves room in the output.
            let room = self.out.len() < self.out.capacity();
            if data.is_empty() && (room || status == Status::StreamEnd) {
                return Ok(());
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Deflate<S> {
    /// Writes compressed bytes until none are left.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.below).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        self.out.clear();
        self.out.shrink_to(STEP);
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> Deflate<S> {
    /// Waits for the first bytes, and makes what is needed to inflate them.
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; FIRST];
        let mut first = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.below).poll_read(cx, &mut first))?;
        let first = first.filled();
        self.ended = first.is_empty();
        if !self.ended {
            let mut raw = Vec::with_capacity(RAW);
            raw.extend_from_slice(first);
            raw.resize(RAW, 0);
            self.raw = raw.into_boxed_slice();
            self.end = first.len();
            self.inflate = Some(Decompress::new(true));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Deflate<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.ended && buffer.remaining() > 0 {
            let inflated = this.inflate(buffer.initialize_unfilled())?;
            if inflated > 0 {
                buffer.advance(inflated);
                break;
            }
            if this.start < this.end || this.ended {
                continue;
            }
            if this.raw.is_empty() {
                ready!(this.poll_first(cx))?;
                continue;
            }
            let mut raw = ReadBuf::new(&mut this.raw);
            ready!(Pin::new(&mut this.below).poll_read(cx, &mut raw))?;
            (this.start, this.end) = (0, raw.filled().len());
            this.ended = this.end == 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Deflate<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.out.len() >= STEP {
            ready!(this.poll_drain(cx))?;
        }
        let data = data.get(..STEP).unwrap_or(data);
        this.compress(data, FlushCompress::None)?;
        this.unflushed = true;
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unflushed {
            this.compress(&[], FlushCompress::Sync)?;
            this.unflushed = false;
        }
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.below).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.finished {
            this.compress(&[], FlushCompress::Finish)?;
            this.finished = true;
        }
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.below).poll_shutdown(cx)
    }
}

impl<S> std::fmt::Debug for Deflate<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflate").finish_non_exhaustive()
    }
}

/// Why the bytes are not a zlib stream, if they are the first ones.
fn not_inflatable(raw: &[u8], first: bool, error: &flate2::DecompressError) -> io::Error {
    let text = match Foreign::sniff(raw) {
        _ if !first => format!("damaged compressed data: {error}"),
        Some(Foreign::Tls) => Foreign::Tls.to_string(),
        Some(Foreign::Http) => Foreign::Http.to_string(),
        _ => "the peer sends uncompressed data and this end expects deflate: \
              set compression-type on both ends or on neither"
            .to_owned(),
    };
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn difference(after: u64, before: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use flate2::read::ZlibDecoder;
    use std::io::Read;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn each_flush_completes_a_message_at_every_level() {
        for level in 0..=9 {
            let (near, far) = duplex(64);
            let (mut near, mut far) = (Deflate::new(near, level), Deflate::new(far, 6));
            for size in [0, 1, 100, 200_000] {
                let sent: Vec<u8> = (0..size).map(|n: u32| n.to_be_bytes()[3]).collect();
                let write = async {
                    near.write_all(&sent).await.unwrap();
                    near.flush().await.unwrap();
                };
                let mut received = vec![0; sent.len()];
                let (_, read) = tokio::join!(write, far.read_exact(&mut received));
                read.unwrap();
                assert_eq!(received, sent, "level {level}, {size} bytes");
            }
        }
    }

    #[tokio::test]
    async fn a_silent_connection_has_no_zlib_states() {
        let (near, far) = duplex(64);
        let mut far = Deflate::new(far, 6);
        let mut buffer = [0; 10];
        let read =
            tokio::time::timeout(std::time::Duration::from_millis(10), far.read(&mut buffer));
        assert!(read.await.is_err());
        assert!(far.inflate.is_none() && far.deflate.is_none() && far.raw.is_empty());
        drop(near);
        assert_eq!(far.read(&mut buffer).await.unwrap(), 0);
        assert!(far.inflate.is_none());
    }

    #[tokio::test]
    async fn a_shut_down_stream_is_a_whole_zlib_stream() {
        let (near, mut far) = duplex(1024);
        let mut near = Deflate::new(near, 6);
        near.write_all(b"hello").await.unwrap();
        near.shutdown().await.unwrap();
        drop(near);
        let mut raw = Vec::new();
        far.read_to_end(&mut raw).await.unwrap();
        let mut text = String::new();
        ZlibDecoder::new(&*raw).read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[tokio::test]
    async fn the_end_of_the_peers_stream_is_the_end() {
        let (near, far) = duplex(1024);
        let (mut near, mut far) = (Deflate::new(near, 6), Deflate::new(far, 6));
        near.write_all(b"bye").await.unwrap();
        near.shutdown().await.unwrap();
        let mut text = String::new();
        far.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "bye");
    }

    /// A million zeros in a thousand bytes: a read gives what the buffer holds and keeps the rest.
    #[tokio::test]
    async fn a_bomb_is_inflated_a_buffer_at_a_time() {
        let (near, far) = duplex(1 << 20);
        let (mut near, mut far) = (Deflate::new(near, 9), Deflate::new(far, 6));
        near.write_all(&vec![0; 1_000_000]).await.unwrap();
        near.shutdown().await.unwrap();
        let mut total = 0;
        let mut piece = [1; 1000];
        loop {
            let count = far.read(&mut piece).await.unwrap();
            if count == 0 {
                break;
            }
            assert!(piece[..count].iter().all(|byte| *byte == 0));
            total += count;
        }
        assert_eq!(total, 1_000_000);
    }

    #[tokio::test]
    async fn peers_that_do_not_compress_are_recognised() {
        let cases: [(&[u8], &str); 3] = [
            (&[0, 0, 0, 1, 0, 0, 0, 2], "uncompressed"),
            (&[0x16, 3, 1, 2, 0], "TLS"),
            (b"GET / HTTP/1.1\r\n", "HTTP"),
        ];
        for (first, word) in cases {
            let (mut near, far) = duplex(64);
            near.write_all(first).await.unwrap();
            let error = Deflate::new(far, 6).read_u8().await.unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
