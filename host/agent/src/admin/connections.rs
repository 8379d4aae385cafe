//! The connections of the admin port, or of its socket, which are bounded in number and in time: liveness is asked for
//! here, so that neither silent clients nor files that are used up may keep others out.
//!
//! The laws: a client without a request is closed after [`HEADER_TIME`], and at once if there are
//! [`MOST_CONNECTIONS`] and another one comes, the oldest first; one file is kept back for the port,
//! so that it answers one client at a time when the process has no other file left.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::{Extension, Router};
use flume_components::net::tls;
use flume_core::{LogLimit, clock};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::socket::OpenSocket;

/// Connections that are open at once.
const MOST_CONNECTIONS: usize = 64;

/// How long the header of a request may take, the wait for it included.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// How long a connection may be used; then it ends with the request that is under way.
const MOST_USE: Duration = Duration::from_secs(600);

/// How long that request may take: longer than an upload.
const LAST_REQUEST: Duration = Duration::from_secs(120);

/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is on the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// This address.
    Tcp(SocketAddr),
    /// A process of this user, on the socket: the kernel says so.
    Local(u32),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Local(uid) => write!(f, "uid {uid}"),
        }
    }
}

/// Where clients come.
pub(super) enum Entrance {
    Port(TcpListener),
    Socket(OpenSocket),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Entrance {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Port(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Peer::Tcp(peer)))
            }
            Self::Socket(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                Ok((Stream::Unix(stream), Peer::Local(uid)))
            }
        }
    }
}

/// Answers on a listener until `stop` is cancelled, and then what is under way.
pub(super) async fn serve(entrance: Entrance, pages: Router, stop: CancellationToken) {
    let mut guests = Guests {
        encrypted: Arc::new(Mutex::new(LogLimit::new(1, NAMED_EVERY))),
        tasks: JoinSet::new(),
        all: VecDeque::new(),
    };
    let mut refused = LogLimit::new(1, NAMED_EVERY);
    let mut spare = spare_file();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = guests.tasks.join_next() => continue,
            accepted = entrance.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                spare = spare.or_else(spare_file);
                if guests.has_room().await {
                    guests.welcome(stream, peer, &pages, &stop);
                }
            }
            // The next one has the file that was kept back.
            Err(_) if spare.take().is_some() => {}
            Err(error) => {
                if let Some(left_out) = refused.admit(clock::now()) {
                    tracing::warn!(%error, left_out, "the admin port cannot accept a connection");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(entrance);
    while guests.tasks.join_next().await.is_some() {}
}

fn spare_file() -> Option<File> {
    File::open("/dev/null").ok()
}

/// How often a mistake of clients is named.
const NAMED_EVERY: Duration = Duration::from_secs(5);

/// The open connections.
struct Guests {
    /// Those that speak TLS.
    encrypted: Arc<Mutex<LogLimit>>,
    tasks: JoinSet<()>,
    /// Those that were not seen to end, the oldest first.
    all: VecDeque<Guest>,
}

/// One of them.
#[derive(Clone, Default)]
struct Guest {
    /// Whether a request is being answered.
    is_busy: Arc<AtomicBool>,
    /// Cancelled to cut it off, and when it has ended.
    over: CancellationToken,
}

impl Guests {
    /// Makes room for one more if it has to be. False if all have a request under way.
    async fn has_room(&mut self) -> bool {
        self.all.retain(|guest| !guest.over.is_cancelled());
        while self.tasks.len() >= MOST_CONNECTIONS {
            let mut all = self.all.iter();
            let idle = all.position(|guest| !guest.is_busy.load(Ordering::Relaxed));
            let Some(idle) = idle.and_then(|at| self.all.remove(at)) else {
                return false;
            };
            idle.over.cancel();
            self.tasks.join_next().await;
        }
        true
    }

    fn welcome(&mut self, stream: Stream, peer: Peer, pages: &Router, stop: &CancellationToken) {
        let guest = Guest::default();
        self.all.push_back(guest.clone());
        let is_busy = Arc::clone(&guest.is_busy);
        let marked = move |request: Request, next: Next| {
            let is_busy = Arc::clone(&is_busy);
            async move {
                is_busy.store(true, Ordering::Relaxed);
                let answer = next.run(request).await;
                is_busy.store(false, Ordering::Relaxed);
                answer
            }
        };
        let pages = pages.clone().layer(middleware::from_fn(marked));
        let pages = pages.layer(Extension(peer));
        let (stop, encrypted) = (stop.clone(), Arc::clone(&self.encrypted));
        self.tasks.spawn(async move {
            let _ended = guest.over.clone().drop_guard();
            let answered = async {
                match stream {
                    Stream::Tcp(stream) => {
                        if is_awaited(&stream, peer, &encrypted, &stop).await {
                            talk(stream, peer, pages, stop).await;
                        }
                    }
                    Stream::Unix(stream) => talk(stream, peer, pages, stop).await,
                }
            };
            tokio::select! {
                () = answered => {}
                () = guest.over.cancelled() => {}
            }
        });
    }
}

/// Waits for the first bytes of a client, and names TLS, to which the port then answers as to any
/// other mistake. False if there is nothing to answer.
async fn is_awaited(
    stream: &TcpStream,
    peer: Peer,
    encrypted: &Mutex<LogLimit>,
    stop: &CancellationToken,
) -> bool {
    let mut first = [0; 3];
    let peeked = tokio::select! {
        peeked = timeout(HEADER_TIME, stream.peek(&mut first)) => peeked,
        () = stop.cancelled() => return false,
    };
    let Ok(Ok(read @ 1..)) = peeked else {
        return false;
    };
    if tls::is_greeting(first.get(..read).unwrap_or_default())
        && let Some(left_out) = encrypted.lock().admit(clock::now())
    {
        tracing::warn!(%peer, left_out, "a client speaks TLS, and the admin port does not: use http://");
    }
    true
}

/// Answers one client.
async fn talk<S>(stream: S, peer: Peer, pages: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Ok(ended),
        () = stopped_or_used_up(&stop) => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_REQUEST, connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a client of the admin port went away"),
        Err(_) => tracing::debug!(%peer, "a client of the admin port was cut off"),
    }
}

async fn stopped_or_used_up(stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = sleep(MOST_USE) => {}
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn listening() -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let who = async |Extension(peer): Extension<Peer>| peer.to_string();
        let pages = Router::new().route("/", get(who));
        let serving = tokio::spawn(serve(Entrance::Port(listener), pages, stop.clone()));
        (address, stop, serving)
    }

    async fn ask(address: SocketAddr) -> String {
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let own = client.local_addr().map(|own| own.to_string());
        assert!(answer.ends_with(&own.unwrap_or_default()), "{answer}");
        answer
    }

    /// The kernel says whose process it is, and silence is limited there, too.
    #[tokio::test]
    async fn a_client_of_the_socket_is_known_by_its_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let socket = OpenSocket::open(&path, false).unwrap();
        let stop = CancellationToken::new();
        let who = async |Extension(peer): Extension<Peer>| peer.to_string();
        let pages = Router::new().route("/", get(who));
        let serving = tokio::spawn(serve(Entrance::Socket(socket), pages, stop.clone()));
        let mut silent = UnixStream::connect(&path).await.unwrap();
        let mut client = UnixStream::connect(&path).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert!(answer.ends_with(&format!("uid {own}")), "{answer}");
        stop.cancel();
        serving.await.unwrap();
        assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
        assert!(!path.exists(), "it is removed at the end");
    }

    /// Far more than fit are silent: the next one is answered, and at once.
    #[tokio::test(start_paused = true)]
    async fn clients_without_a_request_do_not_keep_others_out() {
        let (address, stop, serving) = listening().await;
        let start = clock::now();
        let mut silent = Vec::new();
        for _ in 0..MOST_CONNECTIONS * 2 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET / HT").await.unwrap();
            silent.push(client);
        }
        assert!(ask(address).await.starts_with("HTTP/1.1 200"));
        assert!(clock::now() - start < HEADER_TIME);
        stop.cancel();
        serving.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_a_limited_time_for_its_request() {
        let (address, stop, serving) = listening().await;
        let start = clock::now();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HT").await.unwrap();
        let mut rest = Vec::new();
        slow.read_to_end(&mut rest).await.unwrap_or_default();
        let waited = clock::now() - start;
        assert!(
            (HEADER_TIME..HEADER_TIME * 2).contains(&waited),
            "{waited:?}"
        );
        stop.cancel();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_stop_closes_what_has_no_request() {
        let (address, stop, serving) = listening().await;
        ask(address).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        stop.cancel();
        serving.await.unwrap();
        assert_eq!(idle.read(&mut [0]).await.unwrap_or(0), 0);
        assert!(TcpStream::connect(address).await.is_err());
    }
}
