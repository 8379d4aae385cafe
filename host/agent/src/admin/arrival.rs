//! A module on its way to the admin port: how large it may be, and how slow.
//!
//! Room is kept for a module from its first byte to its last, and there is only so much of it. So a
//! client that sends a byte now and then would keep others out: each [`WINDOW`] has to bring what
//! [`LEAST_RATE`] says, or the rest of the module.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use flume_core::clock::{self, timeout_at};
use futures_util::StreamExt as _;
use tokio::task::yield_now;

/// Bytes of the largest module that the port accepts; a larger one has to come in its file.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// How long a module may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);

/// Bytes of a module that have to arrive each second, on average over a window.
const LEAST_RATE: u64 = 16 << 10;

/// The time over which the rate is looked at: a connection may stall for a moment.
const WINDOW: Duration = Duration::from_secs(5);

/// Bytes that a window has to bring.
const LEAST: u64 = LEAST_RATE * WINDOW.as_secs();

/// A module did not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArrivalError {
    #[error("a module has at most {MOST_BYTES} bytes here; a larger one has to come in its file")]
    TooLarge,
    #[error(
        "a module has to come with at least {} KiB a second, over each {} s: it was slower and is \
         not awaited; bring its file to this machine, and move it into place",
        LEAST_RATE >> 10,
        WINDOW.as_secs()
    )]
    TooSlow,
    #[error(
        "a module has to arrive within {} s; bring its file to this machine, and move it into place",
        ARRIVAL.as_secs()
    )]
    TooLate,
    #[error("the module did not arrive whole: {0}")]
    Broken(axum::Error),
}

impl ArrivalError {
    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow | Self::TooLate => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a module.
///
/// Only time in which nothing could be read is held against a client: on a busy machine bytes may
/// have waited here.
///
/// # Errors
/// It is too large, too slow, or not whole.
pub(super) async fn arrive(body: Body) -> Result<Vec<u8>, ArrivalError> {
    let mut parts = body.into_data_stream();
    let mut module = Vec::new();
    let end = clock::now() + ARRIVAL;
    let (mut until, mut brought) = (clock::now() + WINDOW, 0);
    loop {
        match timeout_at(until.min(end), parts.next()).await {
            Ok(None) => return Ok(module),
            Ok(Some(Err(error))) => return Err(ArrivalError::Broken(error)),
            Ok(Some(Ok(part))) if part.len() > MOST_BYTES - module.len() => {
                return Err(ArrivalError::TooLarge);
            }
            Ok(Some(Ok(part))) => {
                module.extend_from_slice(&part);
                brought += part.len() as u64;
                // A client on this machine can send without a pause: others have their turn.
                yield_now().await;
            }
            Err(_) if clock::now() >= end => return Err(ArrivalError::TooLate),
            Err(_) if brought < LEAST => return Err(ArrivalError::TooSlow),
            Err(_) => {}
        }
        if clock::now() >= until && brought >= LEAST {
            (until, brought) = (clock::now() + WINDOW, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use bytes::Bytes;
    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

    /// A body of so many parts of this size, one after each pause.
    fn dripping(parts: usize, size: usize, pause: Duration) -> Body {
        Body::from_stream(stream::unfold(parts, move |left| async move {
            let left = left.checked_sub(1)?;
            sleep(pause).await;
            Some((io::Result::Ok(Bytes::from(vec![0; size])), left))
        }))
    }

    /// The least rate, and what a window has to bring.
    const RATE: usize = 16 << 10;
    const FILL: usize = 5 * RATE;

    const SECOND: Duration = Duration::from_secs(1);

    /// How a body arrives, and after which time.
    async fn arrival(body: Body) -> (Result<usize, ArrivalError>, Duration) {
        let start = clock::now();
        let module = arrive(body).await;
        (module.map(|module| module.len()), clock::now() - start)
    }

    #[tokio::test(start_paused = true)]
    async fn a_module_that_is_just_fast_enough_arrives() {
        let (module, took) = arrival(dripping(59, RATE, SECOND)).await;
        assert_eq!(module.unwrap(), 59 * RATE);
        assert_eq!(took, 59 * SECOND);
        // A small one may take a whole window for its few bytes, and one may come in bursts.
        assert_eq!(arrival(dripping(4, 1, SECOND)).await.0.unwrap(), 4);
        let burst = dripping(10, FILL, WINDOW - SECOND);
        assert_eq!(arrival(burst).await.0.unwrap(), 10 * FILL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_module_that_is_too_slow_is_not_awaited() {
        for (body, expected) in [
            (dripping(59, RATE - 1, SECOND), WINDOW),
            (dripping(1_000, 1, SECOND / 10), WINDOW),
            (
                Body::from_stream(stream::pending::<io::Result<Bytes>>()),
                WINDOW,
            ),
            // Enough at first, and then a byte now and then.
            (
                Body::from_stream(
                    stream::once(async { io::Result::Ok(Bytes::from(vec![0; FILL])) }).chain(
                        dripping(1_000, 1, SECOND)
                            .into_data_stream()
                            .map(|part| part.map_err(io::Error::other)),
                    ),
                ),
                WINDOW * 2,
            ),
        ] {
            let (module, took) = arrival(body).await;
            let error = module.unwrap_err();
            assert!(matches!(error, ArrivalError::TooSlow), "{error}");
            assert_eq!(error.status(), 408);
            assert!(
                error
                    .to_string()
                    .contains("at least 16 KiB a second, over each 5 s"),
                "{error}"
            );
            assert_eq!(took, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_module_has_a_limited_time_and_size() {
        let (module, took) = arrival(dripping(100, RATE, SECOND)).await;
        let error = module.unwrap_err();
        assert!(matches!(error, ArrivalError::TooLate), "{error}");
        assert_eq!((error.status().as_u16(), took), (408, ARRIVAL));
        for (bytes, fits) in [(MOST_BYTES, true), (MOST_BYTES + 1, false)] {
            let (module, _) = arrival(Body::from(vec![0; bytes])).await;
            assert_eq!(module.is_ok(), fits, "{bytes}");
        }
        let broken = Body::from_stream(stream::iter([
            io::Result::Ok(Bytes::from_static(b"x")),
            Err(io::Error::other("hung up")),
        ]));
        let error = arrival(broken).await.0.unwrap_err();
        assert_eq!(error.status(), 400);
        assert!(error.to_string().contains("hung up"), "{error}");
    }
}
