//! Which events of a batch go where. Order is kept within a bucket.

use std::collections::HashMap;

use flume_core::Event;

use super::Buckets;
use crate::bucket::Place;
use crate::escape::TimeError;

impl Buckets {
    /// The places of a batch, and the events of each; of one place alone, none: they are the batch.
    pub(super) fn route(
        &self,
        batch: &[Event],
    ) -> Result<(Vec<Place>, Vec<Vec<Event>>), TimeError> {
        let (mut places, at) = self.places(batch)?;
        if places.len() <= 1 {
            places.truncate(1);
            return Ok((places, Vec::new()));
        }
        let mut groups = vec![Vec::new(); places.len()];
        for (event, at) in batch.iter().zip(at) {
            if let Some(group) = groups.get_mut(at) {
                group.push(event.clone());
            }
        }
        Ok((places, groups))
    }

    /// The places of a batch, and for each event which of them is its own.
    fn places(&self, batch: &[Event]) -> Result<(Vec<Place>, Vec<usize>), TimeError> {
        let settings = &self.works.settings;
        let (folder, prefix) = (&settings.folder, &settings.naming.prefix);
        let needs_time = folder.needs_time() || prefix.needs_time();
        let constant = folder.is_constant() && prefix.is_constant();
        // A second of events has one path where no header and no milliseconds are in it.
        let in_a_second = folder.is_constant_in_a_second() && prefix.is_constant_in_a_second();
        let now = self.works.wall.millis();
        let mut known: HashMap<Place, usize> = HashMap::new();
        let mut places = Vec::new();
        let mut at = Vec::with_capacity(batch.len());
        let mut last: Option<(i64, usize)> = None;
        for event in batch {
            let millis = match needs_time {
                true => settings.times.of(&event.headers, now)?,
                false => 0,
            };
            let second = millis.div_euclid(1000);
            let same = last.filter(|(last, _)| constant || (in_a_second && *last == second));
            let index = match same {
                Some((_, index)) => index,
                None => {
                    let place = Place {
                        folder: folder.expand(&event.headers, &settings.times, millis),
                        prefix: prefix.expand(&event.headers, &settings.times, millis),
                    };
                    *known.entry(place).or_insert_with_key(|place| {
                        places.push(place.clone());
                        places.len() - 1
                    })
                }
            };
            last = Some((second, index));
            at.push(index);
        }
        Ok((places, at))
    }
}
