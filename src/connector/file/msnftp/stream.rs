//! One file on its way by a stream: the task that carries it, and tells what became of it.
//!
//! Knows the disk and the time that a file may take. Refuses to know what was agreed on the board: a stream outlives
//! its call.

use std::io;
use std::time::Duration;

use tokio::fs::File as Disk;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{Ghost, Progress, RemoteEvent, RemoteKind};
use crate::bridge::ids::{ConversationId, LoginId};
use crate::bridge::port::media::{File, Incoming};
use crate::connector::clock::{now, time_of_day};
use crate::connector::context::Shared;
use crate::connector::error::CallFailure;
use crate::connector::file::progress::ProgressReporter;
use crate::connector::file::words::{NOT_KEPT, lost};
use crate::connector::handle::Reply;
use crate::connector::interrupted::IncompleteFile;
use crate::connector::net::pump::Pump;
use crate::msn::ids::Email;
use crate::msn::msnftp::{Bye, FileReceiver, FileSender, ReceiverEvent, SenderEvent};

/// Bytes that may wait for the other side to read.
const MAX_WAITING: usize = 256 * 1024;
const READ: usize = 64 * 1024;

/// A file that is to come.
pub(super) struct Arriving {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) file: Box<dyn Incoming>,
    /// Held until it is over.
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) note: IncompleteFile,
}

/// What a stream needs to know of its call, which it outlives.
pub(super) struct Run {
    pub(super) shared: Shared,
    pub(super) login: LoginId,
    pub(super) own: Email,
    pub(super) with: Email,
    pub(super) conversation: ConversationId,
    pub(super) ghost: Ghost,
    pub(super) cancel: CancellationToken,
}

const NOT_MET: &str = "their computer and this bridge could not connect to each other";
const LOST: &str = "the connection was lost";
const CANCELLED: &str = "they cancelled it";
const STOPPED: &str = "the bridge was stopped";
const TOO_SLOW: &str = "it came too slowly";
/// Bytes a second below which nobody waits any longer, and what is granted besides.
const SLOWEST: u64 = 1000;
const MIN_TIMEOUT: Duration = Duration::from_secs(120);

/// When a file of this size must be through.
fn slowest(size: u64) -> Instant {
    Instant::now() + MIN_TIMEOUT + Duration::from_secs(size / SLOWEST)
}

impl Run {
    /// Gets a file; says whether the two ever met.
    pub(super) async fn receive(
        self,
        meeting: impl Future<Output = io::Result<TcpStream>>,
        secret: u32,
        arriving: Arriving,
    ) -> bool {
        let Arriving { name, size, mut file, permit: _permit, note: _note } = arriving;
        let Some(stream) = self.meet(meeting).await else {
            self.tell(Body::Emote(RichText::plain(lost(&name, size, NOT_MET)))).await;
            return false;
        };
        let machine = FileReceiver::new(now(), self.own.clone(), secret, size);
        let mut pump = Pump::wide(machine, Box::new(stream));
        let mut teller = ProgressReporter::receiving(&name, &self.ghost.name, size);
        let until = slowest(size);
        let failure = loop {
            let event = tokio::select! {
                event = pump.next() => event,
                () = tokio::time::sleep_until(until) => break TOO_SLOW.to_owned(),
                () = self.cancel.cancelled() => break self.why_cancelled().to_owned(),
            };
            match event {
                Ok(ReceiverEvent::Data(bytes)) => {
                    self.say(teller.at(pump.machine.done())).await;
                    if let Err(error) = file.write(bytes).await {
                        tracing::error!(%error, "a file cannot be kept");
                        pump.machine.cancel(Bye::NoSpace);
                        break NOT_KEPT.to_owned();
                    }
                }
                Ok(ReceiverEvent::Whole) => match file.finish().await {
                    Ok(media) => {
                        self.say(teller.over()).await;
                        // They hear that it has arrived when it is said, not before.
                        self.tell(Body::File(File { media, name, size })).await;
                        pump.machine.confirm();
                        pump.close().await;
                        return true;
                    }
                    Err(error) => {
                        tracing::error!(%error, "a file cannot be kept");
                        pump.machine.cancel(Bye::NoSpace);
                        self.say(teller.over()).await;
                        self.give_up(pump, &lost(&name, size, NOT_KEPT)).await;
                        return true;
                    }
                },
                Ok(ReceiverEvent::Failed(failure)) => break failure.meaning(),
                Err(error) => {
                    tracing::info!(%error, "the stream of a file ended");
                    break LOST.to_owned();
                }
            }
        };
        pump.machine.cancel(Bye::ReceiverCancelled);
        drop(file);
        self.say(teller.over()).await;
        self.give_up(pump, &lost(&name, size, &failure)).await;
        true
    }

    async fn give_up(&self, pump: Pump<FileReceiver>, text: &str) {
        pump.close().await;
        self.tell(Body::Emote(RichText::plain(text))).await;
    }

    /// Gives a file; says whether the two ever met.
    pub(super) async fn send_file(
        self,
        meeting: impl Future<Output = io::Result<TcpStream>>,
        secret: u32,
        file: File,
        reply: Reply,
    ) -> bool {
        let Some(stream) = self.meet(meeting).await else {
            let _ = reply.send(Err(self.failure(NOT_MET.into()))); // whoever asked may have gone
            return false;
        };
        let given = match Disk::open(self.shared.media.path(&file.media)).await {
            Ok(disk) => self.pour(stream, secret, &file, BufReader::with_capacity(READ, disk)).await,
            Err(error) => {
                tracing::error!(%error, "a file cannot be read");
                Err("it is not on the bridge's disk any more".to_owned())
            }
        };
        let _ = reply.send(given.map_err(|why| self.failure(why))); // whoever asked may have gone
        true
    }

    fn why_cancelled(&self) -> &'static str {
        if self.shared.cancel.is_cancelled() { STOPPED } else { CANCELLED }
    }

    /// What the bridge breaks off by stopping goes again after the next start.
    fn failure(&self, why: String) -> CallFailure {
        if self.shared.cancel.is_cancelled() { CallFailure::Lost } else { CallFailure::File(why) }
    }

    async fn pour(
        &self,
        stream: TcpStream,
        secret: u32,
        file: &File,
        mut disk: BufReader<Disk>,
    ) -> Result<(), String> {
        let machine = FileSender::new(now(), self.with.clone(), secret, file.size);
        let mut pump = Pump::wide(machine, Box::new(stream));
        let mut teller = ProgressReporter::sending(&file.name, &self.ghost.name, file.size);
        let until = slowest(file.size);
        let poured = 'pouring: loop {
            while pump.backlog() < MAX_WAITING {
                let Some((done, length)) = pump.machine.wants_data() else { break };
                self.say(teller.at(done)).await;
                let mut bytes = vec![0; length];
                if let Err(error) = disk.read_exact(&mut bytes).await {
                    tracing::error!(%error, "a file cannot be read");
                    break 'pouring Err("it cannot be read on the bridge's disk".to_owned());
                }
                pump.machine.provide(now(), &bytes);
            }
            let event = tokio::select! {
                event = pump.next_or_room(MAX_WAITING) => event,
                () = tokio::time::sleep_until(until) => break Err(TOO_SLOW.to_owned()),
                () = self.cancel.cancelled() => break Err(self.why_cancelled().to_owned()),
            };
            match event {
                Ok(None | Some(SenderEvent::Begun)) => {}
                Ok(Some(SenderEvent::Finished)) => break Ok(()),
                Ok(Some(SenderEvent::Failed(failure))) => break Err(failure.meaning()),
                Err(error) => {
                    tracing::info!(%error, "the stream of a file ended");
                    break Err(LOST.to_owned());
                }
            }
        };
        self.say(teller.over()).await;
        pump.machine.cancel();
        pump.close().await;
        poured
    }

    async fn meet(&self, meeting: impl Future<Output = io::Result<TcpStream>>) -> Option<TcpStream> {
        let met = tokio::select! {
            met = meeting => met,
            () = self.cancel.cancelled() => return None,
        };
        met.inspect_err(|error| tracing::info!(with = %self.with, %error, "no connection for a file")).ok()
    }

    async fn tell(&self, body: Body) {
        let (conversation, sender) = (self.conversation.clone(), self.ghost.clone());
        self.bring(RemoteKind::Message { conversation, sender, body, at: time_of_day() }).await;
    }

    async fn say(&self, progress: Option<Progress>) {
        let Some(progress) = progress else { return };
        self.bring(RemoteKind::Progress { conversation: self.conversation.clone(), progress }).await;
    }

    async fn bring(&self, kind: RemoteKind) {
        let event = RemoteEvent { login: self.login.clone(), kind };
        if self.shared.bridge.remote(event).await.is_err() {
            tracing::error!("the bridge has stopped, a file was not taken");
        }
    }
}
