//! Core modules, completed to components without any tool on the author's machine.
//!
//! | the module | is given |
//! |---|---|
//! | has no description of its exports | the world that follows from their names |
//! | imports `wasi_snapshot_preview1` | the stub of [`super::stub`], inside the component |
//!
//! So the output of a plain `go build` or `cargo build` is a policy. Components are taken as they
//! are.

use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata, metadata};
use wit_parser::{Resolve, SourceMap, WorldId};

use super::inspect::{self, Found, PACKAGE};
use super::stub;
use crate::error::LoadError;

/// The contract, as text: what an embedded world refers to.
const CONTRACT: &[(&str, &str)] = &[
    ("types.wit", include_str!("../../../../wit/types.wit")),
    ("log.wit", include_str!("../../../../wit/log.wit")),
    (
        "sink-selector.wit",
        include_str!("../../../../wit/sink-selector.wit"),
    ),
    (
        "batch-router.wit",
        include_str!("../../../../wit/batch-router.wit"),
    ),
    (
        "interceptor.wit",
        include_str!("../../../../wit/interceptor.wit"),
    ),
    ("state.wit", include_str!("../../../../wit/state.wit")),
    ("worlds.wit", include_str!("../../../../wit/worlds.wit")),
];

/// The version of the contract that this host is built with; what core modules are completed to.
pub const VERSION: &str = "0.1.0";

/// The component: these bytes, or made from them.
pub(crate) fn component(binary: &[u8]) -> Result<Vec<u8>, LoadError> {
    if Parser::is_component(binary) {
        return Ok(binary.to_vec());
    }
    let core = Core::read(binary)?;
    let is_program = core.exports.iter().any(|export| export == "_start")
        && !core.exports.iter().any(|export| export == "_initialize");
    if is_program {
        return Err(LoadError::Program);
    }
    let foreign = core.imports.iter().filter(|module| *module != stub::MODULE);
    inspect::imports(foreign.map(String::as_str))?;
    let found = inspect::exports(interfaces(&core.exports))?;
    encode(binary, &found).map_err(LoadError::Incomplete)
}

/// The interfaces that a module's exports belong to: a function is exported as
/// `flume:policy/state@0.1.0#export-state`.
pub(super) fn interfaces(exports: &[String]) -> impl Iterator<Item = &str> {
    exports.iter().map(|export| match export.split_once('#') {
        Some((interface, _)) if export.starts_with(PACKAGE) => interface,
        _ => export,
    })
}

fn encode(binary: &[u8], found: &Found) -> Result<Vec<u8>, String> {
    // The whole chain of causes: the important one is the last.
    let words = |error| format!("{error:#}");
    let mut module = binary.to_vec();
    if !is_described(binary, found) {
        let exports: String = found
            .names()
            .iter()
            .map(|name| format!("export {PACKAGE}{name}@{VERSION};"))
            .collect();
        let (resolve, world) = world("completed", &exports, &[])?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .map_err(words)?;
    }
    let stub = stub::module()?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.adapter(stub::MODULE, &stub))
        .and_then(|mut encoder| encoder.encode())
        .map_err(words)
}

/// Whether the module describes each interface that it exports.
pub(super) fn is_described(binary: &[u8], found: &Found) -> bool {
    let Ok((Some(_), described)) = metadata::decode(binary) else {
        return false;
    };
    let Some(world) = described.resolve.worlds.get(described.world) else {
        return false;
    };
    let names: Vec<String> = world
        .exports
        .keys()
        .map(|key| described.resolve.name_world_key(key))
        .collect();
    found.names().iter().all(|name| {
        let interface = format!("{PACKAGE}{name}@");
        names.iter().any(|known| known.starts_with(&interface))
    })
}

/// A world that imports the log and has these items, in a package of its own: when two modules are
/// linked, worlds of one name would be taken for one world. `more` are packages that the items name.
pub(super) fn world(
    package: &str,
    items: &str,
    more: &[&str],
) -> Result<(Resolve, WorldId), String> {
    let mut resolve = Resolve::default();
    let mut contract = SourceMap::default();
    for (name, text) in CONTRACT {
        contract.push_str(name, *text);
    }
    let contract = contract.parse().map_err(|(_, error)| error.to_string())?;
    resolve
        .push_group(contract)
        .map_err(|error| error.to_string())?;
    let text = format!(
        "package flume:{package}; world policy {{ import {PACKAGE}log@{VERSION}; {items} }}"
    );
    for more in more {
        resolve
            .push_source("more.wit", more)
            .map_err(|e| format!("{e:#}"))?;
    }
    let package = resolve
        .push_source("completed.wit", &text)
        .map_err(|e| format!("{e:#}"))?;
    let world = resolve
        .select_world(&[package], Some("policy"))
        .map_err(|e| format!("{e:#}"))?;
    Ok((resolve, world))
}

/// What has to be known of a core module before it is encoded.
#[derive(Debug, Default)]
struct Core {
    /// The modules that it imports from.
    imports: Vec<String>,
    /// The names of its exports.
    exports: Vec<String>,
}

impl Core {
    fn read(binary: &[u8]) -> Result<Self, LoadError> {
        let malformed = |error: wasmparser::BinaryReaderError| LoadError::not_wasm(error.message());
        let mut core = Self::default();
        for payload in Parser::new(0).parse_all(binary) {
            match payload.map_err(malformed)? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        core.imports
                            .push(import.map_err(malformed)?.module.to_owned());
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        core.exports
                            .push(export.map_err(malformed)?.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(core)
    }
}
