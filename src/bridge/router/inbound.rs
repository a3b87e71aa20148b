//! From the network into the portals, to the frontends and to the owners of logins.
//!
//! Knows what each remote event becomes: an entry, a signal, a question or a notice. Refuses to know the network's words.
//! Source: sections 2 and 4 of the product's description.

use tokio::sync::mpsc;

use super::Router;
use super::context::RouterContext;
use super::finished::Finished;
use super::questions::{self, Offered};
use super::setback::Setback;
use super::status::Reached;
use crate::bridge::event::{Author, ConnectionState, Ghost, GhostPresence, RemoteEvent, RemoteKind};
use crate::bridge::ids::{LoginId, PortalKey};
use crate::bridge::overview::LoginReport;
use crate::bridge::port::delivery::Content;
use crate::bridge::port::frontend::Signal;
use crate::bridge::port::storage::Batch;
use crate::bridge::sentence::sentence;

impl Router {
    /// Acts on an event of the network. Of a login that is not there, only the loss of presence is acted
    /// on; a notice waits for it.
    pub(super) fn remote(&mut self, event: RemoteEvent) -> Result<(), Setback> {
        let RemoteEvent { login, kind } = event;
        if let RemoteKind::PresenceLost(ghost) = &kind {
            // Also of a login that is no more: its contacts must not stay as they were shown last.
            let ghost = self.context.names.newest(&login, ghost.clone());
            self.context.signals.presence_lost(&login, &ghost);
            return Ok(());
        }
        if !self.context.logins.contains(&login) {
            if let RemoteKind::Notice { text } = kind {
                self.context.early.keep(login, text);
            }
            return Ok(());
        }
        self.tell_early(&login)?;
        match kind {
            kind @ (RemoteKind::Message { .. }
            | RemoteKind::OwnMessage { .. }
            | RemoteKind::Joined { .. }
            | RemoteKind::Left { .. }) => said(&mut self.context, &login, kind),
            RemoteKind::State(state) => state_changed(&mut self.context, &login, state),
            RemoteKind::Notice { text } => match self.context.logins.owner(&login) {
                Some(owner) => self.context.tell(&owner, &text),
                None => Ok(()),
            },
            RemoteKind::ContactRequest(ghost) => {
                let ghost = self.context.names.newest(&login, ghost);
                self.commands.questions.contact_request(&mut self.context, &login, &ghost)
            }
            RemoteKind::ContactRequestGone(ghost) => {
                self.commands.questions.contact_request_gone(&self.context, &login, &ghost.id);
                Ok(())
            }
            RemoteKind::FileOffered { conversation, sender, number, what, minutes } => {
                let sender = self.context.names.newest(&login, sender);
                let offered = Offered { sender, number, what, minutes };
                questions::file_offered(&mut self.context, &PortalKey::new(login, conversation), &offered)
            }
            RemoteKind::Reachable { conversation } => {
                self.context.release_network(|key| {
                    key.receiver == login && conversation.as_ref().is_none_or(|c| *c == key.conversation)
                });
                Ok(())
            }
            kind => signal(&mut self.context, login, kind),
        }
    }

    /// Tells the owner of a login what was to be told before it was there.
    fn tell_early(&mut self, login: &LoginId) -> Result<(), Setback> {
        let Some(owner) = self.context.logins.owner(login) else { return Ok(()) };
        while let Some(text) = self.context.early.first(login).cloned() {
            self.context.tell(&owner, &text)?;
            self.context.early.told(login);
        }
        Ok(())
    }

    /// Brings in something said on the network that is kept there until it is on disk here.
    pub(super) fn remote_kept(
        &mut self,
        event: RemoteEvent,
        with: Batch,
        stored: mpsc::Sender<()>,
    ) -> Result<(), Setback> {
        let RemoteKind::Message { conversation, sender, body, at } = event.kind else { return Ok(()) };
        let context = &mut self.context;
        if !context.logins.contains(&event.login) {
            return Ok(());
        }
        let key = PortalKey::new(event.login, conversation);
        context.names.meet(&key.receiver, &sender)?;
        let author = Author::Ghost(context.names.newest(&key.receiver, sender));
        let mut entry = context.portals.entry(&key, author, Content::Said { body }, None);
        entry.legs.retain(|leg| leg.is_frontend());
        entry.at = at;
        context.portals.append(&key, entry, with, Some(stored))
    }
}

/// Something that belongs in a conversation's journal.
fn said(context: &mut RouterContext, login: &LoginId, kind: RemoteKind) -> Result<(), Setback> {
    let (conversation, author, content, at) = match kind {
        RemoteKind::Message { conversation, sender, body, at } => {
            (conversation, Author::Ghost(sender), Content::Said { body }, at)
        }
        RemoteKind::OwnMessage { conversation, body, at } => {
            (conversation, Author::Owner { name: login.to_string() }, Content::Said { body }, at)
        }
        RemoteKind::Joined { conversation, ghost, at } => {
            (conversation, Author::Ghost(ghost.clone()), Content::Joined { ghost }, at)
        }
        RemoteKind::Left { conversation, ghost, at } => {
            (conversation, Author::Ghost(ghost.clone()), Content::Left { ghost }, at)
        }
        _ => return Ok(()),
    };
    if let Author::Ghost(ghost) = &author {
        context.names.meet(login, ghost)?;
    }
    let (author, content) = (context.names.author(login, author), context.names.content(login, content));
    let key = PortalKey::new(login.clone(), conversation);
    let mut entry = context.portals.entry(&key, author, content, None);
    entry.legs.retain(|leg| leg.is_frontend());
    entry.at = at;
    context.portals.append(&key, entry, Batch::default(), None)
}

/// What is only worth something now.
fn signal(context: &mut RouterContext, login: LoginId, kind: RemoteKind) -> Result<(), Setback> {
    let newest = |ghost: Ghost| context.names.newest(&login, ghost);
    let signal = match kind {
        RemoteKind::Typing { conversation, sender } => {
            let author = Author::Ghost(newest(sender));
            Signal::Typing { portal: PortalKey::new(login, conversation), author }
        }
        RemoteKind::Picture { ghost, picture } => {
            let ghost = newest(ghost);
            Signal::Picture { login, ghost, picture }
        }
        RemoteKind::Progress { conversation, progress } => {
            Signal::Progress { portal: PortalKey::new(login, conversation), progress }
        }
        RemoteKind::Groups(groups) => {
            if let Some(owner) = context.logins.owner(&login) {
                context.rooms.again(&login, &owner);
            }
            Signal::Groups { login, groups }
        }
        RemoteKind::Named(ghosts) => {
            for ghost in &ghosts {
                context.named(&login, ghost)?;
            }
            return Ok(());
        }
        RemoteKind::Met(ghost) => {
            context.names.meet(&login, &ghost)?;
            return Ok(context.named(&login, &ghost)?);
        }
        RemoteKind::Presence(presence) => {
            context.named(&login, &presence.ghost)?;
            let ghost = context.names.newest(&login, presence.ghost);
            context.signals.presence(&login, GhostPresence { ghost, ..presence });
            return Ok(());
        }
        _ => return Ok(()),
    };
    context.signals.show(&signal);
    Ok(())
}

/// A login's connection stands differently: the owner hears of it if they have to.
fn state_changed(context: &mut RouterContext, id: &LoginId, state: ConnectionState) -> Result<(), Setback> {
    let now = (context.setup.clock)();
    if let Some(owner) = context.logins.owner(id) {
        context.ask_room_to_tell(&owner)?;
        context.reports.put(LoginReport { login: id.clone(), owner, state: Some(state.clone()), at: now });
    }
    tracing::info!(login = %id, ?state, "connection state");
    context.logins.set_state(id, state.clone(), now);
    match state {
        ConnectionState::Connected => connected(context, id),
        ConnectionState::Connecting => Ok(()),
        ConnectionState::Waiting { .. } => tell_bad_news(context),
        ConnectionState::SignedOut { reason } => signed_out(context, id, &reason),
    }
}

/// A login has got in: what waited for the network goes, and the owner hears if they asked or had missed it.
fn connected(context: &mut RouterContext, id: &LoginId) -> Result<(), Setback> {
    let Some((reached, is_news)) = context.logins.connected(id) else { return Ok(()) };
    if is_news {
        save(context, id);
    }
    let Some(login) = context.logins.get(id) else { return Ok(()) };
    context.profiles.show_picture(login);
    let owner = login.owner.clone();
    context.rooms.again(id, &owner);
    context.release_network(|key| key.receiver == *id);
    let network = context.network_name();
    match reached {
        Reached::AsAsked => {
            let text = format!("Signed in to {network} as {id}. Say «contacts» to see who is there.");
            context.tell(&owner, &text)
        }
        Reached::Again => context.tell(&owner, &format!("{id} is connected to {network} again.")),
        Reached::Quietly => Ok(()),
    }
}

/// A login stays signed out, over a restart too, until its owner asks.
fn signed_out(context: &mut RouterContext, id: &LoginId, reason: &str) -> Result<(), Setback> {
    let Some(owner) = context.logins.owner(id) else { return Ok(()) };
    let batch = context.logins.change(id, |login| login.signed_out = Some(reason.to_owned()));
    context.writer.write(batch, Finished::SignedOut { login: id.clone() });
    let network = context.network_name();
    let text = format!(
        "{id} is signed out of {network}: {} Messages to {network} wait. Say «reconnect» to sign in again, or «login {id}» to give the password anew.",
        sentence(reason)
    );
    context.tell(&owner, &text)
}

/// Has a login written down as it is now.
pub(super) fn save(context: &mut RouterContext, id: &LoginId) {
    let batch = context.logins.change(id, |_| {});
    context.writer.write(batch, Finished::Nothing);
}

/// Tells owners of interruptions that have become long.
pub(super) fn tell_bad_news(context: &mut RouterContext) -> Result<(), Setback> {
    for (id, reason) in context.logins.bad_news() {
        let Some(owner) = context.logins.owner(&id) else { continue };
        let text = format!(
            "{id} is not connected to {}: {} It is tried again by itself, and messages wait until then.",
            context.network_name(),
            sentence(&reason)
        );
        context.tell(&owner, &text)?;
        context.logins.told_down(&id);
    }
    Ok(())
}
