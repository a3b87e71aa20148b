//! Notices that are changed as things change: the event that stands for one is remembered until its last change.
//!
//! Knows where a notice stands. Refuses to know what it says. Losing the record in a crash costs one notice more.

use ruma::{OwnedEventId, RoomId};
use serde_json::{Value, json};

use crate::bridge::ids::PortalKey;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};

fn row(portal: &PortalKey, id: &str) -> Vec<u8> {
    [portal.to_key().as_slice(), id.as_bytes()].concat()
}

/// Where the notice of this id stands, if it was shown in this room.
fn shown(storage: &dyn Storage, portal: &PortalKey, id: &str, room: &RoomId) -> Option<OwnedEventId> {
    let value = storage.read(Table::Notices, &row(portal, id)).ok().flatten()?;
    let text = String::from_utf8(value).ok()?;
    let (known_room, event) = text.split_once(' ')?;
    OwnedEventId::try_from(event).ok().filter(|_| known_room == room.as_str())
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
    is_last: bool,
    room: &RoomId,
    event: &OwnedEventId,
) {
    let mut batch = Batch::default();
    if is_last {
        batch.remove(Table::Notices, row(portal, id));
    } else if shown(storage, portal, id, room).is_none() {
        batch.put(Table::Notices, row(portal, id), format!("{room} {event}"));
    } else {
        return;
    }
    drop(storage.commit(batch, Urgency::Soon));
}
