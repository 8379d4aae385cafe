//! The one answer to what may not be done, or cannot be: a status, and words that name the remedy.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why a request is not answered. It stays with its answer, for those who note what was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    /// Whether it is in the audit log already.
    is_noted: bool,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: &str) -> Self {
        Self {
            status,
            text: text.to_owned(),
            is_noted: false,
        }
    }

    /// The same, of something that is in the audit log already.
    pub(crate) fn noted(self) -> Self {
        Self {
            is_noted: true,
            ..self
        }
    }

    /// Whoever it is may not.
    pub(crate) fn forbidden(text: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    /// It is not known who it is; a token would help.
    pub(crate) fn unknown(text: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = (self.status, format!("{}\n", self.text)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Bearer realm=\"flume-host\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        }
        if !self.is_noted {
            answer.extensions_mut().insert(self);
        }
        answer
    }
}
