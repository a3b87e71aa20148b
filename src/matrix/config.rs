//! What the Matrix side must be told.
//!
//! Knows settings that were checked already. Refuses to know where they are written.

use std::net::SocketAddr;

use ruma::{OwnedServerName, OwnedUserId};
use secrecy::SecretString;

use crate::bridge::ids::Leg;

/// This side in the core.
pub const LEG: Leg = Leg::frontend("matrix");

/// Checked settings of the Matrix side.
#[derive(Debug, Clone)]
pub struct MatrixConfig {
    /// Where the homeserver's client API is.
    pub homeserver: String,
    pub server_name: OwnedServerName,
    /// The appservice's own user.
    pub bot: OwnedUserId,
    /// What user names of ghosts and aliases of rooms start with.
    pub ghost_prefix: String,
    /// The `id` in the registration.
    pub registration_id: String,
    pub as_token: SecretString,
    pub hs_token: SecretString,
    /// Where the homeserver reaches us.
    pub listen: SocketAddr,
    /// Whether sent messages are confirmed by a status event in the room.
    pub status_events: bool,
    /// Whether presence of contacts is shown.
    pub presence: bool,
    /// Whether rooms are filed in spaces, as contacts are in groups.
    pub spaces: bool,
    /// Whether each login has ghosts of its own, in place of one for each contact.
    pub ghost_per_login: bool,
}
