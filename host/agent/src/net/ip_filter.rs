//! `ipFilter`: who may connect.
//!
//! ```text
//! rules    rule, rule …           the first that matches decides; no match means allowed
//! rule     allow|deny : ip|name : pattern
//! pattern  of an ip: text in which * stands for anything and ? for at most one character
//! ```
//!
//! A name is looked up when a peer connects and matches if the peer has one of its addresses.
//! Flume asks the other way round, for the name of the address; whoever owns an address block can
//! answer that with any name, which is why patterns in names are refused here.

use std::net::{IpAddr, Ipv6Addr};

use flume_core::{Code, Context, Diagnostic, Severity};

use crate::services::Resolver;

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
    who: Who,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    /// Addresses whose text matches.
    Address(String),
    /// This machine, by any of its addresses.
    Localhost,
    /// A host, by any of its addresses.
    Host(String),
}

/// Why a list of rules means nothing.
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
    /// A pattern as a name.
    #[error("ipFilter rule `{0}` has a pattern for a name, which could be forged")]
    NamePattern(String),
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
                        "`{}.{RULES}` denies nobody: who matches no rule is allowed",
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
                    RuleError::NamePattern(_) => Code::Unsupported,
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

    /// Whether a peer may connect. A name that does not resolve matches nobody.
    pub async fn allows(&self, peer: IpAddr, resolver: &Resolver) -> bool {
        let peer = peer.to_canonical();
        for rule in &self.rules {
            if rule.who.is(peer, resolver).await {
                return rule.allow;
            }
        }
        true
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
            "ip" => Who::Address(pattern.to_ascii_lowercase()),
            "name" if pattern == "*" => Who::Address(pattern.to_owned()),
            "name" if pattern.contains(['*', '?']) => {
                return Err(RuleError::NamePattern(text.to_owned()));
            }
            "name" if pattern.eq_ignore_ascii_case("localhost") => Who::Localhost,
            "name" => Who::Host(pattern.to_owned()),
            _ => return Err(RuleError::Kind(text.to_owned())),
        };
        Ok(Self { allow, who })
    }
}

impl Who {
    async fn is(&self, peer: IpAddr, resolver: &Resolver) -> bool {
        match self {
            Self::Address(pattern) => {
                matches(pattern, &peer.to_string())
                    || matches!(peer, IpAddr::V6(peer) if matches(pattern, &in_full(peer)))
            }
            Self::Localhost => {
                let own = hostname::get()
                    .ok()
                    .and_then(|name| name.into_string().ok());
                peer.is_loopback()
                    || match own {
                        Some(name) => has_address(&name, peer, resolver).await,
                        None => false,
                    }
            }
            Self::Host(name) => has_address(name, peer, resolver).await,
        }
    }
}

async fn has_address(host: &str, peer: IpAddr, resolver: &Resolver) -> bool {
    match resolver.resolve(host, 0).await {
        Ok(addresses) => addresses
            .iter()
            .any(|address| address.ip().to_canonical() == peer),
        Err(error) => {
            tracing::debug!(host, %error, "a host of the ip filter does not resolve");
            false
        }
    }
}

/// Java's text of an address: all eight groups.
fn in_full(address: Ipv6Addr) -> String {
    let groups = address.segments().map(|group| format!("{group:x}"));
    groups.join(":")
}

/// Whether all of the text matches, by the set of places in it that can be reached.
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
mod tests {
    use super::*;

    async fn allows(rules: &str, peer: &str) -> bool {
        let filter = IpFilter::parse(rules).unwrap();
        filter
            .allows(peer.parse().unwrap(), &Resolver::default())
            .await
    }

    /// Flume: TestAvroSource.testValidIpFilterAllows and testValidIpFilterDenys (A7, A8), the
    /// rules alone.
    #[tokio::test]
    async fn the_first_rule_that_matches_decides() {
        for rules in [
            "allow:name:localhost,deny:ip:*",
            "allow:ip:127.0.0.1,deny:ip:*",
            "allow:ip:*",
            "allow:ip:127*,deny:ip:*",
            "allow:ip:127.0.0.2,allow:ip:127*,deny:ip:*",
            "allow:name:localhost",
            "allow:ip:127.0.?.1,deny:ip:*",
            "allow:ip:127.0.0?.1,deny:ip:*",
            "ALLOW:IP:127.0.0.1 , deny:name:*",
            "deny:name:no-such-host.invalid",
        ] {
            assert!(allows(rules, "127.0.0.1").await, "{rules}");
        }
        for rules in [
            "deny:ip:*",
            "deny:name:localhost",
            "deny:ip:127.0.0.1,allow:ip:*",
            "allow:ip:45.2.2.2,deny:ip:*",
            "allow:ip:45*,deny:ip:*",
            "deny:ip:127*",
            "deny:name:*",
        ] {
            assert!(!allows(rules, "127.0.0.1").await, "{rules}");
        }
    }

    #[tokio::test]
    async fn addresses_of_version_6_match_in_both_spellings() {
        for rules in [
            "allow:ip:2001:db8::*,deny:ip:*",
            "allow:ip:2001:db8:0:0:*:7,deny:ip:*",
        ] {
            assert!(allows(rules, "2001:db8::7").await, "{rules}");
        }
        assert!(!allows("deny:ip:10.*", "::ffff:10.0.0.1").await);
    }

    /// Flume: TestAvroSource.testInvalidIpFilter (A9).
    #[test]
    fn bad_rules_are_refused() {
        let cases = [
            ("", RuleError::Empty),
            (" ", RuleError::Empty),
            (
                "homer:ip:45.4.23.1",
                RuleError::Policy("homer:ip:45.4.23.1".into()),
            ),
            (
                "allow:sleeps:45.4.23.1",
                RuleError::Kind("allow:sleeps:45.4.23.1".into()),
            ),
            ("allow:ip", RuleError::Shape("allow:ip".into())),
            ("allow:ip:*,", RuleError::Shape(String::new())),
            (
                "deny:name:*.evil.org",
                RuleError::NamePattern("deny:name:*.evil.org".into()),
            ),
        ];
        for (rules, expected) in cases {
            let error = IpFilter::parse(rules).unwrap_err();
            assert!(error.to_string().contains("ipFilter"), "{error}");
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn keys_are_read() {
        let configured = |properties: &[(&str, &str)]| {
            let mut context = Context::of("a1.sources.r1", properties);
            let filter = IpFilter::configure(&mut context);
            (
                filter,
                context
                    .finish()
                    .into_iter()
                    .map(|d| d.severity)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(configured(&[]), (Some(None), vec![]));
        let off = [("ipFilterRules", "deny:ip:*")];
        assert_eq!(configured(&off), (Some(None), vec![Severity::Note]));
        let missing = [("ipFilter", "true")];
        assert_eq!(configured(&missing), (None, vec![Severity::Error]));
        let open = [
            ("ipFilter", "true"),
            ("ipFilterRules", "allow:name:localhost"),
        ];
        let (filter, findings) = configured(&open);
        assert!(matches!(filter, Some(Some(_))));
        assert_eq!(findings, [Severity::Warning]);
    }
}
