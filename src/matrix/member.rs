//! Ghosts as Matrix users: registered when first needed, named, and members of the rooms they speak in.

use ruma::api::client::account::register;
use ruma::api::client::membership::{join_room_by_id, leave_room};
use ruma::api::client::profile::set_profile_field;
use ruma::profile::ProfileFieldValue;
use ruma::{OwnedUserId, RoomId, UserId};

use super::intent::send_as;
use super::{MatrixError, MatrixFrontend};
use crate::bridge::event::Ghost;
use crate::bridge::ports::DeliveryError;

/// Longest display name that is given to a ghost, in characters.
const MAX_NAME: usize = 128;

impl MatrixFrontend {
    /// The Matrix user of a ghost, registered and named as the network names it now.
    pub(super) async fn ensure_ghost(&self, ghost: &Ghost) -> Result<OwnedUserId, DeliveryError> {
        let user = self.ghost(&ghost.id)?;
        if !self.known().registered.contains(&user) {
            self.register(&user).await?;
            self.known().registered.insert(user.clone());
        }
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
        Ok(())
    }

    pub(super) async fn leave(&self, room: &RoomId, user: &UserId) -> Result<(), MatrixError> {
        self.known().joined.remove(&(room.to_owned(), user.to_owned()));
        let request = leave_room::v3::Request::new(room.to_owned());
        match send_as!(self.homeserver, user, request) {
            Ok(_) | Err(MatrixError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
