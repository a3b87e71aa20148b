//! Which version new rooms have.
//!
//! Knows what the homeserver makes rooms of by itself, which it is asked once until it restarts; and that from version 12 on
//! a creator has no level. Refuses to wish for another. Source: capabilities of the client-server API; room version 12.

use std::sync::{Mutex, PoisonError};

use ruma::RoomVersionId;
use ruma::api::client::discovery::get_capabilities;

use crate::matrix::homeserver::{Homeserver, MatrixError, send_as};

/// The first version in which creators stand above all levels.
const CREATORS_ABOVE_LEVELS: u32 = 12;

/// Whether the level of a creator is among those of users.
pub(crate) fn creators_have_levels(version: &RoomVersionId) -> bool {
    match version.as_str().parse::<u32>() {
        Ok(number) => number < CREATORS_ABOVE_LEVELS,
        // Versions that are tried out have names; this is what the twelfth was called then.
        Err(_) => !version.as_str().contains("hydra"),
    }
}

/// The version of new rooms.
pub(crate) struct RoomVersions {
    homeserver: Homeserver,
    /// As of so many returns of the homeserver: another program may have come back.
    known: Mutex<Option<(u64, RoomVersionId)>>,
}

impl RoomVersions {
    pub(crate) fn new(homeserver: Homeserver) -> Self {
        Self { homeserver, known: Mutex::new(None) }
    }

    /// The version that the homeserver gives new rooms by itself.
    ///
    /// # Errors
    /// The homeserver is not available; refused where it does not say.
    pub(crate) async fn default(&self) -> Result<RoomVersionId, MatrixError> {
        let returns = self.homeserver.returns();
        // Nothing that holds the lock panics.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((as_of, version)) = known.filter(|(as_of, _)| *as_of == returns) {
            tracing::trace!(as_of, %version, "the version of new rooms is known");
            return Ok(version);
        }
        let request = get_capabilities::v3::Request::new();
        let capabilities = send_as!(self.homeserver, self.homeserver.bot(), request)?.capabilities;
        let version = capabilities.room_versions.default;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((returns, version.clone()));
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_version_12_on_a_creator_is_not_among_the_users_with_levels() {
        for (version, expected) in [
            ("1", true),
            ("10", true),
            ("11", true),
            ("12", false),
            ("13", false),
            ("org.matrix.hydra.11", false),
        ] {
            assert_eq!(creators_have_levels(&version.try_into().unwrap()), expected, "{version}");
        }
    }
}
