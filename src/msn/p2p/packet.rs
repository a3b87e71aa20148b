//! The binary layer: 48 bytes of header, little endian, what it carries, and on a switchboard 4 bytes of footer, big
//! endian (§9.2, §9.3).
//!
//! Knows the fields and what a packet is by them. Refuses to know which message it belongs to.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::Guid;

/// Bytes of the header.
pub const HEADER: usize = 48;
/// Bytes of the footer.
pub const FOOTER: usize = 4;
/// Most content of one packet on a switchboard.
pub const MAX_CONTENT: usize = 1202;

/// Why bytes are no packet. The transfer that they belong to is not known then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketError {
    #[error("a peer-to-peer packet of {0} bytes has no room for its header")]
    Short(usize),
    #[error("a peer-to-peer packet announces {length} bytes and holds {holds}")]
    Length { length: u32, holds: usize },
    #[error("a fragment from {offset} of {length} bytes lies outside its message of {total}")]
    Outside { offset: u64, length: usize, total: u64 },
}

/// The bits of the flags that say what a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// Signalling, and the preparation of data.
    pub const NONE: Self = Self(0);
    /// Out of order: the receiver asks for everything from an offset on.
    pub const NAK: Self = Self(0x01);
    /// The message with the acknowledged identifier came whole (§9.6).
    pub const ACK: Self = Self(0x02);
    /// The session is aborted.
    pub const ERROR: Self = Self(0x08);
    /// A picture's or a clip's bytes.
    pub const OBJECT: Self = Self(0x20);
    /// The receiver wants no more of it, in the middle of the data.
    pub const CLOSE: Self = Self(0x40);
    /// A nonce stands in the last 16 bytes of the header (§9.11).
    pub const HANDSHAKE: Self = Self(0x100);
    /// A file's bytes, as clients from MSN Messenger 7 on mark them.
    pub const FILE: Self = Self(0x0100_0030);

    fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }
}

/// What a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Ack,
    /// Send again, from `ack_size`.
    Nak,
    /// The first packet of a direct connection.
    Handshake,
    /// The session of this packet is over.
    Abort,
    /// Text of the signalling protocol.
    Signalling,
    /// Data of a session, or the four zero bytes before them.
    Data,
}

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// 0 for signalling.
    pub session: u32,
    /// The same for all fragments of one message.
    pub identifier: u32,
    pub offset: u64,
    /// Bytes of the whole message.
    pub total: u64,
    pub flags: Flags,
    /// Of an acknowledgement: the identifier it is for. Else a number of this message's own.
    pub ack_id: u32,
    /// Of an acknowledgement: the `ack_id` of what it is for.
    pub ack_uid: u32,
    /// Of an acknowledgement: the bytes of what it is for.
    pub ack_size: u64,
    pub content: Bytes,
    /// The footer: what the session is about. 0 on a direct connection, which has none.
    pub application: u32,
}

impl Packet {
    /// Reads what a switchboard message carries. Bytes behind the footer are ignored; a packet without one is taken.
    ///
    /// # Errors
    /// It is shorter than a header, or than it says, or lies outside its own message.
    pub fn decode(bytes: &Bytes) -> Result<Self, PacketError> {
        let (mut packet, rest) = Self::read(bytes, FOOTER)?;
        if let Some(mut footer) = rest.get(..FOOTER) {
            packet.application = footer.get_u32();
        }
        Ok(packet)
    }

    /// Reads a frame of a direct connection.
    ///
    /// # Errors
    /// The same as of [`Packet::decode`].
    pub fn decode_direct(bytes: &Bytes) -> Result<Self, PacketError> {
        Self::read(bytes, 0).map(|(packet, _)| packet)
    }

    /// `footer` bytes at the end are no content.
    fn read(bytes: &Bytes, footer: usize) -> Result<(Self, Bytes), PacketError> {
        if bytes.len() < HEADER {
            return Err(PacketError::Short(bytes.len()));
        }
        let mut head = bytes.slice(..HEADER);
        let body = bytes.slice(HEADER..);
        let (session, identifier) = (head.get_u32_le(), head.get_u32_le());
        let (offset, total) = (head.get_u64_le(), head.get_u64_le());
        let (length, flags) = (head.get_u32_le(), Flags(head.get_u32_le()));
        let (ack_id, ack_uid, ack_size) = (head.get_u32_le(), head.get_u32_le(), head.get_u64_le());
        let carries = !matches!(purpose(session, flags), Purpose::Ack | Purpose::Nak | Purpose::Handshake);
        let holds = usize::try_from(length).unwrap_or(usize::MAX);
        if holds > body.len() {
            return Err(PacketError::Length { length, holds: body.len() });
        }
        // Some leave the length out where there is content (§9.2).
        let left = total.saturating_sub(offset);
        let length = match (holds, carries) {
            (0, true) => body.len().saturating_sub(footer).min(usize::try_from(left).unwrap_or(usize::MAX)),
            _ => holds,
        };
        if carries && length > 0 && length as u64 > left {
            return Err(PacketError::Outside { offset, length, total });
        }
        let content = body.slice(..length);
        let rest = body.slice(length..);
        let packet = Self {
            session,
            identifier,
            offset,
            total,
            flags,
            ack_id,
            ack_uid,
            ack_size,
            content,
            application: 0,
        };
        Ok((packet, rest))
    }

    /// The packet with its footer, as a switchboard carries it.
    pub fn encode(&self) -> Bytes {
        let mut out = self.head();
        out.put_u32(self.application);
        out.freeze()
    }

    /// The packet as a direct connection carries it, without the length before it.
    pub fn encode_direct(&self) -> Bytes {
        self.head().freeze()
    }

    fn head(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(HEADER + self.content.len() + FOOTER);
        out.put_u32_le(self.session);
        out.put_u32_le(self.identifier);
        out.put_u64_le(self.offset);
        out.put_u64_le(self.total);
        out.put_u32_le(u32::try_from(self.content.len()).unwrap_or(u32::MAX));
        out.put_u32_le(self.flags.0);
        out.put_u32_le(self.ack_id);
        out.put_u32_le(self.ack_uid);
        out.put_u64_le(self.ack_size);
        out.extend_from_slice(&self.content);
        out
    }

    /// What the packet is for, by session and flags alone (§9.3).
    pub fn purpose(&self) -> Purpose {
        purpose(self.session, self.flags)
    }

    /// Whether the message is complete with this fragment.
    pub fn is_last(&self) -> bool {
        self.offset.saturating_add(self.content.len() as u64) >= self.total
    }

    /// What acknowledges this message, under an identifier of the one who got it (§9.6).
    pub fn acknowledgement(&self, identifier: u32) -> Self {
        Self {
            session: self.session,
            identifier,
            offset: 0,
            total: self.total,
            flags: Flags::ACK,
            ack_id: self.identifier,
            ack_uid: self.ack_id,
            ack_size: self.total,
            content: Bytes::new(),
            application: self.application,
        }
    }

    /// The handshake of a direct connection: the nonce stands in the last 16 bytes of the header (§9.11).
    pub fn handshake(identifier: u32, nonce: &Guid) -> Self {
        let mut wire = Bytes::copy_from_slice(&nonce.to_wire());
        let (ack_id, ack_uid, ack_size) = (wire.get_u32_le(), wire.get_u32_le(), wire.get_u64_le());
        let content = Bytes::new();
        let flags = Flags::HANDSHAKE;
        let (session, offset, total, application) = (0, 0, 0, 0);
        Self { session, identifier, offset, total, flags, ack_id, ack_uid, ack_size, content, application }
    }

    /// The nonce of a handshake.
    pub fn nonce(&self) -> Guid {
        let mut wire = BytesMut::with_capacity(16);
        wire.put_u32_le(self.ack_id);
        wire.put_u32_le(self.ack_uid);
        wire.put_u64_le(self.ack_size);
        Guid::from_wire(wire.as_ref().try_into().unwrap_or_default())
    }
}

fn purpose(session: u32, flags: Flags) -> Purpose {
    match flags {
        flags if flags.has(0x02) => Purpose::Ack,
        flags if flags.has(0x01) => Purpose::Nak,
        flags if flags.has(0x100) => Purpose::Handshake,
        flags if flags.has(0xC8) => Purpose::Abort,
        _ if session == 0 => Purpose::Signalling,
        _ => Purpose::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_hex(text: &str) -> Bytes {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect::<Vec<u8>>().into()
    }

    /// Header, content of the announced length, and an empty footer.
    fn whole(head: &str) -> Bytes {
        let mut bytes = BytesMut::from(&from_hex(head)[..]);
        let length = u32::from_le_bytes(bytes[24..28].try_into().unwrap());
        bytes.resize(HEADER + length as usize + FOOTER, 0);
        bytes.freeze()
    }

    #[test]
    fn conf_087_the_header_is_little_endian_and_the_footer_big_endian() {
        let vectors = [
            "00000000 78563412 0000000000000000 6400000000000000 64000000 00000000 f0debc9a 00000000 0000000000000000",
            "00000000 4774c40a 0000000000000000 fa04000000000000 b2040000 00000000 776ec50a 00000000 0000000000000000",
            "00000000 4774c40a b204000000000000 fa04000000000000 48000000 00000000 776ec50a 00000000 0000000000000000",
            "00000000 5774c40a 0000000000000000 fa04000000000000 00000000 02000000 4774c40a 776ec50a fa04000000000000",
            "00000000 5874c40a 0000000000000000 4b01000000000000 4b010000 00000000 4e0bc70a 00000000 0000000000000000",
            "00000000 4874c40a 0000000000000000 4b01000000000000 00000000 02000000 5874c40a 4e0bc70a 4b01000000000000",
        ];
        for vector in vectors {
            let bytes = whole(vector);
            assert_eq!(Packet::decode(&bytes).unwrap().encode(), bytes, "{vector}");
        }
        let first = Packet::decode(&whole(vectors[1])).unwrap();
        assert_eq!((first.identifier, first.total, first.content.len()), (0x0ac4_7447, 1274, 1202));
        assert_eq!(first.ack_id, 0x0ac5_6e77);
        assert!(!first.is_last());
        let last = Packet::decode(&whole(vectors[2])).unwrap();
        assert_eq!((last.offset, last.content.len(), last.is_last()), (1202, 72, true));
        let application = Packet { application: 1, ..last };
        assert!(application.encode().ends_with(&[0, 0, 0, 1]));
        // The rule broken: cut short, longer than it is, outside its message.
        assert_eq!(Packet::decode(&whole(vectors[0]).slice(..47)), Err(PacketError::Short(47)));
        let cut = whole(vectors[0]).slice(..HEADER + 99);
        assert_eq!(Packet::decode(&cut), Err(PacketError::Length { length: 100, holds: 99 }));
        let mut outside = application;
        outside.offset = 1203;
        assert!(matches!(Packet::decode(&outside.encode()), Err(PacketError::Outside { .. })));
    }

    #[test]
    fn conf_089_an_acknowledgement_points_back() {
        let message = Packet::decode(&whole(
            "00000000 4774c40a b204000000000000 fa04000000000000 48000000 00000000 776ec50a 00000000 0000000000000000",
        ));
        let acknowledged = message.unwrap().acknowledgement(0x0ac4_7457);
        let recorded = whole(
            "00000000 5774c40a 0000000000000000 fa04000000000000 00000000 02000000 4774c40a 776ec50a fa04000000000000",
        );
        assert_eq!(acknowledged.encode(), recorded);
        assert_eq!(acknowledged.purpose(), Purpose::Ack);
        assert_eq!(acknowledged.flags, Flags(2));
    }

    #[test]
    fn a_length_that_is_left_out_is_the_rest() {
        let packet = Packet {
            session: 7,
            identifier: 1,
            offset: 0,
            total: 5,
            flags: Flags::OBJECT,
            ack_id: 2,
            ack_uid: 0,
            ack_size: 0,
            content: Bytes::from_static(b"hello"),
            application: 1,
        };
        let mut bytes = BytesMut::from(&packet.encode()[..]);
        bytes[24..28].fill(0);
        let bytes = bytes.freeze();
        assert_eq!(Packet::decode(&bytes).unwrap(), packet);
        // On a direct connection there is no footer that could be taken for the end of it.
        let direct = bytes.slice(..HEADER + 5);
        assert_eq!(Packet::decode_direct(&direct).unwrap(), Packet { application: 0, ..packet });
    }
}
