//! A Matrix user by `matrix-sdk`: what comes is read by the types of the specification, and what goes is made by them.

use std::time::Duration;

use matrix_sdk::config::SyncSettings;
use matrix_sdk::{Client, Room};
use ruma::events::presence::PresenceEvent;
use ruma::events::room::message::OriginalSyncRoomMessageEvent;
use ruma::events::typing::SyncTypingEvent;
use ruma::events::{AnySyncMessageLikeEvent, AnySyncTimelineEvent, MessageLikeEventContent};
use ruma::presence::PresenceState;
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId, UserId};
use tokio::sync::mpsc;

use super::within;

/// Somebody with a client of their own, who joins whatever they are invited to.
pub(crate) struct SdkUser {
    client: Client,
    events: mpsc::UnboundedReceiver<(OwnedRoomId, AnySyncTimelineEvent)>,
    typing: mpsc::UnboundedReceiver<Vec<OwnedUserId>>,
    presence: mpsc::UnboundedReceiver<PresenceEvent>,
    /// Events that came and were not asked for yet.
    kept: Vec<(OwnedRoomId, AnySyncTimelineEvent)>,
}

impl SdkUser {
    /// Another client of somebody who was registered.
    pub(crate) async fn log_in(base: &str, name: &str) -> Self {
        let client = Client::builder().homeserver_url(base).build().await.expect("a client");
        let login = client.matrix_auth().login_username(name, "a password of a test");
        login.send().await.expect("signed in");
        let (tell, events) = mpsc::unbounded_channel();
        client.add_event_handler(move |event: AnySyncTimelineEvent, room: Room| {
            let _ = tell.send((room.room_id().to_owned(), event)); // the test may be over
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
        Self { client, events, typing, presence, kept: Vec::new() }
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
        let wanted = |event: &AnySyncTimelineEvent| match event {
            AnySyncTimelineEvent::MessageLike(AnySyncMessageLikeEvent::RoomMessage(message)) => {
                message.as_original().filter(|message| is_it(message.content.body())).cloned()
            }
            _ => None,
        };
        within(&format!("the message {what:?}"), async {
            loop {
                if let Some(at) = self.kept.iter().position(|(_, event)| wanted(event).is_some()) {
                    let (room, event) = self.kept.remove(at);
                    let room = self.client.get_room(&room).expect("a room");
                    return (room, wanted(&event).expect("a message"));
                }
                self.sync().await;
            }
        })
        .await
    }

    /// Waits until an event of this type about another has come.
    pub(crate) async fn event_of(&mut self, kind: &str) {
        within(kind, async {
            while !self.kept.iter().any(|(_, event)| event.event_type().to_string() == kind) {
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
