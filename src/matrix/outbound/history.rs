//! What was sent to a room before a crash.
//!
//! Knows that homeservers forget transaction ids, and rooms do not: each of our events names its entry. Refuses to look back
//! further than an entry that came before, or some pages. Source: room history of the client-server API.

use ruma::api::client::message::get_message_events;
use ruma::{RoomId, UInt};
use serde_json::Value;

use crate::matrix::homeserver::{Homeserver, MatrixError, send_as};
use crate::matrix::keys::{ID_KEY, SEQUENCE_KEY};

/// Pages of history looked through for an event that may have been sent before.
const PAGES: usize = 10;
const PAGE: u32 = 100;

/// The parts of the entry `sequence`, and of later ones, that are in the room.
///
/// # Errors
/// The homeserver is not available.
pub(crate) async fn sent_before(
    homeserver: &Homeserver,
    room: &RoomId,
    sequence: u64,
) -> Result<Vec<String>, MatrixError> {
    let mut found = Vec::new();
    let mut from = None;
    for _ in 0..PAGES {
        let mut request = get_message_events::v3::Request::backward(room.to_owned()).from(from);
        request.limit = UInt::from(PAGE);
        let page = match send_as!(homeserver, homeserver.bot(), request) {
            Ok(page) => page,
            // No room, no event: sending will find out.
            Err(MatrixError::Refused { .. }) => return Ok(found),
            Err(error) => return Err(error),
        };
        let is_last = page.chunk.is_empty();
        for event in page.chunk {
            let Ok(Some(content)) = event.get_field::<Value>("content") else { continue };
            let Some(id) = content.get(ID_KEY).and_then(Value::as_str) else { continue };
            if content.get(SEQUENCE_KEY).and_then(Value::as_u64).is_some_and(|seen| seen < sequence) {
                return Ok(found);
            }
            found.push(id.to_owned());
        }
        from = page.end;
        if is_last || from.is_none() {
            break;
        }
    }
    Ok(found)
}
