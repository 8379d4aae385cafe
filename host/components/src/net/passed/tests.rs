//! Which passed socket serves which bind, and what becomes of the clients of each.

use std::net::{TcpListener as StdListener, TcpStream as StdStream, UdpSocket as StdUdp};
use std::os::unix::net::UnixListener;

use socket2::{Domain, SockAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::net::own_port::own_port;

fn passed(sockets: impl IntoIterator<Item = OwnedFd>) -> PassedSockets {
    let named = sockets.into_iter().map(|socket| (socket, "s".to_owned()));
    PassedSockets::take(named.collect())
}

/// A listener of IPv6 on all addresses, with or without those of IPv4.
fn on_all(only_v6: bool) -> Socket {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    socket.set_only_v6(only_v6).unwrap();
    let any = "[::]:0".parse::<SocketAddr>().unwrap();
    socket.bind(&SockAddr::from(any)).unwrap();
    socket.listen(8).unwrap();
    socket
}

fn wanted(transport: Transport, host: &str, port: u16) -> Wanted {
    Wanted {
        transport,
        host: host.to_owned(),
        port,
    }
}

/// Whether a socket on the first address serves a bind to each of the others, with the same port.
#[test]
fn a_socket_serves_its_own_address_and_all_of_ipv4_if_it_takes_them() {
    let cases = [
        ("127.0.0.1", false, ["127.0.0.1"].as_slice()),
        ("0.0.0.0", false, &["0.0.0.0"]),
        ("::1", false, &["::1"]),
        ("::", true, &["::", "0.0.0.0"]),
        // Of IPv6 alone.
        ("::", false, &["::"]),
    ];
    for (bound, takes_all, served) in cases {
        let place = Place {
            transport: Transport::Tcp,
            address: SocketAddr::new(bound.parse().unwrap(), 4141),
            takes_all,
        };
        for bind in ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::"] {
            let to = |port| SocketAddr::new(bind.parse().unwrap(), port);
            let fits = |port| place.is(to(port)) || place.covers(to(port));
            assert_eq!(fits(4141), served.contains(&bind), "{place} for {bind}");
            assert!(!fits(4142), "{place} for another port");
        }
    }
}

#[test]
fn what_a_socket_takes_is_found_out() {
    for only_v6 in [false, true] {
        let place = Place::of(&on_all(only_v6)).unwrap();
        assert_eq!(place.takes_all, !only_v6);
        assert_eq!(place.transport, Transport::Tcp);
    }
    let datagrams = Socket::from(StdUdp::bind("127.0.0.1:0").unwrap());
    let place = Place::of(&datagrams).unwrap();
    assert_eq!((place.transport, place.takes_all), (Transport::Udp, false));
}

#[test]
fn what_is_no_open_port_is_closed() {
    let scratch = tempfile::tempdir().unwrap();
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let connection = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let file: OwnedFd = tempfile::tempfile().unwrap().into();
    let local = UnixListener::bind(scratch.path().join("s")).unwrap();
    for (what, reason) in [
        (file, "os error 88"),
        (connection.into(), "does not listen"),
        (local.into(), "neither TCP nor UDP"),
    ] {
        let refused = PassedSocket::take(what, "s".to_owned()).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
    assert!(passed([tempfile::tempfile().unwrap().into()]).0.is_empty());
}

/// The port stays open, also while nobody has it, and has one user at a time.
#[tokio::test]
async fn a_client_waits_until_somebody_has_the_port() {
    let listener = StdListener::bind(("127.0.0.1", own_port())).unwrap();
    let address = listener.local_addr().unwrap();
    let sockets = passed([listener.into()]);
    for _ in 0..2 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"x").await.unwrap();
        let other = "127.0.0.1:1".parse().unwrap();
        let port = sockets.listen(&[other, address]).unwrap();
        assert_eq!(port.socket.local_addr().unwrap(), address);
        let (mut accepted, _) = port.socket.accept().await.unwrap();
        assert_eq!(accepted.read_u8().await.unwrap(), b'x');
        let in_use = sockets.listen(&[address]).unwrap_err();
        assert_eq!(in_use.kind(), io::ErrorKind::AddrInUse);
    }
    drop(sockets);
    assert!(
        TcpStream::connect(address).await.is_err(),
        "only its copies kept it open"
    );
}

#[tokio::test]
async fn a_port_that_was_not_passed_is_bound() {
    let sockets = passed([StdListener::bind("127.0.0.1:0").unwrap().into()]);
    let any = "127.0.0.1:0".parse().unwrap();
    let port = sockets.listen(&[any]).unwrap();
    let address = port.socket.local_addr().unwrap();
    assert!(port._claim.is_none() && !sockets.0[0].place.is(address));
    let mut client = TcpStream::connect(address).await.unwrap();
    let (mut accepted, _) = port.socket.accept().await.unwrap();
    accepted.write_all(b"b").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'b');
}

#[tokio::test]
async fn the_socket_on_just_this_address_goes_before_one_on_all() {
    let everywhere = on_all(false);
    let port = everywhere.local_addr().unwrap().as_socket().unwrap().port();
    let sockets = passed([everywhere.into()]);
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let open = sockets.listen(&[address]).unwrap();
    assert!(open.socket.local_addr().unwrap().is_ipv6());
    assert!(sockets.listen(&[address]).is_err(), "in use");

    // The kernel does not let both be bound to one port, so the places are made up.
    let fake = |bound: &str| {
        let socket = StdListener::bind("127.0.0.1:0").unwrap();
        let mut passed = PassedSocket::take(socket.into(), bound.to_owned()).unwrap();
        passed.place.address = bound.parse().unwrap();
        passed.place.takes_all = bound.starts_with("[::]");
        Arc::new(passed)
    };
    let sockets = PassedSockets(vec![fake("[::]:4141"), fake("0.0.0.0:4141")]);
    for bind in ["0.0.0.0:4141", "[::]:4141"] {
        let serving = sockets.serving(Transport::Tcp, bind.parse().unwrap());
        assert_eq!(serving.unwrap().name, bind);
    }
    let udp = sockets.serving(Transport::Udp, "0.0.0.0:4141".parse().unwrap());
    assert!(udp.is_none());
}

#[tokio::test]
async fn datagrams_come_through_a_passed_socket() {
    let socket = StdUdp::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let sockets = passed([socket.into()]);
    let client = StdUdp::bind("127.0.0.1:0").unwrap();
    client.send_to(b"early", address).unwrap();
    let open = sockets.receive(&[address]).await.unwrap();
    let mut buffer = [0; 8];
    assert_eq!(open.socket.recv(&mut buffer).await.unwrap(), 5);
}

/// Nobody waits for ever: clients of a socket without a user see that it is closed, until something
/// is configured for it.
#[tokio::test]
async fn clients_of_a_socket_that_nothing_is_configured_for_are_turned_away() {
    let [first, second] = [(); 2].map(|()| StdListener::bind("127.0.0.1:0").unwrap());
    let [used, unused] = [&first, &second].map(|socket| socket.local_addr().unwrap());
    let sockets = passed([OwnedFd::from(first), second.into()]);
    let resolver = Resolver::default();
    let one = wanted(Transport::Tcp, "127.0.0.1", used.port());
    // The same port, but of UDP.
    let other = wanted(Transport::Udp, "127.0.0.1", unused.port());
    sockets.settle(&[one.clone(), other], &resolver).await;
    let mut waiting = TcpStream::connect(used).await.unwrap();
    let mut turned_away = TcpStream::connect(unused).await.unwrap();
    assert_eq!(turned_away.read(&mut [0]).await.unwrap(), 0);
    let port = sockets.listen(&[used]).unwrap();
    let (mut accepted, _) = port.socket.accept().await.unwrap();
    accepted.write_all(b"y").await.unwrap();
    assert_eq!(waiting.read_u8().await.unwrap(), b'y');

    // A change of the file: now the other one is used, by a name that is not known yet.
    drop(port);
    let later = wanted(Transport::Tcp, "no such name", unused.port());
    sockets.settle(&[later], &resolver).await;
    let mut turned_away = TcpStream::connect(used).await.unwrap();
    assert_eq!(turned_away.read(&mut [0]).await.unwrap(), 0);
    let mut waiting = loop {
        // The task that turned clients away may have had this one before it ended.
        let mut client = TcpStream::connect(unused).await.unwrap();
        let mut byte = [0];
        let answer = tokio::time::timeout(Duration::from_millis(200), client.read(&mut byte));
        if answer.await.is_err() {
            break client;
        }
    };
    let port = sockets.listen(&[unused]).unwrap();
    let (mut accepted, _) = port.socket.accept().await.unwrap();
    accepted.write_all(b"z").await.unwrap();
    assert_eq!(waiting.read_u8().await.unwrap(), b'z');
}

/// A socket that turned clients away is given to whoever comes for it.
#[tokio::test]
async fn a_socket_can_be_named_again() {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sockets = passed([listener.into()]);
    sockets.settle(&[], &Resolver::default()).await;
    let mut turned_away = TcpStream::connect(address).await.unwrap();
    assert_eq!(turned_away.read(&mut [0]).await.unwrap(), 0);
    let port = sockets.listen(&[address]).unwrap();
    let asking = tokio::spawn(async move {
        loop {
            let mut client = TcpStream::connect(address).await.unwrap();
            if let Ok(answer) = client.read_u8().await {
                return answer;
            }
        }
    });
    let (mut accepted, _) = port.socket.accept().await.unwrap();
    accepted.write_all(b"a").await.unwrap();
    assert_eq!(asking.await.unwrap(), b'a');
}
