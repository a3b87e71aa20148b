//! What ghosts and rooms are called, shown as soon as it is news.
//!
//! Knows whether a ghost is shown anywhere. Refuses to know what somebody is called: the core says so.

use std::sync::Arc;

use crate::bridge::event::Ghost;
use crate::bridge::ids::{LoginId, PortalKey};
use crate::matrix::profile::{GhostIds, GhostProfiles, PresencePublisher};
use crate::matrix::room::{PortalRooms, RoomRegistry};

/// Shows new names.
pub(crate) struct NamePublisher {
    pub(crate) ids: Arc<GhostIds>,
    pub(crate) presence: Arc<PresencePublisher>,
    pub(crate) profiles: Arc<GhostProfiles>,
    pub(crate) registry: Arc<RoomRegistry>,
    pub(crate) rooms: Arc<PortalRooms>,
}

impl NamePublisher {
    /// A contact is called otherwise now. What cannot be shown now is shown with their next words.
    pub(crate) async fn show(&self, login: &LoginId, ghost: Ghost, titles: Vec<(PortalKey, String)>) {
        let Ok(user) = self.ids.user(login, &ghost.id) else { return };
        self.presence.rename(&user, &ghost.name);
        self.profiles.learn_name(&user, &ghost.name);
        let is_shown = self.profiles.is_named(&user) || !self.registry.rooms_of(&user).is_empty();
        if is_shown && let Err(error) = self.profiles.ensure(login, &ghost).await {
            tracing::info!(%error, ghost = %ghost.id, "a name was not shown");
        }
        for (portal, title) in titles {
            if let Err(error) = self.rooms.rename(&portal, &title).await {
                tracing::info!(%error, %portal, "a title was not shown");
            }
        }
    }
}
