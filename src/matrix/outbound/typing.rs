//! Who types, shown in rooms.
//!
//! Knows how long a homeserver is to show it. Refuses to try again: it is worth nothing later.

use std::sync::Arc;
use std::time::Duration;

use ruma::api::client::typing::create_typing_event::v3::{Request, Typing, TypingInfo};

use crate::bridge::event::Author;
use crate::bridge::ids::PortalKey;
use crate::matrix::homeserver::{Homeserver, tell_as};
use crate::matrix::profile::GhostProfiles;
use crate::matrix::room::{RoomMembers, RoomRegistry};

/// The network repeats its notice every few seconds; one that is not repeated is over after this.
const SHOWN: Duration = Duration::from_secs(6);

/// Shows that contacts are typing.
pub(crate) struct TypingPublisher {
    pub(crate) homeserver: Homeserver,
    pub(crate) registry: Arc<RoomRegistry>,
    pub(crate) profiles: Arc<GhostProfiles>,
    pub(crate) members: Arc<RoomMembers>,
}

impl TypingPublisher {
    /// Shows that a contact is typing.
    pub(crate) async fn show(&self, portal: &PortalKey, author: Author) {
        let (Ok(Some(room)), Author::Ghost(ghost)) = (self.registry.room_of(portal), author) else { return };
        let Ok(user) = self.profiles.ensure(&portal.receiver, &ghost).await else { return };
        if self.members.ensure_joined(&room, &user).await.is_err() {
            return;
        }
        let request = Request::new(user.clone(), room, Typing::Yes(TypingInfo::new(SHOWN)));
        if let Err(error) = tell_as!(self.homeserver, &user, request) {
            tracing::debug!(%error, "typing was not shown");
        }
    }
}
