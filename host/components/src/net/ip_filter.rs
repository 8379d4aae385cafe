//! `ipFilter`: who may connect.
//!
//! ```text
//! rules    rule, rule …           the first that matches decides; no match means allowed
//! rule     allow|deny : ip|name : pattern
//! pattern  text in which * stands for anything and ? for at most one character
//! ```
//!
//! | pattern of a name | matches a peer |
//! |---|---|
//! | `localhost` | on this machine, by any of its addresses |
//! | a name | that has one of the name's addresses |
//! | with `*` or `?` | whose own name matches; without a name its address stands for it |
//!
//! As in Java, a peer's name counts only if it leads back to the peer ([`names`]). Names are
//! looked up at each connect. The law: what is not known in time counts against the peer, so an
//! `allow` rule does not match then and a `deny` rule does. A name that does not exist is known.

use std::net::{IpAddr, Ipv6Addr};

use flume_core::{Code, Context, Diagnostic, Severity};

use self::names::{Names, TooSlow};

pub mod names;

/// The key that switches the filter on.
const SWITCH: &str = "ipFilter";
/// The key that holds the rules.
const RULES: &str = "ipFilterRules";

/// The rules of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpFilter {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    allow: bool,
    who: Subject,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    /// Addresses whose text matches.
    Address(String),
    /// This machine, by any of its addresses.
    Localhost,
    /// A host, by any of its addresses.
    Host(String),
    /// Hosts whose own name matches.
    Named(String),
}

/// Why a peer may not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The rules say so.
    #[error("denied by ipFilterRules")]
    Rule,
    /// The rules say so, and might have decided differently if a name had been known in time.
    #[error("denied by ipFilterRules: a host name in them was not answered in time")]
    TooSlow,
}

/// Why a list of rules is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No rules at all.
    #[error("ipFilter is true and there are no ipFilterRules")]
    Empty,
    /// Not three parts, or an empty pattern.
    #[error("ipFilter rule `{0}` is not `allow|deny:ip|name:pattern`")]
    Shape(String),
    /// The first part.
    #[error("ipFilter rule `{0}` neither allows nor denies")]
    Policy(String),
    /// The second part.
    #[error("ipFilter rule `{0}` is neither about an ip nor about a name")]
    Kind(String),
}

impl IpFilter {
    /// Reads the two keys; `Some(None)` if the filter is off. `None` leaves a diagnostic.
    pub fn configure(context: &mut Context) -> Option<Option<Self>> {
        if !context.flag(SWITCH, false) {
            context.without_effect(RULES, "`ipFilter` is not true");
            return Some(None);
        }
        let value = context.value(RULES);
        let text = value.as_ref().map_or("", |value| value.text.as_str());
        match Self::parse(text) {
            Ok(filter) => {
                if filter.rules.iter().all(|rule| rule.allow) {
                    let message = format!(
                        "`{}.{RULES}` denies no one: a client that matches no rule is allowed",
                        context.path()
                    );
                    let mut diagnostic = Diagnostic::new(Code::BadValue, message)
                        .help("end the list with `deny:ip:*`");
                    diagnostic.severity = Severity::Warning;
                    diagnostic.span = value.map(|value| value.span);
                    context.push(diagnostic);
                }
                Some(Some(filter))
            }
            Err(error) => {
                let code = match error {
                    RuleError::Empty => Code::MissingKey,
                    _ => Code::BadValue,
                };
                let help = "for example `allow:ip:127.*,allow:name:localhost,deny:ip:*`";
                context.error(RULES, code, error.to_string(), help);
                None
            }
        }
    }

    /// Reads a list of rules.
    ///
    /// # Errors
    /// See [`RuleError`].
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.trim().is_empty() {
            return Err(RuleError::Empty);
        }
        let rules: Result<_, _> = text
            .split(',')
            .map(|rule| Rule::parse(rule.trim()))
            .collect();
        Ok(Self { rules: rules? })
    }

    /// Decides about a peer.
    ///
    /// # Errors
    /// It may not connect.
    pub async fn admit(&self, peer: IpAddr, names: &Names) -> Result<(), Denied> {
        let peer = peer.to_canonical();
        let mut name = None;
        let mut denied = Denied::Rule;
        for rule in &self.rules {
            let matched = match rule.who.is(peer, names, &mut name).await {
                Ok(matched) => matched,
                Err(TooSlow) => {
                    denied = Denied::TooSlow;
                    !rule.allow
                }
            };
            match (matched, rule.allow) {
                (true, true) => return Ok(()),
                (true, false) => return Err(denied),
                (false, _) => {}
            }
        }
        Ok(())
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, RuleError> {
        let mut parts = text.splitn(3, ':').map(str::trim);
        let (Some(policy), Some(kind), Some(pattern)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(RuleError::Shape(text.to_owned()));
        };
        let allow = match policy.to_ascii_lowercase().as_str() {
            "allow" => true,
            "deny" => false,
            _ => return Err(RuleError::Policy(text.to_owned())),
        };
        if pattern.is_empty() {
            return Err(RuleError::Shape(text.to_owned()));
        }
        let who = match kind.to_ascii_lowercase().as_str() {
            "ip" => Subject::Address(pattern.to_ascii_lowercase()),
            "name" if pattern == "*" => Subject::Address(pattern.to_owned()),
            "name" if pattern.contains(['*', '?']) => Subject::Named(pattern.to_ascii_lowercase()),
            "name" if pattern.eq_ignore_ascii_case("localhost") => Subject::Localhost,
            "name" => Subject::Host(pattern.to_owned()),
            _ => return Err(RuleError::Kind(text.to_owned())),
        };
        Ok(Self { allow, who })
    }
}

impl Subject {
    /// Whether it is the peer. The peer's name is looked up once, however many rules there are.
    async fn is(
        &self,
        peer: IpAddr,
        names: &Names,
        name: &mut Option<Option<String>>,
    ) -> Result<bool, TooSlow> {
        match self {
            Self::Address(pattern) => Ok(is_address(pattern, peer)),
            Self::Localhost if peer.is_loopback() => Ok(true),
            Self::Localhost => {
                let own = hostname::get()
                    .ok()
                    .and_then(|name| name.into_string().ok());
                match own {
                    Some(own) => names.has_address(&own, peer).await,
                    None => Ok(false),
                }
            }
            Self::Host(host) => names.has_address(host, peer).await,
            Self::Named(pattern) => {
                if name.is_none() {
                    *name = Some(names.name_of(peer).await?);
                }
                Ok(match name.as_ref().and_then(Option::as_ref) {
                    Some(name) => matches(pattern, &name.to_ascii_lowercase()),
                    None => is_address(pattern, peer),
                })
            }
        }
    }
}

fn is_address(pattern: &str, peer: IpAddr) -> bool {
    matches(pattern, &peer.to_string())
        || matches!(peer, IpAddr::V6(peer) if matches(pattern, &in_full(peer)))
}

/// Java's text of an address: all eight groups.
fn in_full(address: Ipv6Addr) -> String {
    let groups = address.segments().map(|group| format!("{group:x}"));
    groups.join(":")
}

/// Whether all of the text matches, by the set of positions in it that can be reached.
fn matches(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached.iter_mut().take(1).for_each(|start| *start = true);
    for symbol in pattern.chars() {
        // What was reached before the character to the left, and what is reached now.
        let (mut left_before, mut left_now) = (false, false);
        for (at, place) in reached.iter_mut().enumerate() {
            let letter = at.checked_sub(1).and_then(|left| text.get(left));
            let now = match symbol {
                '*' => *place || left_now,
                '?' => *place || left_before,
                symbol => left_before && letter == Some(&symbol),
            };
            left_before = std::mem::replace(place, now);
            left_now = now;
        }
    }
    reached.last().is_some_and(|end| *end)
}

#[cfg(test)]
mod tests;
