//! Agents on their own: what one of them does, or cannot do, costs the others nothing.

use std::path::PathBuf;
use std::sync::mpsc::channel;

use flume_core::{ChannelSelector, Recipe};

use super::super::deadline::{AGENT, options, with_hung_maker};
use super::*;
use crate::load::{Options, pass};
use crate::policies::testing::{Folder, always};
use crate::reloads::ReloadCounts;
use crate::testing::{plan, services};

fn fleet() -> Fleet {
    let services = services(7);
    let memory = services.components.memory.clone();
    let view = AdminView::new(services.policies.clone(), memory, services.reloads.clone());
    Fleet::new(services, options(), view)
}

impl Fleet {
    /// Until everything has come to its end.
    async fn settle(&mut self) {
        while !self.work.is_empty() {
            self.progress().await.unwrap();
        }
    }

    fn running(&self) -> Vec<&str> {
        self.here().map(|agent| agent.plan.name.as_str()).collect()
    }

    fn counts(&self) -> ReloadCounts {
        self.services.reloads.counts()
    }

    async fn end(self) {
        self.stop(clock::now() + options().drain_timeout).await;
    }
}

/// The agent of the tests, under this name.
fn named(name: &str) -> String {
    AGENT.replace("a1.", &format!("{name}."))
}

/// The same with a group that a policy orders, and a channel of this size.
fn balanced(name: &str, policy: &str, capacity: usize) -> String {
    let lines = "\
a1.sinks = k1 k2
a1.sinks.k2.type = null
a1.sinks.k2.channel = c1
a1.sinkgroups = g1
a1.sinkgroups.g1.sinks = k1 k2
a1.sinkgroups.g1.processor.type = load_balance
a1.policies.deadline-ms = 5000
a1.policies.start-deadline-ms = 20000
";
    let text = AGENT.replace("a1.sinks = k1\n", lines)
        + &format!(
            "a1.channels.c1.capacity = {capacity}\n\
             a1.sinkgroups.g1.processor.selector = {policy}\n"
        );
    text.replace("a1.", &format!("{name}."))
}

fn draft(folder: &Folder, text: &str) -> Draft {
    let path: PathBuf = folder.path("test.properties");
    let (path, options) = (path.display().to_string(), Options::default());
    let draft = pass(path, text.into(), &options, &services(7), &|_| None);
    assert!(!draft.has_errors(), "{:?}", draft.diagnostics);
    draft
}

/// A plan whose agent cannot be made, because of a defect.
fn with_defect() -> AgentPlan {
    let mut plan = plan(&named("bad"));
    let make = |_: &&str| -> Box<dyn ChannelSelector> { panic!("a defect") };
    plan.sources[0].selector = Recipe::<dyn ChannelSelector>::new("panics", make);
    plan
}

#[tokio::test]
async fn a_defect_in_one_agent_costs_the_others_nothing() {
    let mut fleet = fleet();
    fleet.take_file(
        Draft::of(vec![with_defect(), plan(&named("good"))]),
        Way::Sighup,
    );
    fleet.settle().await;
    assert_eq!(fleet.running(), ["good"]);
    let troubles = fleet.view.troubles();
    assert!(
        troubles.iter().any(|one| one.component == "agent bad"),
        "{troubles:?}"
    );
    fleet.end().await;
}

/// Its own work holds an agent up, and only until a newer file has other work for it.
#[tokio::test]
async fn a_newer_file_does_not_wait_for_an_older_one() {
    let mut fleet = fleet();
    let (release, hold) = channel();
    fleet.take_file(Draft::of(vec![with_hung_maker(hold)]), Way::Sighup);
    fleet.take_file(Draft::of(vec![plan(AGENT)]), Way::Sighup);
    while !fleet.has_started() {
        fleet.progress().await.unwrap();
    }
    assert!(
        !fleet.is_reloading(),
        "what the older file asked for is of no use any more"
    );
    let before = fleet.here().next().unwrap().channels[0].channel.clone();
    drop(release);
    fleet.settle().await;
    let after = &fleet.here().next().unwrap().channels[0].channel;
    assert!(
        Arc::ptr_eq(&before, after),
        "and changes nothing when it comes"
    );
    fleet.end().await;
}

#[tokio::test]
async fn a_reload_is_counted_once_and_taken_if_every_agent_takes_it() {
    let folder = Folder::new();
    folder.file("one.wat", &always(&[0]));
    folder.file("bad.wat", "(module");
    let text = |policy, capacity| balanced("a1", policy, capacity) + &named("a2");
    let mut fleet = fleet();
    fleet.take_file(draft(&folder, &text("one.wat", 100)), Way::Sighup);
    fleet.settle().await;
    assert_eq!(
        fleet.counts(),
        ReloadCounts::default(),
        "a start is no reload"
    );
    let mut counted = Vec::new();
    for (policy, capacity) in [("one.wat", 200), ("bad.wat", 300), ("one.wat", 300)] {
        fleet.take_file(draft(&folder, &text(policy, capacity)), Way::Sighup);
        assert!(fleet.is_reloading());
        fleet.settle().await;
        assert!(!fleet.is_reloading());
        let counts = fleet.counts();
        let capacity = fleet.here().next().unwrap().channels[0].channel.capacity();
        counted.push((counts.taken, counts.refused, counts.last_taken, capacity));
    }
    assert_eq!(
        counted,
        [(1, 0, true, 200), (1, 1, false, 200), (2, 1, true, 300)],
        "the one with a bad policy keeps to the file before"
    );
    // Two files in one reload; and a third one, which is refused, is the last.
    fleet.take_file(draft(&folder, &text("bad.wat", 400)), Way::Sighup);
    fleet.take_file(draft(&folder, &text("one.wat", 400)), Way::Sighup);
    fleet.settle().await;
    assert_eq!((fleet.counts().taken, fleet.counts().refused), (3, 1));
    fleet.take_file(draft(&folder, &text("one.wat", 500)), Way::Sighup);
    fleet
        .services
        .reloads
        .note(false, &fleet.services.components.wall);
    fleet.file_refused();
    fleet.settle().await;
    assert!(!fleet.counts().last_taken);
    fleet.end().await;
}

#[tokio::test]
async fn an_agent_that_is_gone_is_shown_no_more() {
    let mut fleet = fleet();
    let [a1, a2] = ["a1", "a2"].map(|name| plan(&named(name)));
    fleet.take_file(Draft::of(vec![a1, a2.clone()]), Way::Sighup);
    fleet.settle().await;
    fleet.take_file(Draft::of(vec![a2]), Way::Sighup);
    fleet.settle().await;
    while fleet.is_departing() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        fleet.settle_departures();
    }
    let shown = fleet.view.agents();
    let shown: Vec<&str> = shown.iter().map(|view| view.plan.name.as_str()).collect();
    assert_eq!((shown, fleet.running()), (vec!["a2"], vec!["a2"]));
    fleet.end().await;
}

/// It is tried again with each file, and forgotten with its part of the file.
#[tokio::test]
async fn an_agent_that_is_left_out_starts_from_a_later_file() {
    let folder = Folder::new();
    folder.file("one.wat", "(module");
    let text = balanced("bad", "one.wat", 100) + &named("good");
    let mut fleet = fleet();
    fleet.take_file(draft(&folder, &text), Way::Sighup);
    fleet.settle().await;
    assert_eq!(fleet.running(), ["good"]);
    assert_eq!(fleet.sources().len(), 3, "its ports stay its own");
    fleet.take_file(draft(&folder, &named("good")), Way::Sighup);
    fleet.settle().await;
    assert_eq!(fleet.names().collect::<Vec<_>>(), ["good"]);
    fleet.take_file(draft(&folder, &text), Way::Sighup);
    fleet.settle().await;
    assert_eq!(fleet.running(), ["good"]);
    folder.file("one.wat", &always(&[0]));
    fleet.take_file(draft(&folder, &text), Way::Sighup);
    fleet.settle().await;
    assert_eq!(fleet.running(), ["bad", "good"], "in the order of the file");
    let troubles = fleet.view.troubles();
    assert!(
        troubles.iter().all(|one| one.component == "process"),
        "{troubles:?}"
    );
    fleet.end().await;
}

#[tokio::test]
async fn nothing_is_left_of_a_process_whose_agents_are_all_left_out() {
    let folder = Folder::new();
    let mut fleet = fleet();
    fleet.take_file(
        draft(&folder, &balanced("a1", "nowhere.wat", 100)),
        Way::Sighup,
    );
    assert!(!fleet.is_idle(), "its policy is being tried out");
    fleet.settle().await;
    assert!(fleet.is_idle() && !fleet.has_started());
}
