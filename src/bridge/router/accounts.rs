//! What users ask of their logins outside their rooms.
//!
//! Knows that a password from a page is a password like any other, and that the room hears of it. Refuses to answer about the
//! logins of others.

use secrecy::SecretString;
use tokio::sync::mpsc;

use super::commands::{PasswordGiven, store_password};
use super::context::RouterContext;
use super::finished::{Answered, ReplyTo};
use super::requests;
use super::setback::Setback;
use crate::bridge::account::{AccountCall, AccountRequest, SignInOutcome};
use crate::bridge::ids::{GhostId, LoginId, PortalKey, UserId};
use crate::bridge::port::frontend::Level;
use crate::bridge::port::storage::Batch;

/// The room of a user and the bridge, where what is done elsewhere is told.
fn told_in(context: &RouterContext, user: &UserId) -> Result<ReplyTo, String> {
    let leg = context.sides.host().ok_or("No side of this bridge has rooms for its users.")?;
    Ok(ReplyTo { portal: PortalKey::management(user), leg, reference: None })
}

/// Answers what a user asks of their logins.
pub(super) fn answer(context: &mut RouterContext, call: AccountCall) -> Result<(), Setback> {
    let AccountCall { user, request } = call;
    let may = context.setup.permissions.level(&user) >= Level::User;
    match request {
        AccountRequest::Logins { answer } => {
            // Whoever asked may have gone: that is theirs to know.
            let _ = answer.try_send(context.logins.states(&user));
        }
        AccountRequest::SignIn { answer, .. } if !may => {
            let reason = "You may not use this bridge. Ask its administrator.".to_owned();
            let _ = answer.try_send(SignInOutcome::Refused { reason });
        }
        AccountRequest::SignIn { account, password, answer } => {
            context.ask_room_to_tell(&user)?;
            if let Err(reason) = sign_in(context, &user, account, &password, &answer) {
                let _ = answer.try_send(SignInOutcome::Refused { reason });
            }
        }
        AccountRequest::OpenChat { portal, ghost, answer } => {
            context.portals.ask_room(&portal)?;
            let is_own = context.logins.owner(&portal.receiver).as_ref() == Some(&user);
            if is_own {
                open_chat(context, &portal, &ghost)?;
            }
            let _ = answer.try_send(is_own);
        }
        AccountRequest::SignOut { login, answer } => {
            context.ask_room_to_tell(&user)?;
            let _ = answer.try_send(sign_out(context, &user, &login));
        }
    }
    Ok(())
}

/// Stores the account with its password, and signs in when that is on disk. An explanation where it cannot be.
fn sign_in(
    context: &mut RouterContext,
    user: &UserId,
    account: String,
    password: &SecretString,
    answer: &mpsc::Sender<SignInOutcome>,
) -> Result<(), String> {
    let reply = told_in(context, user)?;
    let id = context.setup.network.login_id(&account)?;
    if context.logins.is_taken(&id, user) {
        return Err(format!("{id} is in use by somebody else here."));
    }
    let text = format!("Signing in as {id}, as was asked on the sign-in page …");
    let then = Answered { connect: Some(id.clone()), ..Answered::new(reply.clone(), text) };
    context.logins.tell_outcome(&id, answer.clone());
    let given = PasswordGiven { user, reply: &reply, login: &id, account, password };
    store_password(context, given, Batch::default(), then.into());
    Ok(())
}

/// Says the first words in a conversation, which make its room.
fn open_chat(context: &mut RouterContext, portal: &PortalKey, ghost: &GhostId) -> Result<(), Setback> {
    let Some(leg) = context.sides.host() else { return Ok(()) };
    let text = format!("This is your conversation with {ghost}. What you write here goes to them.");
    context.portals.say(portal, leg, &text, None, Batch::default())
}

/// Whether there was such a login of theirs.
fn sign_out(context: &mut RouterContext, user: &UserId, login: &LoginId) -> bool {
    let is_own = context.logins.owner(login).as_ref() == Some(user);
    let Ok(reply) = told_in(context, user) else { return false };
    if is_own {
        let answer = format!(
            "{login} is signed out and its password forgotten, as was asked on the sign-in page. Its rooms stay; they \
             work again after «login {login}»."
        );
        requests::forget_login(context, &reply, login, answer, Batch::default());
    }
    is_own
}
