//! What reaches the owner of the rules: connections, commands, and what the pages ask (§1.1).
//!
//! Knows the questions and the channels of their answers; [`super::owner`] answers them in the order of arrival.

use std::net::SocketAddr;

use tokio::sync::oneshot;

use super::book::ShownBook;
use super::ids::{ConnId, Door};
use super::mailbox::{OfflineError, Retrieval, Retrieved, StoreRequest};
use super::outgoing::Outbox;
use super::tickets::Issued;
use crate::msn::command::ClientCommand;
use crate::msn::wire::DecodeError;

/// What the owner of the world is told.
pub(super) enum Input {
    Connected {
        door: Door,
        peer: Option<SocketAddr>,
        outbox: Outbox,
        id: oneshot::Sender<ConnId>,
    },
    Command(ConnId, Result<ClientCommand, DecodeError>),
    Disconnected(ConnId),
    Ticket {
        sign_in: String,
        password: String,
        reply: oneshot::Sender<Option<Issued>>,
    },
    /// The contact list of whoever holds a ticket.
    Book {
        ticket: String,
        reply: oneshot::Sender<Option<ShownBook>>,
    },
    /// Words for somebody who may not be there.
    Store {
        request: StoreRequest,
        reply: oneshot::Sender<Result<(), OfflineError>>,
    },
    /// What somebody asks about words that were left for them.
    Retrieve {
        ticket: String,
        retrieval: Retrieval,
        reply: oneshot::Sender<Result<Retrieved, OfflineError>>,
    },
}
