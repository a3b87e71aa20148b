//! A contact who gives and takes files by peer-to-peer packets, written by hand from the wire's description: over the
//! switchboard, or over a direct connection. Shares no code with what it talks to.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::{TcpListener, TcpStream};

use super::msn::Wire;
use super::{PATIENCE, within};

const HEAD: usize = 48;
const ACK: u32 = 2;
const NAK: u32 = 1;
const HANDSHAKE: u32 = 0x100;
/// Packets that the switchboard has not confirmed yet.
const WINDOW: u32 = 16;
/// What both have to show, as its 16 bytes on the wire and as text.
const NONCE: &str = "{70531C96-FA19-4BA8-9E58-DC14531B7BB5}";
pub(crate) const NONCE_WIRE: [u8; 16] =
    [0x96, 0x1c, 0x53, 0x70, 0x19, 0xfa, 0xa8, 0x4b, 0x9e, 0x58, 0xdc, 0x14, 0x53, 0x1b, 0x7b, 0xb5];

/// Bytes that look like nothing, the same at each call.
pub(crate) fn noise(offset: u64, length: usize) -> Vec<u8> {
    let word = |at: u64| {
        let mixed = at.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ (mixed >> 29)).to_le_bytes()
    };
    let (first, skipped) = (offset / 8, usize::try_from(offset % 8).unwrap());
    let mut bytes = Vec::with_capacity(length + 16);
    for at in first..=first + (length as u64).div_ceil(8) {
        bytes.extend_from_slice(&word(at));
    }
    bytes.drain(..skipped);
    bytes.truncate(length);
    bytes
}

pub(crate) fn noise_digest(size: u64) -> String {
    let mut digest = Sha256::new();
    let mut at = 0;
    while at < size {
        let length = (size - at).min(1 << 20);
        digest.update(noise(at, usize::try_from(length).unwrap()));
        at += length;
    }
    hex(&digest.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A packet as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) session: u32,
    pub(crate) identifier: u32,
    pub(crate) offset: u64,
    pub(crate) total: u64,
    pub(crate) flags: u32,
    pub(crate) ack_id: u32,
    pub(crate) ack_uid: u32,
    pub(crate) ack_size: u64,
    pub(crate) content: Vec<u8>,
}

impl Packet {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let length = word(24) as usize;
        let (session, identifier, offset, total) = (word(0), word(4), long(8), long(16));
        let (flags, ack_id, ack_uid, ack_size) = (word(28), word(32), word(36), long(40));
        let content = bytes[HEAD..HEAD + length].to_vec();
        Self { session, identifier, offset, total, flags, ack_id, ack_uid, ack_size, content }
    }

    fn is_data(&self) -> bool {
        self.session != 0 && self.flags & 0x20 != 0
    }

    fn acknowledgement(&self) -> Vec<u8> {
        head(self.session, !self.identifier, 0, self.total, 0, ACK, self.identifier, self.ack_id, self.total)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

#[expect(clippy::too_many_arguments, reason = "the nine fields, in the order of the wire")]
fn head(
    session: u32,
    identifier: u32,
    offset: u64,
    total: u64,
    length: u32,
    flags: u32,
    ack_id: u32,
    ack_uid: u32,
    ack_size: u64,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD);
    out.extend(session.to_le_bytes());
    out.extend(identifier.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend(total.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(flags.to_le_bytes());
    out.extend(ack_id.to_le_bytes());
    out.extend(ack_uid.to_le_bytes());
    out.extend(ack_size.to_le_bytes());
    out
}

/// A packet that carries something, without footer.
pub(crate) fn packet(
    session: u32,
    identifier: u32,
    offset: u64,
    total: u64,
    flags: u32,
    content: &[u8],
) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    let mut out = head(session, identifier, offset, total, length, flags, identifier ^ 0x55, 0, 0);
    out.extend_from_slice(content);
    out
}

/// Sends a packet to Alice, with its footer.
pub(crate) async fn send(call: &mut Wire, packet: &[u8]) -> u32 {
    let head =
        "MIME-Version: 1.0\r\nContent-Type: application/x-msnmsgrp2p\r\nP2P-Dest: alice@example.com\r\n\r\n";
    let payload = [head.as_bytes(), packet, &2u32.to_be_bytes()].concat();
    call.payload("D", &payload).await
}

/// Sends a message of signalling, in as many packets as it needs.
pub(crate) async fn signal(call: &mut Wire, identifier: u32, text: &str) {
    for (at, part) in text.as_bytes().chunks(1202).enumerate() {
        send(call, &packet(0, identifier, 1202 * at as u64, text.len() as u64, 0, part)).await;
    }
}

/// The next packet of a call; words and confirmations in between are kept for who asks.
pub(crate) async fn next_packet(call: &mut Wire) -> Packet {
    let unit = call
        .until("a packet", |unit| {
            unit.line.starts_with("MSG ") && unit.payload.contains("application/x-msnmsgrp2p")
        })
        .await;
    let at = unit.bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an envelope");
    Packet::read(&unit.bytes[at + 4..])
}

/// The next message of signalling, put together and acknowledged.
pub(crate) async fn next_signal(call: &mut Wire) -> String {
    let mut bytes = Vec::new();
    loop {
        let packet = next_packet(call).await;
        if packet.session != 0 || packet.flags & ACK != 0 {
            continue;
        }
        assert_eq!(packet.offset, bytes.len() as u64, "fragments come in order");
        bytes.extend_from_slice(&packet.content);
        if bytes.len() as u64 == packet.total {
            send(call, &packet.acknowledgement()).await;
            return String::from_utf8_lossy(&bytes).into_owned();
        }
    }
}

pub(crate) fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
}

/// A message of signalling from Bob to Alice.
pub(crate) fn message(
    start: &str,
    branch: &str,
    sequence: u32,
    call: &str,
    kind: &str,
    body: &str,
) -> String {
    format!(
        "{start}\r\nTo: <msnmsgr:alice@example.com>\r\nFrom: <msnmsgr:bob@example.com>\r\n\
         Via: MSNSLP/1.0/TLP ;branch={branch}\r\nCSeq: {sequence} \r\nCall-ID: {call}\r\nMax-Forwards: 0\r\n\
         Content-Type: application/x-msnmsgr-{kind}\r\nContent-Length: {}\r\n\r\n{body}\r\n\0",
        body.len() + 3
    )
}

fn answer(code: &str, to: &str, kind: &str, body: &str) -> String {
    let branch = field(to, "Via").split("branch=").nth(1).expect("a branch").to_owned();
    message(&format!("MSNSLP/1.0 {code}"), &branch, 1, &field(to, "Call-ID"), kind, body)
}

/// How data go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Board,
    /// By a direct connection, to our own port or theirs.
    Direct,
    /// Somebody listens for a direct connection, and nobody may come.
    Shunned,
}

/// A file that Alice offers.
pub(crate) struct Offer {
    invitation: String,
    pub(crate) name: String,
    pub(crate) size: u64,
    /// Where nobody may come.
    shunned: Option<TcpListener>,
}

/// Waits for an offer.
pub(crate) async fn offered(call: &mut Wire) -> Offer {
    let invitation = loop {
        let text = next_signal(call).await;
        if text.contains("EUF-GUID: {5D3E02AB") {
            break text;
        }
    };
    let context = STANDARD.decode(field(&invitation, "Context")).expect("base64");
    let size = u64::from_le_bytes(context[8..16].try_into().unwrap());
    let units: Vec<u16> =
        context[20..540].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let name = String::from_utf16_lossy(&units).trim_end_matches('\0').to_owned();
    Offer { invitation, name, size, shunned: None }
}

impl Offer {
    /// The small picture that stands beside it.
    pub(crate) fn preview(&self) -> Option<Vec<u8>> {
        let context = STANDARD.decode(field(&self.invitation, "Context")).expect("base64");
        (context[16..20] == [0; 4]).then(|| context[574..].to_vec())
    }

    /// The session, read as old clients read it: signed.
    fn session(&self) -> u32 {
        let digits = field(&self.invitation, "SessionID");
        let signed: i32 = digits.parse().unwrap_or_else(|_| panic!("old clients cannot read {digits}"));
        assert!(signed >= 1000, "{signed}");
        signed.cast_unsigned()
    }

    pub(crate) async fn decline(&self, call: &mut Wire) {
        let body = format!("SessionID: {}\r\n", self.session());
        signal(call, 500, &answer("603 Decline", &self.invitation, "sessionreqbody", &body)).await;
    }

    /// Says yes; the bytes come with [`Offer::receive`].
    pub(crate) async fn accept(&self, call: &mut Wire) {
        self.say_yes(call).await;
    }

    /// Answers for a session that nobody has heard of, and acknowledges all that comes: libpurple does so with a number that
    /// it has misread.
    pub(crate) async fn acknowledge_blindly(&self, call: &mut Wire) {
        signal(call, 500, &answer("200 OK", &self.invitation, "sessionreqbody", "SessionID: -775430258\r\n"))
            .await;
        let mut done = 0;
        while done < self.size {
            let packet = next_packet(call).await;
            if packet.flags & ACK != 0 {
                continue;
            }
            if packet.session != 0 {
                done = packet.offset + packet.content.len() as u64;
            }
            if packet.offset + packet.content.len() as u64 == packet.total {
                send(call, &packet.acknowledgement()).await;
            }
        }
    }

    /// Takes what comes by the switchboard until there are so many bytes; what came already may come again.
    pub(crate) async fn receive(&self, call: &mut Wire, came: &mut Vec<u8>, until: u64) {
        while (came.len() as u64) < until.min(self.size) {
            let packet = next_packet(call).await;
            self.take_packet(call, &packet, came).await;
        }
    }

    /// Takes what comes before this line.
    pub(crate) async fn receive_what_comes(&self, call: &mut Wire, came: &mut Vec<u8>, end: &str) {
        call.line(end).await;
        while call.kept("application/x-msnmsgrp2p") > 0 {
            let packet = next_packet(call).await;
            self.take_packet(call, &packet, came).await;
        }
    }

    async fn take_packet(&self, call: &mut Wire, packet: &Packet, came: &mut Vec<u8>) {
        if packet.is_data() && packet.session == self.session() {
            let at = usize::try_from(packet.offset).unwrap();
            assert!(at <= came.len(), "a gap before {at}");
            let new = came.len() - at;
            came.extend_from_slice(packet.content.get(new..).unwrap_or_default());
            if came.len() as u64 == self.size {
                self.say_goodbye(call, packet).await;
            }
        } else if packet.session == 0 && packet.flags & ACK == 0 {
            send(call, &packet.acknowledgement()).await;
            if packet.text().contains("-transreqbody") {
                signal(call, 600, &answer("603 Decline", &packet.text(), "transrespbody", "")).await;
            }
        }
    }

    async fn say_yes(&self, call: &mut Wire) {
        let body = format!("SessionID: {}\r\n", self.session());
        signal(call, 500, &answer("200 OK", &self.invitation, "sessionreqbody", &body)).await;
    }

    /// Takes it: gives the SHA-256 of what came.
    pub(crate) async fn take(self, call: &mut Wire, way: Way) -> String {
        self.take_until(call, way, u64::MAX).await.expect("it is whole")
    }

    /// Takes it, but breaks off behind so many bytes: then `None`.
    pub(crate) async fn take_until(mut self, call: &mut Wire, way: Way, stop: u64) -> Option<String> {
        if way == Way::Direct {
            return self.begin_direct(call).await.take(stop).await;
        }
        self.say_yes(call).await;
        let mut digest = Sha256::new();
        let mut done = 0;
        let mut is_first = true;
        while done < self.size || is_first {
            if done >= stop {
                return None;
            }
            let packet = next_packet(call).await;
            if packet.is_data() && packet.session == self.session() {
                is_first = false;
                assert_eq!((packet.offset, packet.total), (done, self.size), "in order");
                assert!(packet.identifier.cast_signed() >= 1000, "{}", packet.identifier);
                digest.update(&packet.content);
                done += packet.content.len() as u64;
                if done == self.size {
                    let came = self.shunned.as_ref().and_then(|listener| listener.accept().now_or_never());
                    assert!(came.is_none(), "somebody came: {came:?}");
                    self.say_goodbye(call, &packet).await;
                    return Some(hex(&digest.finalize()));
                }
            } else if packet.session == 0 && packet.flags & ACK == 0 {
                send(call, &packet.acknowledgement()).await;
                if packet.text().contains("-transreqbody") {
                    assert!(self.open(call, &packet.text(), way).await.is_none());
                } else if packet.text().contains("-transrespbody") && packet.text().starts_with("INVITE") {
                    // They listen, and we cannot come.
                    signal(call, 650, &answer("603 Decline", &packet.text(), "transrespbody", "")).await;
                }
            }
        }
        Some(hex(&digest.finalize()))
    }

    /// Answers a question about a direct connection, and takes one.
    async fn open(&mut self, call: &mut Wire, wish: &str, way: Way) -> Option<BufReader<TcpStream>> {
        if way == Way::Board {
            let body =
                "Bridge: TCPv1\r\nListening: false\r\nNonce: {00000000-0000-0000-0000-000000000000}\r\n";
            signal(call, 600, &answer("200 OK", wish, "transrespbody", body)).await;
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let body = format!(
            "Bridge: TCPv1\r\nListening: true\r\nNonce: {NONCE}\r\nIPv4Internal-Addrs: 127.0.0.1\r\nIPv4Internal-Port: {port}\r\n"
        );
        signal(call, 600, &answer("200 OK", wish, "transrespbody", &body)).await;
        if way == Way::Shunned {
            self.shunned = Some(listener);
            return None;
        }
        let (stream, _) = within("a direct connection", listener.accept()).await.expect("accepted");
        stream.set_nodelay(true).expect("nodelay");
        let mut stream = BufReader::with_capacity(64 * 1024, stream);
        let mut greeting = [0; 8];
        stream.read_exact(&mut greeting).await.expect("a greeting");
        assert_eq!(&greeting, b"\x04\0\0\0foo\0");
        let mut shown = vec![0; 4 + HEAD];
        stream.read_exact(&mut shown).await.expect("a handshake");
        assert_eq!(shown[4 + 32..], NONCE_WIRE, "the nonce that was agreed on");
        stream.write_all(&handshake(&NONCE_WIRE)).await.expect("written");
        Some(stream)
    }

    fn goodbye(&self) -> String {
        message(
            "BYE MSNMSGR:alice@example.com MSNSLP/1.0",
            "{00000000-0000-0000-0000-000000000001}",
            0,
            &field(&self.invitation, "Call-ID"),
            "sessionclosebody",
            "",
        )
    }

    async fn say_goodbye(&self, call: &mut Wire, last: &Packet) {
        send(call, &last.acknowledgement()).await;
        signal(call, 700, &self.goodbye()).await;
    }

    async fn say_goodbye_there(&self, stream: &mut BufReader<TcpStream>, last: &Packet) {
        let bye = self.goodbye();
        write_frame(stream, &last.acknowledgement()).await;
        write_frame(stream, &packet(0, 700, 0, bye.len() as u64, 0, bye.as_bytes())).await;
    }

    /// Says yes, and waits for the direct connection on which it comes.
    pub(crate) async fn begin_direct(mut self, call: &mut Wire) -> Coming {
        self.say_yes(call).await;
        let (mut digest, mut done) = (Sha256::new(), 0);
        let mut stream = None;
        let first = loop {
            let packet = next_packet(call).await;
            if packet.is_data() && packet.session == self.session() {
                assert_eq!(packet.offset, done, "in order");
                digest.update(&packet.content);
                done += packet.content.len() as u64;
                assert!(done < self.size, "all of it came by the switchboard");
            } else if packet.session == 0 && packet.flags & ACK == 0 {
                send(call, &packet.acknowledgement()).await;
                if packet.text().contains("-transreqbody") {
                    stream = self.open(call, &packet.text(), Way::Direct).await;
                }
            }
            let Some(stream) = &mut stream else { continue };
            // All that went by the switchboard is there before the first that comes here.
            let first = read_frame(stream).await;
            while done < first.offset {
                let packet = next_packet(call).await;
                if packet.flags & ACK != 0 {
                    continue;
                }
                assert!(packet.is_data() && packet.offset == done, "in order: {packet:?}");
                digest.update(&packet.content);
                done += packet.content.len() as u64;
            }
            break first;
        };
        Coming { offer: self, stream: stream.expect("a direct connection"), digest, done, first: Some(first) }
    }
}

/// A file on its way by a direct connection: the call is free for words.
pub(crate) struct Coming {
    offer: Offer,
    stream: BufReader<TcpStream>,
    /// Of what came by the switchboard before.
    digest: Sha256,
    done: u64,
    /// The first packet that came here.
    first: Option<Packet>,
}

impl Coming {
    /// The SHA-256 of what came before the end, or before so many bytes: then `None`.
    pub(crate) async fn take(mut self, stop: u64) -> Option<String> {
        let (mut digest, mut done) = (self.digest, self.done);
        while done < stop {
            let packet = match self.first.take() {
                Some(first) => first,
                None => read_frame(&mut self.stream).await,
            };
            if !packet.is_data() || packet.session != self.offer.session() {
                continue;
            }
            assert_eq!(packet.offset, done, "in order");
            digest.update(&packet.content);
            done += packet.content.len() as u64;
            if done == self.offer.size {
                self.offer.say_goodbye_there(&mut self.stream, &packet).await;
                return Some(hex(&digest.finalize()));
            }
        }
        None
    }
}

/// The frame in which a side shows its nonce.
pub(crate) fn handshake(nonce: &[u8; 16]) -> Vec<u8> {
    let mut packet = head(0, 1, 0, 0, 0, HANDSHAKE, 0, 0, 0);
    packet[32..].copy_from_slice(nonce);
    [&48u32.to_le_bytes()[..], &packet].concat()
}

async fn read_frame(stream: &mut BufReader<TcpStream>) -> Packet {
    let reading = async {
        let length = stream.read_u32_le().await?;
        let mut bytes = vec![0; length as usize];
        stream.read_exact(&mut bytes).await?;
        Ok::<_, std::io::Error>(Packet::read(&bytes))
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("a frame in time").expect("a frame")
}

async fn write_frame(stream: &mut (impl AsyncWriteExt + Unpin), packet: &[u8]) {
    let length = u32::try_from(packet.len()).unwrap();
    stream.write_all(&[&length.to_le_bytes()[..], packet].concat()).await.expect("written");
    stream.flush().await.expect("written");
}

const CALL: &str = "{19C77CDB-04EE-5CA9-14E3-0DB6E55E2411}";

/// A file that Bob offers.
pub(crate) struct Gift {
    session: u32,
    size: u64,
}

impl Gift {
    /// Offers a file, and waits for the answer with this code.
    pub(crate) async fn offer(call: &mut Wire, name: &str, size: u64, code: &str) -> Self {
        let gift = Self::propose(call, name, size).await;
        gift.answered(call, code).await;
        gift
    }

    pub(crate) async fn answered(&self, call: &mut Wire, code: &str) {
        call.message(&format!("MSNSLP/1.0 {code}")).await;
    }

    /// Does not offer it any more.
    pub(crate) async fn withdraw(&self, call: &mut Wire) {
        let branch = "{14C34859-5987-2B67-BB27-D6DA11CE3377}";
        let start = "BYE MSNMSGR:alice@example.com MSNSLP/1.0";
        signal(call, 1050, &message(start, branch, 0, CALL, "sessionclosebody", "")).await;
    }

    /// Offers a file.
    pub(crate) async fn propose(call: &mut Wire, name: &str, size: u64) -> Self {
        Self::propose_as(call, name, size, 4711, "4711").await
    }

    /// Offers a file in this session, written so.
    pub(crate) async fn propose_as(
        call: &mut Wire,
        name: &str,
        size: u64,
        session: u32,
        written: &str,
    ) -> Self {
        let mut context = vec![0; 574];
        context[..4].copy_from_slice(&574u32.to_le_bytes());
        context[4] = 2;
        context[8..16].copy_from_slice(&size.to_le_bytes());
        context[16] = 1;
        for (at, unit) in name.encode_utf16().take(259).enumerate() {
            context[20 + 2 * at..22 + 2 * at].copy_from_slice(&unit.to_le_bytes());
        }
        let body = format!(
            "EUF-GUID: {{5D3E02AB-6190-11D3-BBBB-00C04F795683}}\r\nSessionID: {written}\r\nAppID: 2\r\nContext: {}\r\n",
            STANDARD.encode(&context)
        );
        let branch = "{14C34859-5987-2B67-BB27-D6DA11CE3370}";
        let start = "INVITE MSNMSGR:alice@example.com MSNSLP/1.0";
        signal(call, 1000, &message(start, branch, 0, CALL, "sessionreqbody", &body)).await;
        Self { session, size }
    }

    fn data(&self, identifier: u32, at: u64, most: u64) -> (u64, Vec<u8>) {
        let length = (self.size - at).min(most);
        let content = noise(at, usize::try_from(length).unwrap());
        (at + length, packet(self.session, identifier, at, self.size, 0x0100_0030, &content))
    }

    /// Sends the first bytes of it over the switchboard, as fast as that confirms them.
    pub(crate) async fn send(&self, call: &mut Wire, until: u64) {
        self.send_from(call, 0, until).await;
    }

    /// The same from a place on; gives where the next begins.
    pub(crate) async fn send_from(&self, call: &mut Wire, mut at: u64, until: u64) -> u64 {
        let mut sent = Vec::new();
        if self.size == 0 {
            send(call, &self.data(2000, 0, 0).1).await;
        }
        while at < until.min(self.size) {
            let (next, packet) = self.data(2000, at, 1202);
            at = next;
            sent.push(send(call, &packet).await);
            if sent.len() >= WINDOW as usize {
                let oldest = format!("ACK {}", sent.remove(0));
                call.until(&oldest, |unit| unit.line == oldest).await;
            }
        }
        at
    }

    /// Waits until the rest is asked for; gives from where.
    pub(crate) async fn asked_again(&self, call: &mut Wire) -> u64 {
        loop {
            let packet = next_packet(call).await;
            if packet.session == self.session && packet.flags == NAK {
                assert_eq!(packet.ack_id, 2000);
                return packet.ack_size;
            }
        }
    }

    /// Asks for a direct connection, and opens the one that is offered.
    pub(crate) async fn connect(&self, call: &mut Wire) -> Line {
        let body = "Bridges: TRUDPv1 TCPv1\r\nNetID: 0\r\nConn-Type: Direct-Connect\r\nUPnPNat: false\r\nICF: false\r\n";
        let branch = "{24C34859-5987-2B67-BB27-D6DA11CE3371}";
        let start = "INVITE MSNMSGR:alice@example.com MSNSLP/1.0";
        signal(call, 1100, &message(start, branch, 0, CALL, "transreqbody", body)).await;
        let answer = loop {
            let text = next_signal(call).await;
            if text.contains("-transrespbody") {
                break text;
            }
        };
        assert_eq!(field(&answer, "Listening"), "true", "{answer}");
        let address =
            format!("{}:{}", field(&answer, "IPv4Internal-Addrs"), field(&answer, "IPv4Internal-Port"));
        Line { address, nonce: nonce_wire(&field(&answer, "Nonce")) }
    }
}

/// `{11223344-5566-7788-99AA-BBCCDDEEFF00}` as a handshake has it: three groups turned round.
fn nonce_wire(text: &str) -> [u8; 16] {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let mut bytes: [u8; 16] = digits.chunks(2).map(pair).collect::<Vec<u8>>().try_into().unwrap();
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

/// Where Alice listens for Bob.
pub(crate) struct Line {
    pub(crate) address: String,
    pub(crate) nonce: [u8; 16],
}

impl Line {
    /// Connects and shows this nonce; the stream once theirs was shown, `None` where they hung up.
    pub(crate) async fn open(&self, nonce: &[u8; 16]) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).await.expect("they listen");
        stream.set_nodelay(true).expect("nodelay");
        stream.write_all(b"\x04\0\0\0foo\0").await.expect("written");
        stream.write_all(&handshake(nonce)).await.expect("written");
        let mut shown = [0; 4 + HEAD];
        let answered = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut shown)).await;
        answered.expect("an answer or the end").ok()?;
        assert_eq!(shown[4 + 32..], self.nonce);
        Some(stream)
    }
}

impl Gift {
    /// Sends some of it over a direct connection; gives where the next begins.
    pub(crate) async fn pour(&self, stream: &mut TcpStream, mut at: u64, until: u64) -> u64 {
        while at < until.min(self.size) {
            let (next, packet) = self.data(2000, at, 1352);
            at = next;
            write_frame(stream, &packet).await;
        }
        at
    }

    /// Sends the first bytes over a direct connection; all of them: waits for their confirmation too.
    pub(crate) async fn send_direct(&self, stream: TcpStream, until: u64) {
        let (reader, writer) = stream.into_split();
        let mut writer = BufWriter::with_capacity(64 * 1024, writer);
        let mut at = 0;
        while at < until.min(self.size) {
            let (next, packet) = self.data(2000, at, 1352);
            at = next;
            writer.write_all(&u32::try_from(packet.len()).unwrap().to_le_bytes()).await.expect("written");
            writer.write_all(&packet).await.expect("written");
        }
        writer.flush().await.expect("written");
        if at < self.size {
            return;
        }
        let mut reader = BufReader::new(reader);
        let mut bytes = vec![0; 4 + HEAD];
        within("the confirmation", reader.read_exact(&mut bytes)).await.expect("a confirmation");
        let confirmed = Packet::read(&bytes[4..]);
        assert_eq!((confirmed.flags, confirmed.ack_id, confirmed.ack_size), (ACK, 2000, self.size));
    }
}

/// Takes the data of a session, acknowledging what is to be; says goodbye to nobody.
pub(crate) async fn receive(call: &mut Wire, session: u32) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let packet = next_packet(call).await;
        if packet.flags & ACK != 0 {
            continue;
        }
        if packet.is_data() && packet.session == session {
            data.extend_from_slice(&packet.content);
            if data.len() as u64 == packet.total {
                send(call, &packet.acknowledgement()).await;
                return data;
            }
        } else if packet.offset + packet.content.len() as u64 == packet.total {
            send(call, &packet.acknowledgement()).await;
        }
    }
}
