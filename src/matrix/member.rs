//! Ghosts as Matrix users: registered when first needed, named, and members of the rooms they speak in.

use ruma::api::client::account::register;
use ruma::api::client::membership::{join_room_by_id, leave_room};
use ruma::api::client::profile::set_profile_field;
use ruma::profile::ProfileFieldValue;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};

use super::intent::send_as;
use super::{MatrixError, MatrixFrontend};
use crate::bridge::event::Ghost;
use crate::bridge::ids::LoginId;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::storage::{Batch, Table, Urgency};

/// Longest display name that is given to a ghost, in characters.
const MAX_NAME: usize = 128;

/// Most rooms of one ghost that are looked at.
const MAX_ROOMS: usize = 100;

/// The row of a membership, or what all rows of a ghost start with.
fn member_row(user: &UserId, room: Option<&RoomId>) -> Vec<u8> {
    [user.as_bytes(), b"\0", room.map(RoomId::as_bytes).unwrap_or_default()].concat()
}

impl MatrixFrontend {
    /// The rooms that a ghost is in, as far as we brought it there.
    pub(super) fn rooms_of(&self, user: &UserId) -> Vec<OwnedRoomId> {
        let prefix = member_row(user, None);
        let rows = self.storage.scan(Table::Members, &prefix, None, MAX_ROOMS).unwrap_or_default();
        let rooms = rows.iter().filter_map(|(key, _)| std::str::from_utf8(&key[prefix.len()..]).ok());
        rooms.filter_map(|room| RoomId::parse(room).ok()).collect()
    }

    /// The Matrix user of a ghost, registered and named as the network names it now.
    pub(super) async fn ensure_ghost(
        &self,
        receiver: &LoginId,
        ghost: &Ghost,
    ) -> Result<OwnedUserId, DeliveryError> {
        let user = self.ghost(receiver, &ghost.id)?;
        self.ensure_registered(&user).await?;
        let name: String = ghost.name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        let is_new = self.known().named.get(&user) != Some(&name);
        if is_new && !name.trim().is_empty() {
            let value = ProfileFieldValue::DisplayName(name.clone());
            let request = set_profile_field::v3::Request::new(user.clone(), value);
            match send_as!(self.homeserver, &user, request) {
                Ok(_) => {}
                // A homeserver may not allow names: what is said matters more.
                // One that does not know the ghost any more is another matter.
                Err(error @ MatrixError::Refused { .. })
                    if !error.to_string().contains("has not registered") =>
                {
                    tracing::warn!(%error, "a ghost could not be named");
                }
                Err(error) => return Err(error.into()),
            }
            self.known().named.insert(user.clone(), name);
        }
        Ok(user)
    }

    /// The user exists.
    pub(super) async fn ensure_registered(&self, user: &UserId) -> Result<(), MatrixError> {
        if !self.known().registered.contains(user) {
            self.register(user).await?;
            self.known().registered.insert(user.to_owned());
        }
        Ok(())
    }

    async fn register(&self, user: &UserId) -> Result<(), MatrixError> {
        let mut request = register::v3::Request::new();
        request.username = Some(user.localpart().to_owned());
        request.login_type = Some(register::LoginType::ApplicationService);
        request.inhibit_login = true;
        match send_as!(self.homeserver, &self.config.bot, request) {
            Ok(_) => Ok(()),
            Err(error) if error.is("M_USER_IN_USE") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that a ghost is a member of a room.
    pub(super) async fn ensure_joined(&self, room: &RoomId, user: &UserId) -> Result<(), MatrixError> {
        let membership = (room.to_owned(), user.to_owned());
        if self.known().joined.contains(&membership) {
            return Ok(());
        }
        let join = join_room_by_id::v3::Request::new(room.to_owned());
        if let Err(error) = send_as!(self.homeserver, user, join.clone()) {
            if !matches!(error, MatrixError::Refused { .. }) {
                return Err(error);
            }
            self.invite(room, user).await?;
            send_as!(self.homeserver, user, join)?;
        }
        self.known().joined.insert(membership);
        let mut batch = Batch::default();
        batch.put(Table::Members, member_row(user, Some(room)), []);
        // What a crash forgets, the next message writes again.
        drop(self.storage.commit(batch, Urgency::Soon));
        self.presence.again(user);
        Ok(())
    }

    pub(super) async fn leave(&self, room: &RoomId, user: &UserId) -> Result<(), MatrixError> {
        self.known().joined.remove(&(room.to_owned(), user.to_owned()));
        let mut batch = Batch::default();
        batch.remove(Table::Members, member_row(user, Some(room)));
        drop(self.storage.commit(batch, Urgency::Soon));
        let request = leave_room::v3::Request::new(room.to_owned());
        match send_as!(self.homeserver, user, request) {
            Ok(_) | Err(MatrixError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
