//! Events that nobody has sent: lines as programs write them, and among them the odd ones that
//! policies stumble over.

use fastrand::Rng;
use flume_core::Event;

use crate::instance::Needs;

/// The most events of a batch.
const MOST: usize = 100;

/// One odd event in this many.
const ODD: u32 = 6;

const WORDS: &[&str] = &[
    "accepted",
    "account",
    "user",
    "login",
    "session",
    "opened",
    "closed",
    "request",
    "response",
    "timeout",
    "retry",
    "connection",
    "from",
    "to",
    "order",
    "payment",
    "item",
    "cache",
    "miss",
    "hit",
    "queue",
    "worker",
    "started",
    "stopped",
    "job",
    "finished",
    "slow",
    "query",
    "table",
    "disk",
    "full",
    "warning",
    "failed",
    "ok",
    "token",
    "expired",
    "upload",
    "file",
    "page",
    "id",
];

const LEVELS: &[&str] = &["DEBUG", "INFO", "INFO", "INFO", "WARN", "ERROR"];

/// What events of one trial look like.
#[derive(Clone, Copy)]
enum Style {
    Plain,
    Pairs,
    Json,
    Access,
}

/// Makes events up.
pub(super) struct MadeUp {
    style: Style,
    hosts: Vec<String>,
    number: u64,
}

/// How many events a batch has: mostly few.
pub(super) fn size(random: &mut Rng) -> usize {
    match random.u8(0..10) {
        0..3 => 1,
        3..9 => random.usize(1..=20),
        _ => random.usize(20..=MOST),
    }
}

impl MadeUp {
    pub(super) fn new(random: &mut Rng) -> Self {
        let styles = [Style::Plain, Style::Pairs, Style::Json, Style::Access];
        let kind = word(random).to_owned();
        let host = |_| format!("{kind}-{}", random.u16(1..400));
        let hosts = (0..5).map(host).collect();
        Self {
            hosts,
            style: random.choice(styles).unwrap_or(Style::Plain),
            number: random.u64(0..1 << 32),
        }
    }

    /// A batch at this time, with most of the headers that the policy asks for.
    pub(super) fn batch(
        &mut self,
        size: usize,
        needs: &Needs,
        unix_ms: u64,
        random: &mut Rng,
    ) -> Vec<Event> {
        let mut event = |_| {
            let at = unix_ms.saturating_sub(random.u64(0..2000));
            let body = match random.u32(0..ODD) {
                0 => odd(random),
                _ => self.line(at, random).into_bytes(),
            };
            let mut event = Event::new(body);
            for name in &needs.headers {
                if random.u8(0..4) > 0 {
                    event
                        .headers
                        .insert(name.as_str(), self.value(name, at, random));
                }
            }
            event
        };
        (0..size).map(&mut event).collect()
    }

    fn line(&mut self, at: u64, random: &mut Rng) -> String {
        self.number = self.number.wrapping_add(random.u64(1..50));
        let number = self.number;
        let words = words(random);
        let host = self.host(random);
        let level = random.choice(LEVELS).copied().unwrap_or_default();
        match self.style {
            Style::Plain => format!("{at} {level} {host} [{number}] {words}"),
            Style::Pairs => format!("ts={at} level={level} host={host} n={number} msg=\"{words}\""),
            Style::Json => format!(
                "{{\"ts\":{at},\"level\":\"{level}\",\"host\":\"{host}\",\"n\":{number},\"msg\":\"{words}\"}}"
            ),
            Style::Access => format!(
                "{} - - [{at}] \"GET /{}/{number} HTTP/1.1\" {} {}",
                address(random),
                word(random),
                random.choice([200, 200, 200, 304, 404, 500]).unwrap_or(200),
                random.u32(100..90_000)
            ),
        }
    }

    /// A value as headers of this name have it, or, seldom, an odd one.
    fn value(&self, name: &str, at: u64, random: &mut Rng) -> String {
        let name = name.to_ascii_lowercase();
        let is = |part: &str| name.contains(part);
        match random.u32(0..ODD * 4) {
            0 => String::new(),
            1 => foreign(random),
            _ if is("time") || is("date") => at.to_string(),
            _ if is("host") => self.host(random).to_owned(),
            _ if is("addr") || is("ip") => address(random),
            _ if is("level") || is("sever") => random
                .choice(LEVELS)
                .copied()
                .unwrap_or_default()
                .to_owned(),
            _ if is("id") || is("key") => format!("{:08x}", random.u32(..)),
            2..10 => random.u32(0..1000).to_string(),
            _ => word(random).to_owned(),
        }
    }

    fn host(&self, random: &mut Rng) -> &str {
        random.choice(&self.hosts).map_or("", String::as_str)
    }
}

fn word(random: &mut Rng) -> &'static str {
    random.choice(WORDS).copied().unwrap_or_default()
}

fn words(random: &mut Rng) -> String {
    let count = random.usize(2..12);
    let words: Vec<&str> = (0..count).map(|_| word(random)).collect();
    words.join(" ")
}

fn address(random: &mut Rng) -> String {
    format!(
        "10.{}.{}.{}",
        random.u8(..),
        random.u8(..),
        random.u8(1..255)
    )
}

/// Nothing, not text, not ASCII, or long.
fn odd(random: &mut Rng) -> Vec<u8> {
    match random.u8(0..4) {
        0 => Vec::new(),
        1 => (0..random.usize(1..80)).map(|_| random.u8(..)).collect(),
        2 => foreign(random).into_bytes(),
        _ => {
            let most = random.usize(300..3000);
            let mut long = String::with_capacity(most + 100);
            while long.len() < most {
                long.push_str(&words(random));
                long.push(' ');
            }
            long.into_bytes()
        }
    }
}

/// Characters of two to four bytes among letters.
fn foreign(random: &mut Rng) -> String {
    let count = random.usize(1..40);
    let letter = |_| match random.u8(0..4) {
        0 => random.char('à'..='ž'),
        1 => random.char('あ'..='ん'),
        2 => random.char('😀'..='😿'),
        _ => random.alphabetic(),
    };
    (0..count).map(letter).collect()
}
