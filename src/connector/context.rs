//! What every part of one connector shares: its settings, its ways to the server, to the core and to the disk.
//!
//! Knows where things are. Refuses to know what any part does with them.

pub(in crate::connector) mod call;
pub(in crate::connector) mod names;
pub(in crate::connector) mod peers;
pub(in crate::connector) mod people;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridge::BridgeHandle;
use crate::bridge::port::media::{Incoming, Media};
use crate::bridge::port::storage::Storage;
use crate::connector::config::MsnConfig;
use crate::connector::net::dial::Dialler;
use crate::connector::net::passport::Passport;
use crate::connector::net::token_service::TokenService;
use crate::connector::size::bytes;

/// Everything that the tasks of all logins share.
#[derive(Clone)]
pub(in crate::connector) struct Shared {
    pub(in crate::connector) config: Arc<MsnConfig>,
    pub(in crate::connector) passport: Passport,
    pub(in crate::connector) tokens: TokenService,
    pub(in crate::connector) dialler: Arc<Dialler>,
    pub(in crate::connector) bridge: BridgeHandle,
    pub(in crate::connector) storage: Arc<dyn Storage>,
    pub(in crate::connector) media: Arc<dyn Media>,
    pub(in crate::connector) tasks: TaskTracker,
    pub(in crate::connector) cancel: CancellationToken,
}

impl Shared {
    /// Room for a file of this size.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub(in crate::connector) async fn room_for(&self, size: u64) -> Result<Box<dyn Incoming>, String> {
        let limit = self.media.limit();
        if size > limit {
            return Err(format!("only files of up to {} are taken", bytes(limit)));
        }
        self.media.begin(size).await.map_err(|error| {
            tracing::warn!(%error, "a file cannot be kept");
            "there is no room for it on the bridge's disk now".to_owned()
        })
    }

    /// Whether a file of this size waits for its owner's word.
    pub(in crate::connector) fn asks_about(&self, size: u64) -> bool {
        size > self.config.ask_above && size <= self.media.limit()
    }
}
