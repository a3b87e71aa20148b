//! How a call begins, and what its login lends to it.
//!
//! Knows what a call may use. Refuses to know what a call does with any of it, which is in [`super::start`].

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::bridge::ids::LoginId;
use crate::connector::context::Shared;
use crate::connector::context::names::Names;
use crate::connector::context::people::People;
use crate::connector::file::offers::OfferRegistry;
use crate::connector::file::suspended::SuspendedTransfers;
use crate::connector::handle::{Assignment, CallNotice, OwnPicture};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Cookie, Email, HostPort, SessionId};

/// How a call begins.
pub(in crate::connector) enum Begin {
    /// We call; the board comes from the notification server.
    Calling { assigned: oneshot::Receiver<Assignment>, invitees: Vec<Email> },
    /// Somebody rang.
    Rung { board: HostPort, cookie: Cookie, session: SessionId, permit: OwnedSemaphorePermit },
}

/// What a login lends to one of its calls.
pub(in crate::connector) struct CallResources {
    pub(in crate::connector) shared: Shared,
    pub(in crate::connector) login: LoginId,
    pub(in crate::connector) email: Email,
    pub(in crate::connector) dialect: Dialect,
    /// What is known of those whom it is about.
    pub(in crate::connector) people: People,
    /// What is shown of the owner now.
    pub(in crate::connector) own_picture: watch::Receiver<Option<Arc<OwnPicture>>>,
    /// One permit for each file that comes by a stream, in all calls of the login.
    pub(in crate::connector) streams: Arc<Semaphore>,
    /// One for each port on which a contact is waited for.
    pub(in crate::connector) doors: Arc<Semaphore>,
    pub(in crate::connector) offers: OfferRegistry,
    /// What people are called.
    pub(in crate::connector) names: Names,
    /// What waits for another call.
    pub(in crate::connector) suspended: SuspendedTransfers,
    pub(in crate::connector) news: mpsc::Sender<CallNotice>,
    /// The login's own: its calls end with it.
    pub(in crate::connector) cancel: CancellationToken,
}
