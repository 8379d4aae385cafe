//! The time of an event: where it comes from, rounding, time zone, and its parts. The letters and
//! formats are Flume's.

use std::fmt;

use flume_core::Headers;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

/// The header with the time of an event, in milliseconds since 1970.
const TIMESTAMP: &str = "timestamp";

/// One letter after a `%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeField {
    /// Milliseconds since 1970.
    Millis,
    /// Seconds since 1970.
    Seconds,
    /// A `strftime` format.
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

    /// Whether the text changes within a second.
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
    /// The largest `roundValue` for this unit.
    pub fn most(self) -> i8 {
        match self {
            Self::Second | Self::Minute => 60,
            Self::Hour => 24,
        }
    }
}

/// `round = true`: times are rounded down to a multiple of the unit, counted within the next larger
/// unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounding {
    /// The multiple, from 1 to [`RoundUnit::most`].
    pub value: i8,
    /// The unit.
    pub unit: RoundUnit,
}

/// How the time of an event is found.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    /// Whether the present counts instead of the event's header (`useLocalTimeStamp`).
    pub local: bool,
    /// Rounding, if it is on.
    pub rounding: Option<Rounding>,
    /// The zone in which times are shown and rounded.
    pub zone: TimeZone,
    /// What an event without a usable time gets.
    pub untimed: Untimed,
}

/// What to do with an event that has no usable time while its path needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untimed {
    /// It is not delivered. In Flume, neither is what is behind it.
    Fail,
    /// It gets the present time.
    Now,
}

/// An event has no usable time, and its path needs one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The header is missing.
    #[error(
        "an event has no `timestamp` header and the path needs one: add a `timestamp` interceptor \
         to the source, or set `hdfs.withoutTimestamp = now`"
    )]
    Missing,
    /// The header is not a number.
    #[error(
        "the `timestamp` header of an event is not a time in milliseconds: `{0}`; with \
         `hdfs.withoutTimestamp = now` such an event gets the present time"
    )]
    NotATime(String),
}

impl Times {
    /// The time of an event in milliseconds, rounded.
    ///
    /// # Errors
    /// The header is needed, and missing or not a number.
    pub fn of(&self, headers: &Headers, now: u64) -> Result<i64, TimeError> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let millis = match (self.local, stamp(headers), self.untimed) {
            (true, ..) => now,
            (false, Ok(millis), _) => millis,
            (false, Err(_), Untimed::Now) => now,
            (false, Err(error), Untimed::Fail) => return Err(error),
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

    /// One part of a time. A time that the calendar does not have is shown in milliseconds.
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

/// The time in an event's header.
pub(crate) fn stamp(headers: &Headers) -> Result<i64, TimeError> {
    let text = headers.get(TIMESTAMP).ok_or(TimeError::Missing)?;
    let not_a_time = |_| TimeError::NotATime(text.chars().take(100).collect());
    text.parse().map_err(not_a_time)
}

/// The short names of Java's time zones.
const SHORT_ZONES: [(&str, &str); 28] = [
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("EST", "-5"),
    ("HST", "-10"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("MST", "-7"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

/// A time zone by its name, or in Java's form (`GMT+8`, `GMT-03:30`).
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
    let short = SHORT_ZONES.iter().find(|(short, _)| *short == name);
    match short {
        // Java's three without summer time.
        Some((_, hours)) if hours.starts_with('-') => zone(&format!("GMT{hours}")),
        Some((_, long)) => TimeZone::get(long).ok(),
        None => TimeZone::get(name).ok(),
    }
}
