//! Messages of people, and everything else that they say in a room.
//!
//! Knows who is heard in a conversation, and what a command is there. Refuses to judge a management room: the management
//! interpreter does. Source: sections 2 and 4 of the product's description.

use std::sync::Arc;

use ruma::{OwnedRoomId, OwnedUserId};

use super::constructor::{self, refused, typed_about};
use super::context::InboundContext;
use super::event::Event;
use super::management::{ManagementInterpreter, behind_prefix};
use super::reading::{Content, FileReading, Reading};
use super::speech::SpeechReader;
use super::{call, kind, profile, relation};
use crate::bridge::body::{Attachment, Body, RichText};
use crate::bridge::event::{Author, LocalEvent};
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::media::Media;
use crate::matrix::cache::Cache;

/// Members who were told that nobody hears them. One who is evicted is told once more.
const MAX_TOLD: usize = 10_000;
/// Kinds of events that were refused in a room: programs may send one every second. One that is evicted is refused aloud
/// once more.
const MAX_REFUSED: usize = 1_000;

/// Reads messages.
pub(crate) struct MessageInterpreter {
    context: Arc<InboundContext>,
    management: Arc<ManagementInterpreter>,
    media: Arc<dyn Media>,
    speech: SpeechReader,
    /// Members who were told that they are not relayed.
    told: Cache<(OwnedRoomId, OwnedUserId), ()>,
    /// Kinds that nobody knows, where they were refused.
    refused: Cache<(OwnedRoomId, String), ()>,
}

impl MessageInterpreter {
    pub(crate) fn new(
        context: Arc<InboundContext>,
        management: Arc<ManagementInterpreter>,
        media: Arc<dyn Media>,
    ) -> Self {
        let speech = SpeechReader::new(context.clone());
        Self {
            context,
            management,
            media,
            speech,
            told: Cache::new(MAX_TOLD),
            refused: Cache::new(MAX_REFUSED),
        }
    }

    /// Reads something that somebody says.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn message(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let registry = &self.context.registry;
        let words = relation::words(event).filter(|_| event.kind == "m.room.message");
        let Some(portal) = registry.portal_of(&event.room_id)? else {
            let Some(words) = words else { return Ok(LocalEvent::Ignored) };
            return self.management.elsewhere(event, &words).await;
        };
        if let Some(user) = portal.management_user() {
            let is_user = user.as_str() == event.sender.as_str() && event.text("msgtype") == Some("m.text");
            return match words.filter(|_| is_user) {
                Some(words) => self.management.among_us(event, portal, &words).await,
                None => Ok(LocalEvent::Ignored),
            };
        }
        let content = relation::said(event);
        if !is_said(event, &content) {
            return Ok(LocalEvent::Ignored);
        }
        let author = match registry.owner_of(&portal)? {
            Some(owner) if *owner == *event.sender => constructor::owner(event),
            Some(_) if registry.relays(&portal)? => {
                self.context.relayed(event, profile::name(&content)).await?
            }
            Some(_) => return Ok(self.stranger_spoke(event).await),
            None => {
                let reason = "nobody is signed in to MSN for this conversation any more; use «login» in the room you \
                              share with the bridge";
                return Ok(refused(event, portal, reason));
            }
        };
        // Commands stay the owner's.
        let is_owner = matches!(author, Author::Owner { .. });
        if let Some(command) = words.as_deref().filter(|_| is_owner).and_then(behind_prefix) {
            let about = self.context.entry_answered(event).await?;
            return Ok(typed_about(event, portal, command.to_owned(), about));
        }
        Ok(self.speak(event, &content, portal, author).await)
    }

    /// Something that is carried on, in somebody's name.
    async fn speak(&self, event: &Event, content: &Content, portal: PortalKey, author: Author) -> LocalEvent {
        let own_name = profile::name(content).filter(|_| matches!(author, Author::Owner { .. }));
        let shown = |text: RichText| RichText { shown_as: own_name.map(str::to_owned), ..text };
        let said = |body: Body| constructor::message(event, portal.clone(), author.clone(), body);
        match self.speech.read(event, content).await {
            Reading::Text(text) => LocalEvent::Message(said(Body::Text(shown(text)))),
            Reading::Act(text) => LocalEvent::Message(said(Body::Emote(shown(text)))),
            Reading::Line(line) => {
                self.tell_of_call(event, content).await;
                LocalEvent::Message(said(Body::Emote(RichText::plain(line))))
            }
            Reading::Files(files) => match self.attachments(files) {
                Ok(bodies) => LocalEvent::Messages(bodies.into_iter().map(said).collect()),
                Err(reason) => refused(event, portal, reason),
            },
            Reading::Refused(reason) if self.is_refused_aloud(event) => refused(event, portal, reason),
            Reading::Refused(_) | Reading::Nothing => LocalEvent::Ignored,
        }
    }

    /// Files that came together; a reason where one of them cannot be carried.
    fn attachments(&self, files: Vec<FileReading>) -> Result<Vec<Body>, String> {
        let limit = self.media.limit();
        if files.iter().any(|file| file.size > limit) {
            return Err(format!("files of more than {} kB are not carried here", limit / 1024));
        }
        let body = |FileReading { source, name, caption, .. }| {
            Body::Attachment(Attachment { source, name, caption })
        };
        Ok(files.into_iter().map(body).collect())
    }

    /// Each kind that is known is refused whenever it is said; others once in each room.
    fn is_refused_aloud(&self, event: &Event) -> bool {
        let place = (event.room_id.clone(), event.kind.clone());
        kind::is_known(&event.kind) || self.refused.insert(place, ()).is_none()
    }

    /// Somebody whose client shows a call that rings has to know that nobody hears it.
    async fn tell_of_call(&self, event: &Event, content: &Content) {
        if call::is_invite(&event.kind) || call::of_room(&event.kind, content).is_some() {
            let about = Some(event.event_id.as_str());
            self.context.sender.notice(&event.room_id, call::NOT_CARRIED, about).await;
        }
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
}

/// Whether anything was said: what programs tell one another is not.
fn is_said(event: &Event, content: &Content) -> bool {
    call::of_room(&event.kind, content).is_some() || kind::read(&event.kind, content) != Reading::Nothing
}
