//! Places for which no version of their policy could be loaded: what stands in for the policy does its
//! work, and the first version that the place accepts takes over.
//!
//! Such a place is used, so its file is watched and can be uploaded like any other. A file without any
//! version has an [artifact](Artifact::none) from which nothing starts, and to which nothing goes back.

use std::sync::Arc;

use flume_core::SinkSelector;
use flume_policy::{
    Artifact, InterceptorSetup, Policy, PolicyInterceptor, PolicySelector, Remedy, SeatState,
    SelectorSetup, World,
};

use super::file::WatchedFile;
use super::{Mark, Policies, PolicyUse, PolicyUseError};

/// Why a place has no version of its policy yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vacancy {
    /// What was wrong, in a line.
    pub why: String,
    /// What the file looked like then, if it was there: another look is another try.
    pub mark: Option<Mark>,
}

impl Policies {
    /// A selector for a group for which no version can be used yet.
    ///
    /// # Errors
    /// There is no engine.
    pub(crate) fn vacant_selector(
        &self,
        file: &PolicyUse,
        (place, vacancy): (&str, &Vacancy),
        setup: SelectorSetup,
        fallback: Box<dyn SinkSelector>,
    ) -> Result<PolicySelector, PolicyUseError> {
        let world = World::Selector { router: false };
        self.vacate(file, world, vacancy, |policy| {
            let (place, limits) = ((place, &*vacancy.why), file.limits.clone());
            policy.vacant_selector(place, limits, setup, fallback)
        })
    }

    /// The same for an interceptor of a source.
    ///
    /// # Errors
    /// There is no engine.
    pub(crate) fn vacant_interceptor(
        &self,
        file: &PolicyUse,
        (place, vacancy): (&str, &Vacancy),
        setup: InterceptorSetup,
        remedy: Remedy,
    ) -> Result<PolicyInterceptor, PolicyUseError> {
        self.vacate(file, World::Interceptor, vacancy, |policy| {
            let (place, limits) = ((place, &*vacancy.why), file.limits.clone());
            policy.vacant_interceptor(place, limits, setup, remedy)
        })
    }

    /// Whether a place runs without any version of its policy.
    pub(crate) fn is_vacant(&self, agent: &str, place: &str) -> bool {
        let files = self.files().into_iter();
        let files = files.filter(|file| file.agent() == agent);
        let mut seats = files.flat_map(|file| file.report().seats);
        seats.any(|seat| seat.place == place && seat.state == SeatState::Vacant)
    }

    /// Uses a file in one more place without any of its versions. It has none if no other place
    /// uses it.
    fn vacate<T>(
        &self,
        wanted: &PolicyUse,
        world: World,
        vacancy: &Vacancy,
        leave: impl FnOnce(&Arc<Policy>) -> T,
    ) -> Result<T, PolicyUseError> {
        self.heavy_work(&wanted.agent, || {
            let file = match self.find(wanted) {
                Some(file) => file,
                None => {
                    let (engine, wall) = (self.tools()?.engine, self.0.wall.clone());
                    let none = Artifact::none(&self.name(wanted), world);
                    let policy = Policy::new(engine, none, wall.clone());
                    Arc::new(WatchedFile::vacant(wanted, policy, vacancy, wall))
                }
            };
            let seat = leave(file.policy());
            file.stay_in_folder_of(wanted);
            self.keep(&file);
            Ok(seat)
        })
    }
}

#[cfg(test)]
mod tests;
