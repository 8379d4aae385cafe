//! What a file says about itself, for its author: nothing is compiled, and nothing is run.
//!
//! It works for every WebAssembly file, even if that is not a policy: what is wrong with a file is
//! best seen together with what is in it. [`Artifact::load`] says whether it is a policy.

use flume_core::printable;
use wasmparser::{BinaryReaderError, KnownCustom, Parser, Payload};

use super::{Artifact, complete, inspect, stub};
use crate::error::LoadError;

/// Bytes of a page of memory.
const PAGE: u64 = 1 << 16;

/// What is in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Bytes of the file.
    pub size: usize,
    /// SHA-256 of the file, in hex.
    pub digest: String,
    /// Whether the file is text (`.wat`).
    pub is_text: bool,
    /// Whether it is a component; otherwise it is a core module.
    pub is_component: bool,
    /// What it imports, by name; of a core module the modules.
    pub imports: Vec<String>,
    /// What it exports, by name; of a core module its functions, memories and so on.
    pub exports: Vec<String>,
    /// What the host adds to a core module.
    pub completion: Completion,
    /// The memories that it declares, those of a component's modules included.
    pub memories: Vec<Memory>,
    /// The tools that made it, by their own account: `language`, `processed-by` or `sdk`, a name, a
    /// version.
    pub producers: Vec<(String, String, String)>,
}

/// What the host adds to a core module to make it a component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// A description of what it exports, which its toolchain left out.
    pub world: bool,
    /// The functions of WASI preview 1 that are answered by a stub.
    pub wasi: Vec<String>,
}

/// A memory that a file declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes at the start.
    pub least: u64,
    /// The most bytes that it may have, if the file says so.
    pub most: Option<u64>,
}

impl Inspection {
    /// Looks into a file: a component or a core module, binary or text.
    ///
    /// # Errors
    /// It is too large, or neither.
    pub fn of(bytes: &[u8]) -> Result<Self, LoadError> {
        Artifact::check_size(bytes)?;
        let binary =
            wat::parse_bytes(bytes).map_err(|error| LoadError::not_wasm(&error.to_string()))?;
        let mut inspection = Self {
            size: bytes.len(),
            digest: Artifact::digest_of(bytes),
            is_text: matches!(binary, std::borrow::Cow::Owned(_)),
            is_component: Parser::is_component(&binary),
            ..Self::default()
        };
        inspection
            .read(&binary)
            .map_err(|error| LoadError::not_wasm(error.message()))?;
        inspection.imports.dedup();
        if !inspection.is_component {
            let found = inspect::exports(complete::interfaces(&inspection.exports));
            inspection.completion.world =
                found.is_ok_and(|found| !complete::is_described(&binary, &found));
        }
        Ok(inspection)
    }

    fn read(&mut self, binary: &[u8]) -> Result<(), BinaryReaderError> {
        // How many modules and components of the file are around the payload.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(binary) {
            let payload = payload?;
            match &payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::MemorySection(section) => {
                    for memory in section.clone() {
                        let memory = memory?;
                        let page = memory.page_size_log2.map_or(PAGE, |log2| 1 << log2);
                        self.memories.push(Memory {
                            least: memory.initial.saturating_mul(page),
                            most: memory.maximum.map(|most| most.saturating_mul(page)),
                        });
                    }
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Producers(fields) = section.as_known() {
                        self.produced(fields)?;
                    }
                }
                _ if depth == 0 => self.outside(&payload)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// What the file imports and exports.
    fn outside(&mut self, payload: &Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    let import = import?;
                    self.imports.push(shown(import.module));
                    if import.module == stub::MODULE {
                        self.completion.wasi.push(shown(import.name));
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    self.exports.push(shown(export?.name));
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    self.imports.push(shown(import?.name.name));
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    self.exports.push(shown(export?.name.name));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn produced(
        &mut self,
        fields: wasmparser::ProducersSectionReader<'_>,
    ) -> Result<(), BinaryReaderError> {
        for field in fields {
            let field = field?;
            for value in field.values {
                let value = value?;
                let producer = [field.name, value.name, value.version].map(shown);
                let producer = producer.into();
                // A component's modules name the same tools again.
                if !self.producers.contains(&producer) {
                    self.producers.push(producer);
                }
            }
        }
        Ok(())
    }
}

/// A name as it is shown: a file may choose any characters.
fn shown(name: &str) -> String {
    printable(name).into_owned()
}
