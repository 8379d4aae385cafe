//! Where the records of a put were, so that it is known how far their partitions are done.

use crate::client::Partition;

/// Where the records of a put were.
#[derive(Default)]
pub(super) struct Places {
    /// Of each event.
    pub(super) events: Vec<(Partition, i64)>,
    /// Of each run of records of one partition the last one, also if it has no event.
    pub(super) ends: Vec<(Partition, i64)>,
    /// Partitions that went to another member meanwhile.
    pub(super) gone: Vec<Partition>,
}

impl Places {
    /// Of each partition that is still here the offset behind the last record that is done, when so many
    /// events are.
    pub(super) fn before(&self, events: usize) -> impl Iterator<Item = (&Partition, i64)> {
        let done = match self.events.get(..events) {
            Some(first) if events < self.events.len() => first,
            _ => &self.ends,
        };
        // Records of one partition come in runs; the last of each run is enough.
        let runs = done.chunk_by(|(one, _), (next, _)| one == next);
        let lasts = runs.filter_map(|run| run.last());
        let here = lasts.filter(|(partition, _)| !self.gone.contains(partition));
        here.map(|(partition, offset)| (partition, offset + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> Partition {
        let topic = "t".into();
        Partition { topic, number }
    }

    #[test]
    fn what_is_done_is_what_is_in_the_channels_and_at_the_end_everything() {
        let (zero, one) = (partition(0), partition(1));
        let mut places = Places {
            events: vec![(zero.clone(), 5), (zero.clone(), 7), (one.clone(), 3)],
            // The last record of partition 1 is no event.
            ends: vec![(zero.clone(), 7), (one.clone(), 4)],
            gone: Vec::new(),
        };
        let before = |places: &Places, events| -> Vec<(Partition, i64)> {
            let each = places.before(events);
            each.map(|(partition, next)| (partition.clone(), next))
                .collect()
        };
        assert_eq!(before(&places, 0), []);
        assert_eq!(before(&places, 1), [(zero.clone(), 6)]);
        assert_eq!(before(&places, 2), [(zero.clone(), 8)]);
        assert_eq!(before(&places, 3), [(zero.clone(), 8), (one.clone(), 5)]);
        places.gone.push(zero);
        assert_eq!(before(&places, 3), [(one, 5)]);
    }
}
