//! One call: the task of one switchboard connection. It brings what is said to the core, sends what it is given, and
//! ends when nobody is left or nothing has been said for a while.
//!
//! Knows which component everything is for: members, words, files, objects. Refuses to know any feature's rules, which are
//! the components'.

mod board;
mod members;
pub(in crate::connector) mod resources;
mod sending;
#[cfg(test)]
mod tests;
mod transfers;

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use crate::bridge::ids::ConversationId;
use crate::connector::clock::{late, now};
use crate::connector::context::call::CallContext;
use crate::connector::context::peers::Peers;
use crate::connector::error::{CallFailure, ConnectError};
use crate::connector::file::direct::DirectConnection;
use crate::connector::file::incoming::IncomingFiles;
use crate::connector::file::invitations::Invitations;
use crate::connector::file::msnftp::Streams;
use crate::connector::file::offers::{OfferEvent, Offers};
use crate::connector::file::outgoing::{OutgoingEvent, OutgoingFiles};
use crate::connector::file::suspended::Suspension;
use crate::connector::handle::{CallCommand, CallHandle, never_offered, refuse};
use crate::connector::net::dial::Stream;
use crate::connector::net::pump::Pump;
use crate::connector::object::exchange::Objects;
use crate::measure::{self, Held};
use crate::msn::command::Acknowledge;
use crate::msn::gateway::Destination;
use crate::msn::ids::HostPort;
use crate::msn::message::Content;
use crate::msn::session::SwitchboardSession;
use members::Members;
use resources::{Begin, CallResources};
use sending::Sendings;

/// Messages waiting for one call; full, senders wait.
const MAILBOX: usize = 32;
/// A call in which nothing was said for so long is left; the next message opens another.
const IDLE_TIMEOUT: Duration = Duration::from_secs(240);
/// Servers drop who says nothing for some minutes (§6.3), also while a file goes another way.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long the switchboard may take to be assigned.
const ASSIGNMENT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the server may take to close after our `OUT`.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Mediates between a board, a login and the components.
struct Call {
    ctx: CallContext,
    members: Members,
    sendings: Sendings,
    incoming: IncomingFiles,
    outgoing: OutgoingFiles,
    direct: DirectConnection,
    offers: Offers,
    invitations: Invitations,
    objects: Objects,
    suspension: Suspension,
    opened: bool,
    /// Somebody was there besides us, or was called and did not come: without anybody now, it is over.
    was_occupied: bool,
    last_typing: Option<Instant>,
    last_said: Instant,
    /// Held for as long as the call lasts.
    permit: Option<OwnedSemaphorePermit>,
    /// Our side wants to go.
    leaving: bool,
    /// Another call serves the conversation.
    retired: bool,
    /// Counts it, for whoever watches.
    _counted: Held,
}

/// Starts a call for `conversation`.
pub(in crate::connector) fn start(
    resources: CallResources,
    conversation: ConversationId,
    begin: Begin,
) -> CallHandle {
    let (asks, mailbox) = mpsc::channel(MAILBOX);
    let handle = CallHandle { asks };
    let tasks = resources.shared.tasks.clone();
    // The task must not keep its own mailbox open.
    let call = Call::new(resources, conversation, handle.clone());
    tasks.spawn(call.run(begin, mailbox));
    handle
}

impl Call {
    /// The components of a call, none of them with anything to do yet.
    fn new(resources: CallResources, conversation: ConversationId, handle: CallHandle) -> Self {
        let CallResources { shared, login, email, dialect, people, names, news, doors, cancel, .. } =
            resources;
        let peers = Peers::new(email.clone(), shared.config.clone());
        let ctx = CallContext {
            shared,
            login,
            email,
            dialect,
            conversation,
            members: Vec::new(),
            people,
            names,
            peers,
            handle,
            news,
            doors,
            cancel,
            outbox: Vec::new(),
            progress: Vec::new(),
            refused: 0,
        };
        Self {
            ctx,
            members: Members::default(),
            sendings: Sendings::default(),
            incoming: IncomingFiles::default(),
            outgoing: OutgoingFiles::default(),
            direct: DirectConnection::default(),
            offers: Offers::new(resources.offers),
            invitations: Invitations::new(Streams::new(resources.streams)),
            objects: Objects::new(resources.own_picture),
            suspension: Suspension::new(resources.suspended),
            opened: false,
            was_occupied: false,
            last_typing: None,
            last_said: Instant::now(),
            permit: None,
            leaving: false,
            retired: false,
            _counted: Held::new(measure::SWITCHBOARDS, None),
        }
    }

    #[tracing::instrument(
        name = "call",
        skip_all,
        fields(login = %self.ctx.login, conversation = %self.ctx.conversation)
    )]
    /// The whole life of a call: opening, driving, and telling everybody who waits how it ended.
    async fn run(mut self, begin: Begin, mut mailbox: mpsc::Receiver<CallCommand>) {
        // A board that we are called to and find empty is over: whoever rang has gone.
        self.was_occupied = matches!(begin, Begin::Rung { .. });
        let cancel = self.ctx.cancel.clone();
        let opening = tokio::select! {
            opened = self.open(begin) => opened,
            // Nobody waits for a server on behalf of a login that ends.
            () = cancel.cancelled() => Err(CallFailure::Lost),
        };
        match opening {
            Ok(pump) => self.drive(pump, &mut mailbox).await,
            Err(failure) => {
                tracing::info!(%failure, "a call could not be opened");
                mailbox.close();
                while let Some(ask) = mailbox.recv().await {
                    refuse(ask, &failure);
                }
            }
        }
    }

    /// Connects to the board that was assigned or rung from. The server has a bounded time to name one.
    async fn open(&mut self, begin: Begin) -> Result<Pump<SwitchboardSession>, CallFailure> {
        let (email, dialect) = (self.ctx.email.clone(), self.ctx.dialect);
        match begin {
            Begin::Calling { assigned, invitees } => {
                let assigned = tokio::time::timeout(ASSIGNMENT_TIMEOUT, assigned).await;
                let assigned = assigned.map_err(|_| CallFailure::NoAssignment)?;
                let (board, cookie) =
                    assigned.map_err(|_| CallFailure::Lost)?.map_err(CallFailure::NoBoard)?;
                let stream = self.reach(&board).await?;
                Ok(Pump::new(SwitchboardSession::call(now(), dialect, email, cookie, invitees), stream))
            }
            Begin::Rung { board, cookie, session, permit } => {
                self.permit = Some(permit);
                let stream = self.reach(&board).await?;
                Ok(Pump::new(SwitchboardSession::answer(now(), dialect, email, cookie, session), stream))
            }
        }
    }

    /// A stream to the board, by any way that the configuration allows.
    async fn reach(&self, board: &HostPort) -> Result<Box<dyn Stream>, CallFailure> {
        let way = self.ctx.shared.dialler.open(Destination::Switchboard, board).await;
        way.map(|way| way.stream).map_err(|error: ConnectError| CallFailure::NotOpened(error.to_string()))
    }

    /// Waits for the board, the login, streams, the direct connection and timeouts, and hands each to whom it is for.
    async fn drive(&mut self, mut pump: Pump<SwitchboardSession>, mailbox: &mut mpsc::Receiver<CallCommand>) {
        let cancel = self.ctx.cancel.clone();
        let mut kept_alive = Instant::now();
        let mut broke = false;
        loop {
            let idle_at = self.last_said + IDLE_TIMEOUT;
            let deadline = self.next_timeout();
            tokio::select! {
                event = pump.next() => match event {
                    Ok(event) => self.handle_event(&mut pump, event).await,
                    Err(error) => {
                        tracing::debug!(%error, "the call ended");
                        broke = true;
                        break;
                    }
                },
                ask = mailbox.recv() => match ask {
                    Some(ask) => self.handle_command(&mut pump, ask).await,
                    None => break,
                },
                input = self.direct.next() => self.handle_direct(&mut pump, input).await,
                end = self.invitations.streams.ended() => {
                    self.last_said = Instant::now();
                    self.invitations.streams.handle_end(&mut self.ctx, &end);
                }
                () = late(deadline) => self.handle_timeout(&mut pump).await,
                () = tokio::time::sleep_until(kept_alive + KEEP_ALIVE), if !self.is_quiet() => {
                    kept_alive = Instant::now();
                    self.ctx.say(Acknowledge::Never, Content::keep_alive().encode());
                }
                () = tokio::time::sleep_until(idle_at), if self.is_quiet() => {
                    pump.machine.leave();
                    break;
                }
                () = cancel.cancelled() => {
                    pump.machine.leave();
                    break;
                }
            }
            self.pump_data(&mut pump).await;
            if self.is_over() {
                pump.machine.leave();
                break;
            }
        }
        self.wind_up(pump, mailbox, broke).await;
    }

    /// When a component has something to do because of the time.
    fn next_timeout(&self) -> Option<std::time::Instant> {
        let streams = self.invitations.streams.next_timeout();
        [self.ctx.peers.next_timeout(), streams, self.offers.next_timeout()].into_iter().flatten().min()
    }

    /// Nothing is under way that would be lost with the call.
    fn is_quiet(&self) -> bool {
        let nothing_moves =
            self.incoming.is_idle() && self.outgoing.is_idle() && self.invitations.streams.is_idle();
        self.sendings.is_idle() && nothing_moves && self.offers.is_idle()
    }

    /// Everybody has gone, and nothing that was begun is under way.
    fn is_over(&self) -> bool {
        // Who is there shows once the board has answered.
        let alone = self.opened && self.was_occupied && self.ctx.members.is_empty();
        let retires = self.retired && self.is_quiet();
        (alone || self.leaving || retires) && self.sendings.is_idle() && self.members.awaits_nobody()
    }

    /// The others may have spoken before they knew that we left, and were told that it arrived (§6.3): what still comes
    /// is heard, until the server closes.
    async fn hear_last_words(&mut self, pump: &mut Pump<SwitchboardSession>) {
        let until = Instant::now() + LAST_WORDS;
        while let Ok(Ok(event)) = tokio::time::timeout_at(until, pump.next()).await {
            self.handle_event(pump, event).await;
        }
    }

    /// The call is over: what can go on elsewhere does, of the rest everybody hears.
    async fn wind_up(
        &mut self,
        mut pump: Pump<SwitchboardSession>,
        mailbox: &mut mpsc::Receiver<CallCommand>,
        broke: bool,
    ) {
        mailbox.close();
        self.offers.handle(&mut self.ctx, OfferEvent::Closed).await;
        if broke {
            self.suspend().await;
        } else {
            self.hear_last_words(&mut pump).await;
        }
        pump.machine.abandon();
        while let Some(event) = crate::msn::session::Machine::poll_event(&mut pump.machine) {
            self.handle_event(&mut pump, event).await;
        }
        self.direct.close().await;
        self.invitations.streams.lose(&self.ctx).await;
        self.lose_transfers().await;
        let nobody = never_offered(&CallFailure::Lost);
        self.outgoing.handle(&mut self.ctx, OutgoingEvent::NobodyCame(nobody)).await;
        self.ctx.tell_progress().await;
        self.sendings.lose();
        while let Some(ask) = mailbox.recv().await {
            refuse(ask, &CallFailure::Lost);
        }
        pump.close().await;
        if let Some((email, state)) = self.suspension.hand_over(&self.ctx).await {
            self.restore(&email, state);
            self.lose_transfers().await;
            self.ctx.tell_progress().await;
        }
    }
}
