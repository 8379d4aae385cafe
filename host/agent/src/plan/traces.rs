//! What watches the selector of a balanced group: a candidate in its shadow, and a record.

use std::path::Path;

use flume_core::Code;
use flume_core::context::{Context, Value};

use super::policy::OrderedGroup;
use super::policy::file::{AgentPolicies, is_policy};
use super::{RecordPlan, SelectorPlan};

/// It cannot be made; the context says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

/// What the place of a group's shadow is called.
pub(crate) fn shadow_place(group: &str) -> String {
    format!("{group}/shadow")
}

/// The candidate in the shadow of a group's selector, tried out.
pub(super) fn shadow(
    policies: &AgentPolicies<'_>,
    group: &OrderedGroup<'_>,
    own: &mut Context,
    value: Value,
) -> Result<SelectorPlan, Refused> {
    if !is_policy(&value.text) {
        let (path, text) = (own.path(), &value.text);
        let message = format!("`{path}.shadow` is `{text}`, which is not a policy");
        let help = "name the file of a policy, `.wasm` or `.wat`";
        own.error("shadow", Code::BadValue, message, help);
        return Err(Refused);
    }
    let file = policies.path(value);
    policies.shadow_plan(group, &file, own).ok_or(Refused)
}

/// Where what a group's selector hears and answers is written: a file that none of the other
/// groups, which are given with their records, has.
pub(super) fn record<'g>(
    own: &mut Context,
    plan: RecordPlan,
    mut others: impl Iterator<Item = (&'g str, &'g RecordPlan)>,
) -> Result<RecordPlan, Refused> {
    let path = plan.path.display();
    if let Some((other, _)) = others.find(|(_, record)| record.path == plan.path) {
        let message = format!("`{path}` is the record of the group `{other}` already");
        let help = "give each group a file of its own";
        own.error("record", Code::DuplicateName, message, help);
        return Err(Refused);
    }
    let folder = plan.path.parent().filter(|folder| *folder != Path::new(""));
    if folder.is_some_and(|folder| !folder.is_dir()) || plan.path.is_dir() {
        let message = format!("`{}.record` cannot be written: {path}", own.path());
        let help = "name a file in a folder that is there";
        own.error("record", Code::BadValue, message, help);
        return Err(Refused);
    }
    Ok(plan)
}
