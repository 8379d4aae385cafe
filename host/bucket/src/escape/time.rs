//! The time of an event, rounded, in a time zone, in parts. The letters and formats are Flume's.

use std::fmt;

use flume_core::Headers;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

/// The header that says when an event happened, in milliseconds since 1970.
const TIMESTAMP: &str = "timestamp";

/// One letter behind a `%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeField {
    /// Milliseconds since 1970.
    Millis,
    /// Seconds since 1970.
    Seconds,
    /// What `strftime` makes of this.
    Part(&'static str),
}

impl TimeField {
    pub(super) fn of(letter: char) -> Option<Self> {
        let format = match letter {
            't' => return Some(Self::Millis),
            's' => return Some(Self::Seconds),
            'a' => "%a",
            'A' => "%A",
            'b' => "%b",
            'B' => "%B",
            'c' => "%a %b %-d %H:%M:%S %Y",
            'd' => "%d",
            'e' => "%-d",
            'D' => "%m/%d/%y",
            'H' => "%H",
            'I' => "%I",
            'j' => "%j",
            'k' => "%-H",
            'l' => "%-I",
            'm' => "%m",
            'M' => "%M",
            'n' => "%-m",
            'p' => "%p",
            'S' => "%S",
            'y' => "%y",
            'Y' => "%Y",
            'z' => "%z",
            _ => return None,
        };
        Some(Self::Part(format))
    }

    /// Whether it changes within a second.
    pub(super) fn shows_millis(self) -> bool {
        self == Self::Millis
    }
}

/// `roundUnit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundUnit {
    /// `second`.
    Second,
    /// `minute`.
    Minute,
    /// `hour`.
    Hour,
}

impl RoundUnit {
    /// The largest `roundValue`.
    pub fn most(self) -> i8 {
        match self {
            Self::Second | Self::Minute => 60,
            Self::Hour => 24,
        }
    }
}

/// `round = true`: times are rounded down to a multiple of a unit, within the next larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounding {
    /// How many units are one step, from 1 to the unit's [`most`](RoundUnit::most).
    pub value: i8,
    /// The unit.
    pub unit: RoundUnit,
}

/// How events come to a time.
#[derive(Debug, Clone)]
pub struct Times {
    /// Whether the time is the present and not the event's header (`useLocalTimeStamp`).
    pub local: bool,
    /// Rounding down, if it is on.
    pub rounding: Option<Rounding>,
    /// The zone in which times are shown and rounded.
    pub zone: TimeZone,
}

/// An event has no time that can be put into its path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// No header.
    #[error(
        "an event has no `timestamp` header and the path needs one: add a `timestamp` interceptor \
         to the source, or set `hdfs.useLocalTimeStamp = true`"
    )]
    Missing,
    /// A header that is no time.
    #[error("the `timestamp` header of an event is not a time in milliseconds: `{0}`")]
    NotATime(String),
}

impl Times {
    /// The time of an event, rounded; `now` where that counts.
    ///
    /// # Errors
    /// The event should say its time and does not.
    pub fn of(&self, headers: &Headers, now: u64) -> Result<i64, TimeError> {
        let millis = if self.local {
            i64::try_from(now).unwrap_or(i64::MAX)
        } else {
            stamp(headers)?
        };
        Ok(self
            .rounding
            .map_or(millis, |rounding| self.round(rounding, millis)))
    }

    fn round(&self, rounding: Rounding, millis: i64) -> i64 {
        let Some(time) = self.zoned(millis) else {
            return millis;
        };
        let down = |value: i8| value - value % rounding.value.max(1);
        let with = time.with().subsec_nanosecond(0);
        let with = match rounding.unit {
            RoundUnit::Second => with.second(down(time.second())),
            RoundUnit::Minute => with.minute(down(time.minute())).second(0),
            RoundUnit::Hour => with.hour(down(time.hour())).minute(0).second(0),
        };
        with.build()
            .map_or(millis, |time| time.timestamp().as_millisecond())
    }

    fn zoned(&self, millis: i64) -> Option<Zoned> {
        let timestamp = Timestamp::from_millisecond(millis).ok()?;
        Some(timestamp.to_zoned(self.zone.clone()))
    }

    /// One part of a time. A time beyond the calendar shows as its milliseconds.
    pub(super) fn show(&self, field: TimeField, millis: i64) -> impl fmt::Display + use<> {
        match field {
            TimeField::Millis => millis.to_string(),
            TimeField::Seconds => (millis / 1000).to_string(),
            TimeField::Part(format) => match self.zoned(millis) {
                Some(time) => time.strftime(format).to_string(),
                None => millis.to_string(),
            },
        }
    }
}

/// The time that an event's header says.
pub(crate) fn stamp(headers: &Headers) -> Result<i64, TimeError> {
    let text = headers.get(TIMESTAMP).ok_or(TimeError::Missing)?;
    let not_a_time = |_| TimeError::NotATime(text.chars().take(100).collect());
    text.parse().map_err(not_a_time)
}

/// A zone by its name, or Java's `GMT+8`, `GMT-03:30`.
pub fn zone(name: &str) -> Option<TimeZone> {
    if let Some(offset) = name.strip_prefix("GMT").filter(|rest| !rest.is_empty()) {
        let (sign, digits) = match offset.split_at_checked(1)? {
            ("+", digits) => (1, digits),
            ("-", digits) => (-1, digits),
            _ => return None,
        };
        let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        let fits = (0..24).contains(&hours) && (0..60).contains(&minutes);
        let seconds = sign * (hours * 3600 + minutes * 60);
        return fits.then(|| Offset::from_seconds(seconds).ok().map(TimeZone::fixed))?;
    }
    TimeZone::get(name).ok()
}
