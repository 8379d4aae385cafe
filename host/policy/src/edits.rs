//! What an interceptor answered, first checked as a whole and then applied.
//!
//! Nothing is applied before everything is checked: a batch with a violation is unchanged, and can
//! be given to the policy again in halves.

use bytes::Bytes;
use bytestring::ByteString;
use flume_core::Event;

use crate::bindings::{interceptor, types};
use crate::columns::ABSENT;
use crate::error::{Violation, ViolationKind, cut};

/// What a header costs besides its text. An answer of a few bytes can set a header of ten thousand
/// events, and then another one: so it is measured by what it adds to the batch.
const CELL: usize = 32;

/// Header edits of one answer. Each has a name, and is about any number of events.
const MOST_EDITS: usize = 1000;

/// Up to this many edits are made one after the other: for each, an event's headers are searched.
const FEW: usize = 16;

/// Values of a buffer up to this size share it. Those of a larger one are copied, since one event
/// that stays in a channel would keep the whole answer in memory.
const SHARED: usize = 64 << 10;

/// What becomes of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventVerdict {
    /// It goes on.
    Keep,
    /// It is gone.
    Drop,
    /// The policy cannot handle it.
    Reject,
}

/// Checked edits of a batch.
#[derive(Debug)]
pub(crate) struct Edits {
    /// Empty: all are kept.
    verdicts: Vec<EventVerdict>,
    headers: Vec<(ByteString, Rows)>,
    bodies: Option<Rows>,
}

/// What there is room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Bytes that the edits of an answer may make.
    pub(crate) result: usize,
    /// Bytes of memory that the instance has.
    pub(crate) used: usize,
    /// Bytes that it may have, together with what an answer adds to the events: that lives on the
    /// host's side, and as long as a channel holds them.
    pub(crate) memory: usize,
}

/// New values for some events.
#[derive(Debug)]
struct Rows {
    /// Empty: all events.
    events: Vec<u32>,
    values: Values,
}

#[derive(Debug)]
struct Values {
    bytes: Bytes,
    ends: Vec<u32>,
}

impl Edits {
    /// Checks an answer about these events.
    pub(crate) fn checked(
        answer: interceptor::Edits,
        shown: &[Event],
        room: Room,
    ) -> Result<Self, Violation> {
        let events = shown.len();
        if answer.headers.len() > MOST_EDITS {
            let detail = format!(
                "{} header edits, at most {MOST_EDITS}",
                answer.headers.len()
            );
            return Err(Violation::new(ViolationKind::EditCount, detail));
        }
        let header = |edit: interceptor::HeaderEdit| {
            let rows = Rows::checked(edit.events, edit.values, events, true)?;
            if edit.name.is_empty() {
                return Err(Violation::new(
                    ViolationKind::EditText,
                    "a header without a name",
                ));
            }
            rows.values.check_text(&edit.name)?;
            Ok((ByteString::from(edit.name), rows))
        };
        let body = |edit: interceptor::BodyEdit| {
            let rows = Rows::checked(edit.events, edit.bodies, events, false)?;
            match rows.values.ends.iter().any(|end| end & ABSENT != 0) {
                true => Err(Violation::new(
                    ViolationKind::EditColumn,
                    "a body is absent",
                )),
                false => Ok(rows),
            }
        };
        let edits = Self {
            verdicts: verdicts(&answer.verdicts, events)?,
            headers: answer
                .headers
                .into_iter()
                .map(header)
                .collect::<Result<_, _>>()?,
            bodies: answer.bodies.map(body).transpose()?,
        };
        let makes = edits.makes(events);
        if makes > room.result {
            let most = room.result;
            let detail = format!("edits make {makes} bytes of {events} events, at most {most}");
            return Err(Violation::new(ViolationKind::ResultSize, detail));
        }
        // They never add more than they make, so most answers need no closer look.
        if room.used.saturating_add(makes) > room.memory {
            edits.check_memory(shown, room)?;
        }
        Ok(edits)
    }

    /// What they add counts like memory of the instance.
    fn check_memory(&self, shown: &[Event], room: Room) -> Result<(), Violation> {
        let (adds, Room { used, memory, .. }) = (self.adds(shown), room);
        let total = used.saturating_add(adds);
        if total <= memory {
            return Ok(());
        }
        let events = shown.len();
        let detail = format!(
            "has {used} bytes of memory, and its edits add {adds} to {events} events: \
             {total} together, may have {memory} (memory-kib)"
        );
        Err(Violation::new(ViolationKind::Memory, detail))
    }

    /// Bytes that the edits add to these events, each counted for itself: names and values of
    /// headers, and how much longer bodies become.
    fn adds(&self, shown: &[Event]) -> usize {
        let mut adds = 0_usize;
        for (name, rows) in &self.headers {
            let each = name.len().saturating_add(CELL);
            rows.spread(shown.len(), rows.values.lengths(), |_, value| {
                let value = value.map_or(0, |value| each.saturating_add(value));
                adds = adds.saturating_add(value);
            });
        }
        if let Some(rows) = &self.bodies {
            rows.spread(shown.len(), rows.values.lengths(), |at, value| {
                let before = shown.get(at).map_or(0, |event| event.body.len());
                let longer = value.unwrap_or_default().saturating_sub(before);
                adds = adds.saturating_add(longer);
            });
        }
        adds
    }

    /// Bytes that the edits make, over all events that they concern.
    fn makes(&self, events: usize) -> usize {
        let headers = self.headers.iter().map(|(name, rows)| {
            let each = name.len().saturating_add(CELL);
            rows.makes(events)
                .saturating_add(rows.count(events).saturating_mul(each))
        });
        let bodies = self.bodies.iter().map(|rows| rows.makes(events));
        headers.chain(bodies).fold(0, usize::saturating_add)
    }

    /// Whether making them is worth a look at the clock.
    pub(crate) fn are_many(&self) -> bool {
        self.headers.len() > FEW || self.makes(self.verdicts.len()) > SHARED
    }

    /// Edits the events, and calls `becomes` with what becomes of each.
    pub(crate) fn apply(self, events: &mut [Event], mut becomes: impl FnMut(usize, EventVerdict)) {
        match self.headers.len() <= FEW {
            true => self.edit_one_by_one(events),
            false => self.edit_at_once(events),
        }
        if let Some(rows) = &self.bodies {
            rows.for_each(events.len(), |at, value| {
                if let Some(event) = events.get_mut(at) {
                    event.body = value.unwrap_or_default();
                }
            });
        }
        for (at, verdict) in self.verdicts.into_iter().enumerate() {
            becomes(at, verdict);
        }
    }
}

impl Edits {
    fn edit_one_by_one(&self, events: &mut [Event]) {
        for (name, rows) in &self.headers {
            rows.for_each(events.len(), |at, value| {
                let Some(event) = events.get_mut(at) else {
                    return;
                };
                match value {
                    Some(value) => event.headers.insert(name.clone(), text(value)),
                    None => drop(event.headers.remove(name)),
                }
            });
        }
    }

    /// Many edits for many headers: each event's are gathered first, so that the work is the sum of
    /// the two and not the product.
    fn edit_at_once(&self, events: &mut [Event]) {
        let mut gathered = vec![Vec::new(); events.len()];
        for (name, rows) in &self.headers {
            rows.for_each(events.len(), |at, value| {
                if let Some(edits) = gathered.get_mut(at) {
                    edits.push((name.clone(), value.map(text)));
                }
            });
        }
        for (event, edits) in events.iter_mut().zip(gathered) {
            if !edits.is_empty() {
                event.headers.edit(edits);
            }
        }
    }
}

/// A value whose text was checked as a whole.
fn text(value: Bytes) -> ByteString {
    ByteString::try_from(value).unwrap_or_else(|_| {
        tracing::error!("a header that was checked is not valid UTF-8");
        ByteString::new()
    })
}

impl Rows {
    fn checked(
        events: Vec<u32>,
        column: types::ColumnResult,
        count: usize,
        for_all: bool,
    ) -> Result<Self, Violation> {
        if !events.is_sorted_by(|a, b| a < b) {
            let detail = "events of an edit do not ascend";
            return Err(Violation::new(ViolationKind::EditUnsorted, detail));
        }
        if let Some(last) = events
            .last()
            .filter(|last| usize::try_from(**last).is_ok_and(|l| l >= count))
        {
            let detail = format!("event {last} of {count}");
            return Err(Violation::new(ViolationKind::EditOutOfRange, detail));
        }
        let wanted = if events.is_empty() {
            count
        } else {
            events.len()
        };
        let rows = column.ends.len();
        if rows != wanted && !(for_all && rows == 1) {
            let detail = format!("{rows} values for {wanted} events");
            return Err(Violation::new(ViolationKind::EditLength, detail));
        }
        Ok(Self {
            events,
            values: Values::checked(column)?,
        })
    }

    /// How many events it concerns.
    fn count(&self, events: usize) -> usize {
        match self.events.len() {
            0 => events,
            some => some,
        }
    }

    /// Bytes of values, over all events that get them.
    fn makes(&self, events: usize) -> usize {
        let times = match self.values.ends.len() {
            1 => self.count(events),
            _ => 1,
        };
        self.values.bytes.len().saturating_mul(times)
    }

    /// Calls for each event of the edit, out of this many, with its value.
    fn for_each(&self, events: usize, edit: impl FnMut(usize, Option<Bytes>)) {
        self.spread(events, self.values.iter(), edit);
    }

    /// The same with something else for each row. A single row is for all events.
    fn spread<T: Clone>(
        &self,
        events: usize,
        mut rows: impl Iterator<Item = Option<T>>,
        mut edit: impl FnMut(usize, Option<T>),
    ) {
        let single = (self.values.ends.len() == 1).then(|| rows.next().flatten());
        let mut next = || match &single {
            Some(row) => row.clone(),
            None => rows.next().flatten(),
        };
        if self.events.is_empty() {
            (0..events).for_each(|at| edit(at, next()));
            return;
        }
        for place in &self.events {
            edit(usize::try_from(*place).unwrap_or(usize::MAX), next());
        }
    }
}

impl Values {
    fn checked(column: types::ColumnResult) -> Result<Self, Violation> {
        let mut start = 0;
        for end in &column.ends {
            let at = end & !ABSENT;
            if at < start || (end & ABSENT != 0 && at != start) {
                let detail = format!("a value ends at {at}, the one before at {start}");
                return Err(Violation::new(ViolationKind::EditColumn, detail));
            }
            start = at;
        }
        if usize::try_from(start).is_ok_and(|end| end > column.bytes.len()) {
            let detail = format!("a value ends at {start} of {} bytes", column.bytes.len());
            return Err(Violation::new(ViolationKind::EditColumn, detail));
        }
        let mut bytes = column.bytes;
        if let Some(spare) = usize::try_from(start).ok().filter(|end| *end < bytes.len()) {
            // Bytes of no event are not kept.
            bytes.truncate(spare);
            bytes.shrink_to_fit();
        }
        Ok(Self {
            bytes: bytes.into(),
            ends: column.ends,
        })
    }

    /// Whether each value is UTF-8.
    fn check_text(&self, name: &str) -> Result<(), Violation> {
        let text = std::str::from_utf8(&self.bytes).ok();
        let cuts_between_characters = |text: &str| {
            let at = |end: &u32| usize::try_from(end & !ABSENT).unwrap_or(usize::MAX);
            self.ends.iter().all(|end| text.is_char_boundary(at(end)))
        };
        if text.is_some_and(cuts_between_characters) {
            return Ok(());
        }
        let detail = format!("a value of header `{}` is not valid UTF-8", cut(name));
        Err(Violation::new(ViolationKind::EditText, detail))
    }

    /// Bytes of each value.
    fn lengths(&self) -> impl Iterator<Item = Option<usize>> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let at = usize::try_from(end & !ABSENT).unwrap_or(usize::MAX);
            let length = at.saturating_sub(std::mem::replace(&mut start, at));
            (end & ABSENT == 0).then_some(length)
        })
    }

    /// The values, sharing one buffer if it is small.
    fn iter(&self) -> impl Iterator<Item = Option<Bytes>> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let from = start;
            start = usize::try_from(end & !ABSENT).unwrap_or(usize::MAX);
            (end & ABSENT == 0).then(|| match self.bytes.get(from..start) {
                Some(value) if self.bytes.len() > SHARED => Bytes::copy_from_slice(value),
                _ => self.bytes.slice(from..start),
            })
        })
    }
}

fn verdicts(bytes: &[u8], events: usize) -> Result<Vec<EventVerdict>, Violation> {
    if !bytes.is_empty() && bytes.len() != events {
        let detail = format!("{} verdicts for {events} events", bytes.len());
        return Err(Violation::new(ViolationKind::VerdictLength, detail));
    }
    let verdict = |byte: &u8| match byte {
        0 => Ok(EventVerdict::Drop),
        1 => Ok(EventVerdict::Keep),
        2 => Ok(EventVerdict::Reject),
        other => Err(Violation::new(
            ViolationKind::VerdictUnknown,
            format!("verdict {other}"),
        )),
    };
    bytes.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests;
