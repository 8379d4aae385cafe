//! The interceptors of a source: those of the registry, and policies.

use flume_components::interceptor;
use flume_core::context::{Context, Word, nearest};
use flume_core::{Code, Diagnostic, Interceptor, Severity, Span};

use super::channels::Channels;
use super::policy::file::{AgentPolicies, is_policy};
use super::{ComponentPlan, InterceptorPlan, Setting};
use crate::config::tree::Node;

/// The interceptors of a source.
pub(super) struct Interceptors {
    /// `None` if one of them is refused.
    pub(super) plans: Option<Vec<InterceptorPlan>>,
    /// The listed channels that they name for what they cannot handle.
    pub(super) dead_letters: Vec<String>,
}

/// Reads the interceptors of a source from its keys.
pub(super) fn read(
    source: &str,
    context: &mut Context,
    (setting, policies, channels): (Setting<'_>, &AgentPolicies<'_>, &Channels<'_>),
) -> Interceptors {
    let words = context.words("interceptors");
    let mut all = context.below("interceptors");
    let mut plans = Some(Vec::new());
    let mut dead_letters = Vec::new();
    for word in &words {
        let mut own = all.below(&word.text);
        own.set_span(word.span);
        let file = own.value("type").filter(|kind| is_policy(&kind.text));
        let plan = match file {
            Some(file) => {
                let on_error = own.clone().optional("on-error");
                let channel = on_error.as_deref().and_then(|text| text.split_once(':'));
                let channel = channel.map(|(_, channel)| channel.to_owned());
                dead_letters.extend(channel.filter(|name| channels.lists(name)));
                let file = policies.path(file);
                let plan = policies.interceptor_plan(source, word, &mut own, (&file, channels));
                plan.map(|plan| InterceptorPlan::Policy(Box::new(plan)))
            }
            None => native(word, &mut own, setting).map(InterceptorPlan::Native),
        };
        match (&mut plans, plan) {
            (Some(plans), Some(plan)) => plans.push(plan),
            _ => plans = None,
        }
        all.adopt(own);
    }
    unlisted(&mut all, &words);
    context.adopt(all);
    Interceptors {
        plans,
        dead_letters,
    }
}

/// An interceptor of the registry; `None` leaves an error.
fn native(
    word: &Word,
    own: &mut Context,
    setting: Setting<'_>,
) -> Option<ComponentPlan<dyn Interceptor>> {
    let node = Node {
        name: word.text.clone(),
        span: word.span,
        context: own.clone(),
    };
    let Some(kind) = interceptor::TYPES.read(own).known() else {
        own.accept_all();
        return None;
    };
    let recipe = (kind.configure)(own, &setting.services.components)?;
    let is_common = |key: &str| key == "type";
    let shown = (is_common as fn(&str) -> bool, own.disclosure());
    Some(ComponentPlan::new(&node, kind.name(), recipe, shown))
}

/// Reports each interceptor that is described and not listed. It is a choice if another one is
/// listed that has keys.
fn unlisted(all: &mut Context, words: &[Word]) {
    let names = all.iter().filter_map(|(key, value)| {
        let (name, _) = key.split_once('.')?;
        Some((name.to_owned(), value.key_span))
    });
    let mut seen: Vec<(String, Span)> = names.collect();
    seen.dedup_by(|(a, _), (b, _)| a == b);
    seen.retain(|(name, _)| words.iter().all(|word| word.text != *name));
    for (name, span) in seen {
        let has_keys = |word: &Word| {
            let start = format!("{}.", word.text);
            all.iter().any(|(key, _)| key.starts_with(&start))
        };
        let empty = words.iter().filter(|word| !has_keys(word));
        let empty: Vec<&str> = empty.map(|word| word.text.as_str()).collect();
        let is_choice = empty.len() < words.len() && nearest(&name, &empty).is_none();
        all.below(&name);
        let path = all.path();
        let list: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let list = [list.as_slice(), &[name.as_str()]].concat().join(" ");
        let message = format!("`{path}.{name}` is described and not listed, so it does not run");
        let mut found = Diagnostic::new(Code::NotListed, message).at(&span, "not in the list");
        if is_choice {
            found.severity = Severity::Warning;
        }
        let help = format!("write `{path} = {list}`");
        all.push(found.help(help));
    }
}
