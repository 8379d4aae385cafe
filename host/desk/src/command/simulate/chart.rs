//! The share of each sink over time, for a terminal: a band for each sink, all on the same scale.
//!
//! There are bands and not one stacked chart, since they can be told apart without colours, and a
//! rise of a share from 20 to 25 per cent can be seen.

use std::time::Duration;

use crate::simulate::{Scenario, Simulated};

use super::name;
use super::terminal::Terminal;

/// Columns for what stands to the left of a band: a name, a percentage and a line.
const MARGIN: usize = 12;

/// The height of a band in lines, and up to how many sinks it is used.
const TALL: (usize, usize) = (3, 8);

/// Levels of one cell.
const UNICODE: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 5] = [' ', '.', ':', '+', '#'];

/// Draws it.
pub(super) fn draw(scenario: &Scenario, seen: &Simulated, terminal: &Terminal) -> String {
    let columns = (terminal.width - MARGIN).min(scenario.slots).max(1);
    let top = top(seen, columns);
    let height = if seen.sinks.len() <= TALL.1 {
        TALL.0
    } else {
        1
    };
    let line = if terminal.unicode { '│' } else { '|' };
    let mut text = String::new();
    for sink in 0..seen.sinks.len() {
        let shares: Vec<Option<f64>> = (0..columns)
            .map(|at| share(seen, sink, at, columns))
            .collect();
        let fails: Vec<bool> = (0..columns)
            .map(|at| fails(seen, sink, at, columns))
            .collect();
        for row in (0..height).rev() {
            let label = match row {
                0 => name(sink),
                _ => String::new(),
            };
            let percent = match row {
                _ if row + 1 == height && sink == 0 => percent(top),
                _ => String::new(),
            };
            let cell = |(share, fails): (&Option<f64>, &bool)| {
                let level = level(share.unwrap_or(0.0) / top, row, height, terminal.unicode);
                if row == 0 && *fails && level == ' ' {
                    'x'
                } else {
                    level
                }
            };
            let band: String = shares.iter().zip(&fails).map(cell).collect();
            let band = terminal.paint(band.trim_end(), sink);
            text.push_str(&format!("{label:<5}{percent:>5} {line}{band}\n"));
        }
    }
    text.push_str(&axis(scenario.duration, columns, terminal.unicode));
    text.push_str(&depth(seen, columns, terminal));
    text
}

/// The end of the scale: the largest share, rounded up to a tenth.
fn top(seen: &Simulated, columns: usize) -> f64 {
    let all = (0..seen.sinks.len())
        .flat_map(|sink| (0..columns).filter_map(move |at| share(seen, sink, at, columns)));
    let most = all.fold(0.0, f64::max);
    ((most * 10.0 - 0.000_001).ceil() / 10.0).clamp(0.1, 1.0)
}

/// A sink's share in one column; `None` if nothing was delivered then.
fn share(seen: &Simulated, sink: usize, at: usize, columns: usize) -> Option<f64> {
    let of = |slots: &[u64]| sum(slots, at, columns);
    let all: u64 = seen.sinks.iter().map(|sink| of(&sink.slots)).sum();
    let own = seen.sinks.get(sink).map_or(0, |sink| of(&sink.slots));
    (all > 0).then(|| ratio(own, all))
}

fn fails(seen: &Simulated, sink: usize, at: usize, columns: usize) -> bool {
    seen.sinks
        .get(sink)
        .is_some_and(|sink| sum(&sink.failed_slots, at, columns) > 0)
}

/// The slots of one column, together.
fn sum(slots: &[u64], at: usize, columns: usize) -> u64 {
    slots_of(slots, at, columns).iter().sum()
}

fn slots_of(slots: &[u64], at: usize, columns: usize) -> &[u64] {
    let bound = |at: usize| at * slots.len() / columns.max(1);
    slots.get(bound(at)..bound(at + 1)).unwrap_or_default()
}

/// The character of one cell of a band, `part` of which is filled from below.
fn level(part: f64, row: usize, height: usize, unicode: bool) -> char {
    let levels: &[char] = if unicode { &UNICODE } else { &ASCII };
    let most = levels.len() - 1;
    let filled = round(part * ratio(steps(most * height), 1));
    let above = filled.saturating_sub(row * most).min(most);
    levels.get(above).copied().unwrap_or(' ')
}

fn axis(duration: Duration, columns: usize, unicode: bool) -> String {
    let (corner, dash) = if unicode { ('└', "─") } else { ('+', "-") };
    let end = format!("{duration:?}");
    let gap = columns.saturating_sub(end.len() + 1);
    let (line, indent) = (dash.repeat(columns), " ".repeat(MARGIN - 1));
    format!(
        "{indent}{corner}{line}\n{indent} 0{}{end}\n",
        " ".repeat(gap)
    )
}

/// What waited in the channel.
fn depth(seen: &Simulated, columns: usize, terminal: &Terminal) -> String {
    let most = |at| {
        slots_of(&seen.depth, at, columns)
            .iter()
            .max()
            .copied()
            .unwrap_or(0)
    };
    let top = seen.high_water.max(1);
    let cell = |at| level(ratio(most(at), top), 0, 1, terminal.unicode);
    let band: String = (0..columns).map(cell).collect();
    let line = if terminal.unicode { '│' } else { '|' };
    format!("{:<10} {line}{}\n", "depth", band.trim_end())
}

fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a chart has some hundred levels"
)]
fn ratio(part: u64, all: u64) -> f64 {
    part as f64 / all as f64
}

fn steps(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The level of a part. Anything above zero has at least the first level.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of levels, 0 to 24"
)]
fn round(levels: f64) -> usize {
    match levels {
        levels if levels <= 0.0 => 0,
        levels => levels.round().max(1.0) as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_shows_its_part_of_a_band() {
        let column = |part| -> String { (0..3).map(|row| level(part, row, 3, true)).collect() };
        assert_eq!(column(0.0), "   ");
        assert_eq!(column(0.001), "▁  ", "a little is not nothing");
        assert_eq!(column(0.5), "█▄ ");
        assert_eq!(column(1.0), "███");
        assert_eq!(level(0.5, 0, 1, false), ':');
    }

    #[test]
    fn columns_join_slots_and_none_is_left_out() {
        let slots: Vec<u64> = (0..240).collect();
        for columns in [1, 7, 68, 239, 240] {
            let joined: u64 = (0..columns).map(|at| sum(&slots, at, columns)).sum();
            assert_eq!(joined, slots.iter().sum::<u64>(), "{columns}");
        }
    }
}
