//! A contact's personal message as a field of their ghost's profile.
//!
//! Knows both names of the field, and whether the homeserver takes such fields: the first attempt finds that out. Refuses to
//! know what was set before. Source: MSC4426 (user status) over MSC4133 (fields of profiles).

use std::sync::atomic::{AtomicBool, Ordering};

use ruma::UserId;
use ruma::api::client::profile::{delete_profile_field, set_profile_field};
use ruma::profile::{ProfileFieldName, ProfileFieldValue};
use serde_json::json;

use crate::matrix::homeserver::{Homeserver, MatrixError, tell_as};

/// The field, as clients read it today and as it is to be called.
const NAMES: [&str; 2] = ["org.matrix.msc4426.status", "m.status"];
/// Stands before the words; clients show it where they have no room for those.
const SIGN: &str = "\u{1f4ac}";

/// Sets the field.
pub(crate) struct StatusFields {
    homeserver: Homeserver,
    is_off: AtomicBool,
}

impl StatusFields {
    pub(crate) fn new(homeserver: Homeserver, is_wanted: bool) -> Self {
        Self { homeserver, is_off: AtomicBool::new(!is_wanted) }
    }

    /// Whether fields are wanted and the homeserver takes them, as far as that is known.
    pub(crate) fn is_on(&self) -> bool {
        !self.is_off.load(Ordering::Relaxed)
    }

    /// Gives a ghost's profile these words, or none. A homeserver that takes no fields is not asked again.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn set(&self, user: &UserId, text: &str) -> Result<(), MatrixError> {
        for name in NAMES {
            match self.set_one(user, name, text).await {
                Ok(()) => {}
                Err(error @ (MatrixError::Refused { .. } | MatrixError::Missing { .. })) => {
                    tracing::info!(%error, "the homeserver takes no fields of profiles, setting none from now on");
                    self.is_off.store(true, Ordering::Relaxed);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn set_one(&self, user: &UserId, name: &str, text: &str) -> Result<(), MatrixError> {
        if text.is_empty() {
            let name = ProfileFieldName::from(name);
            let request = delete_profile_field::v3::Request::new(user.to_owned(), name);
            return tell_as!(self.homeserver, user, request);
        }
        let value = ProfileFieldValue::new(name, json!({"text": text, "emoji": SIGN}));
        let request = set_profile_field::v3::Request::new(user.to_owned(), value.map_err(MatrixError::own)?);
        tell_as!(self.homeserver, user, request)
    }
}

#[cfg(test)]
mod tests {
    use ruma::user_id;

    use super::*;
    use crate::matrix::testkit::{self, FakeHomeserver};

    async fn fields(server: &FakeHomeserver) -> StatusFields {
        let homeserver = Homeserver::new(&testkit::config(&server.url())).await.unwrap();
        StatusFields::new(homeserver, true)
    }

    #[tokio::test]
    async fn both_names_of_the_field_have_the_words_and_lose_them() {
        let server = FakeHomeserver::start().await;
        let (fields, bob) = (fields(&server).await, user_id!("@msn_bob:x"));
        fields.set(bob, "at work").await.unwrap();
        fields.set(bob, "").await.unwrap();
        let path = |method: &str, name: &str| format!("{method} /_matrix/client/v3/profile/{bob}/{name}");
        let asked = ["PUT", "DELETE"].map(|method| NAMES.map(|name| path(method, name))).concat();
        assert_eq!(server.asked(), asked);
        let status = json!({"text": "at work", "emoji": SIGN});
        assert_eq!(server.sent("/m.status")[0], json!({"m.status": status}));
    }

    #[tokio::test]
    async fn a_homeserver_without_fields_is_asked_once() {
        for (status, code) in [(404, "M_UNRECOGNIZED"), (403, "M_FORBIDDEN"), (400, "M_BAD_JSON")] {
            let server = FakeHomeserver::start().await;
            server.refuses("/profile/", status, code);
            let fields = fields(&server).await;
            fields.set(user_id!("@msn_bob:x"), "at work").await.unwrap();
            assert!(!fields.is_on(), "{code}");
            assert_eq!(server.asked().len(), 1, "{code}");
        }
        let server = FakeHomeserver::start().await;
        server.answers("/profile/", 502, json!("a proxy"));
        let fields = fields(&server).await;
        fields.set(user_id!("@msn_bob:x"), "at work").await.unwrap_err();
        assert!(fields.is_on(), "a homeserver that is away refuses nothing");
    }
}
