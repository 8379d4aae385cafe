//! What a policy may use. Every limit has a default and bounds, and can be set for each place.

use std::time::Duration;

use flume_core::Context;

/// The limits of one policy in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, over all its memories, with what an answer adds to its events.
    pub memory: usize,
    /// Elements in its tables, over all of them.
    pub table_elements: usize,
    /// Core instances and tables that it may consist of, each.
    pub instances: usize,
    /// How long a call may take, however few events it is about.
    pub deadline: Duration,
    /// How much longer it may take for each event that it is shown.
    pub deadline_per_event: Duration,
    /// How long a start (instantiation and `configure`) may take.
    pub start_deadline: Duration,
    /// Processor time that it may use in a second, over all its places, in percent of one
    /// processor; 0 is no bound. Beyond it the fallback orders batches, and the batches of an
    /// interceptor's source wait.
    pub cpu_percent: u32,
    /// Bytes of an answer, snapshots included; of edits, over all events that they concern.
    pub result_bytes: usize,
    /// Lines that it may log in a second.
    pub log_lines: u32,
    /// How long a selector may keep all sinks idle with empty orders.
    pub idle: Duration,
    /// Violations within `window` that cost the policy its place: it is replaced by the version
    /// before it, or quarantined.
    pub violations: u32,
    /// See `violations`.
    pub window: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            table_elements: 100_000,
            instances: 100,
            deadline: Duration::from_millis(20),
            deadline_per_event: Duration::from_micros(10),
            start_deadline: Duration::from_secs(1),
            cpu_percent: 0,
            result_bytes: 16 << 20,
            log_lines: 100,
            idle: Duration::from_secs(60),
            violations: 5,
            window: Duration::from_secs(60),
        }
    }
}

impl Limits {
    /// Reads the limits from their context. A bad number leaves a diagnostic, and the default is
    /// used.
    ///
    /// | key | default | bounds |
    /// |---|---|---|
    /// | `memory-kib` | 65536 | 64 to 4194304 |
    /// | `table-elements` | 100000 | 1 to 10000000 |
    /// | `instances` | 100 | 1 to 1000 |
    /// | `deadline-ms` | 20 | 1 to 10000 |
    /// | `deadline-us-per-event` | 10 | 0 to 1000000 |
    /// | `start-deadline-ms` | 1000 | 1 to 60000 |
    /// | `cpu-percent` | 0 | 0 to 6400 |
    /// | `result-kib` | 16384 | 64 to 1048576 |
    /// | `log-lines` | 100 | 0 to 100000 |
    /// | `idle-ms` | 60000 | 0 to 86400000 |
    /// | `violations` | 5 | 1 to 1000000 |
    /// | `window-ms` | 60000 | 1 to 86400000 |
    pub fn configure(context: &mut Context) -> Self {
        let default = Self::default();
        let mut number = |key: &str, default: usize, bounds| {
            context.number(key, default, bounds).unwrap_or(default)
        };
        Self {
            memory: number("memory-kib", default.memory >> 10, 64..=4 << 20) << 10,
            table_elements: number("table-elements", default.table_elements, 1..=10_000_000),
            instances: number("instances", default.instances, 1..=1000),
            result_bytes: number("result-kib", default.result_bytes >> 10, 64..=1 << 20) << 10,
            cpu_percent: context
                .number("cpu-percent", default.cpu_percent, 0..=6400)
                .unwrap_or(default.cpu_percent),
            log_lines: context
                .number("log-lines", default.log_lines, 0..=100_000)
                .unwrap_or(default.log_lines),
            violations: context
                .number("violations", default.violations, 1..=1_000_000)
                .unwrap_or(default.violations),
            deadline: millis(context, "deadline-ms", default.deadline, 1, 10_000),
            deadline_per_event: per_event(context, default.deadline_per_event),
            start_deadline: millis(
                context,
                "start-deadline-ms",
                default.start_deadline,
                1,
                60_000,
            ),
            idle: millis(context, "idle-ms", default.idle, 0, 86_400_000),
            window: millis(context, "window-ms", default.window, 1, 86_400_000),
        }
    }

    /// How long a call about this many events may take.
    pub fn deadline_for(&self, events: usize) -> Duration {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let for_events = self.deadline_per_event.saturating_mul(events);
        self.deadline.saturating_add(for_events)
    }

    /// The most events that an interceptor is given in one call: those for which its deadline is
    /// twice that of a call about none. A client chooses how large its batches are; it does not
    /// choose how long a guest may hold on to a thread.
    pub fn most_events(&self) -> usize {
        match self.deadline_per_event.as_nanos() {
            0 => usize::MAX,
            each => usize::try_from(self.deadline.as_nanos() / each)
                .unwrap_or(usize::MAX)
                .max(1),
        }
    }
}

fn per_event(context: &mut Context, default: Duration) -> Duration {
    let most = 1_000_000;
    let default = u64::try_from(default.as_micros()).unwrap_or(most);
    let given = context.number("deadline-us-per-event", default, 0..=most);
    Duration::from_micros(given.unwrap_or(default))
}

fn millis(context: &mut Context, key: &str, default: Duration, least: u64, most: u64) -> Duration {
    let default = u64::try_from(default.as_millis()).unwrap_or(most);
    Duration::from_millis(
        context
            .number(key, default, least..=most)
            .unwrap_or(default),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_defaults_and_bounds() {
        let mut none = Context::of("p", &[]);
        assert_eq!(Limits::configure(&mut none), Limits::default());
        assert!(none.finish().is_empty());

        let wanted = [
            ("deadline-ms", "5"),
            ("memory-kib", "63"),
            ("violations", "0"),
        ];
        let mut context = Context::of("p", &wanted);
        let limits = Limits::configure(&mut context);
        let expected = Limits {
            deadline: Duration::from_millis(5),
            ..Limits::default()
        };
        assert_eq!(limits, expected);
        assert_eq!(context.finish().len(), 2);
    }

    #[test]
    fn the_deadline_of_a_call_grows_with_its_events() {
        let of = |keys: &[(&str, &str)]| Limits::configure(&mut Context::of("p", keys));
        let micros =
            |events: usize, keys: &[(&str, &str)]| of(keys).deadline_for(events).as_micros();
        // What was set for a call of any size is never less than that.
        assert_eq!(micros(0, &[("deadline-ms", "20")]), 20_000);
        assert_eq!(micros(500, &[("deadline-ms", "20")]), 25_000);
        assert_eq!(micros(500, &[("deadline-us-per-event", "0")]), 20_000);
        assert_eq!(
            micros(2, &[("deadline-us-per-event", "1000000")]),
            2_020_000
        );
        let mut beyond = Context::of("p", &[("deadline-us-per-event", "1000001")]);
        assert_eq!(Limits::configure(&mut beyond), Limits::default());
        assert_eq!(beyond.finish().len(), 1);
    }

    #[test]
    fn a_call_has_at_most_twice_its_deadline_whatever_the_batch() {
        let limits = |deadline, each| Limits {
            deadline: Duration::from_millis(deadline),
            deadline_per_event: Duration::from_micros(each),
            ..Limits::default()
        };
        for (deadline, each, most) in [
            (20, 10, 2000),
            (20, 20_000, 1),
            (1, 1_000_000, 1),
            (20, 0, usize::MAX),
        ] {
            assert_eq!(
                limits(deadline, each).most_events(),
                most,
                "{deadline} {each}"
            );
        }
    }
}
