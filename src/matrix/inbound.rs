//! Events of the homeserver become things said, commands, or nothing.

mod annotation;
mod lane;
mod membership;

pub(super) use lane::lane;

use ruma::api::client::membership::joined_members;
use ruma::api::client::room::get_room_event;
use ruma::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::intent::send_as;
use super::outbound::{ECHO_KEY, FORMAT_KEY, ID_KEY, format_from_json};
use super::{MatrixError, MatrixFrontend, html};
use crate::bridge::body::{Attachment, Body, RichText, Run, Style};
use crate::bridge::event::{Author, LocalCommand, LocalEvent, LocalMessage};
use crate::bridge::ids::{PortalKey, UserId as BridgeUser};
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::record::PortalRecord;

/// What stands before a command in a conversation.
const COMMAND: &str = "!msn";
/// Characters of an answered message that are quoted.
const QUOTE: usize = 120;
/// Characters of a file name.
const MAX_FILE_NAME: usize = 255;

/// The parts of an event that matter here.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    kind: String,
    pub(super) room_id: OwnedRoomId,
    pub(super) event_id: OwnedEventId,
    pub(super) sender: OwnedUserId,
    #[serde(default)]
    origin_server_ts: u64,
    #[serde(default)]
    pub(super) state_key: Option<String>,
    #[serde(default)]
    content: Map<String, Value>,
    #[serde(default)]
    redacts: Option<OwnedEventId>,
}

impl Event {
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.content.get(key).and_then(Value::as_str)
    }

    fn relation(&self) -> Option<(&str, &str)> {
        let relation = self.content.get("m.relates_to")?;
        let kind = relation.get("rel_type").and_then(Value::as_str).unwrap_or_default();
        Some((kind, relation.get("event_id").and_then(Value::as_str)?))
    }

    /// Something that we said in a person's name.
    fn is_echo(&self) -> bool {
        self.text(ID_KEY).is_some() && self.text(ECHO_KEY) == Some(self.room_id.as_str())
    }

    /// The event that this one is an edit of, and what is said now.
    pub(super) fn edits(&self) -> Option<(&str, &Map<String, Value>)> {
        let (_, edited) = self.relation().filter(|(kind, _)| *kind == "m.replace")?;
        Some((edited, self.content.get("m.new_content").and_then(Value::as_object)?))
    }

    fn answers(&self) -> Option<&str> {
        self.content.get("m.relates_to")?.get("m.in_reply_to")?.get("event_id")?.as_str()
    }
}

impl MatrixFrontend {
    pub(super) async fn interpret_event(&self, raw: &[u8]) -> Result<LocalEvent, DeliveryError> {
        let event: Event = serde_json::from_slice(raw)
            .map_err(|error| DeliveryError::permanent(format!("not an event: {error}")))?;
        if self.is_ours(&event.sender) || event.is_echo() {
            return Ok(LocalEvent::Ignored);
        }
        self.presence.seen(&event.sender);
        match event.kind.as_str() {
            "m.room.member" => self.membership(&event).await,
            "m.room.message" => self.message(&event).await,
            "m.room.encrypted" => self.encrypted(&event).await,
            "m.reaction" => self.reaction(&event).await,
            "m.room.redaction" => self.redaction(&event).await,
            "m.room.join_rules" | "m.room.history_visibility" => self.company_changed(&event).await,
            _ => Ok(LocalEvent::Ignored),
        }
    }

    pub(super) fn may_use(&self, user: &UserId) -> bool {
        self.permissions.may_use(&BridgeUser::new(user.as_str()))
    }

    pub(super) fn as_command(&self, event: &Event, portal: PortalKey, text: String) -> LocalEvent {
        LocalEvent::Command(LocalCommand {
            user: BridgeUser::new(event.sender.as_str()),
            text: text.into(),
            leg: super::LEG,
            portal,
            reference: event.event_id.to_string(),
            replaces: event.edits().map(|(edited, _)| edited.to_owned()),
            place: event.room_id.to_string(),
            typed: false,
        })
    }

    /// A command that somebody wrote.
    pub(super) fn typed(&self, event: &Event, portal: PortalKey, text: String) -> LocalEvent {
        match self.as_command(event, portal, text) {
            LocalEvent::Command(command) => LocalEvent::Command(LocalCommand { typed: true, ..command }),
            other => other,
        }
    }

    async fn message(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let Some(words) = event.text("body") else { return Ok(LocalEvent::Ignored) };
        let Some(portal) = self.portal_of(&event.room_id)? else { return self.elsewhere(event, words).await };
        if let Some(user) = portal.management_user() {
            let is_user = user.as_str() == event.sender.as_str() && event.text("msgtype") == Some("m.text");
            return if is_user { self.among_us(event, portal, words).await } else { Ok(LocalEvent::Ignored) };
        }
        match self.owner_of(&portal)? {
            Some(owner) if *owner == *event.sender => {}
            Some(_) if self.relays(&portal)? => return self.relayed(event, portal).await,
            Some(_) => return Ok(self.stranger_spoke(event).await),
            None => {
                return Ok(LocalEvent::Refused {
                    portal,
                    leg: super::LEG,
                    reference: event.event_id.to_string(),
                    reason: "nobody is signed in to MSN for this conversation any more; use «login» in the room you \
                             share with the bridge"
                        .into(),
                });
            }
        }
        if let Some(command) =
            words.strip_prefix(COMMAND).filter(|rest| rest.is_empty() || rest.starts_with(' '))
        {
            return Ok(self.typed(event, portal, command.trim().to_owned()));
        }
        let author = Author::Owner { name: event.sender.localpart().to_owned() };
        self.speak(event, portal, author).await
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
                Ok(self.said_by(event, portal, author, body))
            }
            // Other bots talk in notices; answering them would not end.
            Some("m.notice") | None => Ok(LocalEvent::Ignored),
            Some(kind @ ("m.file" | "m.image" | "m.audio" | "m.video")) if event.text("url").is_some() => {
                Ok(self.attached(event, portal, author, kind))
            }
            Some(_) => Ok(LocalEvent::Refused {
                portal,
                leg: super::LEG,
                reference: event.event_id.to_string(),
                reason: "this kind of message cannot be sent to MSN".into(),
            }),
        }
    }

    /// A file. Where the event has a name of its own for it, the body are words about it.
    fn attached(&self, event: &Event, portal: PortalKey, author: Author, kind: &str) -> LocalEvent {
        let info = event.content.get("info");
        let size = info.and_then(|info| info.get("size")).and_then(Value::as_u64).unwrap_or(0);
        let limit = self.media.limit();
        if size > limit {
            return LocalEvent::Refused {
                portal,
                leg: super::LEG,
                reference: event.event_id.to_string(),
                reason: format!("files of more than {} kB are not carried here", limit / 1024),
            };
        }
        let body = event.text("body").unwrap_or_default();
        let named = event.text("filename").filter(|name| !name.trim().is_empty());
        let name: String =
            named.unwrap_or(body).chars().filter(|c| !c.is_control()).take(MAX_FILE_NAME).collect();
        let name = if name.trim().is_empty() { kind.trim_start_matches("m.").to_owned() } else { name };
        let caption =
            named.filter(|name| *name != body && !body.is_empty()).map(|_| rich_text(&event.content));
        let source = event.text("url").unwrap_or_default().to_owned();
        self.said_by(event, portal, author, Body::Attachment(Attachment { source, name, caption }))
    }

    fn said(&self, event: &Event, portal: PortalKey, body: Body) -> LocalEvent {
        LocalEvent::Message(self.message_of(event, portal, body))
    }

    fn said_by(&self, event: &Event, portal: PortalKey, author: Author, body: Body) -> LocalEvent {
        LocalEvent::Message(LocalMessage { author, ..self.message_of(event, portal, body) })
    }

    /// What the sender of an event says, as the owner of the conversation.
    fn message_of(&self, event: &Event, portal: PortalKey, body: Body) -> LocalMessage {
        LocalMessage {
            portal,
            leg: super::LEG,
            author: Author::Owner { name: event.sender.localpart().to_owned() },
            reference: event.event_id.to_string(),
            body,
            at: event.origin_server_ts,
        }
    }

    /// Whether other members of the room are heard on the network.
    fn relays(&self, portal: &PortalKey) -> Result<bool, DeliveryError> {
        let record = PortalRecord::load(&*self.storage, portal);
        let record = record.map_err(|error| DeliveryError::transient(error.to_string()))?;
        Ok(record.is_some_and(|record| record.relays))
    }

    /// Another member of a room whose owner lets them be heard. Commands stay the owner's.
    async fn relayed(&self, event: &Event, portal: PortalKey) -> Result<LocalEvent, DeliveryError> {
        let name = self.member_name(&event.room_id, &event.sender).await?;
        self.speak(event, portal, Author::Relayed { name }).await
    }

    async fn member_name(&self, room: &RoomId, user: &UserId) -> Result<String, DeliveryError> {
        let key = (room.to_owned(), user.to_owned());
        if let Some(name) = self.known().names.get(&key) {
            return Ok(name.clone());
        }
        let request = joined_members::v3::Request::new(room.to_owned());
        let members = match send_as!(self.homeserver, &self.config.bot, request) {
            Ok(answer) => answer.joined,
            // The bot may have been removed; the name in their address is good enough.
            Err(MatrixError::Refused { .. }) => Default::default(),
            Err(error) => return Err(error.into()),
        };
        let name = members.get(user).and_then(|member| member.display_name.clone());
        let name = name.unwrap_or_else(|| user.localpart().to_owned());
        self.known().names.insert(key, name.clone());
        Ok(name)
    }

    /// Another member of the room: told once that nobody on MSN hears them.
    async fn stranger_spoke(&self, event: &Event) -> LocalEvent {
        if self.known().told.insert((event.room_id.clone(), event.sender.clone())) {
            let text = format!(
                "{}, what you write here is not sent to MSN: only the owner of this conversation is heard there. They can change that with «!msn relay on».",
                event.sender
            );
            self.notice(&event.room_id, &text, Some(event.event_id.as_str())).await;
        }
        LocalEvent::Ignored
    }

    /// The text of a message, with its formatting, as an edit or as an answer where it is one.
    async fn words(&self, event: &Event) -> Result<RichText, DeliveryError> {
        if let Some((_, content)) = event.edits() {
            return Ok(prefixed("* ", rich_text(content)));
        }
        let text = rich_text(&event.content);
        match event.answers() {
            Some(answered) => match self.quote(&event.room_id, answered).await? {
                Some(quote) => Ok(prefixed(&format!("> {quote}\n"), text)),
                None => Ok(text),
            },
            None => Ok(text),
        }
    }

    async fn quote(&self, room: &RoomId, event: &str) -> Result<Option<String>, DeliveryError> {
        // A quotation is not worth holding words up for.
        let Some(event) = self.fetch(room, event).await.ok().flatten() else { return Ok(None) };
        let body = event.text("body").unwrap_or_default();
        let line = body.lines().find(|line| !line.starts_with("> ") && !line.trim().is_empty());
        Ok(line.map(|line| line.chars().take(QUOTE).collect()))
    }

    async fn fetch(&self, room: &RoomId, event: &str) -> Result<Option<Event>, DeliveryError> {
        let Ok(event) = EventId::parse(event) else { return Ok(None) };
        let request = get_room_event::v3::Request::new(room.to_owned(), event);
        match send_as!(self.homeserver, &self.config.bot, request) {
            Ok(response) => Ok(serde_json::from_str(response.event.json().get()).ok()),
            Err(MatrixError::Refused { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The conversation this was done in, if its owner did it.
    fn own_portal(&self, event: &Event) -> Result<Option<PortalKey>, DeliveryError> {
        let portal = self.portal_of(&event.room_id)?.filter(|portal| portal.management_user().is_none());
        let Some(portal) = portal else { return Ok(None) };
        let is_owner = self.owner_of(&portal)?.as_deref() == Some(&*event.sender);
        Ok(is_owner.then_some(portal))
    }

    /// What cannot be read is answered at once, with a room in which it can.
    async fn encrypted(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let known = self.portal_of(&event.room_id)?.is_some();
        if !known || !self.may_use(&event.sender) {
            return Ok(LocalEvent::Ignored);
        }
        let text = "This message is encrypted and the bridge cannot read it. It was not sent to MSN. \
                    Please use a room without encryption: you have an invitation to one.";
        self.notice(&event.room_id, text, Some(event.event_id.as_str())).await;
        let management = PortalKey::management(&BridgeUser::new(event.sender.as_str()));
        if self.room_of(&management)?.as_deref() == Some(&*event.room_id) {
            self.forget_room(&management, &event.room_id).await?;
        }
        Ok(self.as_command(event, management, "help".into()))
    }
}

fn prefixed(prefix: &str, mut text: RichText) -> RichText {
    text.runs.insert(0, Run { text: prefix.to_owned(), style: Style::default() });
    text
}

fn rich_text(content: &Map<String, Value>) -> RichText {
    let text = |key: &str| content.get(key).and_then(Value::as_str);
    let formatted = text("formatted_body").filter(|_| text("format") == Some("org.matrix.custom.html"));
    let read = formatted.and_then(html::to_rich).filter(|rich| !rich.text().trim().is_empty());
    let mut rich = read.unwrap_or_else(|| RichText::plain(text("body").unwrap_or_default()));
    rich.format = content.get(FORMAT_KEY).and_then(format_from_json);
    rich
}
