//! The rules, one by one, and names with answers of the test's own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::*;
use crate::services::Resolver;

async fn admit(rules: &str, peer: &str, names: &Names) -> Result<(), Denied> {
    IpFilter::parse(rules)
        .unwrap()
        .admit(peer.parse().unwrap(), names)
        .await
}

async fn allows(rules: &str, peer: &str) -> bool {
    admit(rules, peer, &Names::new(Resolver::default()))
        .await
        .is_ok()
}

/// Knows these names and whatever the machine knows.
fn names(known: &[(&str, &str)]) -> Names {
    let known = known.iter().map(|(name, address)| {
        (
            (*name).to_owned(),
            SocketAddr::new(address.parse().unwrap(), 0),
        )
    });
    Names::new(Resolver::new(known.collect::<BTreeMap<_, _>>()))
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
async fn names_are_those_of_the_peer() {
    let names = names(&[
        ("Web1.example", "192.0.2.1"),
        ("web2.example", "192.0.2.2"),
        ("six.example", "2001:db8::6"),
    ]);
    let cases = [
        ("allow:name:web1.example,deny:ip:*", "192.0.2.2", false),
        ("allow:name:web2.example,deny:ip:*", "192.0.2.2", true),
        ("allow:name:web*.example,deny:ip:*", "192.0.2.1", true),
        ("allow:name:WEB?.example,deny:ip:*", "192.0.2.2", true),
        ("allow:name:six.*,deny:ip:*", "2001:db8::6", true),
        ("deny:name:web?.example", "192.0.2.2", false),
        ("deny:name:web?.exam", "192.0.2.2", true),
        (
            "deny:name:mail*,allow:name:*.example,deny:name:*",
            "192.0.2.2",
            true,
        ),
        // A dot is a dot.
        ("deny:name:web?example*", "192.0.2.2", true),
        // A peer with a name is not known by its address; loopback is localhost whatever its name.
        ("deny:name:192*.2", "192.0.2.2", true),
        ("deny:name:localhost", "127.0.0.9", false),
        ("deny:name:localhost", "192.0.2.1", true),
    ];
    for (rules, peer, allowed) in cases {
        assert_eq!(
            admit(rules, peer, &names).await.is_ok(),
            allowed,
            "{rules} for {peer}"
        );
    }
}

/// The owner of an address gave it a name that belongs to somebody else. As in Java, its address is then
/// its name.
#[tokio::test]
async fn a_name_that_does_not_lead_back_is_none() {
    // The name of the first address; asked for without a port, it has the second one.
    let names = names(&[
        ("forged.example", "192.0.2.3"),
        ("forged.example:0", "192.0.2.4"),
    ]);
    let cases = [
        ("allow:name:*.example,deny:ip:*", false),
        ("allow:name:forged.example,deny:ip:*", false),
        ("allow:name:192.0.2.*,deny:ip:*", true),
        ("deny:name:*.3", false),
    ];
    for (rules, allowed) in cases {
        assert_eq!(
            admit(rules, "192.0.2.3", &names).await.is_ok(),
            allowed,
            "{rules}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_in_time_counts_against_the_peer() {
    let busy = Names::with_seats(Resolver::default(), 0);
    let cases = [
        ("allow:name:web1.example,deny:ip:*", Err(Denied::TooSlow)),
        ("allow:name:*.example,deny:ip:*", Err(Denied::TooSlow)),
        ("allow:name:web1.example,allow:ip:192.*", Ok(())),
        ("deny:name:web1.example", Err(Denied::TooSlow)),
        ("deny:name:web?.example", Err(Denied::TooSlow)),
        ("allow:ip:192.*,deny:name:web1.example", Ok(())),
        ("deny:ip:*", Err(Denied::Rule)),
    ];
    for (rules, expected) in cases {
        assert_eq!(admit(rules, "192.0.2.1", &busy).await, expected, "{rules}");
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
