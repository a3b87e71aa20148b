//! Notices that are changed as things change, and gone when what they say is over.
//!
//! Knows which event stands for a notice, until its end. Refuses to know what a notice says. Losing the record in a crash
//! costs one notice more.

use ruma::{OwnedEventId, OwnedRoomId, RoomId};
use serde_json::{Value, json};

use crate::bridge::ids::PortalKey;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::homeserver::{EventSender, MatrixError};

fn row(portal: &PortalKey, id: &str) -> Vec<u8> {
    [portal.to_key().as_slice(), id.as_bytes()].concat()
}

/// Where the notice of this id stands: its room, and the event there.
fn place(storage: &dyn Storage, portal: &PortalKey, id: &str) -> Option<(OwnedRoomId, OwnedEventId)> {
    let value = storage.read(Table::Notices, &row(portal, id)).ok().flatten()?;
    let text = String::from_utf8(value).ok()?;
    let (room, event) = text.split_once(' ')?;
    Some((OwnedRoomId::try_from(room).ok()?, OwnedEventId::try_from(event).ok()?))
}

/// The event of the notice of this id, if it was shown in this room.
fn shown(storage: &dyn Storage, portal: &PortalKey, id: &str, room: &RoomId) -> Option<OwnedEventId> {
    place(storage, portal, id).filter(|(known, _)| known == room).map(|(_, event)| event)
}

/// Whether the notice of this id stands in this room.
pub(crate) fn stands(storage: &dyn Storage, portal: &PortalKey, id: &str, room: &RoomId) -> bool {
    shown(storage, portal, id, room).is_some()
}

/// What the notice says is over: it is gone. One that the homeserver refuses to remove stays as it is.
///
/// # Errors
/// The homeserver is not available.
pub(crate) async fn take_back(
    storage: &dyn Storage,
    sender: &EventSender,
    portal: &PortalKey,
    id: &str,
) -> Result<(), MatrixError> {
    let Some((room, event)) = place(storage, portal, id) else { return Ok(()) };
    match sender.redact(&room, &event, None).await {
        Ok(()) => {}
        Err(error @ MatrixError::Refused { .. }) => {
            tracing::info!(%room, %error, "a notice that is over stays in the room");
        }
        Err(error) => return Err(error),
    }
    let mut batch = Batch::default();
    batch.remove(Table::Notices, row(portal, id));
    drop(storage.commit(batch, Urgency::Soon));
    Ok(())
}

/// The content that changes the notice of this id, where one stands; else the notice itself.
pub(crate) fn content(
    storage: &dyn Storage,
    portal: &PortalKey,
    id: &str,
    room: &RoomId,
    notice: Value,
) -> Value {
    let Some(event) = shown(storage, portal, id, room) else { return notice };
    let mut content = notice.clone();
    let text = notice["body"].as_str().unwrap_or_default();
    content["body"] = json!(format!("* {text}"));
    content["m.new_content"] = notice;
    content["m.relates_to"] = json!({"rel_type": "m.replace", "event_id": event});
    content
}

/// The notice was shown as this event.
pub(crate) fn remember(
    storage: &dyn Storage,
    portal: &PortalKey,
    id: &str,
    room: &RoomId,
    event: &OwnedEventId,
) {
    if shown(storage, portal, id, room).is_some() {
        return;
    }
    let mut batch = Batch::default();
    batch.put(Table::Notices, row(portal, id), format!("{room} {event}"));
    drop(storage.commit(batch, Urgency::Soon));
}
