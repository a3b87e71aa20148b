//! Which rooms are direct, as their owners' clients have it.
//!
//! Knows that the list is the owner's, who has other direct rooms: what is new is put in, and the rest stays. Refuses to act
//! where the bridge may not act for the owner. Source: `m.direct` of the client-server API.

use std::sync::Arc;

use ruma::api::client::config::{get_global_account_data, set_global_account_data};
use ruma::events::GlobalAccountDataEventType;
use ruma::serde::Raw;
use ruma::{RoomId, UserId};
use serde_json::{Value, json};

use crate::matrix::homeserver::{Homeserver, MatrixError, send_as};
use crate::matrix::profile::DoublePuppets;

/// Marks rooms as direct.
pub(crate) struct DirectRooms {
    pub(crate) homeserver: Homeserver,
    pub(crate) puppets: Arc<DoublePuppets>,
    /// One change at a time: each reads the list and writes it.
    changing: tokio::sync::Mutex<()>,
}

/// The list with a room in it that is with `other`, and without `gone`; `None` where that is so already. What is no list of
/// rooms stays as it is.
fn merged(list: &Value, other: &UserId, room: Option<&RoomId>, gone: Option<&RoomId>) -> Option<Value> {
    let mut new = if list.is_object() { list.clone() } else { json!({}) };
    let all = new.as_object_mut()?;
    if let Some(gone) = gone {
        for rooms in all.values_mut().filter_map(Value::as_array_mut) {
            rooms.retain(|known| known != gone.as_str());
        }
    }
    if let Some(room) = room {
        let rooms = all.entry(other.as_str()).or_insert_with(|| json!([]));
        let rooms = rooms.as_array_mut()?;
        if !rooms.iter().any(|known| known == room.as_str()) {
            rooms.push(json!(room));
        }
    }
    // Whoever had a room alone has none now.
    let was_there =
        |who: &str| list.get(who).and_then(Value::as_array).is_some_and(|rooms| !rooms.is_empty());
    all.retain(|who, rooms| rooms.as_array().is_none_or(|rooms| !rooms.is_empty() || !was_there(who)));
    (new != *list).then_some(new)
}

impl DirectRooms {
    pub(crate) fn new(homeserver: Homeserver, puppets: Arc<DoublePuppets>) -> Self {
        Self { homeserver, puppets, changing: tokio::sync::Mutex::default() }
    }

    /// Has `owner`'s clients show `room` as one with `other`, in the place of `gone`.
    ///
    /// # Errors
    /// The homeserver is not available. Where we may not act as the owner, or are refused, that is as good.
    pub(crate) async fn mark(
        &self,
        owner: &UserId,
        other: &UserId,
        room: Option<&RoomId>,
        gone: Option<&RoomId>,
    ) -> Result<(), MatrixError> {
        if !self.puppets.may_act_as(owner).await? {
            return Ok(());
        }
        let _one = self.changing.lock().await;
        match self.change(owner, other, room, gone).await {
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::info!(%error, %owner, "a room was not marked as direct");
                Ok(())
            }
            answer => answer,
        }
    }

    async fn change(
        &self,
        owner: &UserId,
        other: &UserId,
        room: Option<&RoomId>,
        gone: Option<&RoomId>,
    ) -> Result<(), MatrixError> {
        let kind = GlobalAccountDataEventType::Direct;
        let asked = get_global_account_data::v3::Request::new(owner.to_owned(), kind.clone());
        let list = match send_as!(self.homeserver, owner, asked) {
            Ok(answer) => serde_json::from_str(answer.account_data.json().get()).map_err(MatrixError::own)?,
            Err(error) if error.is("M_NOT_FOUND") => Value::Null,
            Err(error) => return Err(error),
        };
        let Some(new) = merged(&list, other, room, gone) else { return Ok(()) };
        let content = Raw::new(&new).map_err(MatrixError::own)?.cast_unchecked();
        let request = set_global_account_data::v3::Request::new_raw(owner.to_owned(), kind, content);
        send_as!(self.homeserver, owner, request).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use ruma::{room_id, user_id};

    use super::*;

    #[test]
    fn what_an_owner_has_stays_and_what_is_new_is_put_in() {
        let (bob, room) = (user_id!("@msn_bob:x"), room_id!("!a:x"));
        let merge = |list: Value| merged(&list, bob, Some(room), None);
        assert_eq!(merge(Value::Null), Some(json!({"@msn_bob:x": ["!a:x"]})));
        let others = json!({"@eve:x": ["!e:x"], "@msn_bob:x": ["!old:x"], "odd": 7, "empty": []});
        let with = json!({
            "@eve:x": ["!e:x"], "@msn_bob:x": ["!old:x", "!a:x"], "odd": 7, "empty": [],
        });
        assert_eq!(merge(others), Some(with.clone()));
        assert_eq!(merge(with), None, "it is so already");
        assert_eq!(merge(json!({"@msn_bob:x": 7})), None, "what cannot be read is not written over");
    }

    #[test]
    fn a_room_takes_the_place_of_another_and_nobody_is_left_without_one() {
        let (bob, old, new) = (user_id!("@msn_bob:x"), room_id!("!old:x"), room_id!("!new:x"));
        let list = json!({"@msn_bob:x": ["!old:x"], "@eve:x": ["!e:x"]});
        let replaced = json!({"@msn_bob:x": ["!new:x"], "@eve:x": ["!e:x"]});
        assert_eq!(merged(&list, bob, Some(new), Some(old)), Some(replaced));
        assert_eq!(merged(&list, bob, None, Some(old)), Some(json!({"@eve:x": ["!e:x"]})));
        assert_eq!(merged(&list, bob, None, Some(new)), None);
    }
}
