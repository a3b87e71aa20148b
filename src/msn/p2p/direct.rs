//! A direct connection between two clients: frames with a length before them, and the handshake in which both show the
//! nonce that was agreed on (§9.11).
//!
//! Knows the stream. Refuses to know who opened it to which address, and what the packets mean: that is the peer's. What
//! goes wrong is an event: the connection is of no use after it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};

use super::{Guid, HEADER, Packet, Purpose, peer_number};
use crate::msn::session::{Machine, SessionError};

/// Most content of a packet that is sent: official clients send as much.
pub const MAX_DIRECT: usize = 1352;
/// Bytes of the longest frame that is taken.
const MAX_FRAME: usize = 8 * 1024 + HEADER;
/// How long the handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// A connection on which nothing moves is closed.
const IDLE: Duration = Duration::from_secs(60);
const GREETING: &[u8] = b"\x04\0\0\0foo\0";
/// Bytes of the greeting, and of what some send to keep the connection.
const SMALL: usize = 4;

/// What both have to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonce {
    /// The same on both sides.
    Plain(Guid),
    /// Each shows its own; of theirs the digest was announced.
    Hashed { own: Guid, theirs: Guid },
}

impl Nonce {
    fn shown(self) -> Guid {
        match self {
            Self::Plain(nonce) | Self::Hashed { own: nonce, .. } => nonce,
        }
    }

    fn fits(self, nonce: Guid) -> bool {
        match self {
            Self::Plain(known) => nonce == known && nonce != Guid::default(),
            Self::Hashed { theirs, .. } => nonce.hashed() == theirs,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectFailure {
    /// Another nonce than was agreed on: somebody else is there.
    Stranger,
    Malformed,
    TimedOut,
}

#[derive(Debug, Clone, PartialEq)]
pub enum DirectEvent {
    /// Both have shown who they are.
    Ready,
    Packet(Packet),
    Failed(DirectFailure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Of the side that was connected to: its answer, under this identifier, is due.
    Expecting {
        answer: Option<u32>,
    },
    Open,
    Over,
}

/// One direct connection.
#[derive(Debug)]
pub struct DirectSession {
    nonce: Nonce,
    stage: Stage,
    input: BytesMut,
    output: VecDeque<Vec<u8>>,
    events: VecDeque<DirectEvent>,
    deadline: Instant,
}

impl DirectSession {
    /// The side that opened the connection: it speaks first. `identifier` is the handshake's.
    pub fn connected(now: Instant, nonce: Nonce, identifier: u32) -> Self {
        let mut session = Self::accepted(now, nonce, identifier);
        session.stage = Stage::Expecting { answer: None };
        session.output.push_back(GREETING.to_vec());
        session.put(&Packet::handshake(peer_number(identifier), &nonce.shown()));
        session
    }

    /// The side that listened.
    pub fn accepted(now: Instant, nonce: Nonce, identifier: u32) -> Self {
        Self {
            nonce,
            stage: Stage::Expecting { answer: Some(peer_number(identifier)) },
            input: BytesMut::new(),
            output: VecDeque::new(),
            events: VecDeque::new(),
            deadline: now + HANDSHAKE,
        }
    }

    /// Sends a packet. Ignored before the connection is ready.
    pub fn send(&mut self, now: Instant, packet: &Packet) {
        if self.stage == Stage::Open {
            self.deadline = now + IDLE;
            self.put(packet);
        }
    }

    fn put(&mut self, packet: &Packet) {
        let bytes = packet.encode_direct();
        let mut frame = Vec::with_capacity(4 + bytes.len());
        frame.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        frame.extend_from_slice(&bytes);
        self.output.push_back(frame);
    }

    fn fail(&mut self, failure: DirectFailure) {
        self.stage = Stage::Over;
        self.events.push_back(DirectEvent::Failed(failure));
    }

    /// The next whole frame that carries a packet.
    fn next_frame(&mut self) -> Result<Option<BytesMut>, DirectFailure> {
        loop {
            let Some(head) = self.input.first_chunk::<4>() else { return Ok(None) };
            let length = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
            if length > MAX_FRAME {
                return Err(DirectFailure::Malformed);
            }
            if self.input.len() < 4 + length {
                return Ok(None);
            }
            self.input.advance(4);
            let frame = self.input.split_to(length);
            // The greeting, and what keeps a connection open, say nothing.
            if length > SMALL {
                return Ok(Some(frame));
            }
        }
    }

    fn frame(&mut self, now: Instant, frame: BytesMut) {
        let Ok(packet) = Packet::decode_direct(&frame.freeze()) else {
            return self.fail(DirectFailure::Malformed);
        };
        match (self.stage, packet.purpose()) {
            (Stage::Expecting { answer }, Purpose::Handshake) if self.nonce.fits(packet.nonce()) => {
                if let Some(identifier) = answer {
                    self.put(&Packet::handshake(identifier, &self.nonce.shown()));
                }
                self.stage = Stage::Open;
                self.deadline = now + IDLE;
                self.events.push_back(DirectEvent::Ready);
            }
            (Stage::Expecting { .. }, _) => self.fail(DirectFailure::Stranger),
            (Stage::Open, Purpose::Handshake) | (Stage::Over, _) => {}
            (Stage::Open, _) => {
                self.deadline = now + IDLE;
                self.events.push_back(DirectEvent::Packet(packet));
            }
        }
    }
}

impl Machine for DirectSession {
    type Event = DirectEvent;

    fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> Result<(), SessionError> {
        self.input.extend_from_slice(bytes);
        while self.stage != Stage::Over {
            match self.next_frame() {
                Ok(Some(frame)) => self.frame(now, frame),
                Ok(None) => return Ok(()),
                Err(failure) => self.fail(failure),
            }
        }
        self.input.clear();
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        if self.stage != Stage::Over && self.deadline <= now {
            self.fail(DirectFailure::TimedOut);
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.output.pop_front()
    }

    fn poll_event(&mut self) -> Option<DirectEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (self.stage != Stage::Over).then_some(self.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    const GUID: Guid = Guid(0x70531C96_FA19_4BA8_9E58_DC14531B7BB5);

    fn said(session: &mut DirectSession) -> Vec<u8> {
        std::iter::from_fn(|| session.poll_output()).flatten().collect()
    }

    fn heard(session: &mut DirectSession, bytes: &[u8]) -> Vec<DirectEvent> {
        session.handle_input(Instant::now(), bytes).unwrap();
        std::iter::from_fn(|| session.poll_event()).collect()
    }

    fn data(content: &[u8]) -> Packet {
        Packet {
            session: 7,
            identifier: 3,
            offset: 0,
            total: content.len() as u64,
            flags: super::super::Flags::FILE,
            ack_id: 1,
            ack_uid: 0,
            ack_size: 0,
            content: Bytes::copy_from_slice(content),
            application: 0,
        }
    }

    #[test]
    fn conf_098_both_show_the_nonce_and_data_have_no_footer() {
        let now = Instant::now();
        let mut connected = DirectSession::connected(now, Nonce::Plain(GUID), 5);
        let mut accepted = DirectSession::accepted(now, Nonce::Plain(GUID), 9);
        assert!(said(&mut accepted).is_empty(), "whoever connected speaks first");
        let first = said(&mut connected);
        assert_eq!(&first[..8], b"\x04\0\0\0foo\0");
        assert_eq!(&first[8..12], &[48, 0, 0, 0]);
        let nonce =
            [0x96, 0x1c, 0x53, 0x70, 0x19, 0xfa, 0xa8, 0x4b, 0x9e, 0x58, 0xdc, 0x14, 0x53, 0x1b, 0x7b, 0xb5];
        assert_eq!(first[first.len() - 16..], nonce);
        assert_eq!(heard(&mut accepted, &first), [DirectEvent::Ready]);
        let answer = said(&mut accepted);
        assert_eq!((answer.len(), &answer[answer.len() - 16..]), (52, &nonce[..]));
        assert_eq!(heard(&mut connected, &answer), [DirectEvent::Ready]);
        connected.send(now, &data(b"hello"));
        let wire = said(&mut connected);
        assert_eq!(wire.len(), 4 + HEADER + 5);
        // What says nothing is passed over, cut anywhere.
        let wire = [&[0, 0, 0, 0][..], &[4, 0, 0, 0, 0, 0, 0, 0], &wire].concat();
        let events: Vec<_> = wire.chunks(7).flat_map(|piece| heard(&mut accepted, piece)).collect();
        assert_eq!(events, [DirectEvent::Packet(data(b"hello"))]);
    }

    #[test]
    fn conf_098_a_wrong_nonce_is_refused_on_either_side() {
        let now = Instant::now();
        let wrong = Nonce::Plain(Guid(GUID.0 + 1));
        let mut connected = DirectSession::connected(now, wrong, 5);
        let mut accepted = DirectSession::accepted(now, Nonce::Plain(GUID), 9);
        let stranger = [DirectEvent::Failed(DirectFailure::Stranger)];
        assert_eq!(heard(&mut accepted, &said(&mut connected)), stranger);
        assert!(said(&mut accepted).is_empty(), "the nonce is not given away");
        let mut other = DirectSession::accepted(now, wrong, 9);
        assert_eq!(
            heard(&mut other, &said(&mut DirectSession::connected(now, wrong, 5)))[..],
            [DirectEvent::Ready]
        );
        let mut connected = DirectSession::connected(now, Nonce::Plain(GUID), 5);
        assert_eq!(heard(&mut connected, &said(&mut other)), stranger);
        // No nonce is none, and data before it are nobody's.
        let mut none = DirectSession::accepted(now, Nonce::Plain(Guid::default()), 9);
        assert_eq!(
            heard(&mut none, &said(&mut DirectSession::connected(now, Nonce::Plain(Guid::default()), 5))),
            stranger
        );
        let mut early = DirectSession::accepted(now, Nonce::Plain(GUID), 9);
        let bytes = data(b"hello").encode_direct();
        let frame = [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], &bytes].concat();
        assert_eq!(heard(&mut early, &frame), stranger);
    }

    #[test]
    fn hashed_nonces_are_each_side_s_own() {
        let (now, other) = (Instant::now(), Guid(77));
        let ours = Nonce::Hashed { own: GUID, theirs: other.hashed() };
        let theirs = Nonce::Hashed { own: other, theirs: GUID.hashed() };
        let (mut connected, mut accepted) =
            (DirectSession::connected(now, ours, 5), DirectSession::accepted(now, theirs, 9));
        assert_eq!(heard(&mut accepted, &said(&mut connected)), [DirectEvent::Ready]);
        assert_eq!(heard(&mut connected, &said(&mut accepted)), [DirectEvent::Ready]);
        let mut echo = DirectSession::accepted(now, Nonce::Hashed { own: GUID, theirs: other.hashed() }, 9);
        let failed = heard(&mut echo, &said(&mut DirectSession::connected(now, ours, 5)));
        assert_eq!(failed, [DirectEvent::Failed(DirectFailure::Stranger)]);
    }

    #[test]
    fn a_long_frame_and_a_long_silence_end_it() {
        let now = Instant::now();
        let mut session = DirectSession::accepted(now, Nonce::Plain(GUID), 9);
        let failed = heard(&mut session, &u32::MAX.to_le_bytes());
        assert_eq!(failed, [DirectEvent::Failed(DirectFailure::Malformed)]);
        let mut session = DirectSession::accepted(now, Nonce::Plain(GUID), 9);
        session.handle_timeout(now + HANDSHAKE).unwrap();
        assert_eq!(session.poll_event(), Some(DirectEvent::Failed(DirectFailure::TimedOut)));
        assert_eq!(session.poll_timeout(), None);
    }

    #[test]
    fn fault_07_a_direct_connection_whose_other_side_falls_silent_is_given_up_in_every_state() {
        let now = Instant::now();
        let pair = || {
            let connected = DirectSession::connected(now, Nonce::Plain(GUID), 5);
            (connected, DirectSession::accepted(now, Nonce::Plain(GUID), 9))
        };
        let ready = || {
            let (mut connected, mut accepted) = pair();
            heard(&mut accepted, &said(&mut connected));
            heard(&mut connected, &said(&mut accepted));
            (connected, accepted)
        };
        let (greeted, unanswered) = pair();
        let (mut speaking, mut hearing) = ready();
        speaking.send(now, &data(b"hello"));
        let half = said(&mut speaking);
        hearing.handle_input(now, &half[..half.len() / 2]).unwrap();
        let (quiet, deaf) = ready();
        for mut session in [greeted, unanswered, speaking, hearing, quiet, deaf] {
            let at = session.poll_timeout().expect("a state without a deadline");
            assert!(at <= now + IDLE + Duration::from_secs(1), "{:?}", at - now);
            session.handle_timeout(at).unwrap();
            let event = std::iter::from_fn(|| session.poll_event()).last();
            assert_eq!(event, Some(DirectEvent::Failed(DirectFailure::TimedOut)));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 1usize..50) {
            let mut session = DirectSession::accepted(Instant::now(), Nonce::Plain(GUID), 9);
            for piece in bytes.chunks(cut) {
                heard(&mut session, piece);
            }
            prop_assert!(session.input.len() <= MAX_FRAME + 4 + cut);
        }
    }

    #[test]
    fn fault_07_somebody_who_falls_silent_is_given_up_in_every_stage() {
        let now = Instant::now();
        let nonce = Nonce::Plain(GUID);
        let open = || {
            let (mut near, mut far) =
                (DirectSession::connected(now, nonce, 1), DirectSession::accepted(now, nonce, 2));
            far.handle_input(now, &said(&mut near)).unwrap();
            near.handle_input(now, &said(&mut far)).unwrap();
            (near, far)
        };
        let over = || {
            let (mut near, _) = open();
            near.fail(DirectFailure::Malformed);
            near
        };
        let (near, far) = open();
        for mut session in [
            DirectSession::connected(now, nonce, 1),
            DirectSession::accepted(now, nonce, 2),
            near,
            far,
            over(),
        ] {
            while session.poll_event().is_some() {}
            // A new stage has no place in this: it is to be walked, too.
            let bound = match session.stage {
                Stage::Expecting { answer: None | Some(_) } => Some(HANDSHAKE),
                Stage::Open => Some(IDLE),
                Stage::Over => None,
            };
            assert_eq!(session.poll_timeout().map(|at| at - now), bound);
            let Some(bound) = bound else { continue };
            session.handle_timeout(now + bound - Duration::from_millis(1)).unwrap();
            assert_eq!(session.poll_event(), None);
            session.handle_timeout(now + bound).unwrap();
            assert_eq!(session.poll_event(), Some(DirectEvent::Failed(DirectFailure::TimedOut)));
            assert_eq!(session.poll_timeout(), None);
        }
    }
}
