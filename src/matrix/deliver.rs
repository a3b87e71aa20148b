//! Carrying one journal entry into its room, once.

use std::time::Duration;

use ruma::api::client::message::{get_message_events, send_message_event};
use ruma::api::client::redact::redact_event;
use ruma::events::MessageLikeEventType;
use ruma::serde::Raw;
use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UInt, UserId,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::intent::send_as;
use super::outbound::{self, ECHO_KEY, ID_KEY, SEQUENCE_KEY};
use super::{MatrixError, MatrixFrontend, live_notice};
use crate::bridge::body::{Answer, Body};
use crate::bridge::event::{Author, Ghost};
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::{Content, Delivery, DeliveryError, Display};
use crate::bridge::port::frontend::Outcome;
use crate::bridge::sentence::sentence;
use crate::retry::Retry;

/// Attempts to remove a password.
const REDACTIONS: u32 = 5;
/// Pages of history looked through for an event that may have been sent before.
const PAGES: usize = 10;
const PAGE: u32 = 100;
/// Old enough that a reader should see when it was said, not when it arrived.
const LATE_MS: u64 = 60_000;

impl MatrixFrontend {
    pub(super) async fn deliver_entry(
        &self,
        delivery: Delivery,
        display: Display,
    ) -> Result<(), DeliveryError> {
        match self.attempt(&delivery, &display).await {
            Err(DeliveryError::Permanent { reason }) => {
                tracing::info!(portal = %delivery.portal, %reason, "refused, looking at the room");
                self.repair(&delivery.portal).await?;
                self.attempt(&delivery, &display).await
            }
            result => result,
        }
    }

    /// Something was refused: what was taken for granted is asked again, and a room that is gone is made anew.
    async fn repair(&self, portal: &PortalKey) -> Result<(), DeliveryError> {
        let Some(room) = self.room_of(portal)? else { return Ok(()) };
        {
            let mut known = self.known();
            known.joined.retain(|(known_room, _)| *known_room != room);
            known.registered.clear();
            known.named.clear();
        }
        if !self.room_is_alive(&room).await? {
            tracing::warn!(%portal, %room, "the room is gone, making another");
            self.forget_room(portal, &room).await?;
        }
        Ok(())
    }

    async fn attempt(&self, delivery: &Delivery, display: &Display) -> Result<(), DeliveryError> {
        let portal = &delivery.portal;
        let user = portal.management_user().and_then(|user| UserId::parse(user.as_str()).ok());
        let room = match user {
            Some(user) => self.ensure_private_room(portal, &user).await?,
            None => self.ensure_room(portal, display.title.as_deref(), display.is_group).await?,
        };
        if let Some(title) = &display.title {
            self.ensure_title(portal, &room, title).await?;
        }
        match &delivery.content {
            Content::Said { body } => self.say(delivery, &room, body).await,
            Content::Joined { ghost } => {
                let user = self.ensure_ghost(&delivery.portal.receiver, ghost).await?;
                Ok(self.ensure_joined(&room, &user).await?)
            }
            Content::Left { ghost } => {
                let user = self.ensure_ghost(&delivery.portal.receiver, ghost).await?;
                Ok(self.leave(&room, &user).await?)
            }
        }
    }

    async fn say(&self, delivery: &Delivery, room: &RoomId, body: &Body) -> Result<(), DeliveryError> {
        let (speaker, by_bot) = self.speaker(delivery, room).await?;
        let pictures = match body {
            Body::Text(text) => self.emoticons(&speaker, &text.emoticons, delivery.at).await?,
            _ => Vec::new(),
        };
        let mut contents =
            outbound::contents(body, &delivery.author, by_bot, &delivery.id, delivery.sequence, &pictures);
        if !self.is_ours(&speaker) {
            // It will be brought to us as if they had said it here.
            contents.iter_mut().for_each(|content| content[ECHO_KEY] = json!(room));
        }
        let sent = match delivery.unconfirmed {
            true => self.sent_before(room, delivery.sequence).await?,
            false => Vec::new(),
        };
        for (part, content) in contents.into_iter().enumerate() {
            let id = outbound::part_id(&delivery.id, part);
            if sent.contains(&id) {
                tracing::info!(portal = %delivery.portal, sequence = delivery.sequence, "found in the room already");
                continue;
            }
            let content = match body {
                Body::File(file) => merged(self.file_content(&speaker, file).await?, content),
                Body::LiveNotice { id, .. } => {
                    live_notice::content(&*self.storage, &delivery.portal, id, room, content)
                }
                _ => content,
            };
            let event = self.send_message(room, &speaker, &id, content, delivery.at).await?;
            if let (Body::File(_), Some(links)) = (body, &self.links) {
                links.shown_as(&delivery.id, event.as_str());
            }
            if let Body::LiveNotice { id, is_last, .. } = body {
                live_notice::remember(&*self.storage, &delivery.portal, id, *is_last, room, &event);
            }
            if let Body::Question { answers, .. } = body {
                self.offer(room, &event, answers).await;
            }
        }
        Ok(())
    }

    /// Puts the signs under a question, to be pressed.
    async fn offer(&self, room: &RoomId, question: &EventId, answers: &[Answer]) {
        let bot = self.config.bot.clone();
        for Answer { sign, .. } in answers {
            let relation = json!({"rel_type": "m.annotation", "event_id": question, "key": sign});
            let id = format!("offer {question} {sign}");
            let content = json!({"m.relates_to": relation});
            if let Err(error) = self.send_content(room, &bot, &id, "m.reaction", content, None).await {
                return tracing::info!(%error, "the answers to a question were not offered");
            }
        }
    }

    /// Who sends it: the ghost, or the bot for those who have no Matrix user and for ghosts that were shut out.
    async fn speaker(
        &self,
        delivery: &Delivery,
        room: &RoomId,
    ) -> Result<(OwnedUserId, bool), DeliveryError> {
        let ghost = match &delivery.author {
            Author::Ghost(ghost) => ghost,
            Author::Owner { .. } => {
                let puppet = self.double_puppet(&delivery.portal, room).await?;
                return Ok(puppet.map_or_else(|| (self.config.bot.clone(), true), |owner| (owner, false)));
            }
            _ => return Ok((self.config.bot.clone(), true)),
        };
        let user = self.ensure_ghost(&delivery.portal.receiver, ghost).await?;
        match self.ensure_joined(room, &user).await {
            Ok(()) => Ok((user, false)),
            Err(error @ MatrixError::Refused { .. }) => {
                if !self.room_is_alive(room).await? {
                    return Err(error.into());
                }
                self.tell_shut_out(room, &user, ghost).await;
                Ok((self.config.bot.clone(), true))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The owner's own user, where the homeserver lets us act as them: what they say in another MSN client is theirs.
    async fn double_puppet(
        &self,
        portal: &PortalKey,
        room: &RoomId,
    ) -> Result<Option<OwnedUserId>, DeliveryError> {
        let Some(owner) = self.owner_of(portal)? else { return Ok(None) };
        let known = self.known().puppets.get(&owner).copied();
        let allowed = match known {
            Some(allowed) => allowed,
            None => match self.homeserver.whoami(Some(&owner)).await {
                Ok(_) => true,
                Err(MatrixError::Refused { .. }) => false,
                Err(error) => return Err(error.into()),
            },
        };
        self.known().puppets.insert(owner.clone(), allowed);
        if !allowed {
            return Ok(None);
        }
        match self.ensure_joined(room, &owner).await {
            Ok(()) => Ok(Some(owner)),
            Err(MatrixError::Refused { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Says once why the bot speaks for a ghost.
    async fn tell_shut_out(&self, room: &RoomId, user: &UserId, ghost: &Ghost) {
        if !self.known().told.insert((room.to_owned(), user.to_owned())) {
            return;
        }
        let text = format!(
            "{} cannot be in this room (banned, perhaps), so their messages are shown by the bridge. Lift the ban to see them as themselves again, or block them on MSN.",
            ghost.name
        );
        self.notice(room, &text, None).await;
    }

    /// A notice that is not worth keeping if it cannot be sent now.
    pub(super) async fn notice(&self, room: &RoomId, text: &str, about: Option<&str>) {
        let mut content = json!({"msgtype": "m.notice", "body": text});
        if let Some(about) = about {
            content["m.relates_to"] = json!({"m.in_reply_to": {"event_id": about}});
        }
        let id = format!("notice {room} {text} {}", about.unwrap_or_default());
        let bot = self.config.bot.clone();
        if let Err(error) = self.send_content(room, &bot, &id, "m.room.message", content, None).await {
            tracing::warn!(%room, %error, "a notice was not shown");
        }
    }

    async fn send_message(
        &self,
        room: &RoomId,
        speaker: &UserId,
        id: &str,
        content: Value,
        at: u64,
    ) -> Result<OwnedEventId, MatrixError> {
        let age = MilliSecondsSinceUnixEpoch::now().get();
        let late = u64::from(age).saturating_sub(at) > LATE_MS;
        let at = UInt::try_from(at).ok().filter(|_| late).map(MilliSecondsSinceUnixEpoch);
        let sent = self.send_content(room, speaker, id, "m.room.message", content.clone(), at).await;
        match sent {
            Err(error) if error.is("M_FORBIDDEN") && *speaker != self.config.bot => {
                // Removed from the room since: once more from the start.
                self.known().joined.remove(&(room.to_owned(), speaker.to_owned()));
                Err(error)
            }
            result => result,
        }
    }

    /// The transaction id follows from `id`, so the homeserver recognises a repeat for as long as it remembers.
    pub(super) async fn send_content(
        &self,
        room: &RoomId,
        speaker: &UserId,
        id: &str,
        kind: &str,
        content: Value,
        at: Option<MilliSecondsSinceUnixEpoch>,
    ) -> Result<OwnedEventId, MatrixError> {
        let refused = |message: String| MatrixError::Refused { code: "M_BRIDGE".into(), status: 0, message };
        let digest = Sha256::digest(id.as_bytes());
        let transaction: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let content = Raw::new(&content).map_err(|error| refused(error.to_string()))?.cast_unchecked();
        let mut request = send_message_event::v3::Request::new_raw(
            room.to_owned(),
            transaction.into(),
            MessageLikeEventType::from(kind),
            content,
        );
        request.timestamp = at;
        Ok(send_as!(self.homeserver, speaker, request)?.event_id)
    }

    /// The parts of this entry, and of later ones, that are in the room: homeservers forget transaction ids, rooms do
    /// not. Looks back until it meets an entry that came before.
    async fn sent_before(&self, room: &RoomId, sequence: u64) -> Result<Vec<String>, MatrixError> {
        let mut found = Vec::new();
        let mut from = None;
        for _ in 0..PAGES {
            let mut request = get_message_events::v3::Request::backward(room.to_owned()).from(from);
            request.limit = UInt::from(PAGE);
            let page = match send_as!(self.homeserver, &self.config.bot, request) {
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

    pub(super) async fn report_outcome(&self, portal: &PortalKey, reference: &str, outcome: Outcome) {
        let Ok(Some(room)) = self.room_of(portal) else { return };
        if let Outcome::Pending { reason } = &outcome {
            let reason = sentence(reason);
            let text =
                format!("Not delivered yet: {reason} It is kept and will be sent as soon as that is over.");
            self.notice(&room, &text, Some(reference)).await;
        }
        if self.config.status_events {
            self.status_event(&room, reference, &outcome).await;
        }
    }

    async fn status_event(&self, room: &OwnedRoomId, reference: &str, outcome: &Outcome) {
        let (status, reason) = match outcome {
            Outcome::Delivered => ("SUCCESS", None),
            Outcome::Pending { reason } | Outcome::Held { reason } => ("PENDING", Some(reason)),
            Outcome::Failed { reason } => ("FAIL_PERMANENT", Some(reason)),
        };
        let mut content = json!({
            "network": "msn",
            "status": status,
            "m.relates_to": {"rel_type": "m.reference", "event_id": reference},
        });
        if let Some(reason) = reason {
            content["message"] = json!(reason);
            content["reason"] = json!("m.event_not_handled");
        }
        let id = format!("status {reference} {status}");
        let bot = self.config.bot.clone();
        let kind = "com.beeper.message_send_status";
        if let Err(error) = self.send_content(room, &bot, &id, kind, content, None).await {
            tracing::warn!(%room, %error, "a delivery status was not shown");
        }
    }

    /// Removes a password in the room where it was said. A homeserver that is busy is asked again for a moment.
    pub(super) async fn redact_event(&self, place: &str, reference: &str) -> bool {
        let (Ok(room), Ok(event)) = (RoomId::parse(place), EventId::parse(reference)) else { return false };
        let mut retry = Retry::new(Duration::from_secs(1), Duration::from_secs(8));
        for attempt in 1.. {
            match self.redact_in(&room, &event, Some("password")).await {
                Ok(()) => return true,
                Err(MatrixError::Unavailable { .. }) if attempt < REDACTIONS => retry.pause().await,
                Err(error) => {
                    tracing::warn!(%room, %error, "a password was not removed");
                    break;
                }
            }
        }
        false
    }

    pub(super) async fn redact_in(
        &self,
        room: &RoomId,
        event: &EventId,
        reason: Option<&str>,
    ) -> Result<(), MatrixError> {
        let transaction = format!("redact-{}", event.as_str().trim_start_matches('$'));
        let mut request =
            redact_event::v3::Request::new(room.to_owned(), event.to_owned(), transaction.into());
        request.reason = reason.map(str::to_owned);
        send_as!(self.homeserver, &self.config.bot, request).map(drop)
    }
}

/// One event's content out of two halves.
fn merged(mut content: Value, more: Value) -> Value {
    if let (Some(content), Value::Object(more)) = (content.as_object_mut(), more) {
        content.extend(more);
    }
    content
}
