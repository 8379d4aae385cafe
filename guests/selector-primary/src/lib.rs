//! Primary: one sink gets everything as long as it is well. After a failure it has to prove itself.
//!
//! | primary | batches go to | it becomes |
//! |---|---|---|
//! | in use | the primary | out of use, when it fails |
//! | out of use | the standby in use; one every `over-ms / probes` to the primary, as a probe | in use, when `probes` of them were delivered since its last failure, which was `over-ms` ago |
//!
//! Otherwise the load would move each time that the primary comes and goes. Probes are real
//! batches: one that fails goes to the standby within the same call.

use flume_policy_sdk::{
    Ask, Backoff, News, SelectorSetup, SinkSelector, State, export_selector, words,
};

/// Prefers one sink, once it is reliably well.
#[derive(Debug)]
pub struct Primary {
    backoff: Backoff,
    sinks: usize,
    primary: usize,
    /// The standby that gets everything while the primary is out of use.
    standby: usize,
    probes: u64,
    over: u64,
    outage: Option<Outage>,
}

/// The primary is out of use.
#[derive(Debug, Clone, Copy)]
struct Outage {
    /// When it last failed.
    failed_at: u64,
    /// Batches delivered since.
    good: u64,
    /// When the next probe is due.
    probe_at: u64,
}

impl SinkSelector for Primary {
    fn configure(setup: &mut SelectorSetup) -> Self {
        let name = setup.properties.optional("primary");
        let primary = name.map_or(Some(0), |name| {
            setup.sinks.iter().position(|sink| sink.name == name)
        });
        if primary.is_none() {
            setup
                .properties
                .bad("primary", "the name of a sink of the group");
        }
        let primary = primary.unwrap_or(0);
        Self {
            backoff: Backoff::with_default(&mut setup.properties, setup.sinks.len(), true),
            sinks: setup.sinks.len(),
            primary,
            standby: usize::from(primary == 0 && setup.sinks.len() > 1),
            probes: setup.properties.number("probes", 3, 1..=1000),
            over: setup
                .properties
                .number("over-ms", 30_000, 1..=86_400_000_u64)
                * 1_000_000,
            outage: None,
        }
    }

    fn failed(&mut self, sink: usize, at: u64) {
        self.backoff.failed(sink, at);
        if sink != self.primary {
            return;
        }
        let probe_at = at + self.over / self.probes;
        self.outage = Some(Outage {
            failed_at: at,
            good: 0,
            probe_at,
        });
    }

    fn delivered(&mut self, sink: usize, news: &News) {
        self.backoff.delivered(sink);
        if sink != self.primary {
            return;
        }
        // A batch that was in flight when the primary failed proves no more than one probe does.
        let proven = |outage: &mut Outage| {
            outage.good += u64::from(news.batches);
            outage.good >= self.probes && news.at >= outage.failed_at + self.over
        };
        self.outage.take_if(proven);
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let primary = self.primary;
        let allowed = self.backoff.allowed(ask.at.now);
        let may_try_primary = allowed.contains(&primary);
        let mut standbys: Vec<usize> = allowed
            .into_iter()
            .filter(|sink| *sink != primary)
            .collect();
        // The standby in use stays in use until it fails.
        if ask.sinks[self.standby].failures > 0 || !standbys.contains(&self.standby) {
            let well = |sink: &&usize| ask.sinks[**sink].failures == 0;
            let next = standbys.iter().find(well).or(standbys.first());
            self.standby = next.copied().unwrap_or(self.standby);
        }
        standbys.sort_by_key(|sink| *sink != self.standby);
        let is_first = match &mut self.outage {
            None => true,
            Some(outage) if outage.probe_at <= ask.at.now => {
                outage.probe_at = ask.at.now + self.over / self.probes;
                true
            }
            Some(_) => false,
        };
        if is_first {
            standbys.insert(0, primary);
        } else if may_try_primary {
            // The last resort.
            standbys.push(primary);
        }
        standbys
    }
}

impl State for Primary {
    const FORMAT: u32 = words::format(b"pri1");

    fn export(&self) -> Vec<u8> {
        let outage = self.outage.unwrap_or(Outage {
            failed_at: 0,
            good: 0,
            probe_at: 0,
        });
        let Outage {
            failed_at,
            good,
            probe_at,
        } = outage;
        let is_out = u64::from(self.outage.is_some());
        let (primary, standby) = (self.primary as u64, self.standby as u64);
        words::pack([primary, standby, is_out, failed_at, good, probe_at])
    }

    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        words::same_format(format, Self::FORMAT)?;
        let [primary, standby, is_out, failed_at, good, probe_at] = words::unpack(bytes)?;
        if primary != self.primary as u64 {
            return Err("the state is that of another primary".to_owned());
        }
        self.standby = usize::try_from(standby)
            .ok()
            .filter(|standby| *standby < self.sinks)
            .ok_or("the state names a sink that is none")?;
        self.outage = (is_out > 0).then_some(Outage {
            failed_at,
            good,
            probe_at,
        });
        Ok(())
    }
}

export_selector!(Primary, state);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::Group;

    const SINKS: [&str; 3] = ["k1", "k2", "k3"];

    fn group(properties: &[(&str, &str)]) -> Group<Primary> {
        Group::of(&SINKS, properties)
    }

    /// The sink that delivers a batch, each second.
    fn seconds(group: &mut Group<Primary>, count: usize, broken: &[usize]) -> Vec<usize> {
        let second = |_| {
            group.advance_ms(1000);
            group.play(broken, 1).unwrap()
        };
        (0..count).map(second).collect()
    }

    #[test]
    fn the_primary_comes_back_after_three_probes_over_half_a_minute() {
        let mut group = group(&[]);
        assert_eq!(seconds(&mut group, 5, &[]), [0; 5]);
        assert_eq!(group.play(&[0], 1), Some(1));
        let found = seconds(&mut group, 60, &[]);
        let at: Vec<usize> = (0..60)
            .filter(|at| found[*at] == 0)
            .map(|at| at + 1)
            .collect();
        let mut expected = vec![10, 20];
        expected.extend(30..=60);
        assert_eq!(at, expected);
    }

    #[test]
    fn a_failed_probe_starts_the_proof_again() {
        let mut group = group(&[("probes", "2"), ("over-ms", "10000")]);
        group.play(&[0], 1);
        assert_eq!(seconds(&mut group, 5, &[]), [1, 1, 1, 1, 0]);
        assert_eq!(
            seconds(&mut group, 5, &[0]),
            [1; 5],
            "the second probe fails"
        );
        assert_eq!(
            seconds(&mut group, 11, &[]),
            [1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0]
        );
    }

    #[test]
    fn a_primary_that_comes_and_goes_does_not_take_the_load_along() {
        let mut group = group(&[]);
        let mut by_primary = 0;
        for second in 0..600 {
            let broken: &[usize] = if second % 20 < 10 { &[0] } else { &[] };
            by_primary += usize::from(seconds(&mut group, 1, broken) == [0]);
        }
        // Only probes, one every ten seconds. It was well for 300 s.
        assert!(by_primary <= 60, "{by_primary} of 600");
    }

    #[test]
    fn the_standby_stays_until_it_fails_too() {
        let mut group = group(&[]);
        assert_eq!(group.play(&[0], 1), Some(1));
        assert_eq!(seconds(&mut group, 3, &[1]), [2; 3]);
        assert_eq!(seconds(&mut group, 5, &[]), [2; 5]);
    }

    #[test]
    fn the_primary_is_the_last_resort_of_an_outage() {
        let mut group = group(&[]);
        group.play(&[0, 1, 2], 1);
        assert!(group.order().is_empty());
        group.advance_ms(2000);
        assert_eq!(seconds(&mut group, 3, &[1, 2]), [0; 3]);
        assert_eq!(group.order().last(), Some(&0), "that is no proof yet");
    }

    #[test]
    fn another_sink_may_be_the_primary() {
        assert_eq!(group(&[("primary", "k3")]).order(), [2, 0, 1]);
        Group::<Primary>::with(&[("k1", &[])], &[("primary", "k9")]).unwrap_err();
    }

    #[test]
    fn an_outage_survives_a_swap() {
        let mut old = group(&[]);
        old.play(&[0, 1], 1);
        assert_eq!(seconds(&mut old, 15, &[])[9..], [0, 2, 2, 2, 2, 2]);
        old.order();
        let mut new = group(&[]);
        new.import(&old).unwrap();
        assert_eq!(seconds(&mut new, 6, &[]), [2, 2, 2, 2, 0, 2]);
        assert_eq!(seconds(&mut new, 10, &[])[8..], [0, 0]);
        let mut other = group(&[("primary", "k2")]);
        other.import(&old).unwrap_err();
    }
}
