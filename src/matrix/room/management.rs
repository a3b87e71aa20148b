//! Where the bot and one person are among themselves: found, kept to, and given up when somebody else can read there.
//!
//! Knows that a room with a third person never becomes a management room, whoever invites the bot. Refuses to remember who
//! else can read there beyond a change of who is in the room: that is asked again. Source: section 2 of the product's
//! description.

use std::sync::Arc;

use ruma::api::client::state::get_state_events;
use ruma::{OwnedRoomId, RoomId, UserId};

use super::company::{Company, is_private};
use super::portal::PortalRooms;
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::{DeliveryError, Display};
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError, ask_as};
use crate::matrix::profile::GhostIds;

/// Rooms in which people talk to the bot.
pub(crate) struct ManagementRooms {
    homeserver: Homeserver,
    ids: Arc<GhostIds>,
    sender: Arc<EventSender>,
    portals: Arc<PortalRooms>,
    company: Company,
}

impl ManagementRooms {
    pub(crate) fn new(
        homeserver: Homeserver,
        ids: Arc<GhostIds>,
        sender: Arc<EventSender>,
        portals: Arc<PortalRooms>,
    ) -> Self {
        Self { homeserver, ids, sender, portals, company: Company::default() }
    }

    /// Whether nobody but the bot and `user` can read in a room.
    async fn is_private(&self, room: &RoomId, user: &UserId) -> Result<bool, MatrixError> {
        let asked = match self.company.of(room) {
            Ok(known) => return Ok(known),
            Err(asked) => asked,
        };
        let request = get_state_events::v3::Request::new(room.to_owned());
        let state = ask_as!(self.homeserver, self.homeserver.bot(), request)?.items_of_all();
        let is_ours = |user: &UserId| self.ids.is_ours(user);
        // A room whose state cannot be read is not private.
        let is_private =
            state.is_some_and(|state| is_private(state.iter().map(|event| event.raw()), user, is_ours));
        self.company.learn(room, is_private, asked);
        Ok(is_private)
    }

    /// The same; a room that the bot is not in any more is nobody's.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn is_there_alone(&self, room: &RoomId, user: &UserId) -> Result<bool, DeliveryError> {
        match self.is_private(room, user).await {
            Err(MatrixError::Refused { .. }) => Ok(false),
            answer => Ok(answer?),
        }
    }

    /// Who can read in a room has changed.
    pub(crate) fn company_changed(&self, room: &RoomId) {
        self.company.forget(room);
    }

    /// The room in which a user can be told something that is for them alone, made if there is none.
    ///
    /// # Errors
    /// As for [`PortalRooms::ensure`]; transient where somebody else comes into each room that is made.
    pub(crate) async fn ensure_private(
        &self,
        portal: &PortalKey,
        user: &UserId,
    ) -> Result<OwnedRoomId, DeliveryError> {
        for _ in 0..2 {
            let room = self.portals.ensure(portal, &Display::default()).await?;
            if self.is_private(&room, user).await? {
                return Ok(room);
            }
            self.end(portal, &room).await?;
        }
        Err(DeliveryError::transient("there is no room in which nobody else can read"))
    }

    /// Somebody else can read in this room: from now on it is one like any other.
    ///
    /// # Errors
    /// The homeserver is not available, or the store failed.
    pub(crate) async fn end(&self, portal: &PortalKey, room: &RoomId) -> Result<(), DeliveryError> {
        tracing::info!(%portal, %room, "somebody else can read in a management room, it is one no longer");
        self.portals.forget(portal, room).await?;
        let text = "Somebody else can read here, so this is not the place for your MSN account any more: I tell you about \
                    it, and take your commands, in a room where we are alone. Do not write a password here.";
        self.sender.notice(room, text, None).await;
        Ok(())
    }
}
