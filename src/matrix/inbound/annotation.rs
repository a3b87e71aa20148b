//! Signs put to messages, and messages that are removed.
//!
//! Knows that a sign put to one of our questions is an answer, and that nothing is said of what the other side never
//! heard. Refuses to know what a removal does elsewhere. Source: annotations and redactions of the client-server API,
//! MSC4027 for signs that are pictures.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::constructor::{self, command, message};
use super::context::InboundContext;
use super::event::Event;
use super::management::behind_prefix;
use super::reading::{compact, cut, text};
use super::{kind, relation};
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{LocalEvent, LocalMessage};
use crate::bridge::ids::EntryId;
use crate::bridge::link::Links;
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::cache::Cache;
use crate::matrix::config::LEG;
use crate::matrix::keys::ANSWERS_KEY;

/// Characters of a sign that are carried.
const MAX_SIGN: usize = 32;
/// Messages that signs were put to. One that is evicted costs a request with the next sign.
const MAX_TARGETS: usize = 1_000;

/// What has to be known of a message that a sign is put to.
#[derive(Clone, Default)]
struct Target {
    /// What each sign means, where it is a question of the bot.
    answers: Map<String, Value>,
    /// The other side never heard it.
    is_unsaid: bool,
}

/// Reads signs and removals.
pub(crate) struct AnnotationInterpreter {
    context: Arc<InboundContext>,
    links: Option<Arc<Links>>,
    /// Somebody may put thousands of signs to one message.
    targets: Cache<String, Target>,
}

impl AnnotationInterpreter {
    pub(crate) fn new(context: Arc<InboundContext>, links: Option<Arc<Links>>) -> Self {
        Self { context, links, targets: Cache::new(MAX_TARGETS) }
    }

    /// Reads a sign that somebody put to a message.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn reaction(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let management = constructor::management(event);
        let own = self.context.own_portal(event)?;
        let here = self.context.registry.portal_of(&event.room_id)?.filter(|portal| *portal == management);
        let speaker = self.context.speaker(event).await?;
        if here.is_none() && speaker.is_none() {
            return Ok(LocalEvent::Ignored);
        }
        let target = self.target(event).await?;
        // Clients add a mark for colour to some signs.
        let key = event.relation("key").unwrap_or_default().trim_end_matches('\u{FE0F}');
        let answer = target.answers.get(key).and_then(Value::as_str);
        if let (Some(answer), Some(asked_here)) = (answer, own.or(here)) {
            return Ok(command(event, asked_here, answer.to_owned()));
        }
        let (Some((portal, author)), Some(sign)) = (speaker.filter(|_| !target.is_unsaid), sign(event))
        else {
            return Ok(LocalEvent::Ignored);
        };
        let body = Body::Emote(RichText::plain(format!("reacted {sign}")));
        Ok(LocalEvent::Message(message(event, portal, author, body)))
    }

    /// What the sign is put to.
    async fn target(&self, event: &Event) -> Result<Target, DeliveryError> {
        let Some(target) = event.relation("event_id") else { return Ok(Target::default()) };
        if let Some(known) = self.targets.get(target) {
            return Ok(known);
        }
        let Some(found) = self.context.fetch(&event.room_id, target).await? else {
            return Ok(Target::default());
        };
        let is_bots = *found.sender == *self.context.homeserver.bot();
        let answers = found.content.get(ANSWERS_KEY).and_then(Value::as_object).filter(|_| is_bots);
        let is_command = relation::words(&found).is_some_and(|words| behind_prefix(&words).is_some());
        let is_unsaid = is_command || is_bots && found.text("msgtype") == Some("m.notice");
        let known = Target { answers: answers.cloned().unwrap_or_default(), is_unsaid };
        self.targets.insert(target.to_owned(), known.clone());
        Ok(known)
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
        let said = self.said_of_removal(event, redacted).await?;
        Ok(LocalEvent::Removed { portal, entry, said })
    }

    /// What the other side hears of a removal: who said something takes it back.
    async fn said_of_removal(
        &self,
        event: &Event,
        redacted: &str,
    ) -> Result<Option<LocalMessage>, DeliveryError> {
        let Some((portal, author)) = self.context.speaker(event).await? else { return Ok(None) };
        let Some(removed) = self.context.fetch(&event.room_id, redacted).await? else { return Ok(None) };
        if removed.sender != event.sender || self.context.unsaid.contains(&removed.event_id) {
            return Ok(None);
        }
        let words = match removed.kind.as_str() {
            "m.reaction" => "took back a reaction",
            kind if removed.state_key.is_none() && kind::is_known(kind) => "deleted a message",
            _ => return Ok(None),
        };
        Ok(Some(message(event, portal, author, Body::Emote(RichText::plain(words)))))
    }
}

/// A sign in words: a picture by its name.
fn sign(event: &Event) -> Option<String> {
    let key = event.relation("key").map(compact).filter(|key| !key.is_empty())?;
    if !key.starts_with("mxc://") {
        return Some(cut(&key, MAX_SIGN));
    }
    let name = text(&event.content, &["shortcode", "com.beeper.reaction.shortcode"]);
    let name = name.map(|name| compact(name.trim().trim_matches(':')));
    Some(name.map_or_else(|| "with a picture".to_owned(), |name| format!(":{}:", cut(&name, MAX_SIGN))))
}
