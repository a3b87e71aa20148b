//! From the frontends into the portals, and to the command service.
//!
//! Knows what each local event becomes, and spends its receipt with that. Refuses to read an event of a frontend: the
//! frontend has interpreted it.

use super::Router;
use super::context::RouterContext;
use super::setback::Setback;
use crate::bridge::body::{Body, Format};
use crate::bridge::event::{Author, LocalEvent, LocalMessage};
use crate::bridge::ids::{ConversationId, PortalKey};
use crate::bridge::journal::{Entry, Origin};
use crate::bridge::port::delivery::Content;
use crate::bridge::port::frontend::{Outcome, Signal};
use crate::bridge::port::network::Request;
use crate::bridge::receipt::InboxReceipt;
use crate::bridge::sentence::sentence;

impl Router {
    /// The receipt is spent together with what the event becomes.
    pub(super) fn local(&mut self, event: LocalEvent, receipt: InboxReceipt) -> Result<(), Setback> {
        let context = &mut self.context;
        match event {
            LocalEvent::Message(said) => return messages(context, vec![said], receipt),
            LocalEvent::Messages(all) => return messages(context, all, receipt),
            LocalEvent::Whispered { user, conversations, said } => {
                let is_theirs = |key: &PortalKey| context.logins.owner(&key.receiver).as_ref() == Some(&user);
                if context.setup.permissions.may_use(&user)
                    && let Some(portal) = conversations.into_iter().find(is_theirs)
                {
                    return messages(context, vec![LocalMessage { portal, ..said }], receipt);
                }
                let text =
                    "This contact is in no account of yours: what you wrote to them was not delivered.";
                let key = PortalKey::management(&user);
                return context.portals.say(&key, said.leg, text, Some(said.reference), receipt.into_batch());
            }
            LocalEvent::Command(command) if context.setup.permissions.may_use(&command.user) => {
                return self.commands.command(context, command, receipt);
            }
            LocalEvent::Refused { portal, leg, reference, reason } => {
                let outcome = Outcome::Refused { reason: reason.clone() };
                return refuse(context, &portal, Origin { leg, reference }, (&reason, outcome), receipt);
            }
            LocalEvent::Told { user, text } => {
                return context.portals.tell(&user, &text, receipt.into_batch());
            }
            LocalEvent::Overheard { user, place, said } => {
                return self.commands.overheard(context, user, place, said, receipt);
            }
            LocalEvent::Removed { portal, entry, said } => {
                if let Some(links) = &context.setup.links {
                    links.revoke(&portal, &entry)?;
                }
                if let Some(said) = said {
                    return messages(context, vec![said], receipt);
                }
            }
            LocalEvent::Presence { user, availability, text } => {
                context.profiles.presence(&mut context.logins, &user, availability, &text);
            }
            LocalEvent::Portrait { user } => {
                for login in context.logins.of_owner_mut(&user) {
                    context.profiles.show_picture(login);
                }
            }
            LocalEvent::Serves { portal, leg, serves } => context.portals.serve(&portal, leg, serves)?,
            LocalEvent::Typing { portal, author } => {
                context.signals.show(&Signal::Typing { portal: portal.clone(), author });
                ask(context, portal, |conversation| Request::Typing { conversation });
            }
            LocalEvent::OwnerLeft { portal } => leave(context, portal),
            LocalEvent::Command(_) | LocalEvent::Ignored => {}
        }
        context.settle(receipt);
        Ok(())
    }
}

/// Things said on a frontend, in one conversation and in one breath.
pub(super) fn messages(
    context: &mut RouterContext,
    messages: Vec<LocalMessage>,
    receipt: InboxReceipt,
) -> Result<(), Setback> {
    let Some(LocalMessage { portal, leg, reference, .. }) = messages.first() else {
        context.settle(receipt);
        return Ok(());
    };
    let (portal, origin) = (portal.clone(), Origin { leg: *leg, reference: reference.clone() });
    if !context.logins.contains(&portal.receiver) {
        let reason = format!(
            "nobody is signed in to {} for this conversation any more. \
             Use the command «login» in the room you share with the bridge",
            context.network_name()
        );
        let outcome = Outcome::Failed { reason: reason.clone() };
        return refuse(context, &portal, origin, (&reason, outcome), receipt);
    }
    let entries = messages.into_iter().enumerate().map(|(part, said)| {
        let LocalMessage { author, body, at, .. } = said;
        let body = dress(context, &portal, &author, body);
        let entry = context.portals.entry(&portal, author, Content::Said { body }, Some(origin.clone()));
        Entry { id: entry.id.part(part), at, ..entry }
    });
    let entries = entries.collect();
    context.portals.append_all(&portal, entries, receipt.into_batch(), None)
}

/// Something is not carried: its sender reads why, and their client is told.
fn refuse(
    context: &mut RouterContext,
    portal: &PortalKey,
    origin: Origin,
    (reason, outcome): (&str, Outcome),
    receipt: InboxReceipt,
) -> Result<(), Setback> {
    let text = format!("Your message was not delivered: {}", sentence(reason));
    let Origin { leg, reference } = origin.clone();
    context.portals.say(portal, leg, &text, Some(reference), receipt.into_batch())?;
    context.portals.report(portal, &origin, outcome);
    Ok(())
}

/// Plain words of a login's owner take the font and colour that they chose; the direction stays the words' own.
fn dress(context: &RouterContext, portal: &PortalKey, author: &Author, body: Body) -> Body {
    let chosen = context.logins.get(&portal.receiver).and_then(|login| login.format.clone());
    match (body, chosen, author) {
        (Body::Text(mut text), Some(chosen), Author::Owner { .. })
            if text.format.as_ref().is_none_or(is_only_direction) =>
        {
            let right_to_left = text.format.map_or(chosen.right_to_left, |own| own.right_to_left);
            text.format = Some(Format { right_to_left, ..chosen });
            Body::Text(text)
        }
        (body, ..) => body,
    }
}

/// Whether a format says nothing of font, effects and colour.
fn is_only_direction(format: &Format) -> bool {
    *format == Format { right_to_left: format.right_to_left, ..Format::default() }
}

/// The owner of a conversation left it: so does the login.
fn leave(context: &RouterContext, portal: PortalKey) {
    // There may be no call to leave.
    ask(context, portal, |conversation| Request::Leave { conversation });
}

/// Asks the network for something that nobody waits for.
fn ask(context: &RouterContext, portal: PortalKey, request: impl Fn(ConversationId) -> Request) {
    let (network, login) = (context.setup.network.clone(), portal.receiver);
    let (cancel, request) = (context.setup.cancel.clone(), request(portal.conversation));
    context
        .setup
        .tasks
        .spawn(async move { cancel.run_until_cancelled(network.request(&login, request)).await });
}
