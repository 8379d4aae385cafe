//! Hostile: a good module that is no policy.

use flume_policy_sdk as _;

/// The answer.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> i32 {
    42
}
