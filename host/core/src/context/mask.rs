//! What stands in place of a secret, and how one is recognised where no component says so.

use std::borrow::Cow;

/// What is shown in place of a secret.
pub const MASK: &str = "***";

/// Schemes whose addresses have a container, and no user, in front of the `@`.
const CONTAINERS: [&str; 6] = ["az", "azure", "abfs", "abfss", "wasb", "wasbs"];

/// Schemes whose addresses have no port.
const BUCKETS: [&str; 4] = ["s3", "s3a", "s3n", "gs"];

/// Whether a key reads like that of a secret. Only for keys that no component knows.
pub fn looks_secret(key: &str) -> bool {
    const WORDS: [&str; 10] = [
        "passw",
        "pasw",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "credential",
        "private",
        "signature",
        "auth",
    ];
    let lower = key.to_ascii_lowercase();
    let mut parts = lower.split(|char: char| !char.is_ascii_alphanumeric());
    WORDS.iter().any(|word| lower.contains(word))
        || parts.any(|part| {
            part.ends_with("key") || part.ends_with("keys") || matches!(part, "sas" | "sig")
        })
}

/// The text with `***` for the users and passwords of the addresses in it.
pub fn without_user(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(is_end).unwrap_or(after.len());
        let (address, behind) = after.split_at_checked(end).unwrap_or((after, ""));
        let scheme = before.rsplit(|char: char| !is_scheme(char)).next();
        shown.push_str(before);
        shown.push_str("://");
        shown.push_str(&without_one_user(scheme.unwrap_or_default(), address));
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

/// Whether an address of this scheme, given without it, names a user or has a password.
pub fn has_user(scheme: &str, address: &str) -> bool {
    end_of_user(scheme, address).is_some()
}

fn is_scheme(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.')
}

fn is_end(char: char) -> bool {
    char.is_whitespace() || matches!(char, '"' | '\'' | '`' | '<' | '>')
}

fn without_one_user<'a>(scheme: &str, address: &'a str) -> Cow<'a, str> {
    let host = end_of_user(scheme, address).and_then(|end| address.get(end..));
    host.map_or(Cow::Borrowed(address), |host| {
        Cow::Owned(format!("{MASK}{host}"))
    })
}

/// Where the `@` behind the user is. A password may have a `/`, where it should have `%2F`.
fn end_of_user(scheme: &str, address: &str) -> Option<usize> {
    let authority = address.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some(end) = authority.rfind('@') {
        let user = authority.get(..end).unwrap_or_default();
        let is_container = is_among(&CONTAINERS, scheme);
        return (!is_container || user.contains(':')).then_some(end);
    }
    let (_, port) = authority.split_once(':')?;
    let is_number = !port.is_empty() && port.chars().all(|char| char.is_ascii_digit());
    let is_port = is_number && !is_among(&BUCKETS, scheme);
    if is_port || authority.starts_with('[') {
        return None;
    }
    address.rfind('@')
}

fn is_among(schemes: &[&str], scheme: &str) -> bool {
    schemes
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_addresses_are_left_out() {
        for (text, shown) in [
            ("s3a://KEY:SECRET@bucket/a", "s3a://***@bucket/a"),
            ("s3a://KEY:SEC/RET@bucket/a@b", "s3a://***@b"),
            (
                "curl http://u:p@h/ https://t@g/x",
                "curl http://***@h/ https://***@g/x",
            ),
            ("s3://KEY:12/3@bucket", "s3://***@bucket"),
            ("hdfs://nn:8020/a@b", "hdfs://nn:8020/a@b"),
            ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
            ("abfss://c@account.host/x", "abfss://c@account.host/x"),
            ("abfss://c:p@account.host/x", "abfss://***@account.host/x"),
            ("a@b", "a@b"),
            ("://", "://"),
            ("", ""),
        ] {
            assert_eq!(without_user(text), shown, "{text}");
        }
        assert!(has_user("s3", "k:s@b") && !has_user("s3", "b/k:s@b"));
    }

    #[test]
    fn secrets_read_like_secrets() {
        for key in [
            "keystore-pasword",
            "accountKey",
            "account_key",
            "sas",
            "hdfs.store.sas_token",
            "apikey",
            "PWD",
        ] {
            assert!(looks_secret(key), "{key}");
        }
        for key in [
            "keystore",
            "keystore-type",
            "prot",
            "keep-alive",
            "bind",
            "ssl",
        ] {
            assert!(!looks_secret(key), "{key}");
        }
    }
}
