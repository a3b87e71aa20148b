//! A Matrix user by `matrix-sdk`: what comes is read by the types of the specification, and what goes is made by them.

use std::time::Duration;

use matrix_sdk::config::SyncSettings;
use matrix_sdk::event_handler::RawEvent;
use matrix_sdk::media::{MediaFormat, MediaRequestParameters};
use matrix_sdk::{Client, Room};
use ruma::api::client::presence::set_presence;
use ruma::events::presence::PresenceEvent;
use ruma::events::receipt::{ReceiptThread, ReceiptType};
use ruma::events::room::MediaSource;
use ruma::events::room::message::OriginalSyncRoomMessageEvent;
use ruma::events::typing::SyncTypingEvent;
use ruma::events::{
    AnySyncMessageLikeEvent, AnySyncStateEvent, AnySyncTimelineEvent, MessageLikeEventContent,
};
use ruma::presence::PresenceState;
use ruma::{EventId, OwnedEventId, OwnedMxcUri, OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde_json::Value;
use tokio::sync::mpsc;

use super::within;

/// Somebody with a client of their own, who joins whatever they are invited to.
pub(crate) struct SdkUser {
    pub(crate) client: Client,
    events: mpsc::UnboundedReceiver<Seen>,
    typing: mpsc::UnboundedReceiver<Vec<OwnedUserId>>,
    presence: mpsc::UnboundedReceiver<PresenceEvent>,
    /// Events that came and were not asked for yet.
    kept: Vec<Seen>,
    /// Messages that were asked for, as they were written.
    asked: Vec<Value>,
}

/// An event as the types read it, and as it was written: they know no content that the specification does not.
struct Seen {
    room: OwnedRoomId,
    event: AnySyncTimelineEvent,
    raw: Value,
}

impl SdkUser {
    /// Another client of somebody who was registered.
    pub(crate) async fn log_in(base: &str, name: &str) -> Self {
        let client = Client::builder().homeserver_url(base).build().await.expect("a client");
        let login = client.matrix_auth().login_username(name, "a password of a test");
        login.send().await.expect("signed in");
        let (tell, events) = mpsc::unbounded_channel();
        client.add_event_handler(move |event: AnySyncTimelineEvent, room: Room, raw: RawEvent| {
            let raw = serde_json::from_str(raw.get()).expect("JSON");
            let _ = tell.send(Seen { room: room.room_id().to_owned(), event, raw }); // the test may be over
            std::future::ready(())
        });
        let (tell, typing) = mpsc::unbounded_channel();
        client.add_event_handler(move |event: SyncTypingEvent| {
            let _ = tell.send(event.content.user_ids); // the test may be over
            std::future::ready(())
        });
        let (tell, presence) = mpsc::unbounded_channel();
        client.add_event_handler(move |event: PresenceEvent| {
            let _ = tell.send(event); // the test may be over
            std::future::ready(())
        });
        Self { client, events, typing, presence, kept: Vec::new(), asked: Vec::new() }
    }

    async fn sync(&mut self) {
        let settings = SyncSettings::default().timeout(Duration::from_secs(5));
        self.client.sync_once(settings).await.expect("synced");
        for room in self.client.invited_rooms() {
            room.join().await.expect("joined");
        }
        while let Ok(event) = self.events.try_recv() {
            self.kept.push(event);
        }
    }

    /// Syncs until something is so.
    pub(crate) async fn until<T>(&mut self, what: &str, look: impl AsyncFn(&Client) -> Option<T>) -> T {
        within(what, async {
            loop {
                if let Some(found) = look(&self.client).await {
                    return found;
                }
                self.sync().await;
            }
        })
        .await
    }

    /// What somebody says of themselves, once they show this.
    pub(crate) async fn presence_of(&mut self, who: &UserId, state: PresenceState) -> Option<String> {
        within(&format!("{who} to be {state}"), async {
            loop {
                while let Ok(event) = self.presence.try_recv() {
                    if event.sender == who && event.content.presence == state {
                        return event.content.status_msg;
                    }
                }
                self.sync().await;
            }
        })
        .await
    }

    /// Waits until somebody shows this state with just these words.
    pub(crate) async fn shows(&mut self, who: &UserId, state: PresenceState, words: &str) {
        within(&format!("{who} to be {state}, {words:?}"), async {
            while self.presence_of(who, state.clone()).await.unwrap_or_default() != words {}
        })
        .await;
    }

    /// Says of themselves what their own client would.
    pub(crate) async fn show(&self, state: PresenceState, words: &str) {
        let mut request = set_presence::v3::Request::new(self.client.user_id().expect("an id").into(), state);
        request.status_msg = Some(words.to_owned());
        self.client.send(request).await.expect("shown");
    }

    /// A room that they are in, or will be.
    pub(crate) async fn room(&mut self, id: &str) -> Room {
        let id = RoomId::parse(id).expect("a room");
        self.until("the room", async |client| client.get_room(&id)).await
    }

    /// The bytes behind an `mxc://`.
    pub(crate) async fn download(&self, uri: &OwnedMxcUri) -> Vec<u8> {
        let request =
            MediaRequestParameters { source: MediaSource::Plain(uri.clone()), format: MediaFormat::File };
        self.client.media().get_media_content(&request, false).await.expect("a file")
    }

    /// Uploads bytes; gives their `mxc://`.
    pub(crate) async fn upload(&self, kind: &str, bytes: Vec<u8>) -> OwnedMxcUri {
        let kind = kind.parse().expect("a type");
        self.client.media().upload(&kind, bytes, None).await.expect("uploaded").content_uri
    }

    /// Waits for a state event of a room, among all that came.
    pub(crate) async fn state<T>(
        &mut self,
        what: &str,
        room: &Room,
        read: impl Fn(&AnySyncStateEvent) -> Option<T>,
    ) -> T {
        let wanted = |seen: &Seen| match &seen.event {
            AnySyncTimelineEvent::State(event) if seen.room == room.room_id() => read(event),
            _ => None,
        };
        within(what, async {
            loop {
                if let Some(found) = self.kept.iter().find_map(wanted) {
                    return found;
                }
                self.sync().await;
            }
        })
        .await
    }

    /// What is said of an event in a status event, once that says this.
    pub(crate) async fn status(&mut self, of: &EventId, status: &str) -> Value {
        let is_it = |seen: &Seen| {
            let content = &seen.raw["content"];
            seen.raw["type"] == "com.beeper.message_send_status"
                && content["m.relates_to"]["event_id"] == of.as_str()
                && content["status"] == status
        };
        within(&format!("the status {status} of {of}"), async {
            loop {
                if let Some(seen) = self.kept.iter().find(|seen| is_it(seen)) {
                    return seen.raw["content"].clone();
                }
                self.sync().await;
            }
        })
        .await
    }

    /// Waits until somebody has read this.
    pub(crate) async fn has_read(&mut self, room: &Room, who: &UserId, event: &EventId) {
        self.until(&format!("{who} to have read {event}"), async |_| {
            let receipt = room.load_user_receipt(ReceiptType::Read, ReceiptThread::Unthreaded, who).await;
            receipt.expect("the store").filter(|(read, _)| read == event)
        })
        .await;
    }

    /// An event as it was written, of those that came.
    pub(crate) fn written(&self, event: &EventId) -> Value {
        let seen = self.asked.iter().find(|seen| seen["event_id"] == event.as_str());
        seen.cloned().expect("an event that came")
    }

    /// The first message with this body among those not asked for before.
    pub(crate) async fn message(&mut self, body: &str) -> (Room, OriginalSyncRoomMessageEvent) {
        self.message_that(body, |said| said == body).await
    }

    /// The same of a part of it.
    pub(crate) async fn message_with(&mut self, part: &str) -> (Room, OriginalSyncRoomMessageEvent) {
        self.message_that(part, |said| said.contains(part)).await
    }

    async fn message_that(
        &mut self,
        what: &str,
        is_it: impl Fn(&str) -> bool,
    ) -> (Room, OriginalSyncRoomMessageEvent) {
        let wanted = |seen: &Seen| match &seen.event {
            AnySyncTimelineEvent::MessageLike(AnySyncMessageLikeEvent::RoomMessage(message)) => {
                message.as_original().filter(|message| is_it(message.content.body())).cloned()
            }
            _ => None,
        };
        within(&format!("the message {what:?}"), async {
            loop {
                if let Some(at) = self.kept.iter().position(|seen| wanted(seen).is_some()) {
                    let seen = self.kept.remove(at);
                    let message = wanted(&seen).expect("a message");
                    self.asked.push(seen.raw);
                    return (self.client.get_room(&seen.room).expect("a room"), message);
                }
                self.sync().await;
            }
        })
        .await
    }

    /// Waits until an event of this type about another has come.
    pub(crate) async fn event_of(&mut self, kind: &str) {
        within(kind, async {
            while !self.kept.iter().any(|seen| seen.event.event_type().to_string() == kind) {
                self.sync().await;
            }
        })
        .await;
    }

    /// Waits until somebody types.
    pub(crate) async fn typist(&mut self) -> OwnedUserId {
        within("somebody typing", async {
            loop {
                while let Ok(users) = self.typing.try_recv() {
                    if let Some(user) = users.into_iter().next() {
                        return user;
                    }
                }
                self.sync().await;
            }
        })
        .await
    }
}

/// Sends a content; gives the event's id.
pub(crate) async fn send(room: &Room, content: impl MessageLikeEventContent) -> OwnedEventId {
    room.send(content).await.expect("sent").response.event_id
}
