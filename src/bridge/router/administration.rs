//! What administrators may do to the logins and rights of others, and to the program.
//!
//! Knows that whoever loses something is told. Refuses to judge who is an administrator: the command has.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::context::RouterContext;
use super::finished::{Finished, ReplyTo};
use super::requests;
use super::setback::Setback;
use crate::bridge::ids::{LoginId, UserId};
use crate::bridge::login::Login;
use crate::bridge::receipt::InboxReceipt;

/// Between the last answer and the end of the program: the answer is to arrive.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Ends a login of another user, who is told.
pub(super) fn kick(
    context: &mut RouterContext,
    reply: &ReplyTo,
    login: &LoginId,
    receipt: InboxReceipt,
) -> Result<(), Setback> {
    if let Some(owner) = context.logins.owner(login) {
        context.ask_room_to_tell(&owner)?;
        let text =
            format!("An administrator of this bridge has signed {login} out, and its password is forgotten.");
        context.tell(&owner, &text)?;
    }
    let owner = context.logins.owner(login);
    let is_out = owner.is_some_and(|owner| context.setup.permissions.is_shut_out(&owner));
    let configured = match context.logins.is_configured(login) && !is_out {
        true => " The configuration names it: it comes back with the next start.",
        false => "",
    };
    let answer = format!("{login} is signed out, and its owner was told.{configured}");
    requests::forget_login(context, reply, login, answer, receipt.into_batch());
    Ok(())
}

/// Shuts a user out, or lets them in again. Gives the logins that are to end with that.
pub(super) fn shut_out(
    context: &mut RouterContext,
    reply: &ReplyTo,
    user: &UserId,
    is_out: bool,
    receipt: InboxReceipt,
) -> Result<Vec<LoginId>, Setback> {
    let mut batch = receipt.into_batch();
    if !context.setup.permissions.shut_out(user, is_out, &mut batch) {
        context.reply(reply, "Nobody can be shut out here.", batch)?;
        return Ok(Vec::new());
    }
    let logins = context.logins.all().values().filter(|login| is_out && login.owner == *user);
    let logins: Vec<LoginId> = logins.map(|login| login.id.clone()).collect();
    // Together: after a crash nobody is connected who was shut out.
    logins.iter().for_each(|login| Login::erase(login, &mut batch));
    let text = match is_out {
        true => format!("{user} is not answered any more."),
        false => format!("{user} may use the bridge as the configuration allows."),
    };
    context.reply(reply, &text, batch)?;
    Ok(logins)
}

/// Says that the program ends.
pub(super) fn announce_shutdown(
    context: &mut RouterContext,
    reply: &ReplyTo,
    receipt: InboxReceipt,
) -> Result<(), Setback> {
    tracing::warn!("an administrator ends the program");
    let text = "The bridge ends now. What is on its way goes on when it is started again.";
    context.reply(reply, text, receipt.into_batch())
}

/// Ends the program a moment later.
pub(super) fn shut_down(context: &RouterContext) -> BoxFuture<'static, Finished> {
    let shutdown = context.setup.shutdown.clone();
    Box::pin(async move {
        tokio::time::sleep(LAST_WORDS).await;
        shutdown.cancel();
        Finished::Nothing
    })
}
