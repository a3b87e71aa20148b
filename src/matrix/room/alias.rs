//! Aliases of rooms, which follow from their portals.
//!
//! Knows how a room that was made just before a crash is found again: making it a second time is refused, and it is adopted.
//! Refuses to write down what was found: its caller does.

use ruma::api::client::alias::{create_alias, delete_alias, get_alias};
use ruma::api::client::membership::join_room_by_id;
use ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedServerName, RoomAliasId, RoomId};

use crate::bridge::ids::PortalKey;
use crate::matrix::config::MatrixConfig;
use crate::matrix::homeserver::{Homeserver, MatrixError, send_as, tell_as};

/// What names room aliases: a hash that nobody else can compute.
pub(crate) type AliasOf = Box<dyn Fn(&PortalKey) -> String + Send + Sync>;

/// Names rooms so that they are found again.
pub(crate) struct RoomAliases {
    homeserver: Homeserver,
    prefix: String,
    server_name: OwnedServerName,
    alias_of: AliasOf,
}

impl RoomAliases {
    pub(crate) fn new(config: &MatrixConfig, homeserver: Homeserver, alias_of: AliasOf) -> Self {
        let (prefix, server_name) = (config.ghost_prefix.clone(), config.server_name.clone());
        Self { homeserver, prefix, server_name, alias_of }
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
        match tell_as!(self.homeserver, self.homeserver.bot(), free) {
            Ok(()) | Err(MatrixError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives the alias of a portal's room to another room. A homeserver may have done so already.
    ///
    /// # Errors
    /// The homeserver is not available. Where it refuses, a room that is forgotten is not found again.
    pub(crate) async fn move_to(&self, portal: &PortalKey, room: &RoomId) -> Result<(), MatrixError> {
        let (alias, bot) = (self.of(portal)?, self.homeserver.bot());
        let asked = get_alias::v3::Request::new(alias.clone());
        if send_as!(self.homeserver, bot, asked).is_ok_and(|found| found.room_id == *room) {
            return Ok(());
        }
        self.free(portal).await?;
        match send_as!(self.homeserver, bot, create_alias::v3::Request::new(alias, room.to_owned())) {
            Ok(_) => Ok(()),
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::warn!(%error, %portal, %room, "an alias was not moved");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The room that an earlier run made and did not live to write down.
    ///
    /// # Errors
    /// Unavailable where the bot cannot enter the room: its alias is free then, and the next attempt makes another.
    pub(crate) async fn adopt(&self, portal: &PortalKey) -> Result<OwnedRoomId, MatrixError> {
        let (alias, bot) = (self.of(portal)?, self.homeserver.bot());
        let found = send_as!(self.homeserver, bot, get_alias::v3::Request::new(alias.clone()))?;
        let room = found.room_id;
        let join = join_room_by_id::v3::Request::new(room.clone());
        if let Err(error) = tell_as!(self.homeserver, bot, join) {
            if matches!(error, MatrixError::Refused { .. }) {
                // A room that we cannot enter is not ours any more: free its name, and the next attempt makes another.
                let free = delete_alias::v3::Request::new(alias);
                let _ = tell_as!(self.homeserver, bot, free); // it may not be ours to free
            }
            return Err(MatrixError::Unavailable { reason: error.to_string(), after: None });
        }
        tracing::info!(%portal, %room, "adopted a room from an earlier run");
        Ok(room)
    }
}
