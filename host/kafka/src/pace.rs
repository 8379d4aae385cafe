//! The pace of a member of a group, which is the same for the source and the channel.

use std::time::Duration;

use flume_core::clock;

/// How long a poll waits for records.
pub(crate) const IDLE: Duration = Duration::from_secs(1);
/// The same while something is to be committed.
pub(crate) const BUSY: Duration = Duration::from_millis(50);
/// The pause after an error, and between tries of a put that has no room.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause after errors in a row.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long another member waits for a partition of which something is under way here.
pub(crate) const HANDOVER: Duration = Duration::from_secs(10);
/// Lines about one trouble: one in this time.
pub(crate) const EVERY: Duration = Duration::from_secs(10);

/// The pauses after errors: each is twice as long as the one before.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) fn new() -> Self {
        Self(PAUSE)
    }

    /// Waits after one more error in a row.
    pub(crate) async fn wait(&mut self) {
        clock::sleep_until(clock::now() + self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
    }

    /// Something has worked.
    pub(crate) fn end(&mut self) {
        self.0 = PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_a_limit_and_begin_anew() {
        let mut pauses = Pauses::new();
        let mut lengths = Vec::new();
        for _ in 0..8 {
            let begun = clock::now();
            pauses.wait().await;
            lengths.push((clock::now() - begun).as_millis());
        }
        assert_eq!(lengths, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        pauses.end();
        let begun = clock::now();
        pauses.wait().await;
        assert_eq!(clock::now() - begun, PAUSE);
    }
}
