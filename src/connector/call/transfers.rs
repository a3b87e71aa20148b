//! Packets and bytes of a call on their way between peers, components, the board and a direct connection.
//!
//! Knows whose each packet is, and which component each outcome is for. Refuses to know what is in them.

use bytes::Bytes;

use super::Call;
use crate::connector::clock::now;
use crate::connector::file::direct::DirectInput;
use crate::connector::file::incoming::{IncomingEvent, IncomingOutcome};
use crate::connector::file::invitations::{InvitationEvent, InvitationOutcome};
use crate::connector::file::offers::{Offer, OfferEvent, OfferOutcome, OfferedFile};
use crate::connector::file::outgoing::{OutgoingEvent, OutgoingOutcome};
use crate::connector::file::suspended::TransferState;
use crate::connector::file::words;
use crate::connector::net::pump::Pump;
use crate::connector::object::exchange::{ObjectEvent, ObjectOutcome};
use crate::connector::translate::group;
use crate::msn::command::Acknowledge;
use crate::msn::ids::Email;
use crate::msn::message::Content;
use crate::msn::p2p::{Packet, Peer, PeerEvent, Purpose};
use crate::msn::session::SwitchboardSession;

impl Call {
    /// A packet for us came from a member.
    pub(super) async fn handle_packet(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        email: &Email,
        bytes: &Bytes,
    ) {
        let packet = match Packet::decode(bytes) {
            Ok(packet) => packet,
            Err(error) => return tracing::debug!(%error, "skipped a packet"),
        };
        let Some(peer) = self.ctx.peers.open(email) else { return };
        if packet.purpose() == Purpose::Nak && peer.is_direct() {
            // They have lost the direct connection, and we have not noticed yet.
            peer.direct_down(now());
            self.direct.forget();
        }
        peer.handle(now(), &packet);
        self.flush(pump, email).await;
    }

    /// One thing that happened on the direct connection. A packet there counts as something said: the call is not idle.
    pub(super) async fn handle_direct(&mut self, pump: &mut Pump<SwitchboardSession>, input: DirectInput) {
        let Some(email) = self.direct.email().cloned() else { return };
        if matches!(input, DirectInput::Packet(_)) && self.ctx.peers.get(&email).is_some() {
            self.last_said = tokio::time::Instant::now();
        }
        self.direct.handle(&mut self.ctx, input).await;
        self.flush(pump, &email).await;
    }

    /// Peers, streams and offers see to what is late.
    pub(super) async fn handle_timeout(&mut self, pump: &mut Pump<SwitchboardSession>) {
        for email in self.ctx.peers.emails() {
            if let Some(peer) = self.ctx.peers.get(&email) {
                peer.handle_timeout(now());
            }
            self.flush(pump, &email).await;
        }
        self.invitations.streams.handle_timeout(&mut self.ctx).await;
        self.offers.handle_timeout(&mut self.ctx).await;
        self.settle(pump).await;
    }

    /// Deals with what components want of each other, then with what peers have to say.
    pub(super) async fn settle(&mut self, pump: &mut Pump<SwitchboardSession>) {
        self.route().await;
        for email in self.ctx.peers.emails() {
            self.drain_events(&email).await;
        }
        self.say_what_waits(pump);
    }

    /// What happened with a peer is dealt with before anything is acknowledged.
    async fn flush(&mut self, pump: &mut Pump<SwitchboardSession>, email: &Email) {
        self.drain_events(email).await;
        self.say_what_waits(pump);
    }

    /// Deals with what happened with a peer, and says nothing over there.
    async fn drain_events(&mut self, email: &Email) {
        while let Some(event) = self.ctx.peers.poll_event(email) {
            self.handle_peer_event(email, event).await;
        }
        self.ctx.tell_progress().await;
    }

    /// Hands an event of a peer to the component that has the transfer.
    async fn handle_peer_event(&mut self, email: &Email, event: PeerEvent) {
        let ctx = &mut self.ctx;
        match event {
            PeerEvent::FileOffered { transfer, file } => {
                self.incoming.handle(ctx, email, IncomingEvent::Offered { transfer, file }).await;
            }
            PeerEvent::Data { transfer, bytes } => {
                self.incoming.handle(ctx, email, IncomingEvent::Data { transfer, bytes }).await;
            }
            PeerEvent::Arrived(transfer) => {
                self.incoming.handle(ctx, email, IncomingEvent::Arrived(transfer)).await;
            }
            PeerEvent::Finished(transfer) => {
                let finished = OutgoingEvent::Finished { email: email.clone(), transfer };
                self.outgoing.handle(ctx, finished).await;
            }
            PeerEvent::Failed { transfer, .. }
                if self.offers.withdraw_transfer(ctx, email, transfer).await => {}
            PeerEvent::Failed { transfer, failure } if self.incoming.has(email, transfer) => {
                self.incoming.handle(ctx, email, IncomingEvent::Failed { transfer, failure }).await;
            }
            PeerEvent::Failed { transfer, failure } => {
                let failed = OutgoingEvent::Failed { email: email.clone(), transfer, failure };
                self.outgoing.handle(ctx, failed).await;
            }
            PeerEvent::ObjectWanted { transfer, object } => {
                self.objects.handle(ctx, email, ObjectEvent::Wanted { transfer, object }).await;
            }
            PeerEvent::Declined { what } => {
                self.incoming.handle(ctx, email, IncomingEvent::Declined(what)).await;
            }
            PeerEvent::ListenWanted => {
                self.direct.handle(ctx, DirectInput::ListenWanted(email.clone())).await;
            }
            PeerEvent::DialWanted { addresses, nonce } => {
                let wanted = DirectInput::DialWanted { email: email.clone(), addresses, nonce };
                self.direct.handle(ctx, wanted).await;
            }
            PeerEvent::Accepted(_) => {}
        }
        self.route().await;
    }

    /// What one component wants of another is brought there, until none wants anything.
    async fn route(&mut self) {
        loop {
            if let Some(outcome) = self.incoming.poll_event() {
                self.route_incoming(outcome).await;
            } else if let Some(outcome) = self.objects.poll_event() {
                self.route_object(outcome).await;
            } else if let Some(outcome) = self.offers.poll_event() {
                self.route_offer(outcome).await;
            } else if let Some(InvitationOutcome::OwnerWanted { email, name, size, invitation }) =
                self.invitations.poll_event()
            {
                let offered = OfferedFile { email, name, size, offer: Offer::Stream(invitation) };
                self.offers.handle(&mut self.ctx, OfferEvent::Offered(offered)).await;
            } else if let Some(OutgoingOutcome::Stream { to, file, reply }) = self.outgoing.poll_event() {
                self.invitations.streams.offer(&mut self.ctx, &to, file, reply);
            } else {
                return;
            }
        }
    }

    /// Hands on what the incoming transfers cannot decide by themselves.
    async fn route_incoming(&mut self, outcome: IncomingOutcome) {
        let ctx = &mut self.ctx;
        match outcome {
            IncomingOutcome::OwnerWanted { email, transfer, name, size } => {
                let offered = OfferedFile { email, name, size, offer: Offer::Packets(transfer) };
                self.offers.handle(ctx, OfferEvent::Offered(offered)).await;
            }
            IncomingOutcome::Picture { email, transfer, object, file } => {
                let came = ObjectEvent::PictureCame { transfer, object, file };
                self.objects.handle(ctx, &email, came).await;
            }
            IncomingOutcome::Clip { email, transfer, object, file } => {
                let came = ObjectEvent::ClipCame { transfer, object, file };
                self.objects.handle(ctx, &email, came).await;
            }
        }
    }

    /// Hands on which objects are to be fetched and given.
    async fn route_object(&mut self, outcome: ObjectOutcome) {
        match outcome {
            ObjectOutcome::Fetch { email, object, name, is_once } => {
                let fetch = IncomingEvent::Fetch { object, name, is_once };
                self.incoming.handle(&mut self.ctx, &email, fetch).await;
            }
            ObjectOutcome::Give { email, transfer, media } => {
                let object = OutgoingEvent::Object { email, transfer, media };
                self.outgoing.handle(&mut self.ctx, object).await;
            }
        }
    }

    /// Hands an owner's word to the side that has the file: packets or a stream.
    async fn route_offer(&mut self, outcome: OfferOutcome) {
        let ctx = &mut self.ctx;
        match outcome {
            OfferOutcome::Accepted { file: OfferedFile { email, name, size, offer }, reply } => {
                let taken = match offer {
                    Offer::Packets(transfer) => {
                        self.incoming.accept(ctx, &email, transfer, &name, size).await
                    }
                    Offer::Stream(invitation) => {
                        self.invitations.streams.accept(ctx, &email, &invitation, &name, size).await
                    }
                };
                let _ = reply.send(taken); // whoever asked may have gone
            }
            OfferOutcome::Declined(OfferedFile { email, offer, .. }) => match offer {
                Offer::Packets(transfer) => ctx.peers.end(&email, transfer),
                Offer::Stream(invitation) => {
                    let declined = InvitationEvent::Declined { email, invitation };
                    self.invitations.handle(ctx, declined).await;
                }
            },
            OfferOutcome::Crowded(OfferedFile { email, name, size, offer }, reason) => match offer {
                Offer::Packets(transfer) => {
                    ctx.peers.end(&email, transfer);
                    ctx.show(&email, &words::declined(&name, size, reason)).await;
                }
                Offer::Stream(invitation) => {
                    let refused = InvitationEvent::Refused { email, invitation, name, size, reason };
                    self.invitations.handle(ctx, refused).await;
                }
            },
        }
    }

    /// What the components say on the board, and signalling and acknowledgements for everybody.
    fn say_what_waits(&mut self, pump: &mut Pump<SwitchboardSession>) {
        self.send_outbox(pump);
        for (email, packet) in self.ctx.peers.poll_packets() {
            let is_direct = self.ctx.peers.is_direct(&email);
            if !(is_direct && self.direct.send(&email, &packet)) {
                let payload = Content::peer(&email, &packet.encode()).encode().into();
                pump.machine.send(now(), Acknowledge::Data, payload);
            }
        }
    }

    /// Hands the messages that components left to the board's session, in their order.
    pub(super) fn send_outbox(&mut self, pump: &mut Pump<SwitchboardSession>) {
        for message in std::mem::take(&mut self.ctx.outbox) {
            pump.machine.send(now(), message.acknowledge, message.payload);
        }
    }

    /// Sends what may be sent now.
    pub(super) async fn pump_data(&mut self, pump: &mut Pump<SwitchboardSession>) {
        self.send_outbox(pump);
        loop {
            let has_room = self.direct.has_room();
            let Some(fragment) = self.outgoing.next_fragment(&mut self.ctx, has_room).await else { break };
            let is_direct = self.ctx.peers.is_direct(&fragment.to);
            if is_direct && self.direct.send(&fragment.to, &fragment.packet) {
                continue;
            }
            let payload = Content::peer(&fragment.to, &fragment.packet.encode()).encode().into();
            let handle = pump.machine.send(now(), Acknowledge::Data, payload);
            self.outgoing.sent(fragment, handle);
        }
        // What was broken off here and where messages were confirmed is told at once.
        self.settle(pump).await;
    }

    /// A member has gone: what was under way with them is over. That they chose to go may be how they end a file.
    pub(super) async fn left_transfers(&mut self, email: &Email, by_choice: bool) {
        let Some(mut peer) = self.ctx.peers.take(email) else { return };
        match by_choice {
            true => peer.left(),
            false => peer.lose(),
        }
        self.last_of(email, peer).await;
    }

    /// Everything that was under way is over.
    pub(super) async fn lose_transfers(&mut self) {
        for (email, mut peer) in self.ctx.peers.take_all() {
            peer.lose();
            self.last_of(&email, peer).await;
        }
    }

    /// A peer is gone: its last results are told, and nothing else of it.
    async fn last_of(&mut self, email: &Email, mut peer: Peer) {
        while let Some(event) = peer.poll_event() {
            if matches!(event, PeerEvent::Failed { .. } | PeerEvent::Finished(_)) {
                self.handle_peer_event(email, event).await;
            }
        }
    }

    /// The line of this call broke: what can go on in another is set aside.
    pub(super) async fn suspend(&mut self) {
        if group::is_group(&self.ctx.conversation) || self.ctx.cancel.is_cancelled() {
            return;
        }
        let Some(email) = self.ctx.members.first().cloned() else { return };
        let Some(goes_on) = self.ctx.peers.get(&email).map(|peer| peer.outlive(now())) else { return };
        self.drain_events(&email).await;
        let Some(peer) = goes_on.then(|| self.ctx.peers.take(&email)).flatten() else { return };
        let state = TransferState {
            direct: peer.is_direct().then(|| self.direct.take(&email)).flatten(),
            peer,
            unconfirmed: self.outgoing.take_unconfirmed(&email),
            arriving: self.incoming.take(&email),
            sending: self.outgoing.take(&email),
        };
        self.suspension.suspend(&self.ctx, email, state).await;
    }

    /// What was under way with somebody is this call's.
    pub(super) fn restore(&mut self, email: &Email, state: TransferState) {
        let TransferState { peer, arriving, sending, direct, .. } = state;
        self.ctx.peers.put(email, peer);
        self.incoming.put(email, arriving);
        self.outgoing.put(sending);
        self.direct.put(direct);
    }

    /// What was under way in a call that broke goes on, where it can.
    pub(super) async fn resume(&mut self, pump: &mut Pump<SwitchboardSession>) {
        if let Some((email, state)) = self.suspension.resume(&mut self.ctx) {
            self.restore(&email, state);
            self.flush(pump, &email).await;
        }
    }
}
