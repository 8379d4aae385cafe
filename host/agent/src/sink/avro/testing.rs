//! A collector that does as it is told, for what a good one never does.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use bytes::BufMut;
use flume_avro::{Limits, Response, Server, Status, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::net::stream::Acceptor;

/// What to do about one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answer.
    Answer(Response),
    /// Answer, but not before the next request is here.
    Hold(Response),
    /// Answer after a while.
    Delay(Duration),
    /// Never answer.
    Ignore,
    /// Close the connection.
    HangUp,
}

impl Act {
    pub(crate) const OK: Self = Self::Answer(Response::Status(Status::Ok));
    pub(crate) const HOLD: Self = Self::Hold(Response::Status(Status::Ok));
    pub(crate) const FAILED: Self = Self::Answer(Response::Status(Status::Failed));
}

/// Follows its script over all connections, one after the other; then answers `OK`.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Scripted {
    pub(crate) async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut script: Vec<Act> = script.into_iter().collect();
        script.reverse();
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                converse(socket, &mut script).await;
            }
        });
        Self { address, task }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(mut socket: TcpStream, script: &mut Vec<Act>) {
    // Held-back segments would arrive in real time, and the tests' time is not real.
    socket.set_nodelay(true).unwrap();
    let mut server = Server::new(Limits::default(), Default::default());
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut held = Vec::new();
    loop {
        match server.poll(&mut input, &mut output).unwrap() {
            Step::Answered => {}
            Step::Call(call) => match script.pop().unwrap_or(Act::OK) {
                Act::Hold(response) => held.push((call.serial, response)),
                Act::Answer(response) => {
                    held.push((call.serial, response));
                    for (serial, response) in held.drain(..) {
                        server.respond(serial, &response, &mut output);
                    }
                }
                Act::Delay(time) => {
                    tokio::time::sleep(time).await;
                    let ok = Response::Status(Status::Ok);
                    server.respond(call.serial, &ok, &mut output);
                }
                Act::Ignore => {}
                Act::HangUp => return,
            },
            Step::Wait => {
                if socket.write_all(&output.split()).await.is_err() {
                    return;
                }
                match socket.read_buf(&mut input).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
            }
        }
    }
}

/// A collector that answers its second request at great length and reads nothing until all of
/// the answer is written. To all others it answers `OK`.
pub(crate) async fn talkative(acceptor: Acceptor, answer: usize) -> (SocketAddr, JoinHandle<()>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(socket).await.unwrap();
        let mut server = Server::new(Limits::default(), Default::default());
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        let mut requests = 0;
        loop {
            match server.poll(&mut input, &mut output).unwrap() {
                Step::Answered => {}
                Step::Call(call) => {
                    requests += 1;
                    match requests {
                        2 => long_answer(call.serial, answer, &mut output),
                        _ => {
                            let ok = Response::Status(Status::Ok);
                            server.respond(call.serial, &ok, &mut output);
                        }
                    }
                }
                Step::Wait => {
                    stream.write_all(&output.split()).await.unwrap();
                    stream.flush().await.unwrap();
                    if stream.read_buf(&mut input).await.unwrap() == 0 {
                        return;
                    }
                }
            }
        }
    });
    (address, task)
}

/// `OK` with so many bytes of metadata, which nothing can compress.
fn long_answer(serial: i32, size: usize, output: &mut BytesMut) {
    let mut random = fastrand::Rng::with_seed(1);
    let mut data = vec![0; size];
    random.fill(&mut data);
    // A map with one entry, `m`.
    let mut message = vec![2, 2, b'm'];
    let mut length = size << 1;
    while length > 0x7f {
        message.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    message.push(u8::try_from(length).unwrap());
    message.extend(data);
    // The map's end, no error, the first status.
    message.extend([0, 0, 0]);
    output.put_i32(serial);
    output.put_i32(1);
    output.put_i32(i32::try_from(message.len()).unwrap());
    output.put_slice(&message);
}
