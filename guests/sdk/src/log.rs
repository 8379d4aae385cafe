//! Lines for the host's log, with the policy's name and digest added by the host.

use crate::bindings::{self, Level};

/// For the author, while writing the policy.
pub fn debug(message: &str) {
    bindings::log(Level::Debug, message);
}

/// For the operator: what the policy does.
pub fn info(message: &str) {
    bindings::log(Level::Info, message);
}

/// Something is not as it should be.
pub fn warn(message: &str) {
    bindings::log(Level::Warn, message);
}

/// The policy could not do its work.
pub fn error(message: &str) {
    bindings::log(Level::Error, message);
}

/// Logs a panic's message before it ends the instance. In native tests, the test runner does that.
pub(crate) fn panics() {
    if cfg!(target_arch = "wasm32") {
        std::panic::set_hook(Box::new(|panic| error(&panic.to_string())));
    }
}
