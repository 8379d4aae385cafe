//! What a module or a component exports and imports, compared with the contract by name.
//!
//! An export is called `flume:policy/sink-selector@0.1.0`: the name says what it is and for which
//! version it was built, so nothing has to be run.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::{LoadError, SPOKEN};
use crate::host::GIVEN;

/// The contract's package.
pub(super) const PACKAGE: &str = "flume:policy/";

/// What a policy may export. It must export one of the first two.
pub(super) const INTERFACES: &[&str] = &["sink-selector", "interceptor", "batch-router", "state"];

/// The interfaces that a file exports.
#[derive(Debug, Default)]
pub(super) struct Found {
    names: Vec<&'static str>,
    /// The version in the names.
    pub(super) version: String,
}

impl Found {
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// The interfaces, each once.
    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }
}

/// Finds the contract's interfaces among these exports (`flume:policy/state@0.1.0`).
pub(super) fn exports<'a>(exports: impl IntoIterator<Item = &'a str>) -> Result<Found, LoadError> {
    let mut found = Found::default();
    let mut others = Vec::new();
    for export in exports {
        let Some((name, version)) = export.strip_prefix(PACKAGE).and_then(|e| e.split_once('@'))
        else {
            others.push(export.to_owned());
            continue;
        };
        let known = INTERFACES.iter().find(|known| **known == name);
        let (Some(known), true) = (known, speaks(version)) else {
            return Err(LoadError::WrongVersion {
                export: export.to_owned(),
            });
        };
        if !found.has(known) {
            found.names.push(known);
        }
        found.version = version.to_owned();
    }
    match (found.has("sink-selector"), found.has("interceptor")) {
        (true, true) => {
            let both = "a policy is a sink selector or an interceptor, not both".to_owned();
            Err(LoadError::Incomplete(both))
        }
        (false, false) => {
            others.extend(found.names.iter().map(|name| format!("{PACKAGE}{name}")));
            Err(LoadError::WrongWorld { exports: others })
        }
        _ => Ok(found),
    }
}

/// Refuses every import but the log. (`types` has no functions; some encoders import it for its
/// names.)
pub(super) fn imports<'a>(imports: impl IntoIterator<Item = &'a str>) -> Result<(), LoadError> {
    let ours = |import: &&str| match import.strip_prefix(PACKAGE).and_then(|i| i.split_once('@')) {
        Some((name, version)) => matches!(name, "log" | "types") && speaks(version),
        None => false,
    };
    let mut foreign: Vec<String> = imports
        .into_iter()
        .filter(|import| !ours(import))
        .map(str::to_owned)
        .collect();
    foreign.sort();
    foreign.dedup();
    if foreign.is_empty() {
        Ok(())
    } else {
        Err(LoadError::ForeignImport(foreign))
    }
}

/// Inspects a component. Only one that was completed here may have the stub's own import.
pub(super) fn component(
    engine: &Engine,
    component: &Component,
    was_completed: bool,
) -> Result<Found, LoadError> {
    let kind = component.component_type();
    let names = kind.imports(engine).map(|(name, _)| name);
    imports(names.filter(|name| !(was_completed && *name == GIVEN)))?;
    exports(kind.exports(engine).map(|(name, _)| name))
}

fn speaks(version: &str) -> bool {
    version
        .strip_prefix(SPOKEN)
        .is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_tell_what_a_file_is() {
        let found = exports([
            "memory",
            "flume:policy/state@0.1.3",
            "flume:policy/interceptor@0.1.3",
        ]);
        let found = found.unwrap();
        assert_eq!(
            (found.names(), &*found.version),
            (&["state", "interceptor"][..], "0.1.3")
        );
    }

    #[test]
    fn what_is_no_policy_is_refused_by_name() {
        for (names, expected) in [
            (
                &["run"][..],
                "exports nothing of `flume:policy` (it exports `run`)",
            ),
            (
                &[],
                "exports nothing of `flume:policy` (it exports nothing)",
            ),
            (
                &["flume:policy/sink-selector@0.2.0"],
                "exports `flume:policy/sink-selector@0.2.0`; this host speaks flume:policy 0.1.x",
            ),
            (
                &["flume:policy/oracle@0.1.0"],
                "exports `flume:policy/oracle@0.1.0`; this host speaks flume:policy 0.1.x",
            ),
            (
                &[
                    "flume:policy/sink-selector@0.1.0",
                    "flume:policy/interceptor@0.1.0",
                ],
                "does not keep to flume:policy: a policy is a sink selector or an interceptor, \
                 not both",
            ),
        ] {
            let error = exports(names.iter().copied()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let error = imports([
            "wasi:io/streams@0.2.0",
            "env",
            "flume:policy/log@0.1.0",
            "flume:policy/oracle@0.1.0",
            "flume:host/given@0.1.0",
            "env",
        ]);
        let expected = "imports `env`, `flume:host/given@0.1.0`, `flume:policy/oracle@0.1.0`, \
                        `wasi:io/streams@0.2.0`; \
                        a policy may import `flume:policy/log` and nothing else";
        assert_eq!(error.unwrap_err().to_string(), expected);
    }
}
