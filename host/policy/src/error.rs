//! What can be wrong with a policy, by the reaction to it.
//!
//! | error | whose fault | reaction |
//! |---|---|---|
//! | [`PolicyError::Load`] | the file's | keep what runs; the message is for its author |
//! | [`PolicyError::Config`] | the configuration's | keep what runs; show each problem |
//! | [`PolicyError::Violation`] | the running policy's | the native fallback, a new instance |

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use flume_core::printable;
use serde::{Deserialize, Serialize};

/// A policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file is not a policy that this host can run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The policy does not accept its properties.
    #[error("the policy does not accept its properties: {}", list(.0))]
    Config(Vec<Problem>),
    /// The policy broke the contract.
    #[error(transparent)]
    Violation(#[from] Violation),
}

/// Why a file is not a policy. (A compiler's child says it as JSON.)
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LoadError {
    /// Neither a module nor a component, binary or text.
    #[error("not a WebAssembly module: {}", cut(.0))]
    NotWasm(String),
    /// A file that is too large.
    #[error("the file has {size} bytes; at most {most} are read")]
    TooLarge {
        /// Bytes of the file.
        size: usize,
        /// The limit.
        most: usize,
    },
    /// Too much of something that a compiler needs time or memory for.
    #[error("the file has {has} {what}; at most {most} are compiled")]
    TooMuch {
        /// What it has.
        what: String,
        /// How much of it.
        has: u64,
        /// The limit.
        most: u64,
    },
    /// A file that used all the processor time of its compiler.
    #[error("needs more than {most:?} of processor time to be compiled")]
    CompileTime {
        /// The limit.
        most: Duration,
    },
    /// A file that used all the memory of its compiler.
    #[error("needs more than {most} MiB of memory to be compiled")]
    CompileMemory {
        /// The limit in MiB.
        most: u64,
    },
    /// A file that took too long to compile, perhaps since the machine is busy.
    #[error("could not be compiled within {0:?}")]
    TooSlow(Duration),
    /// Other files were compiled all the time.
    #[error("was not compiled within {0:?}: others were")]
    NoTurn(Duration),
    /// It exports nothing of the contract.
    #[error("exports nothing of `flume:policy` (it exports {})", or_nothing(.exports))]
    WrongWorld {
        /// What it exports instead.
        exports: Vec<String>,
    },
    /// A good policy of another kind than its place asks for.
    #[error("is {is}, but {wanted} is required here")]
    WrongKind {
        /// What it is.
        is: String,
        /// What its place asks for.
        wanted: String,
    },
    /// Exports another version of the contract.
    #[error("exports `{}`; this host speaks flume:policy {SPOKEN}.x", cut(.export))]
    WrongVersion {
        /// The export with its version.
        export: String,
    },
    /// Imports something that no policy gets.
    #[error("imports {}; a policy may import `flume:policy/log` and nothing else", or_nothing(.0))]
    ForeignImport(Vec<String>),
    /// A program, not a library.
    #[error(
        "is a program (it exports `_start`), not a library; build it as one: Go with \
         -buildmode=c-shared, Rust with crate-type cdylib, C with -mexec-model=reactor"
    )]
    Program,
    /// Exports a part of an interface, or with other types.
    #[error("does not keep to flume:policy: {}", cut(.0))]
    Incomplete(String),
    /// There is nothing to start.
    #[error("no version of it could be loaded so far")]
    NoVersion,
    /// The engine refuses the code.
    #[error("cannot be compiled: {}", cut(.0))]
    Compile(String),
}

impl LoadError {
    /// Whether the same file would run into the same limit again.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::CompileTime { .. } | Self::CompileMemory { .. })
    }

    /// A file that is not WebAssembly, by the words of who tried to read it. Their first line is
    /// enough, and where it happened; the rest repeats the file, which may be anything.
    pub(crate) fn not_wasm(words: &str) -> Self {
        let mut lines = words.lines();
        let first = lines.next().unwrap_or_default();
        let place = lines.find_map(|line| line.trim_start().strip_prefix("--> <anon>:"));
        Self::NotWasm(match place {
            Some(place) => format!("{first} (at {place})"),
            None => first.to_owned(),
        })
    }
}

/// The part of the version that must be the same: additions keep it.
pub(crate) const SPOKEN: &str = "0.1";

/// One thing that a policy finds wrong with its properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A property that it needs, by key.
    MissingKey(String),
    /// A property whose value it does not accept.
    BadValue {
        /// The key.
        key: String,
        /// What was expected.
        expected: String,
    },
    /// A property that it does not have, by key.
    UnknownKey(String),
    /// Anything else, in the policy's own words.
    Other(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingKey(key) => write!(f, "it needs the key `{key}`"),
            Self::BadValue { key, expected } => write!(f, "`{key}` must be {expected}"),
            Self::UnknownKey(key) => write!(f, "it does not know the key `{key}`"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// A policy broke the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", .kind.id())]
pub struct Violation {
    /// Which rule.
    pub kind: ViolationKind,
    /// How, in words.
    pub detail: String,
}

impl Violation {
    /// A violation with its circumstances, which may be in the guest's own words.
    pub(crate) fn new(kind: ViolationKind, detail: impl AsRef<str>) -> Self {
        let detail = printable(detail.as_ref()).into_owned();
        Self { kind, detail }
    }
}

macro_rules! violations {
    ($($(#[$doc:meta])* $name:ident = $id:literal;)*) => {
        /// The rules that a policy can break.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ViolationKind {
            $($(#[$doc])* $name,)*
        }

        impl ViolationKind {
            /// All rules.
            pub const ALL: &[ViolationKind] = &[$(ViolationKind::$name,)*];

            /// The name in logs, metrics and the contract's manual.
            pub fn id(self) -> &'static str {
                match self { $(ViolationKind::$name => $id,)* }
            }
        }
    };
}

violations! {
    /// The guest stopped.
    Trap = "trap";
    /// Too deep a recursion.
    Stack = "stack";
    /// A call took too long.
    Deadline = "deadline";
    /// It asked for too much memory, or for tables that are too large.
    Memory = "memory";
    /// An answer that is too large.
    ResultSize = "result-size";
    /// More headers asked for than a policy may see.
    Needs = "needs";
    /// An order with a sink that is not in the group.
    OrderOutOfRange = "order-out-of-range";
    /// An order with a sink twice.
    OrderRepeated = "order-repeated";
    /// An order with more entries than the group has sinks.
    OrderTooLong = "order-too-long";
    /// An empty order while sinks are well, or for too long.
    OrderEmpty = "order-empty";
    /// A route to a sink that is not in the group.
    RouteOutOfRange = "route-out-of-range";
    /// Not one sink for each event.
    RouteLength = "route-length";
    /// Not one verdict for each event.
    VerdictLength = "verdict-length";
    /// An unknown verdict.
    VerdictUnknown = "verdict-unknown";
    /// An edit of an event that is not in the batch.
    EditOutOfRange = "edit-out-of-range";
    /// An edit whose events do not ascend.
    EditUnsorted = "edit-unsorted";
    /// An edit without one value for each of its events.
    EditLength = "edit-length";
    /// More header edits than an answer may have.
    EditCount = "edit-count";
    /// A column of an impossible shape.
    EditColumn = "edit-column";
    /// A header that is not text.
    EditText = "edit-text";
    /// A snapshot that is too large.
    StateSize = "state-size";
}

/// The most names of a list in a message.
const MOST_NAMES: usize = 16;

/// The most bytes of a foreign text in a message.
const MOST_TEXT: usize = 1024;

/// The beginning of a text that a guest or its file chose, fit for a line: a name may have
/// megabytes, and any character.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    let beginning = text.get(..text.floor_char_boundary(MOST_TEXT));
    printable(beginning.unwrap_or_default())
}

fn list(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    texts.join("; ")
}

fn or_nothing(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown = names.iter().take(MOST_NAMES);
    let quoted: Vec<String> = shown.map(|name| format!("`{}`", cut(name))).collect();
    match names.len().saturating_sub(MOST_NAMES) {
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn messages_stay_short_whatever_a_file_is_called() {
        let names: Vec<String> = (0..1000)
            .map(|n| format!("{n}{}", "é".repeat(5000)))
            .collect();
        let message = LoadError::ForeignImport(names).to_string();
        assert!(message.len() < 20 * MOST_TEXT && message.contains(" and 984 more; "));
    }

    #[test]
    fn foreign_words_stay_on_their_line() {
        let export = "flume:policy/x@9\n\u{1b}[2J".to_owned();
        for message in [
            LoadError::WrongVersion {
                export: export.clone(),
            }
            .to_string(),
            LoadError::ForeignImport(vec![export.clone()]).to_string(),
            Violation::new(ViolationKind::Trap, export).to_string(),
        ] {
            assert!(message.contains(r"x@9\n\u{1b}[2J"), "{message}");
        }
        let words = "expected `(`\n     --> <anon>:1:1\n      |\n    1 | root:x:0:0\n      | ^";
        let error = LoadError::not_wasm(words);
        assert_eq!(
            error,
            LoadError::NotWasm("expected `(` (at 1:1)".to_owned())
        );
    }

    #[test]
    fn every_rule_has_a_name_of_its_own_that_the_manual_explains() {
        let manual = include_str!("../../../wit/README.md");
        let ids: BTreeSet<&str> = ViolationKind::ALL.iter().map(|kind| kind.id()).collect();
        assert_eq!(ids.len(), ViolationKind::ALL.len());
        for id in ids {
            assert!(
                manual.contains(&format!("`{id}`")),
                "the manual does not name `{id}`"
            );
        }
    }
}
