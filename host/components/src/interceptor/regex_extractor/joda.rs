//! Dates by Joda's patterns, as far as Flume's users need them: parsing to milliseconds.
//!
//! | letter | meaning | digits taken |
//! |---|---|---|
//! | `y Y` | year; two letters: of the century around the present | 9, or as many as letters before a number |
//! | `M d H h k K m s` | month, day, hour (0–23, 1–12, 1–24, 0–11), minute, second | 2 |
//! | `MMM`, `E`, `a` | English month, day of the week (skipped), AM or PM | |
//! | `S` | fraction of a second | as many as letters |
//! | `Z`, `ZZ`, `ZZZ` | offset (`+0100`, `+01:00`, `Z`), zone (`Europe/Paris`) | |
//!
//! What is absent is as in Joda: 1970-01-01, but the year 2000 if there is a month or day, and
//! midnight in the machine's zone. Eras, centuries, weeks, days of the year and zone names are not
//! supported.

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JodaFormat {
    pattern: String,
    tokens: Vec<Token>,
    zone: TimeZone,
    /// The present year, for years of two digits.
    present_year: i16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Text(String),
    Number { field: Field, most: usize },
    ShortYear { lenient: bool },
    Month,
    DayOfWeek,
    HalfDay,
    Fraction(usize),
    Offset,
    Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    /// 1 to 24.
    ClockHour,
    /// 1 to 12, or 0 to 11.
    HalfDayHour,
    Minute,
    Second,
}

const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// What was read so far.
#[derive(Debug, Default)]
struct Parsed {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    hour: i8,
    half_day_hour: Option<i8>,
    afternoon: bool,
    minute: i8,
    second: i8,
    nanosecond: i32,
    zone: Option<TimeZone>,
}

impl JodaFormat {
    /// Compiles a pattern.
    pub(super) fn new(pattern: &str, zone: TimeZone, present_year: i16) -> Result<Self, String> {
        let runs = runs(pattern)?;
        let mut tokens = Vec::with_capacity(runs.len());
        for (at, run) in runs.iter().enumerate() {
            let before_number = matches!(runs.get(at + 1), Some(next) if next.is_number());
            tokens.push(run.token(before_number)?);
        }
        if tokens.is_empty() {
            return Err("it is empty".to_owned());
        }
        Ok(Self {
            pattern: pattern.to_owned(),
            tokens,
            zone,
            present_year,
        })
    }

    /// Milliseconds since the epoch.
    pub(super) fn millis(&self, text: &str) -> Result<i64, String> {
        let parsed = self.parse(text);
        let millis = parsed.and_then(|parsed| self.resolve(parsed));
        millis.ok_or_else(|| format!("`{text}` is not a date of the form `{}`", self.pattern))
    }

    fn parse(&self, text: &str) -> Option<Parsed> {
        let mut parsed = Parsed::default();
        let mut rest = text;
        for token in &self.tokens {
            rest = match token {
                Token::Text(text) => {
                    let (start, behind) = rest.split_at_checked(text.len())?;
                    start.eq_ignore_ascii_case(text).then_some(behind)?
                }
                Token::Number { field, most } => {
                    let (digits, behind) = digits(rest, *most, *field == Field::Year)?;
                    parsed.set(*field, digits.parse().ok()?)?;
                    behind
                }
                Token::ShortYear { lenient } => {
                    let most = if *lenient { 9 } else { 2 };
                    let (digits, behind) = digits(rest, most, *lenient)?;
                    parsed.year = Some(self.year(digits)?);
                    behind
                }
                Token::Month => {
                    let (month, behind) = name(rest, MONTHS)?;
                    parsed.month = Some(month + 1);
                    behind
                }
                Token::DayOfWeek => name(rest, DAYS)?.1,
                Token::HalfDay => {
                    let (half, behind) = rest.split_at_checked(2)?;
                    parsed.afternoon = half.eq_ignore_ascii_case("pm");
                    (parsed.afternoon || half.eq_ignore_ascii_case("am")).then_some(behind)?
                }
                Token::Fraction(most) => {
                    let (digits, behind) = digits(rest, *most, false)?;
                    let digits = digits.get(..digits.len().min(9))?;
                    parsed.nanosecond = format!("{digits:0<9}").parse().ok()?;
                    behind
                }
                Token::Offset => {
                    let (seconds, behind) = offset(rest)?;
                    parsed.zone = Some(Offset::from_seconds(seconds).ok()?.to_time_zone());
                    behind
                }
                Token::Zone => {
                    let part_of_name = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
                    let end = rest.find(|c| !part_of_name(c)).unwrap_or(rest.len());
                    let (zone, behind) = rest.split_at_checked(end)?;
                    parsed.zone = Some(TimeZone::get(zone).ok()?);
                    behind
                }
            };
        }
        rest.is_empty().then_some(parsed)
    }

    /// A year of two digits is the one between 80 years before and 19 after the present; one of
    /// more digits is itself.
    fn year(&self, digits: &str) -> Option<i16> {
        let year: i16 = digits.parse().ok()?;
        if digits.len() != 2 || year < 0 {
            return Some(year);
        }
        let first = self.present_year - 80;
        Some(first + (year - first).rem_euclid(100))
    }

    fn resolve(&self, parsed: Parsed) -> Option<i64> {
        let default_year = match (parsed.month, parsed.day) {
            (None, None) => 1970,
            _ => 2000,
        };
        let year = parsed.year.unwrap_or(default_year);
        let date = Date::new(year, parsed.month.unwrap_or(1), parsed.day.unwrap_or(1)).ok()?;
        let hour = match parsed.half_day_hour {
            Some(hour) => hour % 12 + if parsed.afternoon { 12 } else { 0 },
            None => parsed.hour,
        };
        let time = Time::new(hour, parsed.minute, parsed.second, parsed.nanosecond).ok()?;
        let zone = parsed.zone.unwrap_or_else(|| self.zone.clone());
        let zoned = date.to_datetime(time).to_zoned(zone).ok()?;
        Some(zoned.timestamp().as_millisecond())
    }
}

impl Parsed {
    fn set(&mut self, field: Field, number: i32) -> Option<()> {
        let small = i8::try_from(number);
        match field {
            Field::Year => self.year = Some(i16::try_from(number).ok()?),
            Field::Month => self.month = Some(small.ok()?),
            Field::Day => self.day = Some(small.ok()?),
            Field::Hour => self.hour = small.ok()?,
            Field::ClockHour => self.hour = small.ok().filter(|hour| (1..=24).contains(hour))? % 24,
            Field::HalfDayHour => {
                self.half_day_hour = Some(small.ok().filter(|hour| (0..=12).contains(hour))?);
            }
            Field::Minute => self.minute = small.ok()?,
            Field::Second => self.second = small.ok()?,
        }
        Some(())
    }
}

/// A piece of a pattern: a letter with how often it stands there, or text.
#[derive(Debug)]
enum PatternPiece {
    Letter(char, usize),
    Text(String),
}

impl PatternPiece {
    /// Whether it is read as digits, so that a number before it must end.
    fn is_number(&self) -> bool {
        match self {
            Self::Letter('M', count) => *count <= 2,
            Self::Letter(letter, _) => "yYdHhkKmsS".contains(*letter),
            Self::Text(_) => false,
        }
    }

    fn token(&self, before_number: bool) -> Result<Token, String> {
        let (letter, count) = match self {
            Self::Text(text) => return Ok(Token::Text(text.clone())),
            Self::Letter(letter, count) => (*letter, *count),
        };
        let number = |field| Token::Number { field, most: 2 };
        Ok(match letter {
            'y' | 'Y' if count == 2 => Token::ShortYear {
                lenient: !before_number,
            },
            'y' | 'Y' => {
                let most = if before_number { count } else { 9 };
                Token::Number {
                    field: Field::Year,
                    most,
                }
            }
            'M' if count >= 3 => Token::Month,
            'M' => number(Field::Month),
            'd' => number(Field::Day),
            'H' => number(Field::Hour),
            'k' => number(Field::ClockHour),
            'h' | 'K' => number(Field::HalfDayHour),
            'm' => number(Field::Minute),
            's' => number(Field::Second),
            'S' => Token::Fraction(count),
            'E' => Token::DayOfWeek,
            'a' => Token::HalfDay,
            'Z' if count >= 3 => Token::Zone,
            'Z' => Token::Offset,
            'G' | 'C' | 'x' | 'w' | 'e' | 'D' | 'z' => {
                return Err(format!("the letter `{letter}` is not supported"));
            }
            other => return Err(format!("the letter `{other}` is not known")),
        })
    }
}

/// Takes a pattern apart. Text is everything but letters, and whatever is quoted.
fn runs(pattern: &str) -> Result<Vec<PatternPiece>, String> {
    let mut runs = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let quoted = rest.get(1..).unwrap_or_default();
            let (text, behind) = quoted.split_once('\'').ok_or("a quote is not closed")?;
            runs.push(PatternPiece::Text(if text.is_empty() {
                "'".to_owned()
            } else {
                text.to_owned()
            }));
            rest = behind;
            continue;
        }
        let same = |c: char| {
            if first.is_ascii_alphabetic() {
                c == first
            } else {
                is_text(c)
            }
        };
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        runs.push(match first.is_ascii_alphabetic() {
            true => PatternPiece::Letter(first, run.len()),
            false => PatternPiece::Text(run.to_owned()),
        });
        rest = behind;
    }
    Ok(runs)
}

fn is_text(c: char) -> bool {
    c != '\'' && !c.is_ascii_alphabetic()
}

/// Up to `most` digits, at least one, with a sign if that is allowed.
fn digits(text: &str, most: usize, signed: bool) -> Option<(&str, &str)> {
    let sign = usize::from(signed && text.starts_with(['-', '+']));
    let count = text
        .bytes()
        .skip(sign)
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if count == 0 {
        None
    } else {
        text.split_at_checked(sign + count)
    }
}

/// The place of a name in a list, by its full or its first three letters.
fn name<'t>(text: &'t str, names: &[&str]) -> Option<(i8, &'t str)> {
    let starts = |name: &str| {
        let (start, behind) = text.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some(behind)
    };
    let short = |name: &str| name.get(..3).and_then(starts);
    names.iter().zip(0..).find_map(|(name, at)| {
        let behind = starts(name).or_else(|| short(name))?;
        Some((at, behind))
    })
}

/// `Z`, `+01`, `+0100`, `+01:00`, in seconds.
fn offset(text: &str) -> Option<(i32, &str)> {
    if let Some(behind) = text.strip_prefix('Z') {
        return Some((0, behind));
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, behind) = digits(text.get(1..)?, 2, false)?;
    let minutes = digits(behind.strip_prefix(':').unwrap_or(behind), 2, false);
    let (minutes, behind) = minutes.unwrap_or(("0", behind));
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    Some((sign * seconds, behind))
}

#[cfg(test)]
mod tests;
