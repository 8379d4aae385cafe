//! The matrix: who, by which way, may do what to which agent; and the words for those who may not.

use axum::http::HeaderValue;
use flume_components::said::Said;

use super::*;

const CI: &str = "0123456789abcdef01234567";
const PROM: &str = "76543210fedcba9876543210";
const OPS: &str = "00000000fedcba9876543210";

/// A folder with a file of three tokens.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { folder };
        scene.write(&format!(
            "ci see:a2,change:a1 {CI}\nprom see {PROM}\nops change,tap {OPS}\n"
        ));
        scene
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    fn write(&self, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(self.path(), text).unwrap();
        std::fs::set_permissions(self.path(), PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn access(&self, changes: ChangesFrom, see: SeenBy) -> Access {
        Access::new(changes, see, Some(&self.path())).unwrap()
    }
}

fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn at(address: &str) -> Option<Peer> {
    Some(Peer::Tcp(address.parse().unwrap()))
}

fn here() -> Option<Peer> {
    at("127.0.0.1:5")
}

/// What a caller may do: verbs as letters, for `a1`, for `a2`, and for the whole process.
fn may(caller: &Caller) -> [String; 3] {
    [On::Agent("a1"), On::Agent("a2"), On::All].map(|on| {
        let verbs = Verb::ALL.into_iter();
        let allowed = verbs.filter(|verb| caller.may(*verb, on).is_ok());
        allowed
            .filter_map(|verb| verb.name().chars().next())
            .collect()
    })
}

fn with(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&'static str, &str)| {
        let value = HeaderValue::from_str(value).unwrap();
        (header::HeaderName::from_static(name), value)
    };
    pairs.iter().map(header).collect()
}

#[test]
fn each_way_has_its_rights() {
    use ChangesFrom::{Any, Known, Loopback, Off};
    use SeenBy::{All, Token};
    let scene = Scene::new();
    let (owner, root, foreign) = (
        Some(Peer::Local(own())),
        Some(Peer::Local(0)),
        Some(Peer::Local(own() + 1)),
    );
    let far = at("192.0.2.7:5");
    let all = |verbs: &'static str| [verbs; 3];
    for (changes, see, peer, expected) in [
        (Known, All, owner, all("sct")),
        (Known, Token, root, all("sct")),
        (Known, All, foreign, all("")),
        (Any, All, foreign, all("")),
        (Known, All, here(), all("s")),
        (Known, All, at("[::ffff:127.0.0.1]:5"), all("s")),
        (Known, All, far, all("s")),
        (Known, All, None, all("s")),
        (Known, Token, here(), all("")),
        (Known, Token, far, all("")),
        (Loopback, All, here(), all("sc")),
        (Loopback, All, at("[::1]:5"), all("sc")),
        (Loopback, All, at("[::ffff:127.0.0.1]:5"), all("sc")),
        (Loopback, All, far, all("s")),
        (Loopback, All, None, all("s")),
        (Any, All, far, all("sc")),
        (Any, All, None, all("sc")),
        (Off, All, here(), all("s")),
        (Off, All, owner, all("st")),
    ] {
        let caller = scene.access(changes, see).caller(peer, &HeaderMap::new());
        assert_eq!(may(&caller), expected, "{changes:?} {see:?} {peer:?}");
    }
}

/// What came through a proxy is from wherever the proxy had it.
#[test]
fn a_proxy_is_not_the_caller() {
    let scene = Scene::new();
    for name in OF_PROXIES {
        let headers = with(&[(name, "192.0.2.7")]);
        for (changes, peer, expected) in [
            (ChangesFrom::Loopback, here(), "s"),
            (ChangesFrom::Known, Some(Peer::Local(own())), "s"),
            (ChangesFrom::Any, here(), "sc"),
        ] {
            let caller = scene.access(changes, SeenBy::All).caller(peer, &headers);
            assert_eq!(may(&caller), [expected; 3], "{name} {changes:?}");
        }
    }
}

/// A token has the rights of its line, by whichever way it comes.
#[test]
fn a_token_may_what_its_line_says() {
    let scene = Scene::new();
    let far = at("192.0.2.7:5");
    for (token, who, expected) in [
        (CI, "token ci", ["sc", "s", ""]),
        (PROM, "token prom", ["s", "s", "s"]),
        (OPS, "token ops", ["sct", "sct", "sct"]),
    ] {
        for (peer, way) in [
            (here(), Way::TcpToken),
            (far, Way::TcpToken),
            (Some(Peer::Local(own())), Way::SocketToken),
            (Some(Peer::Local(own() + 1)), Way::SocketToken),
        ] {
            for (scheme, changes) in [
                ("Bearer", ChangesFrom::Known),
                ("bearer ", ChangesFrom::Any),
            ] {
                let headers = with(&[
                    ("authorization", &format!("{scheme} {token}")),
                    ("via", "x"),
                ]);
                let access = scene.access(changes, SeenBy::Token);
                let caller = access.caller(peer, &headers);
                assert_eq!(may(&caller), expected, "{who} {way:?}");
                assert_eq!(
                    caller.by(),
                    &By {
                        who: who.to_owned(),
                        way
                    }
                );
            }
        }
    }
}

/// Not even what everybody may.
#[test]
fn a_token_that_nobody_knows_may_nothing() {
    let scene = Scene::new();
    let access = scene.access(ChangesFrom::Any, SeenBy::All);
    for said in ["Bearer", "Bearer ", "Bearer nonsense", "Basic eDp5", CI, ""] {
        for peer in [here(), Some(Peer::Local(own()))] {
            let caller = access.caller(peer, &with(&[("authorization", said)]));
            assert_eq!(may(&caller), [""; 3], "{said}");
            let refusal = caller.may(Verb::See, On::Any).unwrap_err();
            assert_eq!(refusal.status, 401, "{said}");
            assert!(
                refusal.text.contains("`Authorization: Bearer TOKEN`"),
                "{}",
                refusal.text
            );
        }
    }
    // Without tokens, the header says nothing.
    let access = Access::new(ChangesFrom::Loopback, SeenBy::All, None).unwrap();
    let caller = access.caller(here(), &with(&[("authorization", "Basic eDp5")]));
    assert_eq!(may(&caller), ["sc"; 3]);
}

#[test]
fn each_refusal_names_its_remedy() {
    use ChangesFrom::{Known, Loopback, Off};
    let scene = Scene::new();
    let (none, via) = (with(&[]), with(&[("via", "1.1 x")]));
    let ci = with(&[("authorization", &format!("Bearer {CI}"))]);
    let foreign = Some(Peer::Local(own() + 1));
    let socket = "over the admin socket (curl --unix-socket /run/f/admin.sock)";
    for (changes, peer, headers, verb, status, words) in [
        (Known, here(), &none, Verb::Change, 401, socket),
        (
            Known,
            here(),
            &none,
            Verb::Change,
            401,
            "with a token that may",
        ),
        (
            Known,
            here(),
            &none,
            Verb::Change,
            401,
            "`--admin-changes loopback` accepts them",
        ),
        (Known, here(), &none, Verb::See, 401, "(--admin-see token)"),
        (Known, here(), &none, Verb::Tap, 401, socket),
        (
            Loopback,
            at("192.0.2.7:5"),
            &none,
            Verb::Change,
            401,
            "from this machine",
        ),
        (
            Loopback,
            here(),
            &via,
            Verb::Change,
            401,
            "came through a proxy",
        ),
        (
            Known,
            here(),
            &ci,
            Verb::Change,
            403,
            "token ci may see:a2,change:a1, and this needs change:a2",
        ),
        (
            Off,
            here(),
            &none,
            Verb::Change,
            403,
            "turned off (--admin-changes off)",
        ),
        (
            Known,
            foreign,
            &none,
            Verb::See,
            403,
            "and root, and this is uid",
        ),
    ] {
        let access = scene.access(changes, SeenBy::Token);
        access.listens(Path::new("/run/f/admin.sock"));
        let caller = access.caller(peer, headers);
        let refusal = caller.may(verb, On::Agent("a2")).unwrap_err();
        assert_eq!(refusal.status, status, "{}", refusal.text);
        assert!(refusal.text.contains(words), "{}", refusal.text);
    }
    // Where nothing is there yet, the flags are named; and a token would not help.
    let access = Access::new(Known, SeenBy::All, None).unwrap();
    let refusal = access
        .caller(here(), &none)
        .may(Verb::Change, On::Any)
        .unwrap_err();
    assert_eq!(refusal.status, 403);
    for flag in [
        "--admin-socket",
        "--admin-tokens",
        "--admin-changes loopback",
    ] {
        assert!(refusal.text.contains(flag), "{}", refusal.text);
    }
}

/// A file with a mistake leaves the tokens as they were, and the log says why.
#[test]
fn tokens_are_read_again() {
    let scene = Scene::new();
    let said = Said::listen();
    let access = scene.access(ChangesFrom::Known, SeenBy::Token);
    let is_known = |token: &str| {
        let headers = with(&[("authorization", &format!("Bearer {token}"))]);
        access
            .caller(here(), &headers)
            .may(Verb::See, On::Any)
            .is_ok()
    };
    scene.write("ci see\n");
    access.read_again();
    assert!(is_known(CI));
    let lines = said.lines("the tokens of the admin port stay as they were");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("tokens:1: a line has a name"),
        "{lines:?}"
    );
    let new = "99999999fedcba9876543210";
    scene.write(&format!("ci see {new}\n"));
    access.read_again();
    assert!(is_known(new) && !is_known(CI) && !is_known(PROM));
}
