//! Messages that were set aside: listed, tried again, forgotten.
//!
//! Knows whose they are and why they were set aside. Refuses to show what they say: an administrator reads nobody's words.

use futures_util::future::BoxFuture;

use super::context::RouterContext;
use super::finished::{Answered, Finished, ReplyTo, Revival};
use super::setback::Setback;
use crate::bridge::BridgeError;
use crate::bridge::journal::{DeadLetter, Entry};
use crate::bridge::page::page;
use crate::bridge::port::storage::Batch;
use crate::bridge::sentence::clause;
use crate::bridge::sides::Sides;

const NONE: &str = "No message was set aside.";

fn line(letter: &DeadLetter, sides: &Sides) -> String {
    let DeadLetter { portal, leg, reason, entry } = letter;
    let at = i64::try_from(entry.at).ok().and_then(chrono::DateTime::from_timestamp_millis);
    let at = at.map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
    format!("{at}, {portal}, for {}: {}", sides.name(leg), clause(reason))
}

fn unreadable(error: &BridgeError) -> String {
    format!("The messages that were set aside cannot be read: {error}.")
}

/// A page of the list.
pub(super) fn list(context: &RouterContext, reply: ReplyTo, number: usize) -> BoxFuture<'static, Finished> {
    let (storage, sides) = (context.setup.storage.clone(), context.sides.clone());
    Box::pin(async move {
        let text = match DeadLetter::load_all(&*storage) {
            Ok(letters) if letters.is_empty() => NONE.to_owned(),
            Ok(letters) => {
                let lines: Vec<String> = letters.iter().map(|letter| line(letter, &sides)).collect();
                page(&lines, number, "dead-letters")
            }
            Err(error) => unreadable(&error),
        };
        Finished::Answer(Answered::new(reply, text))
    })
}

/// Forgets all of them, together with the answer.
pub(super) fn discard(context: &RouterContext, reply: ReplyTo) -> BoxFuture<'static, Finished> {
    let storage = context.setup.storage.clone();
    Box::pin(async move {
        let (text, with) = match DeadLetter::load_all(&*storage) {
            Ok(letters) => {
                let mut batch = Batch::default();
                letters.iter().for_each(|letter| letter.erase(&mut batch));
                (forgotten(letters.len()), batch)
            }
            Err(error) => (unreadable(&error), Batch::default()),
        };
        Finished::Answer(Answered { with, ..Answered::new(reply, text) })
    })
}

fn forgotten(count: usize) -> String {
    match count {
        0 => NONE.to_owned(),
        1 => "The message that was set aside is forgotten.".to_owned(),
        count => format!("The {count} messages that were set aside are forgotten."),
    }
}

/// Reads what is to be tried again.
pub(super) fn revive(context: &RouterContext, reply: ReplyTo) -> BoxFuture<'static, Finished> {
    let storage = context.setup.storage.clone();
    Box::pin(async move {
        match DeadLetter::load_all(&*storage) {
            Ok(letters) => Finished::Revival(Revival { reply, letters: letters.into(), revived: 0 }),
            Err(error) => Finished::Answer(Answered::new(reply, unreadable(&error))),
        }
    })
}

/// Hands one message to its portal again, for the side that could not take it. Gives what is left, or `None` when the
/// answer was said. A message of a login that is no more stays where it is.
pub(super) fn revive_one(
    context: &mut RouterContext,
    mut revival: Revival,
) -> Result<Option<Revival>, Setback> {
    let Some(letter) = revival.letters.pop_front() else {
        let text = match revival.revived {
            0 => "No message was set aside that could be tried again.".to_owned(),
            1 => "One message is on its way again.".to_owned(),
            count => format!("{count} messages are on their way again."),
        };
        context.reply(&revival.reply, &text, Batch::default())?;
        return Ok(None);
    };
    let is_somebodys =
        letter.portal.management_user().is_some() || context.logins.contains(&letter.portal.receiver);
    if is_somebodys {
        let mut with = Batch::default();
        letter.erase(&mut with);
        let entry = Entry { legs: vec![letter.leg], ..letter.entry };
        context.portals.append(&letter.portal, entry, with, None)?;
        revival.revived += 1;
    }
    Ok(Some(revival))
}
