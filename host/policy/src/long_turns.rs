//! Long turns at the processor, for work that others must not wait for.
//!
//! A thread that wakes up has to wait for the end of another one's turn, whatever their priorities are;
//! but not if its own turns are shorter (Linux from 6.12 on; older ones have no such turns). So who does
//! much asks for long turns: it has its share of the processors all the same, and gives way at once.
//! A turn that has begun stays as long as it was, so it is ended first.

use std::io;
use std::thread;

use crate::behind::is_behind;

/// Nanoseconds of a long turn: as many as the system allows.
const LONG: u64 = 100_000_000;

/// What the system takes for its own choice.
const USUAL: u64 = 0;

/// `SCHED_FLAG_KEEP_POLICY` of the system.
const KEEP_POLICY: u64 = 0x08;

/// Does work in long turns, at this thread's own priority: others that wake up go first.
pub(crate) fn during<R>(work: impl FnOnce() -> R) -> R {
    // Who is behind all others has them anyway.
    let _turns = match is_behind() {
        true => None,
        false => LongTurns::begin(),
    };
    work()
}

/// Begins long turns of this thread, which has this priority, for good.
pub(crate) fn begin(nice: i32) -> io::Result<()> {
    set(nice, LONG)
}

/// Long turns of this thread, until this is dropped: also if the work panics.
struct LongTurns {
    nice: i32,
}

impl LongTurns {
    /// Nothing where the system has no such turns: there is nothing to give back then.
    fn begin() -> Option<Self> {
        let nice = rustix::process::getpriority_process(None).ok()?;
        begin(nice).ok()?;
        thread::yield_now();
        Some(Self { nice })
    }
}

impl Drop for LongTurns {
    fn drop(&mut self) {
        if let Err(error) = set(self.nice, USUAL) {
            tracing::debug!(%error, "a thread keeps its long turns");
        }
    }
}

#[expect(unsafe_code, reason = "no crate has this call of the system")]
fn set(nice: i32, nanoseconds: u64) -> io::Result<()> {
    let attributes = libc::sched_attr {
        size: u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0),
        sched_policy: 0,
        sched_flags: KEEP_POLICY,
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: nanoseconds,
        sched_deadline: 0,
        sched_period: 0,
    };
    let (this_thread, no_flags) = (0, 0);
    // SAFETY: the system reads as many bytes of it as its first field says.
    let done = unsafe {
        libc::syscall(
            libc::SYS_sched_setattr,
            this_thread,
            &raw const attributes,
            no_flags,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::panic::catch_unwind;

    use crate::behind::behind;

    /// Nanoseconds of a turn of this thread; 0 where the system does not say.
    #[expect(unsafe_code, reason = "no crate has this call of the system")]
    pub(crate) fn turn() -> u64 {
        let mut attributes = std::mem::MaybeUninit::<libc::sched_attr>::zeroed();
        let (this_thread, size, no_flags) = (0, size_of::<libc::sched_attr>(), 0);
        // SAFETY: the system writes so many bytes at most, and zeros are valid for the rest.
        let read = unsafe {
            libc::syscall(
                libc::SYS_sched_getattr,
                this_thread,
                attributes.as_mut_ptr(),
                size,
                no_flags,
            )
        };
        assert_eq!(read, 0);
        // SAFETY: as above.
        unsafe { attributes.assume_init() }.sched_runtime
    }

    /// The same during a long turn.
    pub(crate) fn long() -> u64 {
        match turn() {
            // An older system.
            0 => 0,
            _ => LONG,
        }
    }

    #[test]
    fn turns_are_long_during_the_work_alone() {
        let usual = turn();
        assert_eq!(during(turn), long());
        assert_eq!(turn(), usual);
        catch_unwind(|| during(|| panic!("oh"))).unwrap_err();
        assert_eq!(turn(), usual);
    }

    #[test]
    fn who_is_behind_all_others_keeps_them() {
        let (first, after) = behind(|| (during(turn), turn())).unwrap();
        assert_eq!(first, after);
    }
}
