//! What the trial of a policy finds, as findings about the configuration file.
//!
//! | what is wrong | reported at |
//! |---|---|
//! | the file: not there, not permitted, not a policy, or one that broke the contract | its path |
//! | a key that the policy lacks | its component |
//! | a key or value that it does not accept, also a sink's | that key or value |
//! | anything else, in the policy's words | the key that they name in backticks, or else its path |

use flume_core::context::{MASK, Value, did_you_mean};
use flume_core::{Code, Diagnostic, Span};
use flume_policy::{LoadError, PolicyError, Problem, Violation, ViolationKind};

use super::carried::CarriedSink;
use super::file::PolicyPath;
use super::is_harmless;
use crate::policies::{FileError, PolicyUseError};

/// A place of a policy, as the file describes it: a group, or an interceptor.
#[derive(Debug)]
pub(super) struct Place {
    /// What it is called in reports, `g1`.
    pub(super) name: String,
    /// The component, `a1.sinkgroups.g1`.
    pub(super) path: String,
    /// The key that names the file, below the component.
    pub(super) names_file: &'static str,
    /// Where it is named.
    pub(super) span: Span,
    /// What the policy's own keys begin with.
    pub(super) prefix: &'static str,
    /// What the keys of its limits are below.
    pub(super) limits: &'static str,
    /// The policy.
    pub(super) file: PolicyPath,
    /// Its own keys, without the prefix.
    pub(super) keys: Vec<(String, Value)>,
    /// The sinks that it orders.
    pub(super) sinks: Vec<CarriedSink>,
}

impl Place {
    /// The key that names the file.
    pub(super) fn key(&self) -> String {
        format!("{}.{}", self.path, self.names_file)
    }

    /// All that is wrong, each where it can be put right and with what would help.
    pub(super) fn findings(&self, error: &PolicyUseError) -> Vec<Diagnostic> {
        match error {
            PolicyUseError::Config(problems) => problems.iter().map(|p| self.problem(p)).collect(),
            PolicyUseError::File(error) => vec![self.unreadable(error)],
            PolicyUseError::Load(error) => vec![self.refused(error)],
            PolicyUseError::Policy(PolicyError::Violation(violation)) => {
                vec![self.violated(violation)]
            }
            PolicyUseError::Policy(error) => {
                let message = format!("the policy `{}` cannot be used: {error}", self.file_name());
                let found = self.about_file(Code::PolicyRefused, message);
                vec![found.help("no policy can be used on this machine: remove it")]
            }
        }
    }

    fn file_name(&self) -> &str {
        &self.file.value.text
    }

    /// A finding about the file as such.
    fn about_file(&self, code: Code, message: String) -> Diagnostic {
        let label = match self.file.is_chosen {
            true => "`--policy` gives it to this group",
            false => "this policy",
        };
        Diagnostic::new(code, message).at(&self.file.value.span, label)
    }

    fn unreadable(&self, error: &FileError) -> Diagnostic {
        let name = self.file_name();
        let begin = match self.file.is_chosen {
            true => "relative paths of `--policy` begin at the working directory",
            false => {
                "relative paths begin at `policies.directory` of the agent, or else at the folder \
                 of this file"
            }
        };
        let (message, help) = match error {
            FileError::Io { path, source } => (
                format!("the policy `{name}` cannot be read: {source}"),
                format!("it is looked for at `{}`: {begin}", path.display()),
            ),
            FileError::Outside {
                real, directory, ..
            } => (
                format!("the policy `{name}` is outside of the folder of its agent's policies"),
                format!(
                    "it is `{}`; put it into `{}`",
                    real.display(),
                    directory.display()
                ),
            ),
            FileError::NotPlain(path) => (
                format!("the policy `{name}` is not a plain file"),
                format!("name a file in place of `{}`", path.display()),
            ),
            FileError::TooLarge { size, .. } => (
                format!("the policy `{name}` has {size} bytes, which is too large"),
                "build it without debug information".to_owned(),
            ),
        };
        self.about_file(Code::PolicyFile, message).help(help)
    }

    fn refused(&self, error: &LoadError) -> Diagnostic {
        let message = match error {
            LoadError::NotWasm(why) => {
                format!("`{}` is not a WebAssembly module: {why}", self.file_name())
            }
            _ => format!("the policy `{}` cannot be used: {error}", self.file_name()),
        };
        let help = match error {
            LoadError::NotWasm(_) => {
                "give a component or a core module, as binary (`.wasm`) or as text (`.wat`)"
            }
            LoadError::TooLarge { .. } => "build it without debug information",
            LoadError::WrongKind { .. } => {
                "a sink selector belongs to `processor.selector` of a group, an interceptor to \
                 `interceptors.….type` of a source"
            }
            LoadError::ForeignImport(_) => {
                "build it without them: a policy has no files, sockets, clock or environment"
            }
            LoadError::Compile(_) => "build it with a released version of its toolchain",
            _ => "`wit/README.md` says what a policy is, `guests/README.md` how one is built",
        };
        self.about_file(Code::PolicyRefused, message).help(help)
    }

    fn violated(&self, violation: &Violation) -> Diagnostic {
        let (name, path, limits) = (self.file_name(), &self.path, self.limits);
        let message = format!("the policy `{name}` broke the contract in its trial: {violation}");
        let limit = match violation.kind {
            ViolationKind::Deadline => {
                Some("deadline-ms`, `deadline-us-per-event` or `start-deadline-ms")
            }
            ViolationKind::Memory => Some("memory-kib"),
            ViolationKind::ResultSize => Some("result-kib"),
            _ => None,
        };
        let help = match limit {
            Some(limit) => format!("fix the policy, or raise `{limit}` below `{path}.{limits}.`"),
            None => format!(
                "fix the policy: `wit/README.md` explains `{}`",
                violation.kind.id()
            ),
        };
        self.about_file(Code::PolicyViolation, message).help(help)
    }

    /// One thing that the policy finds wrong with its properties.
    fn problem(&self, problem: &Problem) -> Diagnostic {
        let (name, path, prefix) = (self.file_name(), &self.path, self.prefix);
        match problem {
            Problem::MissingKey(key) => {
                let message = format!("`{path}` needs the key `{prefix}{key}` for its policy");
                Diagnostic::new(Code::MissingKey, message)
                    .at(&self.span, format!("`{name}` asks for it"))
                    .help(format!("add `{path}.{prefix}{key} = …`"))
            }
            Problem::BadValue { key, expected } => {
                let value = self.keys.iter().find(|(known, _)| known == key);
                let expected = self.without_secrets(expected);
                let message = format!("`{path}.{prefix}{key}` must be {expected}");
                let found = Diagnostic::new(Code::BadValue, message);
                let found = match value {
                    Some((_, value)) => found.at(&value.span, "not accepted"),
                    None => found.at(&self.file.value.span, "this policy"),
                };
                found.help(format!("`{name}` reads it: give {expected}"))
            }
            Problem::UnknownKey(key) => {
                let value = self.keys.iter().find(|(known, _)| known == key);
                let span = value.map_or(self.file.value.span, |(_, value)| value.key_span);
                let message =
                    format!("`{path}` and its policy do not know the key `{prefix}{key}`");
                Diagnostic::new(Code::UnknownKey, message)
                    .at(&span, "unknown key")
                    .help(format!(
                        "remove it; the README of `{name}` says which keys it knows"
                    ))
            }
            Problem::Other(words) => self.other(words),
        }
    }

    /// Words of the policy without the values that are not to be shown.
    fn without_secrets(&self, words: &str) -> String {
        let of_sinks = self.sinks.iter().flat_map(|sink| &sink.properties);
        let all = self.keys.iter().chain(of_sinks);
        let hidden = all.filter(|(key, _)| !is_harmless(key));
        // What is shorter is no secret, and would be found in any word.
        let hidden = hidden.filter(|(_, value)| value.text.len() >= 4);
        hidden.fold(words.to_owned(), |words, (_, value)| {
            words.replace(&value.text, MASK)
        })
    }

    /// A problem in the policy's own words. If they name a sink and one of its keys, or a key of
    /// the policy, it is reported there.
    fn other(&self, words: &str) -> Diagnostic {
        let (name, path) = (self.file_name(), &self.path);
        let says = |text: &str| words.contains(&format!("`{text}`"));
        let quoted = self.without_secrets(words);
        let message = format!("the policy `{name}` of `{path}` does not accept its keys: {quoted}");
        let found = Diagnostic::new(Code::PolicyConfig, message);
        let of_sinks = self.sinks.iter().filter(|sink| says(&sink.name));
        let mut of_sinks = of_sinks.flat_map(|sink| {
            let keys = sink.properties.iter();
            keys.map(move |(key, value)| (sink, key, value))
        });
        if let Some((sink, key, value)) = of_sinks.find(|(_, key, _)| says(key)) {
            let asked: Vec<&str> = sink.asked.iter().map(String::as_str).collect();
            let help = did_you_mean(key, &asked).unwrap_or_else(|| {
                format!("keys that a sink's type does not know go to the policy: change `{key}`")
            });
            return found.at(&value.key_span, "this key").help(help);
        }
        let own = self.keys.iter().find(|(key, _)| says(key));
        let help = match self.sinks.as_slice() {
            [] => format!("change the keys below `{path}.`"),
            _ => format!(
                "change the keys below `{path}.{}`, or those of its sinks",
                self.prefix
            ),
        };
        match own {
            Some((_, value)) => found.at(&value.span, "this value").help(help),
            None => found.at(&self.file.value.span, "this policy").help(help),
        }
    }
}
