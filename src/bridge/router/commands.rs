//! Commands carried out: answers go where the command came from.

use std::time::Duration;

use secrecy::SecretString;

use super::Router;
use super::finished::Finished;
use super::logins::ConnectionStatus;
use crate::bridge::BridgeError;
use crate::bridge::body::{Body, Format, Style};
use crate::bridge::clean;
use crate::bridge::command::{Command, FontChange, Invocation, help};
use crate::bridge::event::{Author, LocalCommand, LocalMessage};
use crate::bridge::ids::{LoginId, PortalKey, UserId};
use crate::bridge::login::{Credentials, Login};
use crate::bridge::port::network::{ContactLine, Request};
use crate::bridge::port::storage::{Batch, Urgency};
use crate::bridge::prompt::Prompts;
use crate::bridge::record::PortalRecord;
use crate::bridge::sentence::{clause, sentence};

/// What is said to a name of which nothing can be seen.
const NAMELESS: &str = "A name needs at least one character that can be seen.";

/// How long the homeserver may take to remove a password before the sign-in goes on without.
const REDACTION: Duration = Duration::from_secs(60);

/// Messages that were passwords, remembered for whoever edits one.
const MAX_PASSWORDS: usize = 256;

impl Router {
    /// Carries out a command. `with` removes it from the inbox, together with the answer.
    pub(super) async fn command(&mut self, given: LocalCommand, with: Batch) -> Result<(), BridgeError> {
        if given.typed
            && given.portal.management_user().is_some()
            && let Some(account) = self.prompts.account(&given.user).map(str::to_owned)
        {
            if given.text.trim() != "cancel" {
                return self.password(given, account, with).await;
            }
            self.forget_prompt(&given.user).await?;
        }
        if given.replaces.as_ref().is_some_and(|edited| self.passwords.contains(edited)) {
            let text =
                "What you changed was your password, and the change is not taken; «login» asks for it again.";
            drop(self.setup.storage.commit(with, Urgency::Soon));
            self.redact(&given, text.into(), None);
            return Ok(());
        }
        // Only now: a password is what was typed.
        let text = clean::words(&given.text);
        let answer = match text.parse::<Invocation>() {
            Ok(Invocation { command: Command::Nudge, .. }) => return self.nudge(given, with).await,
            Ok(invocation) => self.carry_out(&given, invocation).await?,
            Err(explanation) => Some(explanation),
        };
        match answer {
            Some(answer) => self.say(&given.portal, given.leg, answer, Some(given.reference), with).await,
            // The answer comes when the network has spoken; the command is done with.
            None => {
                drop(self.setup.storage.commit(with, Urgency::Soon));
                Ok(())
            }
        }
    }

    async fn carry_out(
        &mut self,
        given: &LocalCommand,
        invocation: Invocation,
    ) -> Result<Option<String>, BridgeError> {
        let Invocation { command, login } = invocation;
        Ok(match command {
            Command::Help => Some(help()),
            Command::Cancel if given.portal.management_user().is_none() => self.take_back(given).await?,
            Command::Cancel => Some("Nothing waits for a password now.".into()),
            Command::Status => Some(self.status(&given.user)),
            Command::Login { account } => Some(self.begin_login(given, account).await?),
            command => match self.chosen(given, login.as_deref()) {
                Ok(id) => self.for_login(given, command, id).await?,
                Err(explanation) => Some(explanation),
            },
        })
    }

    async fn for_login(
        &mut self,
        given: &LocalCommand,
        command: Command,
        id: LoginId,
    ) -> Result<Option<String>, BridgeError> {
        match command {
            Command::Logout => self.logout(given, &id).await.map(|()| None),
            Command::Reconnect => self.reconnect(&id).await.map(Some),
            Command::Contacts => {
                self.list_contacts(given, id);
                Ok(None)
            }
            Command::Chat { contact } => Ok(self.chat(given, &id, &contact).err()),
            Command::Drop { contact } => Ok(self.drop_member(given, &id, &contact).err()),
            Command::Invite { contact } => Ok(self.invite(given, &id, &contact).err()),
            Command::File { accept, number } => Ok(self.answer_file(given, id, accept, number).err()),
            Command::Presence { state } => self.presence(given, id, state).await.map(|()| None),
            Command::Name { name } if clean::line(&name).is_empty() => Ok(Some(NAMELESS.into())),
            Command::Name { name } => {
                let name = clean::line(&name);
                let done = format!("You are called «{name}» now.");
                self.request(given, id, Request::OwnName(name), done);
                Ok(None)
            }
            Command::Page { contact, text } => match self.setup.network.direct_conversation(&contact) {
                Ok((ghost, _)) => {
                    let done = format!("A page to {ghost} is on its way.");
                    self.request(given, id, Request::Page { ghost, text }, done);
                    Ok(None)
                }
                Err(explanation) => Ok(Some(explanation)),
            },
            Command::Roster(command) => Ok(self.roster_command(given, id, command).err()),
            Command::PersonalMessage { text } => {
                let done = if text.is_empty() {
                    "Your personal message is empty now."
                } else {
                    "Your personal message is set."
                };
                let request = Request::PersonalMessage(text.clone());
                self.change(&id, |login| login.personal_message = text).await?;
                self.request(given, id, request, done.into());
                Ok(None)
            }
            Command::Font(change) => self.font(&id, change).await.map(Some),
            Command::Relay { on } => self.relay(given, &id, on).await.map(Some),
            // Carried out before a login was chosen.
            Command::Help | Command::Cancel | Command::Status | Command::Login { .. } | Command::Nudge => {
                Ok(None)
            }
        }
    }

    async fn presence(
        &mut self,
        given: &LocalCommand,
        id: LoginId,
        state: String,
    ) -> Result<(), BridgeError> {
        let follows = state == "follow";
        // Whoever says so is there.
        let word = if follows { "online".to_owned() } else { state };
        let done = match follows {
            true => "MSN sees what your own client shows now: online, idle, and away while it is closed."
                .to_owned(),
            false => format!("You are now «{word}»."),
        };
        let request = Request::Presence(word.clone());
        self.change(&id, |login| {
            login.presence = word;
            login.follows = follows;
        })
        .await?;
        self.request(given, id, request, done);
        Ok(())
    }

    /// The login a command is for: the conversation's, the one named, or the only one.
    fn chosen(&self, given: &LocalCommand, named: Option<&str>) -> Result<LoginId, String> {
        let mut own: Vec<&Login> = self.logins.values().filter(|login| login.owner == given.user).collect();
        own.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(named) = named {
            let found = own.iter().find(|login| login.id.as_str().eq_ignore_ascii_case(named));
            return found
                .map(|l| l.id.clone())
                .ok_or_else(|| format!("You have no login {named}. Say «status» for yours."));
        }
        if let Some(login) = own.iter().find(|login| login.id == given.portal.receiver) {
            return Ok(login.id.clone());
        }
        match own.as_slice() {
            [] => Err("You are not signed in to MSN. Say «login» and your e-mail address.".into()),
            [only] => Ok(only.id.clone()),
            several => {
                let names: Vec<&str> = several.iter().map(|login| login.id.as_str()).collect();
                Err(format!("Say for which account: add --login=… ({}).", names.join(", ")))
            }
        }
    }

    fn status(&self, user: &UserId) -> String {
        let own = self.logins.values().filter(|login| login.owner == *user);
        let line = |login: &Login| {
            let status = self.statuses.get(&login.id).map(ConnectionStatus::describe);
            let stored = login.signed_out.as_ref().map(|reason| format!("signed out: {}", clause(reason)));
            format!("{}: {}", login.id, status.or(stored).unwrap_or_else(|| "connecting".into()))
        };
        let mut lines: Vec<String> = own.map(line).collect();
        lines.sort();
        if lines.is_empty() { "You are not signed in to MSN.".into() } else { lines.join("\n") }
    }

    async fn forget_prompt(&mut self, user: &UserId) -> Result<(), BridgeError> {
        let mut batch = Batch::default();
        Prompts::forget(user, &mut batch);
        self.setup.storage.commit(batch, Urgency::Now).await?;
        self.prompts.answered(user);
        Ok(())
    }

    async fn begin_login(&mut self, given: &LocalCommand, account: String) -> Result<String, BridgeError> {
        if given.portal.management_user().is_none() || Some(given.leg) != self.around.sides.host() {
            return Ok("Give this command in the room on Matrix that you share with the bridge alone.".into());
        }
        let id = match self.setup.network.login_id(&account) {
            Ok(id) => id,
            Err(explanation) => return Ok(explanation),
        };
        if self.logins.get(&id).is_some_and(|login| login.owner != given.user && login.confirmed) {
            return Ok(format!("{id} is in use by somebody else here."));
        }
        let mut batch = Batch::default();
        Prompts::ask(&given.user, &account, &mut batch);
        // Not before: given again after a failure of the disk, this command would be taken for the password.
        self.setup.storage.commit(batch, Urgency::Now).await?;
        self.prompts.asked(&given.user, &account);
        Ok(format!(
            "Now send the password of {id} as your next message. It will be removed from this room, but your homeserver may keep a copy for some days. «cancel» stops this."
        ))
    }

    async fn password(
        &mut self,
        given: LocalCommand,
        account: String,
        mut with: Batch,
    ) -> Result<(), BridgeError> {
        let password = SecretString::from(given.text.trim().to_owned());
        Prompts::forget(&given.user, &mut with);
        let Ok(id) = self.setup.network.login_id(&account) else { return Ok(()) };
        match self.logins.get_mut(&id) {
            // Somebody else may have signed in as this account since it was named.
            Some(login) if login.owner != given.user && login.confirmed => {
                self.setup.storage.commit(with, Urgency::Now).await?;
                self.prompts.answered(&given.user);
                self.redact(&given, format!("{id} is in use by somebody else here."), None);
                return Ok(());
            }
            Some(login) if login.owner == given.user => {
                login.set_password(&password);
                login.signed_out = None;
            }
            // Nobody has it, or somebody who never got in: naming an account is no claim to it.
            _ => {
                let login = Login::new(id.clone(), account, given.user.clone(), &password);
                self.logins.insert(id.clone(), login);
            }
        }
        // Together: an answer that is read again, after a kill, is still known for what it is.
        self.logins.get(&id).into_iter().for_each(|login| login.store(&mut with));
        self.setup.storage.commit(with, Urgency::Now).await?;
        // Given again after a failure of the disk, it is still known for what it is.
        self.forget_mistyped(&given, &id).await?;
        self.prompts.answered(&given.user);
        self.redact(&given, format!("Signing in as {id} …"), Some(id));
        Ok(())
    }

    /// Removes a password from the room, says `text` and that, and signs in then; asks the homeserver, so not in this task.
    fn redact(&mut self, given: &LocalCommand, text: String, connect: Option<LoginId>) {
        let frontend = self.setup.frontends.iter().find(|frontend| frontend.leg() == given.leg).cloned();
        let (portal, leg, reference) = (given.portal.clone(), given.leg, given.reference.clone());
        let (place, replaced) = (given.place.clone(), given.replaces.clone());
        self.passwords.extend([Some(&reference), replaced.as_ref()].into_iter().flatten().cloned());
        while self.passwords.len() > MAX_PASSWORDS {
            self.passwords.pop_front();
        }
        self.requests.spawn(async move {
            let removed = match frontend {
                Some(frontend) => {
                    let redacted = async {
                        let was = match &replaced {
                            Some(replaced) => frontend.redact(&place, replaced).await,
                            None => true,
                        };
                        frontend.redact(&place, &reference).await && was
                    };
                    tokio::time::timeout(REDACTION, redacted).await.unwrap_or(false)
                }
                None => false,
            };
            let note = if removed {
                "Your password was removed from this room; your homeserver may keep a copy for some days."
            } else {
                "Your password could not be removed from this room: please remove that message yourself. Your homeserver may keep a copy for some days."
            };
            let answer = format!("{text} {note}");
            Finished { portal, leg, reference, answer, with: Batch::default(), opens: None, ended: None, connect }
        });
    }

    pub(super) fn connect(&mut self, id: &LoginId) {
        let Some(login) = self.logins.get(id) else { return };
        self.statuses.entry(id.clone()).or_insert_with(ConnectionStatus::new).tell_connected = true;
        // Somebody waits for it.
        let credentials = Credentials { at_once: true, ..login.credentials() };
        self.setup.network.connect(id.clone(), credentials);
    }

    async fn reconnect(&mut self, id: &LoginId) -> Result<String, BridgeError> {
        self.change(id, |login| login.signed_out = None).await?;
        self.connect(id);
        Ok(format!("Connecting {id} …"))
    }

    async fn change(&mut self, id: &LoginId, apply: impl FnOnce(&mut Login)) -> Result<(), BridgeError> {
        if let Some(login) = self.logins.get_mut(id) {
            apply(login);
            self.store_login(id).await?;
        }
        Ok(())
    }

    async fn font(&mut self, id: &LoginId, change: FontChange) -> Result<String, BridgeError> {
        match change {
            FontChange::Show => Ok(match self.logins.get(id).and_then(|login| login.format.as_ref()) {
                None => "Your messages have no font of their own.".into(),
                Some(format) => {
                    let color = format.style.color.map(|c| format!(", #{c:06x}")).unwrap_or_default();
                    format!("Your messages are written in «{}»{color}.", format.font)
                }
            }),
            FontChange::Reset => {
                self.change(id, |login| login.format = None).await?;
                Ok("Your messages have no font of their own now.".into())
            }
            FontChange::Set { name, color, bold, italic } => {
                let style = Style { bold, italic, color, ..Style::default() };
                let format = Format { font: name, style, ..Format::default() };
                self.change(id, |login| login.format = Some(format)).await?;
                Ok("Your messages will look like that on MSN.".into())
            }
        }
    }

    /// Opens a conversation, with what is known of whom it is with.
    pub(super) fn chat(&mut self, given: &LocalCommand, id: &LoginId, contact: &str) -> Result<(), String> {
        let (ghost, conversation) = self.setup.network.direct_conversation(contact)?;
        let key = PortalKey::new(id.clone(), conversation);
        let (network, login) = (self.setup.network.clone(), id.clone());
        let (portal, leg, reference) = (given.portal.clone(), given.leg, given.reference.clone());
        tracing::info!(portal = %key, user = %given.user, "conversation opened");
        self.requests.spawn(async move {
            let known = network.about(&login, &ghost).await;
            let text =
                format!("This is your conversation with {ghost}. What you write here goes to them. {known}");
            let answer = format!(
                "You will find the conversation with {ghost} among your rooms or invitations. {known}"
            );
            let opens = Some((key, text.trim_end().to_owned()));
            let answer = answer.trim_end().to_owned();
            Finished {
                portal,
                leg,
                reference,
                answer,
                with: Batch::default(),
                opens,
                ended: None,
                connect: None,
            }
        });
        Ok(())
    }

    /// Decides who else is heard in a conversation. Only its owner can: others' commands in its room are not read.
    async fn relay(&mut self, given: &LocalCommand, id: &LoginId, on: bool) -> Result<String, BridgeError> {
        if given.portal.management_user().is_some() || given.portal.receiver != *id {
            return Ok("Use this in a conversation: !msn relay on.".into());
        }
        self.open(&given.portal)?;
        let Some(mut record) = PortalRecord::load(&*self.setup.storage, &given.portal)? else {
            return Ok("This conversation is not known yet. Say something first.".into());
        };
        record.relays = on;
        let mut batch = Batch::default();
        record.store(&mut batch);
        self.setup.storage.commit(batch, Urgency::Now).await?;
        Ok(match on {
            true => {
                "Everybody in this room is heard on MSN now, as «<name> text», through your account.".into()
            }
            false => "Only you are heard on MSN now.".into(),
        })
    }

    fn invite(&mut self, given: &LocalCommand, id: &LoginId, contact: &str) -> Result<(), String> {
        if given.portal.management_user().is_some() {
            return Err("Use this in a conversation: !msn invite <e-mail>.".into());
        }
        let (ghost, _) = self.setup.network.direct_conversation(contact)?;
        let conversation = given.portal.conversation.clone();
        let done = format!("{ghost} is being called.");
        self.request(given, id.clone(), Request::Invite { conversation, ghost }, done);
        Ok(())
    }

    fn drop_member(&mut self, given: &LocalCommand, id: &LoginId, contact: &str) -> Result<(), String> {
        if given.portal.management_user().is_some() {
            return Err("Use this in a group: !msn drop <e-mail>.".into());
        }
        let (ghost, _) = self.setup.network.direct_conversation(contact)?;
        let conversation = given.portal.conversation.clone();
        let done = format!("{ghost} is out of this group: your next words do not call them.");
        self.request(given, id.clone(), Request::Drop { conversation, ghost }, done);
        Ok(())
    }

    /// Asks the network for something; the answer is said when it has come.
    pub(super) fn request(&mut self, given: &LocalCommand, id: LoginId, request: Request, done: String) {
        let network = self.setup.network.clone();
        let (portal, leg, reference) = (given.portal.clone(), given.leg, given.reference.clone());
        self.requests.spawn(async move {
            let answer = match network.request(&id, request).await {
                Ok(()) => done,
                Err(reason) => format!("That did not work: {}", sentence(&reason)),
            };
            Finished {
                portal,
                leg,
                reference,
                answer,
                with: Batch::default(),
                opens: None,
                ended: None,
                connect: None,
            }
        });
    }

    fn list_contacts(&mut self, given: &LocalCommand, id: LoginId) {
        let network = self.setup.network.clone();
        let (portal, leg, reference) = (given.portal.clone(), given.leg, given.reference.clone());
        self.requests.spawn(async move {
            let answer = match network.contacts(&id).await {
                Ok(lines) if lines.is_empty() => format!("{id} has no contacts."),
                Ok(lines) => lines.iter().map(contact_line).collect::<Vec<_>>().join("\n"),
                Err(reason) => format!("The contacts of {id} are not known: {}", sentence(&reason)),
            };
            Finished {
                portal,
                leg,
                reference,
                answer,
                with: Batch::default(),
                opens: None,
                ended: None,
                connect: None,
            }
        });
    }

    /// A nudge is a message like any other.
    async fn nudge(&mut self, given: LocalCommand, with: Batch) -> Result<(), BridgeError> {
        if given.portal.management_user().is_some() {
            let text = "Use this in a conversation: !msn nudge.".to_owned();
            return self.say(&given.portal, given.leg, text, Some(given.reference), with).await;
        }
        let message = LocalMessage {
            portal: given.portal,
            leg: given.leg,
            author: Author::Owner { name: given.user.to_string() },
            reference: given.reference,
            body: Body::Nudge,
            at: (self.setup.clock)(),
        };
        self.local_message(message, with).await
    }
}

/// One contact, for its owner.
fn contact_line(contact: &ContactLine) -> String {
    let ContactLine { ghost, name, presence, groups, blocked, phones } = contact;
    let name = Some(clean::name(name)).filter(|name| !name.is_empty()).unwrap_or_else(|| ghost.to_string());
    let mut line = format!("{name} <{ghost}>: {presence}");
    if !groups.is_empty() {
        line.push_str(&format!(" [{}]", groups.join(", ")));
    }
    if *blocked {
        line.push_str(" (blocked)");
    }
    if !phones.is_empty() {
        line.push_str(&format!(" ({})", phones.join(", ")));
    }
    line
}
