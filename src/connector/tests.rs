//! What tests of single components need of a connector: its surroundings without a network, a disk or a core.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{DirectConfig, MsnConfig, MsnConnector, OfflinePolicy, OimConfig, Shared, Transport};
use crate::bridge::Bridge;
use crate::bridge::port::media::{Incoming, Media, MediaId};
use crate::bridge::port::storage::StorageError;
use crate::bridge::tests::Memory;
use crate::msn::dialect::Dialect;

/// Keeps nothing.
struct NoFiles;

impl Media for NoFiles {
    fn limit(&self) -> u64 {
        0
    }

    fn lower_limit(&self, _bytes: u64) {}

    fn begin(&self, _expected: u64) -> BoxFuture<'_, Result<Box<dyn Incoming>, StorageError>> {
        Box::pin(std::future::ready(Err(StorageError("no files here".into()))))
    }

    fn discard(&self, _media: &MediaId) {}

    fn path(&self, _media: &MediaId) -> PathBuf {
        PathBuf::new()
    }
}

/// What the tasks of logins share. The core is one that has stopped: what it is told is lost.
pub(super) fn shared() -> Shared {
    let config = MsnConfig {
        transport: Transport::Direct,
        proxy: None,
        gateway: None,
        server: "127.0.0.1:1".parse().unwrap(),
        nexus: "https://127.0.0.1:1/".into(),
        allow_insecure_login: false,
        dialects: vec![Dialect::Msnp11],
        client: "MSNMSGR".into(),
        client_version: "7.0.0813".into(),
        locale: "0x0409".into(),
        product: None,
        ask_above: u64::MAX,
        ffmpeg: None,
        offline: OfflinePolicy::Hold,
        oim: OimConfig::default(),
        groups: Vec::new(),
        direct: DirectConfig { dial: false, allow: Vec::new(), announce: Vec::new(), ports: 0..=0 },
    };
    let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
    let (storage, media) = (Arc::new(Memory::default()), Arc::new(NoFiles));
    let connector = MsnConnector::new(config, Bridge::channel().0, storage, media, tasks, cancel);
    connector.unwrap().shared
}
