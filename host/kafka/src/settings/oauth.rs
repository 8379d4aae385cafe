//! Bearer tokens: only those that nobody signs, which are for tests. Others come over HTTP.

use flume_core::Code;

use super::jaas::Login;
use super::reading::{Reading, Said};

const CLAIM: &str = "unsecuredLoginStringClaim_";
const LIST: &str = "unsecuredLoginListClaim_";
const EXTENSION: &str = "unsecuredLoginExtension_";

/// What `OAuthBearerLoginModule` is told becomes `sasl.oauthbearer.config`.
pub(super) fn log_in(reading: &mut Reading, config: &Said, login: &Login) {
    let option = |name: &str| login.options.get(name).map(String::as_str);
    if option("clientId").is_some() {
        return reading.refuse(
            config,
            "tokens come over HTTP, and the client is built without it",
        );
    }
    let claim = option("unsecuredLoginPrincipalClaimName").unwrap_or("sub");
    let Some(principal) = option(&format!("{CLAIM}{claim}")) else {
        let message = format!("`{}` names nobody", reading.name(config));
        let help = format!("write `{CLAIM}{claim}=\"…\"` in it");
        return reading.error(config, Code::MissingKey, message, &help);
    };
    let scope = option("unsecuredLoginScopeClaimName").unwrap_or("scope");
    let mut said = vec![
        ("principal".to_owned(), principal.to_owned()),
        ("principalClaimName".to_owned(), claim.to_owned()),
        ("scopeClaimName".to_owned(), scope.to_owned()),
    ];
    let scopes = option(&format!("{LIST}{scope}")).map(listed);
    let scopes = scopes.or(option(&format!("{CLAIM}{scope}")).map(str::to_owned));
    said.extend(scopes.map(|scopes| ("scope".to_owned(), scopes)));
    let life = option("unsecuredLoginLifetimeSeconds");
    said.extend(life.map(|life| ("lifeSeconds".to_owned(), life.to_owned())));
    for (name, value) in &login.options {
        if let Some(name) = name.strip_prefix(EXTENSION) {
            said.push((format!("extension_{name}"), value.clone()));
        }
    }
    let is_bad = |char: char| char.is_whitespace() || char == '"';
    if said
        .iter()
        .any(|(_, value)| value.is_empty() || value.contains(is_bad))
    {
        let message = format!(
            "`{}` has a blank or a quote in a value",
            reading.name(config)
        );
        return reading.error(config, Code::Unsupported, message, "leave it out");
    }
    let all = said.iter().map(|(name, value)| format!("{name}={value}"));
    let text = all.collect::<Vec<_>>().join(" ");
    reading.tell("sasl.oauthbearer.config", &config.part(&text));
    reading.tell("enable.sasl.oauthbearer.unsecure.jwt", &config.part("true"));
}

/// The first character of a list is what separates its words: `|a|b`.
fn listed(text: &str) -> String {
    let mut rest = text.chars();
    let Some(first) = rest.next() else {
        return String::new();
    };
    rest.as_str().replace(first, ",")
}
