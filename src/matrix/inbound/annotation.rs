//! Signs put to messages, and messages that are removed.
//!
//! Knows that a sign put to one of our questions is an answer. Refuses to know what a removal does elsewhere. Source:
//! annotations and redactions of the client-server API.

use std::sync::Arc;

use super::constructor::{self, command, message};
use super::context::InboundContext;
use super::event::Event;
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::EntryId;
use crate::bridge::link::Links;
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::config::LEG;
use crate::matrix::keys::ANSWERS_KEY;

/// Characters of a sign that are carried.
const MAX_SIGN: usize = 32;

/// Reads signs and removals.
pub(crate) struct AnnotationInterpreter {
    pub(crate) context: Arc<InboundContext>,
    pub(crate) links: Option<Arc<Links>>,
}

impl AnnotationInterpreter {
    /// Reads a sign that somebody put to a message.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn reaction(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let management = constructor::management(event);
        let own = self.context.own_portal(event)?;
        let here = self.context.registry.portal_of(&event.room_id)?.filter(|portal| *portal == management);
        let Some(asked_here) = own.clone().or(here) else { return Ok(LocalEvent::Ignored) };
        if let Some(answer) = self.answer(event).await? {
            return Ok(command(event, asked_here, answer));
        }
        let (Some(portal), Some(sign)) = (own, event.relation("key")) else { return Ok(LocalEvent::Ignored) };
        let sign: String = sign.chars().take(MAX_SIGN).collect();
        let body = Body::Emote(RichText::plain(format!("reacted {sign}")));
        Ok(LocalEvent::Message(message(event, portal, constructor::owner(event), body)))
    }

    /// The command that a sign put to one of our questions is.
    async fn answer(&self, event: &Event) -> Result<Option<String>, DeliveryError> {
        let (Some(question), Some(sign)) = (event.relation("event_id"), event.relation("key")) else {
            return Ok(None);
        };
        let question = self.context.fetch(&event.room_id, question).await?;
        let question = question.filter(|question| *question.sender == *self.context.homeserver.bot());
        // Clients add a mark for colour to some signs.
        let sign = sign.trim_end_matches('\u{FE0F}');
        let command = question.as_ref().and_then(|q| q.content.get(ANSWERS_KEY)?.get(sign)?.as_str());
        Ok(command.map(str::to_owned))
    }

    /// Reads the removal of a message.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn redaction(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let Some(portal) = self.context.conversation(&event.room_id)? else { return Ok(LocalEvent::Ignored) };
        let Some(redacted) = event.redacted() else { return Ok(LocalEvent::Ignored) };
        let shown = self.links.as_ref().and_then(|links| links.entry_shown_as(redacted));
        let entry = shown.unwrap_or_else(|| EntryId::brought(LEG, redacted));
        let said = match self.context.own_portal(event)? {
            Some(_) => self.context.fetch(&event.room_id, redacted).await?,
            None => None,
        };
        let is_own = |said: &Event| said.kind == "m.room.message" && said.sender == event.sender;
        let said = said.filter(is_own).map(|_| {
            let words = Body::Emote(RichText::plain("deleted a message"));
            message(event, portal.clone(), constructor::owner(event), words)
        });
        Ok(LocalEvent::Removed { portal, entry, said })
    }
}
