//! A file without what is not code: names of the author's tools, debug information, anything.
//!
//! Such custom sections can have any size, and every step of a compiler copies them. Two kinds are
//! kept if they are small: descriptions of a module's exports, which completion needs, and names of
//! functions, which authors see when their policy traps.

use std::borrow::Cow;

use wasmparser::{BinaryReaderError, Parser, Payload};

use crate::error::LoadError;

/// The largest custom section that is kept.
const MOST_KEPT: usize = 4 << 20;

/// The section of a component that is a module, and the one that is a component.
const NESTED: [u8; 2] = [1, 4];

/// The same file without the custom sections that nobody needs.
///
/// # Errors
/// The file is damaged.
pub(crate) fn stripped(binary: &[u8]) -> Result<Cow<'_, [u8]>, LoadError> {
    let mut out = Vec::new();
    match strip(binary, &mut out) {
        Ok(true) => Ok(Cow::Owned(out)),
        Ok(false) => Ok(Cow::Borrowed(binary)),
        Err(error) => Err(LoadError::not_wasm(error.message())),
    }
}

/// Writes a module or component without those sections. Says whether there were any.
fn strip(binary: &[u8], out: &mut Vec<u8>) -> Result<bool, BinaryReaderError> {
    let is_component = Parser::is_component(binary);
    let mut any = false;
    let mut nested = 0_usize;
    for payload in Parser::new(0).parse_all(binary) {
        match payload? {
            Payload::Version { range, .. } if nested == 0 => {
                out.extend(binary.get(range).unwrap_or_default());
            }
            Payload::ModuleSection {
                unchecked_range, ..
            }
            | Payload::ComponentSection {
                unchecked_range, ..
            } => {
                if nested == 0 {
                    let inside = binary.get(unchecked_range).unwrap_or_default();
                    let mut copy = Vec::with_capacity(inside.len());
                    any |= strip(inside, &mut copy)?;
                    let id = usize::from(!Parser::is_core_wasm(inside));
                    section(NESTED.get(id).copied().unwrap_or_default(), &copy, out);
                }
                nested += 1;
            }
            Payload::End(_) => nested = nested.saturating_sub(1),
            _ if nested > 0 => {}
            Payload::CustomSection(custom) => {
                let (name, data) = (custom.name(), custom.data());
                let is_needed = name == "name"
                    || name.starts_with("component-type")
                    || (is_component && name == "component-name");
                if is_needed && data.len() <= MOST_KEPT {
                    section(0, binary.get(custom.range()).unwrap_or_default(), out);
                } else {
                    any = true;
                }
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    section(id, binary.get(range).unwrap_or_default(), out);
                }
            }
        }
    }
    Ok(any)
}

fn section(id: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(id);
    let mut rest = bytes.len();
    // LEB128, as in all of WebAssembly.
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            break;
        }
        out.push(low | 0x80);
    }
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with a custom section of this name.
    fn module(name: &str, size: usize) -> String {
        let bytes = "x".repeat(size);
        format!("module (func (export \"f\")) (@custom \"{name}\" \"{bytes}\")")
    }

    fn strip_text(text: &str) -> (usize, Vec<u8>) {
        let binary = wat::parse_str(text).unwrap();
        let stripped = stripped(&binary).unwrap().into_owned();
        wasmparser::validate(&stripped).unwrap();
        (binary.len(), stripped)
    }

    #[test]
    fn debug_information_goes_also_from_modules_in_components() {
        for text in [
            format!("({})", module(".debug_info", 100_000)),
            format!("(component (core {}))", module("anything", 100_000)),
            format!("(component (component (core {})))", module("x", 100_000)),
        ] {
            let (before, after) = strip_text(&text);
            assert!(before > 100_000 && after.len() < 200, "{}", after.len());
            // What is left is what is there without it.
            let plain = text.replace(&"x".repeat(100_000), "");
            let (_, plain) = strip_text(&plain);
            assert_eq!(after, plain);
        }
    }

    #[test]
    fn what_is_needed_stays_while_it_is_small() {
        let (before, after) = strip_text(&format!("({})", module("component-type:x", 1000)));
        assert_eq!(before, after.len());
        let (_, after) = strip_text(&format!("({})", module("component-type:x", MOST_KEPT + 1)));
        assert!(after.len() < 200);
    }
}
