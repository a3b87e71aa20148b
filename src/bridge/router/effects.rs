//! Carrying out what commands came to.
//!
//! Knows which effects are there at once, and which run beside and are answered when they have ended. Refuses to decide what a
//! command comes to: the command has.

use futures_util::future::BoxFuture;

use super::commands::{CommandService, MAX_REQUESTS};
use super::context::RouterContext;
use super::finished::{Answered, Finished, ReplyTo};
use super::setback::Setback;
use super::{administration, channels, dead_letters, explanation, requests, rooms_on_demand};
use crate::bridge::command::{self, CommandContext, Effect, LoginChange, NetworkRequest};
use crate::bridge::event::{Author, LocalCommand, LocalMessage};
use crate::bridge::ids::{LoginId, PortalKey};
use crate::bridge::page::page;
use crate::bridge::port::frontend::Level;
use crate::bridge::port::sign_in::SignInPage;
use crate::bridge::receipt::InboxReceipt;
use crate::bridge::sentence::sentence;

impl CommandService {
    /// Carries out what a command came to. The receipt is spent with that.
    pub(super) fn carry_out(
        &mut self,
        context: &mut RouterContext,
        given: LocalCommand,
        effect: Effect,
        receipt: InboxReceipt,
    ) -> Result<(), Setback> {
        let reply = ReplyTo::from(&given);
        match effect {
            Effect::Answer(text) => context.reply(&reply, &text, receipt.into_batch()),
            Effect::Status => {
                let mut lines = context.logins.describe(&given.user);
                lines.extend(channels::of(context, &given.user));
                let none = format!("You are not signed in to {}.", context.network_name());
                let text = if lines.is_empty() { none } else { lines.join("\n") };
                context.reply(&reply, &text, receipt.into_batch())
            }
            Effect::Who => {
                let text = channels::who(context, &given.portal);
                context.reply(&reply, &text, receipt.into_batch())
            }
            Effect::Prefer { login } => {
                let mut batch = context.logins.prefer(&login);
                receipt.spend(&mut batch);
                context.reply(&reply, &format!("Commands that name no account are for {login} now."), batch)
            }
            Effect::SignIn { account } => match (context.setup.sign_in.clone(), account) {
                (Some(page), account) => {
                    let text = sign_in_link(context, &*page, &given, account.as_deref());
                    context.reply(&reply, &text, receipt.into_batch())
                }
                (None, account) => {
                    self.ask_for_password(context, &given, &account.unwrap_or_default(), receipt)
                }
            },
            Effect::SignOut { login } => {
                let answer = format!(
                    "{login} is signed out and its password forgotten. Its rooms stay; they work again after «login {login}»."
                );
                requests::forget_login(context, &reply, &login, answer, receipt.into_batch());
                Ok(())
            }
            Effect::Connect { login } => {
                context.connect(&login);
                context.reply(&reply, &format!("Connecting {login} …"), receipt.into_batch())
            }
            Effect::TakeBack => self.take_back(context, reply, receipt),
            Effect::Relay { on } => requests::relay(context, &given, on, receipt),
            Effect::Say(body) => {
                let author = Author::Owner { name: given.user.to_string() };
                let LocalCommand { portal, leg, reference, .. } = given;
                let at = (context.setup.clock)();
                let message = LocalMessage { portal, leg, author, reference, body, at };
                super::local::messages(context, vec![message], receipt)
            }
            Effect::Change { login, change, then } => {
                change_login(context, given, (login, change), *then, receipt)
            }
            Effect::AllLogins { .. }
            | Effect::As { .. }
            | Effect::Kick { .. }
            | Effect::ShutOut { .. }
            | Effect::Shutdown => self.administer(context, given, effect, receipt),
            effect => self.begin(context, &given, effect, receipt),
        }
    }

    /// Carries out what only an administrator may ask for.
    fn administer(
        &mut self,
        context: &mut RouterContext,
        given: LocalCommand,
        effect: Effect,
        receipt: InboxReceipt,
    ) -> Result<(), Setback> {
        let reply = ReplyTo::from(&given);
        match effect {
            Effect::AllLogins { page: number } => {
                let lines = context.logins.describe_all();
                let text = match lines.is_empty() {
                    true => "There are no logins.".to_owned(),
                    false => page(&lines, number, "all-logins"),
                };
                context.reply(&reply, &text, receipt.into_batch())
            }
            Effect::As { user, text } => {
                tracing::info!(admin = %given.user, %user, "a command in the place of a user");
                let setup = &context.setup;
                let given = LocalCommand { user, ..given };
                let level = setup.permissions.level(&given.user).min(Level::User);
                let logins = context.logins.all();
                let seen = CommandContext::new(&given, logins, &*setup.network, &context.sides, level);
                let effect = command::run(seen, &text);
                self.carry_out(context, given, effect, receipt)
            }
            Effect::Kick { login } => administration::kick(context, &reply, &login, receipt),
            Effect::ShutOut { user, is_out } => {
                let logins = administration::shut_out(context, &reply, &user, is_out, receipt)?;
                for login in logins {
                    let (given, effect) = (Box::new(given.clone()), Effect::Kick { login });
                    self.requests.spawn(async { Finished::Effect { given, effect } });
                }
                Ok(())
            }
            _ => {
                administration::announce_shutdown(context, &reply, receipt)?;
                self.requests.spawn(administration::shut_down(context));
                Ok(())
            }
        }
    }

    /// Begins what takes time: it is answered when it has ended, and the command is done with now.
    fn begin(
        &mut self,
        context: &mut RouterContext,
        given: &LocalCommand,
        effect: Effect,
        receipt: InboxReceipt,
    ) -> Result<(), Setback> {
        let reply = ReplyTo::from(given);
        if self.requests.len() >= MAX_REQUESTS {
            let text = "Too many commands wait for an answer. Try again in a minute.";
            return context.reply(&reply, text, receipt.into_batch());
        }
        let request = match effect {
            Effect::Request(request) => self.request(context, reply, request),
            Effect::ListContacts { login, with, page } => {
                requests::list_contacts(context, reply, login, with, page)
            }
            Effect::OpenChat { login, ghost, conversation } => {
                requests::open_chat(context, reply, login, requests::PortalTarget { ghost, conversation })
            }
            Effect::AskChannel(act) => channels::ask(context, given, act),
            Effect::Sync { login } => rooms_on_demand::sync(context, reply, login)?,
            Effect::Explain { entry } => explanation::explain(context, given, entry)?,
            Effect::RemoveRoom { keeps_people } => rooms_on_demand::remove(context, given, keeps_people)?,
            Effect::AdoptRoom { login, conversation } => {
                rooms_on_demand::adopt(context, given, PortalKey::new(login, conversation))
            }
            Effect::DeadLetters { page } => dead_letters::list(context, reply, page),
            Effect::RetryDeadLetters => dead_letters::revive(context, reply),
            _ => dead_letters::discard(context, reply),
        };
        context.settle(receipt);
        self.requests.spawn(request);
        Ok(())
    }

    /// The future that asks the network, and ends in the answer.
    fn request(
        &mut self,
        context: &RouterContext,
        reply: ReplyTo,
        request: NetworkRequest,
    ) -> BoxFuture<'static, Finished> {
        let NetworkRequest { login, request, done, opens, answers } = request;
        let with = answers.map(|ghost| self.questions.answered(&login, &ghost)).unwrap_or_default();
        let network = context.setup.network.clone();
        Box::pin(async move {
            Finished::Answer(match network.request(&login, request).await {
                Ok(()) => Answered { with, opens, ..Answered::new(reply, done) },
                Err(reason) => Answered {
                    opens,
                    ..Answered::new(reply, format!("That did not work: {}", sentence(&reason)))
                },
            })
        })
    }
}

/// Where a user signs in.
fn sign_in_link(
    context: &RouterContext,
    page: &dyn SignInPage,
    given: &LocalCommand,
    account: Option<&str>,
) -> String {
    format!(
        "Sign in to {} here: {}\nThe link works once, within {} minutes. Whoever opens it signs in for you: pass it on to nobody.",
        context.network_name(),
        page.link(&given.user, account),
        page.minutes(),
    )
}

/// Stores a changed login. What follows does when that is on disk, before the network hears of it, and its owner.
fn change_login(
    context: &mut RouterContext,
    given: LocalCommand,
    (login, change): (LoginId, LoginChange),
    then: Effect,
    receipt: InboxReceipt,
) -> Result<(), Setback> {
    let mut batch = context.logins.change(&login, |login| change(login));
    receipt.spend(&mut batch);
    if let Effect::Answer(text) = &then {
        return context.reply(&ReplyTo::from(&given), text, batch);
    }
    context.writer.write(batch, Finished::Effect { given: Box::new(given), effect: then });
    Ok(())
}
