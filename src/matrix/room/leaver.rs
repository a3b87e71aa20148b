//! Rooms that are given up: the bot and the ghosts go, and nothing is said there any more.
//!
//! Knows which rooms are to be left, over a restart too. Refuses to know why: whoever gave the room up does. What was on its
//! way there is said in the portal's next room. Rows of the table of rooms: `x` a room that is to be left.

use std::sync::Arc;
use std::time::Duration;

use ruma::api::client::membership::{joined_members, kick_user};
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::member::RoomMembers;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::homeserver::{Homeserver, MatrixError, ask_as, send_as, storage_failed};
use crate::matrix::profile::{DoublePuppets, GhostIds};
use crate::retry::Retry;

const PREFIX: &[u8] = b"x";
/// Rooms that are looked at in one go.
const PAGE: usize = 100;
/// Pauses while the homeserver is not there.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(120)];
/// What somebody reads who is taken out of a room.
const REASON: &str = "this conversation was deleted";

fn row(room: &RoomId) -> Vec<u8> {
    [PREFIX, room.as_bytes()].concat()
}

/// What is to become of a room.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Leaving {
    /// Ghosts that are there, should the bot not be able to ask any more.
    ghosts: Vec<OwnedUserId>,
    /// Who is taken out as well.
    removes: Option<OwnedUserId>,
}

/// Leaves rooms.
pub(crate) struct RoomLeaver {
    homeserver: Homeserver,
    ids: Arc<GhostIds>,
    storage: Arc<dyn Storage>,
    members: Arc<RoomMembers>,
    puppets: Arc<DoublePuppets>,
    due: Notify,
}

impl RoomLeaver {
    pub(crate) fn new(
        homeserver: Homeserver,
        ids: Arc<GhostIds>,
        storage: Arc<dyn Storage>,
        members: Arc<RoomMembers>,
        puppets: Arc<DoublePuppets>,
    ) -> Self {
        Self { homeserver, ids, storage, members, puppets, due: Notify::new() }
    }

    /// A room is to be left by all of ours, and `removes` is taken out of it.
    ///
    /// # Errors
    /// Transient: the store failed.
    pub(crate) async fn put(
        &self,
        room: &RoomId,
        ghosts: Vec<OwnedUserId>,
        removes: Option<&UserId>,
    ) -> Result<(), DeliveryError> {
        let leaving = Leaving { ghosts, removes: removes.map(ToOwned::to_owned) };
        let mut batch = Batch::default();
        batch.put(Table::Rooms, row(room), serde_json::to_vec(&leaving).map_err(storage_failed)?);
        self.storage.commit(batch, Urgency::Now).await.map_err(storage_failed)?;
        self.due.notify_one();
        Ok(())
    }

    /// Leaves what is to be left, until stopped.
    pub(crate) async fn run(&self, cancel: CancellationToken) {
        let leaving = async {
            let mut retry = Retry::new(PAUSES[0], PAUSES[1]);
            loop {
                match self.leave_all().await {
                    Ok(()) => {
                        retry.reset();
                        self.due.notified().await;
                    }
                    Err(error) => {
                        tracing::info!(%error, "rooms were not left, trying again");
                        retry.pause().await;
                    }
                }
            }
        };
        cancel.run_until_cancelled(leaving).await;
    }

    async fn leave_all(&self) -> Result<(), DeliveryError> {
        loop {
            let rows = self.storage.scan(Table::Rooms, PREFIX, None, PAGE).map_err(storage_failed)?;
            if rows.is_empty() {
                return Ok(());
            }
            for (key, value) in rows {
                let room = std::str::from_utf8(&key[PREFIX.len()..]).ok();
                if let Some(room) = room.and_then(|room| OwnedRoomId::try_from(room).ok()) {
                    self.leave(&room, serde_json::from_slice(&value).unwrap_or_default()).await?;
                    tracing::info!(%room, "left a room that was given up");
                }
                let mut batch = Batch::default();
                batch.remove(Table::Rooms, key);
                self.storage.commit(batch, Urgency::Soon).await.map_err(storage_failed)?;
            }
        }
    }

    /// The bot goes last: only it can ask who is there.
    async fn leave(&self, room: &RoomId, leaving: Leaving) -> Result<(), MatrixError> {
        let bot = self.homeserver.bot();
        let request = joined_members::v3::Request::new(room.to_owned());
        let ghosts: Vec<OwnedUserId> = match ask_as!(self.homeserver, bot, request) {
            Ok(answer) => answer.users("joined").into_iter().filter(|user| self.ids.is_ours(user)).collect(),
            Err(MatrixError::Refused { .. }) => leaving.ghosts,
            Err(error) => return Err(error),
        };
        for ghost in ghosts.iter().filter(|user| *user != bot) {
            self.members.leave(room, ghost).await?;
        }
        if let Some(user) = &leaving.removes {
            self.take_out(room, user).await?;
        }
        self.members.leave(room, bot).await
    }

    async fn take_out(&self, room: &RoomId, user: &UserId) -> Result<(), MatrixError> {
        if self.puppets.may_act_as(user).await? {
            return self.members.leave(room, user).await;
        }
        let mut kick = kick_user::v3::Request::new(room.to_owned(), user.to_owned());
        kick.reason = Some(REASON.to_owned());
        match send_as!(self.homeserver, self.homeserver.bot(), kick) {
            // Who made a room, or may do what the bot may, stays in it as long as they like.
            Ok(_) | Err(MatrixError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
