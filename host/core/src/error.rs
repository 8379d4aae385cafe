//! How components say that something failed, and how the log says it.

use std::any::Any;
use std::error::Error;

/// A component cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ComponentError {
    message: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// A batch was not delivered: roll back, and try the next sink if there is one.
pub type EventDeliveryError = ComponentError;

impl ComponentError {
    /// A failure with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// A failure with its cause, which is kept separate from the message.
    pub fn caused_by(
        message: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            message: message.into(),
            source: Some(cause.into()),
        }
    }
}

/// An error with its causes, in one line. A cause that the error repeats is not said twice.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

/// The message of a panic.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_their_error() {
        let lowest = ComponentError::new("refused");
        let middle = ComponentError::caused_by("cannot connect", lowest);
        let error = ComponentError::caused_by("not delivered", middle);
        assert_eq!(chain(&error), "not delivered: cannot connect: refused");
    }

    #[test]
    fn a_cause_is_said_once() {
        let lowest = ComponentError::new("reset by peer");
        let middle = ComponentError::caused_by("connection lost: reset by peer", lowest);
        let error = ComponentError::caused_by("connection lost: reset by peer", middle);
        assert_eq!(chain(&error), "connection lost: reset by peer");
    }
}
