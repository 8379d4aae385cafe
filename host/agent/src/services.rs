//! Shared by the whole process: the services of components, and the policy files.

use std::path::Path;

use flume_components::{Resolver, Services as ComponentServices};

use crate::policies::Policies;
use crate::reloads::Reloads;

/// Passed from the command line to all that is configured and built.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    /// The services of every component.
    pub components: ComponentServices,
    /// The policy files.
    pub policies: Policies,
    /// What became of changed configuration files.
    pub reloads: Reloads,
}

impl Services {
    /// The machine's own services, and these policies.
    pub(crate) fn system(resolver: Resolver, policies: Policies) -> Self {
        Self {
            components: ComponentServices::system(resolver),
            policies,
            reloads: Reloads::default(),
        }
    }

    /// The same with Hadoop's configuration, as `flume-ng` finds it.
    pub(crate) fn with_hadoop(self, conf: Option<&Path>) -> Self {
        Self {
            components: self.components.with_hadoop(conf),
            ..self
        }
    }
}
