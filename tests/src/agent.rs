//! One hop in a chain of agents: our agent or a real Flume.
//!
//! Scenarios are written once and run with different agents in each hop: what holds for a chain of
//! real Flumes must hold with our agent in any of the hops.

use std::time::Duration;

use crate::agent_file::AgentFile;
use crate::host::Host;
use crate::peers::flume::{Flume, Stage};
use crate::process::Process;
use crate::scratch::Scratch;

/// Which agent runs in a hop.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    /// `flume-host`.
    Ours,
    /// Flume, of the release that the stage has.
    Real(&'a Stage),
}

/// A running agent of either kind.
pub enum Agent {
    /// `flume-host`.
    Ours(Box<Host>),
    /// Flume.
    Real(Box<Flume>),
}

impl Kind<'_> {
    /// Starts an agent and waits until `port`, which its source listens on, is open.
    ///
    /// # Panics
    /// When it does not start in time.
    #[must_use]
    pub fn start(self, scratch: &Scratch, name: &str, file: &AgentFile, port: u16) -> Agent {
        self.start_on(scratch, name, file, &[port])
    }

    /// Starts an agent whose sources listen on these ports, or on none.
    ///
    /// # Panics
    /// When it does not start in time.
    #[must_use]
    pub fn start_on(self, scratch: &Scratch, name: &str, file: &AgentFile, ports: &[u16]) -> Agent {
        match self {
            Self::Ours => Agent::Ours(Box::new(Host::start(scratch, name, &file.text()))),
            Self::Real(stage) => Agent::Real(Box::new(stage.start(scratch, name, file, ports))),
        }
    }
}

impl Agent {
    /// The process: its log and exit status.
    pub fn process(&mut self) -> &mut Process {
        match self {
            Self::Ours(host) => host.process(),
            Self::Real(flume) => flume.process(),
        }
    }

    /// Kills it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        match self {
            Self::Ours(host) => host.kill(),
            Self::Real(flume) => flume.kill(),
        }
    }

    /// Sends SIGTERM, and waits until it has ended. Ours has delivered everything then, and Flume
    /// has lost what its channels held.
    ///
    /// # Panics
    /// When it has not within `patience`, or ours has left events.
    pub fn term(&mut self, patience: Duration) {
        match self {
            Self::Ours(host) => assert!(host.term(patience).success(), "events were left"),
            Self::Real(flume) => flume.term(patience),
        }
    }

    /// Starts it again, as it was started, after it was killed.
    pub fn restart(&mut self) {
        match self {
            Self::Ours(host) => host.restart(),
            Self::Real(flume) => flume.restart(),
        }
    }
}
