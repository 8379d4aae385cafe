//! How long an answer of the brokers is waited for when none of them can be reached.
//!
//! The client goes on trying for `delivery.timeout.ms`, two minutes. A group has other sinks, and a
//! source a client that waits, so here the wait ends earlier: then the records are given up.

use std::time::Duration;

use flume_core::ClientCounter;
use flume_core::clock::{self, Instant};

use crate::client::{Acks, ClientError, ErrorKind, Refused};

/// So long no broker is reached, and so long the answer is waited for: as the avro sink waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The pause between looks whether a broker can be reached.
const LOOK: Duration = Duration::from_secs(1);

/// Waits for the answers to records that were sent at this time. It may be dropped and called again.
///
/// # Errors
/// The client is closed, or no broker can be reached.
pub(crate) async fn answers(
    acks: &mut Acks,
    numbers: &ClientCounter,
    sent: Instant,
) -> Result<Vec<Refused>, ClientError> {
    loop {
        if let Ok(answers) = clock::timeout_at(clock::now() + LOOK, &mut *acks).await {
            return answers;
        }
        let now = clock::now();
        let is_long = |since: Instant| now.saturating_duration_since(since) >= PATIENCE;
        if is_long(sent)
            && let Some((_, why)) = numbers.away().filter(|(since, _)| is_long(*since))
        {
            let text = format!("no broker can be reached: {why}");
            return Err(ClientError::new(ErrorKind::Unreachable, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wait_ends_only_while_nobody_is_there() {
        let numbers = ClientCounter::default();
        let (tell, told) = oneshot::channel();
        let mut acks = Acks::new(told);
        let sent = clock::now();
        numbers.failed("unreachable", "refused");
        numbers.set_reachable(false, sent);
        let waited = answers(&mut acks, &numbers, sent).await;
        let text = "no broker can be reached: refused";
        assert_eq!(waited, Err(ClientError::new(ErrorKind::Unreachable, text)));
        assert!(clock::now() - sent >= PATIENCE);
        // One that comes and goes is given its time.
        numbers.set_reachable(true, clock::now());
        numbers.set_reachable(false, clock::now());
        let later = clock::now();
        assert!(answers(&mut acks, &numbers, sent).await.is_err());
        assert!(clock::now() - later >= PATIENCE);
        // A broker that is there and slow is waited for.
        numbers.set_reachable(true, clock::now());
        let (waited, _) = tokio::join!(answers(&mut acks, &numbers, sent), async {
            tokio::time::sleep(PATIENCE * 5).await;
            tell.send(Vec::new())
        });
        assert_eq!(waited, Ok(Vec::new()));
    }
}
