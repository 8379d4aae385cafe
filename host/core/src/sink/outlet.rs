//! A channel of the agent as the end of a sink: what the spare of a group takes, and gives back.

/// The channel into which a sink puts its events. The group that the sink is the spare of takes them
/// back when another of its sinks works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlet {
    /// The name of the channel.
    pub to: String,
    /// How much of the group's work is for what comes back.
    pub share: DrainShare,
}

/// The share of a group's batches that is for what comes back, while new events wait too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainShare {
    thousandths: u16,
}

impl DrainShare {
    /// The smallest and the largest share.
    pub const BOUNDS: [f64; 2] = [0.001, 1.0];

    /// The share if nothing else is said.
    pub const DEFAULT: f64 = 0.25;

    /// A share within the bounds, to a thousandth.
    pub fn new(share: f64) -> Self {
        let [least, most] = Self::BOUNDS;
        let share = share.clamp(least, most);
        let thousandths = (1..=1000).find(|n| f64::from(*n) >= share * 1000.0 - 0.5);
        Self {
            thousandths: thousandths.unwrap_or(1000),
        }
    }

    /// As a fraction.
    pub fn fraction(self) -> f64 {
        f64::from(self.thousandths) / 1000.0
    }

    /// Counts a batch; says whether it is for what comes back. `credit` is what is left of earlier
    /// batches, in thousandths.
    pub fn turn(self, credit: &mut u16) -> bool {
        *credit = credit.saturating_add(self.thousandths);
        let is_due = *credit >= 1000;
        if is_due {
            *credit -= 1000;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_that_part_of_the_batches() {
        for (share, expected) in [(0.25, 250), (0.001, 1), (1.0, 1000), (0.0, 1), (7.0, 1000)] {
            let (share, mut credit) = (DrainShare::new(share), 0);
            let turns = (0..1000).filter(|_| share.turn(&mut credit)).count();
            assert_eq!(turns, expected);
        }
        assert!((DrainShare::new(0.333).fraction() - 0.333).abs() < 1e-9);
        assert_eq!(DrainShare::new(f64::NAN), DrainShare::new(1.0));
    }

    #[test]
    fn the_turns_are_spread() {
        let (share, mut credit) = (DrainShare::new(0.25), 0);
        let turns: Vec<bool> = (0..8).map(|_| share.turn(&mut credit)).collect();
        let quarter = [false, false, false, true];
        assert_eq!(turns, [quarter, quarter].concat());
    }
}
