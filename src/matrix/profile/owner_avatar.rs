//! What owners look like, brought to the disk for the network.
//!
//! Knows which picture of an owner was seen last. Refuses to know what becomes of it. Source: profiles of the client-server
//! API, and the membership events that carry them.

use std::sync::Arc;

use ruma::api::client::profile::get_profile_field;
use ruma::profile::ProfileFieldName;
use ruma::{OwnedUserId, UserId};

use crate::bridge::body::Attachment;
use crate::bridge::ids::UserId as BridgeUser;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::media::File;
use crate::matrix::cache::Cache;
use crate::matrix::homeserver::{Failures, Homeserver, MatrixError, MediaClient, ask_as};

/// Owners whose picture is known. For one who is evicted the next change is not noticed, only the one after it, or the next
/// request for the picture.
const MAX_KNOWN: usize = 10_000;

/// Pictures of owners.
pub(crate) struct OwnerAvatars {
    homeserver: Homeserver,
    media: Arc<MediaClient>,
    /// The address of each owner's picture; empty for none.
    seen: Cache<OwnedUserId, String>,
}

impl OwnerAvatars {
    pub(crate) fn new(homeserver: Homeserver, media: Arc<MediaClient>) -> Self {
        Self { homeserver, media, seen: Cache::new(MAX_KNOWN) }
    }

    /// Whether a picture differs from the one that its owner was seen with last: told once, not for each of their rooms.
    pub(crate) fn is_news(&self, user: &UserId, picture: &str) -> bool {
        self.seen.insert(user.to_owned(), picture.to_owned()).is_some_and(|before| before != picture)
    }

    /// Brings the picture of a user to the disk; `None` where they have none.
    ///
    /// # Errors
    /// The homeserver is not available, or does not have the picture any more.
    pub(crate) async fn fetch(&self, user: &BridgeUser) -> Result<Option<File>, DeliveryError> {
        let Ok(user) = UserId::parse(user.as_str()) else { return Ok(None) };
        let request = get_profile_field::v3::Request::new(user.clone(), ProfileFieldName::AvatarUrl);
        let source = match ask_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(answer) => answer.text("avatar_url").unwrap_or_default(),
            // No profile, or none that is shown.
            Err(MatrixError::Refused { .. }) => String::new(),
            Err(error) => return Err(error.into()),
        };
        self.seen.insert(user, source.clone());
        if source.is_empty() {
            return Ok(None);
        }
        let attachment = Attachment { source, name: "picture".into(), caption: None };
        self.media.download(&attachment, Failures::Ignore).await.map(Some)
    }
}
