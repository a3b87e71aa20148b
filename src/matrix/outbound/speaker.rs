//! In whose name something is said in a room: a ghost, a double puppet, or the bot.
//!
//! Knows which people the homeserver lets us act as, and which ghosts are shut out. Refuses to know what is said.

use std::sync::Arc;

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};

use crate::bridge::event::{Author, Ghost};
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::cache::Cache;
use crate::matrix::encryption::Encryption;
use crate::matrix::homeserver::{EventSender, MatrixError};
use crate::matrix::profile::{DoublePuppets, GhostProfiles};
use crate::matrix::room::{RoomLevels, RoomMembers, RoomRegistry};

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
    registry: Arc<RoomRegistry>,
    members: Arc<RoomMembers>,
    profiles: Arc<GhostProfiles>,
    sender: Arc<EventSender>,
    puppets: Arc<DoublePuppets>,
    levels: Arc<RoomLevels>,
    encryption: Arc<Encryption>,
    /// Ghosts for whom the bot speaks.
    told: Cache<(OwnedRoomId, OwnedUserId), ()>,
    /// Ghosts that were refused what they said, in rooms they are in.
    refused: Cache<(OwnedRoomId, OwnedUserId), ()>,
}

impl Speakers {
    pub(crate) fn new(
        registry: Arc<RoomRegistry>,
        members: Arc<RoomMembers>,
        profiles: Arc<GhostProfiles>,
        sender: Arc<EventSender>,
        puppets: Arc<DoublePuppets>,
        levels: Arc<RoomLevels>,
        encryption: Arc<Encryption>,
    ) -> Self {
        let (told, refused) = (Cache::new(MAX_TOLD), Cache::new(MAX_TOLD));
        Self { registry, members, profiles, sender, puppets, levels, encryption, told, refused }
    }

    fn bot(&self) -> Speaker {
        Speaker { user: self.sender.bot().to_owned(), is_bot: true }
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
            Ok(()) if self.may_speak(room, &user).await? => Ok(Speaker { user, is_bot: false }),
            Ok(()) => {
                self.tell_muted(room, &user, ghost).await;
                Ok(self.bot())
            }
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

    /// The owner's own user, where the homeserver lets us act as them: what they say in another MSN client is theirs. In an
    /// encrypted room only their own clients have their keys.
    async fn double_puppet(
        &self,
        portal: &PortalKey,
        room: &RoomId,
    ) -> Result<Option<OwnedUserId>, DeliveryError> {
        let Some(owner) = self.registry.owner_of(portal)? else { return Ok(None) };
        if !self.puppets.may_act_as(&owner).await?
            || self.encryption.is_encrypted(room, self.sender.bot()).await?
        {
            return Ok(None);
        }
        match self.members.ensure_joined(room, &owner).await {
            Ok(()) => Ok(Some(owner)),
            Err(MatrixError::Refused { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What somebody said was refused, though they are in the room: the next time their level is looked at.
    pub(crate) fn note_refused(&self, room: &RoomId, user: &UserId) {
        self.refused.insert((room.to_owned(), user.to_owned()), ());
    }

    async fn may_speak(&self, room: &RoomId, ghost: &UserId) -> Result<bool, MatrixError> {
        let key = (room.to_owned(), ghost.to_owned());
        if !self.refused.contains(&key) {
            return Ok(true);
        }
        let may = self.levels.let_speak(room, ghost).await?;
        if may {
            self.refused.remove(&key);
            self.told.remove(&key);
        }
        Ok(may)
    }

    async fn tell_shut_out(&self, room: &RoomId, user: &UserId, ghost: &Ghost) {
        let text = format!(
            "{} cannot be in this room (banned, perhaps), so their messages are shown by the bridge. Lift the ban to see them as themselves again, or block them on MSN.",
            ghost.name
        );
        self.tell_once(room, user, &text).await;
    }

    async fn tell_muted(&self, room: &RoomId, user: &UserId, ghost: &Ghost) {
        let text = format!(
            "{} may not speak in this room, so their messages are shown by the bridge. Give them a higher power level to see them as themselves again, or block them on MSN.",
            ghost.name
        );
        self.tell_once(room, user, &text).await;
    }

    /// Says once why the bot speaks for a ghost.
    async fn tell_once(&self, room: &RoomId, user: &UserId, text: &str) {
        if self.told.insert((room.to_owned(), user.to_owned()), ()).is_none() {
            self.sender.notice(room, text, None).await;
        }
    }
}
