//! `on-error` of a sink: what becomes of events that can never be delivered there. Every type of
//! sink has the key.

use flume_core::{Code, Context};

use crate::plan::channels::Channels;

/// The key.
pub(crate) const KEY: &str = "on-error";

/// What becomes of an event that can never be delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum OnError {
    /// It is tried again and again.
    #[default]
    Retry,
    /// It is dropped after its tries.
    Drop,
    /// It goes to this channel after its tries.
    DeadLetter(String),
}

impl OnError {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "retry" => Self::Retry,
            "drop" => Self::Drop,
            _ => {
                let channel = text.strip_prefix("dead-letter:");
                Self::DeadLetter(channel.filter(|name| !name.is_empty())?.to_owned())
            }
        })
    }

    /// The channel for dead letters, if there is one.
    pub(crate) fn dead_letters(&self) -> Option<&str> {
        match self {
            Self::DeadLetter(channel) => Some(channel),
            Self::Retry | Self::Drop => None,
        }
    }
}

/// Reads the key (`retry`). `None` leaves an error.
pub(crate) fn read(context: &mut Context) -> Option<OnError> {
    let text = context.string(KEY, "retry");
    let on_error = OnError::parse(&text);
    if on_error.is_none() {
        let message = format!("`{}.{KEY}` cannot be `{text}`", context.path());
        let help = "one of `retry`, `drop` and `dead-letter:<channel>`";
        context.error(KEY, Code::BadValue, message, help);
    }
    on_error
}

/// [`read`], with a channel that the agent has and that is not the sink's own.
pub(super) fn read_with(context: &mut Context, channels: &Channels<'_>) -> Option<OnError> {
    let on_error = read(context)?;
    let Some(letters) = on_error.dead_letters() else {
        return Some(on_error);
    };
    let own = context.value("channel");
    if own.is_some_and(|own| own.text == letters) {
        let message = format!("`{}.{KEY}` names the sink's own channel", context.path());
        let help = "a dead letter would come back for ever: name another channel";
        context.error(KEY, Code::BadValue, message, help);
        return None;
    }
    if !channels.lists(letters) {
        if let Some(value) = context.value(KEY) {
            channels.unknown(context, KEY, letters, value.span);
        }
        return None;
    }
    Some(on_error)
}
