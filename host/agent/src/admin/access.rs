//! Who may do what on the admin port: each request has a [`Caller`], made here before any page sees
//! the request, and [`Caller::may`] alone says what it may do.
//!
//! | a request comes | sees | changes |
//! |---|---|---|
//! | over the socket, from the process's own user or from root | all | all |
//! | over the socket, from another user | nothing | nothing |
//! | with a token | what the token's line says | what the token's line says |
//! | with a token that nobody knows | nothing | nothing |
//! | over TCP from this machine | all, or nothing with `--admin-see token` | with `--admin-changes loopback` or `any` |
//! | over TCP from elsewhere, or through a proxy | the same | with `--admin-changes any` |
//!
//! `--admin-changes off` holds for all. `/livez` and the status of `/readyz` are for everybody.
//!
//! What came through a proxy, over the socket as well, is from wherever the proxy had it. Who shows a
//! token is whoever the token is for, by whichever way it comes; it has no more rights by that way.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use clap::ValueEnum;
use parking_lot::RwLock;

use self::grant::Grants;
pub(crate) use self::grant::{On, Verb};
pub(super) use self::refusal::Refusal;
pub(crate) use self::tokens::TokenFileError;
use self::tokens::Tokens;
use super::connections::Peer;
use crate::audit::{By, Way};

mod grant;
mod refusal;
#[cfg(test)]
mod tests;
mod tokens;

/// Whose changes are accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChangesFrom {
    /// Those of callers who are known: by the admin socket, or by a token.
    #[default]
    Known,
    /// Those of all programs on this machine, too.
    Loopback,
    /// Those of anyone who can reach the port.
    Any,
    /// Nobody's.
    Off,
}

/// Who sees the pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeenBy {
    /// Anyone who can reach the port.
    #[default]
    All,
    /// Callers who are known: by the admin socket, or by a token. Probes of `/livez` and `/readyz`
    /// get their status.
    Token,
}

/// The settings of the process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access(Arc<Settings>);

#[derive(Debug, Default)]
struct Settings {
    changes: ChangesFrom,
    see: SeenBy,
    /// The file of the tokens, if there is one, and what was in it.
    tokens: Option<(PathBuf, RwLock<Tokens>)>,
    /// Where the socket listens, once it does.
    socket: OnceLock<PathBuf>,
}

impl Access {
    /// Reads the tokens.
    ///
    /// # Errors
    /// Their file cannot be read, others may read it, or it has a mistake.
    pub(crate) fn new(
        changes: ChangesFrom,
        see: SeenBy,
        tokens: Option<&Path>,
    ) -> Result<Self, TokenFileError> {
        let read = |path: &Path| Ok((path.to_owned(), RwLock::new(Tokens::read(path)?)));
        Ok(Self(Arc::new(Settings {
            changes,
            see,
            tokens: tokens.map(read).transpose()?,
            socket: OnceLock::new(),
        })))
    }

    /// Reads the tokens again. Those of a file with a mistake stay as they were. This may block.
    pub(crate) fn read_again(&self) {
        let Some((path, known)) = &self.0.tokens else {
            return;
        };
        match Tokens::read(path) {
            Ok(tokens) => *known.write() = tokens,
            Err(error) => tracing::error!(%error, "the tokens of the admin port stay as they were"),
        }
    }

    /// Says where the socket listens.
    pub(crate) fn listens(&self, socket: &Path) {
        self.0.socket.get_or_init(|| socket.to_owned());
    }

    /// Who has sent a request.
    fn caller(&self, peer: Option<Peer>, headers: &HeaderMap) -> Caller {
        let own = rustix::process::geteuid().as_raw();
        let is_passed_on = OF_PROXIES.iter().any(|name| headers.contains_key(*name));
        let (standing, who) = match peer {
            Some(peer) if is_passed_on => (Standing::PassedOn, peer.to_string()),
            Some(Peer::Local(uid)) if uid == own || uid == 0 => {
                (Standing::Owner, Peer::Local(uid).to_string())
            }
            Some(Peer::Local(uid)) => (Standing::Foreign { uid, own }, format!("uid {uid}")),
            Some(Peer::Tcp(at)) if at.ip().to_canonical().is_loopback() => {
                (Standing::Here, at.to_string())
            }
            Some(Peer::Tcp(at)) => (Standing::Elsewhere, at.to_string()),
            None => (Standing::Elsewhere, "unknown".to_owned()),
        };
        let way = match peer {
            Some(Peer::Local(_)) => Way::Socket,
            _ if standing == Standing::Here => Way::Loopback,
            _ => Way::Tcp,
        };
        let caller = Caller {
            by: By { who, way },
            grants: self.without_token(standing),
            standing,
            access: self.clone(),
        };
        match (&self.0.tokens, headers.get(header::AUTHORIZATION)) {
            (Some((_, tokens)), Some(said)) => caller.with_token(&tokens.read(), said.as_bytes()),
            _ => caller,
        }
    }

    fn without_token(&self, standing: Standing) -> Grants {
        let changes = match self.0.changes {
            ChangesFrom::Any => true,
            ChangesFrom::Loopback => standing == Standing::Here,
            ChangesFrom::Known | ChangesFrom::Off => false,
        };
        match standing {
            Standing::Owner => Grants::of(&Verb::ALL),
            Standing::Foreign { .. } | Standing::Token | Standing::BadToken => Grants::default(),
            _ if changes => Grants::of(&[Verb::See, Verb::Change]),
            _ if self.0.see == SeenBy::All => Grants::of(&[Verb::See]),
            _ => Grants::default(),
        }
    }
}

/// Headers that proxies add.
const OF_PROXIES: [&str; 6] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// What is known of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It has a token.
    Token,
    /// It has one that is not in the file.
    BadToken,
    /// It is the process's own user or root, on the socket.
    Owner,
    /// It is another user, on the socket.
    Foreign { uid: u32, own: u32 },
    /// It is on this machine.
    Here,
    /// It may be anywhere.
    Elsewhere,
    /// It came through a proxy.
    PassedOn,
}

/// Who has sent a request, by which way, and what it may do.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    by: By,
    grants: Grants,
    standing: Standing,
    access: Access,
}

impl Caller {
    /// Who it is, for the log.
    pub(crate) fn by(&self) -> &By {
        &self.by
    }

    /// Whether it is known by a token, or by the user on the other end of the socket: no web page can
    /// have its reader's browser send that.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.standing, Standing::Token | Standing::Owner)
    }

    /// Whether it may do this to an agent, or to any agent at all.
    ///
    /// # Errors
    /// It may not: the answer, with what to do about it.
    pub(crate) fn may(&self, verb: Verb, on: On<'_>) -> Result<(), Refusal> {
        if verb == Verb::Change && self.access.0.changes == ChangesFrom::Off {
            return Err(Refusal::forbidden(
                "changes are turned off (--admin-changes off)",
            ));
        }
        match self.grants.allow(verb, on) {
            true => Ok(()),
            false => Err(self.refusal(verb, on)),
        }
    }

    /// Whether it may see what is of this agent.
    pub(super) fn sees(&self, agent: &str) -> bool {
        self.may(Verb::See, On::Agent(agent)).is_ok()
    }

    /// Whether it may see what is of no agent: the numbers of the process.
    pub(super) fn sees_all(&self) -> bool {
        self.may(Verb::See, On::All).is_ok()
    }

    /// The same caller with the token that it shows.
    fn with_token(self, tokens: &Tokens, said: &[u8]) -> Self {
        let (prefix, token) = said.split_at_checked(BEARER.len()).unwrap_or((said, b""));
        let found = match prefix.eq_ignore_ascii_case(BEARER) {
            true => tokens.find(token.trim_ascii()),
            false => None,
        };
        let way = match self.by.way {
            Way::Socket => Way::SocketToken,
            _ => Way::TcpToken,
        };
        let (standing, who, grants) = match found {
            Some((name, grants)) => (Standing::Token, format!("token {name}"), grants.clone()),
            None => (Standing::BadToken, self.by.who, Grants::default()),
        };
        Self {
            by: By { who, way },
            grants,
            standing,
            access: self.access,
        }
    }

    fn refusal(&self, verb: Verb, on: On<'_>) -> Refusal {
        let with_token = match &self.access.0.tokens {
            Some(_) => "with a token that may (`Authorization: Bearer …`)",
            None => "with a token (--admin-tokens)",
        };
        let socket = self.access.0.socket.get();
        let with_socket = match socket {
            Some(path) => format!(
                "over the admin socket (curl --unix-socket {})",
                path.display()
            ),
            None => "over the admin socket (--admin-socket)".to_owned(),
        };
        let remedy = format!("{with_socket}, or {with_token}");
        let text = match self.standing {
            Standing::Token => {
                let (who, has) = (&self.by.who, &self.grants);
                return Refusal::forbidden(&format!(
                    "{who} may {has}, and this needs {} (--admin-tokens)",
                    on.of(verb)
                ));
            }
            Standing::BadToken => "this token is not in the file of --admin-tokens, or it is not \
                 sent as `Authorization: Bearer TOKEN`"
                .to_owned(),
            Standing::Foreign { uid, own } => {
                return Refusal::forbidden(&format!(
                    "the admin socket is for uid {own} and root, and this is uid {uid}"
                ));
            }
            _ if verb == Verb::See => {
                format!("pages are for callers who are known (--admin-see token): come {remedy}")
            }
            _ if verb == Verb::Tap => {
                format!("events are for callers who are known: come {remedy}")
            }
            Standing::PassedOn => format!(
                "this came through a proxy, so it need not be from this machine: come {remedy}"
            ),
            Standing::Elsewhere if self.access.0.changes == ChangesFrom::Loopback => format!(
                "changes are accepted from this machine (--admin-changes loopback), or {remedy}"
            ),
            _ => format!(
                "changes come {remedy}; `--admin-changes loopback` accepts them from every program \
                 on this machine"
            ),
        };
        match self.access.0.tokens {
            Some(_) => Refusal::unknown(&text),
            None => Refusal::forbidden(&text),
        }
    }
}

/// Before a token, whatever its letters' case.
const BEARER: &[u8] = b"Bearer ";

/// Finds out who has sent a request, for all that come after.
pub(super) async fn identify(
    State(access): State<Access>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let caller = access.caller(peer, request.headers());
    request.extensions_mut().insert(caller);
    next.run(request).await
}
