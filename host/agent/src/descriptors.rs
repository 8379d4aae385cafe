//! Descriptors that the service manager has passed to this process: systemd's protocol of
//! `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`. What they are is found out later, see
//! [`PassedSockets`].

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use flume_components::net::passed::PassedSockets;

/// What was passed.
#[derive(Debug)]
pub(crate) enum Passed {
    /// Nothing.
    Nothing,
    /// Something to another process, from which this one has the variables.
    ToAnother,
    /// These, each with its name.
    Descriptors(Vec<(OwnedFd, String)>),
    /// The variables do not say what there is.
    Unclear(io::Error),
}

/// Whether they were taken: each has one owner.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes what was passed. Call it before anything opens a file: a number that was promised and not
/// passed would be that of the file. A second call finds nothing.
pub(crate) fn take() -> Passed {
    let promised = std::env::var("LISTEN_FDS").unwrap_or_default();
    if matches!(promised.as_str(), "" | "0") || TAKEN.swap(true, Ordering::Relaxed) {
        return Passed::Nothing;
    }
    let numbers = match sd_notify::listen_fds_with_names() {
        Ok(numbers) => numbers,
        Err(error) => return Passed::Unclear(error),
    };
    let descriptors = numbers.map(|(number, name)| {
        #[expect(
            unsafe_code,
            reason = "an inherited descriptor has no owner yet, and nothing else makes one its owner"
        )]
        // SAFETY: it is open, or the look at its flags had failed; it was opened for this process
        // (`LISTEN_PID`), in which nothing else has opened a file yet; and it is taken only once.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        (descriptor, name)
    });
    let descriptors: Vec<_> = descriptors.collect();
    match descriptors.is_empty() {
        true => Passed::ToAnother,
        false => Passed::Descriptors(descriptors),
    }
}

impl Passed {
    /// The sockets among them. Says in the log what came of the others.
    pub(crate) fn into_sockets(self) -> PassedSockets {
        match self {
            Self::Nothing => PassedSockets::default(),
            Self::Descriptors(descriptors) => PassedSockets::take(descriptors),
            Self::ToAnother => {
                tracing::info!(
                    "sockets were passed to another process and not to this one (LISTEN_PID): ports \
                     are bound here"
                );
                PassedSockets::default()
            }
            Self::Unclear(error) => {
                tracing::warn!(%error, "passed sockets cannot be taken over: ports are bound here");
                PassedSockets::default()
            }
        }
    }
}
