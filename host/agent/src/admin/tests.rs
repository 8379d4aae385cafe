//! What a caller with rights for one agent sees and changes, on every page; and what of that is in the
//! audit log.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use flume_core::clock;
use flume_policy::PolicySelector;
use tower::ServiceExt as _;

use super::connections::Peer;
use super::*;
use crate::audit::tests::lines;
use crate::policies::PolicyUse;
use crate::policies::testing::{Folder, always, in_a1, seat};
use crate::testing::{plan, services};
use crate::topology::RunningAgent;

const ONE: &str = "1111111111111111111111111111";
const CHANGE_ONE: &str = "1212121212121212121212121212";
const BOTH: &str = "3333333333333333333333333333";

const HERE: &str = "127.0.0.1:5";

/// An agent whose names all have `word` in them.
fn agent(name: &str, word: &str) -> String {
    format!(
        "{name}.sources = r-{word}\n{name}.channels = c-{word}\n{name}.sinks = k-{word} l-{word}\n\
         {name}.sources.r-{word}.type = seq\n{name}.sources.r-{word}.channels = c-{word}\n\
         {name}.channels.c-{word}.type = memory\n\
         {name}.sinks.k-{word}.type = null\n{name}.sinks.k-{word}.channel = c-{word}\n\
         {name}.sinks.l-{word}.type = null\n{name}.sinks.l-{word}.channel = c-{word}\n\
         {name}.sinkgroups = g-{word}\n{name}.sinkgroups.g-{word}.sinks = k-{word} l-{word}\n\
         {name}.sinkgroups.g-{word}.processor.type = load_balance\n"
    )
}

/// Two agents, each with a policy, and tokens for them.
struct Scene {
    folder: Folder,
    view: AdminView,
    _seats: Vec<PolicySelector>,
}

impl Scene {
    fn new() -> Self {
        let (folder, services) = (Folder::new(), services(1));
        let memory = services.components.memory.clone();
        let view = AdminView::new(services.policies.clone(), memory, services.reloads.clone());
        let seats = [("a1", "one"), ("a2", "two"), ("a1/b", "slash")].map(|(agent, stem)| {
            let path = folder.file(&format!("{stem}.wat"), &always(&[0]));
            let agent = agent.to_owned();
            let wanted = PolicyUse {
                agent,
                ..in_a1(&path)
            };
            seat(&services.policies, &wanted, &format!("g-{stem}"), 2).unwrap()
        });
        let agents = [("a1", "one"), ("a2", "two")].map(|(name, word)| {
            let running = RunningAgent::build(plan(&agent(name, word)), &services).unwrap();
            running.view()
        });
        let left_out = Standing {
            agent: "a2".to_owned(),
            doing: Doing::LeftOut {
                since: clock::now(),
                why: "two is garbage".to_owned(),
            },
        };
        view.show(agents.into(), vec![left_out]);
        view.enter(Phase::Running);
        services
            .policies
            .audit()
            .write_to(&folder.path("log"))
            .unwrap();
        let tokens = folder.path("tokens");
        let text =
            format!("one see:a1 {ONE}\nchange-one change:a1 {CHANGE_ONE}\nall change {BOTH}\n");
        std::fs::write(&tokens, text).unwrap();
        std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self {
            folder,
            view,
            _seats: seats.into(),
        }
    }

    fn access(&self, changes: ChangesFrom, see: SeenBy) -> Access {
        Access::new(changes, see, Some(&self.folder.path("tokens"))).unwrap()
    }

    /// Asks as a peer (an address, or `uid N`), with a token if there is one.
    async fn ask(
        &self,
        access: Access,
        (peer, token): (&str, &str),
        (method, path): (&str, &str),
        body: impl Into<Body>,
    ) -> (u16, String) {
        let peer = match peer.strip_prefix("uid ") {
            Some(uid) => Peer::Local(uid.parse().unwrap()),
            None => Peer::Tcp(peer.parse().unwrap()),
        };
        let request = Request::builder().method(method).uri(path);
        let mut request = request.header("host", "127.0.0.1:41414").extension(peer);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let pages = router(self.view.clone(), access, Names::Addresses);
        let request = request.body(body.into()).unwrap();
        let answer = pages.oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        assert_eq!(
            status == 401,
            answer.headers().contains_key("www-authenticate"),
            "a client is told to send a token"
        );
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, see: SeenBy, token: &str, path: &str) -> (u16, String) {
        let access = self.access(ChangesFrom::Known, see);
        self.ask(access, (HERE, token), ("GET", path), "").await
    }

    fn log(&self) -> PathBuf {
        self.folder.path("log")
    }
}

const PAGES: [&str; 7] = [
    "/policies",
    "/groups",
    "/config",
    "/healthz",
    "/healthz?format=json",
    "/readyz?verbose",
    "/metrics",
];

/// Both agents start, so that neither is ready; the second one has another trouble besides.
#[tokio::test]
async fn health_can_be_asked_of_one_agent_that_the_caller_sees() {
    let scene = Scene::new();
    for path in ["/readyz", "/healthz"] {
        for (token, agent, status, words) in [
            (BOTH, "a1", 503, ["one", ""]),
            (BOTH, "a2", 503, ["two", "is left out"]),
            (ONE, "a1", 503, ["one", ""]),
            (ONE, "a2", 404, ["no agent is called a2", ""]),
            (BOTH, "a3", 404, ["no agent is called a3", ""]),
        ] {
            let page = format!("{path}?agent={agent}");
            let (found, text) = scene.get(SeenBy::Token, token, &page).await;
            assert_eq!(found, status, "{page}: {text}");
            assert!(
                words.iter().all(|word| text.contains(word)),
                "{page}: {text}"
            );
            assert!(
                !(text.contains("one") && text.contains("two")),
                "{page}: {text}"
            );
        }
    }
    // A probe without a token is told no more than before.
    for (agent, expected) in [("a1", (503, "not ready\n")), ("a2", (503, "not ready\n"))] {
        let page = format!("/readyz?agent={agent}");
        let (status, text) = scene.get(SeenBy::Token, "", &page).await;
        assert_eq!((status, text.as_str()), expected);
    }
    assert_eq!(
        scene.get(SeenBy::Token, "", "/readyz?agent=a3").await.0,
        404
    );
}

/// Both agents start, so that each has its line on the pages of health.
#[tokio::test]
async fn who_sees_one_agent_sees_nothing_of_another_on_any_page() {
    let scene = Scene::new();
    for see in [SeenBy::All, SeenBy::Token] {
        for page in PAGES {
            for (token, sees_two) in [(ONE, false), (CHANGE_ONE, false), (BOTH, true)] {
                let (status, text) = scene.get(see, token, page).await;
                assert!([200, 503].contains(&status), "{page}: {status} {text}");
                assert!(text.contains("one"), "{page}: {text}");
                let shows = ["two", "slash", "PROCESS."].map(|word| text.contains(word));
                assert_eq!(shows.contains(&true), sees_two, "{page} {token}: {text}");
            }
            // Without a token as ever, or nothing at all.
            let (status, text) = scene.get(see, "", page).await;
            match (see, page) {
                (SeenBy::All, _) => assert!(text.contains("two"), "{page}: {status} {text}"),
                (_, "/readyz?verbose") => {
                    assert_eq!((status, text.as_str()), (503, "not ready\n"));
                }
                _ => {
                    assert_eq!(status, 401, "{page}: {text}");
                    assert!(
                        text.contains("--admin-see token") && !text.contains("two"),
                        "{text}"
                    );
                }
            }
        }
        assert_eq!(scene.get(see, "", "/livez").await.0, 200);
        let (status, text) = scene.get(see, ONE, "/policies/a1/one").await;
        assert_eq!(status, 200, "{text}");
        // It is not told whether there is such a policy.
        for path in [
            "/policies/a2/two",
            "/policies/a2/none",
            "/policies/none/none",
        ] {
            let (status, text) = scene.get(see, ONE, path).await;
            assert_eq!(status, 403, "{text}");
            assert!(
                text.contains("token one may see:a1, and this needs see:"),
                "{text}"
            );
        }
    }
}

/// The names of policies in a path are those of their agents, however the slash is written.
#[tokio::test]
async fn a_slash_in_a_name_leads_to_no_other_agent() {
    let scene = Scene::new();
    let access = || scene.access(ChangesFrom::Known, SeenBy::All);
    let module = always(&[1, 0]);
    for (token, path, expected) in [
        (CHANGE_ONE, "/policies/a1/b%2Fslash", 404),
        (CHANGE_ONE, "/policies/a1%2Fb/slash", 403),
        (BOTH, "/policies/a1/b%2Fslash", 404),
        (BOTH, "/policies/a1%2Fb/slash", 200),
    ] {
        for method in ["GET", "PUT"] {
            let request = (method, path);
            let answer = scene.ask(access(), (HERE, token), request, module.clone());
            let (status, text) = answer.await;
            assert_eq!(status, expected, "{method} {path}: {text}");
        }
    }
}

/// Each way and each result, done or not, is one line, which is there when the answer is.
#[tokio::test]
async fn changes_and_refusals_are_noted_with_who_and_how() {
    use ChangesFrom::{Any, Known, Loopback, Off};
    let scene = Scene::new();
    let (one, two) = ("/policies/a1/one", "/policies/a2/two");
    let back = "/policies/a1/one/rollback";
    let own = format!("uid {}", rustix::process::geteuid().as_raw());
    let (own, far) = (own.as_str(), "192.0.2.7:5");
    let (good, again) = (always(&[1, 0]), always(&[0, 1]));
    for (changes, peer, token, method, path, body, status, expected) in [
        (
            Known,
            own,
            "",
            "PUT",
            one,
            &good,
            200,
            format!("{own}|socket|upload|a1/one|done"),
        ),
        (
            Known,
            own,
            BOTH,
            "POST",
            back,
            &good,
            200,
            "token all|socket+token|rollback|a1/one|done".into(),
        ),
        (
            Known,
            far,
            CHANGE_ONE,
            "PUT",
            one,
            &again,
            200,
            "token change-one|tcp+token|upload|a1/one|done".into(),
        ),
        (
            Known,
            HERE,
            CHANGE_ONE,
            "DELETE",
            one,
            &good,
            200,
            "token change-one|tcp+token|restore|a1/one|done".into(),
        ),
        (
            Loopback,
            HERE,
            "",
            "PUT",
            one,
            &good,
            200,
            format!("{HERE}|loopback|upload|a1/one|done"),
        ),
        (
            Any,
            far,
            "",
            "DELETE",
            two,
            &good,
            200,
            format!("{far}|tcp|restore|a2/two|done"),
        ),
        (
            Loopback,
            HERE,
            "",
            "PUT",
            one,
            &"no".to_owned(),
            422,
            format!("{HERE}|loopback|upload|a1/one|failed"),
        ),
        (
            Known,
            HERE,
            CHANGE_ONE,
            "PUT",
            two,
            &good,
            403,
            "token change-one|tcp+token|upload|a2/two|refused".into(),
        ),
        (
            Known,
            HERE,
            ONE,
            "POST",
            back,
            &good,
            403,
            "token one|tcp+token|rollback|a1/one|refused".into(),
        ),
        (
            Known,
            HERE,
            "nonsense",
            "PUT",
            one,
            &good,
            401,
            format!("{HERE}|tcp+token|upload|a1/one|refused"),
        ),
        (
            Known,
            HERE,
            "",
            "DELETE",
            one,
            &good,
            401,
            format!("{HERE}|loopback|restore|a1/one|refused"),
        ),
        (
            Off,
            own,
            "",
            "PUT",
            one,
            &good,
            403,
            format!("{own}|socket|upload|a1/one|refused"),
        ),
        (
            Known,
            own,
            "",
            "PUT",
            "/policies/a1/none",
            &good,
            404,
            format!("{own}|socket|upload|a1/none|refused"),
        ),
    ] {
        let before = lines(&scene.log()).len();
        let access = scene.access(changes, SeenBy::All);
        let answer = scene.ask(access, (peer, token), (method, path), body.clone());
        let (answered, text) = answer.await;
        assert_eq!(answered, status, "{expected}: {text}");
        let new = lines(&scene.log()).split_off(before);
        let line = new.first().unwrap();
        let shown = ["who", "way", "action", "policy", "result"];
        let shown = shown.map(|key| line[key].as_str().unwrap()).join("|");
        assert_eq!((shown, new.len()), (expected, 1), "{line}");
        let why = line["why"].as_str().map(str::trim);
        assert_eq!(why, (status != 200).then_some(text.trim()), "{line}");
    }
    // Reading is no change, whatever is asked for.
    let before = lines(&scene.log()).len();
    scene.get(SeenBy::Token, "", "/policies/a1/one").await;
    scene.get(SeenBy::Token, "nonsense", "/policies").await;
    assert_eq!(lines(&scene.log()).len(), before);
}

#[test]
fn prometheus_gets_text_and_others_json() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                      text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for text in [prometheus, "text/plain", "Text/Plain, */*"] {
        assert!(wants_text(text), "{text}");
    }
    let browser = "text/html,application/xml;q=0.9,*/*;q=0.8";
    let library = "application/json, text/plain, */*";
    for json in ["", "*/*", browser, library, "text/plain;q=0.1, */*"] {
        assert!(!wants_text(json), "{json}");
    }
}
