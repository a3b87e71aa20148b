//! A disk that fails: whoever could lose something by it leaves, people and the service manager are told why, and all of
//! it comes back with the disk.
//!
//! The store itself takes nothing from its first error on, and is opened anew by its own thread; here is only what the
//! rest of the bridge does meanwhile. Notices go past the journal, which cannot be written.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::notify::Status;
use super::source::{random_name, time_of_day};
use crate::bridge::BridgeHandle;
use crate::bridge::body::Body;
use crate::bridge::event::Author;
use crate::bridge::ids::{EntryId, PortalKey};
use crate::bridge::port::delivery::{Content, Delivery, Display};
use crate::bridge::port::frontend::Frontend;
use crate::bridge::port::network::Network;
use crate::matrix::MatrixFrontend;
use crate::store::Store;

/// What is stopped, started and told when the disk fails and comes back.
pub(super) struct Disk {
    pub(super) store: Arc<Store>,
    pub(super) network: Arc<dyn Network>,
    pub(super) matrix: Arc<MatrixFrontend>,
    pub(super) frontends: Vec<Arc<dyn Frontend>>,
    pub(super) bridge: BridgeHandle,
    pub(super) status: Arc<Status>,
    /// Notified when the homeserver should be asked for what it holds back.
    pub(super) ask_homeserver: Arc<Notify>,
}

impl Disk {
    /// Watches until stopped.
    pub(super) async fn run(self, cancel: CancellationToken) {
        let watched = async {
            let mut health = self.store.health();
            if let Err(error) = self.matrix.prepare_to_announce() {
                tracing::warn!(%error, "nobody could be told of a disk that fails");
            }
            loop {
                let failed = health.wait_for(Option::is_some).await.map(|failed| failed.clone());
                let Ok(Some(reason)) = failed else { return };
                tracing::error!(%reason, "the disk fails: leaving MSN until it works again");
                self.network.suspend();
                self.status.disk(Some(&reason));
                tokio::select! {
                    () = self.tell_everybody(&reason) => {}
                    () = async { let _ = health.wait_for(Option::is_none).await; } => {}
                }
                if health.wait_for(Option::is_none).await.is_err() {
                    return;
                }
                tracing::info!("the disk works again");
                self.network.resume();
                self.status.disk(None);
                self.ask_homeserver.notify_one();
                if self.bridge.recovered().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = watched => {}
            () = cancel.cancelled() => {}
        }
    }

    /// Owners on Matrix, and the channels on IRC that are ends of conversations.
    async fn tell_everybody(&self, reason: &str) {
        let text = format!(
            "The bridge's disk fails: {reason}. Nothing is taken until it works again: you are offline on MSN meanwhile, \
             and what you write here waits on the homeserver. Whoever runs the bridge must make room or mend the disk."
        );
        self.matrix.announce(&random_name(), &text).await;
        for frontend in &self.frontends {
            for portal in frontend.portals() {
                tell(&**frontend, portal, &text).await;
            }
        }
    }
}

/// Past the journal, under a name that no entry has; a channel that cannot be told is passed over.
async fn tell(frontend: &dyn Frontend, portal: PortalKey, text: &str) {
    let delivery = Delivery {
        portal,
        id: EntryId::new(random_name()),
        sequence: 0,
        author: Author::Bridge,
        content: Content::Said { body: Body::notice(text) },
        at: time_of_day(),
        unconfirmed: false,
        pack: Vec::new(),
    };
    if let Err(error) = frontend.deliver(delivery, Display::default()).await {
        tracing::warn!(%error, "a channel was not told that the disk fails");
    }
}
