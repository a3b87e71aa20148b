//! What every component of one call shares: who is here, which conversation it is, and what is to be said where.
//!
//! Knows the members and their peers. Collects what is to be said on the board, in order; tells the core at once. Refuses
//! to know why anything is said.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{Ghost, Progress, RemoteEvent, RemoteKind};
use crate::bridge::ids::{ConversationId, LoginId};
use crate::bridge::port::media::File;
use crate::connector::clock::time_of_day;
use crate::connector::context::names::Names;
use crate::connector::context::peers::Peers;
use crate::connector::context::people::People;
use crate::connector::context::{Shared, names};
use crate::connector::handle::{CallHandle, CallNotice};
use crate::connector::interrupted;
use crate::connector::interrupted::IncompleteFile;
use crate::msn::command::Acknowledge;
use crate::msn::dialect::Dialect;
use crate::msn::ids::Email;

/// Most offers declined without asking that are shown, in one call.
const MAX_REFUSED: u32 = 10;

/// Something that is to be said on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::connector) struct BoardMessage {
    pub(in crate::connector) acknowledge: Acknowledge,
    pub(in crate::connector) payload: Bytes,
}

/// What the components of a call share.
pub(in crate::connector) struct CallContext {
    pub(in crate::connector) shared: Shared,
    pub(in crate::connector) login: LoginId,
    /// The own account.
    pub(in crate::connector) email: Email,
    pub(in crate::connector) dialect: Dialect,
    /// Which conversation it is now.
    pub(in crate::connector) conversation: ConversationId,
    /// Who is here besides us.
    pub(in crate::connector) members: Vec<Email>,
    /// What is known of those whom it is about.
    pub(in crate::connector) people: People,
    /// What people are called.
    pub(in crate::connector) names: Names,
    pub(in crate::connector) peers: Peers,
    /// How others reach this call.
    pub(in crate::connector) handle: CallHandle,
    /// What the login is told.
    pub(in crate::connector) news: mpsc::Sender<CallNotice>,
    /// One for each port on which a contact is waited for, in all calls of the login.
    pub(in crate::connector) doors: Arc<Semaphore>,
    /// The login's own: its calls end with it.
    pub(in crate::connector) cancel: CancellationToken,
    pub(in crate::connector) outbox: Vec<BoardMessage>,
    /// How far files are, not told yet.
    pub(in crate::connector) progress: Vec<Progress>,
    /// Offers that were declined without asking, and shown.
    pub(in crate::connector) refused: u32,
}

impl CallContext {
    /// A person under the name that they had last in any call.
    pub(in crate::connector) fn ghost(&self, email: &Email) -> Ghost {
        names::ghost(email, &self.names.newest(email))
    }

    /// What somebody is called in a sentence: by their account where no name is known.
    pub(in crate::connector) fn called(&self, email: &Email) -> String {
        let name = self.ghost(email).name;
        if name.is_empty() { email.to_string() } else { name }
    }

    /// Whether somebody here is known to have a client that takes files by streams only.
    pub(in crate::connector) fn takes_streams_only(&self, email: &Email) -> bool {
        self.people.capabilities(email).is_some_and(|capabilities| capabilities.msnc() == 0)
    }

    /// Something is to be said on the board, behind what was to be said before.
    pub(in crate::connector) fn say(&mut self, acknowledge: Acknowledge, payload: impl Into<Bytes>) {
        self.outbox.push(BoardMessage { acknowledge, payload: payload.into() });
    }

    /// Waits while the core is busy: the socket is not read meanwhile.
    pub(in crate::connector) async fn tell(&self, kind: RemoteKind) {
        let event = RemoteEvent { login: self.login.clone(), kind };
        if self.shared.bridge.remote(event).await.is_err() {
            tracing::error!("the bridge has stopped, something said on MSN was not taken");
        }
    }

    /// Something that a person said in this conversation, now.
    pub(in crate::connector) async fn tell_body(&self, email: &Email, body: Body) {
        let (conversation, sender) = (self.conversation.clone(), self.ghost(email));
        self.tell(RemoteKind::Message { conversation, sender, body, at: time_of_day() }).await;
    }

    /// Shows what somebody did, in words.
    pub(in crate::connector) async fn show(&self, email: &Email, text: &str) {
        self.tell_body(email, Body::Emote(RichText::plain(text))).await;
    }

    /// A file that a person sent, whole on the disk.
    pub(in crate::connector) async fn show_file(&self, email: &Email, file: File) {
        self.tell_body(email, Body::File(file)).await;
    }

    /// Shows an offer that was declined without asking: of the tenth that there are ever more, of those behind it nothing.
    pub(in crate::connector) async fn show_refusal(&mut self, email: &Email, text: &str) {
        self.refused = self.refused.saturating_add(1);
        match self.refused {
            ..MAX_REFUSED => self.show(email, text).await,
            MAX_REFUSED => {
                self.show(email, "offers ever more, which is declined and not shown any more").await
            }
            _ => {}
        }
    }

    /// Tells how far files are.
    pub(in crate::connector) async fn tell_progress(&mut self) {
        for progress in std::mem::take(&mut self.progress) {
            self.tell(RemoteKind::Progress { conversation: self.conversation.clone(), progress }).await;
        }
    }

    /// Remembers on the disk that a file is coming.
    pub(in crate::connector) fn note_incoming(&self, email: &Email, name: &str, size: u64) -> IncompleteFile {
        let sender = self.ghost(email);
        interrupted::note(&self.shared.storage, &self.login, &self.conversation, &sender, name, size)
    }
}
