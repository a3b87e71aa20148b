//! Who types, shown in rooms.

use std::time::Duration;

use ruma::RoomId;
use ruma::api::client::typing::create_typing_event::v3::{Request, Typing, TypingInfo};

use serde_json::Value;

use super::MatrixFrontend;
use super::intent::send_as;
use crate::bridge::event::Author;
use crate::bridge::ids::PortalKey;

/// The network repeats its notice every few seconds; one that is not repeated is over after this.
const SHOWN: Duration = Duration::from_secs(6);

impl MatrixFrontend {
    /// The portal whose owner an ephemeral event says is typing.
    pub fn typing_owner(&self, event: &Value) -> Option<PortalKey> {
        if event.get("type").and_then(Value::as_str) != Some("m.typing") {
            return None;
        }
        let room = RoomId::parse(event.get("room_id")?.as_str()?).ok()?;
        let portal = self.portal_of(&room).ok()??;
        let owner = self.owner_of(&portal).ok()??;
        let typing = event.get("content")?.get("user_ids")?.as_array()?;
        typing.iter().any(|user| user.as_str() == Some(owner.as_str())).then_some(portal)
    }

    pub(super) async fn show_typing(&self, portal: &PortalKey, author: Author) {
        let (Ok(Some(room)), Author::Ghost(ghost)) = (self.room_of(portal), author) else { return };
        let Ok(user) = self.ensure_ghost(&portal.receiver, &ghost).await else { return };
        if self.ensure_joined(&room, &user).await.is_err() {
            return;
        }
        let request = Request::new(user.clone(), room, Typing::Yes(TypingInfo::new(SHOWN)));
        if let Err(error) = send_as!(self.homeserver, &user, request) {
            tracing::debug!(%error, "typing was not shown");
        }
    }
}
