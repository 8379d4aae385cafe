//! A collector that follows a script, and does what a good one never does.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its peer has failed"
)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BufMut;
use bytes::BytesMut;
use flume_avro::{ReplyStatus, Response, RpcLimits, Server, ServerStep};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::net::stream::Acceptor;

/// What to do about one request.
#[derive(Debug, Clone)]
pub enum Act {
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
    /// Says that the batch was taken.
    pub const OK: Self = Self::Answer(Response::Status(ReplyStatus::Ok));
    /// The same, later.
    pub const HOLD: Self = Self::Hold(Response::Status(ReplyStatus::Ok));
    /// Says that the batch was refused.
    pub const FAILED: Self = Self::Answer(Response::Status(ReplyStatus::Failed));
}

/// Follows its script over all connections, one after the other; then answers `OK`.
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Scripted {
    /// Listens, and answers requests as the script says.
    pub async fn start(script: impl IntoIterator<Item = Act>) -> Self {
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
    let mut server = Server::new(RpcLimits::default(), Default::default());
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut held = Vec::new();
    loop {
        match server.poll(&mut input, &mut output).unwrap() {
            ServerStep::Answered => {}
            ServerStep::Call(call) => match script.pop().unwrap_or(Act::OK) {
                Act::Hold(response) => held.push((call.serial, response)),
                Act::Answer(response) => {
                    held.push((call.serial, response));
                    for (serial, response) in held.drain(..) {
                        server.respond(serial, &response, &mut output);
                    }
                }
                Act::Delay(time) => {
                    tokio::time::sleep(time).await;
                    let ok = Response::Status(ReplyStatus::Ok);
                    server.respond(call.serial, &ok, &mut output);
                }
                Act::Ignore => {}
                Act::HangUp => return,
            },
            ServerStep::Wait => {
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
pub async fn talkative(acceptor: Acceptor, answer: usize) -> (SocketAddr, JoinHandle<()>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(socket).await.unwrap();
        let mut server = Server::new(RpcLimits::default(), Default::default());
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        let mut requests = 0;
        loop {
            match server.poll(&mut input, &mut output).unwrap() {
                ServerStep::Answered => {}
                ServerStep::Call(call) => {
                    requests += 1;
                    match requests {
                        2 => long_answer(call.serial, answer, &mut output),
                        _ => {
                            let ok = Response::Status(ReplyStatus::Ok);
                            server.respond(call.serial, &ok, &mut output);
                        }
                    }
                }
                ServerStep::Wait => {
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

/// `OK` with `size` bytes of metadata that cannot be compressed.
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
