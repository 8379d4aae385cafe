//! The pages without a socket: who may do what, and the answers.

use axum::body::to_bytes;
use axum::http::{Method, Request};
use bytes::Bytes;
use flume_core::{SinkSelector as _, clock};
use flume_policy::PolicySelector;
use futures_util::{StreamExt as _, stream};
use tower::ServiceExt as _;

use super::super::access::{Access, ChangesFrom, SeenBy};
use super::super::connections::Peer;
use super::super::names::Names;
use super::super::{AdminView, router};
use super::*;
use crate::metrics::{self, ProcessView, flume_json, prometheus};
use crate::policies::testing::{Folder, always, attacked, in_a1, policies, seat, turncoat};
use crate::reloads::Reloads;

const HERE: &str = "127.0.0.1:50000";

/// A group of three sinks with a policy that tries the first of them first.
struct Scene {
    folder: Folder,
    policies: Policies,
    selector: PolicySelector,
}

impl Scene {
    fn new() -> Self {
        let (folder, policies) = (Folder::new(), policies());
        let path = folder.file("one.wat", &always(&[0]));
        let selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
        Self {
            folder,
            policies,
            selector,
        }
    }

    fn first(&mut self) -> usize {
        self.selector.order(clock::now())[0]
    }

    async fn ask(&self, method: &str, path: &str, body: impl Into<Body>) -> (u16, String) {
        let headers = [("host", "localhost:41414")];
        let from = ChangesFrom::Loopback;
        self.ask_as(from, HERE, &headers, method, path, body).await
    }

    async fn ask_as(
        &self,
        from: ChangesFrom,
        peer: &str,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: impl Into<Body>,
    ) -> (u16, String) {
        let peer = Peer::Tcp(peer.parse().unwrap());
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .extension(peer);
        for (key, value) in headers {
            request = request.header(*key, *value);
        }
        let request = request.body(body.into()).unwrap();
        let access = Access::new(from, SeenBy::All, None).unwrap();
        let view = AdminView::new(
            self.policies.clone(),
            crate::testing::services(0).components.memory,
            Reloads::default(),
        );
        let pages = router(view, access, Names::Any);
        let answer = pages.oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn a_report_says_what_runs_and_where() {
    let scene = Scene::new();
    let (status, text) = scene.ask("GET", "/policies", "").await;
    assert_eq!(status, 200);
    let all: Value = serde_json::from_str(&text).unwrap();
    let one = &all["a1/one"];
    assert_eq!(
        one["file"],
        scene.folder.path("one.wat").display().to_string()
    );
    assert_eq!(one["kind"], "a sink selector");
    assert_eq!(one["generation"], 1);
    assert_eq!(one["seats"][0]["place"], "g1");
    assert_eq!(one["seats"][0]["state"], "running");
    assert_eq!(one["violations"], json!({}));
    assert!(
        one["cpu-seconds"].as_f64().unwrap() > 0.0,
        "the trial counts"
    );
    let (status, text) = scene.ask("GET", "/policies/a1/one", "").await;
    assert_eq!(status, 200);
    let alone: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(alone["digest"], one["digest"]);
    assert_eq!(scene.ask("GET", "/policies/a1/two", "").await.0, 404);
}

#[tokio::test]
async fn a_module_is_put_taken_back_and_dropped() {
    let mut scene = Scene::new();
    let (status, text) = scene.ask("PUT", "/policies/a1/one", always(&[1, 0])).await;
    assert_eq!(status, 200, "{text}");
    assert!(
        text.contains("bytes: "),
        "it says what is different: {text}"
    );
    assert!(text.contains("one.wat is unchanged"), "{text}");
    assert_eq!(scene.first(), 1);
    assert_eq!(
        scene.ask("POST", "/policies/a1/one/rollback", "").await.0,
        200
    );
    assert_eq!(scene.first(), 0);
    let (status, text) = scene.ask("POST", "/policies/a1/one/rollback", "").await;
    assert_eq!(status, 409, "{text}");
    assert_eq!(
        scene.ask("PUT", "/policies/a1/one", always(&[2])).await.0,
        200
    );
    assert_eq!(scene.first(), 2);
    assert_eq!(scene.ask("DELETE", "/policies/a1/one", "").await.0, 200);
    assert_eq!(scene.first(), 0);
}

/// The numbers are in both formats, violations by kind.
#[tokio::test]
async fn metrics_count_for_each_policy() {
    let mut scene = Scene::new();
    let (status, _) = scene
        .ask("PUT", "/policies/a1/one", turncoat(&[0], &[7]))
        .await;
    assert_eq!(status, 200);
    let first = attacked(&mut scene.selector);
    assert_eq!(first, 0, "the fallback answers");
    let samples = metrics::collect(
        &[],
        &scene.policies.reports(),
        Some(&ProcessView::default()),
    );
    let json = flume_json::render(&samples);
    let one = &json["POLICY.one"];
    for (attribute, count) in [
        ("SwapCount", "1"),
        ("ViolationCount", "1"),
        ("ViolationCount.order-out-of-range", "1"),
        ("ViolationCount.trap", "0"),
        ("RunningSeats", "0"),
        ("RestingSeats", "1"),
        ("Generation", "2"),
    ] {
        assert_eq!(one[attribute], count, "{attribute} in {json}");
    }
    let text = prometheus::render(samples).unwrap();
    for line in [
        r#"flume_policy_swap_total{agent="a1",name="one"} 1"#,
        r#"flume_policy_resting_seats{agent="a1",name="one"} 1"#,
        r#"flume_policy_violation_total{agent="a1",name="one",kind="order-out-of-range"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[tokio::test]
async fn what_cannot_run_is_refused_with_its_reason() {
    let mut scene = Scene::new();
    for (body, words) in [
        ("", "not a WebAssembly module"),
        ("(module)", "exports nothing"),
        (&always(&[3]), "order-out-of-range"),
    ] {
        let (status, text) = scene.ask("PUT", "/policies/a1/one", body.to_owned()).await;
        assert_eq!(status, 422, "{text}");
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(scene.first(), 0);
    let (status, _) = scene.ask("PUT", "/policies/a1/two", always(&[1])).await;
    assert_eq!(status, 404);
    let large = vec![0; MOST_BYTES + 1];
    assert_eq!(scene.ask("PUT", "/policies/a1/one", large).await.0, 413);
}

#[tokio::test]
async fn only_so_many_changes_wait() {
    let scene = Scene::new();
    let turns = [(), ()].map(|()| scene.policies.turn("a1/one").unwrap());
    let (status, _) = scene.ask("PUT", "/policies/a1/one", always(&[1])).await;
    assert_eq!(status, 503);
    drop(turns);
    let (status, _) = scene.ask("PUT", "/policies/a1/one", always(&[1])).await;
    assert_eq!(status, 200);
}

/// A form of an old browser tells no origin. Programs that send a kind of content with an upload are
/// no forms, and neither are those that send none.
#[tokio::test]
async fn a_form_changes_nothing() {
    let scene = Scene::new();
    let host = ("host", "127.0.0.1:41414");
    let rollback = "/policies/a1/one/rollback";
    for (kind, method, path, is_form) in [
        ("application/x-www-form-urlencoded", "POST", rollback, true),
        ("multipart/form-data; boundary=x", "POST", rollback, true),
        ("Text/Plain", "POST", rollback, true),
        ("application/wasm", "POST", rollback, false),
        (
            "text/plain; charset=utf-8",
            "PUT",
            "/policies/a1/one",
            false,
        ),
    ] {
        let headers = [host, ("content-type", kind)];
        let answer = scene.ask_as(ChangesFrom::Loopback, HERE, &headers, method, path, "x");
        let (status, text) = answer.await;
        assert_eq!(status == 403, is_form, "{kind}: {status} {text}");
    }
}

/// Each policy has a turn; what is on the way for one agent, and for all, is bounded all the same.
#[tokio::test]
async fn modules_on_their_way_are_bounded_together() {
    let scene = Scene::new();
    let room = |agent: &str, bytes| scene.policies.room(agent, bytes);
    let upload = || scene.ask("PUT", "/policies/a1/one", always(&[1]));
    let first = room("a1", OWN_ROOM).unwrap();
    // Nearly all that one agent may have; another one has as much.
    let own = room("a1", MOST_OF_ONE - (1 << 10)).unwrap();
    let (status, text) = upload().await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("are on their way"), "{text}");
    let other = room("a2", MOST_OF_ONE).unwrap();
    drop(own);
    assert_eq!(upload().await.0, 200);
    // Nearly all that there is.
    let third = room("a3", MOST_ARRIVING - MOST_OF_ONE - (1 << 10)).unwrap();
    let (status, text) = upload().await;
    assert_eq!(status, 503, "{text}");
    drop((first, other, third));
    for _ in 0..3 {
        let (status, text) = upload().await;
        assert_eq!(status, 200, "{text}");
    }
    let all = ["a1", "a2"].map(|agent| [OWN_ROOM, MOST_OF_ONE].map(|bytes| room(agent, bytes)));
    assert!(
        all.iter().flatten().all(Option::is_some),
        "all is given back"
    );
}

/// However many agents fill the room of all, one module of each other agent has a room.
#[tokio::test]
async fn no_agents_uploads_keep_out_the_first_one_of_another() {
    let scene = Scene::new();
    let room = |agent: &str, bytes| scene.policies.room(agent, bytes);
    let all_it_gets = |agent| std::iter::from_fn(move || room(agent, 1 << 20));
    let hostile: Vec<_> = ["a2", "a3", "a4"]
        .into_iter()
        .flat_map(all_it_gets)
        .collect();
    assert!(
        room("a1", OWN_ROOM + 1).is_none(),
        "the room of all is full"
    );
    let module = always(&[1]);
    let length = module.len().to_string();
    let headers = [("host", "localhost"), ("content-length", &length)];
    for _ in 0..3 {
        let (from, to) = (ChangesFrom::Loopback, "/policies/a1/one");
        let upload = scene.ask_as(from, HERE, &headers, "PUT", to, module.clone());
        let (status, text) = upload.await;
        assert_eq!(status, 200, "{text}");
    }
    let first = room("a1", OWN_ROOM).unwrap();
    assert!(
        room("a1", 1).is_none(),
        "a second one has no room of its own"
    );
    drop((hostile, first));
    assert!(room("a1", MOST_OF_ONE).is_some());
}

/// A client that sends a byte now and then keeps neither the policy's turn nor the room for modules.
#[tokio::test(start_paused = true)]
async fn a_module_that_comes_too_slowly_gives_its_place_back() {
    let mut scene = Scene::new();
    let byte = |_| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        std::io::Result::Ok(Bytes::from_static(b"x"))
    };
    let drip = || Body::from_stream(stream::iter(0..1_000).then(byte));
    let (first, second) = tokio::join!(
        scene.ask("PUT", "/policies/a1/one", drip()),
        scene.ask("PUT", "/policies/a1/one", drip()),
    );
    // Without a length, room is kept for the largest.
    assert_eq!((first.0, second.0), (408, 503), "{first:?} {second:?}");
    assert!(first.1.contains("at least 16 KiB a second"), "{first:?}");
    assert_eq!(scene.first(), 0);
    assert!(scene.policies.room("a1", MOST_OF_ONE).is_some());
    assert!(
        [(), ()]
            .map(|()| scene.policies.turn("a1/one"))
            .iter()
            .all(Result::is_ok)
    );
    let (status, text) = scene.ask("PUT", "/policies/a1/one", always(&[1])).await;
    assert_eq!(status, 200, "{text}");
}

/// Any web page can make its reader's browser send requests here, in several ways. A port that
/// others can reach accepts changes from this machine only, unless the operator says otherwise.
#[tokio::test]
async fn changes_are_not_taken_from_everybody() {
    use ChangesFrom::{Any, Known, Loopback, Off};
    let mut scene = Scene::new();
    let host = ("host", "127.0.0.1:41414");
    let far = "192.0.2.7:50000";
    let rollback = "/policies/a1/one/rollback";
    for (from, peer, headers, allowed) in [
        (Loopback, HERE, vec![host], true),
        (Loopback, "[::1]:5", vec![("host", "[::1]:41414")], true),
        (
            Loopback,
            "[::ffff:127.0.0.1]:5",
            vec![("host", "LocalHost")],
            true,
        ),
        (Loopback, far, vec![host], false),
        (Any, far, vec![("host", "192.0.2.1:41414")], true),
        (Off, HERE, vec![host], false),
        (Known, HERE, vec![host], false),
        (Known, far, vec![host], false),
        (
            Loopback,
            HERE,
            vec![host, ("origin", "http://evil.example")],
            false,
        ),
        (Loopback, HERE, vec![host, ("origin", "null")], false),
        (
            Any,
            HERE,
            vec![host, ("origin", "http://127.0.0.1:41414")],
            false,
        ),
        (
            Loopback,
            HERE,
            vec![host, ("sec-fetch-site", "cross-site")],
            false,
        ),
        (Loopback, HERE, vec![("host", "evil.example:41414")], false),
        (
            Loopback,
            HERE,
            vec![("host", "localhost.evil.example")],
            false,
        ),
        (Any, HERE, vec![("host", "evil.example")], false),
        (Loopback, HERE, vec![], false),
        (
            Loopback,
            HERE,
            vec![host, ("x-forwarded-for", "192.0.2.7")],
            false,
        ),
        (
            Loopback,
            HERE,
            vec![host, ("forwarded", "for=192.0.2.7")],
            false,
        ),
        (Loopback, HERE, vec![host, ("via", "1.1 proxy")], false),
        (Any, HERE, vec![host, ("via", "1.1 proxy")], true),
    ] {
        let what = format!("{from:?} {peer} {headers:?}");
        for (method, path) in [
            ("PUT", "/policies/a1/one"),
            ("DELETE", "/policies/a1/one"),
            ("POST", rollback),
        ] {
            let answer = scene.ask_as(from, peer, &headers, method, path, "x");
            let (status, text) = answer.await;
            assert_eq!(status != 403, allowed, "{what} {method}: {status} {text}");
        }
        let answer = scene.ask_as(from, peer, &headers, "GET", "/policies", "");
        assert_eq!(answer.await.0, 200, "{what}: reports are for all");
        assert_eq!(scene.first(), 0, "{what}");
    }
}
