//! What a caller may do: verbs, each for all agents or for one.
//!
//! Who may change an agent sees it. Who may see it does not see its events: that is a verb of its own.

use std::fmt;
use std::sync::Arc;

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Read pages.
    See,
    /// Upload, take back and roll back policies.
    Change,
    /// Read events as they pass.
    Tap,
}

impl Verb {
    pub(super) const ALL: [Self; 3] = [Self::See, Self::Change, Self::Tap];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Change => "change",
            Self::Tap => "tap",
        }
    }

    /// Whether who may do this may do that.
    fn includes(self, wanted: Self) -> bool {
        self == wanted || (self, wanted) == (Self::Change, Self::See)
    }
}

/// To what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On<'a> {
    /// Everything of the process.
    All,
    /// This agent.
    Agent(&'a str),
    /// Some agent, whichever it is.
    Any,
}

impl On<'_> {
    /// As the line of a token would say it.
    pub(super) fn of(self, verb: Verb) -> String {
        match self {
            Self::All | Self::Any => verb.name().to_owned(),
            Self::Agent(agent) => format!("{}:{agent}", verb.name()),
        }
    }
}

/// One verb, for all agents or for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) verb: Verb,
    pub(super) agent: Option<String>,
}

impl Grant {
    fn allows(&self, verb: Verb, on: On<'_>) -> bool {
        let is_on = match (&self.agent, on) {
            (None, _) | (Some(_), On::Any) => true,
            (Some(own), On::Agent(agent)) => own == agent,
            (Some(_), On::All) => false,
        };
        is_on && self.verb.includes(verb)
    }
}

/// All that somebody may do. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grants(Arc<[Grant]>);

impl Grants {
    /// These verbs, for all agents.
    pub(super) fn of(verbs: &[Verb]) -> Self {
        let grant = |verb: &Verb| Grant {
            verb: *verb,
            agent: None,
        };
        verbs.iter().map(grant).collect()
    }

    pub(super) fn allow(&self, verb: Verb, on: On<'_>) -> bool {
        self.0.iter().any(|grant| grant.allows(verb, on))
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        Self(grants.into_iter().collect())
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, grant) in self.0.iter().enumerate() {
            let before = if at == 0 { "" } else { "," };
            write!(f, "{before}{}", grant.verb.name())?;
            if let Some(agent) = &grant.agent {
                write!(f, ":{agent}")?;
            }
        }
        Ok(())
    }
}
