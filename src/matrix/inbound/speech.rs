//! What one event says, with what has to be asked for: the words that it answers, the poll that it votes in, the names of
//! people whom it mentions.
//!
//! Knows that words wait for none of these. Refuses to know who hears them.

use std::sync::Arc;

use ruma::{OwnedRoomId, OwnedUserId, UserId};

use super::call::{self, RoomCall};
use super::context::InboundContext;
use super::event::Event;
use super::kind::{self, as_answer, as_edit};
use super::reading::{Content, Reading};
use super::{mention, poll, relation};
use crate::bridge::body::RichText;
use crate::matrix::cache::Cache;

/// People who are in calls of all of their room. One who is evicted is told of once more.
const MAX_CALLERS: usize = 1_000;

/// Reads what events say.
pub(super) struct SpeechReader {
    context: Arc<InboundContext>,
    /// People who are in a call of all of a room: they say so again and again.
    callers: Cache<(OwnedRoomId, OwnedUserId), ()>,
}

impl SpeechReader {
    pub(super) fn new(context: Arc<InboundContext>) -> Self {
        Self { context, callers: Cache::new(MAX_CALLERS) }
    }

    /// What an event with this content says.
    pub(super) async fn read(&self, event: &Event, content: &Content) -> Reading {
        if let Some(happened) = call::of_room(&event.kind, content) {
            return self.room_call(event, happened);
        }
        let reading = match poll::is_response(&event.kind) {
            true => poll::response(content, self.poll(event).await.as_ref()),
            false => kind::read(&event.kind, content),
        };
        let reading = match reading {
            Reading::Text(text) => Reading::Text(self.with_names(event, content, text).await),
            Reading::Act(text) => Reading::Act(self.with_names(event, content, text).await),
            other => other,
        };
        if event.edits().is_some() {
            return as_edit(reading);
        }
        match self.quotation(event).await {
            Some(quoted) => as_answer(reading, &quoted),
            None => reading,
        }
    }

    /// A call of all of a room begins with the first who says so.
    fn room_call(&self, event: &Event, happened: RoomCall) -> Reading {
        let caller = (event.room_id.clone(), event.sender.clone());
        let is_news = match happened {
            RoomCall::Joined => self.callers.insert(caller, ()).is_none(),
            RoomCall::Rung => !self.callers.contains(&caller),
            RoomCall::Left => {
                self.callers.remove(&caller);
                false
            }
        };
        if is_news { call::room_call() } else { Reading::Nothing }
    }

    /// The poll that somebody votes in.
    async fn poll(&self, event: &Event) -> Option<Content> {
        let poll = self.context.fetch(&event.room_id, event.relation("event_id")?).await.ok()??;
        Some(relation::said(&poll))
    }

    /// Words in which people who are mentioned by their address are called by their name.
    async fn with_names(&self, event: &Event, content: &Content, mut text: RichText) -> RichText {
        for address in mention::in_words(content, &text) {
            let Ok(user) = UserId::parse(&*address) else { continue };
            if let Ok(name) = self.context.members.name(&event.room_id, &user).await {
                text = mention::named(text, &address, &name);
            }
        }
        text
    }

    /// A quotation is not worth holding words up for: `None` where it cannot be had now.
    async fn quotation(&self, event: &Event) -> Option<String> {
        let answered = self.context.fetch(&event.room_id, relation::quoted(event)?).await.ok()??;
        let is_ours = *answered.sender == *self.context.homeserver.bot();
        relation::quotation(&answered, is_ours)
    }
}
