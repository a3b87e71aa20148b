//! What is sent to the bot's device: keys, and whose devices changed.
//!
//! Knows that keys and the place in the homeserver's list are kept together, so that nothing is lost wherever this ends.
//! Refuses to read rooms: their events come by transactions. Source: section 6.4 of the client-server API; which of it
//! comes with a filter without rooms was measured.

use std::time::Duration;

use matrix_sdk_crypto::EncryptionSyncChanges;
use matrix_sdk_crypto::store::types::RoomKeyInfo;
use ruma::api::client::filter::{Filter, FilterDefinition, RoomEventFilter};
use ruma::api::client::sync::sync_events;
use ruma::presence::PresenceState;
use ruma::uint;

use super::changes::DeviceChanges;
use super::device::{DECRYPTION, Device};
use super::error::CryptoError;
use crate::matrix::homeserver::{Actor, Homeserver, MatrixError, send_as};

/// Looks at most for what was sent to one device, of 100 messages each.
const MAX_LOOKS: usize = 1_000;

/// Nothing of rooms. Synapse looks for more events of a room, page by page, until it has as many as were asked for and pass
/// the filter, unless the timeline takes none at all: with every event anywhere, for as long as this waits.
fn filter() -> sync_events::v3::Filter {
    let mut filter = FilterDefinition::default();
    filter.room.rooms = Some(Vec::new());
    filter.room.timeline = RoomEventFilter::ignore_all();
    // As many of each room are read before the filter is looked at.
    filter.room.timeline.limit = Some(uint!(1));
    filter.room.state = RoomEventFilter::ignore_all();
    filter.room.ephemeral = RoomEventFilter::ignore_all();
    filter.room.account_data = RoomEventFilter::ignore_all();
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

/// Has the homeserver wait for news for the device, for so long; keeps it, sends what follows from it, and gives the keys
/// that came.
///
/// # Errors
/// The homeserver refuses or is not available, or the keys cannot be kept.
pub(super) async fn sync(
    homeserver: &Homeserver,
    device: &Device,
    changes: &DeviceChanges,
    wait: Duration,
    since: Option<String>,
) -> Result<Vec<RoomKeyInfo>, CryptoError> {
    let request = request(wait, since);
    let answer = send_as!(homeserver, device.actor(), request)?;
    // Before the device asks: an answer from before the change does not count.
    answer.device_lists.changed.iter().for_each(|user| changes.note(user));
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
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use matrix_sdk_crypto::OlmMachine;
    use ruma::UserId;
    use serde_json::{Value, json};

    use super::*;
    use crate::matrix::encryption::queries::KeyQueries;
    use crate::matrix::testkit::{self, FakeHomeserver};

    #[tokio::test]
    async fn devices_that_changed_are_asked_for_anew_whatever_was_answered_a_moment_ago() {
        let server = FakeHomeserver::start().await;
        server.answers("/keys/upload", 200, json!({"one_time_key_counts": {"signed_curve25519": 50}}));
        server.answers("/keys/query", 200, json!({"device_keys": {"@ann:x": {}}}));
        server.answers("/sync", 200, json!({"next_batch": "s1", "device_lists": {"changed": ["@ann:x"]}}));
        let homeserver = Homeserver::new(&testkit::config(&server.url())).await.unwrap();
        let changes = Arc::<DeviceChanges>::default();
        let queries = Arc::new(KeyQueries::new(homeserver.clone(), changes.clone()));
        let machine = OlmMachine::new(homeserver.bot(), "MSNDEVICE".into()).await;
        let device = Device::new(machine, homeserver.clone(), queries, true, 0);
        let ann = <&UserId>::try_from("@ann:x").unwrap();
        device.machine.update_tracked_users([ann]).await.unwrap();
        device.pump().await.unwrap();
        let asked = || {
            let is_of_ann = |sent: &&Value| sent["device_keys"]["@ann:x"].is_array();
            server.sent("/keys/query").iter().filter(is_of_ann).count()
        };
        assert_eq!(asked(), 1);
        sync(&homeserver, &device, &changes, Duration::ZERO, None).await.unwrap();
        assert_eq!(asked(), 2);
    }
}
