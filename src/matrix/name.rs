//! What ghosts and rooms are called, shown as soon as it is news.
//!
//! Knows which name was shown last. Refuses to know what somebody is called: the core says so.

use ruma::RoomId;
use ruma::api::client::state::send_state_event;
use ruma::events::StateEventType;
use ruma::serde::Raw;
use serde_json::json;

use super::intent::send_as;
use super::{MatrixError, MatrixFrontend};
use crate::bridge::event::Ghost;
use crate::bridge::ids::{LoginId, PortalKey};
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::storage::{Batch, Table, Urgency};

/// The row of the title that a portal's room was given last.
pub(super) fn title_row(portal: &PortalKey) -> Vec<u8> {
    [b"t", &portal.to_key()[..]].concat()
}

impl MatrixFrontend {
    /// A contact is called otherwise now. What cannot be shown now is shown with their next words.
    pub(super) async fn show_name(&self, login: &LoginId, ghost: Ghost, titles: Vec<(PortalKey, String)>) {
        let Ok(user) = self.ghost(login, &ghost.id) else { return };
        self.presence.rename(&user, &ghost.name);
        let is_shown = self.known().named.contains_key(&user) || !self.rooms_of(&user).is_empty();
        if is_shown && let Err(error) = self.ensure_ghost(login, &ghost).await {
            tracing::info!(%error, ghost = %ghost.id, "a name was not shown");
        }
        for (portal, title) in titles {
            let Ok(Some(room)) = self.room_of(&portal) else { continue };
            if let Err(error) = self.ensure_title(&portal, &room, &title).await {
                tracing::info!(%error, %portal, "a title was not shown");
            }
        }
    }

    /// Names a portal's room, unless it was named so last: what its people call it themselves stays until then.
    pub(super) async fn ensure_title(
        &self,
        portal: &PortalKey,
        room: &RoomId,
        title: &str,
    ) -> Result<(), DeliveryError> {
        let failed =
            |error: crate::bridge::port::storage::StorageError| DeliveryError::transient(error.to_string());
        let row = title_row(portal);
        let shown = self.storage.read(Table::Rooms, &row).map_err(failed)?;
        if shown.as_deref() == Some(title.as_bytes()) {
            return Ok(());
        }
        let content =
            Raw::new(&json!({"name": title})).map_err(|e| DeliveryError::permanent(e.to_string()))?;
        let request = send_state_event::v3::Request::new_raw(
            room.to_owned(),
            StateEventType::RoomName,
            String::new(),
            content.cast_unchecked(),
        );
        match send_as!(self.homeserver, &self.config.bot, request) {
            Ok(_) => {}
            // Without the right to name it the room is as good.
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::info!(%error, %portal, "a room could not be named");
            }
            Err(error) => return Err(error.into()),
        }
        let mut batch = Batch::default();
        batch.put(Table::Rooms, row, title);
        // What a crash forgets is named again.
        drop(self.storage.commit(batch, Urgency::Soon));
        Ok(())
    }
}
