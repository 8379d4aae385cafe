//! The shares as a picture: stacked, with what waited in the channel and what happened below.

use std::time::Duration;

use crate::simulate::Window;

use super::{Played, name};

/// The picture, and where the shares are in it.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 48.0;
const SHARES: f64 = 260.0;
const DEPTH: f64 = 60.0;
const GAP: f64 = 36.0;
const ROW: f64 = 16.0;

const LINE: &str = r##"fill="none" stroke="#cccccc""##;
const FONT: &str = r#"font-family="sans-serif" font-size="12""#;

/// Colours that colour-blind people can tell apart, too; repeated beyond eight sinks.
const COLOURS: [&str; 8] = [
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#999999",
];

/// Draws it.
pub(super) fn draw(played: &Played) -> String {
    let events = happenings(played);
    let below = TOP + SHARES + GAP + DEPTH + GAP;
    let height = below + ROW * number(events.len()) + 8.0;
    let mut parts = vec![
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>"#
        ),
        format!(r##"<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>"##),
        label(LEFT, 22.0, &format!("{}: share of each sink", played.title)),
        frame(TOP, SHARES),
        label(8.0, TOP + 10.0, "100 %"),
        label(8.0, TOP + SHARES, "0 %"),
    ];
    parts.extend(shares(played));
    parts.push(frame(TOP + SHARES + GAP, DEPTH));
    parts.push(label(
        8.0,
        TOP + SHARES + GAP + 10.0,
        &played.seen.high_water.to_string(),
    ));
    parts.push(label(
        LEFT + plot() + 8.0,
        TOP + SHARES + GAP + 10.0,
        "channel depth",
    ));
    parts.push(depth(played));
    for quarter in 0..=4_u32 {
        let at = played.scenario.duration * quarter / 4;
        parts.push(label(
            x(played, at),
            TOP + SHARES + 16.0,
            &format!("{at:.1?}"),
        ));
    }
    for (row, (window, words, colour)) in events.iter().enumerate() {
        let y = below + ROW * number(row);
        let (from, to) = (x(played, window.from), x(played, window.to));
        let width = to - from;
        parts.push(format!(
            r#"<rect x="{from:.1}" y="{:.1}" width="{width:.1}" height="10" fill="{colour}"/>"#,
            y - 10.0
        ));
        parts.push(label(LEFT + plot() + 8.0, y, words));
    }
    parts.push("</svg>\n".to_owned());
    parts.join("\n")
}

/// An area for each sink, and its name.
fn shares(played: &Played) -> Vec<String> {
    let (seen, slots) = (&played.seen, played.scenario.slots);
    let width = plot() / number(slots);
    let mut floor = vec![0.0; slots];
    let mut parts = Vec::new();
    for at in 0..seen.sinks.len() {
        let mut path = String::new();
        for (slot, floor) in floor.iter_mut().enumerate() {
            let share = seen.share_in(at, slot).unwrap_or(0.0);
            if share > 0.0 {
                let left = LEFT + width * number(slot);
                let top = TOP + SHARES * (1.0 - *floor - share);
                let height = SHARES * share;
                path.push_str(&format!(
                    "M{left:.2} {top:.2}h{width:.2}v{height:.2}h-{width:.2}z"
                ));
            }
            *floor += share;
        }
        let colour = colour(at);
        parts.push(format!(
            r#"<path d="{path}" fill="{colour}"><title>{}</title></path>"#,
            name(at)
        ));
        let y = TOP + 14.0 * number(at);
        let left = LEFT + plot() + 8.0;
        parts.push(format!(
            r#"<rect x="{left}" y="{y}" width="10" height="10" fill="{colour}"/>"#
        ));
        let words = format!("{} {:.1} %", name(at), seen.share(at) * 100.0);
        parts.push(label(left + 14.0, y + 9.0, &words));
    }
    parts
}

/// A line over the most that waited in each slot.
fn depth(played: &Played) -> String {
    let most = number64(played.seen.high_water.max(1));
    let width = plot() / number(played.scenario.slots);
    let floor = TOP + SHARES + GAP + DEPTH;
    let mut path = format!("M{LEFT:.2} {floor:.2}");
    for (slot, depth) in played.seen.depth.iter().enumerate() {
        let y = floor - DEPTH * number64(*depth) / most;
        path.push_str(&format!(
            "L{:.2} {y:.2}h{width:.2}",
            LEFT + width * number(slot)
        ));
    }
    format!(r##"<path d="{path}" fill="none" stroke="#333333"/>"##)
}

/// When which sinks failed or were slow.
fn happenings(played: &Played) -> Vec<(Window, String, &'static str)> {
    let scenario = &played.scenario;
    let outages = scenario.outages.iter().map(|outage| {
        let words = format!("{} fails {} %", name(outage.sink), outage.percent);
        (outage.during, words, "#bb3333")
    });
    let delays = scenario.delays.iter().map(|delay| {
        (
            delay.during,
            format!("{} takes {:?}", name(delay.sink), delay.latency),
            "#dd9933",
        )
    });
    outages.chain(delays).collect()
}

fn frame(top: f64, height: f64) -> String {
    let width = plot();
    format!(r##"<rect x="{LEFT}" y="{top}" width="{width}" height="{height}" {LINE}/>"##)
}

fn label(x: f64, y: f64, text: &str) -> String {
    format!(r#"<text x="{x:.1}" y="{y:.1}">{}</text>"#, escaped(text))
}

/// The position of a moment; later ones than the end are at the end.
fn x(played: &Played, at: Duration) -> f64 {
    let all = played.scenario.duration.as_secs_f64();
    LEFT + plot() * (at.as_secs_f64() / all).min(1.0)
}

fn plot() -> f64 {
    WIDTH - LEFT - RIGHT
}

fn colour(sink: usize) -> &'static str {
    COLOURS
        .get(sink % COLOURS.len())
        .copied()
        .unwrap_or("#000000")
}

fn number(count: usize) -> f64 {
    number64(u64::try_from(count).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
fn number64(count: u64) -> f64 {
    count as f64
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
