//! Messages of people.
//!
//! Knows who is heard in a conversation, and what a command is there. Refuses to judge a management room: the management
//! interpreter does. Source: sections 2 and 4 of the product's description.

use std::sync::Arc;

use ruma::{OwnedRoomId, OwnedUserId, RoomId};
use serde_json::Value;

use super::constructor::{self, message, refused, typed};
use super::context::InboundContext;
use super::event::Event;
use super::management::{ManagementInterpreter, behind_prefix};
use super::text::{prefixed, quotation, rich_text};
use crate::bridge::body::{Attachment, Body, RichText};
use crate::bridge::event::{Author, LocalEvent};
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::media::Media;
use crate::matrix::cache::Cache;

/// Characters of a file name.
const MAX_FILE_NAME: usize = 255;
/// Members who were told that nobody hears them. One who is evicted is told once more.
const MAX_TOLD: usize = 10_000;

/// Reads messages.
pub(crate) struct MessageInterpreter {
    context: Arc<InboundContext>,
    management: Arc<ManagementInterpreter>,
    media: Arc<dyn Media>,
    /// Members who were told that they are not relayed.
    told: Cache<(OwnedRoomId, OwnedUserId), ()>,
}

impl MessageInterpreter {
    pub(crate) fn new(
        context: Arc<InboundContext>,
        management: Arc<ManagementInterpreter>,
        media: Arc<dyn Media>,
    ) -> Self {
        Self { context, management, media, told: Cache::new(MAX_TOLD) }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn message(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let registry = &self.context.registry;
        let Some(words) = event.text("body") else { return Ok(LocalEvent::Ignored) };
        let Some(portal) = registry.portal_of(&event.room_id)? else {
            return self.management.elsewhere(event, words).await;
        };
        if let Some(user) = portal.management_user() {
            let is_user = user.as_str() == event.sender.as_str() && event.text("msgtype") == Some("m.text");
            return match is_user {
                true => self.management.among_us(event, portal, words).await,
                false => Ok(LocalEvent::Ignored),
            };
        }
        match registry.owner_of(&portal)? {
            Some(owner) if *owner == *event.sender => {}
            Some(_) if registry.relays(&portal)? => return self.relayed(event, portal).await,
            Some(_) => return Ok(self.stranger_spoke(event).await),
            None => {
                let reason = "nobody is signed in to MSN for this conversation any more; use «login» in the room you \
                              share with the bridge";
                return Ok(refused(event, portal, reason));
            }
        }
        if let Some(command) = behind_prefix(words) {
            return Ok(typed(event, portal, command.to_owned()));
        }
        self.speak(event, portal, constructor::owner(event)).await
    }

    /// A message that is carried on, in somebody's name.
    async fn speak(
        &self,
        event: &Event,
        portal: PortalKey,
        author: Author,
    ) -> Result<LocalEvent, DeliveryError> {
        match event.text("msgtype") {
            Some(kind @ ("m.text" | "m.emote")) => {
                let text = self.words(event).await?;
                let body = if kind == "m.emote" { Body::Emote(text) } else { Body::Text(text) };
                Ok(LocalEvent::Message(message(event, portal, author, body)))
            }
            // Other bots talk in notices; answering them would not end.
            Some("m.notice") | None => Ok(LocalEvent::Ignored),
            Some(kind @ ("m.file" | "m.image" | "m.audio" | "m.video")) if event.text("url").is_some() => {
                Ok(self.attached(event, portal, author, kind))
            }
            Some(_) => Ok(refused(event, portal, "this kind of message cannot be sent to MSN")),
        }
    }

    /// A file. Where the event has a name of its own for it, the body are words about it.
    fn attached(&self, event: &Event, portal: PortalKey, author: Author, kind: &str) -> LocalEvent {
        let info = event.content.get("info");
        let size = info.and_then(|info| info.get("size")).and_then(Value::as_u64).unwrap_or(0);
        let limit = self.media.limit();
        if size > limit {
            let reason = format!("files of more than {} kB are not carried here", limit / 1024);
            return refused(event, portal, reason);
        }
        let body = event.text("body").unwrap_or_default();
        let named = event.text("filename").filter(|name| !name.trim().is_empty());
        let name: String =
            named.unwrap_or(body).chars().filter(|c| !c.is_control()).take(MAX_FILE_NAME).collect();
        let name = if name.trim().is_empty() { kind.trim_start_matches("m.").to_owned() } else { name };
        let caption =
            named.filter(|name| *name != body && !body.is_empty()).map(|_| rich_text(&event.content));
        let source = event.text("url").unwrap_or_default().to_owned();
        let body = Body::Attachment(Attachment { source, name, caption });
        LocalEvent::Message(message(event, portal, author, body))
    }

    /// Another member of a room whose owner lets them be heard. Commands stay the owner's.
    async fn relayed(&self, event: &Event, portal: PortalKey) -> Result<LocalEvent, DeliveryError> {
        let name = self.context.members.name(&event.room_id, &event.sender).await?;
        self.speak(event, portal, Author::Relayed { name }).await
    }

    /// Another member of the room: told once that nobody on MSN hears them.
    async fn stranger_spoke(&self, event: &Event) -> LocalEvent {
        if self.told.insert((event.room_id.clone(), event.sender.clone()), ()).is_none() {
            let text = format!(
                "{}, what you write here is not sent to MSN: only the owner of this conversation is heard there. They can change that with «!msn relay on».",
                event.sender
            );
            self.context.sender.notice(&event.room_id, &text, Some(event.event_id.as_str())).await;
        }
        LocalEvent::Ignored
    }

    /// The text of a message, with its formatting, as an edit or as an answer where it is one.
    async fn words(&self, event: &Event) -> Result<RichText, DeliveryError> {
        if let Some((_, content)) = event.edits() {
            return Ok(prefixed("* ", rich_text(content)));
        }
        let text = rich_text(&event.content);
        let Some(answered) = event.answers() else { return Ok(text) };
        Ok(match self.quote(&event.room_id, answered).await {
            Some(quote) => prefixed(&format!("> {quote}\n"), text),
            None => text,
        })
    }

    /// A quotation is not worth holding words up for: `None` where it cannot be had now.
    async fn quote(&self, room: &RoomId, event: &str) -> Option<String> {
        let event = self.context.fetch(room, event).await.ok().flatten()?;
        quotation(&event)
    }
}
