//! How components say that something failed, and how the log says it.

use std::any::Any;
use std::error::Error;
use std::fmt;

/// A component cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ComponentError {
    message: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// A batch was not delivered: roll back, and try the next sink if there is one.
#[derive(Debug)]
pub struct EventDeliveryError {
    error: ComponentError,
    blame: Blame,
}

/// Whether the place or an event is to blame for a batch that was not delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Blame {
    /// The place: whatever the batch, it would not have been delivered now.
    #[default]
    Place,
    /// These events, by their indices in the batch: they cannot be delivered there, now or later.
    /// Nothing of the batch is delivered. It was not begun, so batches under way still are.
    Events(Vec<usize>),
    /// The same events were refused, and all others of the batch are delivered. Batches under way still
    /// are.
    Refused(Vec<usize>),
    /// The place, or an event of the batch: the place took a connection and answered, and then did
    /// not answer for this batch, or refuses it again and again and cannot say why.
    Batch,
}

impl EventDeliveryError {
    /// A failure of the place with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            error: ComponentError::new(message),
            blame: Blame::Place,
        }
    }

    /// A failure of the place with its cause, which is kept separate from the message.
    pub fn caused_by(
        message: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            error: ComponentError::caused_by(message, cause),
            blame: Blame::Place,
        }
    }

    /// The same failure with another one to blame.
    #[must_use]
    pub fn blaming(self, blame: Blame) -> Self {
        Self { blame, ..self }
    }

    /// Who is to blame.
    pub fn blame(&self) -> &Blame {
        &self.blame
    }
}

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

impl fmt::Display for EventDeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for EventDeliveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
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
    fn blame_does_not_change_the_words() {
        let error = EventDeliveryError::caused_by("not delivered", ComponentError::new("refused"));
        assert_eq!(*error.blame(), Blame::Place);
        let error = error.blaming(Blame::Batch);
        assert_eq!(*error.blame(), Blame::Batch);
        assert_eq!(chain(&error), "not delivered: refused");
    }

    #[test]
    fn a_cause_is_said_once() {
        let lowest = ComponentError::new("reset by peer");
        let middle = ComponentError::caused_by("connection lost: reset by peer", lowest);
        let error = ComponentError::caused_by("connection lost: reset by peer", middle);
        assert_eq!(chain(&error), "connection lost: reset by peer");
    }
}
