//! What became of a message, for its owner or an administrator.
//!
//! Knows where to ask: the portal for what is on its way, the store for what is over. Refuses to show anybody the
//! conversations of others.

use futures_util::future::BoxFuture;

use super::context::RouterContext;
use super::finished::{Answered, Finished, ReplyTo};
use super::setback::Setback;
use crate::bridge::event::LocalCommand;
use crate::bridge::ids::{EntryId, LoginId};
use crate::bridge::port::frontend::Level;

const UNKNOWN: &str = "Nothing is known of that message: it was not brought to the bridge, or that is too long ago. Of a \
                       message that is still on its way, ask in its conversation.";

/// Asks the portal first, and the store then.
pub(super) fn explain(
    context: &mut RouterContext,
    given: &LocalCommand,
    entry: Option<EntryId>,
) -> Result<BoxFuture<'static, Finished>, Setback> {
    let (reply, portal) = (ReplyTo::from(given), given.portal.clone());
    let is_admin = context.setup.permissions.level(&given.user) >= Level::Admin;
    let own = context.logins.all().values().filter(|login| login.owner == given.user);
    let own: Vec<LoginId> = own.map(|login| login.id.clone()).collect();
    let asked = match is_admin || own.contains(&portal.receiver) {
        true => context.portals.explain(&portal, entry.clone())?,
        false => None,
    };
    let (traces, sides) = (context.traces.clone(), context.sides.clone());
    Ok(Box::pin(async move {
        let on_its_way = match asked {
            Some(answer) => answer.await.ok().flatten(),
            None => None,
        };
        let of = (!is_admin).then_some(own.as_slice());
        let found = match on_its_way {
            Some(trace) => Ok(Some(trace)),
            None => traces.find(entry.as_ref(), &portal, of),
        };
        let text = match found {
            Ok(Some(trace)) => trace.describe(&sides),
            Ok(None) => UNKNOWN.to_owned(),
            Err(error) => format!("What became of that message cannot be read: {error}."),
        };
        Finished::Answer(Answered::new(reply, text))
    }))
}
