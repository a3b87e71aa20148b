//! What commands set going: each begins here, and ends here in an answer.
//!
//! Knows the words of the answers. Refuses to hold state: what a command needs is copied into its own future.

use futures_util::future::BoxFuture;

use super::context::RouterContext;
use super::finished::{Answered, Finished, ReplyTo};
use super::setback::Setback;
use crate::bridge::clean;
use crate::bridge::event::LocalCommand;
use crate::bridge::ids::{ConversationId, GhostId, Leg, LoginId, PortalKey, UserId};
use crate::bridge::login::Login;
use crate::bridge::overview::LoginReport;
use crate::bridge::page::page;
use crate::bridge::port::network::ContactLine;
use crate::bridge::port::storage::Batch;
use crate::bridge::receipt::InboxReceipt;
use crate::bridge::record::PortalRecord;
use crate::bridge::sentence::sentence;

/// Forgets a login and everything that it has under way, and says so then. Its session tells the core of its end, so the
/// core does not wait for that.
pub(super) fn forget_login(
    context: &mut RouterContext,
    reply: &ReplyTo,
    login: &LoginId,
    answer: String,
    mut batch: Batch,
) {
    Login::erase(login, &mut batch);
    if let Some(owner) = context.logins.owner(login) {
        let at = (context.setup.clock)();
        context.reports.put(LoginReport { login: login.clone(), owner, state: None, at });
    }
    context.logins.forget(login);
    context.writer.write(batch, Finished::Forgotten { reply: reply.clone(), login: login.clone(), answer });
}

/// Decides who else is heard in a conversation.
pub(super) fn relay(
    context: &mut RouterContext,
    given: &LocalCommand,
    on: bool,
    receipt: InboxReceipt,
) -> Result<(), Setback> {
    let reply = ReplyTo::from(given);
    context.portals.open(&given.portal)?;
    let Some(mut record) = PortalRecord::load(&*context.setup.storage, &given.portal)? else {
        let text = "This conversation is not known yet. Say something first.";
        return context.reply(&reply, text, receipt.into_batch());
    };
    record.relays = on;
    let mut batch = receipt.into_batch();
    record.store(&mut batch);
    let network = context.network_name();
    let text = match on {
        true => {
            format!(
                "Everybody in this room is heard on {network} now, as «<name> text», through your account."
            )
        }
        false => format!("Only you are heard on {network} now."),
    };
    context.reply(&reply, &text, batch)
}

/// A contact, and the conversation with it.
pub(super) struct PortalTarget {
    pub(super) ghost: GhostId,
    pub(super) conversation: ConversationId,
}

/// Opens a conversation, with what is known of the contact.
pub(super) fn open_chat(
    context: &RouterContext,
    reply: ReplyTo,
    login: LoginId,
    target: PortalTarget,
) -> BoxFuture<'static, Finished> {
    let PortalTarget { ghost, conversation } = target;
    let key = PortalKey::new(login.clone(), conversation);
    let network = context.setup.network.clone();
    tracing::info!(portal = %key, "conversation opened");
    Box::pin(async move {
        let known = network.about(&login, &ghost).await;
        let text =
            format!("This is your conversation with {ghost}. What you write here goes to them. {known}");
        let answer =
            format!("You will find the conversation with {ghost} among your rooms or invitations. {known}");
        let opens = Some((key, text.trim_end().to_owned()));
        Finished::Answer(Answered { opens, ..Answered::new(reply, answer.trim_end()) })
    })
}

/// Asks for a login's contacts, and lists them, a line each.
pub(super) fn list_contacts(
    context: &RouterContext,
    reply: ReplyTo,
    login: LoginId,
    with: Option<String>,
    number: usize,
) -> BoxFuture<'static, Finished> {
    let network = context.setup.network.clone();
    Box::pin(async move {
        let with = with.map(|words| words.to_lowercase());
        let is_wanted = |contact: &&ContactLine| {
            let has = |words: &String| {
                contact.name.to_lowercase().contains(words)
                    || contact.ghost.as_str().to_lowercase().contains(words)
            };
            with.as_ref().is_none_or(has)
        };
        let text = match network.contacts(&login).await {
            Ok(lines) if lines.is_empty() => format!("{login} has no contacts."),
            Ok(lines) => {
                let found: Vec<String> = lines.iter().filter(is_wanted).map(contact_line).collect();
                if found.is_empty() {
                    "No contact of yours is called so.".to_owned()
                } else {
                    page(&found, number, "contacts")
                }
            }
            Err(reason) => format!("The contacts of {login} are not known: {}", sentence(&reason)),
        };
        Finished::Answer(Answered::new(reply, text))
    })
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

/// What a user is told whose password was not waited for any longer. `removed` says what became of what they said.
pub(super) fn overheard_answer(user: &UserId, leg: Leg, removed: Option<bool>, account: &str) -> Finished {
    let more = match removed {
        None => "",
        Some(true) => " What you said there was removed; if it was the password, change it.",
        Some(false) => {
            " What you said there could not be removed: please remove it yourself, and change the password if it was that."
        }
    };
    let text = format!(
        "Somebody else can read where you were about to say a password, so it is not waited for there any more.{more} \
         Say «login» and your {account} address here to sign in."
    );
    Finished::Answer(Answered::new(
        ReplyTo { portal: PortalKey::management(user), leg, reference: None },
        text,
    ))
}

/// Says what a command came to.
pub(super) fn answer(context: &mut RouterContext, answered: &Answered) -> Result<(), Setback> {
    let Answered { reply, text, with, opens, ended, connect } = answered;
    let conversations = opens.iter().map(|(opened, _)| opened).chain([&reply.portal]);
    for portal in conversations {
        context.portals.ask_room(portal)?;
    }
    if let Some(login) = ended {
        let reason = format!("the account was signed out of {}", context.network_name());
        context.portals.give_up(login, &reason)?;
    }
    if let Some((opened, text)) = opens {
        let place = context.sides.host().unwrap_or(reply.leg);
        context.portals.say(opened, place, text, None, Batch::default())?;
    }
    context.reply(reply, text, with.clone())?;
    connect.iter().for_each(|id| context.connect(id));
    Ok(())
}
