//! A connection of their own for the files of two people: opened as their peers agree, and given up without harm.
//!
//! Knows who is connected to and when. What is agreed on, and what packets mean, is the peer's.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::connector::call::Call;
use crate::connector::clock::now;
use crate::connector::net::pump::Pump;
use crate::msn::ids::Email;
use crate::msn::p2p::{DirectEvent, DirectSession, Door, Means, Nonce, Packet};
use crate::msn::session::SwitchboardSession;

/// Bytes that may wait for the other side to read.
const MAX_WAITING: usize = 256 * 1024;

/// The direct connection of a call: there is one at most.
pub(in crate::connector) struct Direct {
    email: Email,
    way: Route,
}

enum Route {
    Opening { opened: AbortOnDropHandle<io::Result<TcpStream>>, nonce: Nonce, we_dialled: bool },
    Open(Box<Pump<DirectSession>>),
    Gone,
}

/// What became of it.
pub(in crate::connector) enum Happened {
    Ready,
    Packet(Packet),
    /// More can be written.
    Room,
    Gone(String),
}

impl Direct {
    pub(in crate::connector) fn is_with(&self, email: &Email) -> bool {
        self.email == *email
    }

    /// Cancelling this loses nothing.
    async fn next(&mut self) -> Happened {
        loop {
            match &mut self.way {
                Route::Opening { opened, nonce, we_dialled } => {
                    match opened.await.map_err(io::Error::other).flatten() {
                        Ok(stream) => {
                            let begin =
                                if *we_dialled { DirectSession::connected } else { DirectSession::accepted };
                            let session = begin(now(), *nonce, rand::random());
                            self.way = Route::Open(Box::new(Pump::wide(session, Box::new(stream))));
                        }
                        Err(error) => return self.gone(error.to_string()),
                    }
                }
                Route::Open(pump) => match pump.next_or_room(MAX_WAITING).await {
                    Ok(None) => return Happened::Room,
                    Ok(Some(DirectEvent::Ready)) => return Happened::Ready,
                    Ok(Some(DirectEvent::Packet(packet))) => return Happened::Packet(packet),
                    Ok(Some(DirectEvent::Failed(failure))) => return self.gone(format!("{failure:?}")),
                    Err(error) => return self.gone(error.to_string()),
                },
                Route::Gone => std::future::pending().await,
            }
        }
    }

    fn gone(&mut self, why: String) -> Happened {
        self.way = Route::Gone;
        Happened::Gone(why)
    }
}

/// What happens next on the direct connection, where there is one.
pub(in crate::connector) async fn next(direct: &mut Option<Direct>) -> Happened {
    match direct {
        Some(direct) => direct.next().await,
        None => std::future::pending().await,
    }
}

impl Call {
    /// What can be done here about direct connections. Behind a proxy nothing: they would show where the bridge is.
    pub(in crate::connector) fn means(&self) -> Means {
        let config = &self.of.shared.config;
        match config.proxy {
            Some(_) => Means::default(),
            None => Means {
                dial: config.direct.dial,
                listen: config.direct.listens(),
                nonce: crate::msn::p2p::Guid(rand::random()),
            },
        }
    }

    /// They could connect to us.
    pub(in crate::connector) async fn open_door(&mut self, email: &Email) {
        let config = self.of.shared.config.clone();
        let opened = match self.direct {
            Some(_) => Err(io::Error::other("there is a direct connection already")),
            None => config.direct.listen(&self.of.doors).await,
        };
        let Some(peer) = self.transfers.known(email) else { return };
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
        let way = Route::Opening { opened, nonce, we_dialled: false };
        self.direct = Some(Direct { email: email.clone(), way });
    }

    /// They listen.
    pub(in crate::connector) fn dial_peer(
        &mut self,
        email: &Email,
        addresses: Vec<SocketAddr>,
        nonce: Nonce,
    ) {
        let config = self.of.shared.config.clone();
        let allowed = addresses.iter().any(|address| config.direct.may_dial(address.ip()));
        if self.direct.is_some() || !allowed {
            tracing::info!(%email, ?addresses, "none of their addresses is dialled");
            if let Some(peer) = self.transfers.known(email) {
                peer.direct_down(now());
            }
            return;
        }
        let dialling = async move { config.direct.dial(&addresses).await };
        let opened = AbortOnDropHandle::new(tokio::spawn(dialling));
        let way = Route::Opening { opened, nonce, we_dialled: true };
        self.direct = Some(Direct { email: email.clone(), way });
    }

    pub(in crate::connector) async fn direct_happened(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        happened: Happened,
    ) {
        let Some(email) = self.direct.as_ref().map(|direct| direct.email.clone()) else { return };
        let Some(peer) = self.transfers.known(&email) else {
            self.direct = None;
            return;
        };
        match happened {
            Happened::Ready => {
                tracing::info!(%email, "a direct connection is there");
                peer.direct_up(now());
            }
            Happened::Packet(packet) => {
                self.last_said = tokio::time::Instant::now();
                peer.handle(now(), &packet);
            }
            // What waits is written after everything that happens.
            Happened::Room => {}
            Happened::Gone(why) => {
                tracing::info!(%email, %why, "the direct connection is gone");
                peer.direct_down(now());
                self.direct = None;
            }
        }
        self.flush(pump, &email).await;
    }

    /// The open direct connection with a member.
    pub(in crate::connector) fn direct_with(&mut self, email: &Email) -> Option<&mut Pump<DirectSession>> {
        match &mut self.direct {
            Some(Direct { email: with, way: Route::Open(pump) }) if with == email => Some(pump),
            _ => None,
        }
    }

    /// Whether more can be written there now.
    pub(in crate::connector) fn direct_has_room(&mut self) -> bool {
        match &mut self.direct {
            Some(Direct { way: Route::Open(pump), .. }) => pump.backlog() < MAX_WAITING,
            _ => false,
        }
    }

    /// What is written there goes out before it is closed.
    pub(in crate::connector) async fn close_direct(&mut self) {
        if let Some(Direct { way: Route::Open(pump), .. }) = self.direct.take() {
            pump.close().await;
        }
    }
}
