//! The same for long.

/// Hundreds of kills under load.
#[test]
fn two_hundred_kills_lose_nothing_that_was_answered() {
    super::killed(200, 4_000);
}
