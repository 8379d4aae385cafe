//! A policy tried out without a place, for the tools of authors.
//!
//! It is the trial that a version passes before it is used ([`crate::probe`]), so what passes here
//! is accepted there.

use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::{self, WallClock};

use crate::artifact::Artifact;
use crate::cpu_share::CpuShare;
use crate::engine::PolicyEngine;
use crate::error::PolicyError;
use crate::guest_clock::GuestClock;
use crate::instance::Needs;
use crate::limits::Limits;
use crate::probe;
use crate::setup::{InterceptorSetup, SelectorSetup, Setup};
use crate::terms::{Account, Terms};

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
    /// It is of another kind, does not accept its properties, or breaks the contract.
    pub fn selector(
        engine: &PolicyEngine,
        artifact: &Artifact,
        limits: &Limits,
        setup: SelectorSetup,
    ) -> Result<Self, PolicyError> {
        Self::run(engine, artifact, limits, Setup::Selector(setup))
    }

    /// Tries an interceptor out.
    ///
    /// # Errors
    /// It is of another kind, does not accept its properties, or breaks the contract.
    pub fn interceptor(
        engine: &PolicyEngine,
        artifact: &Artifact,
        limits: &Limits,
        setup: InterceptorSetup,
    ) -> Result<Self, PolicyError> {
        Self::run(engine, artifact, limits, Setup::Interceptor(setup))
    }

    fn run(
        engine: &PolicyEngine,
        artifact: &Artifact,
        limits: &Limits,
        setup: Setup,
    ) -> Result<Self, PolicyError> {
        let share = Arc::new(CpuShare::new(limits.cpu_percent, clock::now()));
        let account = Account::new(Arc::default(), share, limits);
        let terms = Terms {
            setup,
            limits: limits.clone(),
            account,
        };
        let instance = probe::tried_out(
            engine,
            artifact,
            &terms,
            &GuestClock::begin(WallClock::system()),
        )?;
        Ok(Self {
            needs: instance.needs().clone(),
            start: instance.took(),
        })
    }
}
