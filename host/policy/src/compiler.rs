//! From a file's bytes to native code, where a bad file can do no harm.
//!
//! Files come from outside, and compilers were not made for hostile ones: their time and memory
//! grow faster than a file, they panic, and an allocation that fails ends the process. So a child
//! does the work, `flume-host policy compile`: the same program, with limits of its own.
//!
//! | step | where | module |
//! |---|---|---|
//! | whose turn it is, and how many children there are | here | [`turns`] |
//! | a child with limits, its time, and what its end means | here | [`child`] |
//! | text to binary, what is too much, sections that nobody needs | in the child | [`guards`], [`strip`] |
//! | completion, compilation | in the child | [`work`] |
//!
//! Laws: this process reads no byte of a foreign file before a child has accepted it. Nobody waits
//! for another owner's file while there is a free place, and a file that ran into a limit is not
//! compiled again.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use wasmtime::Engine;

use self::child::Program;
pub use self::child::{ChildLimits, ask_child, compile_as_child};
pub use self::guards::{Demand, Guard};
#[cfg(feature = "testing")]
pub(crate) use self::strip::stripped;
use self::turns::Turns;
pub(crate) use self::work::Compiled;
use crate::error::LoadError;

mod child;
mod guards;
mod strip;
mod turns;
mod work;

/// Files that ran into a limit and are remembered.
const MOST_REMEMBERED: usize = 256;

/// Compiles files. Cheap to clone; clones share their places.
#[derive(Debug, Clone)]
pub struct Compiler(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The program of the children; `None` compiles in this process.
    program: Option<Program>,
    turns: Turns,
    /// The digests of files that ran into a limit, the newest last.
    refused: Mutex<VecDeque<(String, LoadError)>>,
}

impl Compiler {
    /// Compiles in children of this process, which run this program again with these limits.
    pub fn in_children(limits: ChildLimits) -> Self {
        Self::new(Some(Program::this(limits)), limits.at_once)
    }

    /// Compiles in this process, for files that are trusted. A hostile one can end the process.
    pub fn in_process() -> Self {
        Self::new(None, 1)
    }

    fn new(program: Option<Program>, places: usize) -> Self {
        Self(Arc::new(Inner {
            program,
            turns: Turns::new(places),
            refused: Mutex::default(),
        }))
    }

    /// Compiles a file with this digest. `owner` waits for its own files, and takes turns with
    /// other owners for a place.
    pub(crate) fn compile(
        &self,
        engine: &Engine,
        owner: &str,
        digest: &str,
        bytes: &[u8],
    ) -> Result<Compiled, LoadError> {
        let Some(program) = &self.0.program else {
            return work::compile(engine, bytes, work::threads());
        };
        if let Some(error) = self.remembered(digest) {
            return Err(error);
        }
        let turn = self.0.turns.take(owner, program.limits.patience)?;
        let compiled = program.compile(bytes);
        drop(turn);
        if let Err(error) = &compiled
            && error.is_final()
        {
            self.remember(digest, error);
        }
        compiled
    }

    fn remembered(&self, digest: &str) -> Option<LoadError> {
        let refused = self.0.refused.lock();
        let known = refused.iter().find(|(known, _)| known == digest);
        known.map(|(_, error)| error.clone())
    }

    fn remember(&self, digest: &str, error: &LoadError) {
        let mut refused = self.0.refused.lock();
        if refused.len() == MOST_REMEMBERED {
            refused.pop_front();
        }
        refused.push_back((digest.to_owned(), error.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A compiler whose children are shells.
    fn shell(script: &str, limits: ChildLimits) -> Compiler {
        Compiler::new(Some(Program::shell(script, limits)), limits.at_once)
    }

    fn compile(compiler: &Compiler, bytes: &[u8]) -> Result<Compiled, LoadError> {
        let engine = Engine::default();
        compiler.compile(&engine, "a1", &String::from_utf8_lossy(bytes), bytes)
    }

    /// The second time no child is asked.
    #[test]
    fn a_file_that_ran_into_a_limit_is_not_compiled_again() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!(
            "echo x >> {}; cat > /dev/null; kill -XCPU $$",
            count.display()
        );
        let compiler = shell(&script, ChildLimits::default());
        let error = compile(&compiler, b"a").unwrap_err();
        assert!(matches!(error, LoadError::CompileTime { .. }), "{error}");
        assert_eq!(compile(&compiler, b"a"), Err(error.clone()));
        assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\n");
        // Others are, and what is remembered has a bound.
        for at in 0..MOST_REMEMBERED {
            compiler.remember(&at.to_string(), &error);
        }
        assert_eq!(compiler.0.refused.lock().len(), MOST_REMEMBERED);
        assert_eq!(compile(&compiler, b"a"), Err(error));
        assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\nx\n");
    }

    /// A busy machine is not the file's fault.
    #[test]
    fn a_file_that_only_took_long_is_tried_again() {
        let limits = ChildLimits {
            patience: Duration::from_millis(50),
            ..ChildLimits::default()
        };
        let compiler = shell("exec sleep 600", limits);
        for _ in 0..2 {
            let error = compile(&compiler, b"a").unwrap_err();
            assert_eq!(error, LoadError::TooSlow(limits.patience));
        }
        assert!(compiler.0.refused.lock().is_empty());
    }
}
