//! Shared by all workloads: batches, and repetitions in which only the work is counted.

use std::mem;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use flume_core::Event;

/// Events in a batch.
pub(crate) const EVENTS: usize = 100;

/// Bytes of a body.
pub(crate) const BODY: usize = 500;

/// The most repetitions of a workload.
pub(crate) const MOST: usize = 120;

/// Repeats the work, each time with its own input.
///
/// All [`MOST`] inputs are always prepared, and unused ones are not
/// freed, so that two runs with different numbers differ only in the work.
pub(crate) fn repeat<T>(repetitions: usize, prepare: impl FnMut(usize) -> T, work: impl FnMut(T)) {
    let inputs: Vec<T> = (0..MOST).map(prepare).collect();
    let mut inputs = inputs.into_iter();
    inputs.by_ref().take(repetitions).for_each(work);
    mem::forget(inputs);
}

/// The lines of a batch, each with its end, as they come from a socket.
pub(crate) fn lines() -> Vec<u8> {
    let lines = (0..EVENTS).flat_map(|number| {
        let mut line = format!("{number:05} ").into_bytes();
        line.extend((line.len()..BODY).map(|_| b'x'));
        line.push(b'\n');
        line
    });
    lines.collect()
}

/// The events of a batch: slices of one buffer, each with `headers` headers.
pub(crate) fn events(headers: usize) -> Vec<Event> {
    let lines = Bytes::from(lines());
    let bodies = (0..EVENTS).map(|number| {
        let start = number * (BODY + 1);
        lines.slice(start..start + BODY)
    });
    let with_headers = bodies.map(|body| {
        let named = (0..headers).map(|header| (format!("header{header}"), "value".to_owned()));
        named.fold(Event::new(body), |event, (name, value)| {
            event.with_header(name, value)
        })
    });
    with_headers.collect()
}

/// The result of a future that has no reason to wait.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("a workload waits for something"),
    }
}
