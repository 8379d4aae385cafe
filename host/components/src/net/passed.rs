//! Sockets that a service manager has bound and passed to the process (a `.socket` unit of systemd).
//!
//! A port that the file names is taken from them if one of them has its address, and is bound
//! otherwise. So the file says nothing about it, and runs with and without such a manager.
//!
//! | `bind` | is served by a passed socket on |
//! |---|---|
//! | an address | that address |
//! | `0.0.0.0` | `0.0.0.0`, else `[::]` if that takes IPv4, too (systemd's `ListenStream=4141`) |
//! | `[::]` | `[::]`; `0.0.0.0` would leave out the clients of IPv6 |
//!
//! The laws: a passed socket is open while the process lives, so its port is never unbound: clients
//! wait in its queue while a source is started again. It has one user at a time, as a port has.
//! Nobody waits in a queue that nothing will empty: clients of a socket that the file does not name
//! are turned away. Closing it would not do that, since the service manager keeps it open.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use socket2::{Socket, Type};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::complaint::Complaint;
use crate::services::Resolver;

/// Variables that say which sockets were passed. They mean this process, and none that it starts.
pub const VARIABLES: [&str; 4] = [
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
];

/// Connections that wait to be accepted. The kernel has a limit of its own, often lower.
const BACKLOG: u32 = 1024;

/// The pause after a client could not be turned away.
const PAUSE: Duration = Duration::from_millis(100);

/// What a socket takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// Something that is configured to use an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it takes.
    pub transport: Transport,
    /// A name or an address, as the file has it.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The passed sockets. Cheap to clone; clones are the same sockets.
#[derive(Debug, Clone, Default)]
pub struct PassedSockets(Vec<Arc<PassedSocket>>);

#[derive(Debug)]
struct PassedSocket {
    place: Place,
    /// What its unit calls it.
    name: String,
    socket: Socket,
    user: Mutex<User>,
}

/// Who takes in what comes to a passed socket.
#[derive(Debug)]
enum User {
    /// Nobody now: it waits.
    Nobody,
    /// A source, or the admin port.
    Component,
    /// Nothing is configured for it. Connections are closed by this task.
    Doorman(Option<AbortHandle>),
}

/// An open port: bound by this process, or a second handle on a passed socket. Dropped, it closes
/// the port, or lets go of the passed socket.
#[derive(Debug)]
pub struct OpenPort<T> {
    /// What it takes connections or datagrams from.
    pub socket: T,
    /// After the socket, so that this is closed when somebody else may have the port.
    _claim: Option<Claim>,
}

/// The use of a passed socket, which ends when this is dropped.
#[derive(Debug)]
struct Claim(Arc<PassedSocket>);

impl Drop for Claim {
    fn drop(&mut self) {
        *self.0.user.lock() = User::Nobody;
    }
}

impl PassedSockets {
    /// Takes sockets over, each with the name that its unit gives it. What cannot be used is named in
    /// the log, and closed.
    pub fn take(passed: Vec<(OwnedFd, String)>) -> Self {
        let taken = passed.into_iter().filter_map(|(descriptor, name)| {
            match PassedSocket::take(descriptor, name.clone()) {
                Ok(socket) => {
                    tracing::info!(name, socket = %socket.place, "a socket was passed");
                    Some(Arc::new(socket))
                }
                Err(reason) => {
                    tracing::warn!(
                        name,
                        reason,
                        "a passed socket cannot be used, and is closed"
                    );
                    None
                }
            }
        });
        Self(taken.collect())
    }

    /// Takes the first of these addresses that a listener was passed for; else binds the first that
    /// can be bound.
    ///
    /// # Errors
    /// The passed socket is in use, or no address can be bound.
    pub fn listen(&self, addresses: &[SocketAddr]) -> io::Result<OpenPort<TcpListener>> {
        if let Some((socket, claim)) = self.claim(Transport::Tcp, addresses)? {
            return Ok(OpenPort {
                socket: TcpListener::from_std(socket.into())?,
                _claim: Some(claim),
            });
        }
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match listen(*address) {
                Ok(socket) => {
                    return Ok(OpenPort {
                        socket,
                        _claim: None,
                    });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// The same for datagrams.
    ///
    /// # Errors
    /// The passed socket is in use, or no address can be bound.
    pub async fn receive(&self, addresses: &[SocketAddr]) -> io::Result<OpenPort<UdpSocket>> {
        if let Some((socket, claim)) = self.claim(Transport::Udp, addresses)? {
            return Ok(OpenPort {
                socket: UdpSocket::from_std(socket.into())?,
                _claim: Some(claim),
            });
        }
        Ok(OpenPort {
            socket: UdpSocket::bind(addresses).await?,
            _claim: None,
        })
    }

    /// Has clients wait at sockets that something is configured for, and turns clients of the
    /// others away. To be called when what is configured has started, or has changed.
    pub async fn settle(&self, wanted: &[Wanted], resolver: &Resolver) {
        if self.0.is_empty() {
            return;
        }
        let mut is_wanted = vec![false; self.0.len()];
        for Wanted {
            transport,
            host,
            port,
        } in wanted
        {
            let addresses = resolver.resolve(host, *port).await;
            for (socket, is_wanted) in self.0.iter().zip(&mut is_wanted) {
                *is_wanted |= match &addresses {
                    Ok(addresses) => addresses
                        .iter()
                        .any(|address| self.serves(socket, *transport, *address)),
                    // A name that is not known now may be later.
                    Err(_) => {
                        let place = socket.place;
                        place.transport == *transport && place.address.port() == *port
                    }
                };
            }
        }
        for (socket, is_wanted) in self.0.iter().zip(is_wanted) {
            match is_wanted {
                true => socket.await_user(),
                false => socket.turn_clients_away(),
            }
        }
    }

    fn claim(
        &self,
        transport: Transport,
        addresses: &[SocketAddr],
    ) -> io::Result<Option<(Socket, Claim)>> {
        let mut addresses = addresses.iter();
        let socket = addresses.find_map(|address| self.serving(transport, *address));
        let Some(socket) = socket else {
            return Ok(None);
        };
        let claim = socket.claim()?;
        Ok(Some((socket.socket.try_clone()?, claim)))
    }

    fn serves(&self, socket: &Arc<PassedSocket>, transport: Transport, to: SocketAddr) -> bool {
        let serving = self.serving(transport, to);
        serving.is_some_and(|serving| Arc::ptr_eq(serving, socket))
    }

    /// The socket for an address: one that is bound to it rather than one that takes more.
    fn serving(&self, transport: Transport, to: SocketAddr) -> Option<&Arc<PassedSocket>> {
        let with = |fits: fn(Place, SocketAddr) -> bool| {
            let mut all = self.0.iter();
            all.find(|socket| socket.place.transport == transport && fits(socket.place, to))
        };
        with(Place::is).or_else(|| with(Place::covers))
    }
}

impl PassedSocket {
    fn take(descriptor: OwnedFd, name: String) -> Result<Self, String> {
        let socket = Socket::from(descriptor);
        let place = Place::of(&socket)?;
        let prepared = socket.set_cloexec(true);
        let prepared = prepared.and_then(|()| socket.set_nonblocking(true));
        prepared.map_err(|error| error.to_string())?;
        Ok(Self {
            place,
            name,
            socket,
            user: Mutex::new(User::Nobody),
        })
    }

    fn claim(self: &Arc<Self>) -> io::Result<Claim> {
        let mut user = self.user.lock();
        match &*user {
            User::Component => return Err(io::ErrorKind::AddrInUse.into()),
            User::Doorman(Some(doorman)) => doorman.abort(),
            User::Doorman(None) | User::Nobody => {}
        }
        *user = User::Component;
        Ok(Claim(Arc::clone(self)))
    }

    /// Something is configured for it: what comes meanwhile waits.
    fn await_user(&self) {
        let mut user = self.user.lock();
        if let User::Doorman(doorman) = &*user {
            if let Some(doorman) = doorman {
                doorman.abort();
            }
            *user = User::Nobody;
        }
    }

    fn turn_clients_away(self: &Arc<Self>) {
        let mut user = self.user.lock();
        if !matches!(*user, User::Nobody) {
            return;
        }
        let (name, place) = (&self.name, self.place);
        tracing::warn!(
            name,
            socket = %place,
            "a passed socket is used by nothing, and its clients are turned away: a source or the \
             admin port has it if the address and the port are the same"
        );
        let doorman = match place.transport {
            Transport::Tcp => {
                let socket = Arc::clone(self);
                Some(tokio::spawn(turn_away(socket)).abort_handle())
            }
            // Nobody waits for an answer.
            Transport::Udp => None,
        };
        *user = User::Doorman(doorman);
    }
}

/// Accepts connections and closes them: their clients know at once, and do not wait in the queue.
async fn turn_away(passed: Arc<PassedSocket>) {
    let (name, place) = (&passed.name, passed.place);
    let handle = passed.socket.try_clone();
    let listener = match handle.and_then(|socket| TcpListener::from_std(socket.into())) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(name, socket = %place, %error, "clients cannot be turned away");
            return;
        }
    };
    let came = Complaint::default();
    loop {
        match listener.accept().await {
            Ok((_, peer)) => {
                if let Some(left_out) = came.admit() {
                    tracing::warn!(name, socket = %place, %peer, left_out,
                        "a client was turned away: nothing is configured for this socket");
                }
            }
            Err(error) => {
                tracing::debug!(name, socket = %place, %error, "a client cannot be turned away");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Where a socket is bound, and what it takes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    transport: Transport,
    address: SocketAddr,
    /// Whether it is on all addresses, those of IPv4 included, through a socket of IPv6.
    takes_all: bool,
}

impl Place {
    /// Finds out about a socket. The reason, if it is of no use here.
    fn of(socket: &Socket) -> Result<Self, String> {
        let text = |error: io::Error| error.to_string();
        let address = socket.local_addr().map_err(text)?;
        let address = address
            .as_socket()
            .ok_or("it is a socket of neither TCP nor UDP")?;
        let kind = socket.r#type().map_err(text)?;
        let transport = if kind == Type::DGRAM {
            Transport::Udp
        } else if kind != Type::STREAM {
            return Err("it is a socket of neither TCP nor UDP".to_owned());
        } else if socket.is_listener().map_err(text)? {
            Transport::Tcp
        } else {
            return Err("it does not listen: the unit needs `Accept=no`".to_owned());
        };
        let on_all = address.is_ipv6() && address.ip().is_unspecified();
        Ok(Self {
            transport,
            address,
            takes_all: on_all && !socket.only_v6().map_err(text)?,
        })
    }

    /// Whether it is bound to just this address.
    fn is(self, wanted: SocketAddr) -> bool {
        let scope = |address: SocketAddr| match address {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(address) => address.scope_id(),
        };
        let key = |address: SocketAddr| (address.ip(), address.port(), scope(address));
        key(self.address) == key(wanted)
    }

    /// Whether it takes all that a socket on this address would take, and more.
    fn covers(self, wanted: SocketAddr) -> bool {
        let on_all = wanted.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        on_all && self.takes_all && self.address.port() == wanted.port()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            Transport::Tcp => write!(f, "tcp {}", self.address),
            Transport::Udp => write!(f, "udp {}", self.address),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A port with connections of an earlier run in TIME_WAIT can be bound again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests;
