//! Work for policies that no event waits for: behind everything else.
//!
//! A tenant decides how much of it there is: each version that it brings is read, compiled and tried
//! out. So that work must not take turns with other tenants' events. It runs on threads of its own with
//! the lowest priority: a thread that has an event to handle gets the processor at once, as if it were
//! idle. (The idle class of the system is not used: it is not preempted sooner, and it would stand still
//! on a busy machine.) Threads and processes that such a thread begins have its priority, too.

use std::cell::Cell;
use std::io;
use std::panic::resume_unwind;
use std::thread;

use tokio::runtime::Handle;

use crate::long_turns;

/// The lowest priority: what is left when nothing else is to be done.
const LAST: i32 = 19;

thread_local! {
    static IS_BEHIND: Cell<bool> = const { Cell::new(false) };
}

/// Runs work on such a thread, and waits for it: not to be called by a thread that moves events.
///
/// # Errors
/// No thread can be started.
///
/// # Panics
/// When the work does.
pub fn behind<R: Send>(work: impl FnOnce() -> R + Send) -> io::Result<R> {
    let runtime = Handle::try_current().ok();
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("policy-work".to_owned());
        let thread = thread.spawn_scoped(scope, move || {
            step_behind("work for a policy");
            // The clock is the runtime's.
            let _runtime = runtime.as_ref().map(Handle::enter);
            work()
        })?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Puts this thread (and not its process) behind all others, for good.
pub(crate) fn step_behind(work: &'static str) {
    IS_BEHIND.set(true);
    lower_priority(LAST, work);
}

/// Whether this thread is behind all others.
pub(crate) fn is_behind() -> bool {
    IS_BEHIND.get()
}

/// Lowers the priority of this thread (and not of its process), and lengthens its turns. A priority that
/// is lower already stays so.
pub(crate) fn lower_priority(nice: i32, work: &'static str) {
    let lowered = rustix::process::getpriority_process(None).and_then(|now| {
        let nice = nice.max(now);
        rustix::process::setpriority_process(None, nice)?;
        Ok(nice)
    });
    match lowered.map(long_turns::begin) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, work, "work keeps the turns of deliveries"),
        Err(error) => tracing::debug!(%error, work, "work keeps the priority of deliveries"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;
    use std::time::Duration;

    use flume_core::clock;

    fn nice() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[test]
    fn work_has_the_lowest_priority_and_its_caller_keeps_its_own() {
        let before = nice();
        let (there, its_own) = behind(|| (nice(), thread::spawn(nice).join().unwrap())).unwrap();
        assert_eq!((there, its_own), (LAST, LAST));
        assert_eq!(nice(), before);
        assert!(behind(is_behind).unwrap());
        assert!(!is_behind());
    }

    #[test]
    fn a_lower_priority_is_never_made_higher() {
        let after = behind(|| {
            lower_priority(10, "a test");
            nice()
        });
        assert_eq!(after.unwrap(), LAST);
    }

    #[test]
    fn a_panic_is_its_callers() {
        let panic = catch_unwind(|| behind(|| panic!("oh"))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"oh"));
    }

    #[tokio::test(start_paused = true)]
    async fn its_clock_is_the_callers() {
        tokio::time::advance(Duration::from_secs(3600)).await;
        let now = clock::now();
        assert_eq!(behind(clock::now).unwrap(), now);
    }
}
