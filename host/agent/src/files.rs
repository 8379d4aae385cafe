//! The limit of open files. The soft one is for programs that cannot deal with many; the hard one is
//! what the operator allows, so it is used, as Java does.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit as far as it may be, and says what came of it.
pub(crate) fn raise_limit() {
    let before = getrlimit(Resource::Nofile);
    let mut wanted = before;
    wanted.current = before.maximum;
    if before.current == before.maximum {
        return;
    }
    let (from, to) = (shown(before.current), shown(before.maximum));
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => tracing::debug!(from, to, "the limit of open files was raised"),
        Err(error) => {
            tracing::warn!(from, to, %error, "the limit of open files cannot be raised");
        }
    }
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}
