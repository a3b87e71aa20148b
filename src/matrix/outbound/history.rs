//! What was sent to a room before a crash.
//!
//! Knows that homeservers forget transaction ids, and rooms do not: each of our events names its entry. Refuses to look back
//! further than an entry that came before, or some pages. Source: room history of the client-server API.

use super::content::part_id;
use crate::bridge::ids::EntryId;
use crate::matrix::homeserver::{Answer, Homeserver, MatrixError, ask_as};
use crate::matrix::keys::{ID_KEY, IDS_KEY, SEQUENCE_KEY};
use ruma::api::client::message::get_message_events;
use ruma::{RoomId, UInt};

/// Pages of history looked through for an event that may have been sent before.
const PAGES: usize = 10;
const PAGE: u32 = 100;

/// The parts of the entry `sequence`, and of later ones, that are in the room, each line of a pack as one.
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
        let page = match ask_as!(homeserver, homeserver.bot(), request) {
            Ok(page) => page,
            // No room, no event: sending will find out.
            Err(MatrixError::Refused { .. }) => return Ok(found),
            Err(error) => return Err(error),
        };
        let events = page.items("chunk");
        let is_last = events.is_empty();
        for content in events.iter().filter_map(|event| event.field("content")) {
            let Some(id) = content.text(ID_KEY) else { continue };
            let seen: Option<u64> = content.field(SEQUENCE_KEY).and_then(|seen| seen.read());
            if seen.is_some_and(|seen| seen < sequence) {
                return Ok(found);
            }
            found.push(id);
            found.extend(packed(&content));
        }
        from = page.text("end");
        if is_last || from.is_none() {
            break;
        }
    }
    Ok(found)
}

/// What stands for each line of an event that holds those of several entries.
fn packed(content: &Answer) -> Vec<String> {
    let ids: Vec<String> = content.field(IDS_KEY).and_then(|ids| ids.read()).unwrap_or_default();
    ids.into_iter().map(|id| part_id(&EntryId::new(id), 0)).collect()
}
