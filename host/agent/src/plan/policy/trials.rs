//! What of an agent's plan is to be tried out: all its policies, each in its place.
//!
//! A plan is made without them, since a compiler may work on one for a minute, and nobody else is to
//! wait for that. A plan that has passed its trials is as sure to run as one without policies.
//!
//! | a policy that cannot be used, in an agent that | costs |
//! |---|---|
//! | starts | the agent its start, or its place the policy ([`AtStart`]) |
//! | runs, in a place that never had a version | nothing more: the place goes on as it is |
//! | runs, in any other place | the agent its new plan: it goes on with the old one |

use std::path::PathBuf;

use flume_core::{Code, Diagnostic, Span};
use flume_policy::{InterceptorSetup, SelectorSetup};

use super::at_start::AtStart;
use super::trial::Place;
use crate::plan::AgentPlan;
use crate::policies::{Mark, Policies, PolicyUse, Vacancy};

/// What of an agent's plan is to be tried out.
#[derive(Debug)]
pub(crate) struct Trials {
    agent: String,
    at_start: AtStart,
    folder: Option<Folder>,
    places: Vec<PlaceTrial>,
}

/// The folder that the policies of an agent have to be in.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// The key that names it.
    pub(super) key: String,
    pub(super) span: Span,
}

/// A policy in a place.
#[derive(Debug)]
pub(super) struct PlaceTrial {
    pub(super) place: Place,
    pub(super) file: PolicyUse,
    pub(super) setup: PlaceSetup,
}

/// What a policy is to be in its place.
#[derive(Debug)]
pub(super) enum PlaceSetup {
    Selector(SelectorSetup),
    Interceptor(InterceptorSetup),
}

/// A policy that cannot be used.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The key that names its file, or the folder of all.
    pub(crate) key: String,
    /// What is wrong; at least one finding.
    pub(crate) findings: Vec<Diagnostic>,
    /// The place that lacks it; none if no place does.
    place: Option<String>,
    mark: Option<Mark>,
}

/// What came of the trials.
#[derive(Debug)]
pub(crate) struct Tried {
    /// The plan, if the agent may run by it. It says which places are to run without a policy.
    pub(crate) plan: Option<AgentPlan>,
    /// The policies that cannot be used.
    pub(crate) refusals: Vec<Refusal>,
}

impl Trials {
    /// None yet.
    pub(super) fn new(agent: &str, at_start: AtStart, folder: Option<Folder>) -> Self {
        Self {
            agent: agent.to_owned(),
            at_start,
            folder,
            places: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn none(agent: &str) -> Self {
        Self::new(agent, AtStart::default(), None)
    }

    pub(super) fn add(&mut self, trial: PlaceTrial) {
        self.places.push(trial);
    }

    /// Whether there is nothing to try out.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.folder.is_none()
    }

    /// Tries everything out, and says whether the agent may run by this plan, at its start or not.
    /// This may take minutes.
    pub(crate) fn judge(&self, mut plan: AgentPlan, policies: &Policies, is_start: bool) -> Tried {
        let refusals = self.run(policies);
        let mut may_run = true;
        for refusal in &refusals {
            let place = refusal.place.as_deref();
            let is_vacant = |place| policies.is_vacant(&self.agent, place);
            if is_start && self.at_start == AtStart::Fallback || place.is_some_and(is_vacant) {
                let place = place.map(|place| (place.to_owned(), refusal.vacancy()));
                plan.vacant.extend(place);
            } else {
                may_run = false;
            }
        }
        Tried {
            plan: may_run.then_some(plan),
            refusals,
        }
    }

    /// Tries everything out, and hands back what cannot be used.
    pub(crate) fn run(&self, policies: &Policies) -> Vec<Refusal> {
        if let Some(folder) = self.folder.as_ref().filter(|folder| !folder.path.is_dir()) {
            return self.without(folder);
        }
        let places = self.places.iter();
        places.filter_map(|trial| trial.run(policies)).collect()
    }

    /// No policy can be used without the folder. Said once; an agent without policies needs it, too.
    fn without(&self, folder: &Folder) -> Vec<Refusal> {
        let refusal = |place: Option<&str>| Refusal {
            key: folder.key.clone(),
            findings: vec![folder.missing()],
            place: place.map(str::to_owned),
            mark: None,
        };
        match self.places.as_slice() {
            [] => vec![refusal(None)],
            places => {
                let names = places.iter().map(|trial| trial.place.name.as_str());
                names.map(|name| refusal(Some(name))).collect()
            }
        }
    }
}

impl Folder {
    fn missing(&self) -> Diagnostic {
        let message = format!("`{}` is not a folder", self.key);
        let found = Diagnostic::new(Code::PolicyFile, message).at(&self.span, "not there");
        let help = format!("make `{}`, or name another folder", self.path.display());
        found.help(help)
    }
}

impl PlaceTrial {
    /// What is wrong, if the policy cannot be used.
    fn run(&self, policies: &Policies) -> Option<Refusal> {
        // Before it is read: if it changes meanwhile, it looks otherwise.
        let mark = Mark::of(&self.file.path).ok();
        let tried = match &self.setup {
            PlaceSetup::Selector(setup) => policies.try_selector(&self.file, setup),
            PlaceSetup::Interceptor(setup) => policies.try_interceptor(&self.file, setup),
        };
        let error = tried.err()?;
        Some(Refusal {
            key: self.place.key(),
            findings: self.place.findings(&error),
            place: Some(self.place.name.clone()),
            mark,
        })
    }
}

impl Refusal {
    fn vacancy(&self) -> Vacancy {
        let messages = self.findings.iter().map(|found| found.message.as_str());
        Vacancy {
            why: messages.collect::<Vec<_>>().join("; "),
            mark: self.mark,
        }
    }
}
