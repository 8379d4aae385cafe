//! What a guest's imports can do, and how much it may grow.
//!
//! The functions are defined by hand and not by the generated trait: that one copies a message to
//! the host before its length is checked. Here a message is checked in the guest's own
//! memory, and a call only costs as much as what is kept of the message.

use std::time::Duration;

use flume_core::clock::{self, Instant};
use wasmtime::component::{Linker, WasmList, WasmStr};
use wasmtime::{ResourceLimiter, Store, StoreContextMut, UpdateDeadline};

use crate::bindings::log::{Level, Stream};
use crate::limits::Limits;
use crate::log::GuestLog;

mod timer;

use self::timer::Timer;

pub(crate) use self::timer::TICK;

/// The only interface that policies import.
const LOG: &str = "flume:policy/log@0.1.0";

/// What the stub of WASI imports, and nothing else may: all that a policy can call is the log.
pub(crate) const GIVEN: &str = "flume:host/given@0.1.0";

/// Memories of a policy. Each takes 4 GiB of addresses, however small it is.
const MOST_MEMORIES: usize = 16;

/// What a guest's imports have access to.
pub(crate) struct Host {
    pub(crate) limiter: Limiter,
    pub(crate) log: GuestLog,
    /// For the stub of WASI: the seed that the policy gets, too.
    seed: u64,
    timer: Timer,
}

impl Host {
    pub(crate) fn new(limits: &Limits, seed: u64, log: GuestLog) -> Self {
        Self {
            limiter: Limiter::new(limits),
            log,
            seed,
            timer: Timer::new(Duration::ZERO, clock::now()),
        }
    }
}

/// Makes a store end calls that are over their deadline.
pub(crate) fn install_deadlines(store: &mut Store<Host>) {
    store.epoch_deadline_callback(|mut store| {
        Ok(match store.data_mut().timer.left() {
            Some(left) => UpdateDeadline::Continue(timer::ticks(left)),
            None => UpdateDeadline::Interrupt,
        })
    });
}

/// Gives the next call its deadline.
pub(crate) fn arm(store: &mut Store<Host>, deadline: Duration, began: Instant) {
    store.data_mut().timer = Timer::new(deadline, began);
    // The tick that is under way does not count.
    store.set_epoch_deadline(timer::ticks(timer::FIRST) + 1);
}

impl Host {
    /// How long the call under way, or the last one, may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.timer.deadline()
    }

    /// What the last call used of the processor; it has just returned after `took` of real time.
    pub(crate) fn used(&self, took: Duration) -> Duration {
        self.timer.used(took)
    }
}

/// Gives guests their imports.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let mut log = linker.instance(LOG)?;
    log.func_wrap("write", write)?;
    log.func_wrap("print", print)?;
    let mut given = linker.instance(GIVEN)?;
    given.func_wrap("seed", |store: StoreContextMut<'_, Host>, (): ()| {
        Ok((store.data().seed,))
    })
}

fn write(
    mut store: StoreContextMut<'_, Host>,
    (level, message): (Level, WasmStr),
) -> wasmtime::Result<()> {
    if store.data_mut().log.wants(level) {
        let message = message
            .to_str(&store)
            .map_err(|_| wasmtime::Error::msg("a log message is not valid UTF-8"))?;
        let message = GuestLog::cut(&message).to_owned();
        store.data_mut().log.write(level, &message);
    }
    Ok(())
}

fn print(
    mut store: StoreContextMut<'_, Host>,
    (to, bytes): (Stream, WasmList<u8>),
) -> wasmtime::Result<()> {
    let lines = store.data().log.read(bytes.as_le_slice(&store));
    store.data_mut().log.print(to, lines);
    Ok(())
}

/// Counts all memories and tables of an instance together, and remembers that it refused.
pub(crate) struct Limiter {
    memory: Allowance,
    elements: Allowance,
    most_instances: usize,
    /// The last refusal, in words.
    pub(crate) denied: Option<String>,
}

/// What all memories, or all tables, of an instance may have together.
struct Allowance {
    /// What is counted, for the refusal.
    what: &'static str,
    most: usize,
    used: usize,
    /// What the growth under way adds: taken back if it fails for another reason.
    asked: usize,
}

impl Limiter {
    fn new(limits: &Limits) -> Self {
        Self {
            memory: Allowance::new("bytes of memory", limits.memory),
            elements: Allowance::new("elements in its tables", limits.table_elements),
            most_instances: limits.instances,
            denied: None,
        }
    }

    /// Bytes, over all memories.
    pub(crate) fn memory(&self) -> usize {
        self.memory.used
    }

    /// Notes a refusal; says whether the growth is allowed.
    fn allowed(&mut self, growth: Result<(), String>) -> bool {
        match growth {
            Ok(()) => true,
            Err(refusal) => {
                self.denied = Some(refusal);
                false
            }
        }
    }
}

impl Allowance {
    fn new(what: &'static str, most: usize) -> Self {
        Self {
            what,
            most,
            used: 0,
            asked: 0,
        }
    }

    /// Counts a growth, or says why it is too much.
    fn grow(&mut self, current: usize, desired: usize) -> Result<(), String> {
        let asked = desired.saturating_sub(current);
        let total = self.used.saturating_add(asked);
        if total > self.most {
            self.asked = 0;
            let Self { what, most, .. } = self;
            return Err(format!("wants {total} {what}, may have {most}"));
        }
        (self.asked, self.used) = (asked, total);
        Ok(())
    }

    /// Takes the last growth back.
    fn take_back(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.asked));
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = self.memory.grow(current, desired);
        Ok(self.allowed(growth))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.take_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = self.elements.grow(current, desired);
        Ok(self.allowed(growth))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.elements.take_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        self.most_instances
    }

    fn tables(&self) -> usize {
        self.most_instances
    }

    fn memories(&self) -> usize {
        MOST_MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        Limiter::new(&Limits {
            memory: 100,
            table_elements: 10,
            instances: 1,
            ..Limits::default()
        })
    }

    #[test]
    fn memories_count_together_to_the_last_byte() {
        let mut limiter = limiter();
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 41, None).unwrap());
        assert_eq!(
            limiter.denied.as_deref(),
            Some("wants 101 bytes of memory, may have 100")
        );
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(!limiter.memory_growing(60, 61, None).unwrap());
    }

    #[test]
    fn tables_count_together() {
        let mut limiter = limiter();
        assert!(limiter.table_growing(0, 6, None).unwrap());
        assert!(!limiter.table_growing(0, 5, None).unwrap());
        assert!(limiter.table_growing(0, 4, None).unwrap());
    }

    #[test]
    fn growth_that_fails_costs_nothing() {
        let mut limiter = limiter();
        assert!(limiter.memory_growing(0, 60, Some(50)).unwrap());
        limiter
            .memory_grow_failed(wasmtime::Error::msg("beyond its own maximum"))
            .unwrap();
        assert!(limiter.memory_growing(0, 100, None).unwrap());
        // A growth that was refused was never counted.
        assert!(!limiter.memory_growing(100, 101, None).unwrap());
        limiter
            .memory_grow_failed(wasmtime::Error::msg("refused"))
            .unwrap();
        assert!(!limiter.memory_growing(100, 101, None).unwrap());
    }
}
