//! The same policies in five languages, each built from source by its own toolchain.
//!
//! | language | toolchain | where from |
//! |---|---|---|
//! | Rust | as for all guests | see [`crate::toolchain`] |
//! | C | Zig's `cc` | PyPI |
//! | Go | the installed one, from 1.24 | nothing is fetched |
//! | Python | componentize-py | PyPI |
//! | JavaScript | componentize-js | npm |
//!
//! Toolchains are fetched once into `target/wasm-tools/`, at a fixed version. Policies land in
//! `target/wasm-guests/` and are built again when a source of theirs changes. Lock files keep tests
//! that run at the same time, in one process or in several, from doing either twice; the mark of a
//! finished step is written last.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, io};

use anyhow::Result;

use crate::{folder, guest, kept, root};

/// The PyPI package of Zig.
const ZIG: &str = "ziglang==0.15.2";

/// The PyPI package that builds Python policies.
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// The npm packages that build JavaScript policies.
const COMPONENTIZE_JS: &str = "@bytecodealliance/componentize-js@0.23.0";

/// The first Go that exports functions to WebAssembly.
const LEAST_GO: u32 = 24;

/// A language that policies are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Rust, for `wasm32-unknown-unknown`.
    Rust,
    /// C, for WASI preview 1.
    C,
    /// Go, for WASI preview 1.
    Go,
    /// Python; the file has an interpreter in it.
    Python,
    /// JavaScript; the file has an engine in it.
    Js,
}

/// An available toolchain: what a command needs in its environment to find it.
#[derive(Debug, Clone, Default)]
pub struct Tool {
    /// Put before the PATH.
    folder: Option<PathBuf>,
    /// Variables to set, or to remove.
    variables: Vec<(OsString, Option<OsString>)>,
}

impl Tool {
    /// A command that finds the toolchain.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = self.folder.iter().cloned().chain(env::split_paths(&path));
        // The folders come from a joined list, so joining them cannot fail.
        if let Ok(path) = env::join_paths(folders) {
            command.env("PATH", path);
        }
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    fn new(folder: Option<PathBuf>, variables: &[(&str, OsString)]) -> Self {
        let variable = |(name, value): &(&str, OsString)| (name.into(), Some(value.clone()));
        let variables = variables.iter().map(variable).collect();
        Self { folder, variables }
    }
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rust, Self::C, Self::Go, Self::Python, Self::Js];

    /// Its folder below `guests/languages/`, which is also its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Go => "go",
            Self::Python => "python",
            Self::Js => "js",
        }
    }

    /// Its toolchain, fetched if necessary; or why it is unavailable.
    ///
    /// # Errors
    /// A text that says what is missing on this machine, or why it cannot be fetched.
    pub fn tool(self) -> Result<Tool, String> {
        match self {
            Self::Rust => rust(),
            Self::C => {
                let python = pip(ZIG)?;
                let cache = ("ZIG_GLOBAL_CACHE_DIR", tools().join("zig-cache").into());
                Ok(Tool::new(Some(python.join("ziglang")), &[cache]))
            }
            Self::Go => go(),
            Self::Python => {
                let python = pip(COMPONENTIZE_PY)?;
                let path = ("PYTHONPATH", python.clone().into());
                Ok(Tool::new(Some(python.join("bin")), &[path]))
            }
            Self::Js => npm(COMPONENTIZE_JS),
        }
    }

    /// The module or component of a policy below the language's folder, built if necessary.
    ///
    /// The outer error is a policy that does not build. The inner one says why the toolchain is
    /// unavailable.
    ///
    /// # Errors
    /// See above.
    pub fn policy(self, name: &str) -> Result<Result<PathBuf, String>> {
        let tool = match self.tool() {
            Ok(tool) => tool,
            Err(why) => return Ok(Err(format!("policies in {self:?}: {why}"))),
        };
        if self == Self::Rust {
            return guest(name).map(Ok);
        }
        let out = root().join("target/wasm-guests");
        fs::create_dir_all(&out)?;
        let out = out.canonicalize()?;
        let module = out.join(format!("{}-{name}.wasm", self.name()));
        let _lock = lock(&module.with_extension("lock"))?;
        let sources = folder().join("languages").join(self.name()).join(name);
        let (mark, digest) = (module.with_extension("inputs"), self.digest(&sources)?);
        if module.is_file() && fs::read_to_string(&mark).is_ok_and(|built| built == digest) {
            return Ok(Ok(module));
        }
        let mut command = self.build(&tool, &module);
        let place = match self {
            // Its toolchain does not follow links out of the folder.
            Self::Js => copied(&sources, &module.with_extension("sources"))?,
            _ => sources,
        };
        let output = command.current_dir(&place).output()?;
        let said = complaint(&output);
        anyhow::ensure!(output.status.success(), "{name} in {self:?}: {said}");
        fs::write(mark, digest)?;
        Ok(Ok(module))
    }

    /// The command that makes a module of the policy in the working directory. The
    /// documentation gives authors the same commands.
    fn build(self, tool: &Tool, module: &Path) -> Command {
        let mut words: Vec<&str> = match self {
            Self::Rust => vec!["cargo", "build", "--release", "--target", crate::TARGET],
            Self::C => {
                let flags = "zig cc -target wasm32-wasi -mexec-model=reactor -O2 -s \
                             -Wl,-z,stack-size=262144 -Isdk policy.c";
                flags
                    .split(' ')
                    .chain(["-Wall", "-Wextra", "-Werror"])
                    .collect()
            }
            Self::Go => "go build -buildmode=c-shared".split(' ').collect(),
            Self::Python => "componentize-py -d WIT -w WORLD componentize --stub-wasi -p . -p sdk \
                 policy"
                .split_whitespace()
                .collect(),
            Self::Js => "componentize-js main.js --wit WIT --world-name WORLD \
                 --disable stdio random clocks http fetch-event"
                .split_whitespace()
                .collect(),
        };
        let is_interceptor = module.to_string_lossy().contains("upper-case");
        let world = if is_interceptor {
            "interceptor-policy"
        } else {
            "selector-policy"
        };
        let wit = module.with_file_name("../../wit");
        let wit = wit.to_string_lossy();
        for word in &mut words {
            *word = match *word {
                "WORLD" => world,
                "WIT" => &wit,
                word => word,
            };
        }
        let program = words.remove(0);
        let mut command = tool.command(program);
        command.args(words).arg("-o").arg(module);
        if self == Self::Go {
            command.arg(".").env("GOOS", "wasip1").env("GOARCH", "wasm");
        }
        command
    }

    /// The hash of what a policy is built from: its sources, the SDK, the contract, and this file.
    fn digest(self, sources: &Path) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        include_str!("languages.rs").hash(&mut hasher);
        let mut folders = vec![sources.to_owned(), root().join("wit")];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>()?;
            let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths {
                if path.ends_with("__pycache__") {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else {
                    path.file_name().hash(&mut hasher);
                    fs::read(&path)?.hash(&mut hasher);
                }
            }
        }
        Ok(format!("{:x}", hasher.finish()))
    }
}

/// The environment of cargo for guests, for any command.
fn rust() -> Result<Tool, String> {
    let toolchain = crate::toolchain().map_err(|error| format!("{error:#}"))?;
    let owned = |(name, value): (&OsStr, Option<&OsStr>)| (name.into(), value.map(Into::into));
    Ok(Tool {
        folder: None,
        variables: toolchain.cargo().get_envs().map(owned).collect(),
    })
}

fn go() -> Result<Tool, String> {
    let output = Command::new("go").args(["env", "GOVERSION"]).output();
    let output = output.map_err(|_| "Go is not installed".to_owned())?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let minor = version.strip_prefix("go1.").and_then(|rest| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok()
    });
    match minor {
        // The installed one or none.
        Some(minor) if minor >= LEAST_GO => {
            let variables = [("GOTOOLCHAIN", "local".into()), ("GOFLAGS", "".into())];
            Ok(Tool::new(None, &variables))
        }
        _ => Err(format!("Go is {version}, and 1.{LEAST_GO} is needed")),
    }
}

fn pip(package: &str) -> Result<PathBuf, String> {
    fetched(&package.replace("==", "-"), |folder| {
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--target",
        ]);
        pip.arg(folder).arg(package);
        pip
    })
}

fn npm(package: &str) -> Result<Tool, String> {
    let name = package.rsplit('/').next().unwrap_or(package);
    let folder = fetched(&name.replace('@', "-"), |folder| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--prefix"]);
        npm.arg(folder).arg(package);
        npm
    })?;
    Ok(Tool::new(Some(folder.join("node_modules/.bin")), &[]))
}

/// The folder `target/wasm-tools/<name>`, filled by a command if it has not been before.
fn fetched(name: &str, fetch: impl FnOnce(&Path) -> Command) -> Result<PathBuf, String> {
    let words = |error: io::Error| format!("{name}: {error}");
    let folder = tools().join(name);
    fs::create_dir_all(&folder).map_err(words)?;
    let folder = folder.canonicalize().map_err(words)?;
    let _lock = lock(&folder.with_extension("lock")).map_err(words)?;
    let complete = folder.join("complete");
    if !complete.is_file() {
        let output = fetch(&folder).output().map_err(words)?;
        if !output.status.success() {
            return Err(format!("{name} cannot be fetched: {}", complaint(&output)));
        }
        fs::write(complete, "").map_err(words)?;
    }
    Ok(folder)
}

fn tools() -> PathBuf {
    kept("wasm-tools")
}

/// A lock between processes, held until the file is dropped. There is no timeout: the holder's work
/// always ends, at the latest with its process.
fn lock(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    file.lock()?;
    Ok(file)
}

/// Copies a folder with its subfolders into another folder, without links.
fn copied(from: &Path, to: &Path) -> Result<PathBuf> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        if path.is_dir() {
            copied(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(to.to_owned())
}

/// The last lines of a command's output.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines
        .get(lines.len().saturating_sub(8)..)
        .unwrap_or_default();
    format!("{}: {}", output.status, last.join(" / "))
}
