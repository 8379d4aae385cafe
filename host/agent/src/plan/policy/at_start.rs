//! `policies.at-start`: what becomes of an agent with a policy that cannot be used at its start.
//!
//! By default it is left out: what runs is what the file says, and clients go to another collector or
//! keep their events. Other agents start in any case.

use flume_core::Code;
use flume_core::context::Context;

/// The key, below `policies.` of an agent.
pub(super) const KEY: &str = "at-start";

/// What becomes of an agent with a policy that cannot be used at its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum AtStart {
    /// It does not start.
    #[default]
    Refuse,
    /// What stands in for a policy that is quarantined stands in for this one, until a version comes
    /// that can be used.
    Fallback,
}

impl AtStart {
    /// Reads the key (`refuse`). What is wrong with it is left in the context.
    pub(super) fn read(context: &mut Context) -> Self {
        let text = context.string(KEY, "refuse");
        match text.as_str() {
            "refuse" => Self::Refuse,
            "fallback" => Self::Fallback,
            _ => {
                let message = format!("`{}.{KEY}` cannot be `{text}`", context.path());
                let help = "one of `refuse` and `fallback`";
                context.error(KEY, Code::BadValue, message, help);
                Self::default()
            }
        }
    }
}
