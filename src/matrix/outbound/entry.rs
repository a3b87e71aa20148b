//! Carrying one journal entry into its room, once.
//!
//! Knows that an entry is sent under the same ids on every attempt, and looked for in the room after a crash. Refuses to
//! know when it is tried again. Something that is refused has its room looked at and, if that is gone, made anew.

use std::sync::Arc;

use ruma::{EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, RoomId, UInt, UserId};
use serde_json::{Value, json};

use super::emoticon::EmoticonUploader;
use super::file::FileUploader;
use super::history::sent_before;
use super::pack::Missing;
use super::speaker::{Speaker, Speakers};
use super::{content, live_notice};
use crate::bridge::body::{Answer, Body};
use crate::bridge::ids::PortalKey;
use crate::bridge::link::Links;
use crate::bridge::port::delivery::{Content, Delivery, DeliveryError, Display};
use crate::bridge::port::storage::Storage;
use crate::matrix::encryption::Encryption;
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError, Sent};
use crate::matrix::html;
use crate::matrix::keys::ECHO_KEY;
use crate::matrix::profile::{GhostIds, GhostProfiles};
use crate::matrix::room::{ManagementRooms, PortalRooms, RoomMembers};

/// Old enough that a reader should see when it was said, not when it arrived.
const LATE_MS: u64 = 10_000;

/// Sends what the journal holds.
pub(crate) struct EntrySender {
    pub(crate) homeserver: Homeserver,
    pub(crate) sender: Arc<EventSender>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) ids: Arc<GhostIds>,
    pub(crate) profiles: Arc<GhostProfiles>,
    pub(crate) members: Arc<RoomMembers>,
    pub(crate) rooms: Arc<PortalRooms>,
    pub(crate) management: Arc<ManagementRooms>,
    pub(crate) speakers: Speakers,
    pub(crate) encryption: Arc<Encryption>,
    pub(crate) files: FileUploader,
    pub(crate) emoticons: EmoticonUploader,
    pub(crate) links: Option<Arc<Links>>,
}

impl EntrySender {
    /// Delivers an entry.
    ///
    /// # Errors
    /// By what can be done about it, see [`DeliveryError`].
    pub(crate) async fn deliver(&self, delivery: Delivery, display: Display) -> Result<(), DeliveryError> {
        match self.attempt(&delivery, &display).await {
            Err(DeliveryError::Permanent { reason }) => {
                tracing::info!(portal = %delivery.portal, %reason, "refused, looking at the room");
                self.rooms.repair(&delivery.portal).await?;
                self.attempt(&delivery, &display).await
            }
            result => result,
        }
    }

    async fn attempt(&self, delivery: &Delivery, display: &Display) -> Result<(), DeliveryError> {
        let room = self.room(&delivery.portal, display).await?;
        let receiver = &delivery.portal.receiver;
        match &delivery.content {
            Content::Said { body } => self.say(delivery, &room, body).await,
            Content::Joined { ghost } => {
                let user = self.profiles.ensure(receiver, ghost).await?;
                Ok(self.members.ensure_joined(&room, &user).await?)
            }
            Content::Left { ghost } => {
                let user = self.profiles.ensure(receiver, ghost).await?;
                Ok(self.members.leave(&room, &user).await?)
            }
        }
    }

    /// The room that an entry belongs into, under its title.
    async fn room(&self, portal: &PortalKey, display: &Display) -> Result<OwnedRoomId, DeliveryError> {
        let user = portal.management_user().and_then(|user| UserId::parse(user.as_str()).ok());
        let room = match user {
            Some(user) => self.management.ensure_private(portal, &user).await?,
            None => self.rooms.ensure(portal, display).await?,
        };
        if let Some(title) = &display.title {
            self.rooms.retitle(portal, &room, title).await?;
        }
        Ok(room)
    }

    async fn say(&self, delivery: &Delivery, room: &RoomId, body: &Body) -> Result<(), DeliveryError> {
        if let Body::LiveNotice { id, is_last: true, .. } = body {
            let (storage, portal) = (&*self.storage, &delivery.portal);
            return Ok(live_notice::take_back(storage, &self.sender, portal, id).await?);
        }
        let Speaker { user, is_bot } = self.speakers.of(&delivery.author, &delivery.portal, room).await?;
        let pictures = self.pictures(&user, body, delivery.at).await?;
        let Delivery { sequence, author, .. } = delivery;
        let sent = match delivery.unconfirmed {
            true => sent_before(&self.homeserver, room, *sequence).await?,
            false => Vec::new(),
        };
        let Some(missing) = Missing::of(delivery, body, &sent) else {
            tracing::info!(portal = %delivery.portal, sequence, "all found in the room already");
            return Ok(());
        };
        let mut contents = content::contents(&missing.body, author, is_bot, missing.id, *sequence, &pictures);
        if !self.ids.is_ours(&user) {
            // It will be brought to us as if they had said it here.
            contents.iter_mut().for_each(|content| content[ECHO_KEY] = json!(room));
        }
        contents.iter_mut().for_each(|content| missing.mark(content));
        for (part, content) in contents.into_iter().enumerate() {
            let id = content::part_id(missing.id, part);
            if sent.contains(&id) {
                tracing::info!(portal = %delivery.portal, sequence, "found in the room already");
                continue;
            }
            let content = self.finished(delivery, room, &user, body, content).await?;
            let event = self.send(room, &user, &missing.transaction(&id), content, delivery.at).await?;
            self.note_sent(delivery, room, body, &event).await;
        }
        Ok(())
    }

    async fn pictures(
        &self,
        speaker: &UserId,
        body: &Body,
        at: u64,
    ) -> Result<Vec<html::Picture>, DeliveryError> {
        match body {
            Body::Text(text) => self.emoticons.pictures(speaker, &text.emoticons, at).await,
            _ => Ok(Vec::new()),
        }
    }

    /// A content with what is only known in its room: where its file is, or which notice it changes.
    async fn finished(
        &self,
        delivery: &Delivery,
        room: &RoomId,
        speaker: &UserId,
        body: &Body,
        content: Value,
    ) -> Result<Value, DeliveryError> {
        Ok(match body {
            Body::File(file) => {
                let is_sealed = self.encryption.is_encrypted(room, speaker).await?;
                merged(self.files.content(speaker, file, is_sealed).await?, content)
            }
            Body::LiveNotice { id, .. } => {
                live_notice::content(&*self.storage, &delivery.portal, id, room, content)
            }
            _ => content,
        })
    }

    /// Keeps where something was shown that is changed or referred to later.
    async fn note_sent(&self, delivery: &Delivery, room: &RoomId, body: &Body, event: &OwnedEventId) {
        if let (Body::File(_), Some(links)) = (body, &self.links) {
            links.shown_as(&delivery.id, event.as_str());
        }
        if let Body::LiveNotice { id, .. } = body {
            live_notice::remember(&*self.storage, &delivery.portal, id, room, event);
        }
        if let Body::Question { answers, .. } = body {
            self.offer(room, event, answers).await;
        }
    }

    /// Puts the signs under a question, to be pressed.
    async fn offer(&self, room: &RoomId, question: &EventId, answers: &[Answer]) {
        for Answer { sign, .. } in answers {
            let relation = json!({"rel_type": "m.annotation", "event_id": question, "key": sign});
            let id = format!("offer {question} {sign}");
            let content = json!({"m.relates_to": relation});
            if let Err(error) = self.sender.send_as_bot(room, &id, "m.reaction", content).await {
                return tracing::info!(%error, "the answers to a question were not offered");
            }
        }
    }

    async fn send(
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
        let sent = Sent { room, speaker, id, kind: "m.room.message", at };
        match self.sender.send(sent, content).await {
            Err(error) if error.is("M_FORBIDDEN") && speaker != self.homeserver.bot() => {
                // Removed from the room since: once more from the start.
                self.members.forget_member(room, speaker);
                self.speakers.note_refused(room, speaker);
                Err(error)
            }
            result => result,
        }
    }
}

/// One event's content out of two halves.
fn merged(mut content: Value, more: Value) -> Value {
    if let (Some(content), Value::Object(more)) = (content.as_object_mut(), more) {
        content.extend(more);
    }
    content
}
