//! What a file says of itself, for its author: nothing is compiled, and nothing is run.
//!
//! Told for every WebAssembly file, also for one that is no policy: what is wrong with a file is
//! seen best beside what is in it. Whether it is a policy says [`Artifact::load`](super::Artifact).

use wasmparser::{BinaryReaderError, KnownCustom, Parser, Payload};

use super::{MOST_BYTES, complete, inspect, stub};
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
    /// Who made it, as the tools say: `language`, `processed-by` or `sdk`, a name, a version.
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
    /// Bytes that it never grows beyond, if it says so.
    pub most: Option<u64>,
}

impl Inspection {
    /// Looks into a file: a component or a core module, binary or text.
    ///
    /// # Errors
    /// It is too large, or neither.
    pub fn of(bytes: &[u8]) -> Result<Self, LoadError> {
        if bytes.len() > MOST_BYTES {
            return Err(LoadError::TooLarge {
                size: bytes.len(),
                most: MOST_BYTES,
            });
        }
        let binary =
            wat::parse_bytes(bytes).map_err(|error| LoadError::NotWasm(error.to_string()))?;
        let mut inspection = Self {
            size: bytes.len(),
            digest: super::Artifact::digest_of(bytes),
            is_text: matches!(binary, std::borrow::Cow::Owned(_)),
            is_component: Parser::is_component(&binary),
            ..Self::default()
        };
        inspection
            .read(&binary)
            .map_err(|error| LoadError::NotWasm(error.message().to_owned()))?;
        inspection.imports.dedup();
        if !inspection.is_component {
            let found = inspect::exports(complete::interfaces(&inspection.exports));
            inspection.completion.world =
                found.is_ok_and(|found| !complete::is_described(&binary, &found));
        }
        Ok(inspection)
    }

    fn read(&mut self, binary: &[u8]) -> Result<(), BinaryReaderError> {
        // How deep the payload is in modules and components of the file's own.
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

    /// What others see of the file.
    fn outside(&mut self, payload: &Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    let import = import?;
                    self.imports.push(import.module.to_owned());
                    if import.module == stub::MODULE {
                        self.completion.wasi.push(import.name.to_owned());
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    self.exports.push(export?.name.to_owned());
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    self.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    self.exports.push(export?.name.name.to_owned());
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
                let producer = [field.name, value.name, value.version].map(str::to_owned);
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
