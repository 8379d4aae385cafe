//! What a policy is made from, in its place.

/// Keys below the policy's own prefix, and values as written.
pub type Properties = Vec<(String, String)>;

/// What a selector is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectorSetup {
    /// The properties below `processor.selector.` that the host does not read itself.
    pub properties: Properties,
    /// The sinks of the group, in its order.
    pub sinks: Vec<SinkInfo>,
    /// For the policy's random numbers.
    pub seed: u64,
}

/// One sink, as policies see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkInfo {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// The properties that it carries for policies.
    pub properties: Properties,
}

/// What an interceptor is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterceptorSetup {
    /// Its properties that the host does not read itself.
    pub properties: Properties,
    /// For the policy's random numbers.
    pub seed: u64,
}

/// Either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setup {
    /// For a group.
    Selector(SelectorSetup),
    /// For a source.
    Interceptor(InterceptorSetup),
}

impl Setup {
    /// For the policy's random numbers.
    pub(crate) fn seed(&self) -> u64 {
        match self {
            Self::Selector(setup) => setup.seed,
            Self::Interceptor(setup) => setup.seed,
        }
    }

    /// What is needed here, for messages.
    pub(crate) fn wanted(&self) -> &'static str {
        match self {
            Self::Selector(_) => "a sink selector",
            Self::Interceptor(_) => "an interceptor",
        }
    }
}
