//! A connection of their own for the files of two people: opened as their peers agree, and given up without harm.
//!
//! Knows who is connected to and when. Refuses to know what is agreed on and what packets mean, which is the peer's.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::connector::clock::now;
use crate::connector::context::call::CallContext;
use crate::connector::net::pump::Pump;
use crate::msn::ids::Email;
use crate::msn::p2p::{DirectEvent, DirectSession, Door, Nonce, Packet};

/// Bytes that may wait for the other side to read.
const MAX_WAITING: usize = 256 * 1024;

/// A direct connection, or one that is being opened.
pub(in crate::connector) struct Direct {
    email: Email,
    route: Route,
}

/// How far the connection is.
enum Route {
    Opening { opened: AbortOnDropHandle<io::Result<TcpStream>>, nonce: Nonce, we_dialled: bool },
    Open(Box<Pump<DirectSession>>),
    Gone,
}

/// What happened.
#[derive(Debug)]
pub(in crate::connector) enum DirectInput {
    /// A member could connect to us.
    ListenWanted(Email),
    /// A member listens.
    DialWanted {
        email: Email,
        addresses: Vec<SocketAddr>,
        nonce: Nonce,
    },
    Ready,
    Packet(Packet),
    /// More can be written.
    Room,
    Gone(String),
}

/// The direct connection of a call: there is one at most.
#[derive(Default)]
pub(in crate::connector) struct DirectConnection(Option<Direct>);

impl Direct {
    /// Cancelling this loses nothing.
    async fn next(&mut self) -> DirectInput {
        loop {
            match &mut self.route {
                Route::Opening { opened, nonce, we_dialled } => {
                    match opened.await.map_err(io::Error::other).flatten() {
                        Ok(stream) => {
                            let begin =
                                if *we_dialled { DirectSession::connected } else { DirectSession::accepted };
                            let session = begin(now(), *nonce, rand::random());
                            self.route = Route::Open(Box::new(Pump::wide(session, Box::new(stream))));
                        }
                        Err(error) => return self.gone(error.to_string()),
                    }
                }
                Route::Open(pump) => match pump.next_or_room(MAX_WAITING).await {
                    Ok(None) => return DirectInput::Room,
                    Ok(Some(DirectEvent::Ready)) => return DirectInput::Ready,
                    Ok(Some(DirectEvent::Packet(packet))) => return DirectInput::Packet(packet),
                    Ok(Some(DirectEvent::Failed(failure))) => return self.gone(format!("{failure:?}")),
                    Err(error) => return self.gone(error.to_string()),
                },
                Route::Gone => std::future::pending().await,
            }
        }
    }

    /// Gives the connection up, for this reason.
    fn gone(&mut self, why: String) -> DirectInput {
        self.route = Route::Gone;
        DirectInput::Gone(why)
    }
}

impl DirectConnection {
    /// Something happened. With whom the connection is can be asked before: it may be gone then.
    pub(in crate::connector) async fn handle(&mut self, ctx: &mut CallContext, input: DirectInput) {
        match input {
            DirectInput::ListenWanted(email) => self.listen(ctx, &email).await,
            DirectInput::DialWanted { email, addresses, nonce } => self.dial(ctx, &email, addresses, nonce),
            other => self.handle_connection(ctx, other),
        }
    }

    /// What happens next on the connection; never anything where there is none. Cancelling this loses nothing.
    pub(in crate::connector) async fn next(&mut self) -> DirectInput {
        match &mut self.0 {
            Some(direct) => direct.next().await,
            None => std::future::pending().await,
        }
    }

    /// Whom it is with.
    pub(in crate::connector) fn email(&self) -> Option<&Email> {
        self.0.as_ref().map(|direct| &direct.email)
    }

    /// Lets go of the connection.
    pub(in crate::connector) fn forget(&mut self) {
        self.0 = None;
    }

    /// The connection with somebody, to be used by another call.
    pub(in crate::connector) fn take(&mut self, email: &Email) -> Option<Direct> {
        self.0.take_if(|direct| direct.email == *email)
    }

    /// The connection that another call had, in place of the one here.
    pub(in crate::connector) fn put(&mut self, direct: Option<Direct>) {
        self.0 = direct;
    }

    /// Tells the peer of its connection. A connection whose peer is gone is dropped.
    fn handle_connection(&mut self, ctx: &mut CallContext, input: DirectInput) {
        let Some(email) = self.email().cloned() else { return };
        let Some(peer) = ctx.peers.get(&email) else { return self.forget() };
        match input {
            DirectInput::Ready => {
                tracing::info!(%email, "a direct connection is there");
                peer.direct_up(now());
            }
            DirectInput::Packet(packet) => peer.handle(now(), &packet),
            DirectInput::Gone(why) => {
                tracing::info!(%email, %why, "the direct connection is gone");
                peer.direct_down(now());
                self.forget();
            }
            // What waits is written after everything that happens.
            DirectInput::Room | DirectInput::ListenWanted(_) | DirectInput::DialWanted { .. } => {}
        }
    }

    /// Opens a port for a member and announces where it is; without a free one the transfer stays on the switchboard.
    async fn listen(&mut self, ctx: &mut CallContext, email: &Email) {
        let config = ctx.shared.config.clone();
        let opened = match self.0 {
            Some(_) => Err(io::Error::other("there is a direct connection already")),
            None => config.direct.listen(&ctx.doors).await,
        };
        let Some(peer) = ctx.peers.get(email) else { return };
        let door = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::info!(%error, "no direct connection can be taken");
                return peer.listening(now(), None);
            }
        };
        let nonce = peer.door_nonce();
        let addresses = config.direct.announce.clone();
        peer.listening(now(), Some(&Door { addresses, port: door.here.port() }));
        tracing::info!(%email, here = %door.here, "waiting for a direct connection");
        let opened = AbortOnDropHandle::new(tokio::spawn(door.accept()));
        self.open(email, Route::Opening { opened, nonce, we_dialled: false });
    }

    /// Dials a member, if any of the addresses is one that may be dialled: a contact chose them.
    fn dial(&mut self, ctx: &mut CallContext, email: &Email, addresses: Vec<SocketAddr>, nonce: Nonce) {
        let config = ctx.shared.config.clone();
        let allowed = addresses.iter().any(|address| config.direct.may_dial(address.ip()));
        if self.0.is_some() || !allowed {
            tracing::info!(%email, ?addresses, "none of their addresses is dialled");
            if let Some(peer) = ctx.peers.get(email) {
                peer.direct_down(now());
            }
            return;
        }
        let dialling = async move { config.direct.dial(&addresses).await };
        let opened = AbortOnDropHandle::new(tokio::spawn(dialling));
        self.open(email, Route::Opening { opened, nonce, we_dialled: true });
    }

    /// The one connection of the call is with this member from now on.
    fn open(&mut self, email: &Email, route: Route) {
        self.0 = Some(Direct { email: email.clone(), route });
    }

    /// Sends a packet to a member; false where no open connection is with them.
    pub(in crate::connector) fn send(&mut self, email: &Email, packet: &Packet) -> bool {
        match &mut self.0 {
            Some(Direct { email: with, route: Route::Open(pump) }) if with == email => {
                pump.machine.send(now(), packet);
                true
            }
            _ => false,
        }
    }

    /// Whether more can be written there now.
    pub(in crate::connector) fn has_room(&mut self) -> bool {
        match &mut self.0 {
            Some(Direct { route: Route::Open(pump), .. }) => pump.backlog() < MAX_WAITING,
            _ => false,
        }
    }

    /// What is written there goes out before it is closed.
    pub(in crate::connector) async fn close(&mut self) {
        if let Some(Direct { route: Route::Open(pump), .. }) = self.0.take() {
            pump.close().await;
        }
    }
}

#[cfg(test)]
mod tests;
