//! A policy in all its places, and the swap of one version for another.
//!
//! | step | where | if it fails |
//! |---|---|---|
//! | load: complete, check, compile | off the data path | what runs goes on |
//! | [prepare](Policy::prepare): try it out in each place | off the data path | what runs goes on |
//! | [install](Policy::install): leave it at each place | anywhere | cannot fail |
//! | take it, with the old one's state | between two batches | the new one begins afresh |
//!
//! The version before stays warm. [`Policy::roll_back`] brings it back, and so does the error
//! budget of any place; then the failed version is forgotten, so that the two do not take turns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use flume_core::SinkSelector;
use flume_core::clock::{self, Instant, WallClock};
use parking_lot::Mutex;

use crate::artifact::Artifact;
use crate::engine::PolicyEngine;
use crate::error::PolicyError;
use crate::instance::Instance;
use crate::interceptor::{PolicyInterceptor, Remedy};
use crate::limits::Limits;
use crate::log::GuestLog;
use crate::probe;
use crate::seat::{Incumbent, Seat, SeatPost, SeatState};
use crate::selector::PolicySelector;
use crate::setup::{InterceptorSetup, SelectorSetup, Setup};
use crate::share::Share;
use crate::stats::Stats;

mod difference;
mod report;

pub use report::{PolicyReport, SeatReport};

/// One version of a policy, numbered in the order of installation.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    pub(crate) artifact: Artifact,
}

/// A policy by name, in every place that uses it.
pub struct Policy {
    engine: PolicyEngine,
    limits: Limits,
    stats: Arc<Stats>,
    share: Share,
    wall: WallClock,
    /// The zero of `moment.now`.
    zero: Instant,
    versions: Mutex<Versions>,
    posts: Mutex<Vec<Weak<SeatPost>>>,
}

struct Versions {
    current: Arc<Generation>,
    previous: Option<Arc<Generation>>,
    /// The number of the next generation.
    next: u64,
}

/// A version that every place has accepted.
pub struct Candidate {
    artifact: Artifact,
    ready: Vec<(Weak<SeatPost>, Instance)>,
    differences: Vec<String>,
}

/// There is no version to go back to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy {policy}: there is no version before the one that runs")]
pub struct RollBackError {
    policy: String,
}

impl Policy {
    /// A policy that nothing uses yet.
    pub fn new(
        engine: PolicyEngine,
        artifact: Artifact,
        limits: Limits,
        wall: WallClock,
    ) -> Arc<Self> {
        let current = Arc::new(Generation {
            number: 1,
            artifact,
        });
        let stats = Arc::<Stats>::default();
        let zero = clock::now();
        Arc::new(Self {
            engine,
            share: Share::new(limits.cpu_percent, Arc::clone(&stats), zero),
            limits,
            stats,
            wall,
            zero,
            versions: Mutex::new(Versions {
                current,
                previous: None,
                next: 2,
            }),
            posts: Mutex::default(),
        })
    }

    /// A selector for a group, tried out. `fallback` orders the batches that the policy cannot.
    ///
    /// # Errors
    /// The policy is none for groups, does not accept its properties, or broke the contract.
    pub fn selector(
        self: &Arc<Self>,
        place: &str,
        setup: SelectorSetup,
        fallback: Box<dyn SinkSelector>,
    ) -> Result<PolicySelector, PolicyError> {
        let sinks = setup.sinks.len();
        let seat = self.seat(place, Setup::Selector(setup))?;
        Ok(PolicySelector::new(seat, sinks, fallback))
    }

    /// An interceptor for a source, tried out.
    ///
    /// # Errors
    /// The policy is no interceptor, does not accept its properties, or broke the contract.
    pub fn interceptor(
        self: &Arc<Self>,
        place: &str,
        setup: InterceptorSetup,
        remedy: Remedy,
    ) -> Result<PolicyInterceptor, PolicyError> {
        let seat = self.seat(place, Setup::Interceptor(setup))?;
        Ok(PolicyInterceptor::new(place, seat, remedy))
    }

    /// Tries a new version out in every place of this policy. Takes as long as the slowest start:
    /// call it where nobody waits.
    ///
    /// # Errors
    /// A place does not accept it; nothing has changed.
    pub fn prepare(&self, artifact: Artifact) -> Result<Candidate, PolicyError> {
        let mut differences = Vec::new();
        let mut ready = Vec::new();
        let old = Arc::clone(&self.versions.lock().current);
        difference::artifacts(&old.artifact, &artifact, &mut differences);
        for post in self.posts() {
            let instance = self.tried_out(&artifact, &post.setup)?;
            if let Ok(before) = self.start(&old.artifact, &post.setup, self.limits.start_deadline) {
                difference::needs(
                    &post.place,
                    before.needs(),
                    instance.needs(),
                    &mut differences,
                );
            }
            ready.push((Arc::downgrade(&post), instance));
        }
        Ok(Candidate {
            artifact,
            ready,
            differences,
        })
    }

    /// Puts a version into every place; each takes it before its next batch.
    pub fn install(&self, candidate: Candidate) {
        let mut versions = self.versions.lock();
        let number = versions.next;
        let generation = Arc::new(Generation {
            number,
            artifact: candidate.artifact,
        });
        for (post, instance) in candidate.ready {
            if let Some(post) = post.upgrade() {
                let generation = Arc::clone(&generation);
                *post.ready.lock() = Some(Incumbent::new(generation, Some(instance)));
            }
        }
        versions.next += 1;
        let before = std::mem::replace(&mut versions.current, generation);
        versions.previous = Some(before);
        // Told last: a place that looks now finds all that it needs.
        self.want(number);
        self.stats.swaps.increment();
    }

    /// Brings the version before back into every place, and forgets the current one.
    ///
    /// # Errors
    /// There is none.
    pub fn roll_back(&self) -> Result<(), RollBackError> {
        let mut versions = self.versions.lock();
        let Some(previous) = versions.previous.take() else {
            let policy = versions.current.artifact.name().to_owned();
            return Err(RollBackError { policy });
        };
        let number = previous.number;
        versions.current = previous;
        self.want(number);
        self.stats.roll_backs.increment();
        Ok(())
    }

    /// When the time that it is told begins.
    pub fn zero(&self) -> Instant {
        self.zero
    }

    /// Calls that it could not answer itself: they broke the contract, or it rested.
    pub fn misses(&self) -> u64 {
        let stats = &self.stats;
        stats.fallbacks.get() + stats.throttled.get() + stats.all_violations()
    }

    /// What it did so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The version that is to run.
    pub fn artifact(&self) -> Artifact {
        self.versions.lock().current.artifact.clone()
    }

    /// How it stands.
    pub fn report(&self) -> PolicyReport {
        let versions = self.versions.lock();
        let seat = |post: Arc<SeatPost>| {
            let (state, generation) = *post.state.lock();
            SeatReport {
                place: post.place.clone(),
                state,
                generation,
                fault: post.fault.lock().clone(),
            }
        };
        PolicyReport {
            name: versions.current.artifact.name().to_owned(),
            digest: versions.current.artifact.digest().to_owned(),
            generation: versions.current.number,
            previous: versions
                .previous
                .as_ref()
                .map(|g| g.artifact.digest().to_owned()),
            seats: self.posts().into_iter().map(seat).collect(),
        }
    }

    /// How long no place may ask it, because its share of the processors is used up.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.share.wait(now)
    }

    pub(crate) fn engine(&self) -> &PolicyEngine {
        &self.engine
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The time of a call, as the guest is told it.
    pub(crate) fn moment(&self, now: Instant) -> crate::bindings::types::Moment {
        crate::bindings::types::Moment {
            now: self.nanos(now),
            unix_ms: self.wall.millis(),
        }
    }

    /// A point of time as the guest is told it. Never 0, which means "never".
    pub(crate) fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.zero).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
    }

    pub(crate) fn generation(&self, number: u64) -> Option<Arc<Generation>> {
        let versions = self.versions.lock();
        let known = [Some(&versions.current), versions.previous.as_ref()];
        known
            .into_iter()
            .flatten()
            .find(|known| known.number == number)
            .cloned()
    }

    /// A place gives a generation up. Says whether another one takes over.
    pub(crate) fn give_up(&self, number: u64, place: &str) -> bool {
        let current = self.versions.lock().current.number;
        if current != number {
            // Another place was faster, or another version has come.
            return true;
        }
        let rolled_back = self.roll_back().is_ok();
        if rolled_back {
            let policy = self.artifact();
            tracing::error!(%policy, place, "error budget spent: the version before takes over");
        }
        rolled_back
    }

    pub(crate) fn start(
        &self,
        artifact: &Artifact,
        setup: &Setup,
        deadline: Duration,
    ) -> Result<Instance, PolicyError> {
        let log = GuestLog::new(
            artifact.shared_name(),
            artifact.short_digest().into(),
            self.limits.log_lines,
            Arc::clone(&self.stats),
        );
        Instance::start(&self.engine, artifact, setup, &self.limits, deadline, log)
    }

    /// An instance whose twin has passed the trial: the trial leaves nothing behind in it.
    pub(crate) fn tried_out(
        &self,
        artifact: &Artifact,
        setup: &Setup,
    ) -> Result<Instance, PolicyError> {
        let deadline = self.limits.start_deadline;
        probe::run(&mut self.start(artifact, setup, deadline)?, setup)?;
        self.start(artifact, setup, deadline)
    }

    fn seat(self: &Arc<Self>, place: &str, setup: Setup) -> Result<Seat, PolicyError> {
        let generation = Arc::clone(&self.versions.lock().current);
        let instance = self.tried_out(&generation.artifact, &setup)?;
        let number = generation.number;
        let post = Arc::new(SeatPost {
            place: place.to_owned(),
            setup,
            wanted: AtomicU64::new(number),
            ready: Mutex::default(),
            state: Mutex::new((SeatState::Running, number)),
            fault: Mutex::default(),
        });
        let versions = self.versions.lock();
        // A version may have come in the meantime.
        post.wanted
            .store(versions.current.number, Ordering::Release);
        self.posts.lock().push(Arc::downgrade(&post));
        let incumbent = Incumbent::new(generation, Some(instance));
        drop(versions);
        Ok(Seat::new(Arc::clone(self), post, incumbent))
    }

    fn want(&self, number: u64) {
        for post in self.posts() {
            post.wanted.store(number, Ordering::Release);
        }
    }

    /// The places that are still used.
    fn posts(&self) -> Vec<Arc<SeatPost>> {
        let mut posts = self.posts.lock();
        posts.retain(|post| post.strong_count() > 0);
        posts.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Candidate {
    /// What it asks for beyond the version that runs, or no longer does, a line each.
    pub fn differences(&self) -> &[String] {
        &self.differences
    }

    /// The version.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Policy").field(&self.artifact()).finish()
    }
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Candidate").field(&self.artifact).finish()
    }
}
