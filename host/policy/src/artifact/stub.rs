//! The stub of WASI preview 1 that is linked into guests whose toolchain imports it.
//!
//! It belongs to the component and not to the host. Besides the log it imports [`GIVEN`], which
//! gives it what the policy gets anyway: the seed. So two runs of a policy are the same. What each
//! function answers, and why, is in `preview1.wat`.

use wit_component::{StringEncoding, embed_component_metadata};

use super::complete::world;
use crate::host::GIVEN;

/// The module's name in guests.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// [`GIVEN`], for the encoder.
const INTERFACE: &str = "package flume:host@0.1.0; interface given { seed: func() -> u64; }";

/// The stub as text: with another stub a component is a different one.
pub(crate) const TEXT: &str = include_str!("preview1.wat");

/// The stub, ready to be linked.
pub(super) fn module() -> Result<Vec<u8>, String> {
    let mut module = wat::parse_str(TEXT).map_err(|error| error.to_string())?;
    let (resolve, world) = world("stub", &format!("import {GIVEN};"), &[INTERFACE])?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| format!("{error:#}"))?;
    Ok(module)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Parser, Payload};

    #[test]
    fn the_stub_answers_all_of_preview_1() {
        let module = module().unwrap();
        let mut functions = 0;
        for payload in Parser::new(0).parse_all(&module) {
            if let Payload::ExportSection(section) = payload.unwrap() {
                functions += section.count();
            }
        }
        // And one that generated Go code asks for.
        assert_eq!(functions, 46 + 1);
    }
}
