//! Under which names the admin port answers: protection against DNS rebinding.
//!
//! Any web page can have its own name point to 127.0.0.1, and then read this port through the
//! browser of whoever looks at the page. What gives it away is the name in the request's `Host`.
//!
//! | the port is bound to | reading | changes |
//! |---|---|---|
//! | loopback | addresses and `localhost` | the same |
//! | another address | any name: that of a load balancer or a scrape target cannot be known | addresses and `localhost` |
//! | all, by Flume's keys of monitoring | this machine as on loopback, others `/metrics` alone, under any name | as on loopback |
//!
//! A request without `Host` (HTTP/1.0, as some health checks send it) comes from no browser.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::Refusal;
use super::connections::Peer;

/// What to do about a refusal.
pub(super) const USE_ADDRESS: &str =
    "use an IP address or `localhost` in the URL (protection against DNS rebinding)";

/// Which names a request may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Addresses, and `localhost`.
    Addresses,
    /// All.
    Any,
    /// Addresses and `localhost` from this machine; from others all, for Flume's page alone.
    FlumesPage,
}

/// What others are told who ask for another page.
const ONLY_METRICS: &str =
    "other machines see /metrics alone; `--admin ADDR:PORT` shows all pages on that address";

impl Names {
    /// Those for reading, on a port that is bound to this address.
    pub(super) fn on(address: IpAddr) -> Self {
        match address.to_canonical().is_loopback() {
            true => Self::Addresses,
            false => Self::Any,
        }
    }
}

/// Lets through requests under the names that are accepted.
pub(super) async fn guard(State(names): State<Names>, request: Request, next: Next) -> Response {
    let names = match names {
        Names::FlumesPage if is_of_this_machine(&request) => Names::Addresses,
        Names::FlumesPage if request.uri().path() == "/metrics" => Names::Any,
        Names::FlumesPage => {
            return Refusal::forbidden(ONLY_METRICS).into_response();
        }
        names => names,
    };
    let of_target = request.uri().authority().map(Authority::as_str);
    let is_foreign =
        of_target.is_some_and(|host| !is_address(host)) || names_other(request.headers());
    if names == Names::Addresses && is_foreign {
        return Refusal::forbidden(USE_ADDRESS).into_response();
    }
    next.run(request).await
}

/// Whether a request was sent on this machine. Who cannot be told is not.
fn is_of_this_machine(request: &Request) -> bool {
    match request.extensions().get() {
        Some(Peer::Tcp(peer)) => peer.ip().to_canonical().is_loopback(),
        Some(Peer::Local(_)) => true,
        None => false,
    }
}

/// Whether a `Host` header, if there is any, needs a name lookup.
fn names_other(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    hosts.any(|host| !host.to_str().is_ok_and(is_address))
}

/// Whether a `Host` header needs no name lookup.
pub(super) fn is_address(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    async fn status(bound: &str, uri: &str, hosts: &[&str]) -> u16 {
        let names = Names::on(bound.parse().unwrap());
        let pages = Router::new()
            .route("/livez", get(|| async { "ok" }))
            .layer(middleware::from_fn_with_state(names, guard));
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        let request = request.body(Body::empty()).unwrap();
        pages.oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn a_port_on_loopback_answers_to_addresses() {
        for host in [
            "127.0.0.1:41414",
            "localhost",
            "LocalHost:1",
            "[::1]:41414",
            "10.0.0.7:80",
        ] {
            assert_eq!(status("127.0.0.1", "/livez", &[host]).await, 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:41414",
            "127.0.0.1.evil.example",
            "",
            "a b",
        ] {
            for bound in ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"] {
                assert_eq!(status(bound, "/livez", &[host]).await, 403, "{host}");
            }
        }
        // The names that the request gives otherwise.
        let two = ["127.0.0.1", "evil.example"];
        assert_eq!(status("127.0.0.1", "/livez", &two).await, 403);
        let whole = "http://evil.example/livez";
        assert_eq!(status("127.0.0.1", whole, &["127.0.0.1"]).await, 403);
        // No browser.
        assert_eq!(status("127.0.0.1", "/livez", &[]).await, 200);
    }

    /// Flume's page is for all machines, as in Flume, and every other one for this machine.
    #[tokio::test]
    async fn flumes_page_is_for_all_and_the_others_for_this_machine() {
        let pages = Router::new()
            .route("/metrics", get(|| async { "{}" }))
            .route("/config", get(|| async { "{}" }))
            .layer(middleware::from_fn_with_state(Names::FlumesPage, guard));
        for (peer, path, host, expected) in [
            ("127.0.0.1:5", "/config", "localhost:41414", 200),
            ("[::ffff:127.0.0.1]:5", "/metrics", "127.0.0.1", 200),
            ("127.0.0.1:5", "/config", "evil.example", 403),
            ("127.0.0.1:5", "/metrics", "evil.example", 403),
            ("10.0.0.7:5", "/metrics", "flume.example:41414", 200),
            ("10.0.0.7:5", "/config", "10.0.0.8:41414", 403),
            ("10.0.0.7:5", "/metrics/../config", "10.0.0.8:41414", 403),
        ] {
            let peer = Peer::Tcp(peer.parse().unwrap());
            let request = Request::builder().uri(path).header("host", host);
            let request = request.extension(peer);
            let request = request.body(Body::empty()).unwrap();
            let status = pages.clone().oneshot(request).await.unwrap().status();
            assert_eq!(status.as_u16(), expected, "{peer} {path} {host}");
        }
        // Whose peer is not known is somebody else.
        let request = Request::builder()
            .uri("/config")
            .body(Body::empty())
            .unwrap();
        assert_eq!(pages.oneshot(request).await.unwrap().status().as_u16(), 403);
    }

    #[tokio::test]
    async fn a_port_for_others_answers_to_the_names_that_they_use() {
        for bound in ["0.0.0.0", "::", "10.0.0.7"] {
            assert_eq!(status(bound, "/livez", &["flume.example:41414"]).await, 200);
        }
    }
}
