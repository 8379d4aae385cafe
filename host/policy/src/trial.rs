//! A policy tried out without a place: what tools show to authors.
//!
//! The same trial that a version passes before it may work ([`crate::probe`]), so what passes here
//! is accepted there.

use std::time::Duration;

use flume_core::clock::WallClock;

use crate::artifact::Artifact;
use crate::engine::PolicyEngine;
use crate::error::PolicyError;
use crate::instance::Needs;
use crate::limits::Limits;
use crate::reload::Policy;
use crate::setup::{InterceptorSetup, SelectorSetup, Setup};

/// A trial that was passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// What the policy asks to be shown.
    pub needs: Needs,
    /// How long its start took: instantiation and `configure`.
    pub start: Duration,
}

impl Trial {
    /// Tries a selector out.
    ///
    /// # Errors
    /// It is none, does not accept its properties, or breaks the contract.
    pub fn selector(
        engine: &PolicyEngine,
        artifact: &Artifact,
        limits: &Limits,
        setup: SelectorSetup,
    ) -> Result<Self, PolicyError> {
        Self::run(engine, artifact, limits, &Setup::Selector(setup))
    }

    /// Tries an interceptor out.
    ///
    /// # Errors
    /// It is none, does not accept its properties, or breaks the contract.
    pub fn interceptor(
        engine: &PolicyEngine,
        artifact: &Artifact,
        limits: &Limits,
        setup: InterceptorSetup,
    ) -> Result<Self, PolicyError> {
        Self::run(engine, artifact, limits, &Setup::Interceptor(setup))
    }

    fn run(
        engine: &PolicyEngine,
        artifact: &Artifact,
        limits: &Limits,
        setup: &Setup,
    ) -> Result<Self, PolicyError> {
        let (engine, artifact) = (engine.clone(), artifact.clone());
        let policy = Policy::new(engine, artifact, limits.clone(), WallClock::system());
        let instance = policy.tried_out(&policy.artifact(), setup)?;
        Ok(Self {
            needs: instance.needs().clone(),
            start: instance.took(),
        })
    }
}
