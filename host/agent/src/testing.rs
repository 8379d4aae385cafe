//! For tests of this crate: services that do not depend on the machine, and plans from text.

use flume_components::Resolver;
use flume_core::clock::WallClock;

use crate::config::render;
use crate::load::{self, Options};
use crate::plan::AgentPlan;
use crate::policies::testing;
use crate::services::Services;

/// Services at this time of day, on a machine with a megabyte.
pub(crate) fn services(now: u64) -> Services {
    let mut services = Services::system(Resolver::default(), testing::policies());
    services.components.wall = WallClock::fixed(now);
    services.components.memory.bytes = 1_000_000;
    services
}

/// The plan of a file with one agent and no errors.
pub(crate) fn plan(text: &str) -> AgentPlan {
    let (path, options) = ("test.properties".to_owned(), Options::default());
    let mut loaded = load::compile(path, text.into(), &options, &services(0), &|_| None);
    let findings = render::render(&loaded.diagnostics, &loaded.file, false);
    assert!(!loaded.has_errors(), "{findings}");
    loaded.plans.remove(0)
}
