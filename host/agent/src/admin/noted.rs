//! Notes the changes that were refused before they were tried: by those who may not make them, of
//! policies that are not there, too slow, or too many at once. What was tried is noted by the policies.

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

use super::access::{Caller, Refusal};
use crate::audit::{Action, Audit, Entry, Outcome};

/// Characters of a policy's name that are written: anybody can ask for any.
const MOST_NAME: usize = 200;

/// Hands a request on, and notes a refusal before its answer is sent.
pub(super) async fn note(State(audit): State<Audit>, request: Request, next: Next) -> Response {
    let asked = asked(request.method(), request.uri().path());
    let caller = request.extensions().get::<Caller>().cloned();
    let answer = next.run(request).await;
    let refusal = answer.extensions().get::<Refusal>().cloned();
    let (Some((action, policy)), Some(caller), Some(refusal)) = (asked, caller, refusal) else {
        return answer;
    };
    let noting = tokio::task::spawn_blocking(move || {
        audit.record(&Entry {
            by: caller.by(),
            action,
            policy: &policy,
            from: None,
            to: None,
            outcome: Outcome::Refused(&refusal.text),
        });
    });
    if let Err(error) = noting.await {
        tracing::error!(%error, "a refused change was not noted");
    }
    answer
}

/// The change that a request asks for, and the name of the policy as it is written there.
fn asked(method: &Method, path: &str) -> Option<(Action, String)> {
    let name = path.strip_prefix("/policies/")?;
    let (action, name) = match *method {
        Method::PUT => (Action::Upload, name),
        Method::DELETE => (Action::Restore, name),
        Method::POST => (Action::RollBack, name.strip_suffix("/rollback")?),
        _ => return None,
    };
    Some((action, name.chars().take(MOST_NAME).collect()))
}
