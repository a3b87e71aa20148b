//! Files and objects that go to a contact by peer-to-peer packets: offered in a call with them, sent a fragment at a time
//! behind what is said.
//!
//! Knows how much may be on its way at once, and who waits for it. Refuses to know what packets mean, which is the peer's,
//! and which objects are given, which is `object`'s.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::fs::File as Disk;
use tokio::io::{AsyncReadExt, AsyncSeekExt, BufReader, SeekFrom};

use crate::bridge::port::media::{File, MediaId};
use crate::connector::clock::now;
use crate::connector::context::call::CallContext;
use crate::connector::context::peers::session_names;
use crate::connector::error::CallFailure;
use crate::connector::file::preview::preview;
use crate::connector::file::progress::ProgressReporter;
use crate::connector::handle::Reply;
use crate::measure;
use crate::msn::ids::Email;
use crate::msn::p2p::{FileContext, Packet, TransferFailure, TransferId, safe_name};
use crate::msn::session::MessageHandle;

/// Fragments that the switchboard has not confirmed yet: what is said waits behind no more than these.
const WINDOW: usize = 8;
/// Bytes that are read from the disk at once.
const READ: usize = 64 * 1024;

/// A file that is to be sent, and nobody has been offered yet.
struct Waiting {
    file: File,
    reply: Reply,
}

/// A file that is being sent.
pub(in crate::connector) struct OutgoingFile {
    to: Email,
    transfer: TransferId,
    disk: BufReader<Disk>,
    /// Where the next read begins.
    at: u64,
    /// Nobody waits for a picture to be taken.
    reply: Option<Reply>,
    reporter: Option<ProgressReporter>,
}

/// A fragment that the switchboard has not confirmed yet.
struct OnTheWire {
    handle: MessageHandle,
    to: Email,
    transfer: TransferId,
    offset: u64,
}

/// A fragment that is to be sent now.
#[derive(Debug)]
pub(in crate::connector) struct Fragment {
    pub(in crate::connector) to: Email,
    pub(in crate::connector) packet: Packet,
    transfer: TransferId,
    offset: u64,
}

/// What happened.
pub(in crate::connector) enum OutgoingEvent {
    /// A file is to be sent to whoever is here, or comes.
    File {
        file: File,
        reply: Reply,
    },
    /// Somebody came.
    Joined,
    /// A contact asked for an object that our side has announced.
    Object {
        email: Email,
        transfer: TransferId,
        media: MediaId,
    },
    Finished {
        email: Email,
        transfer: TransferId,
    },
    Failed {
        email: Email,
        transfer: TransferId,
        failure: TransferFailure,
    },
    /// Nobody comes for what waits.
    NobodyCame(CallFailure),
}

/// What is to be done elsewhere.
pub(in crate::connector) enum OutgoingOutcome {
    /// A file goes to somebody whose client takes streams only.
    Stream { to: Email, file: File, reply: Reply },
}

/// What one call sends.
#[derive(Default)]
pub(in crate::connector) struct OutgoingFiles {
    waiting: Vec<Waiting>,
    under_way: Vec<OutgoingFile>,
    on_the_wire: Vec<OnTheWire>,
    outcomes: VecDeque<OutgoingOutcome>,
}

/// What the sender is told.
fn failure(failure: &TransferFailure) -> CallFailure {
    let text = match failure {
        TransferFailure::Lost => return CallFailure::Lost,
        TransferFailure::Declined => "they declined it",
        TransferFailure::Cancelled => "they cancelled it",
        TransferFailure::TimedOut => "they did not answer, or stopped taking it",
        TransferFailure::Unclosed => {
            "their client did not say that it has the file; it may or may not have arrived"
        }
        TransferFailure::Refused(_) | TransferFailure::Malformed => "their client cannot take files",
    };
    CallFailure::File(text.to_owned())
}

impl OutgoingFiles {
    /// One thing that happened to files and objects that go out.
    pub(in crate::connector) async fn handle(&mut self, ctx: &mut CallContext, event: OutgoingEvent) {
        match event {
            OutgoingEvent::File { file, reply } => {
                self.waiting.push(Waiting { file, reply });
                self.offer_waiting(ctx).await;
            }
            OutgoingEvent::Joined => self.offer_waiting(ctx).await,
            OutgoingEvent::Object { email, transfer, media } => {
                self.send_object(ctx, email, transfer, &media).await;
            }
            OutgoingEvent::Finished { email, transfer } => self.end(ctx, &email, transfer, Ok(())),
            OutgoingEvent::Failed { email, transfer, failure: why } => {
                self.end(ctx, &email, transfer, Err(failure(&why)));
            }
            OutgoingEvent::NobodyCame(why) => {
                for Waiting { reply, .. } in self.waiting.drain(..) {
                    let _ = reply.send(Err(why.clone())); // whoever asked may have gone
                }
            }
        }
    }

    /// What the call has to do for them, in order.
    pub(in crate::connector) fn poll_event(&mut self) -> Option<OutgoingOutcome> {
        self.outcomes.pop_front()
    }

    /// Whether the call may end: nothing is on its way out or waits for a member.
    pub(in crate::connector) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// Files that somebody is being sent, to go on in another call.
    pub(in crate::connector) fn take(&mut self, to: &Email) -> Vec<OutgoingFile> {
        self.under_way.extract_if(.., |sending| sending.to == *to).collect()
    }

    /// What was being sent in another call.
    pub(in crate::connector) fn put(&mut self, sending: Vec<OutgoingFile>) {
        self.under_way.extend(sending);
    }

    /// The first bytes of each fragment that nobody has confirmed, and of which nothing more will be heard.
    pub(in crate::connector) fn take_unconfirmed(&mut self, to: &Email) -> Vec<(TransferId, u64)> {
        let theirs = self.on_the_wire.extract_if(.., |fragment| fragment.to == *to);
        theirs.map(|fragment| (fragment.transfer, fragment.offset)).collect()
    }

    /// Offers what waits to the first who is here.
    async fn offer_waiting(&mut self, ctx: &mut CallContext) {
        let Some(email) = ctx.members.first().cloned() else { return };
        for Waiting { file, reply } in std::mem::take(&mut self.waiting) {
            if ctx.takes_streams_only(&email) {
                self.outcomes.push_back(OutgoingOutcome::Stream { to: email.clone(), file, reply });
                continue;
            }
            self.offer(ctx, &email, &file, reply).await;
        }
    }

    async fn offer(&mut self, ctx: &mut CallContext, email: &Email, file: &File, reply: Reply) {
        let path = ctx.shared.media.path(&file.media);
        let disk = match Disk::open(&path).await {
            Ok(disk) => disk,
            Err(error) => {
                tracing::error!(%error, "a file cannot be read");
                let why = "it is not on the bridge's disk any more";
                return drop(reply.send(Err(CallFailure::File(why.into()))));
            }
        };
        let preview = preview(path).await.map(Into::into);
        let Some(peer) = ctx.peers.open(email) else {
            return drop(reply.send(Err(CallFailure::Lost))); // whoever asked may have gone
        };
        let context = FileContext { name: safe_name(&file.name), size: file.size, preview };
        let transfer = peer.offer(now(), &context, session_names());
        reply.offered();
        tracing::info!(to = %email, bytes = file.size, "offering a file");
        let disk = BufReader::with_capacity(READ, disk);
        let reporter = Some(ProgressReporter::sending(&file.name, &ctx.ghost(email).name, file.size));
        let (to, reply) = (email.clone(), Some(reply));
        self.under_way.push(OutgoingFile { to, transfer, disk, at: 0, reply, reporter });
    }

    async fn send_object(&mut self, ctx: &mut CallContext, to: Email, transfer: TransferId, media: &MediaId) {
        let Ok(disk) = Disk::open(ctx.shared.media.path(media)).await else {
            return ctx.peers.end(&to, transfer);
        };
        tracing::info!(%to, "sending a picture");
        if let Some(peer) = ctx.peers.get(&to) {
            peer.accept(now(), transfer);
        }
        let disk = BufReader::with_capacity(READ, disk);
        self.under_way.push(OutgoingFile { to, transfer, disk, at: 0, reply: None, reporter: None });
    }

    /// The next fragment that may be sent now. `direct_has_room`: more can be written on a direct connection.
    pub(in crate::connector) async fn next_fragment(
        &mut self,
        ctx: &mut CallContext,
        direct_has_room: bool,
    ) -> Option<Fragment> {
        loop {
            let by_board = match self.on_the_wire.len() < WINDOW {
                true => ctx.peers.wants_data(false),
                false => None,
            };
            let wanted = match by_board {
                None if direct_has_room => ctx.peers.wants_data(true),
                by_board => by_board,
            };
            let (to, transfer, offset, length) = wanted?;
            match self.read(ctx, &to, transfer, offset, length).await {
                Ok(bytes) => {
                    let packet = ctx.peers.get(&to)?.provide(now(), transfer, bytes)?;
                    return Some(Fragment { to, packet, transfer, offset });
                }
                Err(error) => {
                    tracing::error!(%error, "a file cannot be read");
                    ctx.peers.end(&to, transfer);
                    let why = CallFailure::File("it cannot be read on the bridge's disk".into());
                    self.end(ctx, &to, transfer, Err(why));
                }
            }
        }
    }

    async fn read(
        &mut self,
        ctx: &mut CallContext,
        to: &Email,
        transfer: TransferId,
        offset: u64,
        length: usize,
    ) -> std::io::Result<Bytes> {
        let sending = self.under_way.iter_mut().find(|file| file.to == *to && file.transfer == transfer);
        let sending = sending.ok_or_else(|| std::io::Error::other("nothing is sent"))?;
        let bytes = sending.read(offset, length).await?;
        ctx.progress.extend(sending.reporter.as_mut().and_then(|reporter| reporter.at(sending.at)));
        Ok(bytes.into())
    }

    /// A fragment was handed to the switchboard.
    pub(in crate::connector) fn sent(&mut self, fragment: Fragment, handle: MessageHandle) {
        let Fragment { to, transfer, offset, .. } = fragment;
        self.on_the_wire.push(OnTheWire { handle, to, transfer, offset });
    }

    /// The switchboard has confirmed a message, or could not deliver it; true if it was one of a file.
    pub(in crate::connector) fn confirmed(
        &mut self,
        ctx: &mut CallContext,
        handle: MessageHandle,
        delivered: bool,
    ) -> bool {
        let Some(at) = self.on_the_wire.iter().position(|fragment| fragment.handle == handle) else {
            return false;
        };
        let OnTheWire { to, transfer, offset, .. } = self.on_the_wire.remove(at);
        match (ctx.peers.get(&to), delivered) {
            (Some(peer), true) => peer.delivered(now(), transfer),
            (Some(peer), false) => peer.undelivered(now(), transfer, offset),
            (None, _) => {}
        }
        true
    }

    /// What became of a file that was sent.
    fn end(
        &mut self,
        ctx: &mut CallContext,
        to: &Email,
        transfer: TransferId,
        result: Result<(), CallFailure>,
    ) {
        let found = self.under_way.iter().position(|file| file.to == *to && file.transfer == transfer);
        let Some(at) = found else { return };
        let OutgoingFile { reply, reporter, .. } = self.under_way.swap_remove(at);
        ctx.progress.extend(reporter.as_ref().and_then(ProgressReporter::over));
        let outcome = if result.is_ok() { "done" } else { "failed" };
        measure::count_by(measure::FILES, [("direction", "to_msn"), ("outcome", outcome)]);
        let _ = reply.map(|reply| reply.send(result)); // whoever asked may have gone
    }
}

impl OutgoingFile {
    async fn read(&mut self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        if offset != self.at {
            self.disk.seek(SeekFrom::Start(offset)).await?;
        }
        let mut bytes = vec![0; length];
        self.disk.read_exact(&mut bytes).await?;
        self.at = offset + length as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
