//! The child that compiles: its limits, the way to it and back, and what its end means.
//!
//! ```text
//! the file  ->  standard input   |  exit 0:  the code
//!                                |  exit 65: what is wrong with the file, as JSON
//! ```
//!
//! The child limits itself before it reads anything, because a process that is being made cannot be
//! limited without unsafe code. It ends with the thread that waits for it.

use std::io::{self, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use flume_core::shell::{EXIT_DATA, EXIT_USAGE, complain};
use rustix::process::{Resource, Rlimit, Signal};

use super::work::{self, Compiled};
use crate::behind::lower_priority;
use crate::codegen;
use crate::error::LoadError;

/// The arguments that make the program a compiler, before the limits.
const ARGUMENTS: [&str; 2] = ["policy", "compile"];

/// Where this program is, also when its file has been replaced.
const THIS: &str = "/proc/self/exe";

/// How much lower the priority of a child is than that of deliveries, while a start or a reload waits
/// for it. One that is made behind everything else stays there.
const NICE: i32 = 10;

/// Files that a compiler may have open: its three streams, and what the system reads for threads.
const MOST_FILES: u64 = 32;

/// The most bytes of a child's last words.
const MOST_WORDS: u64 = 4096;

/// What children may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildLimits {
    /// Children at the same time.
    pub at_once: usize,
    /// Bytes of address space of each.
    pub memory: u64,
    /// Processor time of each.
    pub cpu: Duration,
    /// Bytes of code that it may answer with.
    pub code: u64,
    /// How long a caller waits for a place, and then for its child.
    pub patience: Duration,
}

impl Default for ChildLimits {
    fn default() -> Self {
        Self {
            at_once: 2,
            memory: 2 << 30,
            cpu: Duration::from_secs(120),
            code: 512 << 20,
            patience: Duration::from_secs(600),
        }
    }
}

/// The program of the children.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    pub(super) limits: ChildLimits,
}

impl Program {
    /// This program.
    pub(super) fn this(limits: ChildLimits) -> Self {
        let numbers = [limits.memory, limits.cpu.as_secs()];
        let words = ARGUMENTS.map(str::to_owned).into_iter();
        Self {
            path: PathBuf::from(THIS),
            arguments: words
                .chain(numbers.map(|number| number.to_string()))
                .collect(),
            limits,
        }
    }

    /// A shell in its place.
    #[cfg(test)]
    pub(super) fn shell(script: &str, limits: ChildLimits) -> Self {
        Self {
            path: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            limits,
        }
    }

    /// Compiles a file in a child. Blocks until that has ended.
    pub(super) fn compile(&self, bytes: &[u8]) -> Result<Compiled, LoadError> {
        let no_child =
            |error: io::Error| LoadError::Compile(format!("no compiler can be started: {error}"));
        let mut child = Command::new(&self.path)
            .args(&self.arguments)
            .arg(work::threads().to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(no_child)?;
        let heard = self.converse(&mut child, bytes).map_err(no_child)?;
        let status = child.wait().map_err(no_child)?;
        match heard {
            Some(heard) => self.judge(status, heard),
            None => Err(LoadError::TooSlow(self.limits.patience)),
        }
    }

    /// Hands the file over, and reads until the child has closed its output. `None` if that takes
    /// too long: then the child is killed.
    fn converse(&self, child: &mut Child, bytes: &[u8]) -> io::Result<Option<Heard>> {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let most = self.limits.code + 1;
        // Each ends with the child at the latest, which closes the other end.
        thread::scope(|threads| {
            // A child that does not read to the end has said why.
            threads.spawn(|| stdin.and_then(|mut stdin| stdin.write_all(bytes).ok()));
            let words = threads.spawn(|| read(stderr, MOST_WORDS));
            let (done, heard) = mpsc::sync_channel(1);
            threads.spawn(move || done.send(read(stdout, most)).ok());
            let Ok(output) = heard.recv_timeout(self.limits.patience) else {
                child.kill()?;
                return Ok(None);
            };
            let words = words.join().unwrap_or_default();
            Ok(Some(Heard { output, words }))
        })
    }

    /// What the end of a child says about the file.
    fn judge(&self, status: ExitStatus, heard: Heard) -> Result<Compiled, LoadError> {
        let Heard { output, words } = heard;
        let words = String::from_utf8_lossy(&words).into_owned();
        let last = words.lines().last().unwrap_or_default();
        let most = self.limits.memory >> 20;
        if status.success() {
            if output.len() as u64 > self.limits.code {
                let most = self.limits.code >> 20;
                let words = format!("its code has more than {most} MiB");
                return Err(LoadError::Compile(words));
            }
            let compiled = Compiled::from_bytes(&output);
            let nothing = || LoadError::Compile(format!("the compiler answered nothing: {last}"));
            return compiled.ok_or_else(nothing);
        }
        if status.code() == Some(i32::from(EXIT_DATA))
            && let Ok(error) = serde_json::from_reader(output.as_slice())
        {
            return Err(error);
        }
        let signal = status.signal().and_then(Signal::from_named_raw);
        Err(match signal {
            // The limit counts the child's time only, so this is no matter of a busy machine.
            Some(Signal::XCPU) => LoadError::CompileTime {
                most: self.limits.cpu,
            },
            Some(Signal::ABORT) if words.contains("memory allocation of ") => {
                LoadError::CompileMemory { most }
            }
            // The system takes the memory of whom it marked first.
            Some(Signal::KILL) => LoadError::Compile(
                "the compiler was killed: most likely the machine has no memory left".to_owned(),
            ),
            _ => LoadError::Compile(format!("the compiler ended with {status}: {last}")),
        })
    }
}

/// What a child has said.
struct Heard {
    output: Vec<u8>,
    /// On standard error.
    words: Vec<u8>,
}

/// Reads at most so much, and the rest away: a child that cannot write does not end.
fn read(from: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        let whole = from.by_ref().take(most).read_to_end(&mut bytes);
        let rest = whole.and_then(|_| io::copy(&mut from, &mut io::sink()));
        if let Err(error) = rest {
            tracing::debug!(%error, "a compiler's output cannot be read");
        }
    }
    bytes
}

/// The limits in the arguments of a child, if this process is one.
pub fn ask_child(arguments: impl Iterator<Item = String>) -> Option<Vec<String>> {
    let mut arguments = arguments.skip(1);
    let is_child = ARGUMENTS
        .iter()
        .all(|word| arguments.next().as_deref() == Some(word));
    is_child.then(|| arguments.collect())
}

/// Is the child: compiles standard input to standard output.
pub fn compile_as_child(limits: &[String]) -> ExitCode {
    let numbers: Result<Vec<u64>, _> = limits.iter().map(|word| word.parse()).collect();
    let Ok(&[memory, cpu, threads]) = numbers.as_deref() else {
        complain(
            "error: agents call this command: `policy compile BYTES SECONDS THREADS`; \
             for a look at a policy there is `policy check FILE`\n",
        );
        return ExitCode::from(EXIT_USAGE);
    };
    let threads = usize::try_from(threads).unwrap_or(1);
    match limit(memory, cpu).and_then(|()| answer(threads)) {
        Ok(status) => status,
        Err(error) => {
            complain(&format!("error: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Limits this process, and ends it with its parent.
fn limit(memory: u64, cpu: u64) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    lower_priority(NICE, "compiling");
    // If memory runs out, this process goes and not its parent.
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "1000") {
        tracing::debug!(%error, "not marked");
    }
    for (resource, most) in [
        (Resource::As, memory),
        (Resource::Cpu, cpu),
        // Not a byte into any file.
        (Resource::Fsize, 0),
        (Resource::Nofile, MOST_FILES),
        (Resource::Core, 0),
    ] {
        // The hard limit of time is a second later, and cannot be told from other kills.
        let hard = most + u64::from(resource == Resource::Cpu);
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(hard),
        };
        rustix::process::setrlimit(resource, limit)?;
    }
    Ok(())
}

fn answer(threads: usize) -> io::Result<ExitCode> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    let compiled = codegen::bare().and_then(|engine| work::compile(&engine, &bytes, threads));
    drop(bytes);
    let mut out = io::stdout().lock();
    let status = match compiled {
        Ok(compiled) => {
            out.write_all(&compiled.to_bytes())?;
            ExitCode::SUCCESS
        }
        Err(error) => {
            serde_json::to_writer(&mut out, &error)?;
            ExitCode::from(EXIT_DATA)
        }
    };
    out.flush()?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(script: &str, limits: ChildLimits) -> LoadError {
        Program::shell(script, limits)
            .compile(b"a file")
            .unwrap_err()
    }

    #[test]
    fn every_end_of_a_child_is_told() {
        let limits = ChildLimits::default();
        for (script, expected) in [
            (
                "cat > /dev/null; kill -XCPU $$",
                LoadError::CompileTime { most: limits.cpu }.to_string(),
            ),
            (
                "echo 'memory allocation of 26306674704 bytes failed' >&2; kill -ABRT $$",
                LoadError::CompileMemory { most: 2048 }.to_string(),
            ),
            (
                "kill -KILL $$",
                "cannot be compiled: the compiler was killed: most likely the machine has no \
                 memory left"
                    .to_owned(),
            ),
            (
                "echo oh >&2; echo no >&2; exit 3",
                "cannot be compiled: the compiler ended with exit status: 3: no".to_owned(),
            ),
            (
                "kill -SEGV $$",
                "cannot be compiled: the compiler ended with signal: 11 (SIGSEGV): ".to_owned(),
            ),
            (
                "exit 0",
                "cannot be compiled: the compiler answered nothing: ".to_owned(),
            ),
            (
                "echo '\"Program\"'; exit 65",
                LoadError::Program.to_string(),
            ),
            (
                "echo 'no JSON'; exit 65",
                "cannot be compiled: the compiler ended with exit status: 65: ".to_owned(),
            ),
        ] {
            assert_eq!(ended(script, limits).to_string(), expected, "{script}");
        }
    }

    /// Every answer about a file comes back as it was said.
    #[test]
    fn errors_travel_as_they_are() {
        for error in [
            LoadError::NotWasm("why".to_owned()),
            LoadError::TooLarge { size: 3, most: 2 },
            LoadError::TooMuch {
                what: "functions".to_owned(),
                has: 3,
                most: 2,
            },
            LoadError::WrongWorld {
                exports: vec!["run".to_owned()],
            },
            LoadError::WrongVersion {
                export: "x".to_owned(),
            },
            LoadError::ForeignImport(vec!["env".to_owned()]),
            LoadError::Incomplete("it".to_owned()),
            LoadError::Compile("it".to_owned()),
        ] {
            let text = serde_json::to_string(&error).unwrap();
            let script = format!("cat > /dev/null; cat <<'END'\n{text}\nEND\nexit 65");
            assert_eq!(ended(&script, ChildLimits::default()), error);
        }
    }

    #[test]
    fn a_child_that_hangs_is_killed() {
        let limits = ChildLimits {
            patience: Duration::from_millis(50),
            ..ChildLimits::default()
        };
        for script in ["exec sleep 600", "trap '' TERM; exec cat /dev/zero"] {
            assert_eq!(ended(script, limits), LoadError::TooSlow(limits.patience));
        }
    }

    /// More than a pipe holds, to a child that does not read, and from one that says too much.
    #[test]
    fn streams_of_any_size_end() {
        let limits = ChildLimits {
            code: 1000,
            ..ChildLimits::default()
        };
        let large = vec![0; 1 << 20];
        let program = Program::shell("head -c 1000000 /dev/zero >&2; exit 3", limits);
        assert!(program.compile(&large).is_err());
        let program = Program::shell("head -c 1000000 /dev/zero", limits);
        let error = program.compile(&large).unwrap_err();
        assert!(
            error.to_string().contains("its code has more than"),
            "{error}"
        );
        let program = Program::shell("head -c 1000 /dev/zero", limits);
        assert_eq!(program.compile(&large).unwrap().code.len(), 999);
    }

    #[test]
    fn a_child_is_known_by_its_arguments() {
        let words = |line: &str| {
            let words = line.split(' ').map(str::to_owned);
            ask_child(words)
        };
        let limits = ["1", "2", "3"].map(str::to_owned);
        assert_eq!(
            words("flume-host policy compile 1 2 3"),
            Some(limits.into())
        );
        assert_eq!(words("flume-host policy check compile"), None);
        assert_eq!(words("policy compile"), None);
    }
}
