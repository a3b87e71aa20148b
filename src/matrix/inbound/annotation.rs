//! Signs put to messages, and messages that are removed.

use serde_json::Value;

use super::Event;
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::{EntryId, PortalKey, UserId as BridgeUser};
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::MatrixFrontend;
use crate::matrix::outbound::ANSWERS_KEY;

impl MatrixFrontend {
    pub(super) async fn reaction(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let management = PortalKey::management(&BridgeUser::new(event.sender.as_str()));
        let own = self.own_portal(event)?;
        let asked_here =
            own.clone().or(self.portal_of(&event.room_id)?.filter(|portal| *portal == management));
        let Some(asked_here) = asked_here else { return Ok(LocalEvent::Ignored) };
        if let Some(command) = self.answer_in(event).await? {
            return Ok(self.as_command(event, asked_here, command));
        }
        let Some(portal) = own else { return Ok(LocalEvent::Ignored) };
        let relation = event.content.get("m.relates_to");
        let Some(key) = relation.and_then(|r| r.get("key")).and_then(Value::as_str) else {
            return Ok(LocalEvent::Ignored);
        };
        let key: String = key.chars().take(32).collect();
        Ok(self.said(event, portal, Body::Emote(RichText::plain(format!("reacted {key}")))))
    }

    /// The command that a sign put to one of our questions is.
    async fn answer_in(&self, event: &Event) -> Result<Option<String>, DeliveryError> {
        let relation = event.content.get("m.relates_to");
        let part = |name: &str| relation.and_then(|r| r.get(name)).and_then(Value::as_str);
        let (Some(question), Some(sign)) = (part("event_id"), part("key")) else { return Ok(None) };
        let question = self.fetch(&event.room_id, question).await?.filter(|q| q.sender == self.config.bot);
        // Clients add a mark for colour to some signs.
        let sign = sign.trim_end_matches('\u{FE0F}');
        let command = question.as_ref().and_then(|q| q.content.get(ANSWERS_KEY)?.get(sign)?.as_str());
        Ok(command.map(str::to_owned))
    }

    pub(super) async fn redaction(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let portal = self.portal_of(&event.room_id)?.filter(|portal| portal.management_user().is_none());
        let Some(portal) = portal else { return Ok(LocalEvent::Ignored) };
        // Which of the two counts is the room's version; a sender who fills in both differently means no good.
        let redacted = match (event.text("redacts"), event.redacts.as_deref()) {
            (Some(within), Some(above)) if within != above.as_str() => None,
            (within, above) => above.map(|event| event.as_str()).or(within),
        };
        let Some(redacted) = redacted.map(str::to_owned) else { return Ok(LocalEvent::Ignored) };
        let shown = self.links.as_ref().and_then(|links| links.entry_shown_as(&redacted));
        let entry = shown.unwrap_or_else(|| EntryId::brought(crate::matrix::LEG, &redacted));
        let said = match self.own_portal(event)? {
            Some(_) => self.fetch(&event.room_id, &redacted).await?,
            None => None,
        };
        let said = said.filter(|e| e.kind == "m.room.message" && e.sender == event.sender);
        let words = Body::Emote(RichText::plain("deleted a message"));
        let said = said.map(|_| self.message_of(event, portal.clone(), words));
        Ok(LocalEvent::Removed { portal, entry, said })
    }
}
