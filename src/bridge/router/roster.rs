//! Contacts and groups: commands become requests to the network, and those who ask to be let in become a question.

use super::Router;
use super::finished::Finished;
use crate::bridge::BridgeError;
use crate::bridge::body::{Answer, Body};
use crate::bridge::command::RosterCommand;
use crate::bridge::event::{Author, Ghost, LocalCommand};
use crate::bridge::ids::{GhostId, LoginId, PortalKey};
use crate::bridge::port::delivery::Content;
use crate::bridge::port::network::{ContactChange, Request};
use crate::bridge::port::storage::{Batch, Table, Urgency};
use crate::bridge::sentence::sentence;

/// The row of somebody who asked, so that the owner is asked once and not at every sign-in.
fn request_row(login: &LoginId, ghost: &GhostId) -> Vec<u8> {
    [login.as_str().as_bytes(), b"\0", ghost.as_str().as_bytes()].concat()
}

impl Router {
    /// Asks the network for a change; the answer is said when it has come.
    pub(super) fn roster_command(
        &mut self,
        given: &LocalCommand,
        id: LoginId,
        command: RosterCommand,
    ) -> Result<(), String> {
        let (change, done) = self.change_of(&command)?;
        let opens = match &command {
            RosterCommand::Add { contact, chat: true, .. } => self.opening(&id, contact),
            _ => None,
        };
        let mut after = Batch::default();
        match &change {
            ContactChange::Accept { ghost }
            | ContactChange::Decline { ghost }
            | ContactChange::Block { ghost } => {
                let row = request_row(&id, ghost);
                self.asked_about.remove(&row);
                after.remove(Table::Requests, row);
            }
            _ => {}
        }
        let network = self.setup.network.clone();
        let (portal, leg, reference) = (given.portal.clone(), given.leg, given.reference.clone());
        self.requests.spawn(async move {
            let (answer, with) = match network.request(&id, Request::Contacts(change)).await {
                Ok(()) => (done, after),
                Err(reason) => (format!("That did not work: {}", sentence(&reason)), Batch::default()),
            };
            Finished { portal, leg, reference, answer, with, opens, ended: None, connect: None }
        });
        Ok(())
    }

    /// The conversation with somebody who is being added, and what is said there first.
    fn opening(&self, id: &LoginId, contact: &str) -> Option<(PortalKey, String)> {
        let (ghost, conversation) = self.setup.network.direct_conversation(contact).ok()?;
        let text = format!("This is your conversation with {ghost}. What you write here goes to them.");
        Some((PortalKey::new(id.clone(), conversation), text))
    }

    /// The change that a command asks for, and what is said when it is made; or what is wrong with it.
    fn change_of(&self, command: &RosterCommand) -> Result<(ContactChange, String), String> {
        use ContactChange as Change;
        use RosterCommand as Said;
        let network = self.around.sides.network.name;
        let ghost = |contact: &str| self.setup.network.direct_conversation(contact).map(|(ghost, _)| ghost);
        Ok(match command.clone() {
            Said::Add { contact, group, .. } => {
                let ghost = ghost(&contact)?;
                let done = format!("{ghost} is among your contacts now.");
                (Change::Add { ghost, group }, done)
            }
            Said::Remove { contact } => {
                let ghost = ghost(&contact)?;
                let done = format!(
                    "{ghost} is no contact of yours any more. They may still see you; «block {ghost}» ends that."
                );
                (Change::Remove { ghost }, done)
            }
            Said::Block { contact } => {
                let ghost = ghost(&contact)?;
                let done = format!("{ghost} can neither see nor call you now.");
                (Change::Block { ghost }, done)
            }
            Said::Unblock { contact } => {
                let ghost = ghost(&contact)?;
                let done = format!("{ghost} can see and call you again.");
                (Change::Unblock { ghost }, done)
            }
            Said::Accept { contact } => {
                let ghost = ghost(&contact)?;
                let done = format!(
                    "{ghost} can see you now, and is among your contacts. «chat {ghost}» opens a conversation."
                );
                (Change::Accept { ghost }, done)
            }
            Said::Decline { contact } => {
                let ghost = ghost(&contact)?;
                let done = format!("{ghost} was not let in.");
                (Change::Decline { ghost }, done)
            }
            Said::Rename { contact, name } => {
                let ghost = ghost(&contact)?;
                let done = format!("{ghost} is called «{name}» in your list now.");
                (Change::Rename { ghost, name }, done)
            }
            Said::Move { contact, group } => {
                let ghost = ghost(&contact)?;
                let done = format!("{ghost} is in the group «{group}» now.");
                (Change::Move { ghost, group }, done)
            }
            Said::Put { contact, group } => {
                let ghost = ghost(&contact)?;
                let done = format!("{ghost} is in the group «{group}» too now.");
                (Change::IntoGroup { ghost, group }, done)
            }
            Said::Take { contact, group } => {
                let ghost = ghost(&contact)?;
                let done = format!("{ghost} is not in the group «{group}» any more.");
                (Change::OutOfGroup { ghost, group }, done)
            }
            Said::CreateGroup { name } => {
                let done = format!("There is a group «{name}» now.");
                (Change::CreateGroup { name }, done)
            }
            Said::RenameGroup { from, to } => {
                let done = format!("The group «{from}» is called «{to}» now.");
                (Change::RenameGroup { from, to }, done)
            }
            Said::DeleteGroup { name } => {
                let done = format!("There is no group «{name}» any more.");
                (Change::DeleteGroup { name }, done)
            }
            Said::Strangers { allowed } => {
                let done = match allowed {
                    true => "People who are not on your lists may see and call you.",
                    false => "Only people whom you let may see and call you.",
                };
                (Change::Strangers { allowed }, done.to_owned())
            }
            Said::Ask { on } => {
                let done = match on {
                    true => format!("Your {network} clients ask before somebody who adds you may see you."),
                    false => {
                        format!("Your {network} clients let everybody who adds you see you, without asking.")
                    }
                };
                (Change::Ask { on }, done)
            }
            Said::Phone { kind, number } => {
                let done = match &number {
                    Some(number) => format!("Your contacts see {number} as your {kind} phone."),
                    None => format!("Your contacts see no {kind} phone of yours."),
                };
                (Change::Phone { kind, number }, done)
            }
        })
    }

    /// Somebody asks to see a login: its owner is asked, once.
    pub(super) async fn contact_request(
        &mut self,
        login: &LoginId,
        ghost: &Ghost,
    ) -> Result<(), BridgeError> {
        let row = request_row(login, &ghost.id);
        if self.asked_about.contains(&row) || self.setup.storage.read(Table::Requests, &row)?.is_some() {
            return Ok(());
        }
        let Some(owner) = self.logins.get(login).map(|login| login.owner.clone()) else { return Ok(()) };
        let who = &ghost.id;
        let text = format!(
            "{} <{who}> has added {login} on {} and asks to see you. Answer with «accept {who}», «decline {who}» or «block {who}».",
            ghost.name, self.around.sides.network.name
        );
        let answer = |sign: &str, word: &str| Answer {
            sign: sign.to_owned(),
            command: format!("{word} {who} --login={login}"),
        };
        let answers = vec![answer("👍", "accept"), answer("👎", "decline"), answer("🚫", "block")];
        let key = PortalKey::management(&owner);
        let content = Content::Said { body: Body::Question { text, answers } };
        let entry = self.entry(&key, Author::Bridge, content, None);
        let mut with = Batch::default();
        with.put(Table::Requests, row.clone(), []);
        self.append(&key, entry, with).await?;
        self.asked_about.insert(row);
        Ok(())
    }

    /// They may ask again.
    pub(super) fn contact_request_gone(&mut self, login: &LoginId, ghost: &Ghost) {
        let (mut batch, row) = (Batch::default(), request_row(login, &ghost.id));
        self.asked_about.remove(&row);
        batch.remove(Table::Requests, row);
        // Lost in a crash, the question is not asked a second time: the contact can still be added.
        drop(self.setup.storage.commit(batch, Urgency::Soon));
    }
}
