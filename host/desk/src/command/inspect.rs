//! `policy inspect`: what is in a file, and whether it is a policy.
//!
//! Everything that can be seen is printed before the verdict: if something is wrong with a file, the
//! reason is usually in one of these lines.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flume_core::shell::{print, unreadable};
use flume_policy::{
    Artifact, Compiler, Inspection, InterceptorSetup, Limits, Memory, Needs, PolicyEngine,
    PolicyError, SelectorSetup, SinkInfo, Trial, World,
};
use serde_json::{Map, Value, json};

use super::{bodies_words, needs_words, refuse};

/// Shows what is in a policy's file. Exits with 0, with 65 if it is not a policy, or with 66 if it
/// cannot be read.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The file: a component or a core module, `.wasm` or `.wat`.
    file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is known about a policy beyond its file.
struct Known {
    world: World,
    version: String,
    has_state: bool,
    /// What it asks to be shown; an error if it does not start without properties.
    needs: Result<Needs, PolicyError>,
}

/// Runs the command.
pub(super) fn run(args: &InspectArgs, compiler: &Compiler) -> ExitCode {
    let bytes = match std::fs::read(&args.file) {
        Ok(bytes) => bytes,
        Err(error) => return unreadable(&args.file, &error),
    };
    let inspection = match Inspection::of(&bytes) {
        Ok(inspection) => inspection,
        Err(error) => return refuse(&args.file, &error.into()),
    };
    let known = judge(&args.file.to_string_lossy(), &bytes, compiler);
    if args.json {
        print(&format!("{:#}\n", to_json(&inspection, &known)));
    } else {
        let shown = args.file.display();
        print(&format!("{shown}\n{}", to_text(&inspection, &known)));
    }
    match known {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => refuse(&args.file, &error),
    }
}

/// Loads it, and starts it without properties, in a group of two sinks if it is for groups.
fn judge(name: &str, bytes: &[u8], compiler: &Compiler) -> Result<Known, PolicyError> {
    let engine = PolicyEngine::new(compiler.clone())?;
    let artifact = Artifact::load(&engine, name, bytes, None)?;
    let limits = Limits::default();
    let trial = match artifact.world() {
        World::Interceptor => {
            Trial::interceptor(&engine, &artifact, &limits, InterceptorSetup::default())
        }
        World::Selector { .. } => {
            let sink = |name: &str| SinkInfo {
                name: name.to_owned(),
                kind: "null".to_owned(),
                ..SinkInfo::default()
            };
            let sinks = vec![sink("s1"), sink("s2")];
            let setup = SelectorSetup {
                sinks,
                ..SelectorSetup::default()
            };
            Trial::selector(&engine, &artifact, &limits, setup)
        }
    };
    Ok(Known {
        world: artifact.world(),
        version: artifact.version().to_owned(),
        has_state: artifact.has_state(),
        needs: trial.map(|trial| trial.needs),
    })
}

fn to_text(file: &Inspection, known: &Result<Known, PolicyError>) -> String {
    let mut lines = Vec::new();
    if let Ok(known) = known {
        lines.push(("kind", known.world.words().to_owned()));
        lines.push(("contract", format!("flume:policy {}", known.version)));
        let state = if known.has_state { "yes" } else { "no" };
        lines.push(("hands over state", state.to_owned()));
        let needs = match &known.needs {
            Ok(needs) => needs_words(needs),
            Err(error) => format!("not known without properties: {error}"),
        };
        lines.push(("asks to see", needs));
    }
    lines.push(("form", form_words(file)));
    lines.push(("size", format!("{} bytes", file.size)));
    lines.push(("sha256", file.digest.clone()));
    lines.push(("imports", names(&file.imports)));
    lines.push(("exports", names(&file.exports)));
    for memory in &file.memories {
        lines.push(("memory", memory_words(*memory)));
    }
    for (role, name, version) in &file.producers {
        lines.push((role.as_str(), format!("{name} {version}")));
    }
    let line = |(what, value): &(&str, String)| format!("  {what:<18}{value}\n");
    lines.iter().map(line).collect()
}

fn to_json(file: &Inspection, known: &Result<Known, PolicyError>) -> Value {
    let memory = |memory: &Memory| json!({"least": memory.least, "most": memory.most});
    let producer = |(role, name, version): &(String, String, String)| {
        let version = version.as_str();
        json!({"role": role, "name": name, "version": version})
    };
    let completed = &file.completion;
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("size", json!(file.size));
    put("sha256", json!(file.digest));
    put("text", json!(file.is_text));
    put("component", json!(file.is_component));
    put("imports", json!(file.imports));
    put("exports", json!(file.exports));
    put(
        "completed",
        json!({"world": completed.world, "wasi": completed.wasi}),
    );
    put("memories", file.memories.iter().map(memory).collect());
    put("producers", file.producers.iter().map(producer).collect());
    match known {
        Ok(known) => {
            let (kind, splits) = match known.world {
                World::Selector { router } => ("sink-selector", router),
                World::Interceptor => ("interceptor", false),
            };
            put("kind", json!(kind));
            put("contract", json!(known.version));
            put("splits_batches", json!(splits));
            put("hands_over_state", json!(known.has_state));
            match &known.needs {
                Ok(needs) => {
                    let bodies = bodies_words(needs.bodies);
                    put("needs", json!({"headers": needs.headers, "bodies": bodies}))
                }
                Err(error) => put("without_properties", json!(error.to_string())),
            };
        }
        Err(error) => {
            put("error", json!(error.to_string()));
        }
    }
    Value::Object(object)
}

fn form_words(file: &Inspection) -> String {
    let text = if file.is_text { ", as text" } else { "" };
    if file.is_component {
        return format!("component{text}");
    }
    let completed = &file.completion;
    let mut added = Vec::new();
    if completed.world {
        added.push("what it exports".to_owned());
    }
    if !completed.wasi.is_empty() {
        added.push(format!("a stub for WASI ({})", completed.wasi.join(", ")));
    }
    if added.is_empty() {
        return format!("core module{text}");
    }
    format!("core module{text}; the host adds {}", added.join(" and "))
}

fn memory_words(memory: Memory) -> String {
    let kib = |bytes: u64| format!("{} KiB", bytes.div_ceil(1024));
    match memory.most {
        Some(most) => format!("{} at first, {} at most", kib(memory.least), kib(most)),
        None => format!("{} at first, no bound of its own", kib(memory.least)),
    }
}

fn names(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy::Completion;

    fn file() -> Inspection {
        let completion = Completion {
            world: true,
            wasi: vec!["fd_write".to_owned(), "proc_exit".to_owned()],
        };
        let most = Some(1 << 20);
        Inspection {
            size: 7,
            completion,
            memories: vec![Memory {
                least: 1 << 16,
                most,
            }],
            exports: vec!["run".to_owned()],
            ..Inspection::default()
        }
    }

    #[test]
    fn a_file_is_told_of_also_if_it_is_no_policy() {
        let error = || Err(flume_policy::LoadError::Program.into());
        let text = to_text(&file(), &error());
        for part in [
            "core module; the host adds what it exports and a stub for WASI (fd_write, proc_exit)",
            "imports           nothing\n",
            "exports           run\n",
            "memory            64 KiB at first, 1024 KiB at most\n",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        let json = to_json(&file(), &error());
        assert_eq!(json["completed"]["wasi"], json!(["fd_write", "proc_exit"]));
        assert!(json["error"].as_str().unwrap().starts_with("is a program"));
        assert_eq!(json.get("kind"), None);
    }

    #[test]
    fn a_policy_is_told_of_with_its_needs() {
        let known = |needs| {
            Ok(Known {
                world: World::Selector { router: true },
                version: "0.1.0".to_owned(),
                has_state: true,
                needs,
            })
        };
        let needs = Needs {
            headers: vec!["user".to_owned()],
            bodies: flume_policy::Bodies::None,
        };
        let json = to_json(&file(), &known(Ok(needs.clone())));
        assert_eq!(
            json["needs"],
            json!({"headers": ["user"], "bodies": "no bodies"})
        );
        assert_eq!(
            (&json["splits_batches"], &json["kind"]),
            (&json!(true), &json!("sink-selector"))
        );
        assert!(to_text(&file(), &known(Ok(needs))).contains("asks to see       header `user`\n"));

        let missing = flume_policy::Problem::MissingKey("field".to_owned());
        let text = to_text(&file(), &known(Err(PolicyError::Config(vec![missing]))));
        assert!(text.contains("not known without properties: "), "{text}");
        assert!(text.contains("it needs the key `field`"), "{text}");
    }
}
