//! The beginning of a portal's task: the portal is loaded, and lives until nobody holds its mailbox any more.
//!
//! A disk that cannot be read is waited for. The future of a portal at rest is kept small, because there is one for each
//! conversation that is open.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::Instrument;

use super::super::ids::{Leg, PortalKey};
use super::super::port::storage::{disk_retry, until_it_works};
use super::Portal;
use super::context::{PortalContext, PortalInput, Releases};

/// Loads a portal and lets it live until nobody holds the other end of `mailbox`.
pub(in super::super) fn run(
    key: PortalKey,
    legs: Vec<Leg>,
    context: PortalContext,
    mailbox: mpsc::Receiver<PortalInput>,
    releases: Arc<Releases>,
) -> impl Future<Output = ()> + Send {
    let span = tracing::info_span!(parent: None, "portal", portal = %key);
    // Boxed: a portal lasts, and what it was opened with does not.
    let opened = Box::pin(opened(key, legs, context, mailbox));
    let portal = async move {
        let Some((mut portal, mut mailbox)) = opened.await else { return };
        portal.run(&mut mailbox, &releases).await;
    };
    portal.instrument(span)
}

/// The portal as it is on the disk, and its mailbox; `None` where nothing was said in it, and nothing will be.
async fn opened(
    key: PortalKey,
    legs: Vec<Leg>,
    context: PortalContext,
    mailbox: mpsc::Receiver<PortalInput>,
) -> Option<(Portal, mpsc::Receiver<PortalInput>)> {
    let mut retry = disk_retry();
    loop {
        match Portal::open(key.clone(), &legs, context.clone()) {
            Ok(portal) => return Some((portal, mailbox)),
            Err(error) => tracing::error!(%error, "the portal cannot be read, trying again"),
        }
        if mailbox.is_closed() && mailbox.is_empty() {
            return None;
        }
        until_it_works(&*context.storage, &*context.heartbeat, &mut retry).await;
    }
}
