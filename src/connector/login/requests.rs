//! What is asked of a signed-in session: calls, and what people want of presence, names, contacts, groups, pages.
//!
//! Knows which request needs what of the session. Refuses to know commands and rooms, which are the core's.

use tokio::sync::oneshot;

use crate::bridge::event::{Ghost, RemoteEvent, RemoteKind};
use crate::bridge::ids::{ConversationId, GhostId};
use crate::bridge::port::network::{ContactChange, ContactLine, Request};
use crate::connector::clock::{now, time_of_day};
use crate::connector::context::names;
use crate::connector::handle::CallHandle;
use crate::connector::login::command::LoginCommand;
use crate::connector::login::pending::UnderWay;
use crate::connector::login::task::LoginTask;
use crate::connector::login::{about, machine};
use crate::connector::net::pump::Pump;
use crate::connector::translate::{convert, group};
use crate::msn::command::ListKind;
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, GroupId};
use crate::msn::message::without_codes;
use crate::msn::session::{Change, Contact, NotificationSession, Roster};

type Reply = oneshot::Sender<Result<(), String>>;

impl LoginTask {
    /// Asked while there is a session. Until its lists are there, the answer is as without one.
    pub(in crate::connector) fn handle_command(
        &mut self,
        pump: &mut Pump<NotificationSession>,
        under_way: &mut UnderWay,
        ask: LoginCommand,
    ) {
        if !under_way.ready {
            return self.answer_offline(ask);
        }
        match ask {
            LoginCommand::Connect(credentials) => self.credentials = credentials,
            LoginCommand::OwnPicture(picture) => {
                if self.calls.own_picture.send_replace(picture.clone()) != picture {
                    pump.machine.set_object(now(), machine::announced(picture.as_ref()));
                }
            }
            LoginCommand::Call { conversation, worn, reply } => {
                self.calls.put_away(worn);
                let call = match self.waiters.is_examined() {
                    false => self.call(pump, under_way, &conversation),
                    true => Err("MSN does not confirm what is sent; the connection is being tried".into()),
                };
                let _ = reply.send(call); // whoever asked may have gone
            }
            LoginCommand::Leave { to, text, reply } => {
                let Some(own) = self.email() else { return };
                let sender = (own, pump.machine.name().to_owned());
                self.offline.leave(&self.shared, sender, to, text, reply);
            }
            LoginCommand::Examine { reply } => self.waiters.examine(reply),
            LoginCommand::Watch { conversation } => self.waiters.watch(conversation),
            LoginCommand::Request { request, reply } => self.handle_request(pump, under_way, request, reply),
            LoginCommand::About { who, reply } => {
                let Some(own) = self.email() else { return };
                about::answer(&self.shared, own, &mut pump.machine, under_way, &who, reply);
            }
            LoginCommand::Contacts { reply } => drop(reply.send(Ok(contacts(pump.machine.roster())))),
        }
    }

    fn handle_request(
        &mut self,
        pump: &mut Pump<NotificationSession>,
        under_way: &mut UnderWay,
        request: Request,
        reply: Reply,
    ) {
        let done = match request {
            Request::Presence(word) => self.set_presence(pump, word),
            Request::PersonalMessage(text) => {
                self.credentials.personal_message.clone_from(&text);
                let is_empty = text.is_empty();
                pump.machine.set_personal_message(now(), self.personal_message());
                without_personal_messages(pump.machine.dialect()).filter(|_| !is_empty).map_or(Ok(()), Err)
            }
            Request::Typing { conversation } => {
                self.calls.find(&conversation).inspect(CallHandle::typing);
                Ok(())
            }
            // With one person there is nobody who would see it, and their next words are meant for us all the same.
            Request::Leave { conversation } => {
                self.calls
                    .find(&conversation)
                    .filter(|_| group::is_group(&conversation))
                    .inspect(CallHandle::leave);
                Ok(())
            }
            Request::Drop { conversation, ghost } => return self.drop_member(conversation, ghost, reply),
            Request::AnswerFile { conversation, number, accept } => {
                return self.answer_offer(&conversation, number, accept, reply);
            }
            Request::Invite { conversation, ghost } => {
                return self.invite(pump, under_way, &conversation, ghost.as_str(), reply);
            }
            // Done before it comes here: it takes time.
            Request::Picture(_) => Ok(()),
            Request::Page { ghost, text } => page(pump, &ghost, &text),
            Request::OwnName(name) => return change(pump, under_way, Ok(Change::OwnName(name)), reply),
            Request::Contacts(asked) => {
                let wanted = to_change(pump.machine.roster(), asked);
                return change(pump, under_way, wanted, reply);
            }
        };
        let _ = reply.send(done); // whoever asked may have gone
    }

    fn set_presence(&mut self, pump: &mut Pump<NotificationSession>, word: String) -> Result<(), String> {
        let status = convert::parse_status(&word).ok_or_else(|| {
            format!("«{word}» is not one of online, busy, idle, brb, away, phone, lunch, hidden, follow")
        })?;
        pump.machine.set_status(now(), status);
        self.credentials.presence = word;
        Ok(())
    }

    fn answer_offer(&self, conversation: &ConversationId, number: Option<u32>, accept: bool, reply: Reply) {
        match self.calls.offers.find(conversation, number) {
            Ok((number, call)) => {
                self.shared.tasks.spawn(async move {
                    let _ = reply.send(call.answer(number, accept).await); // whoever asked may have gone
                });
            }
            Err(reason) => drop(reply.send(Err(reason))),
        }
    }

    /// Somebody is to be in a group no longer. MSN has no word for it: our next call does not ask them.
    fn drop_member(&mut self, conversation: ConversationId, ghost: GhostId, reply: Reply) {
        let refuse = |reply: Reply, reason: &str| drop(reply.send(Err(reason.to_owned())));
        if !group::is_group(&conversation) {
            return refuse(
                reply,
                "this is a conversation with one person; «block» keeps them from writing to you",
            );
        }
        let mut members = group::members(&self.shared, &self.login, &conversation);
        let before = members.len();
        members.retain(|member| names::ghost_id(member) != ghost);
        if members.len() == before {
            return refuse(reply, "they are not in this group");
        }
        if members.is_empty() {
            return refuse(reply, "nobody else would be left; leave the room instead");
        }
        let (shared, login, call) = (self.shared.clone(), self.login.clone(), self.calls.find(&conversation));
        self.shared.tasks.spawn(async move {
            let done = async {
                group::remember(&shared, &login, &conversation, &members).await.map_err(|e| e.to_string())?;
                call.inspect(CallHandle::leave);
                let ghost = Ghost { id: ghost, name: String::new() };
                let kind = RemoteKind::Left { conversation, ghost, at: time_of_day() };
                shared.bridge.remote(RemoteEvent { login, kind }).await.map_err(|e| e.to_string())
            };
            let _ = reply.send(done.await); // whoever asked may have gone
        });
    }

    fn invite(
        &mut self,
        pump: &mut Pump<NotificationSession>,
        under_way: &mut UnderWay,
        conversation: &ConversationId,
        who: &str,
        reply: Reply,
    ) {
        let call = self.call(pump, under_way, conversation);
        match (call, Email::parse(who)) {
            (Ok(call), Ok(email)) => {
                self.shared.tasks.spawn(async move {
                    let _ = reply.send(call.invite(email).await); // whoever asked may have gone
                });
            }
            (Err(reason), _) => drop(reply.send(Err(reason))),
            (_, Err(error)) => drop(reply.send(Err(error.to_string()))),
        }
    }
}

/// Why nobody sees a personal message where the dialect has none.
fn without_personal_messages(dialect: Dialect) -> Option<String> {
    (!dialect.has_personal_message()).then(|| {
        format!(
            "this server speaks {dialect} with the bridge, which has no personal messages, so nobody on MSN sees \
             yours. It is kept, and shown when a server speaks MSNP11 or later"
        )
    })
}

fn change(
    pump: &mut Pump<NotificationSession>,
    under_way: &mut UnderWay,
    wanted: Result<Change, String>,
    reply: Reply,
) {
    match wanted {
        Ok(wanted) => {
            let handle = pump.machine.change(now(), wanted);
            under_way.changes.insert(handle, reply);
        }
        Err(explanation) => drop(reply.send(Err(explanation))),
    }
}

fn page(pump: &mut Pump<NotificationSession>, ghost: &GhostId, text: &str) -> Result<(), String> {
    let email = email(ghost)?;
    let contact = pump.machine.roster().contact(&email);
    let takes_pages = contact.is_some_and(|c| c.properties.get("MOB").is_some_and(|v| v == "Y"));
    if !takes_pages {
        return Err(format!("{email} takes no pages"));
    }
    pump.machine.page(now(), &email, text);
    Ok(())
}

fn email(ghost: &GhostId) -> Result<Email, String> {
    Email::parse(ghost.as_str()).map_err(|error| error.to_string())
}

/// The group that people know by this name.
fn group_named(roster: &Roster, name: &str) -> Result<GroupId, String> {
    let wanted = name.trim().to_lowercase();
    let found = roster.groups().iter().find(|(_, known)| {
        // As it was shown, or as it is.
        [known.to_string(), without_codes(known)].iter().any(|known| known.trim().to_lowercase() == wanted)
    });
    found
        .map(|(id, _)| id.clone())
        .ok_or_else(|| format!("there is no group «{name}»; «group create {name}» makes one"))
}

fn to_change(roster: &Roster, asked: ContactChange) -> Result<Change, String> {
    use ContactChange as Asked;
    Ok(match asked {
        Asked::Add { ghost, group: into } => {
            let into = into.map(|name| group_named(roster, &name)).transpose()?;
            Change::Add { email: email(&ghost)?, group: into }
        }
        Asked::Remove { ghost } => Change::Remove { email: email(&ghost)? },
        Asked::Block { ghost } => Change::Block { email: email(&ghost)? },
        Asked::Unblock { ghost } => Change::Allow { email: email(&ghost)? },
        Asked::Accept { ghost } => Change::Accept { email: email(&ghost)? },
        Asked::Decline { ghost } => Change::Decline { email: email(&ghost)? },
        Asked::Rename { ghost, name } => Change::Rename { email: email(&ghost)?, name },
        Asked::Move { ghost, group: to } => {
            Change::Move { email: email(&ghost)?, group: group_named(roster, &to)? }
        }
        Asked::IntoGroup { ghost, group: to } => {
            Change::IntoGroup { email: email(&ghost)?, group: group_named(roster, &to)? }
        }
        Asked::OutOfGroup { ghost, group: from } => {
            Change::OutOfGroup { email: email(&ghost)?, group: group_named(roster, &from)? }
        }
        Asked::CreateGroup { name } => Change::CreateGroup { name },
        Asked::RenameGroup { from, to } => {
            Change::RenameGroup { group: group_named(roster, &from)?, name: to }
        }
        Asked::DeleteGroup { name } => Change::RemoveGroup { group: group_named(roster, &name)? },
        Asked::Strangers { allowed } => Change::Strangers { allowed },
        Asked::Ask { on } => Change::AskAboutAdditions(on),
        Asked::Phone { kind, number } => {
            let name = match kind.as_str() {
                "home" => "PHH",
                "work" => "PHW",
                _ => "PHM",
            };
            Change::Property { name: name.into(), value: number }
        }
    })
}

/// The contact list as its owner reads it.
fn contacts(roster: &Roster) -> Vec<ContactLine> {
    let kinds = [("PHH", "home"), ("PHW", "work"), ("PHM", "mobile")];
    let line = |contact: &Contact| ContactLine {
        ghost: names::ghost_id(&contact.email),
        name: without_codes(&contact.name),
        presence: convert::status_words(contact.status).to_owned(),
        groups: contact
            .groups
            .iter()
            .filter_map(|id| roster.groups().get(id))
            .map(|name| without_codes(name))
            .collect(),
        blocked: contact.lists.has(ListKind::Block),
        phones: kinds
            .iter()
            .filter_map(|(property, kind)| {
                contact.properties.get(*property).map(|number| format!("{kind} {number}"))
            })
            .collect(),
    };
    roster.contacts().filter(|contact| contact.lists.has(ListKind::Forward)).map(line).collect()
}
