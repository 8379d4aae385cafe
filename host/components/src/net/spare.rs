//! One file kept back: a process that has no file left for a connection can still tell its client
//! so, by closing it. Else the client would wait in the port's queue.

use std::fs::File;
use std::io;

use futures_util::FutureExt;
use rustix::io::Errno;
use tokio::net::TcpListener;

/// The file, while there is one.
#[derive(Debug)]
pub(crate) struct SpareFile(Option<File>);

impl SpareFile {
    pub(crate) fn new() -> Self {
        let mut spare = Self(None);
        spare.renew();
        spare
    }

    /// Closes a connection that could not be accepted for want of a file.
    pub(crate) fn refuse_one(&mut self, error: &io::Error, listener: &TcpListener) {
        let code = error.raw_os_error();
        let is_full = [Errno::MFILE, Errno::NFILE].map(|full| Some(full.raw_os_error()));
        if !is_full.contains(&code) {
            return;
        }
        drop(self.0.take());
        // Accepted and closed at once, if nobody else was faster.
        drop(listener.accept().now_or_never());
        self.renew();
    }

    fn renew(&mut self) {
        // If there is none left now, the next connection that ends leaves one.
        self.0 = File::open("/dev/null").ok();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_client_for_whom_there_is_no_file_is_told_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut spare = SpareFile::new();
        let mut client = TcpStream::connect(address).await.unwrap();
        let other = io::Error::from(Errno::CONNABORTED);
        spare.refuse_one(&other, &listener);
        assert!(
            client.read(&mut [0]).now_or_never().is_none(),
            "not refused"
        );
        // Until the runtime has seen that somebody waits.
        let refused = async {
            let mut answer = [0];
            let mut closed = std::pin::pin!(client.read(&mut answer));
            loop {
                spare.refuse_one(&io::Error::from(Errno::MFILE), &listener);
                tokio::select! {
                    read = &mut closed => return read,
                    () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
                }
            }
        };
        assert_eq!(refused.await.unwrap(), 0);
        assert!(spare.0.is_some(), "for the next one");
    }
}
