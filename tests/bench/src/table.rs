//! The table: sections of lines, and whether targets were met.

use std::fmt::Write as _;
use std::io::{self, Write};

use flume_tests::figures::{Estimate, Waits, millis};

use crate::load::Verdict;
use crate::machine;
use crate::options::Row;
use crate::rounds::Series;

/// The least number of rounds for a claim.
const CLAIM: usize = 11;

/// The heading above latencies.
const WAITS: &str = "      p50       p99     p99.9       max     events";

/// The bound of a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At least this.
    Least(f64),
    /// At most this.
    Most(f64),
}

/// Prints each line at once, because a run takes long.
pub struct Table<'a> {
    out: &'a mut dyn Write,
    verdicts: Vec<String>,
    /// Whether events were lost or duplicated where that is not allowed.
    wrong: bool,
}

impl<'a> Table<'a> {
    /// A table that is written to `out`.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            verdicts: Vec::new(),
            wrong: false,
        }
    }

    /// Writes a line unchanged.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", text.trim_end())?;
        self.out.flush()
    }

    /// Begins a section, with the load of the machine.
    pub fn section(&mut self, title: &str) -> io::Result<()> {
        self.line(&format!("\n{title}   [load {}]", machine::load()))
    }

    /// Begins a section of throughput.
    pub fn throughput(&mut self, title: &str) -> io::Result<()> {
        self.section(title)?;
        self.line(&format!(
            "  {:<34}{:>11} {:>6}  {:>21}  {:>8} {:>6}  {:>14}",
            "", "events/s", "MAD", "95 %", "CPU-s/1M", "MAD", "RSS idle, high"
        ))
    }

    /// Lines of throughput; marks clearly what was lost or duplicated.
    pub fn series(&mut self, series: &Series) -> io::Result<()> {
        self.line_of(series)?;
        self.report_wrong(series)
    }

    /// The same where up to `most` events may come twice.
    pub fn series_with_duplicates(&mut self, series: &Series, most: u64) -> io::Result<()> {
        self.line_of(series)?;
        let Verdict {
            lost,
            doubled,
            strange,
        } = series.verdict();
        if lost > 0 || strange > 0 || doubled > most || series.refused() > 0 {
            return self.report_wrong(series);
        }
        self.line(&format!(
            "    0 lost, {doubled} duplicated (at most {most} allowed)"
        ))
    }

    fn line_of(&mut self, series: &Series) -> io::Result<()> {
        let (rate, cpu) = (series.rate(), series.cpu());
        let memory = series.memory.map_or(String::new(), |(idle, after)| {
            format!("{} {} MB", mega(idle.resident), mega(after.high))
        });
        let cpu = if cpu.median > 0.0 {
            format!("{:>8.3} {:>5.1}%", cpu.median, percent(&cpu))
        } else {
            format!("{:>8} {:>6}", "-", "")
        };
        let line = format!(
            "  {:<34}{:>11.0} {:>5.1}%  {:>21}  {cpu}  {memory:>14}{}",
            series.name,
            rate.median,
            percent(&rate),
            limits(&rate, 0),
            few(&rate),
        );
        self.line(&line)
    }

    fn report_wrong(&mut self, series: &Series) -> io::Result<()> {
        let (verdict, refused) = (series.verdict(), series.refused());
        if verdict.exact() && refused == 0 {
            return Ok(());
        }
        self.wrong(&format!(
            "{}: {} LOST, {} DUPLICATED, {} UNKNOWN, {refused} REFUSED",
            series.name, verdict.lost, verdict.doubled, verdict.strange
        ))
    }

    /// Reports an error in the result.
    pub fn wrong(&mut self, what: &str) -> io::Result<()> {
        self.wrong = true;
        self.line(&format!("  !! {what}"))
    }

    /// Begins a section of waits.
    pub fn waits_section(&mut self, title: &str) -> io::Result<()> {
        self.section(title)?;
        self.line(&format!("  {:<42}{WAITS}", ""))
    }

    /// A line of waits: all rounds together.
    pub fn waits(&mut self, name: &str, waits: &Waits) -> io::Result<()> {
        let at = |per_ten_thousand| millis(waits.quantile(per_ten_thousand));
        self.line(&format!(
            "  {name:<42}{:>9.3} {:>9.3} {:>9.3} {:>9.3} ms  {:>8}",
            at(5_000),
            at(9_900),
            at(9_990),
            at(10_000),
            waits.len()
        ))
    }

    /// A figure without a target.
    pub fn figure(&mut self, name: &str, estimate: &Estimate, places: usize) -> io::Result<()> {
        self.line(&format!(
            "  {name:<58} {:.places$}  ({}){}",
            estimate.median,
            limits(estimate, places),
            few(estimate)
        ))
    }

    /// A figure that is compared with a target.
    pub fn target(
        &mut self,
        name: &str,
        estimate: &Estimate,
        places: usize,
        target: Target,
    ) -> io::Result<()> {
        let (sign, wanted) = match target {
            Target::Least(least) => (">=", least),
            Target::Most(most) => ("<=", most),
        };
        let mut line = String::new();
        write!(
            line,
            "{name:<58} {:.places$}  ({})  target {sign} {wanted}: {}{}",
            estimate.median,
            limits(estimate, places),
            judge(estimate, target),
            few(estimate)
        )
        .expect("a string takes any text");
        self.line(&format!("  {line}"))?;
        self.verdicts.push(line);
        Ok(())
    }

    /// A condition that must hold.
    pub fn fact(&mut self, name: &str, met: bool) -> io::Result<()> {
        let line = format!("{name}: {}", if met { "met" } else { "missed" });
        self.line(&format!("  {line}"))?;
        self.verdicts.push(line);
        Ok(())
    }

    /// A missing peer.
    pub fn skipped(&mut self, name: &str, why: &str) -> io::Result<()> {
        self.line(&format!("  {name:<34}skipped: {why}"))
    }

    /// A row that failed before its end.
    pub fn broke_down(&mut self, row: Row) -> io::Result<()> {
        self.wrong(&format!("{row:?} BROKE DOWN; see standard error"))
    }

    /// All targets once more. Returns whether events were lost or duplicated anywhere.
    pub fn end(mut self) -> io::Result<bool> {
        if !self.verdicts.is_empty() {
            self.line("\nTargets")?;
            for line in std::mem::take(&mut self.verdicts) {
                self.line(&format!("  {line}"))?;
            }
        }
        Ok(self.wrong)
    }
}

/// Met or missed if all limits say so; open otherwise.
#[must_use]
pub fn judge(estimate: &Estimate, target: Target) -> &'static str {
    let (low, high) = estimate.limits;
    match target {
        _ if estimate.count == 0 => "open",
        Target::Least(least) if low >= least => "met",
        Target::Least(least) if high < least => "missed",
        Target::Most(most) if high <= most => "met",
        Target::Most(most) if low > most => "missed",
        _ => "open",
    }
}

fn limits(estimate: &Estimate, places: usize) -> String {
    let (low, high) = estimate.limits;
    format!("{low:.places$} to {high:.places$}")
}

/// A note if there are too few rounds for a claim.
fn few(estimate: &Estimate) -> String {
    match estimate.count {
        count if count < CLAIM => format!("  [{count} rounds]"),
        _ => String::new(),
    }
}

fn percent(estimate: &Estimate) -> f64 {
    100.0 * estimate.deviation / estimate.median
}

/// Bytes in millions, rounded.
#[must_use]
pub fn mega(bytes: u64) -> u64 {
    (bytes + 500_000) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_between_the_limits_is_open() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0]);
        let judged = |target| judge(&estimate, target);
        assert_eq!(judged(Target::Least(1.0)), "met");
        assert_eq!(judged(Target::Least(2.0)), "open");
        assert_eq!(judged(Target::Least(3.5)), "missed");
        assert_eq!(judged(Target::Most(3.0)), "met");
        assert_eq!(judged(Target::Most(0.5)), "missed");
        assert_eq!(judge(&Estimate::default(), Target::Most(1.0)), "open");
    }
}
