//! Files of clients without peer-to-peer transfers, both ways: agreed on by invitations in the call, carried by a stream
//! between the two machines (§8.4).
//!
//! Knows who listens and who connects. The stream itself is in `stream`; it outlives the call.

#[cfg(test)]
mod silence;
mod stream;
#[cfg(test)]
mod tests;
pub(in crate::connector) mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bridge::port::media::{File, Incoming};
use crate::connector::context::call::CallContext;
use crate::connector::error::CallFailure;
use crate::connector::file::words::lost;
use crate::connector::handle::Reply;
use crate::connector::net::address::PeerListener;
use crate::msn::ids::Email;
use crate::msn::message::{CancelCode, Invitation, InvitationCommand};
use crate::msn::p2p::{peer_number, safe_name};
use stream::Arriving;
use words::{accept, accept_at, cancel, say, target};

/// How long their address may take to come.
const ADDRESS: Duration = Duration::from_secs(30);
/// How long somebody may think about a file.
const ANSWER: Duration = Duration::from_secs(300);
/// Files under way by streams in one call.
const MAX_STREAMS: usize = 8;
const FILE: &str = "{5D3E02AB-6190-11d3-BBBB-00C04F795683}";

/// The streams of one call.
pub(in crate::connector) struct Streams {
    known: Vec<Stream>,
    /// One for each file that comes by a stream, in all calls of the login.
    permits: Arc<Semaphore>,
    end: mpsc::Sender<End>,
    ended: mpsc::Receiver<End>,
}

/// One file between an invitation and its end.
struct Stream {
    with: Email,
    cookie: u32,
    /// When it has taken too long; a running one sees to that itself.
    deadline: Option<Instant>,
    step: Step,
}

/// How far a file is.
enum Step {
    /// They offer, and we have said yes.
    Awaited(Arriving),
    /// We offer.
    Offered { file: File, reply: Reply },
    /// Under a number of its own: cookies are theirs, and may be used again.
    Running { number: u64, cancel: CancellationToken },
}

/// An offer that was accepted.
struct Taken {
    file: Box<dyn Incoming>,
    /// Where its sender is to come to, who cannot be connected to.
    door: Option<PeerListener>,
    permit: OwnedSemaphorePermit,
}

/// A running stream has ended; what became of the file has been told.
pub(in crate::connector) struct End {
    number: u64,
    /// Nobody ever connected: the other side hears that here.
    never_met: bool,
}

impl Streams {
    /// No files yet. `permits`: how many may come to this login at a time.
    pub(in crate::connector) fn new(permits: Arc<Semaphore>) -> Self {
        let (end, ended) = mpsc::channel(MAX_STREAMS);
        Self { known: Vec::new(), permits, end, ended }
    }

    /// Whether the call may end: nothing is agreed on or on its way.
    pub(in crate::connector) fn is_idle(&self) -> bool {
        self.known.is_empty()
    }

    /// When the first answer is overdue; what runs has timeouts of its own.
    pub(in crate::connector) fn next_timeout(&self) -> Option<std::time::Instant> {
        self.known.iter().filter_map(|stream| stream.deadline).min().map(Instant::into_std)
    }

    /// Cancelling this loses nothing.
    pub(in crate::connector) async fn ended(&mut self) -> End {
        match self.ended.recv().await {
            Some(end) => end,
            None => std::future::pending().await,
        }
    }

    /// The stream under this cookie of this member, once.
    fn take(&mut self, with: &Email, cookie: u32) -> Option<Stream> {
        let at = self.known.iter().position(|stream| stream.with == *with && stream.cookie == cookie)?;
        Some(self.known.swap_remove(at))
    }

    /// Whether a file under this cookie was offered by them, and the answer was yes.
    pub(in crate::connector) fn is_offered(&self, email: &Email, cookie: u32) -> bool {
        let is_theirs =
            |s: &Stream| s.with == *email && s.cookie == cookie && !matches!(s.step, Step::Offered { .. });
        self.known.iter().any(is_theirs)
    }

    /// Says yes to an offered file, where it can come; else no.
    ///
    /// # Errors
    /// Why it is not taken, for people; it was declined on the board.
    pub(in crate::connector) async fn accept(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        offer: &Invitation,
        name: &str,
        size: u64,
    ) -> Result<(), String> {
        let taken = self.take_offer(ctx, email, offer, size).await;
        let Taken { file, door, permit } =
            taken.inspect_err(|_| cancel(ctx, offer.cookie, &CancelCode::Reject))?;
        let note = ctx.note_incoming(email, name, size);
        let arriving = Arriving { name: name.to_owned(), size, file, permit, note };
        let (with, cookie) = (email.clone(), offer.cookie);
        let Some(door) = door else {
            say(ctx, &accept(cookie));
            let deadline = Some(Instant::now() + ADDRESS);
            self.known.push(Stream { with, cookie, deadline, step: Step::Awaited(arriving) });
            return Ok(());
        };
        let secret = peer_number(rand::random());
        say(ctx, &accept_at(cookie, door.here, secret).with("Sender-Connect", "TRUE"));
        self.run(ctx, email, cookie, |run| run.receive(door.accept(), secret, arriving));
        Ok(())
    }

    /// Room for an offered file, and where its sender is to connect to if we cannot.
    async fn take_offer(
        &self,
        ctx: &CallContext,
        email: &Email,
        offer: &Invitation,
        size: u64,
    ) -> Result<Taken, String> {
        let config = ctx.shared.config.clone();
        if ctx.members.len() > 1 || self.known.iter().any(|s| s.with == *email && s.cookie == offer.cookie) {
            return Err("it cannot be told whom it is for".into());
        }
        let crowded = || "too many are on their way already".to_owned();
        if self.known.len() >= MAX_STREAMS {
            return Err(crowded());
        }
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| crowded())?;
        let they_cannot = offer.field("Connectivity").is_some_and(|word| word.eq_ignore_ascii_case("N"));
        let direct = config.proxy.is_none();
        if they_cannot && !(direct && config.direct.listens()) {
            return Err("neither their computer nor this bridge can be connected to".into());
        }
        if !(they_cannot || direct && config.direct.dial) {
            return Err("the bridge does not connect to contacts' computers".into());
        }
        let file = ctx.shared.room_for(size).await?;
        let door = match they_cannot {
            true => Some(config.direct.listen(&ctx.doors).await.map_err(|error| {
                tracing::warn!(%error, "no port is free for a file");
                "the bridge cannot be connected to now".to_owned()
            })?),
            false => None,
        };
        Ok(Taken { file, door, permit })
    }

    /// Offers a file to somebody whose client is that old.
    pub(in crate::connector) fn offer(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        file: File,
        reply: Reply,
    ) {
        let config = &ctx.shared.config;
        let refuse = |reply: Reply, why: &str| drop(reply.send(Err(CallFailure::File(why.into()))));
        if file.size > u64::from(u32::MAX) {
            return refuse(reply, "their client takes no files of this size");
        }
        if config.proxy.is_some() || !(config.direct.dial || config.direct.listens()) {
            return refuse(
                reply,
                "their client takes files only by a direct connection, which this bridge does not make",
            );
        }
        let cookie = peer_number(rand::random());
        let mut offer = Invitation::new(InvitationCommand::Invite, cookie)
            .with("Application-Name", "File Transfer")
            .with("Application-GUID", FILE)
            .with("Application-File", &safe_name(&file.name))
            .with("Application-FileSize", &file.size.to_string());
        if !config.direct.listens() {
            offer = offer.with("Connectivity", "N");
        }
        say(ctx, &offer);
        reply.offered();
        tracing::info!(to = %email, bytes = file.size, "offering a file to an old client");
        let deadline = Some(Instant::now() + ANSWER);
        let step = Step::Offered { file, reply };
        self.known.push(Stream { with: email.clone(), cookie, deadline, step });
    }

    /// An answer to an invitation about a file; false when it is about none that is known.
    pub(in crate::connector) async fn accepted(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        accepted: &Invitation,
    ) -> bool {
        let cookie = accepted.cookie;
        let Some(stream) = self.take(email, cookie) else { return false };
        match stream.step {
            // Said twice.
            Step::Running { .. } => self.known.push(stream),
            Step::Awaited(arriving) => self.go_and_fetch(ctx, email, accepted, arriving).await,
            Step::Offered { file, reply } => self.meet_to_give(ctx, email, accepted, file, reply).await,
        }
        true
    }

    /// They named where they listen. An address that may not be dialled ends the file: a contact chose it.
    async fn go_and_fetch(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        accepted: &Invitation,
        arriving: Arriving,
    ) {
        let config = ctx.shared.config.clone();
        let allowed = |(addresses, secret): (Vec<SocketAddr>, u32)| {
            addresses.iter().any(|a| config.direct.may_dial(a.ip())).then_some((addresses, secret))
        };
        let Some((addresses, secret)) = target(accepted).and_then(allowed) else {
            cancel(ctx, accepted.cookie, &CancelCode::FileTimeout);
            let text = lost(&arriving.name, arriving.size, "the bridge may not connect to their computer");
            return ctx.show(email, &text).await;
        };
        let dialling = async move { config.direct.dial(&addresses).await };
        self.run(ctx, email, accepted.cookie, |run| run.receive(dialling, secret, arriving));
    }

    /// They took our offer: they listen and we dial, or the other way round where a port is free.
    async fn meet_to_give(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        accepted: &Invitation,
        file: File,
        reply: Reply,
    ) {
        let config = ctx.shared.config.clone();
        let they_listen = accepted.field("Sender-Connect").is_some_and(|w| w.eq_ignore_ascii_case("TRUE"));
        if they_listen && let Some((addresses, secret)) = target(accepted) {
            let dialling = async move { config.direct.dial(&addresses).await };
            return self.run(ctx, email, accepted.cookie, |run| run.send_file(dialling, secret, file, reply));
        }
        match config.direct.listen(&ctx.doors).await {
            Ok(door) if !they_listen => {
                let secret = peer_number(rand::random());
                say(ctx, &accept_at(accepted.cookie, door.here, secret));
                let accepting = door.accept();
                self.run(ctx, email, accepted.cookie, |run| run.send_file(accepting, secret, file, reply));
            }
            _ => {
                cancel(ctx, accepted.cookie, &CancelCode::FileTimeout);
                let why = "their client and this bridge cannot connect to each other";
                let _ = reply.send(Err(CallFailure::File(why.into()))); // whoever asked may have gone
            }
        }
    }

    /// Starts the task of a stream. The service waits for that at a stop, and not the call.
    fn run<F>(&mut self, ctx: &CallContext, email: &Email, cookie: u32, begin: impl FnOnce(stream::Run) -> F)
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let cancel = ctx.cancel.child_token();
        let run = stream::Run {
            shared: ctx.shared.clone(),
            login: ctx.login.clone(),
            own: ctx.email.clone(),
            with: email.clone(),
            conversation: ctx.conversation.clone(),
            ghost: ctx.ghost(email),
            cancel: cancel.clone(),
        };
        let running = begin(run);
        let (end, number) = (self.end.clone(), rand::random());
        ctx.shared.tasks.spawn(async move {
            let met = running.await;
            let _ = end.send(End { number, never_met: !met }).await; // the call may be over
        });
        let step = Step::Running { number, cancel };
        self.known.push(Stream { with: email.clone(), cookie, deadline: None, step });
    }

    /// Forgets a stream that has ended. Where nobody ever met, the other client hears that on the board.
    pub(in crate::connector) fn handle_end(&mut self, ctx: &mut CallContext, end: &End) {
        let is_it = |s: &mut Stream| matches!(s.step, Step::Running { number, .. } if number == end.number);
        let ended: Vec<Stream> = self.known.extract_if(.., is_it).collect();
        for stream in ended.iter().filter(|_| end.never_met) {
            cancel(ctx, stream.cookie, &CancelCode::FileTimeout);
        }
    }

    /// They took an invitation about a file back, or declined ours; false when it is about none that is known.
    pub(in crate::connector) async fn cancelled(
        &mut self,
        ctx: &CallContext,
        email: &Email,
        cancelled: &Invitation,
    ) -> bool {
        let Some(stream) = self.take(email, cancelled.cookie) else { return false };
        let code = cancelled.cancel_code().unwrap_or(CancelCode::Other(String::new()));
        match stream.step {
            Step::Running { cancel, .. } => cancel.cancel(),
            Step::Awaited(arriving) => {
                let text = lost(&arriving.name, arriving.size, code.meaning());
                ctx.show(email, &text).await;
            }
            Step::Offered { reply, .. } => {
                let failure = CallFailure::File(code.meaning().into());
                let _ = reply.send(Err(failure)); // whoever asked may have gone
            }
        }
        true
    }

    /// Who does not answer in time is not waited for.
    pub(in crate::connector) async fn handle_timeout(&mut self, ctx: &mut CallContext) {
        let is_late = |stream: &mut Stream| stream.deadline.is_some_and(|at| at <= Instant::now());
        let late: Vec<Stream> = self.known.extract_if(.., is_late).collect();
        for stream in late {
            match stream.step {
                Step::Awaited(arriving) => {
                    cancel(ctx, stream.cookie, &CancelCode::FileTimeout);
                    let why = "their client did not say how to get it";
                    ctx.show(&stream.with, &lost(&arriving.name, arriving.size, why)).await;
                }
                Step::Offered { reply, .. } => {
                    cancel(ctx, stream.cookie, &CancelCode::Timeout);
                    let failure = CallFailure::File("they did not answer".into());
                    let _ = reply.send(Err(failure)); // whoever asked may have gone
                }
                Step::Running { .. } => {}
            }
        }
    }

    /// The call is over: what runs goes on, what was only spoken of does not.
    pub(in crate::connector) async fn lose(&mut self, ctx: &CallContext) {
        for stream in std::mem::take(&mut self.known) {
            match stream.step {
                Step::Awaited(arriving) => {
                    let why = "the conversation was closed";
                    ctx.show(&stream.with, &lost(&arriving.name, arriving.size, why)).await;
                }
                Step::Offered { reply, .. } => drop(reply.send(Err(CallFailure::Lost))),
                Step::Running { .. } => {}
            }
        }
    }
}
