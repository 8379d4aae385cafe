//! What a guest's imports reach, and what its growth is measured against.
//!
//! The functions are defined by hand and not by the generated trait: that one copies a message to
//! the host before anybody has asked how long it is. Here a message is looked at in the guest's own
//! memory, and the work of a call is bounded by what is kept of it.

use wasmtime::component::{Linker, WasmList, WasmStr};
use wasmtime::{ResourceLimiter, StoreContextMut};

use super::timer::Timer;
use crate::artifact::stub::GIVEN;
use crate::bindings::log::{Level, Stream};
use crate::limits::Limits;
use crate::log::GuestLog;

/// The only interface that policies import.
const LOG: &str = "flume:policy/log@0.1.0";

/// Memories of a policy. Each takes 4 GiB of addresses, however small it is.
const MOST_MEMORIES: usize = 16;

/// What a guest's imports may touch.
pub(crate) struct Host {
    pub(super) limiter: Limiter,
    pub(super) log: GuestLog,
    /// What the stub of WASI is told: nothing that the policy is not told, too.
    seed: u64,
    pub(super) timer: Timer,
}

impl Host {
    pub(super) fn new(limits: &Limits, seed: u64, log: GuestLog) -> Self {
        let limiter = Limiter {
            most_memory: limits.memory,
            most_elements: limits.table_elements,
            most_instances: limits.instances,
            memory: 0,
            elements: 0,
            asked: 0,
            denied: None,
        };
        Self {
            limiter,
            log,
            seed,
            timer: Timer::new(),
        }
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
            .map_err(|_| wasmtime::Error::msg("a log message is no UTF-8"))?;
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
pub(super) struct Limiter {
    most_memory: usize,
    most_elements: usize,
    most_instances: usize,
    /// Bytes, over all its memories.
    pub(super) memory: usize,
    elements: usize,
    /// What the growth under way adds: taken back if it fails for another reason.
    asked: usize,
    /// The last refusal, in words.
    pub(super) denied: Option<String>,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.asked = desired.saturating_sub(current);
        let total = self.memory.saturating_add(self.asked);
        if total > self.most_memory {
            let most = self.most_memory;
            self.asked = 0;
            self.denied = Some(format!("wants {total} bytes of memory, may have {most}"));
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory = self.memory.saturating_sub(std::mem::take(&mut self.asked));
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.asked = desired.saturating_sub(current);
        let total = self.elements.saturating_add(self.asked);
        if total > self.most_elements {
            let most = self.most_elements;
            self.asked = 0;
            self.denied = Some(format!(
                "wants {total} elements in its tables, may have {most}"
            ));
            return Ok(false);
        }
        self.elements = total;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.elements = self
            .elements
            .saturating_sub(std::mem::take(&mut self.asked));
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
        Limiter {
            most_memory: 100,
            most_elements: 10,
            most_instances: 1,
            memory: 0,
            elements: 0,
            asked: 0,
            denied: None,
        }
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
        // One that was refused was never counted.
        assert!(!limiter.memory_growing(100, 101, None).unwrap());
        limiter
            .memory_grow_failed(wasmtime::Error::msg("refused"))
            .unwrap();
        assert!(!limiter.memory_growing(100, 101, None).unwrap());
    }
}
