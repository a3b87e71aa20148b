//! Channels of a side, asked for by a user; and who is in a conversation.
//!
//! Knows the user's logins and rank, which the side needs to decide. Refuses to decide itself.

use futures_util::future::BoxFuture;

use super::context::RouterContext;
use super::finished::{Answered, Finished, ReplyTo};
use crate::bridge::event::LocalCommand;
use crate::bridge::ids::{LoginId, PortalKey, UserId};
use crate::bridge::port::channels::{ChannelAct, ChannelRequest};
use crate::bridge::port::frontend::Level;
use crate::bridge::sentence::sentence;

fn logins(context: &RouterContext, user: &UserId) -> Vec<LoginId> {
    let own = context.logins.all().values().filter(|login| login.owner == *user);
    own.map(|login| login.id.clone()).collect()
}

/// The channels of a user's conversations, a line each.
pub(super) fn of(context: &RouterContext, user: &UserId) -> Vec<String> {
    let logins = logins(context, user);
    context.setup.frontends.iter().flat_map(|frontend| frontend.channels(&logins)).collect()
}

/// Asks the side that has channels.
pub(super) fn ask(
    context: &RouterContext,
    given: &LocalCommand,
    act: ChannelAct,
) -> BoxFuture<'static, Finished> {
    let (user, reply) = (given.user.clone(), ReplyTo::from(given));
    let is_admin = context.setup.permissions.level(&user) >= Level::Admin;
    let request = ChannelRequest { is_admin, logins: logins(context, &user), user, act };
    let side = context.setup.frontends.iter().find(|frontend| frontend.has_channels()).cloned();
    Box::pin(async move {
        let done = match side {
            Some(side) => side.ask_channel(request).await,
            None => Err("no side of this bridge has channels".into()),
        };
        let text = done.unwrap_or_else(|reason| format!("That did not work: {}", sentence(&reason)));
        Finished::Answer(Answered::new(reply, text))
    })
}

/// The people of a conversation, by their names and accounts.
pub(super) fn who(context: &RouterContext, portal: &PortalKey) -> String {
    let people = context.portals.display(portal).people;
    let called =
        people.into_iter().map(|ghost| match ghost.name.is_empty() || ghost.name == ghost.id.as_str() {
            true => ghost.id.to_string(),
            false => format!("{} ({})", ghost.name, ghost.id),
        });
    let called: Vec<String> = called.collect();
    match called.is_empty() {
        true => "Nobody is in this conversation.".into(),
        false => format!("In this conversation: {}.", called.join(", ")),
    }
}
