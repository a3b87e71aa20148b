//! Files that are given to a contact: offered in a call with them, sent a fragment at a time behind what is said.
//!
//! Knows how much may be on its way at once. What packets mean is the peer's.

use tokio::fs::File as Disk;
use tokio::io::{AsyncReadExt, AsyncSeekExt, BufReader, SeekFrom};

use crate::bridge::port::media::File;
use crate::connector::call::Call;
use crate::connector::clock::now;
use crate::connector::error::CallFailure;
use crate::connector::file::progress::ProgressReporter;
use crate::connector::handle::Reply;
use crate::connector::net::pump::Pump;
use crate::connector::object::{own_picture, picture};
use crate::connector::translate::group;
use crate::msn::command::Acknowledge;
use crate::msn::ids::Email;
use crate::msn::message::Content;
use crate::msn::p2p::{FileContext, MsnObject, TransferFailure, TransferId, safe_name};
use crate::msn::session::{MessageHandle, SwitchboardSession};

/// Fragments that the switchboard has not confirmed yet: what is said waits behind no more than these.
const WINDOW: usize = 8;
/// Bytes that are read from the disk at once.
const READ: usize = 64 * 1024;

/// A file that is to be given, and nobody has been offered yet.
pub(in crate::connector) struct Waiting {
    pub(in crate::connector) file: File,
    pub(in crate::connector) reply: Reply,
}

/// A file that is being given.
pub(in crate::connector) struct OutgoingFile {
    to: Email,
    transfer: TransferId,
    disk: BufReader<Disk>,
    /// Where the next read begins.
    at: u64,
    /// Nobody waits for a picture to be taken.
    reply: Option<Reply>,
    teller: Option<ProgressReporter>,
}

/// A fragment that the switchboard has not confirmed yet.
struct OnTheWire {
    handle: MessageHandle,
    to: Email,
    transfer: TransferId,
    offset: u64,
}

/// What one call gives.
#[derive(Default)]
pub(in crate::connector) struct OutgoingFiles {
    pub(in crate::connector) waiting: Vec<Waiting>,
    pub(in crate::connector) under_way: Vec<OutgoingFile>,
    on_the_wire: Vec<OnTheWire>,
}

impl OutgoingFiles {
    pub(in crate::connector) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// Files that somebody is being given.
    pub(in crate::connector) fn take(&mut self, to: &Email) -> Vec<OutgoingFile> {
        self.under_way.extract_if(.., |sending| sending.to == *to).collect()
    }

    /// The first bytes of each transfer that nobody has confirmed, and of which nothing more will be heard.
    pub(in crate::connector) fn unconfirmed(&mut self, to: &Email) -> Vec<(TransferId, u64)> {
        let theirs = self.on_the_wire.extract_if(.., |fragment| fragment.to == *to);
        theirs.map(|fragment| (fragment.transfer, fragment.offset)).collect()
    }
}

/// What the giver is told.
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

impl Call {
    /// A file is to be given to whoever is here, or comes.
    pub(in crate::connector) async fn send_file(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        file: File,
        reply: Reply,
    ) {
        if group::is_group(&self.conversation) {
            let why = "files can be sent to one person only, in the conversation with them";
            let _ = reply.send(Err(CallFailure::File(why.into()))); // whoever asked may have gone
            return;
        }
        self.outgoing_files.waiting.push(Waiting { file, reply });
        self.offer_waiting(pump).await;
    }

    /// Somebody may have come whom the waiting files are for.
    pub(in crate::connector) async fn offer_waiting(&mut self, pump: &mut Pump<SwitchboardSession>) {
        let Some(email) = self.members.first().cloned() else { return };
        for Waiting { file, reply } in std::mem::take(&mut self.outgoing_files.waiting) {
            if self.takes_streams_only(&email) {
                self.offer_stream(pump, &email, file, reply);
                continue;
            }
            let disk = match Disk::open(self.of.shared.media.path(&file.media)).await {
                Ok(disk) => disk,
                Err(error) => {
                    tracing::error!(%error, "a file cannot be read");
                    let _ =
                        reply.send(Err(CallFailure::File("it is not on the bridge's disk any more".into())));
                    continue;
                }
            };
            let preview = own_picture::preview(self.of.shared.media.path(&file.media)).await.map(Into::into);
            let names = picture::names();
            let (own, means) = (self.of.email.clone(), self.means());
            let Some(peer) = self.transfers.peer(&own, &email, means) else {
                let _ = reply.send(Err(CallFailure::Lost)); // whoever asked may have gone
                continue;
            };
            let context = FileContext { name: safe_name(&file.name), size: file.size, preview };
            let transfer = peer.offer(now(), &context, names);
            tracing::info!(to = %email, bytes = file.size, "offering a file");
            let disk = BufReader::with_capacity(READ, disk);
            let teller = Some(ProgressReporter::sending(&file.name, &self.ghost(&email).name, file.size));
            let (to, reply) = (email.clone(), Some(reply));
            self.outgoing_files.under_way.push(OutgoingFile { to, transfer, disk, at: 0, reply, teller });
        }
        self.flush(pump, &email).await;
    }

    /// Somebody asks for what our side has announced: nothing else is given.
    pub(in crate::connector) async fn object_wanted(
        &mut self,
        email: &Email,
        transfer: TransferId,
        object: &MsnObject,
    ) {
        let face = self.of.face.borrow().clone();
        let mut announced = face.iter().chain(&self.emoticons.offered);
        let face = announced.find(|face| face.object.digest == object.digest).cloned();
        let disk = match face {
            Some(face) => Disk::open(self.of.shared.media.path(&face.media)).await.ok(),
            None => None,
        };
        let Some(disk) = disk else { return self.end_transfer(email, transfer) };
        tracing::info!(to = %email, "sending a picture");
        let disk = BufReader::with_capacity(READ, disk);
        let (to, reply, teller) = (email.clone(), None, None);
        self.outgoing_files.under_way.push(OutgoingFile { to, transfer, disk, at: 0, reply, teller });
        if let Some(peer) = self.transfers.known(email) {
            peer.accept(now(), transfer);
        }
    }

    /// Sends what may be sent now.
    pub(in crate::connector) async fn pump_data(&mut self, pump: &mut Pump<SwitchboardSession>) {
        loop {
            let by_board = match self.outgoing_files.on_the_wire.len() < WINDOW {
                true => self.transfers.wants_data(false),
                false => None,
            };
            let wanted = match by_board {
                None if self.direct_has_room() => self.transfers.wants_data(true),
                by_board => by_board,
            };
            let Some((email, transfer, offset, length)) = wanted else { break };
            let sending =
                self.outgoing_files.under_way.iter_mut().find(|g| g.to == email && g.transfer == transfer);
            let bytes = match sending {
                Some(sending) => {
                    let read = sending.read(offset, length).await;
                    let progress = sending.teller.as_mut().and_then(|teller| teller.at(sending.at));
                    read.map(|bytes| (bytes, progress))
                }
                None => Err(std::io::Error::other("nothing is given")),
            };
            let bytes = match bytes {
                Ok((bytes, progress)) => {
                    self.unsaid.extend(progress);
                    bytes
                }
                Err(error) => {
                    tracing::error!(%error, "a file cannot be read");
                    self.end_transfer(&email, transfer);
                    self.given(
                        &email,
                        transfer,
                        Err(CallFailure::File("it cannot be read on the bridge's disk".into())),
                    );
                    continue;
                }
            };
            let Some(packet) = self.transfers.provide(now(), &email, transfer, bytes.into()) else { break };
            let is_direct = self.transfers.known(&email).is_some_and(|peer| peer.is_direct());
            if let Some(direct) = self.direct_with(&email).filter(|_| is_direct) {
                direct.machine.send(now(), &packet);
                continue;
            }
            let payload = Content::peer(&email, &packet.encode()).encode().into();
            let handle = pump.machine.send(now(), Acknowledge::Data, payload);
            self.outgoing_files.on_the_wire.push(OnTheWire { handle, to: email, transfer, offset });
        }
        for email in self.transfers.emails() {
            self.drain_events(&email).await;
        }
        // What was broken off here and where messages were confirmed is told at once.
        self.say_what_waits(pump);
    }

    /// The switchboard has confirmed a message, or could not deliver it; true if it was one of a file.
    pub(in crate::connector) fn confirmed(&mut self, handle: MessageHandle, delivered: bool) -> bool {
        let on_the_wire = &mut self.outgoing_files.on_the_wire;
        let Some(at) = on_the_wire.iter().position(|fragment| fragment.handle == handle) else {
            return false;
        };
        let OnTheWire { to, transfer, offset, .. } = on_the_wire.remove(at);
        match (self.transfers.known(&to), delivered) {
            (Some(peer), true) => peer.delivered(now(), transfer),
            (Some(peer), false) => peer.undelivered(now(), transfer, offset),
            (None, _) => {}
        }
        true
    }

    /// What became of a file that was given.
    pub(in crate::connector) fn given(
        &mut self,
        email: &Email,
        transfer: TransferId,
        result: Result<(), CallFailure>,
    ) {
        let found =
            self.outgoing_files.under_way.iter().position(|g| g.to == *email && g.transfer == transfer);
        if let Some(at) = found {
            let OutgoingFile { reply, teller, .. } = self.outgoing_files.under_way.swap_remove(at);
            self.unsaid.extend(teller.as_ref().and_then(ProgressReporter::over));
            let _ = reply.map(|reply| reply.send(result)); // whoever asked may have gone
        }
    }

    pub(in crate::connector) fn not_given(
        &mut self,
        email: &Email,
        transfer: TransferId,
        why: &TransferFailure,
    ) {
        self.given(email, transfer, Err(failure(why)));
    }

    /// Nobody comes for what waits.
    pub(in crate::connector) fn nobody_to_give_to(&mut self, why: &CallFailure) {
        for Waiting { reply, .. } in self.outgoing_files.waiting.drain(..) {
            let _ = reply.send(Err(why.clone())); // whoever asked may have gone
        }
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
