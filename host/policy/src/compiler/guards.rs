//! What is too much for the compiler, seen before it begins.
//!
//! A compiler's time and memory grow faster than the size of a file: a variable that lives across
//! many branches costs their product. The child that compiles has hard limits in any case; a guard
//! answers sooner, and with a name for what is too much. A test prints how far the guests of all
//! languages stay below each.

use wasmparser::{
    BinaryReaderError, BlockType, CompositeInnerType, FunctionBody, Operator, Parser, Payload,
    SubType,
};

use crate::error::LoadError;

/// One number that a file may not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// What is counted.
    pub what: &'static str,
    /// The most that is compiled.
    pub most: u64,
}

/// Functions of a file, in all its modules.
const MOST_FUNCTIONS: u64 = 100_000;

/// Bytes of all functions.
const MOST_CODE: u64 = 48 << 20;

/// Bytes of one function. That of an interpreter of Python has a fifth of it.
const MOST_FUNCTION: u64 = 2_000_000;

/// Variables of a function times its branches: the compiler may keep each variable at each branch.
const MOST_WIDTH: u64 = 10_000_000;

/// Nested blocks: a compiler's time grows with the square of it. A loop over the operations of an
/// interpreter has some hundreds.
const MOST_BLOCKS: u64 = 10_000;

/// Types of a file, in all its modules and components.
const MOST_TYPES: u64 = 100_000;

/// Nested modules and components.
const MOST_NESTED: u64 = 8;

/// What is counted in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    functions: u64,
    code: u64,
    function: u64,
    width: u64,
    blocks: u64,
    types: u64,
    nested: u64,
}

impl Demand {
    /// Counts what is in a binary file.
    ///
    /// # Errors
    /// It is damaged, or has too much of something.
    pub fn of(binary: &[u8]) -> Result<Self, LoadError> {
        let malformed = |error: BinaryReaderError| LoadError::not_wasm(error.message());
        let mut demand = Self::default();
        let mut modules = vec![Module::default()];
        for payload in Parser::new(0).parse_all(binary) {
            match payload.map_err(malformed)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                    modules.push(Module::default());
                    demand.nested = demand.nested.max(modules.len() as u64 - 1);
                    demand.check()?;
                }
                Payload::End(_) if modules.len() > 1 => drop(modules.pop()),
                Payload::TypeSection(section) => {
                    demand.types += u64::from(section.count());
                    demand.check()?;
                    if let Some(module) = modules.last_mut() {
                        for group in section {
                            let group = group.map_err(malformed)?;
                            module
                                .types
                                .extend(group.into_types().map(|kind| width(&kind)));
                        }
                    }
                }
                Payload::ComponentTypeSection(section) => {
                    demand.types += u64::from(section.count());
                    demand.check()?;
                }
                Payload::FunctionSection(section) => {
                    demand.functions += u64::from(section.count());
                    demand.check()?;
                    if let Some(module) = modules.last_mut() {
                        for kind in section {
                            module.functions.push(kind.map_err(malformed)?);
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let module = modules.last_mut();
                    let width = module.map_or(0, Module::next_function);
                    demand
                        .add(&body, width, modules.last())
                        .map_err(malformed)?;
                    demand.check()?;
                }
                _ => {}
            }
        }
        Ok(demand)
    }

    /// Each count with its guard.
    pub fn counts(&self) -> [(Guard, u64); 7] {
        let guard = |what, most| Guard { what, most };
        [
            (guard("functions", MOST_FUNCTIONS), self.functions),
            (guard("bytes of code", MOST_CODE), self.code),
            (guard("bytes in one function", MOST_FUNCTION), self.function),
            (
                guard("variables times branches in one function", MOST_WIDTH),
                self.width,
            ),
            (guard("nested blocks", MOST_BLOCKS), self.blocks),
            (guard("types", MOST_TYPES), self.types),
            (guard("nested components", MOST_NESTED), self.nested),
        ]
    }

    fn check(&self) -> Result<(), LoadError> {
        match self
            .counts()
            .into_iter()
            .find(|(guard, has)| *has > guard.most)
        {
            None => Ok(()),
            Some((guard, has)) => Err(LoadError::TooMuch {
                what: guard.what.to_owned(),
                has,
                most: guard.most,
            }),
        }
    }

    /// Adds a function whose type has `width` parameters and results.
    fn add(
        &mut self,
        body: &FunctionBody<'_>,
        width: u64,
        module: Option<&Module>,
    ) -> Result<(), BinaryReaderError> {
        let size = body.range().len() as u64;
        self.code += size;
        self.function = self.function.max(size);
        if self.check().is_err() {
            // Refused in any case: its operations need not be read.
            return Ok(());
        }
        let mut variables = width;
        for locals in body.get_locals_reader()? {
            variables += u64::from(locals?.0);
        }
        let (mut depth, mut branches, mut widest) = (0_u64, 1_u64, 0);
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            if let Some((kind, catches)) = opened(&operator) {
                branches += 1 + catches;
                depth += 1;
                self.blocks = self.blocks.max(depth);
                widest = widest.max(module.map_or(0, |module| module.width_of(kind)));
                continue;
            }
            match operator {
                Operator::Br { .. } | Operator::BrIf { .. } | Operator::Else => branches += 1,
                Operator::BrTable { targets } => branches += u64::from(targets.len()) + 1,
                Operator::End => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        let product = (variables + widest).saturating_mul(branches);
        self.width = self.width.max(product);
        Ok(())
    }
}

/// The type of the block that an operator opens, and the places to which it may be left early.
fn opened(operator: &Operator<'_>) -> Option<(BlockType, u64)> {
    match operator {
        Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
            Some((*blockty, 0))
        }
        Operator::TryTable { try_table } => Some((try_table.ty, try_table.catches.len() as u64)),
        _ => None,
    }
}

/// Parameters and results of a type. Types that are no functions are refused by the compiler.
fn width(kind: &SubType) -> u64 {
    match &kind.composite_type.inner {
        CompositeInnerType::Func(function) => {
            (function.params().len() + function.results().len()) as u64
        }
        _ => 0,
    }
}

/// What has been read of one module.
#[derive(Debug, Default)]
struct Module {
    /// Parameters and results of each type.
    types: Vec<u64>,
    /// The type of each function.
    functions: Vec<u32>,
    /// How many bodies have been read.
    bodies: usize,
}

impl Module {
    /// Parameters and results of the function whose body comes next.
    fn next_function(&mut self) -> u64 {
        let kind = self.functions.get(self.bodies).copied();
        self.bodies += 1;
        kind.map_or(0, |kind| self.width_of(BlockType::FuncType(kind)))
    }

    fn width_of(&self, kind: BlockType) -> u64 {
        match kind {
            BlockType::Empty => 0,
            BlockType::Type(_) => 1,
            BlockType::FuncType(at) => usize::try_from(at)
                .ok()
                .and_then(|at| self.types.get(at))
                .copied()
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    const WIDTH: &str = "variables times branches in one function";

    fn refused(text: &str) -> (String, u64) {
        let binary = wat::parse_str(text).unwrap();
        match Demand::of(&binary).unwrap_err() {
            LoadError::TooMuch { what, has, .. } => (what, has),
            other => panic!("{other}"),
        }
    }

    /// As cheap to write as it is dear to compile.
    fn wide(locals: usize, branches: usize) -> String {
        let locals = "i64 ".repeat(locals);
        let branches = "(br_if 0 (i32.const 0))".repeat(branches);
        format!("(module (func (local {locals}) (block {branches})))")
    }

    #[test]
    fn variables_times_branches_are_bounded() {
        let (what, has) = refused(&wide(10_000, 10_000));
        assert_eq!(what, WIDTH);
        assert_eq!(has, 10_000 * 10_002);
        let binary = wat::parse_str(wide(900, 10_000)).unwrap();
        assert!(Demand::of(&binary).is_ok());
    }

    /// A value on the stack across a branch is a variable, too.
    #[test]
    fn the_values_of_blocks_are_variables() {
        let many = "i64 ".repeat(900);
        let blocks = format!("(block (type 0) {} unreachable)", "(br 0)".repeat(30_000));
        let text =
            format!("(module (type (func (result {many}))) (func (result {many}) {blocks}))");
        assert_eq!(refused(&text).0, WIDTH);
    }

    #[test]
    fn each_guard_has_an_edge() {
        for (guard, _) in Demand::default().counts() {
            let with = |has| {
                let mut demand = Demand::default();
                let field = match guard.what {
                    "functions" => &mut demand.functions,
                    "bytes of code" => &mut demand.code,
                    "bytes in one function" => &mut demand.function,
                    "nested blocks" => &mut demand.blocks,
                    "types" => &mut demand.types,
                    "nested components" => &mut demand.nested,
                    _ => &mut demand.width,
                };
                *field = has;
                demand.check()
            };
            assert_eq!(with(guard.most), Ok(()), "{guard:?}");
            assert!(with(guard.most + 1).is_err(), "{guard:?}");
        }
    }

    #[test]
    fn functions_types_and_nesting_are_counted_in_all_modules() {
        let mut functions = String::new();
        for at in 0..60_000 {
            write!(functions, "(func (param {}))", "i32 ".repeat(at % 3)).unwrap();
        }
        let text = format!("(component (core module {functions}) (core module {functions}))");
        assert_eq!(refused(&text), ("functions".to_owned(), 120_000));
        let nested = format!("{}{}", "(component ".repeat(50), ")".repeat(50));
        assert_eq!(
            refused(&nested),
            ("nested components".to_owned(), MOST_NESTED + 1)
        );
    }
}
