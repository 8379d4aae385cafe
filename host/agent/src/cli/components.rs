//! `components`: the types of each table with their keys, as the components themselves say them.
//!
//! Nothing here lists keys: every component is configured with nothing, and what it asked for is
//! what it knows. So this output, and the tables of the README made from it, cannot be wrong.

use std::process::ExitCode;

use clap::Args;
use flume_core::channel::memory::MemoryConfig;
use flume_core::context::{Context, Question};
use flume_core::{channel_selector, sink_processor};
use flume_policy::Limits;

use super::print;
use crate::component::Component;
use crate::plan::groups::own_keys;
use crate::plan::policy;
use crate::plan::traces;
use crate::services::{Resolver, Services};
use crate::{interceptor, sink, source};

/// Lists all types of components with their keys and defaults.
#[derive(Debug, Args)]
pub struct ComponentsArgs {
    /// As Markdown tables, for the README.
    #[arg(long)]
    pub markdown: bool,
}

/// Runs the command.
pub fn run(args: &ComponentsArgs) -> ExitCode {
    print(&listing(args.markdown));
    ExitCode::SUCCESS
}

/// One type with what it asks for.
struct Entry {
    names: &'static [&'static str],
    questions: Vec<Question>,
}

/// All tables as text.
pub fn listing(markdown: bool) -> String {
    let services = Services::system(Resolver::default());
    let tables = [
        ("Sources", entries(source::COMPONENTS, &services)),
        ("Channels", channels()),
        ("Sinks", entries(sink::COMPONENTS, &services)),
        ("Interceptors", entries(interceptor::COMPONENTS, &services)),
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

fn entries<T>(table: &'static [Component<T>], services: &Services) -> Vec<Entry> {
    let entry = |component: &Component<T>| Entry {
        names: component.names,
        questions: asked(|context| (component.configure)(context, services).is_some()),
    };
    table.iter().map(entry).collect()
}

fn channels() -> Vec<Entry> {
    // A machine with no memory, so that the default is said in words below.
    let mut questions = asked(|context| MemoryConfig::configure(context, 0).is_some());
    for question in questions
        .iter_mut()
        .filter(|question| question.key == "byteCapacity")
    {
        question.default = Some("80 % of the memory".to_owned());
    }
    vec![Entry {
        names: &["memory", "org.apache.flume.channel.MemoryChannel"],
        questions,
    }]
}

fn selectors() -> Vec<Entry> {
    let channels = ["c1".to_owned()];
    let entry = |kind: &channel_selector::ChannelSelectorType| Entry {
        names: kind.names,
        questions: asked(|context| (kind.configure)(context, &channels).is_some()),
    };
    channel_selector::SELECTORS.iter().map(entry).collect()
}

fn processors() -> Vec<Entry> {
    let sinks = ["<sink>".to_owned(), "<sink>".to_owned()];
    let entry = |kind: &sink_processor::ProcessorType| Entry {
        names: kind.names,
        questions: asked(|context| {
            let name = kind.names.first().copied();
            own_keys(context, name);
            if name == Some("load_balance") {
                context.accept("shadow");
                traces::record_keys(context);
            }
            (kind.configure)(context, &sinks, 0).is_some()
        }),
    };
    sink_processor::PROCESSORS.iter().map(entry).collect()
}

/// What the host itself reads where a policy is used; the policy's own keys are its own matter.
fn policies() -> Vec<Entry> {
    let limits = || asked(|context| Limits::configure(context) == Limits::default());
    let below = |prefix: &str, questions: Vec<Question>| -> Vec<Question> {
        let questions = questions.into_iter();
        let key = |question: Question| Question {
            key: format!("{prefix}{}", question.key),
            ..question
        };
        questions.map(key).collect()
    };
    let group = asked(|context| policy::fallback(context, 2, 0).is_some());
    let interceptor = asked(|context| policy::on_error(context).is_some());
    let agent = asked(|context| policy::agent_keys(context).is_none());
    let entry = |names: &'static [&'static str], own: Vec<Question>, limits: Vec<Question>| Entry {
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

/// What a component asks an empty context. Whether it can be made from nothing does not matter.
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

fn text_table(title: &str, entries: &[Entry]) -> String {
    let mut text = format!("{title}\n");
    for Entry { names, questions } in entries {
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

fn markdown_table(title: &str, entries: &[Entry]) -> String {
    let mut text = format!("### {title}\n\n| Type | Key | Default |\n| --- | --- | --- |\n");
    for Entry { names, questions } in entries {
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
            for component in sink::COMPONENTS {
                assert!(text.contains(component.names[0]));
            }
        }
        assert!(listing(true).contains("| `null` | `batchSize` | `100` |"));
    }
}
