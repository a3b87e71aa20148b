//! Files that contacts send, by peer-to-peer packets of a call: taken to disk a fragment at a time, and said in the
//! conversation once they are whole.
//!
//! Knows where bytes go. What packets mean is [`Peer`]'s. Pictures that we fetch come the same way. What is given
//! to them is in `give`; objects that they ask for are declined.

mod known;

use std::time::Instant;

use bytes::Bytes;

use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{Picture, RemoteKind};
use crate::bridge::port::media::{File, Incoming};
use crate::bridge::port::storage::StorageError;
use crate::bridge::sentence::sentence;
use crate::connector::call::Call;
use crate::connector::clock::{now, time_of_day};
use crate::connector::file::interrupted;
use crate::connector::file::offers::Offer;
use crate::connector::file::progress::ProgressReporter;
use crate::connector::net::pump::Pump;
use crate::connector::object::picture;
use crate::connector::size::bytes;
use crate::msn::command::Acknowledge;
use crate::msn::ids::Email;
use crate::msn::message::Content;
use crate::msn::p2p::{
    FileContext, MAX_UNSIZED_OBJECT, MsnObject, Names, ObjectKind, Offered, Packet, Peer, PeerEvent, Purpose,
    TransferFailure, TransferId, safe_name,
};
use crate::msn::session::SwitchboardSession;
pub(in crate::connector) use known::{Arriving, Transfers};

/// Most files that one contact can send at once.
const MAX_AT_ONCE: usize = 8;
/// Most pictures that are remembered as wrong.
const MAX_WRONG: usize = 64;

impl Call {
    /// A packet for us came from a member.
    pub(in crate::connector) async fn packet(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        email: &Email,
        bytes: &Bytes,
    ) {
        self.last_said = tokio::time::Instant::now();
        let packet = match Packet::decode(bytes) {
            Ok(packet) => packet,
            Err(error) => return tracing::debug!(%error, "skipped a packet"),
        };
        let (own, means) = (self.of.email.clone(), self.means());
        let Some(peer) = self.transfers.peer(&own, email, means) else { return };
        if packet.purpose() == Purpose::Nak && peer.is_direct() {
            // They have lost the direct connection, and we have not noticed yet.
            peer.direct_down(now());
            self.direct = None;
        }
        let Some(peer) = self.transfers.known(email) else { return };
        peer.handle(now(), &packet);
        self.flush(pump, email).await;
    }

    pub(in crate::connector) async fn transfers_are_late(&mut self, pump: &mut Pump<SwitchboardSession>) {
        for email in self.transfers.emails() {
            if let Some((_, peer)) = self.transfers.peers.iter_mut().find(|(known, _)| *known == email) {
                peer.handle_timeout(now());
            }
            self.flush(pump, &email).await;
        }
    }

    /// Everything that was under way is over.
    pub(in crate::connector) async fn transfers_are_lost(&mut self) {
        for (email, mut peer) in std::mem::take(&mut self.transfers.peers) {
            peer.lose();
            self.last_of(&email, peer).await;
        }
    }

    /// A member has gone: what was under way with them is over. That they chose to go may be how they end a file.
    pub(in crate::connector) async fn left_transfers(&mut self, email: &Email, by_choice: bool) {
        let Some(mut peer) = self.transfers.remove(email) else { return };
        match by_choice {
            true => peer.left(),
            false => peer.lose(),
        }
        self.last_of(email, peer).await;
    }

    async fn last_of(&mut self, email: &Email, mut peer: Peer) {
        while let Some(event) = peer.poll_event() {
            match event {
                PeerEvent::Failed { transfer, failure } => {
                    self.did_not_arrive(email, transfer, &failure).await;
                }
                PeerEvent::Finished(transfer) => self.is_whole(email, transfer).await,
                _ => {}
            }
        }
    }

    /// What happened is dealt with before anything is acknowledged.
    pub(in crate::connector) async fn flush(&mut self, pump: &mut Pump<SwitchboardSession>, email: &Email) {
        self.drain_events(email).await;
        self.say_what_waits(pump);
    }

    /// Deals with what happened, and says nothing over there.
    pub(in crate::connector) async fn drain_events(&mut self, email: &Email) {
        while let Some(event) = self.transfers.known(email).and_then(Peer::poll_event) {
            self.peer_event(email, event).await;
        }
        self.say_progress().await;
    }

    /// How far files are.
    pub(in crate::connector) async fn say_progress(&mut self) {
        for progress in std::mem::take(&mut self.unsaid) {
            self.tell(RemoteKind::Progress { conversation: self.conversation.clone(), progress }).await;
        }
    }

    /// Signalling and acknowledgements for everybody.
    pub(in crate::connector) fn say_what_waits(&mut self, pump: &mut Pump<SwitchboardSession>) {
        let mut waiting = Vec::new();
        for (email, peer) in &mut self.transfers.peers {
            waiting.extend(std::iter::from_fn(|| peer.poll_packet()).map(|packet| (email.clone(), packet)));
        }
        for (email, packet) in waiting {
            let is_direct = self.transfers.known(&email).is_some_and(|peer| peer.is_direct());
            match self.direct_with(&email).filter(|_| is_direct) {
                Some(direct) => direct.machine.send(now(), &packet),
                None => {
                    let payload = Content::peer(&email, &packet.encode()).encode().into();
                    pump.machine.send(now(), Acknowledge::Data, payload);
                }
            }
        }
    }

    async fn peer_event(&mut self, email: &Email, event: PeerEvent) {
        match event {
            PeerEvent::FileOffered { transfer, file } => self.offered(email, transfer, file).await,
            PeerEvent::Data { transfer, bytes } => self.arrived(email, transfer, bytes).await,
            PeerEvent::Finished(transfer) => self.is_whole(email, transfer).await,
            PeerEvent::Failed { transfer, failure } => {
                self.did_not_arrive(email, transfer, &failure).await;
            }
            PeerEvent::ObjectWanted { transfer, object } => {
                self.object_wanted(email, transfer, &object).await;
            }
            PeerEvent::Declined { what } => self.declined(email, what).await,
            PeerEvent::ListenWanted => self.open_door(email).await,
            PeerEvent::DialWanted { addresses, nonce } => self.dial_peer(email, addresses, nonce),
            PeerEvent::Accepted(_) => {}
        }
    }

    /// What could not even be asked about. Objects are asked for by programs: nobody is told.
    async fn declined(&mut self, email: &Email, what: Offered) {
        let text = match what {
            Offered::Object => return,
            Offered::File(Some(name)) => {
                let name = safe_name(&name);
                format!("offers the file «{name}»; it was declined: too many are on their way already")
            }
            Offered::File(None) => {
                "offers a file in a way that is not understood here; it was declined".into()
            }
            Offered::Unknown => {
                "invites you to something that there is no program for here; it was declined".into()
            }
        };
        if let Some(text) = self.transfers.refusal(text) {
            self.show(email, &text).await;
        }
    }

    pub(in crate::connector) fn end_transfer(&mut self, email: &Email, transfer: TransferId) {
        if let Some((_, peer)) = self.transfers.peers.iter_mut().find(|(known, _)| known == email) {
            peer.end(now(), transfer);
        }
    }

    async fn offered(&mut self, email: &Email, transfer: TransferId, file: FileContext) {
        let (name, size) = (safe_name(&file.name), file.size);
        let is_file =
            |(key, a): &(&(String, TransferId), &Arriving)| key.0 == email.to_key() && a.object.is_none();
        let crowded = self.transfers.files.iter().filter(is_file).count() >= MAX_AT_ONCE;
        let asks = self.of.shared.asks_about(size);
        let taken = match (crowded, asks) {
            (true, _) => Err("too many are on their way already".to_owned()),
            (false, false) => self.take(email, transfer, name.clone(), size).await,
            (false, true) => {
                let asked = self.ask(email, name.clone(), size, Offer::Packets(transfer)).await;
                asked.map_err(str::to_owned).inspect_err(|_| self.end_transfer(email, transfer))
            }
        };
        if let Err(reason) = taken {
            let text = format!("offers the file «{name}» ({}); it was declined: {reason}", bytes(size));
            self.show(email, &text).await;
        }
    }

    /// Says yes to a file, where there is room for it; else no.
    pub(in crate::connector) async fn take(
        &mut self,
        email: &Email,
        transfer: TransferId,
        name: String,
        size: u64,
    ) -> Result<(), String> {
        let file = match self.of.shared.room_for(size).await {
            Ok(file) => Some(file),
            Err(reason) => {
                self.end_transfer(email, transfer);
                return Err(reason);
            }
        };
        let teller = Some(ProgressReporter::receiving(&name, &self.ghost(email).name, size));
        let of = &self.of;
        let note =
            interrupted::note(&of.shared, &of.login, &self.conversation, &self.ghost(email), &name, size);
        let arriving = Arriving { object: None, name, size, done: 0, teller, note: Some(note), file };
        self.transfers.files.insert((email.to_key(), transfer), arriving);
        if let Some(peer) = self.transfers.known(email) {
            peer.accept(now(), transfer);
        }
        Ok(())
    }

    async fn arrived(&mut self, email: &Email, transfer: TransferId, bytes: Bytes) {
        let Some(arriving) = self.transfers.files.get_mut(&(email.to_key(), transfer)) else { return };
        let Some(file) = &mut arriving.file else { return };
        arriving.done += bytes.len() as u64;
        let progress = arriving.teller.as_mut().and_then(|teller| teller.at(arriving.done));
        self.unsaid.extend(progress);
        if let Err(error) = file.write(bytes).await {
            tracing::error!(%error, "a file cannot be kept");
            arriving.file = None;
            self.end_transfer(email, transfer);
            self.did_not_arrive(email, transfer, &TransferFailure::Lost).await;
        }
    }

    async fn is_whole(&mut self, email: &Email, transfer: TransferId) {
        let Some(arriving) = self.transfers.files.remove(&(email.to_key(), transfer)) else {
            return self.given(email, transfer, Ok(()));
        };
        self.unsaid.extend(arriving.teller.as_ref().and_then(ProgressReporter::over));
        // Held until it is told.
        let Arriving { object, name, size, done, file, note: _note, .. } = arriving;
        let Some(file) = file else { return };
        let object = match object {
            Some(object) if name.is_empty() => return self.picture_is_whole(email, &object, file).await,
            object => object,
        };
        match file.finish().await {
            Ok(media) => {
                // A clip that did not say how large it is.
                let size = if size == 0 && object.is_some() { done } else { size };
                let file = File { media, name, size };
                match object {
                    Some(object) => self.clip_is_whole(email, &object, file).await,
                    None => self.show_file(email, file).await,
                }
            }
            Err(error) => {
                tracing::error!(%error, "a file cannot be kept");
                let text = format!("sent the file «{name}», which could not be kept on the bridge's disk");
                self.show(email, &text).await;
            }
        }
    }

    async fn did_not_arrive(&mut self, email: &Email, transfer: TransferId, failure: &TransferFailure) {
        if self.withdrawn(email, transfer).await {
            return;
        }
        let Some(arriving) = self.transfers.files.remove(&(email.to_key(), transfer)) else {
            return self.not_given(email, transfer, failure);
        };
        if arriving.object.is_some() && arriving.name.is_empty() {
            return tracing::debug!(?failure, "a picture did not come");
        }
        self.unsaid.extend(arriving.teller.as_ref().and_then(ProgressReporter::over));
        let why = match failure {
            TransferFailure::Cancelled | TransferFailure::Declined => "they cancelled it",
            TransferFailure::TimedOut => "nothing came for five minutes",
            TransferFailure::Lost | TransferFailure::Unclosed => "the connection was lost",
            TransferFailure::Refused(_) | TransferFailure::Malformed => "their client sent something else",
        };
        let text = format!(
            "sent the file «{}» ({}), which did not arrive: {} Ask them to send it again.",
            arriving.name,
            bytes(arriving.size),
            sentence(why)
        );
        self.show(email, &text).await;
    }

    /// Fetches an object that a member has announced.
    pub(in crate::connector) async fn want(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        email: &Email,
        object: MsnObject,
        at: Instant,
        names: Names,
        name: String,
    ) {
        if self.transfers.wrong.contains(&object.digest) {
            return;
        }
        // What does not say how large it is may be as large as any that is taken.
        let expected = if object.size == 0 { MAX_UNSIZED_OBJECT } else { object.size };
        let file = match self.of.shared.media.begin(expected).await {
            Ok(file) => Some(file),
            Err(error) => return tracing::error!(%error, "a picture cannot be kept"),
        };
        let (own, means) = (self.of.email.clone(), self.means());
        let Some(peer) = self.transfers.peer(&own, email, means) else { return };
        tracing::info!(%email, bytes = object.size, "fetching a picture");
        let transfer = peer.want(at, &object, names);
        let size = object.size;
        let arriving = Arriving { object: Some(object), name, size, done: 0, teller: None, note: None, file };
        self.transfers.files.insert((email.to_key(), transfer), arriving);
        self.flush(pump, email).await;
    }

    async fn picture_is_whole(&mut self, email: &Email, object: &MsnObject, file: Box<dyn Incoming>) {
        let shared = self.of.shared.clone();
        let kept = async {
            let media = file.finish().await?;
            let data = tokio::fs::read(shared.media.path(&media)).await;
            let data = data.map_err(|error| StorageError(error.to_string()))?;
            let size = data.len() as u64;
            if !object.describes(&data) {
                shared.media.discard(&media);
                return Ok(None);
            }
            let kept = picture::keep(&shared, &picture::digest(object), &media).await;
            kept.inspect_err(|_| shared.media.discard(&media))?;
            Ok::<_, StorageError>(Some((media, size)))
        };
        match kept.await {
            Ok(Some(_)) if object.kind == ObjectKind::Emoticon => {}
            Ok(Some((media, size))) => {
                let picture = Picture { media, digest: picture::digest(object), size };
                self.show_picture(email, picture).await;
            }
            Ok(None) => {
                tracing::info!(%email, "a picture is not what was announced");
                if self.transfers.wrong.len() < MAX_WRONG {
                    self.transfers.wrong.push(object.digest);
                }
            }
            Err(error) => tracing::error!(%error, "a picture cannot be kept"),
        }
    }

    pub(in crate::connector) async fn show(&self, email: &Email, text: &str) {
        let (conversation, sender) = (self.conversation.clone(), self.ghost(email));
        let body = Body::Emote(RichText::plain(text));
        self.tell(RemoteKind::Message { conversation, sender, body, at: time_of_day() }).await;
    }
}
