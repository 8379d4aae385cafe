//! The connections of all sources, and whether the process may have files for them. That depends on
//! where it runs, so only `check`, `run` and a reload look, and what they say is about here.

use flume_core::{Code, Diagnostic};

use super::{AgentPlan, Setting, SourcePlan};

/// Sources that may have more connections than there are files for.
pub(super) fn find(plans: &[&AgentPlan], setting: Setting<'_>) -> Option<Diagnostic> {
    if !setting.looks {
        return None;
    }
    let files = &setting.services.components.files;
    let most = |source: &SourcePlan| source.component.recipe.make().max_connections();
    let sources = plans.iter().flat_map(|plan| &plan.sources);
    let sources: Vec<_> = sources.map(|source| (source, most(source))).collect();
    let sum: usize = sources.iter().map(|(_, own)| own).sum();
    if sum <= files.most() {
        return None;
    }
    let (largest, own) = sources.iter().max_by_key(|(_, own)| own)?;
    let keys = &largest.component.keys;
    let place = keys
        .value("max-connections")
        .or_else(|| keys.value("port"))?;
    let (limit, for_connections) = (files.limit(), files.most());
    let message = format!(
        "the sources may have {sum} connections at once (`max-connections`), and there are files \
         for {for_connections} here"
    );
    let help = format!(
        "here the limit of open files is {limit}, of which {} are kept for sinks and the rest, and \
         clients beyond it are closed: where the agent runs, raise it to {} (`LimitNOFILE` of \
         systemd, `ulimit -Hn`), or lower `max-connections`",
        limit - for_connections,
        files.limit_for(sum)
    );
    let found = Diagnostic::new(Code::OpenFiles, message);
    Some(found.at(&place.span, format!("{own} of them")).help(help))
}
