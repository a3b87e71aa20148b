//! Who is in a room: ghosts and owners brought in, names of other members.
//!
//! Knows who was brought where since the start. Refuses to know why somebody is to be there. Source: room membership of the
//! client-server API.

use std::sync::Arc;

use ruma::api::client::membership::{invite_user, join_room_by_id, joined_members, leave_room};
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};

use super::registry::RoomRegistry;
use crate::matrix::cache::Cache;
use crate::matrix::homeserver::{Homeserver, MatrixError, ask_as, tell_as};
use crate::matrix::lock::KeyedLocks;
use crate::matrix::profile::PresencePublisher;

/// Memberships that are known. One that is evicted costs a request to join again, which changes nothing.
const MAX_JOINED: usize = 50_000;
/// Names of members that are known. One that is evicted costs a request for the members of its room.
const MAX_NAMES: usize = 10_000;

/// Characters of a name that are kept: more than the core takes, whatever a homeserver lets somebody be called.
const MAX_NAME: usize = 512;

type Membership = (OwnedRoomId, OwnedUserId);

/// Members of rooms.
pub(crate) struct RoomMembers {
    homeserver: Homeserver,
    registry: Arc<RoomRegistry>,
    presence: Arc<PresencePublisher>,
    joined: Cache<Membership, ()>,
    /// What members that are relayed are called.
    names: Cache<Membership, String>,
    /// A ghost is named, or joins a room, one at a time.
    locks: Arc<KeyedLocks>,
}

fn key(room: &RoomId, user: &UserId) -> Membership {
    (room.to_owned(), user.to_owned())
}

impl RoomMembers {
    pub(crate) fn new(
        homeserver: Homeserver,
        registry: Arc<RoomRegistry>,
        presence: Arc<PresencePublisher>,
        locks: Arc<KeyedLocks>,
    ) -> Self {
        let (joined, names) = (Cache::new(MAX_JOINED), Cache::new(MAX_NAMES));
        Self { homeserver, registry, presence, joined, names, locks }
    }

    /// Makes sure that a ghost is a member of a room.
    ///
    /// # Errors
    /// The homeserver refuses it even with an invitation, or is not available.
    pub(crate) async fn ensure_joined(&self, room: &RoomId, user: &UserId) -> Result<(), MatrixError> {
        if self.joined.contains(&key(room, user)) {
            return Ok(());
        }
        let _turn = self.locks.lock(user).await;
        let join = join_room_by_id::v3::Request::new(room.to_owned());
        if let Err(error) = tell_as!(self.homeserver, user, join.clone()) {
            if !matches!(error, MatrixError::Refused { .. }) {
                return Err(error);
            }
            self.invite(room, user).await?;
            tell_as!(self.homeserver, user, join)?;
        }
        self.joined.insert(key(room, user), ());
        self.registry.add_member(room, user);
        self.presence.show_again(user);
        Ok(())
    }

    /// Takes somebody of ours out of a room.
    ///
    /// # Errors
    /// The homeserver is not available; not being there is as good.
    pub(crate) async fn leave(&self, room: &RoomId, user: &UserId) -> Result<(), MatrixError> {
        self.leave_because(room, user, None).await
    }

    /// The same, with a reason that clients show beside it.
    ///
    /// # Errors
    /// As for [`RoomMembers::leave`].
    pub(crate) async fn leave_because(
        &self,
        room: &RoomId,
        user: &UserId,
        reason: Option<&str>,
    ) -> Result<(), MatrixError> {
        self.joined.remove(&key(room, user));
        self.registry.remove_member(room, user);
        let mut request = leave_room::v3::Request::new(room.to_owned());
        request.reason = reason.map(str::to_owned);
        match tell_as!(self.homeserver, user, request) {
            Ok(()) | Err(MatrixError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Invites somebody who may be there already.
    ///
    /// # Errors
    /// The homeserver refuses it for another reason than that, or is not available.
    pub(crate) async fn invite(&self, room: &RoomId, user: &UserId) -> Result<(), MatrixError> {
        let recipient =
            invite_user::v3::InvitationRecipient::UserId(invite_user::v3::InviteUserId::new(user.to_owned()));
        let request = invite_user::v3::Request::new(room.to_owned(), recipient);
        match tell_as!(self.homeserver, self.homeserver.bot(), request) {
            // Being in the room already is refused with the same code as being banned; joining tells them apart.
            Ok(()) | Err(MatrixError::Refused { status: 403, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Who is in a room; nobody where the bot is not.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn joined(&self, room: &RoomId) -> Result<Vec<OwnedUserId>, MatrixError> {
        let request = joined_members::v3::Request::new(room.to_owned());
        match ask_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(answer) => Ok(answer.users("joined")),
            Err(MatrixError::Refused { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Whether the bot is still in the room: false for a room that was purged, or on a homeserver that started anew.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn is_alive(&self, room: &RoomId) -> Result<bool, MatrixError> {
        let request = joined_members::v3::Request::new(room.to_owned());
        match tell_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(()) => Ok(true),
            Err(MatrixError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What a member is called in a room.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn name(&self, room: &RoomId, user: &UserId) -> Result<String, MatrixError> {
        if let Some(name) = self.names.get(&key(room, user)) {
            return Ok(name);
        }
        let request = joined_members::v3::Request::new(room.to_owned());
        // Of each member only what is asked for is read: others may be called what no name can be.
        let members = match ask_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(answer) => answer.field("joined"),
            // The bot may have been removed; the name in their address is good enough.
            Err(MatrixError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        let name = members.and_then(|members| members.field(user.as_str())?.text("display_name"));
        let name = name.unwrap_or_else(|| user.localpart().to_owned());
        let name: String = name.chars().take(MAX_NAME).collect();
        self.names.insert(key(room, user), name.clone());
        Ok(name)
    }

    /// A member may be called otherwise now.
    pub(crate) fn forget_name(&self, room: &RoomId, user: &UserId) {
        self.names.remove(&key(room, user));
    }

    /// Somebody of ours was removed from a room.
    pub(crate) fn forget_member(&self, room: &RoomId, user: &UserId) {
        self.joined.remove(&key(room, user));
    }

    /// What was taken for granted of a room is asked again.
    pub(crate) fn forget_room(&self, room: &RoomId) {
        self.joined.retain(|(known_room, _)| known_room != room);
    }
}
