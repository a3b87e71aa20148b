//! What a program needs to show a user this bridge: its network, its bot, their logins.
//!
//! Knows how a connection's state is called there. Refuses to change anything.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::caller::Caller;
use super::failure::Failure;
use super::process;
use super::server::{Answered, ProvisionServer, Server};
use crate::bridge::account::LoginState;
use crate::bridge::event::ConnectionState;
use crate::bridge::ids::{LoginId, PortalKey};
use crate::bridge::port::network::NetworkTraits;
use crate::bridge::sentence::{capitalised, sentence};

impl ProvisionServer {
    /// The network, in the form in which programs show one.
    async fn describe_network(&self) -> Value {
        let NetworkTraits { name, .. } = self.network.traits();
        json!({
            "displayname": name,
            "network_url": "",
            "network_icon": self.bot.picture().await.unwrap_or_default(),
            "network_id": self.network_id(),
            "beeper_bridge_type": env!("CARGO_PKG_NAME"),
        })
    }

    pub(super) fn network_id(&self) -> String {
        self.network.traits().name.to_ascii_lowercase()
    }
}

fn state(login: &LoginState) -> Value {
    let (event, message) = match &login.state {
        ConnectionState::Connecting => ("CONNECTING", None),
        ConnectionState::Connected => ("CONNECTED", None),
        ConnectionState::Waiting { reason } => ("TRANSIENT_DISCONNECT", Some(reason)),
        ConnectionState::SignedOut { reason } => ("BAD_CREDENTIALS", Some(reason)),
    };
    let mut state = json!({"state_event": event, "timestamp": login.since.unwrap_or_default()});
    if let Some(message) = message {
        state["message"] = json!(capitalised(&sentence(message)));
    }
    state
}

fn login(login: &LoginState) -> Value {
    let id = login.id.as_str();
    json!({"state": state(login), "id": id, "name": id, "profile": {"username": id}})
}

pub(super) async fn whoami(State(server): Server, caller: Caller) -> Answered {
    let logins = server.bridge.logins(&caller.user).await?;
    let traits = server.network.traits();
    let mut answer = json!({
        "network": server.describe_network().await,
        "login_flows": process::flows(&traits),
        "homeserver": server.settings.server_name,
        "bridge_bot": server.homeserver.bot(),
        "command_prefix": traits.command_prefix,
        "logins": logins.iter().map(login).collect::<Vec<_>>(),
    });
    if let Some(room) = server.registry.room_of(&PortalKey::management(&caller.user))? {
        answer["management_room"] = json!(room);
    }
    Ok(Json(answer))
}

pub(super) async fn logins(State(server): Server, caller: Caller) -> Answered {
    let logins = server.bridge.logins(&caller.user).await?;
    let ids: Vec<&str> = logins.iter().map(|login| login.id.as_str()).collect();
    Ok(Json(json!({"login_ids": ids})))
}

pub(super) async fn logout(State(server): Server, caller: Caller, Path(named): Path<String>) -> Answered {
    let ids = match named.as_str() {
        "all" => server.bridge.logins(&caller.user).await?.into_iter().map(|login| login.id).collect(),
        _ => vec![LoginId::new(named.as_str())],
    };
    for id in ids {
        if !server.bridge.sign_out(&caller.user, id).await? {
            return Err(Failure::not_found("You have no such login."));
        }
    }
    Ok(Json(json!({})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_of_a_connection_has_the_name_that_programs_know() {
        let reason = || "the password is wrong".to_owned();
        for (of, event, message) in [
            (ConnectionState::Connecting, "CONNECTING", None),
            (ConnectionState::Connected, "CONNECTED", None),
            (
                ConnectionState::Waiting { reason: reason() },
                "TRANSIENT_DISCONNECT",
                Some("The password is wrong."),
            ),
            (
                ConnectionState::SignedOut { reason: reason() },
                "BAD_CREDENTIALS",
                Some("The password is wrong."),
            ),
        ] {
            let id = LoginId::new("a@b.c");
            let told = login(&LoginState { id, state: of, since: Some(7), words: String::new() });
            assert_eq!(told["state"]["state_event"], event);
            assert_eq!(told["state"]["timestamp"], 7);
            assert_eq!(told["state"]["message"].as_str(), message);
            assert_eq!(told["id"], "a@b.c");
        }
    }
}
