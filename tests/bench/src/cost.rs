//! What a process has cost so far: CPU time and memory.

use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

/// User and system CPU time of a process, over all its threads, including those that ended.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn cpu(process: u32) -> Duration {
    let pid = Pid::from_raw(i32::try_from(process).expect("a process id"));
    let clock = clock_getcpuclockid(pid).expect("a running process");
    let time = ClockId::now(clock).expect("its clock runs");
    Duration::from(time)
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// The most that was resident at any time.
    pub high: u64,
}

/// Memory of a process.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn memory(process: u32) -> Memory {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(path).expect("a running process");
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    let bytes = |name: &str| kib(name).expect("a line of /proc") * 1024;
    Memory {
        resident: bytes("VmRSS:"),
        high: bytes("VmHWM:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_costs_time_and_memory() {
        let own = std::process::id();
        let before = cpu(own);
        let mut sum = 0_u64;
        while cpu(own) < before + Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
        let memory = memory(own);
        assert!(memory.resident > 100_000 && memory.high >= memory.resident);
    }
}
