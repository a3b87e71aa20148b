//! Ordinary rooms that become those of conversations, because their people say so.
//!
//! Knows which rooms can be taken over. Refuses to move a portal: the rooms do. Source: section 2 of the product's
//! description.

use std::sync::Arc;

use ruma::RoomId;

use super::levels::RoomLevels;
use super::portal::PortalRooms;
use super::registry::RoomRegistry;
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::{DeliveryError, Display};

const TAKEN: &str = "that room has its purpose already; invite me into another";
const POWERLESS: &str = "I may not invite and name there; make me a moderator of the room, and say it again";

/// Takes rooms over.
pub(crate) struct RoomAdoption {
    pub(crate) rooms: Arc<PortalRooms>,
    pub(crate) levels: Arc<RoomLevels>,
    pub(crate) registry: Arc<RoomRegistry>,
}

impl RoomAdoption {
    /// The room of this name becomes that of a portal.
    ///
    /// # Errors
    /// Permanent with a reason for people: it is another's, or the bot may not do there what it has to; transient where the
    /// homeserver is not available, or the store failed.
    pub(crate) async fn adopt(
        &self,
        portal: &PortalKey,
        display: Display,
        place: &str,
    ) -> Result<(), DeliveryError> {
        let room = RoomId::parse(place).map_err(|_| DeliveryError::permanent("that is no room"))?;
        if self.registry.portal_of(&room)?.is_some() {
            return Err(DeliveryError::permanent(TAKEN));
        }
        if self.levels.bot_is_powerless(&room).await? {
            return Err(DeliveryError::permanent(POWERLESS));
        }
        self.rooms.settle_in(portal, &display, &room).await
    }
}
