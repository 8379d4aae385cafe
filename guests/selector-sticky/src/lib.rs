//! Sticky: one sink gets everything until it fails, then the next one does.
//!
//! It does not switch back: a sink that failed is used again only after the others fail. So
//! connections and caches at the receiver stay warm, and a sink that comes and goes does no harm.

use flume_policy_sdk::{
    Ask, Backoff, News, SelectorSetup, SinkSelector, State, export_selector, words,
};

/// Stays with one sink.
#[derive(Debug)]
pub struct Sticky {
    backoff: Backoff,
    sinks: usize,
    /// The sink that gets everything.
    current: usize,
    /// The last one that delivered, and when.
    delivered: Option<(u64, usize)>,
}

impl SinkSelector for Sticky {
    fn configure(setup: &mut SelectorSetup) -> Self {
        let first = setup.properties.optional("first");
        let current = first.map_or(Some(0), |first| {
            setup.sinks.iter().position(|sink| sink.name == first)
        });
        if current.is_none() {
            setup
                .properties
                .bad("first", "the name of a sink of the group");
        }
        Self {
            backoff: Backoff::with_default(&mut setup.properties, setup.sinks.len(), true),
            sinks: setup.sinks.len(),
            current: current.unwrap_or(0),
            delivered: None,
        }
    }

    fn failed(&mut self, sink: usize, at: u64) {
        self.backoff.failed(sink, at);
    }

    fn delivered(&mut self, sink: usize, news: &News) {
        self.backoff.delivered(sink);
        self.delivered = self.delivered.max(Some((news.at, sink)));
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let count = ask.sinks.len();
        let is_well = |sink: usize| ask.sinks[sink].failures == 0;
        let allowed = self.backoff.allowed(ask.at.now);
        if !is_well(self.current) {
            // The one that stood in; otherwise the next in the list that may be tried.
            let stood_in = self
                .delivered
                .map(|(_, sink)| sink)
                .filter(|sink| is_well(*sink));
            let next = (1..count).map(|step| (self.current + step) % count);
            let next = stood_in.or_else(|| next.clone().find(|sink| allowed.contains(sink)));
            self.current = next.unwrap_or(self.current);
        }
        let ring = (0..count).map(|step| (self.current + step) % count);
        ring.filter(|sink| allowed.contains(sink)).collect()
    }
}

impl State for Sticky {
    const FORMAT: u32 = words::format(b"sti1");

    fn export(&self) -> Vec<u8> {
        words::pack([self.current as u64])
    }

    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        words::same_format(format, Self::FORMAT)?;
        let [current] = words::unpack::<1>(bytes)?;
        // The sinks are those of the predecessor, but its state is not trusted.
        self.current = usize::try_from(current)
            .ok()
            .filter(|current| *current < self.sinks)
            .ok_or("the state names a sink that is none")?;
        Ok(())
    }
}

export_selector!(Sticky, state);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::Group;

    const SINKS: [&str; 3] = ["k1", "k2", "k3"];

    #[test]
    fn one_sink_gets_everything_until_it_fails() {
        let mut group = Group::<Sticky>::of(&SINKS, &[]);
        assert!((0..10).all(|_| group.play(&[], 1) == Some(0)));
        assert_eq!(group.play(&[0], 1), Some(1));
        for _ in 0..100 {
            group.advance_ms(10_000);
            assert_eq!(group.play(&[], 1), Some(1), "it does not go back");
        }
        assert_eq!(group.play(&[1], 1), Some(2));
        assert_eq!(group.play(&[2], 1), Some(0));
    }

    #[test]
    fn the_sink_that_stood_in_stays() {
        let mut group = Group::<Sticky>::of(&SINKS, &[]);
        assert_eq!(group.play(&[0, 1], 1), Some(2));
        assert_eq!(group.order(), [2]);
        group.advance_ms(2001);
        assert_eq!(group.order(), [2, 0, 1]);
    }

    #[test]
    fn with_all_sinks_down_the_first_that_may_be_tried_is() {
        let mut group = Group::<Sticky>::of(&SINKS, &[]);
        assert_eq!(group.play(&[0, 1, 2], 1), None);
        assert!(group.order().is_empty());
        group.advance_ms(2001);
        assert_eq!(group.play(&[1], 1), Some(2));
        assert_eq!(group.play(&[], 1), Some(2));
    }

    #[test]
    fn it_may_begin_elsewhere() {
        let mut group = Group::<Sticky>::of(&SINKS, &[("first", "k3")]);
        assert_eq!(group.order(), [2, 0, 1]);
        Group::<Sticky>::with(&[("k1", &[])], &[("first", "k9")]).unwrap_err();
    }

    #[test]
    fn the_sink_survives_a_swap() {
        let mut old = Group::<Sticky>::of(&SINKS, &[]);
        old.play(&[0], 1);
        old.advance_ms(2001);
        old.play(&[], 1);
        old.order();
        let mut new = Group::<Sticky>::of(&SINKS, &[]);
        new.import(&old).unwrap();
        assert_eq!(new.order(), [1, 2, 0]);
    }
}
