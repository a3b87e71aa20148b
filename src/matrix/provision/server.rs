//! What answers programs stands on: the core, the network, and what is known of rooms and ghosts.
//!
//! Knows the parts. Refuses to know what is asked.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ruma::OwnedServerName;
use secrecy::SecretString;
use serde_json::Value;

use super::failure::Failure;
use super::processes::Processes;
use crate::bridge::BridgeHandle;
use crate::bridge::ids::UserId;
use crate::bridge::port::frontend::Permissions;
use crate::bridge::port::network::Network;
use crate::matrix::frontend::MatrixFrontend;
use crate::matrix::homeserver::Homeserver;
use crate::matrix::profile::{BotProfile, GhostIds, GhostProfiles};
use crate::matrix::room::RoomRegistry;
use crate::web::{Attempts, Random};

/// What the provisioning API is told.
pub struct ProvisionSettings {
    pub server_name: OwnedServerName,
    /// What a program may show in place of a user's token.
    pub secret: Option<SecretString>,
    /// Makes the names of sign-ins.
    pub random: Random,
}

/// What answers programs.
pub struct ProvisionServer {
    pub(super) settings: ProvisionSettings,
    pub(super) bridge: BridgeHandle,
    pub(super) network: Arc<dyn Network>,
    pub(super) permissions: Arc<dyn Permissions>,
    pub(super) homeserver: Homeserver,
    pub(super) ids: Arc<GhostIds>,
    pub(super) registry: Arc<RoomRegistry>,
    pub(super) profiles: Arc<GhostProfiles>,
    pub(super) bot: Arc<BotProfile>,
    pub(super) processes: Processes,
    /// Tokens that were none, by where they came from.
    pub(super) guesses: Attempts<IpAddr>,
    pub(super) passwords: Attempts<UserId>,
}

/// As handlers are given it.
pub(super) type Server = State<Arc<ProvisionServer>>;
/// What handlers give.
pub(super) type Answered = Result<Json<Value>, Failure>;

impl ProvisionServer {
    /// Nothing is served yet.
    pub fn new(
        settings: ProvisionSettings,
        matrix: &MatrixFrontend,
        bridge: BridgeHandle,
        network: Arc<dyn Network>,
        permissions: Arc<dyn Permissions>,
    ) -> Arc<Self> {
        let components = matrix.components();
        let processes = Processes::new(settings.random.clone());
        Arc::new(Self {
            settings,
            bridge,
            network,
            permissions,
            homeserver: components.homeserver.clone(),
            ids: components.ids.clone(),
            registry: components.registry.clone(),
            profiles: components.profiles.clone(),
            bot: components.bot.clone(),
            processes,
            guesses: Attempts::default(),
            passwords: Attempts::default(),
        })
    }
}
