//! The stub of WASI preview 1 that is linked into guests whose toolchain drags it in.
//!
//! It belongs to the component and not to the host. Beside the log it imports [`GIVEN`], which tells
//! it what the policy is told anyway: the seed. So two runs of a policy are the same run. What each function answers, and why, stands in `preview1.wat`.

use wit_component::{StringEncoding, embed_component_metadata};

use super::complete::world;

/// What guests call it.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// The stub's own import. Nobody else may import it: the log stays all that a policy can call.
pub(crate) const GIVEN: &str = "flume:host/given@0.1.0";

/// [`GIVEN`], for the encoder.
const INTERFACE: &str = "package flume:host@0.1.0; interface given { seed: func() -> u64; }";

/// The stub as text: a component that was completed with another one is another component.
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
