//! What the kernel says of this process.

use std::io;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// The numbers of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct ProcessStats {
    /// CPU time, user and system.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open files.
    pub open_files: u64,
    /// The limit of open files.
    pub most_files: u64,
    /// When it started, in seconds since 1970.
    pub start_seconds: f64,
}

impl ProcessStats {
    /// Of the process that asks; `None` where the kernel does not say, as on other systems.
    pub(crate) fn read() -> Option<Self> {
        read().ok()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times of a process in ticks and nanoseconds need fewer digits than a double has"
)]
fn read() -> io::Result<ProcessStats> {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let pages = number(&std::fs::read_to_string("/proc/self/statm")?, 1)?;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program stands in brackets, and may have blanks; the state, the third field,
    // follows.
    let after_name = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let started = number(after_name, 22 - 3)?;
    let system = std::fs::read_to_string("/proc/stat")?;
    let booted = system.lines().find(|line| line.starts_with("btime "));
    let booted = number(booted.unwrap_or(""), 1)?;
    let most_files = getrlimit(Resource::Nofile).current;
    Ok(ProcessStats {
        cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
        resident_bytes: pages.saturating_mul(rustix::param::page_size() as u64),
        // The folder itself is open while it is read.
        open_files: (std::fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1),
        most_files: most_files.unwrap_or(u64::MAX),
        start_seconds: booted as f64
            + started as f64 / rustix::param::clock_ticks_per_second() as f64,
    })
}

fn number(text: &str, field: usize) -> io::Result<u64> {
    let field = text.split_whitespace().nth(field);
    let number = field.and_then(|field| field.parse().ok());
    number.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

#[cfg(test)]
mod tests {
    use flume_core::clock::WallClock;

    use super::*;

    #[test]
    fn the_kernel_knows_this_process() {
        let read = ProcessStats::read();
        assert_eq!(read.is_some(), cfg!(target_os = "linux"));
        let Some(stats) = read else { return };
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        let more = ProcessStats::read().unwrap();
        // Other tests of this program open and close files at the same time.
        assert!(stats.open_files > 2 && more.most_files >= more.open_files);
        assert!(stats.resident_bytes > 1 << 20 && stats.resident_bytes < 1 << 40);
        assert!(stats.cpu_seconds > 0.0 && more.cpu_seconds >= stats.cpu_seconds);
        let now = WallClock::system().millis() as f64 / 1e3;
        let age = now - stats.start_seconds;
        assert!(age > -2.0 && age < 3600.0, "{age}");
        drop(file);
    }
}
