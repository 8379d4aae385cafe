//! Guests that are never used: the file is refused, or it fails its trial.

use flume_policy::{Artifact, LoadError, PolicyError, ViolationKind};

use super::{quick, source, wat};
use crate::support::{ENGINE, limited, selector};

/// A file that is refused.
fn refused(name: &str) -> LoadError {
    Artifact::load(&ENGINE, name, &source(name), None).unwrap_err()
}

/// A guest that breaks the contract before it is used; returns how.
fn kept_out(name: &str) -> (ViolationKind, String) {
    match selector(&limited(wat(name), quick())).unwrap_err() {
        PolicyError::Violation(violation) => (violation.kind, violation.detail),
        other => panic!("{other}"),
    }
}

macro_rules! kept_out {
    ($($name:ident: $kind:ident, $detail:literal;)*) => { $(
        #[test]
        pub(super) fn $name() {
            let (kind, detail) = kept_out(stringify!($name));
            assert_eq!(kind, ViolationKind::$kind, "{detail}");
            assert!(detail.contains($detail), "{detail}");
        }
    )* };
}

kept_out! {
    spin_in_configure: Deadline, "took too long";
    spin_in_start: Deadline, "took too long";
    spin_in_initialize: Deadline, "took too long";
    spin_in_realloc: Deadline, "took too long";
    trap_in_trial: Trap, "unreachable";
    many_memories: Memory, "memory count too high";
    large_memory: Memory, "wants 131072000 bytes of memory, may have 67108864";
    realloc_beyond_memory: Trap, "beyond end of memory";
    realloc_unaligned: Trap, "not aligned";
    needs_many: Needs, "asks for 1000 headers, at most 16 are shown";
    needs_long: Needs, "whose name has 100000 bytes";
    config_million: ResultSize, "answer too large";
}

/// Ten thousand problems are not all shown.
#[test]
pub(super) fn config_many() {
    let error = selector(&limited(wat("config_many"), quick())).unwrap_err();
    let PolicyError::Config(problems) = &error else {
        panic!("{error}");
    };
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[100].to_string(), "and 9900 more problems");
}

macro_rules! refused {
    ($($name:ident: $error:pat, $text:literal;)*) => { $(
        #[test]
        pub(super) fn $name() {
            let error = refused(stringify!($name));
            assert!(matches!(error, $error), "{error:?}");
            assert!(error.to_string().contains($text), "{error}");
        }
    )* };
}

refused! {
    wrong_version: LoadError::WrongVersion { .. }, "exports `flume:policy/sink-selector@0.2.0`";
    foreign_env: LoadError::ForeignImport(_), "imports `env`; ";
    foreign_http: LoadError::ForeignImport(_), "imports `wasi:http/outgoing-handler@0.2.0`; ";
    foreign_given: LoadError::ForeignImport(_), "imports `flume:host/given@0.1.0`; ";
    wrong_import: LoadError::Incomplete(_), "write";
    unknown_import: LoadError::Incomplete(_), "read";
    wrong_export: LoadError::Incomplete(_), "order";
    program: LoadError::Program, "-buildmode=c-shared";
    shared_memory: LoadError::Incomplete(_), "shared";
    memory64: LoadError::Compile(_), "memory64";
    garbage_collected: LoadError::Compile(_), "gc";
    exceptions: LoadError::Compile(_), "exceptions";
}
