//! The calls of one login: which serves which conversation, and what they share.
//!
//! Knows who is reached by which call, and how many may ring. Refuses to know sessions: a switchboard is asked for by who
//! has one. Calls outlive sessions, for a switchboard does not need the notification server.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::bridge::ids::{ConversationId, LoginId};
use crate::connector::call;
use crate::connector::call::resources::{Begin, CallResources};
use crate::connector::context::Shared;
use crate::connector::context::names::Names;
use crate::connector::context::people::Directory;
use crate::connector::file::offers::OfferRegistry;
use crate::connector::file::suspended::SuspendedTransfers;
use crate::connector::handle::{Assignment, CallCommand, CallHandle, CallNotice, OwnPicture};
use crate::connector::translate::convert;
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Cookie, Email, HostPort, SessionId};
use crate::msn::session::Contact;

/// Most files at once that old clients send: their streams outlive the calls they were offered in.
const MAX_STREAMS: usize = 16;
/// Most ports on which contacts are waited for at once.
const MAX_DOORS: usize = 4;
/// Most calls at once that others rang.
const MAX_RINGS: usize = 64;

/// Somebody rings.
pub(in crate::connector) struct Ring {
    pub(in crate::connector) caller: Email,
    pub(in crate::connector) board: HostPort,
    pub(in crate::connector) cookie: Cookie,
    pub(in crate::connector) session: SessionId,
}

/// The calls of one login.
pub(in crate::connector) struct Calls {
    shared: Shared,
    login: LoginId,
    cancel: CancellationToken,
    open: HashMap<ConversationId, CallHandle>,
    /// One for each call that somebody rang: nobody can make us hold any number.
    rings: Arc<Semaphore>,
    /// One for each file that comes by a stream.
    streams: Arc<Semaphore>,
    /// One for each port on which a contact is waited for: no login's contacts hold them all.
    doors: Arc<Semaphore>,
    /// Where calls tell what is news.
    pub(in crate::connector) news: mpsc::Sender<CallNotice>,
    /// What broken calls have set aside.
    pub(in crate::connector) suspended: SuspendedTransfers,
    /// Files that wait for the owner's word.
    pub(in crate::connector) offers: OfferRegistry,
    /// What people in calls are called.
    pub(in crate::connector) names: Names,
    /// What calls ask about contacts.
    pub(in crate::connector) directory: Directory,
    /// What is shown of the owner.
    pub(in crate::connector) own_picture: watch::Sender<Option<Arc<OwnPicture>>>,
}

impl Calls {
    /// No calls yet. `own_picture`: what contacts are shown of the owner.
    pub(in crate::connector) fn new(
        shared: Shared,
        login: LoginId,
        cancel: CancellationToken,
        news: mpsc::Sender<CallNotice>,
        own_picture: Option<Arc<OwnPicture>>,
    ) -> Self {
        Self {
            shared,
            login,
            cancel,
            open: HashMap::new(),
            rings: Arc::new(Semaphore::new(MAX_RINGS)),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            doors: Arc::new(Semaphore::new(MAX_DOORS)),
            news,
            suspended: SuspendedTransfers::default(),
            offers: OfferRegistry::default(),
            names: Names::default(),
            directory: Directory::default(),
            own_picture: watch::Sender::new(own_picture),
        }
    }

    /// The call that serves a conversation, where one does.
    pub(in crate::connector) fn find(&mut self, conversation: &ConversationId) -> Option<CallHandle> {
        self.open.retain(|_, call| call.is_open());
        self.open.get(conversation).cloned()
    }

    /// Presence tells of a contact; the calls that are open hear of another picture.
    pub(in crate::connector) fn note_presence(&mut self, contact: &Contact) {
        if !self.directory.note(contact) {
            return;
        }
        for call in self.open.values() {
            // One that is too busy to hear it looks when the contact comes into it the next time.
            let _ = call.asks.try_send(CallCommand::PictureChanged(contact.email.clone()));
        }
    }

    /// A call that did not do serves nobody any more.
    pub(in crate::connector) fn put_away(&mut self, worn: Option<CallHandle>) {
        if let Some(worn) = worn {
            self.open.retain(|_, call| !call.is_same(&worn));
            worn.retire();
        }
    }

    /// A call has news; gives the conversation that another is to be made for.
    pub(in crate::connector) fn handle_notice(&mut self, notice: CallNotice) -> Option<ConversationId> {
        match notice {
            CallNotice::Moved { to, call } => {
                self.open.retain(|_, known| !known.is_same(&call));
                self.open.insert(to, call);
                None
            }
            CallNotice::Detached(call) => {
                self.open.retain(|_, known| !known.is_same(&call));
                None
            }
            // Told where the lists are at hand.
            CallNotice::Named(_) => None,
            // Without a session it is looked for again once there is one.
            CallNotice::Broke(conversation) => Some(conversation),
        }
    }

    /// Answers somebody who rings. The call that rang last is the one they look at.
    pub(in crate::connector) fn answer(&mut self, own: Email, dialect: Dialect, ring: Ring) {
        let Ring { caller, board, cookie, session } = ring;
        let Ok(permit) = self.rings.clone().try_acquire_owned() else {
            return tracing::warn!(%caller, "too many calls ring at once, one was not answered");
        };
        let conversation = convert::direct(&caller);
        let begin = Begin::Rung { board, cookie, session, permit };
        self.start(own, dialect, conversation, vec![caller], begin);
    }

    /// Calls these people, on the board that is assigned.
    pub(in crate::connector) fn begin(
        &mut self,
        own: Email,
        dialect: Dialect,
        conversation: ConversationId,
        invitees: Vec<Email>,
        assigned: oneshot::Receiver<Assignment>,
    ) -> CallHandle {
        let begin = Begin::Calling { assigned, invitees: invitees.clone() };
        self.start(own, dialect, conversation, invitees, begin)
    }

    fn start(
        &mut self,
        own: Email,
        dialect: Dialect,
        conversation: ConversationId,
        about: Vec<Email>,
        begin: Begin,
    ) -> CallHandle {
        let resources = self.resources(own, dialect, about);
        let call = call::start(resources, conversation.clone(), begin);
        self.open.insert(conversation, call.clone());
        call
    }

    fn resources(&self, email: Email, dialect: Dialect, about: Vec<Email>) -> CallResources {
        CallResources {
            shared: self.shared.clone(),
            login: self.login.clone(),
            email,
            dialect,
            people: self.directory.about(about),
            own_picture: self.own_picture.subscribe(),
            streams: self.streams.clone(),
            doors: self.doors.clone(),
            offers: self.offers.clone(),
            names: self.names.clone(),
            suspended: self.suspended.clone(),
            news: self.news.clone(),
            cancel: self.cancel.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::tests::{alice, alone, contact, email};
    use crate::msn::command::Status;

    fn calls() -> (Calls, mpsc::Receiver<CallNotice>) {
        let (news, heard) = mpsc::channel(16);
        let shared = alone();
        let cancel = shared.cancel.clone();
        (Calls::new(shared, alice(), cancel, news, None), heard)
    }

    fn handle() -> (CallHandle, mpsc::Receiver<CallCommand>) {
        let (asks, mailbox) = mpsc::channel(4);
        (CallHandle { asks }, mailbox)
    }

    fn moved(calls: &mut Calls, to: &str, call: &CallHandle) {
        let notice = CallNotice::Moved { to: ConversationId::new(to), call: call.clone() };
        assert_eq!(calls.handle_notice(notice), None);
    }

    #[tokio::test]
    async fn a_call_serves_one_conversation_at_a_time_and_none_once_it_has_ended() {
        let ((mut calls, _heard), (call, mailbox)) = (calls(), handle());
        let serves = |calls: &mut Calls, name: &str| {
            calls.find(&ConversationId::new(name)).is_some_and(|found| found.is_same(&call))
        };
        moved(&mut calls, "bob", &call);
        moved(&mut calls, "group:1", &call);
        assert!(!serves(&mut calls, "bob") && serves(&mut calls, "group:1"));
        assert_eq!(calls.handle_notice(CallNotice::Detached(call.clone())), None);
        assert!(!serves(&mut calls, "group:1"), "it is not known yet which conversation it is");
        moved(&mut calls, "group:2", &call);
        let broke = ConversationId::new("group:2");
        assert_eq!(calls.handle_notice(CallNotice::Broke(broke.clone())), Some(broke));
        drop(mailbox);
        assert!(!serves(&mut calls, "group:2"));
    }

    #[tokio::test]
    async fn a_call_that_did_not_do_is_retired_and_the_others_stay() {
        let ((mut calls, _heard), (worn, mut retired), (other, _mailbox)) = (calls(), handle(), handle());
        moved(&mut calls, "bob", &worn);
        moved(&mut calls, "carol", &other);
        calls.put_away(None);
        assert!(retired.try_recv().is_err());
        calls.put_away(Some(worn));
        assert!(matches!(retired.try_recv(), Ok(CallCommand::Retire)));
        assert!(calls.find(&ConversationId::new("bob")).is_none());
        assert!(calls.find(&ConversationId::new("carol")).is_some());
    }

    #[tokio::test]
    async fn an_open_call_hears_once_that_a_contact_has_another_picture() {
        let ((mut calls, _heard), (call, mut hears)) = (calls(), handle());
        moved(&mut calls, "bob", &call);
        let bob = contact("bob", Status::Online, 0);
        calls.note_presence(&bob);
        calls.note_presence(&bob);
        assert!(matches!(hears.try_recv(), Ok(CallCommand::PictureChanged(who)) if who == email("bob")));
        assert!(hears.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_ring_than_a_login_holds() {
        let (mut calls, _heard) = calls();
        for n in 0..=MAX_RINGS {
            let caller = email(&format!("c{n}"));
            let (board, cookie) = (HostPort { host: "x".into(), port: 1 }, Cookie::new("1"));
            let ring = Ring { caller: caller.clone(), board, cookie, session: SessionId("1".into()) };
            calls.answer(email("alice"), Dialect::Msnp11, ring);
            assert_eq!(calls.find(&convert::direct(&caller)).is_some(), n < MAX_RINGS, "{n}");
        }
    }
}
