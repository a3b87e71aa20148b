//! In whose name something is said in a room: a ghost, a double puppet, or the bot.
//!
//! Knows which people the homeserver lets us act as, and which ghosts are shut out. Refuses to know what is said.

use std::sync::Arc;

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};

use crate::bridge::event::{Author, Ghost};
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::cache::Cache;
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError};
use crate::matrix::profile::GhostProfiles;
use crate::matrix::room::{RoomMembers, RoomRegistry};

/// People of whom it is known whether we may act as them. One who is evicted costs a request.
const MAX_PUPPETS: usize = 10_000;
/// Ghosts that were said to be shut out of a room. For one that is evicted it is said once more.
const MAX_TOLD: usize = 10_000;

/// The user in whose name something is said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Speaker {
    pub(crate) user: OwnedUserId,
    /// Whether that is the bot, for somebody else.
    pub(crate) is_bot: bool,
}

/// Chooses speakers.
pub(crate) struct Speakers {
    homeserver: Homeserver,
    registry: Arc<RoomRegistry>,
    members: Arc<RoomMembers>,
    profiles: Arc<GhostProfiles>,
    sender: Arc<EventSender>,
    /// Whether the homeserver lets us act as a person.
    puppets: Cache<OwnedUserId, bool>,
    /// Ghosts for whom the bot speaks.
    told: Cache<(OwnedRoomId, OwnedUserId), ()>,
}

impl Speakers {
    pub(crate) fn new(
        homeserver: Homeserver,
        registry: Arc<RoomRegistry>,
        members: Arc<RoomMembers>,
        profiles: Arc<GhostProfiles>,
        sender: Arc<EventSender>,
    ) -> Self {
        let (puppets, told) = (Cache::new(MAX_PUPPETS), Cache::new(MAX_TOLD));
        Self { homeserver, registry, members, profiles, sender, puppets, told }
    }

    fn bot(&self) -> Speaker {
        Speaker { user: self.homeserver.bot().to_owned(), is_bot: true }
    }

    /// Who says what `author` says in a portal's room: the author's own user there, or the bot for those who have no Matrix
    /// user and for ghosts that were shut out.
    ///
    /// # Errors
    /// The homeserver is not available; refused where the room is gone.
    pub(crate) async fn of(
        &self,
        author: &Author,
        portal: &PortalKey,
        room: &RoomId,
    ) -> Result<Speaker, DeliveryError> {
        match author {
            Author::Ghost(ghost) => self.ghost(ghost, portal, room).await,
            Author::Owner { .. } => {
                let puppet = self.double_puppet(portal, room).await?;
                Ok(puppet.map_or_else(|| self.bot(), |user| Speaker { user, is_bot: false }))
            }
            _ => Ok(self.bot()),
        }
    }

    async fn ghost(
        &self,
        ghost: &Ghost,
        portal: &PortalKey,
        room: &RoomId,
    ) -> Result<Speaker, DeliveryError> {
        let user = self.profiles.ensure(&portal.receiver, ghost).await?;
        match self.members.ensure_joined(room, &user).await {
            Ok(()) => Ok(Speaker { user, is_bot: false }),
            Err(error @ MatrixError::Refused { .. }) => {
                if !self.members.is_alive(room).await? {
                    return Err(error.into());
                }
                self.tell_shut_out(room, &user, ghost).await;
                Ok(self.bot())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The owner's own user, where the homeserver lets us act as them: what they say in another MSN client is theirs.
    async fn double_puppet(
        &self,
        portal: &PortalKey,
        room: &RoomId,
    ) -> Result<Option<OwnedUserId>, DeliveryError> {
        let Some(owner) = self.registry.owner_of(portal)? else { return Ok(None) };
        if !self.may_act_as(&owner).await? {
            return Ok(None);
        }
        match self.members.ensure_joined(room, &owner).await {
            Ok(()) => Ok(Some(owner)),
            Err(MatrixError::Refused { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn may_act_as(&self, owner: &UserId) -> Result<bool, MatrixError> {
        if let Some(known) = self.puppets.get(owner) {
            return Ok(known);
        }
        let allowed = match self.homeserver.whoami(Some(owner)).await {
            Ok(_) => true,
            Err(MatrixError::Refused { .. }) => false,
            Err(error) => return Err(error),
        };
        self.puppets.insert(owner.to_owned(), allowed);
        Ok(allowed)
    }

    /// Says once why the bot speaks for a ghost.
    async fn tell_shut_out(&self, room: &RoomId, user: &UserId, ghost: &Ghost) {
        if self.told.insert((room.to_owned(), user.to_owned()), ()).is_some() {
            return;
        }
        let text = format!(
            "{} cannot be in this room (banned, perhaps), so their messages are shown by the bridge. Lift the ban to see them as themselves again, or block them on MSN.",
            ghost.name
        );
        self.sender.notice(room, &text, None).await;
    }
}
