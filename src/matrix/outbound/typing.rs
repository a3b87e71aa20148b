//! Who types, shown in rooms until they have said it.
//!
//! Knows how long a homeserver is to show it. Refuses to try again: it is worth nothing later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ruma::api::client::typing::create_typing_event::v3::{Request, Typing, TypingInfo};
use ruma::{OwnedRoomId, OwnedUserId};

use crate::bridge::event::Author;
use crate::bridge::ids::PortalKey;
use crate::matrix::cache::Cache;
use crate::matrix::homeserver::{Homeserver, tell_as};
use crate::matrix::profile::GhostProfiles;
use crate::matrix::room::{RoomMembers, RoomRegistry};

/// The network repeats its notice every few seconds; one that is not repeated is over after this.
const SHOWN: Duration = Duration::from_secs(6);
/// How long the bot types to find out whether it is heard.
const MOMENT: Duration = Duration::from_secs(1);
/// Most people who are remembered to type. Somebody who is evicted seems to type for as long as a homeserver shows it.
const MAX_TYPING: usize = 1_000;

/// Shows that contacts are typing.
pub(crate) struct TypingPublisher {
    homeserver: Homeserver,
    registry: Arc<RoomRegistry>,
    profiles: Arc<GhostProfiles>,
    members: Arc<RoomMembers>,
    /// Who was shown, and when.
    typing: Cache<(OwnedRoomId, OwnedUserId), Instant>,
}

impl TypingPublisher {
    pub(crate) fn new(
        homeserver: Homeserver,
        registry: Arc<RoomRegistry>,
        profiles: Arc<GhostProfiles>,
        members: Arc<RoomMembers>,
    ) -> Self {
        Self { homeserver, registry, profiles, members, typing: Cache::new(MAX_TYPING) }
    }

    /// Who is shown as typing: a contact, or the bot for somebody for whom it speaks.
    async fn typist(&self, portal: &PortalKey, author: &Author) -> Option<(OwnedRoomId, OwnedUserId)> {
        let room = self.registry.room_of(portal).ok()??;
        let user = match author {
            Author::Ghost(ghost) => self.profiles.ensure(&portal.receiver, ghost).await.ok()?,
            Author::Relayed { .. } => self.homeserver.bot().to_owned(),
            Author::Owner { .. } | Author::Bridge => return None,
        };
        Some((room, user))
    }

    /// Shows that somebody is typing.
    pub(crate) async fn show(&self, portal: &PortalKey, author: Author) {
        let Some((room, user)) = self.typist(portal, &author).await else { return };
        let is_bot = user == *self.homeserver.bot();
        if !is_bot && self.members.ensure_joined(&room, &user).await.is_err() {
            return;
        }
        self.typing.insert((room.clone(), user.clone()), Instant::now());
        self.tell(room, user, Typing::Yes(TypingInfo::new(SHOWN))).await;
    }

    /// Somebody who was shown as typing has said it: that is over, whatever the homeserver was told.
    pub(crate) async fn end(&self, portal: &PortalKey, author: &Author) {
        let Some((room, user)) = self.typist(portal, author).await else { return };
        let shown = self.typing.remove(&(room.clone(), user.clone()));
        if shown.is_some_and(|at| at.elapsed() < SHOWN) {
            self.tell(room, user, Typing::No).await;
        }
    }

    /// The bot types for a moment, where it is alone with somebody; once the homeserver has taken that, something must come
    /// of it.
    pub(crate) async fn to_nobody(&self) {
        let Some(room) = self.registry.management_rooms().into_iter().next() else { return };
        let bot = self.homeserver.bot().to_owned();
        if self.tell(room.clone(), bot.clone(), Typing::Yes(TypingInfo::new(MOMENT))).await {
            self.homeserver.echoes().typed();
            self.tell(room, bot, Typing::No).await;
        }
    }

    /// Whether the homeserver has taken it.
    async fn tell(&self, room: OwnedRoomId, user: OwnedUserId, typing: Typing) -> bool {
        let request = Request::new(user.clone(), room, typing);
        let told = tell_as!(self.homeserver, &user, request);
        if let Err(error) = &told {
            tracing::debug!(%error, "typing was not shown");
        }
        told.is_ok()
    }
}
