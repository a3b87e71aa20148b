//! What is sent to the bot's device: keys, and whose devices changed.
//!
//! Knows that keys and the place in the homeserver's list are kept together, so that nothing is lost wherever this ends.
//! Refuses to read rooms: their events come by transactions. Source: section 6.4 of the client-server API; which of it
//! comes with a filter without rooms was measured.

use std::time::Duration;

use matrix_sdk_crypto::EncryptionSyncChanges;
use matrix_sdk_crypto::store::types::RoomKeyInfo;
use ruma::OwnedUserId;
use ruma::api::client::filter::{Filter, FilterDefinition};
use ruma::api::client::sync::sync_events;
use ruma::presence::PresenceState;

use super::device::{DECRYPTION, Device};
use super::error::CryptoError;
use crate::matrix::homeserver::{Actor, Homeserver, MatrixError, send_as};

/// How long the homeserver waits for news.
const POLL: Duration = Duration::from_secs(30);
/// Looks at most for what was sent to one device, of 100 messages each.
const MAX_LOOKS: usize = 1_000;

/// What one look at the homeserver brought.
pub(super) struct Synced {
    pub(super) keys: Vec<RoomKeyInfo>,
    /// Whose devices changed.
    pub(super) changed: Vec<OwnedUserId>,
}

fn filter() -> sync_events::v3::Filter {
    let mut filter = FilterDefinition::default();
    filter.room.rooms = Some(Vec::new());
    filter.presence = Filter::ignore_all();
    filter.account_data = Filter::ignore_all();
    sync_events::v3::Filter::FilterDefinition(filter)
}

fn request(timeout: Duration, since: Option<String>) -> sync_events::v3::Request {
    let mut request = sync_events::v3::Request::new();
    request.filter = Some(filter());
    request.timeout = Some(timeout);
    request.set_presence = PresenceState::Offline;
    request.since = since;
    request
}

/// Throws away what was sent to a device that reads nothing. The homeserver deletes what it gave when it is asked for more.
///
/// # Errors
/// The homeserver refuses or is not available.
pub(super) async fn drain(homeserver: &Homeserver, actor: Actor<'_>) -> Result<(), MatrixError> {
    let mut since = None;
    for _ in 0..MAX_LOOKS {
        let answer = send_as!(homeserver, actor, request(Duration::ZERO, since))?;
        if answer.to_device.is_empty() {
            break;
        }
        since = Some(answer.next_batch);
    }
    Ok(())
}

/// Waits for news for the device, keeps it, and sends what follows from it. The first look waits for nothing.
///
/// # Errors
/// The homeserver refuses or is not available, or the keys cannot be kept.
pub(super) async fn sync(
    homeserver: &Homeserver,
    device: &Device,
    waits: bool,
    since: Option<String>,
) -> Result<Synced, CryptoError> {
    let request = request(if waits { POLL } else { Duration::ZERO }, since);
    let answer = send_as!(homeserver, device.actor(), request)?;
    let changed = answer.device_lists.changed.clone();
    let (_, keys) = device
        .machine
        .receive_sync_changes(
            EncryptionSyncChanges {
                to_device_events: answer.to_device.events,
                changed_devices: &answer.device_lists,
                one_time_keys_counts: &answer.device_one_time_keys_count,
                unused_fallback_keys: answer.device_unused_fallback_key_types.as_deref(),
                next_batch_token: Some(answer.next_batch),
            },
            &DECRYPTION,
        )
        .await?;
    device.pump().await?;
    Ok(Synced { keys, changed })
}
