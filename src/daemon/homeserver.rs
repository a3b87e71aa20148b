//! What the homeserver brings: events into the inbox, typing and presence to whom they concern, and its own limits.
//!
//! Knows the endpoint and what is worth something only now. Refuses to interpret an event: the frontend does.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attention::{self, Attention};
use crate::bridge::BridgeHandle;
use crate::bridge::inbox::Inbox;
use crate::bridge::port::media::Media;
use crate::bridge::port::network::{Network, Request};
use crate::config::Checked;
use crate::matrix::{Appservice, MatrixFrontend, serve};
use crate::retry::Retry;
use crate::store::MediaDirectory;

/// Typing notices on their way to logins; more are dropped.
const TYPING: usize = 64;
/// Pauses between questions for the homeserver's upload limit.
const LIMIT_RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(120)];

/// The homeserver's own limit counts too, as soon as it can be asked.
pub(super) async fn learn_limit(
    matrix: Arc<MatrixFrontend>,
    media: Arc<MediaDirectory>,
    cancel: CancellationToken,
) {
    let asked = async {
        let mut retry = Retry::new(LIMIT_RETRY[0], LIMIT_RETRY[1]);
        loop {
            match matrix.upload_limit().await {
                Ok(limit) => return limit,
                Err(error) => tracing::debug!(%error, "the homeserver does not say how large uploads may be"),
            }
            retry.pause().await;
        }
    };
    tokio::select! {
        Some(bytes) = asked => {
            tracing::info!(bytes, "the homeserver takes uploads of this size");
            media.lower_limit(bytes);
        }
        () = cancel.cancelled() => {}
        else => {}
    }
}

/// The endpoint's part of the bridge: `pinged` is notified when the homeserver answers a ping by calling.
pub(super) fn appservice(
    checked: &Checked,
    inbox: Arc<Inbox>,
    attention: Attention,
    pinged: Arc<Notify>,
    frontend: Arc<MatrixFrontend>,
) -> Appservice {
    let homeserver = frontend.homeserver().clone();
    let (echoes, traffic) = (homeserver.echoes().clone(), homeserver.traffic().clone());
    let (own, heard) = (frontend.clone(), echoes.clone());
    Appservice {
        hs_token: checked.matrix.hs_token.clone(),
        inbox,
        ephemeral: Box::new(move |event| {
            if event["type"] == "m.typing" {
                heard.heard_typing();
            }
            attention.put(event, |user| frontend.is_own(user));
        }),
        pinged: Box::new(move || pinged.notify_one()),
        is_own: Box::new(move |user| own.is_own(user)),
        heard: Box::new(move |events| {
            echoes.heard();
            traffic.came(events);
        }),
        restarts: Box::new(move || homeserver.returns()),
    }
}

/// Serves the homeserver until `cancel`, in a task.
///
/// # Errors
/// The address cannot be listened on.
pub(super) async fn listen(
    checked: &Checked,
    appservice: Appservice,
    cancel: &CancellationToken,
    tasks: &TaskTracker,
) -> anyhow::Result<()> {
    let address = checked.matrix.listen;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("appservice.listen: cannot listen on {address}"))?;
    tasks.spawn(serve(listener, appservice, cancel.clone()));
    Ok(())
}

/// Owners who type on Matrix are seen typing on MSN; whoever does anything may be looking at presence. A login that is
/// busy, connecting perhaps, is not waited for: others type too.
pub(super) fn forward_signals(
    matrix: &Arc<MatrixFrontend>,
    network: Arc<dyn Network>,
    bridge: BridgeHandle,
    cancel: &CancellationToken,
    tasks: &TaskTracker,
) -> Attention {
    let (sender, mut events) = attention::channel();
    let (matrix, cancel, typing) = (matrix.clone(), cancel.clone(), tasks.clone());
    let room = Arc::new(Semaphore::new(TYPING));
    tasks.spawn(async move {
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = cancel.cancelled() => None,
            };
            let Some(event) = event else { return };
            matrix.note_activity(&event);
            if let Some(presence) = matrix.person_presence(&event) {
                let _ = bridge.local(presence).await; // the core may be stopping
                continue;
            }
            let Some(portal) = matrix.typing_owner(&event) else { continue };
            let Ok(permit) = room.clone().try_acquire_owned() else { continue };
            let (network, cancel) = (network.clone(), cancel.clone());
            typing.spawn(async move {
                let request = Request::Typing { conversation: portal.conversation };
                tokio::select! {
                    _ = network.request(&portal.receiver, request) => {} // worth nothing later
                    () = cancel.cancelled() => {}
                }
                drop(permit);
            });
        }
    });
    sender
}
