//! Sign-ins by a program, which take two steps: what is asked for, and what was given.
//!
//! Knows the only way to sign in, and its steps. Refuses to keep what was given: a password goes to the core and nowhere else.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::Caller;
use super::failure::Failure;
use super::server::{Answered, Server};
use crate::bridge::account::SignInOutcome;
use crate::bridge::port::network::NetworkTraits;
use crate::bridge::sentence::{capitalised, sentence};

/// The only way to sign in, and its only step.
pub(super) const FLOW: &str = "password";
const STEP: &str = "msnbridge.password";
/// How long a program waits for what becomes of it.
const OUTCOME: Duration = Duration::from_secs(60);

/// What is given in the only step.
#[derive(Deserialize)]
pub(super) struct Given {
    account: String,
    password: SecretString,
}

/// The ways to sign in.
pub(super) fn flows(network: &NetworkTraits) -> Value {
    json!([{
        "id": FLOW,
        "name": "Password",
        "description": format!("Sign in with your {} {} and password.", network.name, network.account),
    }])
}

pub(super) async fn list(State(server): Server, _caller: Caller) -> Answered {
    Ok(Json(json!({"flows": flows(&server.network.traits())})))
}

pub(super) async fn start(State(server): Server, caller: Caller, Path(flow): Path<String>) -> Answered {
    if flow != FLOW {
        return Err(Failure::not_found("There is no such way to sign in."));
    }
    if let Some(named) = &caller.login {
        let logins = server.bridge.logins(&caller.user).await?;
        if !logins.iter().any(|login| login.id.as_str() == named) {
            return Err(Failure::not_found("You have no such login."));
        }
    }
    let id = server.processes.begin(&caller.user);
    let NetworkTraits { name, account, .. } = server.network.traits();
    Ok(Json(json!({
        "login_id": id,
        "type": "user_input",
        "step_id": STEP,
        "instructions": format!("Give your {name} {account} and its password. The bridge keeps it encrypted."),
        "user_input": {"fields": [
            {"type": "email", "id": "account", "name": capitalised(account)},
            {"type": "password", "id": "password", "name": "Password"},
        ]},
    })))
}

pub(super) async fn step(
    State(server): Server,
    caller: Caller,
    Path((id, step, kind)): Path<(String, String, String)>,
    given: Result<Json<Given>, JsonRejection>,
) -> Answered {
    if !server.processes.is_of(&id, &caller.user) {
        return Err(Failure::not_found("There is no such sign-in: it ended, or its time is over."));
    }
    if (step.as_str(), kind.as_str()) != (STEP, "user_input") {
        return Err(Failure::bad_state("That is not the step that comes next."));
    }
    let Json(Given { account, password }) = given
        .map_err(|_| Failure::not_json("The body has to be JSON with the texts «account» and «password»."))?;
    server.passwords.count(&caller.user)?;
    if !server.processes.end(&id, &caller.user) {
        return Err(Failure::not_found("There is no such sign-in: it ended just now."));
    }
    let asked = server.bridge.sign_in(&caller.user, account.trim(), password);
    match tokio::time::timeout(OUTCOME, asked).await {
        Ok(Ok(SignInOutcome::SignedIn { login })) => Ok(Json(json!({
            "login_id": id,
            "type": "complete",
            "step_id": "msnbridge.complete",
            "instructions": format!("Signed in as {login}."),
            "complete": {"user_login_id": login.as_str()},
        }))),
        Ok(Ok(SignInOutcome::Refused { reason })) => Err(Failure::forbidden(capitalised(&sentence(&reason)))),
        Ok(Ok(SignInOutcome::Waiting { login, reason })) => {
            let text =
                format!("{login} is not connected: {} It is tried again by itself.", sentence(&reason));
            Err(Failure::internal(text))
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Failure::internal("It is not known yet what becomes of the sign-in; it goes on.")),
    }
}

pub(super) async fn cancel(State(server): Server, caller: Caller, Path(id): Path<String>) -> Answered {
    match server.processes.end(&id, &caller.user) {
        true => Ok(Json(json!({}))),
        false => Err(Failure::not_found("There is no such sign-in.")),
    }
}
