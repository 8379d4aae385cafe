//! Hostile: a valid module that is not a policy.

use flume_policy_sdk as _;

/// The answer.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> i32 {
    42
}
