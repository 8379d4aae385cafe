//! What watches the selector of a balanced group: a candidate in its shadow, and a record.

use std::path::Path;

use flume_core::Code;
use flume_core::context::Context;

use super::agent::Draft;
use super::policy::is_policy;
use super::{RecordPlan, SelectorPlan};
use crate::config::tree::Node;

/// What only balanced groups have, and why.
const ONLY_BALANCED: &str = "only `load_balance` has a selector";

/// It cannot be made; the context says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

/// What the place of a group's shadow is called.
pub(crate) fn shadow_place(group: &str) -> String {
    format!("{group}/shadow")
}

/// Reads `record`, `record.max-mib` (64), `record.files` (2) and `record.headers`. The inner `None`
/// is a group that is not recorded.
pub(crate) fn record_keys(context: &mut Context) -> Option<Option<RecordPlan>> {
    let path = context.optional("record");
    let most = context.number("record.max-mib", 64_u64, 1..=1 << 20);
    let files = context.number("record.files", 2_usize, 1..=100);
    let headers = context.list("record.headers");
    let Some(path) = path else {
        for key in ["record.max-mib", "record.files", "record.headers"] {
            context.without_effect(key, "there is no `record`");
        }
        return Some(None);
    };
    Some(Some(RecordPlan {
        path: path.into(),
        most_bytes: most?.saturating_mul(1 << 20),
        files: files?,
        headers,
    }))
}

impl Draft<'_> {
    /// The candidate in the shadow of a group's selector, tried out.
    pub(super) fn shadow(
        &self,
        group: &Node,
        own: &mut Context,
        kind: Option<&str>,
        members: &[String],
    ) -> Result<Option<SelectorPlan>, Refused> {
        if kind != Some("load_balance") {
            own.without_effect("shadow", ONLY_BALANCED);
            return Ok(None);
        }
        let Some(value) = own.value("shadow") else {
            return Ok(None);
        };
        if !is_policy(&value.text) {
            let message = format!(
                "`{}.shadow` is `{}`, which is no policy",
                own.path(),
                value.text
            );
            let help = "name the file of a policy, `.wasm` or `.wat`";
            own.error("shadow", Code::BadValue, message, help);
            return Err(Refused);
        }
        // The limits are those of the selector, and what is wrong with them is said there.
        let limits = self.limits(&mut own.clone());
        let file = self.policy_file(value);
        let keys = ("shadow", "processor.shadow.");
        let plan = self.orders(group, &file, own, members, (keys, limits));
        plan.map(Some).ok_or(Refused)
    }

    /// Where what a group's selector is told is written.
    pub(super) fn record(
        &self,
        own: &mut Context,
        kind: Option<&str>,
    ) -> Result<Option<RecordPlan>, Refused> {
        if kind != Some("load_balance") {
            own.without_effect("record", ONLY_BALANCED);
            return Ok(None);
        }
        let Some(plan) = record_keys(own).ok_or(Refused)? else {
            return Ok(None);
        };
        let path = plan.path.display();
        let plans = self.groups.iter().filter_map(|group| group.plan.as_ref());
        let mut known = plans.filter_map(|group| Some((&group.name, group.record.as_ref()?)));
        if let Some((other, _)) = known.find(|(_, record)| record.path == plan.path) {
            let message = format!("`{path}` is the record of the group `{other}` already");
            own.error(
                "record",
                Code::DuplicateName,
                message,
                "give each group a file of its own",
            );
            return Err(Refused);
        }
        let folder = plan.path.parent().filter(|folder| *folder != Path::new(""));
        if folder.is_some_and(|folder| !folder.is_dir()) || plan.path.is_dir() {
            let message = format!("`{}.record` cannot be written: {path}", own.path());
            own.error(
                "record",
                Code::BadValue,
                message,
                "name a file in a folder that is there",
            );
            return Err(Refused);
        }
        Ok(Some(plan))
    }
}
