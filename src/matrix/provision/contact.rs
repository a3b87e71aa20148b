//! A user's contacts, and conversations with them.
//!
//! Knows the form in which programs show a contact. Refuses to add anybody: a conversation can be begun with whoever the
//! network has.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use ruma::OwnedRoomId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::Caller;
use super::failure::Failure;
use super::server::{Answered, ProvisionServer, Server};
use crate::bridge::ids::{GhostId, LoginId, PortalKey};
use crate::bridge::port::network::ContactLine;
use crate::bridge::sentence::{capitalised, sentence};

/// How long a room may take to be made, and how often it is looked for until then.
const ROOM: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);

/// What is searched for.
#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    query: String,
}

/// A contact as the user named it, in one of the user's logins.
struct Target {
    portal: PortalKey,
    ghost: GhostId,
}

impl ProvisionServer {
    /// The login that is meant: the one named, else one that is connected, else any.
    async fn login(&self, caller: &Caller) -> Result<LoginId, Failure> {
        let logins = self.bridge.logins(&caller.user).await?;
        let found = match &caller.login {
            Some(named) => logins.iter().find(|login| login.id.as_str() == named),
            None => logins.iter().find(|login| login.is_connected()).or_else(|| logins.first()),
        };
        let id = found.map(|login| login.id.clone());
        id.ok_or_else(|| Failure::not_found("You have no such login."))
    }

    async fn target(&self, caller: &Caller, identifier: &str) -> Result<Target, Failure> {
        let login = self.login(caller).await?;
        let prefix = format!("{}:", self.network_id());
        let typed = ["mailto:", &prefix].into_iter().find_map(|prefix| identifier.strip_prefix(prefix));
        let found = self.network.direct_conversation(typed.unwrap_or(identifier));
        let (ghost, conversation) =
            found.map_err(|reason| Failure::not_found(capitalised(&sentence(&reason))))?;
        Ok(Target { portal: PortalKey::new(login, conversation), ghost })
    }

    /// A contact in the form of the schema, with the room of the conversation if there is one.
    async fn describe(&self, target: &Target, name: Option<&str>) -> Result<Value, Failure> {
        let Target { portal, ghost } = target;
        let user = self.ids.user(&portal.receiver, ghost)?;
        let mut told = json!({
            "id": ghost.as_str(),
            "identifiers": [format!("{}:{ghost}", self.network_id())],
            "mxid": user,
        });
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            told["name"] = json!(name);
        }
        if let Some(picture) = self.profiles.avatar(&user).await.ok().flatten() {
            told["avatar_url"] = json!(picture);
        }
        if let Some(room) = self.registry.room_of(portal)? {
            told["dm_room_mxid"] = json!(room);
        }
        Ok(told)
    }

    /// The contacts of a login that are wanted, in the order of the network.
    async fn contacts(
        &self,
        caller: &Caller,
        is_wanted: impl Fn(&ContactLine) -> bool,
    ) -> Result<Vec<Value>, Failure> {
        let login = self.login(caller).await?;
        let known = self.network.contacts(&login).await;
        let known = known.map_err(|reason| Failure::internal(capitalised(&sentence(&reason))))?;
        let mut told = Vec::new();
        for line in known.into_iter().filter(is_wanted) {
            let Ok((ghost, conversation)) = self.network.direct_conversation(line.ghost.as_str()) else {
                continue;
            };
            let portal = PortalKey::new(login.clone(), conversation);
            told.push(self.describe(&Target { portal, ghost }, Some(&line.name)).await?);
        }
        Ok(told)
    }

    /// The room of a conversation, made where there is none.
    async fn room(&self, caller: &Caller, target: &Target) -> Result<OwnedRoomId, Failure> {
        let Target { portal, ghost } = target;
        if let Some(room) = self.registry.room_of(portal)? {
            return Ok(room);
        }
        if !self.bridge.open_chat(&caller.user, portal.clone(), ghost.clone()).await? {
            return Err(Failure::not_found("You have no such login."));
        }
        let made = async {
            let mut looks = tokio::time::interval(LOOK);
            loop {
                looks.tick().await;
                if let Some(room) = self.registry.room_of(portal)? {
                    return Ok::<_, Failure>(room);
                }
            }
        };
        let timed = tokio::time::timeout(ROOM, made).await;
        timed.unwrap_or_else(|_| Err(Failure::internal("The room is not there yet; it is being made.")))
    }
}

pub(super) async fn contacts(State(server): Server, caller: Caller) -> Answered {
    Ok(Json(json!({"contacts": server.contacts(&caller, |_| true).await?})))
}

pub(super) async fn search(
    State(server): Server,
    caller: Caller,
    search: Result<Json<Search>, JsonRejection>,
) -> Answered {
    let Json(Search { query }) =
        search.map_err(|_| Failure::not_json("The body has to be JSON with a text «query»."))?;
    let query = query.to_lowercase();
    let is_wanted = |line: &ContactLine| {
        line.name.to_lowercase().contains(&query) || line.ghost.as_str().to_lowercase().contains(&query)
    };
    Ok(Json(json!({"results": server.contacts(&caller, is_wanted).await?})))
}

pub(super) async fn resolve(
    State(server): Server,
    caller: Caller,
    Path(identifier): Path<String>,
) -> Answered {
    let target = server.target(&caller, &identifier).await?;
    let known = server.network.contacts(&target.portal.receiver).await.unwrap_or_default();
    let name = known.into_iter().find(|line| line.ghost == target.ghost).map(|line| line.name);
    Ok(Json(server.describe(&target, name.as_deref()).await?))
}

pub(super) async fn create(
    State(server): Server,
    caller: Caller,
    Path(identifier): Path<String>,
) -> Answered {
    let target = server.target(&caller, &identifier).await?;
    server.room(&caller, &target).await?;
    Ok(Json(server.describe(&target, None).await?))
}

pub(super) async fn create_group(_caller: Caller) -> Answered {
    Err(Failure::unsupported("Groups begin in a conversation: «invite» there brings others in."))
}
