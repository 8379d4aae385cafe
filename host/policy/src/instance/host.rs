//! What a guest's imports reach, and what its growth is measured against.

use wasmtime::ResourceLimiter;

use crate::bindings::log;
use crate::limits::Limits;
use crate::log::GuestLog;

/// What a guest's imports may touch.
pub(crate) struct Host {
    pub(super) limiter: Limiter,
    pub(super) log: GuestLog,
}

impl Host {
    pub(super) fn new(limits: &Limits, log: GuestLog) -> Self {
        let limiter = Limiter {
            most_memory: limits.memory,
            most_elements: limits.table_elements,
            most_instances: limits.instances,
            memory: 0,
            denied: None,
        };
        Self { limiter, log }
    }
}

impl log::Host for Host {
    fn write(&mut self, level: log::Level, message: String) {
        self.log.write(level, &message);
    }

    fn print(&mut self, to: log::Stream, bytes: Vec<u8>) {
        self.log.print(to, &bytes);
    }
}

/// Counts all memories of an instance together, and remembers that it refused.
pub(super) struct Limiter {
    most_memory: usize,
    most_elements: usize,
    most_instances: usize,
    /// Bytes, over all its memories.
    pub(super) memory: usize,
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
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.most_memory {
            let most = self.most_memory;
            self.denied = Some(format!("wants {total} bytes of memory, may have {most}"));
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.most_elements {
            let most = self.most_elements;
            self.denied = Some(format!(
                "wants a table of {desired} elements, may have {most}"
            ));
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.most_instances
    }

    fn tables(&self) -> usize {
        self.most_instances
    }

    fn memories(&self) -> usize {
        self.most_instances
    }
}
