//! Files that contacts send, and objects that are fetched from them, by peer-to-peer packets of a call: taken to disk a
//! fragment at a time, and said in the conversation once they are whole.
//!
//! Knows where bytes go. Refuses to know what packets mean, which is the peer's, who is asked about large files, which is
//! `offers`', and what objects are for.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::bridge::port::media::{File, Incoming};
use crate::connector::clock::now;
use crate::connector::context::call::CallContext;
use crate::connector::context::peers::session_names;
use crate::connector::file::progress::ProgressReporter;
use crate::connector::file::words;
use crate::connector::interrupted::IncompleteFile;
use crate::msn::ids::Email;
use crate::msn::p2p::{
    FileContext, MAX_UNSIZED_OBJECT, MsnObject, Offered, TransferFailure, TransferId, safe_name,
};

/// Most files that one contact can send at once.
const MAX_AT_ONCE: usize = 8;
/// Files and objects of one contact that are under way before no more objects are fetched that come with words.
const MAX_OBJECTS: usize = 24;

/// A file, or an object, that is coming in.
pub(in crate::connector) struct Arriving {
    /// A picture is nothing that anybody sent: it has no name, and is not spoken of.
    object: Option<MsnObject>,
    name: String,
    size: u64,
    done: u64,
    /// Of a file that somebody sends.
    reporter: Option<ProgressReporter>,
    note: Option<IncompleteFile>,
    /// What of it is on disk.
    file: Box<dyn Incoming>,
}

/// What happened with a contact.
#[derive(Debug)]
pub(in crate::connector) enum IncomingEvent {
    /// They offer a file.
    Offered {
        transfer: TransferId,
        file: FileContext,
    },
    /// Something was offered that could not even be asked about.
    Declined(Offered),
    /// An object that they announced is wanted. `is_once`: unless it is on its way already, or too much is.
    Fetch {
        object: MsnObject,
        name: String,
        is_once: bool,
    },
    /// The next bytes.
    Data {
        transfer: TransferId,
        bytes: Bytes,
    },
    /// All bytes are here, and their sender has not heard so.
    Arrived(TransferId),
    Failed {
        transfer: TransferId,
        failure: TransferFailure,
    },
}

/// What is to be done elsewhere.
pub(in crate::connector) enum IncomingOutcome {
    /// The owner is to be asked about a file.
    OwnerWanted { email: Email, transfer: TransferId, name: String, size: u64 },
    /// A picture or an emoticon is there; its transfer is to be confirmed or ended.
    Picture { email: Email, transfer: TransferId, object: MsnObject, file: Box<dyn Incoming> },
    /// A wink or a voice clip is there; its transfer is to be confirmed or ended.
    Clip { email: Email, transfer: TransferId, object: MsnObject, file: File },
}

/// What is coming to one call.
#[derive(Default)]
pub(in crate::connector) struct IncomingFiles {
    files: BTreeMap<(String, TransferId), Arriving>,
    outcomes: VecDeque<IncomingOutcome>,
}

impl IncomingFiles {
    /// Something happened with a contact. What is of another transfer than those that [`IncomingFiles::has`] is ignored.
    pub(in crate::connector) async fn handle(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        event: IncomingEvent,
    ) {
        match event {
            IncomingEvent::Offered { transfer, file } => self.offered(ctx, email, transfer, &file).await,
            IncomingEvent::Declined(what) => declined(ctx, email, what).await,
            IncomingEvent::Fetch { object, name, is_once } => {
                self.fetch(ctx, email, object, name, is_once).await;
            }
            IncomingEvent::Data { transfer, bytes } => self.write(ctx, email, transfer, bytes).await,
            IncomingEvent::Arrived(transfer) => self.keep(ctx, email, transfer).await,
            IncomingEvent::Failed { transfer, failure } => self.failed(ctx, email, transfer, &failure).await,
        }
    }

    /// What the call has to do for a transfer, in order.
    pub(in crate::connector) fn poll_event(&mut self) -> Option<IncomingOutcome> {
        self.outcomes.pop_front()
    }

    /// Whether nothing is under way that would be lost with the call.
    pub(in crate::connector) fn is_idle(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a transfer is one that comes in here.
    pub(in crate::connector) fn has(&self, email: &Email, transfer: TransferId) -> bool {
        self.files.contains_key(&(email.to_key(), transfer))
    }

    /// What is coming from one contact, to go on in another call.
    pub(in crate::connector) fn take(&mut self, email: &Email) -> Vec<(TransferId, Arriving)> {
        let theirs = self.files.extract_if(.., |(key, _), _| *key == email.to_key());
        theirs.map(|((_, transfer), arriving)| (transfer, arriving)).collect()
    }

    /// What was coming from one contact in another call.
    pub(in crate::connector) fn put(&mut self, email: &Email, arriving: Vec<(TransferId, Arriving)>) {
        self.files.extend(arriving.into_iter().map(|(transfer, file)| ((email.to_key(), transfer), file)));
    }

    /// A file is offered: it is taken by itself where the settings say so and there is room, else the owner is asked.
    async fn offered(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        transfer: TransferId,
        file: &FileContext,
    ) {
        let (name, size) = (safe_name(&file.name), file.size);
        let is_file =
            |(key, a): &(&(String, TransferId), &Arriving)| key.0 == email.to_key() && a.object.is_none();
        let crowded = self.files.iter().filter(is_file).count() >= MAX_AT_ONCE;
        let taken = if crowded {
            // The contact's client hears it too, and does not go on waiting.
            ctx.peers.end(email, transfer);
            Err("too many are on their way already".to_owned())
        } else if ctx.shared.asks_about(size) {
            let email = email.clone();
            return self.outcomes.push_back(IncomingOutcome::OwnerWanted { email, transfer, name, size });
        } else {
            self.accept(ctx, email, transfer, &name, size).await
        };
        if let Err(reason) = taken {
            ctx.show(email, &words::declined(&name, size, &reason)).await;
        }
    }

    /// Says yes to a file, where there is room for it; else no.
    ///
    /// # Errors
    /// Why it is not taken, for people.
    pub(in crate::connector) async fn accept(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        transfer: TransferId,
        name: &str,
        size: u64,
    ) -> Result<(), String> {
        let room = ctx.shared.room_for(size).await;
        let file = room.inspect_err(|_| ctx.peers.end(email, transfer))?;
        let reporter = Some(ProgressReporter::receiving(name, &ctx.ghost(email).name, size));
        let note = Some(ctx.note_incoming(email, name, size));
        let arriving = Arriving { object: None, name: name.to_owned(), size, done: 0, reporter, note, file };
        self.files.insert((email.to_key(), transfer), arriving);
        if let Some(peer) = ctx.peers.get(email) {
            peer.accept(now(), transfer);
        }
        Ok(())
    }

    /// Whether an object with this digest is on its way.
    fn is_fetching(&self, object: &MsnObject) -> bool {
        let same = |arriving: &Arriving| arriving.object.as_ref().is_some_and(|o| o.digest == object.digest);
        self.files.values().any(same)
    }

    /// Transfers of this member that are under way.
    fn count(&self, email: &Email) -> usize {
        self.files.keys().filter(|(key, _)| *key == email.to_key()).count()
    }

    /// Asks a member for an object that they have announced.
    async fn fetch(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        object: MsnObject,
        name: String,
        is_once: bool,
    ) {
        if is_once && (self.is_fetching(&object) || self.count(email) >= MAX_OBJECTS) {
            return;
        }
        // What does not say how large it is may be as large as any that is taken.
        let expected = if object.size == 0 { MAX_UNSIZED_OBJECT } else { object.size };
        let file = match ctx.shared.media.begin(expected).await {
            Ok(file) => file,
            Err(error) => return tracing::error!(%error, "a picture cannot be kept"),
        };
        let Some(peer) = ctx.peers.open(email) else { return };
        tracing::info!(%email, bytes = object.size, "fetching a picture");
        let transfer = peer.want(now(), &object, session_names());
        let size = object.size;
        let arriving =
            Arriving { object: Some(object), name, size, done: 0, reporter: None, note: None, file };
        self.files.insert((email.to_key(), transfer), arriving);
    }

    /// Bytes of a transfer, in order. A disk that does not take them ends it.
    async fn write(&mut self, ctx: &mut CallContext, email: &Email, transfer: TransferId, bytes: Bytes) {
        let Some(arriving) = self.files.get_mut(&(email.to_key(), transfer)) else { return };
        arriving.done += bytes.len() as u64;
        ctx.progress.extend(arriving.reporter.as_mut().and_then(|reporter| reporter.at(arriving.done)));
        if let Err(error) = arriving.file.write(bytes).await {
            tracing::error!(%error, "a file cannot be kept");
            ctx.peers.end(email, transfer);
            self.lost(ctx, email, transfer, words::NOT_KEPT).await;
        }
    }

    /// All bytes are there: the file is closed, and shown or handed on once it is on the disk. Its sender hears which.
    async fn keep(&mut self, ctx: &mut CallContext, email: &Email, transfer: TransferId) {
        let Some(arriving) = self.files.remove(&(email.to_key(), transfer)) else { return };
        ctx.progress.extend(arriving.reporter.as_ref().and_then(ProgressReporter::over));
        // Held until it is told.
        let Arriving { object, name, size, done, file, note: _note, .. } = arriving;
        let email = email.clone();
        let object = match object {
            Some(object) if name.is_empty() => {
                return self.outcomes.push_back(IncomingOutcome::Picture { email, transfer, object, file });
            }
            object => object,
        };
        match file.finish().await {
            Ok(media) => {
                // A clip that did not say how large it is.
                let size = if size == 0 && object.is_some() { done } else { size };
                let file = File { media, name, size };
                match object {
                    Some(object) => {
                        self.outcomes.push_back(IncomingOutcome::Clip { email, transfer, object, file });
                    }
                    None => {
                        ctx.peers.confirm(&email, transfer);
                        ctx.show_file(&email, file).await;
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "a file cannot be kept");
                ctx.peers.end(&email, transfer);
                ctx.show(&email, &words::lost(&name, size, words::NOT_KEPT)).await;
            }
        }
    }

    /// A transfer ended early.
    async fn failed(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        transfer: TransferId,
        failure: &TransferFailure,
    ) {
        let why = match failure {
            TransferFailure::Cancelled | TransferFailure::Declined => "they cancelled it",
            TransferFailure::TimedOut => "nothing came for five minutes",
            TransferFailure::Lost | TransferFailure::Unclosed => "the connection was lost",
            TransferFailure::Refused(_) | TransferFailure::Malformed => "their client sent something else",
        };
        self.lost(ctx, email, transfer, why).await;
    }

    /// What is here of a transfer is removed, and the owner hears why; of a picture nobody hears.
    async fn lost(&mut self, ctx: &mut CallContext, email: &Email, transfer: TransferId, why: &str) {
        let Some(arriving) = self.files.remove(&(email.to_key(), transfer)) else { return };
        if arriving.object.is_some() && arriving.name.is_empty() {
            return tracing::debug!(why, "a picture did not come");
        }
        ctx.progress.extend(arriving.reporter.as_ref().and_then(ProgressReporter::over));
        ctx.show(email, &words::lost(&arriving.name, arriving.size, why)).await;
    }
}

/// What could not even be asked about. Objects are asked for by programs: nobody is told.
async fn declined(ctx: &mut CallContext, email: &Email, what: Offered) {
    let text = match what {
        Offered::Object => return,
        Offered::File(Some(name)) => {
            let name = safe_name(&name);
            format!("offers the file «{name}»; it was declined: too many are on their way already")
        }
        Offered::File(None) => "offers a file in a way that is not understood here; it was declined".into(),
        Offered::Unknown => {
            "invites you to something that there is no program for here; it was declined".into()
        }
    };
    ctx.show_refusal(email, &text).await;
}

#[cfg(test)]
mod tests;
