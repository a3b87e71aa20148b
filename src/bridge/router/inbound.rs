//! From the network and from the inboxes into the portals.

use tokio::sync::mpsc;

use super::Router;
use super::offers::Offered;
use crate::bridge::BridgeError;
use crate::bridge::body::Body;
use crate::bridge::event::{
    Author, GhostPresence, LocalCommand, LocalEvent, LocalMessage, RemoteEvent, RemoteKind,
};
use crate::bridge::ids::{Leg, PortalKey};
use crate::bridge::journal::{Entry, Origin};
use crate::bridge::port::delivery::Content;
use crate::bridge::port::frontend::Signal;
use crate::bridge::port::network::Request;
use crate::bridge::port::storage::{Batch, Urgency};
use crate::bridge::portal::PortalInput;
use crate::bridge::record::PortalRecord;
use crate::bridge::sentence::sentence;

impl Router {
    pub(super) async fn remote(&mut self, event: RemoteEvent) -> Result<(), BridgeError> {
        let RemoteEvent { login, kind } = event;
        if let RemoteKind::PresenceLost(ghost) = &kind {
            // Also of a login that is no more: its contacts must not stay as they were shown last.
            let shown = self.presences.lose(&login, &self.around.names.newest(&login, ghost.clone()));
            shown.iter().for_each(|signal| super::signals::send(&self.signals, signal));
            return Ok(());
        }
        if !self.logins.contains_key(&login) {
            return Ok(());
        }
        let key = |conversation| PortalKey::new(login.clone(), conversation);
        match kind {
            RemoteKind::Message { conversation, sender, body, at } => {
                self.said(&key(conversation), Author::Ghost(sender), Content::Said { body }, at).await
            }
            RemoteKind::Joined { conversation, ghost, at } => {
                let author = Author::Ghost(ghost.clone());
                self.said(&key(conversation), author, Content::Joined { ghost }, at).await
            }
            RemoteKind::Left { conversation, ghost, at } => {
                let author = Author::Ghost(ghost.clone());
                self.said(&key(conversation), author, Content::Left { ghost }, at).await
            }
            RemoteKind::Typing { conversation, sender } => {
                let author = Author::Ghost(self.around.names.newest(&login, sender));
                let signal = Signal::Typing { portal: key(conversation), author };
                super::signals::send(&self.signals, &signal);
                Ok(())
            }
            RemoteKind::Named(ghosts) => ghosts.into_iter().try_for_each(|ghost| self.named(&login, &ghost)),
            RemoteKind::Met(ghost) => {
                self.around.names.meet(&login, &ghost)?;
                self.named(&login, &ghost)
            }
            RemoteKind::Presence(presence) => {
                self.named(&login, &presence.ghost)?;
                let ghost = self.around.names.newest(&login, presence.ghost);
                let presence = GhostPresence { ghost, ..presence };
                let shown = self.presences.update(&login, presence);
                shown.iter().for_each(|signal| super::signals::send(&self.signals, signal));
                Ok(())
            }
            RemoteKind::OwnMessage { conversation, body, at } => {
                let author = Author::Owner { name: login.to_string() };
                self.said(&key(conversation), author, Content::Said { body }, at).await
            }
            RemoteKind::PresenceLost(_) => Ok(()),
            RemoteKind::ContactRequest(ghost) => {
                let ghost = self.around.names.newest(&login, ghost);
                self.contact_request(&login, &ghost).await
            }
            RemoteKind::ContactRequestGone(ghost) => {
                self.contact_request_gone(&login, &ghost);
                Ok(())
            }
            RemoteKind::Picture { ghost, picture } => {
                let ghost = self.around.names.newest(&login, ghost);
                let signal = Signal::Picture { login: login.clone(), ghost, picture };
                super::signals::send(&self.signals, &signal);
                Ok(())
            }
            RemoteKind::Progress { conversation, progress } => {
                let signal = Signal::Progress { portal: key(conversation), progress };
                super::signals::send(&self.signals, &signal);
                Ok(())
            }
            RemoteKind::FileOffered { conversation, sender, number, what, minutes } => {
                let sender = self.around.names.newest(&login, sender);
                let offered = Offered { sender, number, what, minutes };
                self.file_offered(&key(conversation), &offered).await
            }
            RemoteKind::Groups(groups) => {
                let signal = Signal::Groups { login: login.clone(), groups };
                super::signals::send(&self.signals, &signal);
                Ok(())
            }
            RemoteKind::Reachable { conversation } => {
                let receiver = login.clone();
                let concerns = |key: &PortalKey| {
                    key.receiver == receiver && conversation.as_ref().is_none_or(|c| *c == key.conversation)
                };
                self.release(Leg::Remote, concerns).await?;
                self.release(Leg::Files, concerns).await
            }
            RemoteKind::State(state) => self.state_changed(&login, state).await,
            RemoteKind::Notice { text } => match self.logins.get(&login).map(|l| l.owner.clone()) {
                Some(owner) => self.tell(&owner, text).await,
                None => Ok(()),
            },
        }
    }

    /// Brings in something said on the network that is kept there until it is on disk here.
    pub(super) async fn remote_kept(
        &mut self,
        event: RemoteEvent,
        with: Batch,
        stored: mpsc::Sender<()>,
    ) -> Result<(), BridgeError> {
        let RemoteKind::Message { conversation, sender, body, at } = event.kind else { return Ok(()) };
        if !self.logins.contains_key(&event.login) {
            return Ok(());
        }
        let key = PortalKey::new(event.login, conversation);
        self.around.names.meet(&key.receiver, &sender)?;
        let author = Author::Ghost(self.around.names.newest(&key.receiver, sender));
        let mut entry = self.entry(&key, author, Content::Said { body }, None);
        entry.legs.retain(|leg| leg.is_frontend());
        entry.at = at;
        self.hand_in(&key, entry, with, Some(stored)).await
    }

    /// Puts an entry into a portal's mailbox. `stored` is told when it is on disk.
    pub(super) async fn hand_in(
        &mut self,
        key: &PortalKey,
        entry: Entry,
        mut with: Batch,
        stored: Option<mpsc::Sender<()>>,
    ) -> Result<(), BridgeError> {
        let portal = self.open(key)?;
        // A disk that failed just then has no record: a start would not find what waits here.
        if self.new_portals.remove(key) && PortalRecord::load(&*self.setup.storage, key)?.is_none() {
            PortalRecord { key: key.clone(), legs: self.legs(key), relays: false }.store(&mut with);
        }
        let input = PortalInput::Append { entry: Box::new(entry), with, stored };
        portal.send(input).await.map_err(|_| BridgeError::Stopped)
    }

    async fn said(
        &mut self,
        key: &PortalKey,
        author: Author,
        content: Content,
        at: u64,
    ) -> Result<(), BridgeError> {
        if let Author::Ghost(ghost) = &author {
            self.around.names.meet(&key.receiver, ghost)?;
        }
        let names = &self.around.names;
        let (author, content) = (names.author(&key.receiver, author), names.content(&key.receiver, content));
        let mut entry = self.entry(key, author, content, None);
        entry.legs.retain(|leg| leg.is_frontend());
        entry.at = at;
        self.append(key, entry, Batch::default()).await
    }

    /// `with` is what must happen together with what the event becomes.
    pub(super) async fn local(&mut self, event: LocalEvent, with: Batch) -> Result<(), BridgeError> {
        match event {
            LocalEvent::Message(message) => self.local_message(message, with).await,
            LocalEvent::Command(command) => self.local_command(command, with).await,
            LocalEvent::Refused { portal, leg, reference, reason } => {
                let text = format!("Your message was not delivered: {}", sentence(&reason));
                self.say(&portal, leg, text, Some(reference), with).await
            }
            LocalEvent::Presence { user, availability, text } => {
                self.owner_presence(&user, availability, &text);
                drop(self.setup.storage.commit(with, Urgency::Soon));
                Ok(())
            }
            LocalEvent::Portrait { user } => {
                self.show_owner(&user, None);
                drop(self.setup.storage.commit(with, Urgency::Soon));
                Ok(())
            }
            LocalEvent::Removed { portal, entry, said } => {
                if let Some(links) = &self.setup.links {
                    links.revoke(&portal, &entry)?;
                }
                match said {
                    Some(message) => self.local_message(message, with).await,
                    None => {
                        drop(self.setup.storage.commit(with, Urgency::Soon));
                        Ok(())
                    }
                }
            }
            LocalEvent::OwnerLeft { portal } => {
                let (network, login) = (self.setup.network.clone(), portal.receiver);
                self.setup.tasks.spawn(async move {
                    let request = Request::Leave { conversation: portal.conversation };
                    let _ = network.request(&login, request).await; // there may be no call to leave
                });
                drop(self.setup.storage.commit(with, Urgency::Soon));
                Ok(())
            }
            LocalEvent::Told { user, text } => self.tell_with(&user, text, with).await,
            LocalEvent::Overheard { user, place, said } => self.overheard(&user, place, said, with).await,
            LocalEvent::Ignored => {
                drop(self.setup.storage.commit(with, Urgency::Soon));
                Ok(())
            }
        }
    }

    pub(super) async fn local_message(
        &mut self,
        message: LocalMessage,
        with: Batch,
    ) -> Result<(), BridgeError> {
        let LocalMessage { portal, leg, author, reference, body, at } = message;
        if !self.logins.contains_key(&portal.receiver) {
            let text = format!(
                "Your message was not delivered: nobody is signed in to {} for this conversation any more. \
                 Use the command «login» in the room you share with the bridge.",
                self.around.sides.network.name
            );
            return self.say(&portal, leg, text, Some(reference), with).await;
        }
        let body = self.dress(&portal, &author, body);
        let origin = Some(Origin { leg, reference });
        let mut entry = self.entry(&portal, author, Content::Said { body }, origin);
        entry.at = at;
        self.append(&portal, entry, with).await
    }

    /// Plain words of a login's owner take the font and colour that they chose.
    fn dress(&self, portal: &PortalKey, author: &Author, body: Body) -> Body {
        let chosen = self.logins.get(&portal.receiver).and_then(|login| login.format.clone());
        match (body, chosen, author) {
            (Body::Text(mut text), Some(format), Author::Owner { .. }) if text.format.is_none() => {
                text.format = Some(format);
                Body::Text(text)
            }
            (body, ..) => body,
        }
    }

    async fn local_command(&mut self, command: LocalCommand, with: Batch) -> Result<(), BridgeError> {
        if !self.setup.permissions.may_use(&command.user) {
            drop(self.setup.storage.commit(with, Urgency::Soon));
            return Ok(());
        }
        self.command(command, with).await
    }
}
