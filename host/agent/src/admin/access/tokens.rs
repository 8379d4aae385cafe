//! The file of tokens (`--admin-tokens`): one line each, with a name, what it may do, and the token.
//!
//! ```text
//! # name  verbs                token
//! prom    see                  6f1d…
//! ci      see:a1,change:a1     90bc…
//! ```
//!
//! Only the owner may read the file, which is looked at when it is open. No message shows a token. A
//! token is compared with all others in a time that does not depend on what they have in common.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use subtle::ConstantTimeEq as _;

use super::grant::{Grant, Grants, Verb};

/// Bytes of the file.
const MOST_BYTES: u64 = 256 << 10;

/// Tokens in the file.
const MOST_TOKENS: usize = 1000;

/// Characters of a token: fewer could be guessed.
const LEAST_TOKEN: usize = 24;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenFileError {
    #[error("cannot read the tokens in {}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} has tokens, and is not a plain file", .0.display())]
    NotPlain(PathBuf),
    #[error(
        "{} has tokens, and its mode {mode:04o} lets others in: chmod 600 {}",
        .path.display(),
        .path.display()
    )]
    Open { path: PathBuf, mode: u32 },
    #[error(
        "{} has tokens, and belongs to uid {owner}, who is neither this process's user nor root",
        .path.display()
    )]
    Owner { path: PathBuf, owner: u32 },
    #[error("{} has more than {MOST_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("{}:{line}: {mistake}", .path.display())]
    Line {
        path: PathBuf,
        line: usize,
        mistake: Mistake,
    },
    #[error("{} has no token: write lines like `ci see:a1,change:a1 TOKEN`", .0.display())]
    Empty(PathBuf),
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mistake {
    #[error("this is not UTF-8")]
    NotText,
    #[error("a line has a name, verbs and a token, with blanks between them; this has {0} of them")]
    Fields(usize),
    #[error("the name `{0}` has other characters than letters, digits, `-`, `_` and `.`")]
    Name(String),
    #[error("the name `{0}` is in line {1} already")]
    NameTwice(String, usize),
    #[error("`{0}` is no verb: write see, change or tap, for one agent with its name: change:a1")]
    Verb(String),
    #[error("`{0}:` names no agent: write `{0}` for all of them, or `{0}:a1`")]
    NoAgent(&'static str),
    #[error(
        "the token has {0} characters, and at least {LEAST_TOKEN} are needed: take one from \
         `openssl rand -hex 32`"
    )]
    Short(usize),
    #[error("the token has other characters than letters, digits and `-._~+/=`")]
    Token,
    #[error("the token is that of line {0}")]
    TokenTwice(usize),
    #[error("there are more than {MOST_TOKENS} tokens")]
    TooMany,
}

/// The tokens of a file.
#[derive(Default)]
pub(super) struct Tokens(Vec<Token>);

struct Token {
    line: usize,
    name: String,
    grants: Grants,
    secret: Vec<u8>,
}

impl Tokens {
    /// Reads a file that nobody else may read.
    ///
    /// # Errors
    /// It cannot be read, others may read it, or a line of it is wrong.
    pub(super) fn read(path: &Path) -> Result<Self, TokenFileError> {
        let io = |source| TokenFileError::Io {
            path: path.to_owned(),
            source,
        };
        // Opening a pipe must not wait for its other end.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| io(e.into()))?;
        let file = File::from(file);
        let metadata = file.metadata().map_err(io)?;
        let own = rustix::process::geteuid().as_raw();
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        if !metadata.is_file() {
            return Err(TokenFileError::NotPlain(path.to_owned()));
        }
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(TokenFileError::Open { path, mode });
        }
        if owner != own && owner != 0 {
            let path = path.to_owned();
            return Err(TokenFileError::Owner { path, owner });
        }
        let mut bytes = Vec::new();
        let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
        if read.map_err(io)? as u64 > MOST_BYTES {
            return Err(TokenFileError::TooLarge(path.to_owned()));
        }
        let tokens = Self::parse(&bytes).map_err(|(line, mistake)| TokenFileError::Line {
            path: path.to_owned(),
            line,
            mistake,
        })?;
        match tokens.0.is_empty() {
            true => Err(TokenFileError::Empty(path.to_owned())),
            false => Ok(tokens),
        }
    }

    /// Reads lines. A mistake comes with the number of its line.
    fn parse(bytes: &[u8]) -> Result<Self, (usize, Mistake)> {
        let mut tokens = Self::default();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let number = at + 1;
            let line = str::from_utf8(line).map_err(|_| (number, Mistake::NotText))?;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let token = Token::parse(line, number);
            let token = token.and_then(|token| tokens.checked(token));
            tokens.0.push(token.map_err(|mistake| (number, mistake))?);
        }
        Ok(tokens)
    }

    /// A token that may come to these.
    fn checked(&self, token: Token) -> Result<Token, Mistake> {
        if self.0.len() >= MOST_TOKENS {
            return Err(Mistake::TooMany);
        }
        for known in &self.0 {
            if known.name == token.name {
                return Err(Mistake::NameTwice(shown(&token.name), known.line));
            }
            if known.secret == token.secret {
                return Err(Mistake::TokenTwice(known.line));
            }
        }
        Ok(token)
    }

    /// The name of a token and what it may do. All are looked at, whichever it is.
    pub(super) fn find(&self, said: &[u8]) -> Option<(&str, &Grants)> {
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.secret.ct_eq(said)) {
                found = Some((token.name.as_str(), &token.grants));
            }
        }
        found
    }
}

impl Token {
    fn parse(line: &str, number: usize) -> Result<Self, Mistake> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, verbs, secret] = fields[..] else {
            return Err(Mistake::Fields(fields.len()));
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !name.chars().all(is_plain) {
            return Err(Mistake::Name(shown(name)));
        }
        let grants = verbs.split(',').map(grant).collect::<Result<_, _>>()?;
        let is_of_tokens = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        if !secret.chars().all(is_of_tokens) {
            return Err(Mistake::Token);
        }
        if secret.len() < LEAST_TOKEN {
            return Err(Mistake::Short(secret.len()));
        }
        Ok(Self {
            line: number,
            name: name.to_owned(),
            grants,
            secret: secret.as_bytes().to_vec(),
        })
    }
}

/// A word of a line for a message. What is as long as a token may be one, in the wrong place.
fn shown(word: &str) -> String {
    match word.len() < LEAST_TOKEN {
        true => word.to_owned(),
        false => "***".to_owned(),
    }
}

/// `see`, or `see:a1`.
fn grant(text: &str) -> Result<Grant, Mistake> {
    let (word, agent) = match text.split_once(':') {
        Some((word, agent)) => (word, Some(agent)),
        None => (text, None),
    };
    let mut verbs = Verb::ALL.into_iter();
    let verb = verbs.find(|verb| verb.name() == word);
    let verb = verb.ok_or_else(|| Mistake::Verb(shown(text)))?;
    match agent {
        Some("") => Err(Mistake::NoAgent(verb.name())),
        agent => Ok(Grant {
            verb,
            agent: agent.map(str::to_owned),
        }),
    }
}

/// Names, and no token.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|token| &token.name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests;
