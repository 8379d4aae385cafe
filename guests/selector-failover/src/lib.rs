//! Failover: the best sink that is well does all the work; failed ones cool down.
//!
//! The twin of the native `failover` processor, as an order for each batch: first the sinks that
//! have cooled down, the one that has waited longest before the others, then those that are well,
//! by priority. A sink that is cooling down is left out.

use flume_policy_sdk::{
    Ask, News, Properties, SelectorSetup, Sink, SinkSelector, State, export_selector, words,
};

const SECOND: u64 = 1_000_000_000;

/// Uses one sink at a time, the one with the highest priority.
#[derive(Debug)]
pub struct Failover {
    priorities: Vec<i32>,
    failures: Vec<Option<Failure>>,
    /// The longest cool-down, in nanoseconds.
    most: u64,
}

#[derive(Debug, Clone, Copy)]
struct Failure {
    in_sequence: u32,
    /// Not tried before this has passed.
    until: u64,
}

impl SinkSelector for Failover {
    fn configure(setup: &mut SelectorSetup) -> Self {
        let priorities = priorities(&mut setup.properties, &mut setup.sinks);
        let most = setup
            .properties
            .number("maxpenalty", 30_000, 0..=0x7fff_ffff_u64);
        Self {
            failures: vec![None; priorities.len()],
            priorities,
            most: most * 1_000_000,
        }
    }

    fn failed(&mut self, sink: usize, at: u64) {
        let failure = &mut self.failures[sink];
        let in_sequence = match failure {
            // Batches that were in flight when it failed say nothing new.
            Some(failure) if at <= failure.until => return,
            Some(failure) => failure.in_sequence.saturating_add(1),
            None => 1,
        };
        let seconds = 1_u64.checked_shl(in_sequence).unwrap_or(u64::MAX);
        let until = at.saturating_add(seconds.saturating_mul(SECOND).min(self.most));
        *failure = Some(Failure { in_sequence, until });
    }

    fn delivered(&mut self, sink: usize, news: &News) {
        // Likewise: only a try after the cool-down proves something.
        self.failures[sink].take_if(|failure| news.at > failure.until);
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let mut due: Vec<(u64, usize)> = Vec::new();
        let mut well: Vec<usize> = Vec::new();
        for (sink, failure) in self.failures.iter().enumerate() {
            match failure {
                None => well.push(sink),
                // One try at a time.
                Some(failure) if failure.until < ask.at.now && ask.sinks[sink].in_flight == 0 => {
                    due.push((failure.until, sink));
                }
                Some(_) => {}
            }
        }
        due.sort_unstable();
        // The sort is stable: of equal priorities, the sink listed first wins.
        well.sort_by_key(|sink| std::cmp::Reverse(self.priorities[*sink]));
        due.into_iter().map(|(_, sink)| sink).chain(well).collect()
    }
}

/// `priority.<sink>`, or the sink's own `priority`; −1, −2, … for those without, so that they
/// follow the order of the file.
fn priorities(properties: &mut Properties, sinks: &mut [Sink]) -> Vec<i32> {
    let mut next = -1;
    let mut found: Vec<i32> = Vec::with_capacity(sinks.len());
    for at in 0..sinks.len() {
        let sink = &mut sinks[at];
        let (name, key) = (sink.name.clone(), format!("priority.{}", sink.name));
        let own = sink
            .properties
            .number("priority", next, i32::MIN..=i32::MAX);
        if properties.optional(&key).is_some() && sink.properties.optional("priority").is_some() {
            let words = format!("sink `{name}` has a `priority`, and the group another: `{key}`");
            properties.problem(words);
        }
        let priority = properties.number(&key, own, i32::MIN..=i32::MAX);
        // Also counted down if the file gives this priority, so that the next sink without one gets
        // another.
        if priority == next {
            next -= 1;
        }
        if let Some(twin) = found.iter().position(|other| *other == priority) {
            let twin = &sinks[twin].name;
            let words =
                format!("the priority of sink `{name}` is {priority}, like that of `{twin}`");
            properties.problem(words);
        }
        found.push(priority);
    }
    found
}

impl State for Failover {
    const FORMAT: u32 = words::format(b"fov1");

    fn export(&self) -> Vec<u8> {
        let row = |failure: &Option<Failure>| {
            failure.map_or([0, 0], |failure| {
                [failure.in_sequence.into(), failure.until]
            })
        };
        words::pack(self.failures.iter().flat_map(row))
    }

    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        words::same_format(format, Self::FORMAT)?;
        let failure = |[in_sequence, until]: &[u64; 2]| {
            let in_sequence = u32::try_from(*in_sequence).unwrap_or(u32::MAX);
            (in_sequence > 0).then_some(Failure {
                in_sequence,
                until: *until,
            })
        };
        let rows = words::rows::<2>(bytes, self.failures.len())?;
        self.failures = rows.iter().map(failure).collect();
        Ok(())
    }
}

export_selector!(Failover, state);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::Group;

    const SINKS: [&str; 3] = ["k1", "k2", "k3"];

    #[test]
    fn priorities_order_the_sinks_and_the_file_the_rest() {
        let order = |properties: &[(&str, &str)]| Group::<Failover>::of(&SINKS, properties).order();
        assert_eq!(order(&[]), [0, 1, 2]);
        assert_eq!(order(&[("priority.k2", "10")]), [1, 0, 2]);
        assert_eq!(
            order(&[("priority.k1", "-1"), ("priority.k3", "5")]),
            [2, 0, 1]
        );
        let sinks: [(&str, &[(&str, &str)]); 2] = [("k1", &[]), ("k2", &[("priority", "7")])];
        assert_eq!(
            Group::<Failover>::with(&sinks, &[]).unwrap().order(),
            [1, 0]
        );
    }

    #[test]
    fn two_words_about_one_priority_are_one_too_many() {
        let sinks: [(&str, &[(&str, &str)]); 2] = [("k1", &[("priority", "7")]), ("k2", &[])];
        let properties = [("priority.k1", "3"), ("priority.k2", "3")];
        let errors = Group::<Failover>::with(&sinks, &properties).unwrap_err();
        let text = format!("{errors:?}");
        for words in [
            "sink `k1` has a `priority`, and the group another: `priority.k1`",
            "the priority of sink `k2` is 3, like that of `k1`",
        ] {
            assert!(text.contains(words), "{text}");
        }
        Group::<Failover>::with(&[("k1", &[])], &[("priority.k9", "3")]).unwrap_err();
    }

    #[test]
    fn a_failed_sink_cools_down_longer_each_time_and_comes_back_by_itself() {
        let mut group = Group::<Failover>::of(&SINKS, &[]);
        for seconds in [2, 4, 8, 16, 30, 30] {
            assert_eq!(group.play(&[0], 1), Some(1));
            assert_eq!(group.order(), [1, 2], "it cools down");
            group.advance_ms(seconds * 1000);
            assert_eq!(group.order(), [1, 2], "to the end of the {seconds} s");
            group.advance_ms(1);
            assert_eq!(group.order(), [0, 1, 2]);
        }
        assert_eq!(group.play(&[], 1), Some(0));
        assert_eq!(group.play(&[0], 1), Some(1), "a delivery ends the sequence");
        group.order();
        group.advance_ms(2001);
        assert_eq!(group.order(), [0, 1, 2]);
    }

    #[test]
    fn old_batches_are_no_news_and_one_try_is_made_at_a_time() {
        let mut group = Group::<Failover>::of(&SINKS, &[]);
        for _ in 0..3 {
            group.begin(0);
        }
        group.fail(0);
        group.order();
        group.advance_ms(100);
        group.deliver(0, 1, 1);
        assert_eq!(group.order(), [1, 2], "sent off before it failed");
        group.advance_ms(5000);
        assert_eq!(group.order(), [1, 2], "a batch is under way");
        group.deliver(0, 1, 1);
        assert_eq!(group.order(), [0, 1, 2]);
    }

    /// The contract does not allow a group to be idle for longer.
    #[test]
    fn with_all_sinks_down_one_is_tried_within_a_minute() {
        let mut group = Group::<Failover>::of(&["k1", "k2"], &[("maxpenalty", "600000")]);
        let (mut tried, mut longest) = (0, 0);
        for second in 1..1000 {
            group.advance_ms(1000);
            if group.order().is_empty() {
                continue;
            }
            group.fail(0);
            group.fail(1);
            longest = longest.max(second - tried);
            tried = second;
        }
        assert_eq!(longest, 51);
    }

    #[test]
    fn cool_downs_survive_a_swap() {
        let mut old = Group::<Failover>::of(&SINKS, &[]);
        old.play(&[0], 1);
        old.order();
        let mut new = Group::<Failover>::of(&SINKS, &[]);
        new.import(&old).unwrap();
        assert_eq!(new.order(), [1, 2]);
        new.advance_ms(2001);
        assert_eq!(new.order(), [0, 1, 2]);
    }
}
