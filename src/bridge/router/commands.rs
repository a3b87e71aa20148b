//! The command service: passwords, commands and their answers.
//!
//! Knows who is to say a password, and what the network was asked for. Refuses to wait for anything: changes go to the
//! writer, requests run beside, and the answer is said when they have ended.

use std::time::Duration;

use secrecy::SecretString;
use tokio::task::JoinSet;

use super::context::RouterContext;
use super::finished::{Answered, Finished, Redaction, ReplyTo};
use super::questions::Questions;
use super::setback::Setback;
use super::{dead_letters, requests};
use crate::bridge::BridgeError;
use crate::bridge::clean;
use crate::bridge::command::{self, CommandContext};
use crate::bridge::event::LocalCommand;
use crate::bridge::ids::{LoginId, UserId};
use crate::bridge::port::storage::{Batch, Storage};
use crate::bridge::prompt::Prompts;
use crate::bridge::receipt::InboxReceipt;
use crate::bridge::sentence::capitalised;

/// How long a side may take to remove a password before the sign-in goes on without.
const REDACTION: Duration = Duration::from_secs(60);
/// Messages that were passwords, remembered for a user who edits one.
const MAX_PASSWORDS: usize = 256;
/// Commands that wait for the network at a time; more are refused with a word.
pub(super) const MAX_REQUESTS: usize = 512;

/// Passwords that are waited for, and commands on their way.
pub(super) struct CommandService {
    prompts: Prompts,
    /// The messages that were passwords, the last of them.
    passwords: std::collections::VecDeque<String>,
    pub(super) questions: Questions,
    pub(super) requests: JoinSet<Finished>,
}

impl CommandService {
    pub(super) fn load(storage: &dyn Storage) -> Result<Self, BridgeError> {
        let (prompts, questions) = (Prompts::load(storage)?, Questions::default());
        Ok(Self { prompts, passwords: Default::default(), questions, requests: JoinSet::new() })
    }

    /// What follows the next request that has ended.
    pub(super) async fn finished(&mut self) -> Option<Finished> {
        match self.requests.join_next().await? {
            Ok(finished) => Some(finished),
            Err(error) => {
                tracing::error!(%error, "a command broke off");
                Some(Finished::Nothing)
            }
        }
    }

    /// Carries out a command. The receipt takes it out of the inbox, together with the answer where that is known.
    pub(super) fn command(
        &mut self,
        context: &mut RouterContext,
        given: LocalCommand,
        receipt: InboxReceipt,
    ) -> Result<(), Setback> {
        context.portals.ask_room(&given.portal)?;
        if given.typed
            && given.portal.management_user().is_some()
            && let Some(account) = self.prompts.account(&given.user).map(str::to_owned)
        {
            if given.text.trim() != "cancel" {
                return self.password(context, &given, account, receipt);
            }
            let mut batch = receipt.into_batch();
            Prompts::forget(&given.user, &mut batch);
            context.reply(&(&given).into(), "Nothing waits for a password now.", batch)?;
            // Not before: given again after a failure of the disk, it is still known for what it is.
            self.prompts.answered(&given.user);
            return Ok(());
        }
        if given.replaces.as_ref().is_some_and(|edited| self.passwords.contains(edited)) {
            let text =
                "What you changed was your password, and the change is not taken; «login» asks for it again.";
            context.settle(receipt);
            let redaction = self.redaction(&given, text.into(), None);
            self.redact(context, redaction);
            return Ok(());
        }
        // Only now: a password is what was typed.
        let text = clean::words(&given.text);
        let setup = &context.setup;
        let level = setup.permissions.level(&given.user);
        let seen = CommandContext::new(&given, context.logins.all(), &*setup.network, &context.sides, level);
        let effect = command::run(seen, &text);
        self.carry_out(context, given, effect, receipt)
    }

    /// Carries on where something outside the router has ended.
    pub(super) fn follow(&mut self, context: &mut RouterContext, finished: Finished) -> Result<(), Setback> {
        match finished {
            Finished::Nothing => Ok(()),
            Finished::SignedOut { login } => {
                tracing::info!(%login, "stays signed out until somebody asks");
                Ok(())
            }
            Finished::Answer(answered) => requests::answer(context, &answered),
            Finished::Effect { given, effect } => {
                context.portals.ask_room(&given.portal)?;
                self.carry_out(context, *given, effect, InboxReceipt::none())
            }
            Finished::Redact(redaction) => {
                self.redact(context, redaction);
                Ok(())
            }
            Finished::Revival(revival) => {
                context.portals.ask_room(&revival.reply.portal)?;
                if let Some(left) = dead_letters::revive_one(context, revival)? {
                    self.requests.spawn(async { Finished::Revival(left) });
                }
                Ok(())
            }
            Finished::Forgotten { reply, login, answer } => {
                let network = context.setup.network.clone();
                self.requests.spawn(async move {
                    network.disconnect(&login).await;
                    Finished::Answer(Answered { ended: Some(login), ..Answered::new(reply, answer) })
                });
                Ok(())
            }
            Finished::Overheard { user, leg, place, said } => {
                let (frontend, account) = (context.frontend(leg), context.sides.network.account);
                self.requests.spawn(async move {
                    let removed = match (frontend, said) {
                        (Some(frontend), Some(said)) => Some(frontend.redact(&place, &said).await),
                        _ => None,
                    };
                    requests::overheard_answer(&user, leg, removed, account)
                });
                Ok(())
            }
        }
    }

    /// The next message of this user is a password, on disk together with the question.
    pub(super) fn ask_for_password(
        &mut self,
        context: &mut RouterContext,
        given: &LocalCommand,
        account: &str,
        receipt: InboxReceipt,
    ) -> Result<(), Setback> {
        let id = context.setup.network.login_id(account).unwrap_or_else(|_| LoginId::new(account));
        let note = context.sides.traits(given.leg).map_or("", |traits| traits.redaction_note);
        let mut batch = receipt.into_batch();
        Prompts::ask(&given.user, account, &mut batch);
        let text = format!(
            "Now send the password of {id} as your next message. It is removed from this room, if I may do that here, but {note}. \
             «cancel» stops this."
        );
        context.reply(&given.into(), &text, batch)?;
        // Not before: given again after a failure of the disk, this command would be taken for the password.
        self.prompts.asked(&given.user, account);
        Ok(())
    }

    /// A password has come: the login is stored, the message is removed, and the login signs in.
    fn password(
        &mut self,
        context: &mut RouterContext,
        given: &LocalCommand,
        account: String,
        receipt: InboxReceipt,
    ) -> Result<(), Setback> {
        let password = SecretString::from(given.text.trim().to_owned());
        let mut batch = receipt.into_batch();
        Prompts::forget(&given.user, &mut batch);
        self.prompts.answered(&given.user);
        let id = match context.setup.network.login_id(&account) {
            Ok(id) => id,
            // It was one when it was asked for.
            Err(explanation) => {
                let redaction = self.redaction(given, explanation, None);
                context.writer.write(batch, Finished::Redact(redaction));
                return Ok(());
            }
        };
        if context.logins.is_taken(&id, &given.user) {
            // Another user may have signed in as this account since it was named.
            let redaction = self.redaction(given, format!("{id} is in use by somebody else here."), None);
            context.writer.write(batch, Finished::Redact(redaction));
            return Ok(());
        }
        let redaction = self.redaction(given, format!("Signing in as {id} …"), Some(id.clone()));
        let (user, reply) = (&given.user, &given.into());
        let given = PasswordGiven { user, reply, login: &id, account, password: &password };
        store_password(context, given, batch, Finished::Redact(redaction));
        Ok(())
    }

    /// What removes a password from the place where it was said.
    fn redaction(&mut self, given: &LocalCommand, text: String, connect: Option<LoginId>) -> Redaction {
        let references: Vec<String> = given.replaces.iter().chain([&given.reference]).cloned().collect();
        self.passwords.extend(references.iter().cloned());
        while self.passwords.len() > MAX_PASSWORDS {
            self.passwords.pop_front();
        }
        // An answer that points at a password shows it once more where it could not be removed.
        let reply = ReplyTo { reference: None, ..given.into() };
        Redaction { reply, place: given.place.clone(), references, text, connect }
    }

    /// Removes a password, says so, and signs in then.
    fn redact(&mut self, context: &RouterContext, redaction: Redaction) {
        let Redaction { reply, place, references, text, connect } = redaction;
        let frontend = context.frontend(reply.leg);
        let note = context.sides.traits(reply.leg).map_or("", |traits| traits.redaction_note);
        self.requests.spawn(async move {
            let removed = async {
                let Some(frontend) = frontend else { return false };
                let mut removed = true;
                for reference in &references {
                    removed &= frontend.redact(&place, reference).await;
                }
                removed
            };
            let note = match tokio::time::timeout(REDACTION, removed).await.unwrap_or(false) {
                true => format!("Your password was removed from this room; {note}."),
                false => format!(
                    "Your password could not be removed from this room: please remove that message yourself. {}.",
                    capitalised(note)
                ),
            };
            Finished::Answer(Answered { connect, ..Answered::new(reply, format!("{text} {note}")) })
        });
    }

    /// What waits in a conversation is not sent any more.
    pub(super) fn take_back(
        &mut self,
        context: &mut RouterContext,
        reply: ReplyTo,
        receipt: InboxReceipt,
    ) -> Result<(), Setback> {
        let count = context.portals.take_back(&reply.portal)?;
        context.settle(receipt);
        self.requests.spawn(async move {
            let text = match count.await {
                Ok(0) => "Nothing waits in this conversation.".to_owned(),
                Ok(1) => "The message that waited was taken back.".to_owned(),
                Ok(count) => format!("The {count} messages that waited were taken back."),
                Err(_) => "The bridge is stopping, and nothing was taken back.".to_owned(),
            };
            Finished::Answer(Answered::new(reply, text))
        });
        Ok(())
    }

    /// Somebody else can read where a password was asked for, and it is not waited for any more. What was `said` there
    /// since may be it.
    pub(super) fn overheard(
        &mut self,
        context: &mut RouterContext,
        user: UserId,
        place: String,
        said: Option<String>,
        receipt: InboxReceipt,
    ) -> Result<(), Setback> {
        let Some(leg) = context.sides.host().filter(|_| self.prompts.account(&user).is_some()) else {
            context.settle(receipt);
            return Ok(());
        };
        let mut batch = receipt.into_batch();
        Prompts::forget(&user, &mut batch);
        self.prompts.answered(&user);
        context.writer.write(batch, Finished::Overheard { user, leg, place, said });
        Ok(())
    }
}

/// A password that a user has given, wherever that was.
pub(super) struct PasswordGiven<'a> {
    pub(super) user: &'a UserId,
    /// Where that user is told things.
    pub(super) reply: &'a ReplyTo,
    pub(super) login: &'a LoginId,
    /// As its owner spells it.
    pub(super) account: String,
    pub(super) password: &'a SecretString,
}

/// Stores the password of an account that is not taken, together with the batch; what follows does when that is on disk.
pub(super) fn store_password(
    context: &mut RouterContext,
    given: PasswordGiven<'_>,
    mut batch: Batch,
    then: Finished,
) {
    let PasswordGiven { user, reply, login, account, password } = given;
    context.logins.password_given(login, account, user, password);
    // Together: an answer that is read again, after a kill, is still known for what it is.
    context.logins.get(login).into_iter().for_each(|login| login.store(&mut batch));
    context.writer.write(batch, then);
    for slip in context.logins.slips(user, login) {
        let answer = format!("{slip} never signed in, and is forgotten.");
        requests::forget_login(context, reply, &slip, answer, Batch::default());
    }
}
