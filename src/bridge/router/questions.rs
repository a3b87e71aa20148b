//! Questions to a login's owner: whether a contact may see them, whether a file is taken.
//!
//! Knows who was asked about. Refuses to know the answers: those are commands.

use std::collections::HashSet;

use super::context::RouterContext;
use super::setback::Setback;
use crate::bridge::body::{Answer, Body};
use crate::bridge::event::{Author, Ghost};
use crate::bridge::ids::{GhostId, LoginId, PortalKey};
use crate::bridge::port::delivery::Content;
use crate::bridge::port::storage::{Batch, Table, Urgency};

/// A file that a contact offers.
pub(super) struct Offered {
    pub(super) sender: Ghost,
    pub(super) number: u32,
    /// "the file «a.png» (3.0 MB)".
    pub(super) what: String,
    pub(super) minutes: u64,
}

/// Contacts who were asked about, and may not be known to the disk yet.
#[derive(Default)]
pub(super) struct Questions(HashSet<Vec<u8>>);

/// The row of a contact who asked, so that the owner is asked once and not at every sign-in.
fn row(login: &LoginId, ghost: &GhostId) -> Vec<u8> {
    [login.as_str().as_bytes(), b"\0", ghost.as_str().as_bytes()].concat()
}

fn answer(sign: &str, command: String) -> Answer {
    Answer { sign: sign.to_owned(), command }
}

impl Questions {
    /// A contact asks to see a login: its owner is asked, once.
    pub(super) fn contact_request(
        &mut self,
        context: &mut RouterContext,
        login: &LoginId,
        ghost: &Ghost,
    ) -> Result<(), Setback> {
        let row = row(login, &ghost.id);
        if self.0.contains(&row) || context.setup.storage.read(Table::Requests, &row)?.is_some() {
            return Ok(());
        }
        let Some(owner) = context.logins.owner(login) else { return Ok(()) };
        let who = &ghost.id;
        let text = format!(
            "{} <{who}> has added {login} on {} and asks to see you. Answer with «accept {who}», «decline {who}» or «block {who}».",
            ghost.name,
            context.network_name()
        );
        let command = |word: &str| format!("{word} {who} --login={login}");
        let answers = vec![
            answer("👍", command("accept")),
            answer("👎", command("decline")),
            answer("🚫", command("block")),
        ];
        let key = PortalKey::management(&owner);
        let content = Content::Said { body: Body::Question { text, answers } };
        let entry = context.portals.entry(&key, Author::Bridge, content, None);
        let mut with = Batch::default();
        with.put(Table::Requests, row.clone(), []);
        context.portals.append(&key, entry, with, None)?;
        self.0.insert(row);
        Ok(())
    }

    /// The contact does not ask any more, and may ask again.
    pub(super) fn contact_request_gone(&mut self, context: &RouterContext, login: &LoginId, ghost: &GhostId) {
        // Lost in a crash, the question is not asked a second time: the contact can still be added.
        drop(context.setup.storage.commit(self.answered(login, ghost), Urgency::Soon));
    }

    /// The question about a contact was answered; gives what forgets it.
    pub(super) fn answered(&mut self, login: &LoginId, ghost: &GhostId) -> Batch {
        let (mut batch, row) = (Batch::default(), row(login, ghost));
        self.0.remove(&row);
        batch.remove(Table::Requests, row);
        batch
    }
}

/// Asks in the conversation whether a file is taken.
pub(super) fn file_offered(
    context: &mut RouterContext,
    key: &PortalKey,
    offered: &Offered,
) -> Result<(), Setback> {
    let Offered { sender, number, what, minutes } = offered;
    let (accept, decline) = (format!("file accept {number}"), format!("file decline {number}"));
    let text = format!(
        "{} offers {what}. Say «{}» to take it or «{}», or react with 👍 or 👎. \
         Unanswered, it is declined after {minutes} minutes.",
        sender.name,
        context.sides.in_conversation(&accept),
        context.sides.in_conversation(&decline),
    );
    let answers = vec![answer("👍", accept), answer("👎", decline)];
    let content = Content::Said { body: Body::Question { text, answers } };
    let mut entry = context.portals.entry(key, Author::Bridge, content, None);
    entry.legs.retain(|leg| leg.is_frontend());
    context.portals.append(key, entry, Batch::default(), None)
}
