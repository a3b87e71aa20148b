//! Why a request comes to nothing, for the person who made it.
//!
//! Knows the words and the status of each reason. Refuses to know HTML.

use std::time::Duration;

use axum::http::StatusCode;

use crate::web::TooMany;

/// Why a request is not answered with what it asked for: a page, with its status.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
    pub(super) text: String,
    pub(super) wait: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        Self { status, title, text: text.into(), wait: None }
    }

    pub(super) fn not_signed_in() -> Self {
        let text =
            "This browser has no open session here. Say «login» to the bridge's bot: it answers with a link.";
        Self::new(StatusCode::UNAUTHORIZED, "Open a new link", text)
    }

    pub(super) fn foreign_form() -> Self {
        let text = "This form did not come from this page, so nothing was done. Open the page again and fill it in there.";
        Self::new(StatusCode::FORBIDDEN, "Nothing was done", text)
    }

    pub(super) fn stopped() -> Self {
        let text = "The bridge is stopping or starting. Try again in a minute.";
        Self {
            wait: Some(Duration::from_secs(60)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not now", text)
        }
    }
}

impl From<TooMany> for Refusal {
    fn from(TooMany { wait }: TooMany) -> Self {
        let minutes = wait.as_secs().div_ceil(60).max(1);
        let text = format!("There were too many attempts. Try again in {minutes} min.");
        Self { wait: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many attempts", text) }
    }
}
