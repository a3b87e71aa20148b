//! People as whom the bridge may act: what they say in another client of the network is theirs, and they need not accept
//! an invitation to what is made for them.
//!
//! Knows whom the homeserver lets us act as, which it is asked once. Refuses to know with which token that is done.

use ruma::{OwnedUserId, UserId};

use crate::matrix::cache::Cache;
use crate::matrix::homeserver::{Homeserver, MatrixError};

/// People of whom it is known whether we may act as them. One who is evicted costs a request.
const MAX_KNOWN: usize = 10_000;

/// Whom we may act as.
pub(crate) struct DoublePuppets {
    homeserver: Homeserver,
    known: Cache<OwnedUserId, bool>,
}

impl DoublePuppets {
    pub(crate) fn new(homeserver: Homeserver) -> Self {
        Self { homeserver, known: Cache::new(MAX_KNOWN) }
    }

    /// Whether the homeserver lets us act as a person.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn may_act_as(&self, user: &UserId) -> Result<bool, MatrixError> {
        if let Some(known) = self.known.get(user) {
            return Ok(known);
        }
        let allowed = match self.homeserver.whoami(user).await {
            // A token of the configuration may be another person's.
            Ok(actually) => actually == *user,
            Err(MatrixError::Refused { .. }) => false,
            Err(error) => return Err(error),
        };
        tracing::debug!(%user, allowed, "may they be acted as");
        self.known.insert(user.to_owned(), allowed);
        Ok(allowed)
    }

    /// Something was refused to them: whether we may act as them is asked again.
    pub(crate) fn forget(&self, user: &UserId) {
        self.known.remove(user);
    }
}

#[cfg(test)]
mod tests {
    use ruma::user_id;
    use serde_json::json;

    use super::*;
    use crate::matrix::testkit::{self, ANN, FakeHomeserver};

    async fn puppets(server: &FakeHomeserver) -> DoublePuppets {
        DoublePuppets::new(Homeserver::new(&testkit::config(&server.url())).await.unwrap())
    }

    #[tokio::test]
    async fn a_person_is_acted_as_where_the_homeserver_takes_us_for_them_and_asked_about_once() {
        let server = FakeHomeserver::start().await;
        let (puppets, ann) = (puppets(&server).await, user_id!("@ann:test.localhost"));
        server.answers("/whoami", 200, json!({"user_id": ANN}));
        for _ in 0..2 {
            assert!(puppets.may_act_as(ann).await.unwrap());
        }
        assert_eq!(server.asked().len(), 1);
        server.refuses("/whoami", 403, "M_FORBIDDEN");
        puppets.forget(ann);
        assert!(!puppets.may_act_as(ann).await.unwrap());
    }

    #[tokio::test]
    async fn a_token_that_is_somebody_elses_or_unknown_lets_us_act_as_nobody() {
        let server = FakeHomeserver::start().await;
        let (puppets, ann) = (puppets(&server).await, user_id!("@ann:test.localhost"));
        server.answers("/whoami", 200, json!({"user_id": "@eve:test.localhost"}));
        assert!(!puppets.may_act_as(ann).await.unwrap());
    }
}
