//! Reads an inbox in order and brings what it holds to the router. A task of its own: asking the homeserver what an event
//! means may take long, and nothing said on the network waits for that.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Input;
use crate::bridge::event::LocalEvent;
use crate::bridge::inbox::Inbox;
use crate::bridge::ports::{Batch, DeliveryError, Frontend, Table};

/// Items read at once.
const PAGE: usize = 64;
/// Pause before an item that could not be read is tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// Attempts at one item: what cannot be understood in a minute does not stand in the way any longer.
const ATTEMPTS: u32 = 30;

/// Reads until stopped. Each item leaves the inbox together with what it became, so what was not acted on is read again
/// after a restart.
pub(super) async fn run(
    inbox: Arc<Inbox>,
    frontend: Arc<dyn Frontend>,
    events: mpsc::Sender<Input>,
    cancel: CancellationToken,
) {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = inbox.read(after.as_deref(), PAGE).unwrap_or_else(|error| {
            tracing::error!(%error, "the inbox cannot be read");
            Vec::new()
        });
        if rows.is_empty() {
            tokio::select! {
                () = inbox.arrived() => continue,
                () = cancel.cancelled() => return,
            }
        }
        for (key, raw) in rows {
            let event = tokio::select! {
                event = interpret(&*frontend, &raw) => event,
                () = cancel.cancelled() => return,
            };
            let mut with = Batch::default();
            with.remove(Table::Inbox, key.clone());
            if events.send(Input::Item { event, with }).await.is_err() {
                return;
            }
            after = Some(key);
        }
    }
}

async fn interpret(frontend: &dyn Frontend, raw: &[u8]) -> LocalEvent {
    for _ in 0..ATTEMPTS {
        // A mistake of ours in reading one item must not stand before all others, at every start again.
        let interpreted = std::panic::AssertUnwindSafe(frontend.interpret(raw)).catch_unwind().await;
        let broke_off = |_| Err(DeliveryError::permanent("an internal error, see above"));
        match interpreted.unwrap_or_else(broke_off) {
            Ok(event) => return event,
            Err(DeliveryError::Permanent { reason }) => {
                tracing::warn!(%reason, "an item of the inbox cannot be understood");
                return LocalEvent::Ignored;
            }
            Err(error) => {
                tracing::warn!(%error, "an item of the inbox must wait");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    tracing::error!("gave an item of the inbox up");
    LocalEvent::Ignored
}
