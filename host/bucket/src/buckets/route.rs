//! Splits a batch by bucket. Events keep their order within a bucket.

use std::collections::HashMap;

use flume_core::Event;

use super::{Buckets, WriteError};
use crate::escape::{MOST_KEY, MOST_PATH, TimeError, cut_path};
use crate::naming::BucketPath;
use crate::store::Durable;

impl Buckets {
    /// The paths of a batch, and the events of each. With a single path the second list is empty:
    /// all events of the batch go there.
    pub(super) fn route(
        &self,
        batch: &[Event],
    ) -> Result<(Vec<BucketPath>, Vec<Vec<Event>>), WriteError> {
        let (mut paths, at) = self.paths(batch)?;
        if paths.len() <= 1 {
            paths.truncate(1);
            return Ok((paths, Vec::new()));
        }
        let mut groups = vec![Vec::new(); paths.len()];
        for (event, at) in batch.iter().zip(at) {
            if let Some(group) = groups.get_mut(at) {
                group.push(event.clone());
            }
        }
        Ok((paths, groups))
    }

    /// The paths of a batch, and for each event the index of its path.
    fn paths(&self, batch: &[Event]) -> Result<(Vec<BucketPath>, Vec<usize>), WriteError> {
        let settings = &self.shared.settings;
        let (folder, prefix) = (&settings.folder, &settings.naming.prefix);
        let needs_time = folder.needs_time() || prefix.needs_time();
        let constant = folder.is_constant() && prefix.is_constant();
        // Without headers and milliseconds in it, the path is the same for a whole second.
        let in_a_second = folder.is_constant_in_a_second() && prefix.is_constant_in_a_second();
        let now = self.shared.wall.millis();
        let most = match self.durable() {
            Durable::AtSync => MOST_PATH,
            Durable::AtClose => MOST_KEY,
        };
        let mut known: HashMap<BucketPath, usize> = HashMap::new();
        let mut paths = Vec::new();
        let mut at = Vec::with_capacity(batch.len());
        let mut last: Option<(i64, usize)> = None;
        for event in batch {
            let millis = match needs_time {
                true => match settings.times.of(&event.headers, now) {
                    Ok(millis) => millis,
                    Err(first) => return Err(self.untimed(batch, now, first)),
                },
                false => 0,
            };
            let second = millis.div_euclid(1000);
            let same = last.filter(|(last, _)| constant || (in_a_second && *last == second));
            let index = match same {
                Some((_, index)) => index,
                None => {
                    let path = BucketPath {
                        folder: cut_path(
                            folder.expand(&event.headers, &settings.times, millis),
                            most,
                        ),
                        prefix: prefix.expand(&event.headers, &settings.times, millis),
                    };
                    *known.entry(path).or_insert_with_key(|path| {
                        paths.push(path.clone());
                        paths.len() - 1
                    })
                }
            };
            last = Some((second, index));
            at.push(index);
        }
        Ok((paths, at))
    }

    /// All events of a batch that have no usable time.
    fn untimed(&self, batch: &[Event], now: u64, first: TimeError) -> WriteError {
        let times = &self.shared.settings.times;
        let all = batch.iter().enumerate();
        let without = all.filter(|(_, event)| times.of(&event.headers, now).is_err());
        WriteError::Untimed {
            places: without.map(|(place, _)| place).collect(),
            first,
        }
    }
}
