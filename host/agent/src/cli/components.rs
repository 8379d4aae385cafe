//! `components`: the types of each registry with their keys, as the components declare them.
//!
//! Nothing here lists keys. Every component is configured with an empty context, and its keys are
//! those that it asked for. So this output, and `COMPONENTS.md`, which is made from it, cannot be
//! wrong.

use std::process::ExitCode;

use clap::Args;
use flume_core::context::{Context, Question};
use flume_core::shell::print;
use flume_core::sink_processor::{Group, ProcessorType};
use flume_core::sink_selector::NativeSelector;
use flume_core::{Registry, Type, channel_selector, sink_processor};
use flume_policy::Limits;

use crate::plan::{on_error, policy};
use flume_components::component::Configure;
use flume_components::{Resolver, Services};
use flume_components::{channel, interceptor, sink, source};

/// Lists all types of components with their keys and defaults.
#[derive(Debug, Args)]
pub(crate) struct ComponentsArgs {
    /// As Markdown tables, for COMPONENTS.md.
    #[arg(long)]
    pub markdown: bool,
}

/// Runs the command.
pub(crate) fn run(args: &ComponentsArgs) -> ExitCode {
    print(&listing(args.markdown));
    ExitCode::SUCCESS
}

/// One type with its keys.
struct TypeQuestions {
    names: &'static [&'static str],
    questions: Vec<Question>,
}

/// All tables as text.
pub(crate) fn listing(markdown: bool) -> String {
    let services = Services::system(Resolver::default());
    let tables = [
        ("Sources", entries(&source::TYPES, &services)),
        ("Channels", channels(&services)),
        ("Sinks", sinks(&services)),
        ("Interceptors", entries(&interceptor::TYPES, &services)),
        ("Channel selectors (`selector.…`)", selectors()),
        ("Sink processors (`processor.…`)", processors()),
        ("Policies (a file in the place of a type)", policies()),
    ];
    let show = if markdown { markdown_table } else { text_table };
    let tables: Vec<String> = tables
        .iter()
        .map(|(title, entries)| show(title, entries))
        .collect();
    tables.join("\n")
}

fn entries<T>(registry: &Registry<Configure<T>>, services: &Services) -> Vec<TypeQuestions> {
    let entry = |kind: &Type<Configure<T>>| TypeQuestions {
        names: kind.names,
        questions: asked(|context| (kind.configure)(context, services).is_some()),
    };
    registry.types.iter().map(entry).collect()
}

/// The default of `byteCapacity` depends on the machine, so it is described in words.
fn channels(services: &Services) -> Vec<TypeQuestions> {
    let mut channels = entries(&channel::TYPES, services);
    let questions = channels.iter_mut().flat_map(|entry| &mut entry.questions);
    for question in questions.filter(|question| question.key == "byteCapacity") {
        question.default = Some("80 % of the memory".to_owned());
    }
    channels
}

/// The keys of each type, and those of all.
fn sinks(services: &Services) -> Vec<TypeQuestions> {
    let common = TypeQuestions {
        names: &["<any>"],
        questions: asked(|context| on_error::read(context).is_some()),
    };
    let mut sinks = entries(&sink::TYPES, services);
    sinks.push(common);
    sinks
}

fn selectors() -> Vec<TypeQuestions> {
    let channels = ["c1".to_owned()];
    let entry = |kind: &Type<channel_selector::ConfigureChannelSelector>| TypeQuestions {
        names: kind.names,
        questions: asked(|context| (kind.configure)(context, &channels).is_some()),
    };
    channel_selector::TYPES.types.iter().map(entry).collect()
}

fn processors() -> Vec<TypeQuestions> {
    let group = Group::of(&["<sink>".to_owned(), "<sink>".to_owned()], 0);
    let entry = |kind: &ProcessorType| TypeQuestions {
        names: kind.names,
        questions: asked(|context| (kind.configure)(context, &group).recipe.is_some()),
    };
    sink_processor::TYPES.types.iter().map(entry).collect()
}

/// The keys that the host reads where a policy is used. The policy's own keys are up to the policy.
fn policies() -> Vec<TypeQuestions> {
    let limits = || asked(|context| Limits::configure(context) == Limits::default());
    let below = |prefix: &str, questions: Vec<Question>| -> Vec<Question> {
        let questions = questions.into_iter();
        let key = |question: Question| Question {
            key: format!("{prefix}{}", question.key),
            ..question
        };
        questions.map(key).collect()
    };
    let group = asked(|context| NativeSelector::configure(context, "fallback", 2, 0).is_some());
    let interceptor = asked(|context| policy::on_error(context).is_some());
    let agent = asked(|context| policy::agent_keys(context).directory.is_none());
    let entry =
        |names: &'static [&'static str], own: Vec<Question>, limits: Vec<Question>| TypeQuestions {
            names,
            questions: own.into_iter().chain(limits).collect(),
        };
    vec![
        entry(
            &["processor.selector = <file>"],
            group,
            below("policy.", limits()),
        ),
        entry(
            &["interceptors.<name>.type = <file>"],
            interceptor,
            below("policy.", limits()),
        ),
        entry(&["policies"], agent, Vec::new()),
    ]
}

/// The keys that a component asks for in an empty context. Whether it can be made does not matter.
fn asked(configure: impl Fn(&mut Context) -> bool) -> Vec<Question> {
    let mut context = Context::of("component", &[]);
    let made = configure(&mut context);
    debug_assert!(
        made || context.has_errors(),
        "a refusal has to give a reason"
    );
    context.questions().to_vec()
}

fn default(question: &Question) -> String {
    match (&question.default, question.required) {
        (_, true) => "required".to_owned(),
        (Some(default), false) => default.clone(),
        (None, false) => String::new(),
    }
}

fn text_table(title: &str, entries: &[TypeQuestions]) -> String {
    let mut text = format!("{title}\n");
    for TypeQuestions { names, questions } in entries {
        let (first, others) = names.split_first().map_or(("", &[][..]), |(f, o)| (*f, o));
        let also = if others.is_empty() {
            String::new()
        } else {
            format!("  ({})", others.join(", "))
        };
        text.push_str(&format!("  {first}{also}\n"));
        for question in questions {
            let line = format!("    {:<32} {}", question.key, default(question));
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

fn markdown_table(title: &str, entries: &[TypeQuestions]) -> String {
    let mut text = format!("### {title}\n\n| Type | Key | Default |\n| --- | --- | --- |\n");
    for TypeQuestions { names, questions } in entries {
        let mut name = format!("`{}`", names.first().copied().unwrap_or_default());
        for question in questions {
            let default = match default(question).as_str() {
                "" => "–".to_owned(),
                "required" => "required".to_owned(),
                default => format!("`{default}`"),
            };
            text.push_str(&format!("| {name} | `{}` | {default} |\n", question.key));
            name = String::new();
        }
        if questions.is_empty() {
            text.push_str(&format!("| {name} | – | – |\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_listed_with_its_keys() {
        for markdown in [false, true] {
            let text = listing(markdown);
            for part in [
                "memory",
                "keep-alive",
                "failover",
                "maxpenalty",
                "mirrored",
                "parallelism",
                "replicating",
            ] {
                assert!(text.contains(part), "{part} is missing in {text}");
            }
            for kind in sink::TYPES.types {
                assert!(text.contains(kind.name()));
            }
        }
        assert!(listing(true).contains("| `null` | `batchSize` | `100` |"));
    }
}
