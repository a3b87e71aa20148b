//! Files and pictures of contacts that answer by themselves: they take what they are given, count it and say so, and have
//! a picture of their own, as a face and as a file for whoever asks for one.

use std::io::Cursor;
use std::time::Instant;

use bytes::Bytes;
use image::{ImageFormat, Rgb, RgbImage};
use sha2::{Digest, Sha256};

use super::{Robot, style};
use crate::msn::command::{Acknowledge, ClientCommand};
use crate::msn::ids::Email;
use crate::msn::message::Content;
use crate::msn::p2p::{
    FileContext, MsnObject, Names, ObjectKind, Packet, Peer, PeerEvent, TransferId, safe_name,
};
use crate::service::ids::ConnId;

/// Packets that the switchboard has not confirmed yet.
const WINDOW: usize = 8;
/// Pixels of a face, and of a picture that is sent.
const FACE: (u32, u32) = (96, 96);
const POSTCARD: (u32, u32) = (480, 320);

/// What a robot shows of itself.
pub(super) struct Album {
    pub(super) face: MsnObject,
    face_data: Bytes,
    postcard: Bytes,
}

/// Transfers of one call.
pub(super) struct Exchange {
    with: Email,
    peer: Peer,
    unconfirmed: usize,
    /// What is coming: its name, bytes so far, and their digest.
    coming: Vec<(TransferId, String, u64, Sha256)>,
    giving: Vec<(TransferId, Bytes)>,
}

impl Album {
    /// In colours of its own for each name.
    pub(super) fn new(email: &Email) -> Self {
        let (face_data, postcard) = (paint(email, FACE), paint(email, POSTCARD));
        let face = MsnObject::new(email.as_str(), ObjectKind::DisplayPicture, "TFR1.tmp", &face_data);
        Self { face, face_data, postcard }
    }
}

/// A sunset in the colours of an account.
fn paint(email: &Email, (width, height): (u32, u32)) -> Bytes {
    let seed = Sha256::digest(email.to_key());
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let (sky, middle) = (255 * y / height, (x.abs_diff(width / 2), y.abs_diff(height / 2)));
        let is_sun = middle.0.pow(2) + middle.1.pow(2) < (height / 4).pow(2);
        let mix = |base: u8, sky: u32| u8::try_from((u32::from(base) + sky) / 2).unwrap_or(u8::MAX);
        if is_sun {
            Rgb([255, 220, 90])
        } else {
            Rgb([mix(seed[0], sky), mix(seed[1], 255 - sky), mix(seed[2], sky)])
        }
    });
    let mut data = Cursor::new(Vec::new());
    // A vector takes everything.
    let _ = picture.write_to(&mut data, ImageFormat::Png);
    data.into_inner().into()
}

impl Robot {
    /// The transfers of a call, from its first packet on.
    fn exchange(&mut self, conn: ConnId, with: &Email) -> &mut Exchange {
        let own = self.line.email.clone();
        self.exchanges.entry(conn).or_insert_with(|| Exchange {
            with: with.clone(),
            peer: Peer::new(&own, with, rand::random()),
            unconfirmed: 0,
            coming: Vec::new(),
            giving: Vec::new(),
        })
    }

    /// A picture for somebody who asked for one.
    pub(super) async fn offer_postcard(&mut self, conn: ConnId, to: &Email) -> Option<()> {
        let data = self.album.postcard.clone();
        let name = format!("a sunset from {}.png", self.line.name);
        let file = FileContext { name, size: data.len() as u64, preview: None };
        let names = Names::new(rand::random(), rand::random(), rand::random());
        let exchange = self.exchange(conn, to);
        let transfer = exchange.peer.offer(Instant::now(), &file, names);
        exchange.giving.push((transfer, data));
        self.send_next(conn).await
    }

    /// Takes in one packet, and answers as long as there is something to say.
    pub(super) async fn packet(&mut self, conn: ConnId, from: &Email, packet: &Bytes) -> Option<()> {
        let packet = Packet::decode(packet).ok()?;
        self.exchange(conn, from).peer.handle(Instant::now(), &packet);
        self.send_next(conn).await
    }

    /// The switchboard has passed a packet on.
    pub(super) async fn confirmed(&mut self, conn: ConnId) -> Option<()> {
        let exchange = self.exchanges.get_mut(&conn)?;
        exchange.unconfirmed = exchange.unconfirmed.saturating_sub(1);
        self.send_next(conn).await
    }

    /// What happened is dealt with, and what is to be sent goes.
    async fn send_next(&mut self, conn: ConnId) -> Option<()> {
        while let Some(event) = self.exchanges.get_mut(&conn)?.peer.poll_event() {
            self.exchanged(conn, event).await?;
        }
        loop {
            let exchange = self.exchanges.get_mut(&conn)?;
            let with = exchange.with.clone();
            let (packet, confirms) = match exchange.peer.poll_packet() {
                Some(packet) => (packet, false),
                None if exchange.unconfirmed >= WINDOW => return Some(()),
                None => match exchange.next_data() {
                    Some(packet) => (packet, true),
                    None => return Some(()),
                },
            };
            exchange.unconfirmed += usize::from(confirms);
            let payload = Content::peer(&with, &packet.encode()).encode().into();
            // Only data are counted: what is said about them goes in any case.
            let acknowledge = if confirms { Acknowledge::Data } else { Acknowledge::OnFailure };
            let trid = self.number();
            self.say(conn, ClientCommand::Msg { trid, acknowledge, payload }).await?;
        }
    }

    /// Acts on what the other side began, sent or ended; nothing of a file is kept but its digest.
    async fn exchanged(&mut self, conn: ConnId, event: PeerEvent) -> Option<()> {
        let face = (self.album.face.digest, self.album.face_data.clone());
        let exchange = self.exchanges.get_mut(&conn)?;
        let now = Instant::now();
        match event {
            PeerEvent::FileOffered { transfer, file } => {
                exchange.coming.push((transfer, safe_name(&file.name), 0, Sha256::new()));
                exchange.peer.accept(now, transfer);
            }
            PeerEvent::ObjectWanted { transfer, object } if object.digest == face.0 => {
                exchange.giving.push((transfer, face.1));
                exchange.peer.accept(now, transfer);
            }
            PeerEvent::ObjectWanted { transfer, .. } => exchange.peer.end(now, transfer),
            PeerEvent::Data { transfer, bytes } => {
                let coming = exchange.coming.iter_mut().find(|(known, ..)| *known == transfer)?;
                coming.2 += bytes.len() as u64;
                coming.3.update(&bytes);
            }
            PeerEvent::Finished(transfer) => exchange.giving.retain(|(known, _)| *known != transfer),
            PeerEvent::Arrived(transfer) => {
                exchange.peer.confirm(now, transfer);
                let at = exchange.coming.iter().position(|(known, ..)| *known == transfer)?;
                let (_, name, size, digest) = exchange.coming.swap_remove(at);
                let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                let text = format!("Thank you! I got «{name}»: {size} bytes, SHA-256 {digest}");
                return self.text(conn, &text, style()).await;
            }
            PeerEvent::Failed { transfer, .. } => {
                exchange.giving.retain(|(known, _)| *known != transfer);
                exchange.coming.retain(|(known, ..)| *known != transfer);
            }
            PeerEvent::Declined { .. }
            | PeerEvent::Accepted(_)
            | PeerEvent::ListenWanted
            | PeerEvent::DialWanted { .. } => {}
        }
        Some(())
    }
}

impl Exchange {
    /// The next piece of what is being given, if the transfer can take one.
    fn next_data(&mut self) -> Option<Packet> {
        let (transfer, offset, length) = self.peer.wants_data()?;
        let data = self.giving.iter().find(|(known, _)| *known == transfer).map(|(_, data)| data)?;
        let begin = usize::try_from(offset).ok()?;
        let bytes = data.get(begin..begin + length).map(Bytes::copy_from_slice)?;
        self.peer.provide(Instant::now(), transfer, bytes)
    }
}
