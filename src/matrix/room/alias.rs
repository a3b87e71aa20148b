//! Aliases of rooms, which follow from their portals.
//!
//! Knows how a room that was made just before a crash is found again: making it a second time is refused, and it is adopted.
//! Refuses to write down what was found: its caller does.

use std::sync::Arc;

use ruma::api::client::alias::{delete_alias, get_alias};
use ruma::api::client::membership::join_room_by_id;
use ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedServerName, RoomAliasId, UserId};

use super::member::RoomMembers;
use crate::bridge::ids::PortalKey;
use crate::matrix::config::MatrixConfig;
use crate::matrix::homeserver::{Homeserver, MatrixError, send_as};

/// What names room aliases: a hash that nobody else can compute.
pub(crate) type AliasOf = Box<dyn Fn(&PortalKey) -> String + Send + Sync>;

/// Names rooms so that they are found again.
pub(crate) struct RoomAliases {
    homeserver: Homeserver,
    members: Arc<RoomMembers>,
    prefix: String,
    server_name: OwnedServerName,
    alias_of: AliasOf,
}

impl RoomAliases {
    pub(crate) fn new(
        config: &MatrixConfig,
        homeserver: Homeserver,
        members: Arc<RoomMembers>,
        alias_of: AliasOf,
    ) -> Self {
        let (prefix, server_name) = (config.ghost_prefix.clone(), config.server_name.clone());
        Self { homeserver, members, prefix, server_name, alias_of }
    }

    /// The alias of a portal's room.
    ///
    /// # Errors
    /// Refused where it is too long for an alias.
    pub(crate) fn of(&self, portal: &PortalKey) -> Result<OwnedRoomAliasId, MatrixError> {
        let local = format!("{}{}", self.prefix, (self.alias_of)(portal));
        RoomAliasId::parse(format!("#{local}:{}", self.server_name)).map_err(MatrixError::own)
    }

    /// Takes the alias from a portal's room, so that another room can have it.
    ///
    /// # Errors
    /// The homeserver is not available; an alias that is not there is as good.
    pub(crate) async fn free(&self, portal: &PortalKey) -> Result<(), MatrixError> {
        let free = delete_alias::v3::Request::new(self.of(portal)?);
        match send_as!(self.homeserver, self.homeserver.bot(), free) {
            Ok(_) | Err(MatrixError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The room that an earlier run made and did not live to write down.
    ///
    /// # Errors
    /// Unavailable where the bot cannot enter the room: its alias is free then, and the next attempt makes another.
    pub(crate) async fn adopt(&self, portal: &PortalKey, owner: &UserId) -> Result<OwnedRoomId, MatrixError> {
        let (alias, bot) = (self.of(portal)?, self.homeserver.bot());
        let found = send_as!(self.homeserver, bot, get_alias::v3::Request::new(alias.clone()))?;
        let room = found.room_id;
        let join = join_room_by_id::v3::Request::new(room.clone());
        if let Err(error) = send_as!(self.homeserver, bot, join) {
            if matches!(error, MatrixError::Refused { .. }) {
                // A room that we cannot enter is not ours any more: free its name, and the next attempt makes another.
                let free = delete_alias::v3::Request::new(alias);
                let _ = send_as!(self.homeserver, bot, free); // it may not be ours to free
            }
            return Err(MatrixError::Unavailable { reason: error.to_string(), after: None });
        }
        self.members.invite(&room, owner).await?;
        tracing::info!(%portal, %room, "adopted a room from an earlier run");
        Ok(room)
    }
}
