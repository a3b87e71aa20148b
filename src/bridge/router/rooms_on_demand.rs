//! Rooms that an owner gives to a conversation, or takes from it.
//!
//! Knows where that is answered: in the room, where it is a conversation's then, else where owner and bridge are alone.
//! Refuses to know how a side gives up a room.

use futures_util::future::BoxFuture;

use super::context::RouterContext;
use super::finished::{Answered, Finished, ReplyTo};
use super::setback::Setback;
use crate::bridge::event::LocalCommand;
use crate::bridge::ids::{Leg, LoginId, PortalKey, UserId};
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::storage::Batch;
use crate::bridge::sentence::sentence;

/// Where owner and bridge are alone.
fn in_private(user: &UserId, leg: Leg) -> ReplyTo {
    ReplyTo { portal: PortalKey::management(user), leg, reference: None }
}

fn reason(error: DeliveryError) -> String {
    match error {
        DeliveryError::Permanent { reason }
        | DeliveryError::Transient { reason, .. }
        | DeliveryError::LegDown { reason }
        | DeliveryError::Away { reason } => reason,
    }
}

/// Takes back what waits in a conversation, and gives up its room.
pub(super) fn remove(
    context: &mut RouterContext,
    given: &LocalCommand,
    keeps_people: bool,
) -> Result<BoxFuture<'static, Finished>, Setback> {
    let portal = given.portal.clone();
    let taken_back = context.portals.take_back(&portal)?;
    let (frontend, reply) = (context.frontend(given.leg), in_private(&given.user, given.leg));
    Ok(Box::pin(async move {
        let count = taken_back.await.unwrap_or(0);
        let removed = match &frontend {
            Some(frontend) => frontend.remove_portal(&portal, keeps_people).await,
            None => Ok(()),
        };
        let waited = match count {
            0 => String::new(),
            1 => " The message that waited there was taken back.".into(),
            count => format!(" The {count} messages that waited there were taken back."),
        };
        let text = match removed {
            Ok(()) => {
                let what = if keeps_people { "an ordinary room again" } else { "removed" };
                let conversation = &portal.conversation;
                format!(
                    "The room of the conversation with {conversation} is {what}; what is said later makes another.{waited}"
                )
            }
            Err(error) => format!("The room was not given up: {}{waited}", sentence(&reason(error))),
        };
        Finished::Answer(Answered::new(reply, text))
    }))
}

/// Has the room of a command be that of a conversation.
pub(super) fn adopt(
    context: &RouterContext,
    given: &LocalCommand,
    portal: PortalKey,
) -> BoxFuture<'static, Finished> {
    let (leg, place) = (given.leg, given.place.clone());
    let (frontend, private) = (context.frontend(leg), in_private(&given.user, leg));
    let display = context.portals.display(&portal);
    Box::pin(async move {
        let adopted = match &frontend {
            Some(frontend) => frontend.adopt_room(&portal, display, &place).await,
            None => Err(DeliveryError::permanent("there is no such side")),
        };
        Finished::Answer(match adopted {
            Ok(()) => {
                let text = format!("This room is the conversation with {} now.", portal.conversation);
                Answered::new(ReplyTo { portal, leg, reference: None }, text)
            }
            Err(error) => {
                Answered::new(private, format!("The room was not taken: {}", sentence(&reason(error))))
            }
        })
    })
}

/// Has all rooms of a login looked after, whatever is known of them. That may take minutes, and is said first.
pub(super) fn sync(
    context: &mut RouterContext,
    reply: ReplyTo,
    login: LoginId,
) -> Result<BoxFuture<'static, Finished>, Setback> {
    let Some(owner) = context.logins.owner(&login) else {
        let text = format!("There is no login {login} any more.");
        return Ok(Box::pin(async { Finished::Answer(Answered::new(reply, text)) }));
    };
    context.reply(&reply, &format!("Looking after the rooms of {login} …"), Batch::default())?;
    let shown = context.rooms.sync(login.clone(), owner);
    Ok(Box::pin(async move {
        let text = match shown.await {
            Ok(0) => format!("{login} has no rooms yet."),
            Ok(1) => format!("The one room of {login} shows what is so now."),
            Ok(count) => format!("The {count} rooms of {login} show what is so now."),
            Err(reason) => format!("The rooms of {login} were not looked after: {}", sentence(&reason)),
        };
        Finished::Answer(Answered::new(reply, text))
    }))
}
