//! Two peers, and packets between them; and one against recorded or wrong packets.

mod board;
mod faults;
mod moving;
mod quirks;
mod silence;
mod transport;

use std::time::Duration;

use super::sessions::end::GOODBYE;
use super::sessions::invite::{FILE, OBJECT};
use super::transfer::giving::MAX_RESENT;
use super::transfer::{ACK_TIMEOUT, OFFER_TIMEOUT, Stage};
use super::*;
use crate::msn::p2p::packet::Flags;
use crate::msn::p2p::slp::{Verb, content_type};
use crate::msn::p2p::{MAX_CONTENT, ObjectKind};

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

fn names(number: u128) -> Names {
    Names { call: Guid(number), branch: Guid(number << 64), session: 5000 + u32::try_from(number).unwrap() }
}

fn peers() -> (Peer, Peer) {
    (Peer::new(&email("alice"), &email("bob"), 1000), Peer::new(&email("bob"), &email("alice"), 900_000))
}

/// Takes what is to be said, up to so many fragments of data included; and what happened.
fn drain(now: Instant, peer: &mut Peer, source: &[u8], fragments: usize) -> (Vec<Packet>, Vec<PeerEvent>) {
    let mut packets: Vec<Packet> = std::iter::from_fn(|| peer.poll_packet()).collect();
    for _ in 0..fragments {
        let Some((id, offset, length)) = peer.wants_data() else { break };
        let offset = usize::try_from(offset).unwrap();
        let bytes = Bytes::copy_from_slice(&source[offset..offset + length]);
        packets.extend(peer.provide(now, id, bytes));
    }
    (packets, std::iter::from_fn(|| peer.poll_event()).collect())
}

/// What two peers say to each other until nobody has anything to say; `decide` answers what is asked.
struct Dialogue {
    said: Vec<(char, Packet)>,
    events: Vec<(char, PeerEvent)>,
}

fn talk(
    alice: &mut Peer,
    bob: &mut Peer,
    source: &[u8],
    decide: fn(&mut Peer, Instant, &PeerEvent),
) -> Dialogue {
    let now = Instant::now();
    let mut dialogue = Dialogue { said: Vec::new(), events: Vec::new() };
    loop {
        let before = (dialogue.said.len(), dialogue.events.len());
        for name in ['a', 'b'] {
            let (from, to) = if name == 'a' { (&mut *alice, &mut *bob) } else { (&mut *bob, &mut *alice) };
            let (packets, events) = drain(now, from, source, 1);
            for event in events {
                decide(from, now, &event);
                dialogue.events.push((name, event));
            }
            for packet in packets {
                let on_the_wire = Packet::decode(&packet.encode()).unwrap();
                assert_eq!(on_the_wire, packet);
                to.handle(now, &on_the_wire);
                dialogue.said.push((name, packet));
            }
        }
        assert!(dialogue.said.len() < 10_000, "they never end");
        if (dialogue.said.len(), dialogue.events.len()) == before {
            return dialogue;
        }
    }
}

fn accept(peer: &mut Peer, now: Instant, event: &PeerEvent) {
    match event {
        PeerEvent::FileOffered { transfer, .. } | PeerEvent::ObjectWanted { transfer, .. } => {
            peer.accept(now, *transfer);
        }
        PeerEvent::Arrived(transfer) => peer.confirm(now, *transfer),
        _ => {}
    }
}

fn decline(peer: &mut Peer, now: Instant, event: &PeerEvent) {
    match event {
        PeerEvent::FileOffered { transfer, .. } | PeerEvent::ObjectWanted { transfer, .. } => {
            peer.end(now, *transfer);
        }
        _ => {}
    }
}

impl Dialogue {
    fn data(&self, side: char) -> Vec<u8> {
        let data = self.events.iter().filter_map(|(who, event)| match event {
            PeerEvent::Data { bytes, .. } if *who == side => Some(bytes.to_vec()),
            _ => None,
        });
        data.flatten().collect()
    }

    fn has(&self, side: char, wanted: fn(&PeerEvent) -> bool) -> bool {
        self.events.iter().any(|(who, event)| *who == side && wanted(event))
    }

    /// Who said what kind of thing, signalling by its first word.
    fn outline(&self) -> Vec<String> {
        let kind = |packet: &Packet| match packet.purpose() {
            Purpose::Signalling if packet.offset > 0 => "more".to_owned(),
            Purpose::Signalling => {
                let text = String::from_utf8_lossy(&packet.content).into_owned();
                text.split("\r\n").next().unwrap().split(" MSN").next().unwrap().to_owned()
            }
            Purpose::Data => format!("data {:#x}", packet.flags.0),
            other => format!("{other:?}").to_lowercase(),
        };
        self.said.iter().map(|(who, packet)| format!("{who}: {}", kind(packet))).collect()
    }
}

#[test]
fn conf_088_a_message_of_1207_bytes_is_two_fragments_and_acknowledged_once() {
    let (mut alice, mut bob) = peers();
    let now = Instant::now();
    let source = vec![7; 1207];
    let file = FileContext { name: "a.bin".into(), size: 1207, preview: Some(vec![1; 300].into()) };
    alice.offer(now, &file, names(1));
    let dialogue = talk(&mut alice, &mut bob, &source, accept);
    let data: Vec<&Packet> =
        dialogue.said.iter().map(|(_, p)| p).filter(|p| p.purpose() == Purpose::Data).collect();
    assert_eq!(data.len(), 2);
    assert_eq!((data[0].offset, data[0].content.len()), (0, MAX_CONTENT));
    assert_eq!((data[1].offset, data[1].content.len()), (1202, 5));
    assert!(data.iter().all(|p| p.total == 1207 && p.identifier == data[0].identifier));
    let acknowledged =
        |p: &&(char, Packet)| p.1.purpose() == Purpose::Ack && p.1.ack_id == data[0].identifier;
    let acks: Vec<usize> =
        dialogue.said.iter().enumerate().filter(|(_, p)| acknowledged(p)).map(|(at, _)| at).collect();
    let last = dialogue.said.iter().position(|(_, p)| p == data[1]).unwrap();
    assert!(acks.len() == 1 && acks[0] > last, "once, after the second");
    // The same for signalling: the invitation is longer than one packet.
    let invitation: Vec<&Packet> = dialogue.said.iter().take(2).map(|(_, p)| p).collect();
    assert_eq!(invitation[0].identifier, invitation[1].identifier);
    assert_eq!(invitation[1].offset, 1202);
    assert_eq!(dialogue.data('b'), source);
}

#[test]
fn conf_090_acknowledgements_are_never_acknowledged() {
    let (mut alice, mut bob) = peers();
    let file = FileContext { name: "a".into(), size: 3000, preview: None };
    alice.offer(Instant::now(), &file, names(1));
    let dialogue = talk(&mut alice, &mut bob, &vec![1; 3000], accept);
    let acks: Vec<u32> = dialogue
        .said
        .iter()
        .filter(|(_, p)| p.purpose() == Purpose::Ack)
        .map(|(_, p)| p.identifier)
        .collect();
    assert!(acks.len() >= 4);
    assert!(!dialogue.said.iter().any(|(_, p)| p.purpose() == Purpose::Ack && acks.contains(&p.ack_id)));
    // Each message that wants one gets exactly one.
    let messages =
        |p: &&(char, Packet)| matches!(p.1.purpose(), Purpose::Signalling | Purpose::Data) && p.1.is_last();
    assert_eq!(dialogue.said.iter().filter(messages).count(), acks.len());
    let now = Instant::now();
    let stray = dialogue.said[0].1.acknowledgement(77);
    bob.handle(now, &stray);
    assert_eq!(bob.poll_packet(), None);
}

#[test]
fn conf_092_a_display_picture_is_prepared_sent_and_its_digest_fits() {
    let (mut alice, mut bob) = peers();
    let picture: Vec<u8> = (0..5000_u32).map(|n| (n % 251) as u8).collect();
    let object = MsnObject::new("bob@example.com", ObjectKind::DisplayPicture, "TFR1.tmp", &picture);
    alice.want(Instant::now(), &object, names(2));
    let dialogue = talk(&mut alice, &mut bob, &picture, accept);
    let outline = dialogue.outline();
    let expected = [
        "a: INVITE",
        "b: ack",
        "b: MSNSLP/1.0 200 OK",
        "a: ack",
        "b: data 0x0",
        "a: ack",
        "b: data 0x20",
        "b: data 0x20",
        "b: data 0x20",
        "b: data 0x20",
        "b: data 0x20",
        "a: ack",
        "a: BYE",
        "b: ack",
    ];
    assert_eq!(outline, expected);
    let preparation = dialogue.said.iter().find(|(_, p)| p.purpose() == Purpose::Data).unwrap();
    assert_eq!(preparation.1.content, Bytes::from_static(&[0; 4]));
    assert!(object.describes(&dialogue.data('a')));
    assert!(dialogue.has('a', |e| matches!(e, PeerEvent::Arrived(_))));
    assert!(dialogue.has('b', |e| matches!(e, PeerEvent::Finished(_))));
    // The rule broken: other data of the same length are not what was asked for.
    assert!(!object.describes(&vec![0; 5000]));
}

#[test]
fn conf_095_what_is_not_there_is_declined() {
    let (mut alice, mut bob) = peers();
    let object = MsnObject::new("bob@example.com", ObjectKind::DisplayPicture, "x", b"never announced");
    alice.want(Instant::now(), &object, names(3));
    let dialogue = talk(&mut alice, &mut bob, b"", decline);
    assert!(dialogue.outline().contains(&"b: MSNSLP/1.0 603 Decline".to_owned()));
    let declined = |e: &PeerEvent| matches!(e, PeerEvent::Failed { failure: TransferFailure::Declined, .. });
    assert!(dialogue.has('a', declined));
    assert!(alice.is_idle() && bob.is_idle());
    // A webcam, and an object that is none, are declined without asking anybody.
    for (application, context) in
        [("4BD96FC0-AB17-4425-A14A-439185962DC8", "ewA="), (&OBJECT.to_string(), "AAAA")]
    {
        let asked =
            Asked { application: application.parse().unwrap(), number: 4, context: context.to_owned() };
        alice.invite(Instant::now(), Kind::Object, &asked, 0, names(4));
        let dialogue = talk(&mut alice, &mut bob, b"", accept);
        assert!(dialogue.has('b', |e| matches!(e, PeerEvent::Declined { .. })), "{context}");
        assert!(dialogue.has('a', declined));
    }
}

#[test]
fn conf_096_a_file_goes_with_its_flags_and_the_goodbye_of_the_receiver_ends_it() {
    let (mut alice, mut bob) = peers();
    let file = FileContext { name: "a.txt".into(), size: 10, preview: None };
    let id = alice.offer(Instant::now(), &file, names(1));
    let dialogue = talk(&mut alice, &mut bob, b"0123456789", accept);
    let bob_at = |n: &str| dialogue.outline().iter().position(|line| line.contains(n));
    let data = dialogue.said.iter().find(|(_, p)| p.purpose() == Purpose::Data).unwrap();
    assert_eq!((data.1.flags, data.1.application), (Flags::FILE, 2));
    assert!(!dialogue.outline().contains(&"a: data 0x0".to_owned()), "files are not prepared");
    assert!(bob_at("b: BYE").unwrap() > bob_at("a: data").unwrap());
    assert_eq!(dialogue.outline().last().unwrap(), "a: ack");
    assert!(dialogue.events.contains(&('a', PeerEvent::Finished(id))));
    assert_eq!(dialogue.data('b'), b"0123456789");
    // The rule broken: a goodbye before everything was there is an end, and no file.
    let mut sender = Peer::new(&email("alice"), &email("bob"), 50);
    let mut receiver = Peer::new(&email("bob"), &email("alice"), 60);
    let now = Instant::now();
    let id = sender.offer(now, &FileContext { size: 5000, ..file }, names(9));
    let early = |peer: &mut Peer, now: Instant, event: &PeerEvent| match event {
        PeerEvent::FileOffered { transfer, .. } => peer.accept(now, *transfer),
        PeerEvent::Data { transfer, .. } => peer.end(now, *transfer),
        _ => {}
    };
    let dialogue = talk(&mut sender, &mut receiver, &vec![0; 5000], early);
    let failed = PeerEvent::Failed { transfer: id, failure: TransferFailure::Cancelled };
    assert!(dialogue.events.contains(&('a', failed)));
    assert!(!dialogue.has('a', |e| matches!(e, PeerEvent::Finished(_))));
}

#[test]
fn conf_097_a_wish_for_a_direct_connection_is_answered_and_the_data_come_all_the_same() {
    let (mut alice, mut bob) = peers();
    let now = Instant::now();
    let file = FileContext { name: "a".into(), size: 4, preview: None };
    alice.offer(now, &file, names(1));
    // Alice asks for a direct connection in the same call, once Bob has accepted.
    let wish = Slp {
        verb: Verb::Invite,
        to: "bob@example.com".into(),
        from: "alice@example.com".into(),
        branch: Guid(77).to_string(),
        sequence: 0,
        call: names(1).call.to_string(),
        content_type: content_type::TRANSPORT_REQUEST.into(),
        body: vec![("Bridges".into(), "TRUDPv1 TCPv1".into())],
    };
    alice.outbox.signal(&wish);
    let dialogue = talk(&mut alice, &mut bob, b"data", accept);
    let answer = dialogue.said.iter().find_map(|(who, packet)| {
        let slp = Slp::parse(&packet.content).ok()?;
        (*who == 'b' && slp.content_type == content_type::TRANSPORT_RESPONSE).then_some(slp)
    });
    let answer = answer.expect("an answer");
    assert_eq!((answer.verb.clone(), answer.branch.as_str()), (Verb::Status(200), wish.branch.as_str()));
    assert_eq!(answer.get("Listening"), Some("false"));
    assert_eq!(answer.get("Nonce"), Some("{00000000-0000-0000-0000-000000000000}"));
    assert!(answer.get("IPv4Internal-Addrs").is_some() && answer.get("IPv4Internal-Port").is_some());
    assert_eq!(dialogue.data('b'), b"data");
}

#[test]
fn transfers_take_turns_and_each_is_whole() {
    let (mut alice, mut bob) = peers();
    let now = Instant::now();
    let source = vec![3; 6000];
    for number in 1..=3 {
        alice.offer(now, &FileContext { name: "x".into(), size: 6000, preview: None }, names(number));
    }
    let dialogue = talk(&mut alice, &mut bob, &source, accept);
    assert_eq!(dialogue.data('b').len(), 18_000);
    let sessions: Vec<u32> =
        dialogue.said.iter().filter(|(_, p)| p.purpose() == Purpose::Data).map(|(_, p)| p.session).collect();
    assert_eq!(sessions[..3].iter().collect::<std::collections::HashSet<_>>().len(), 3, "{sessions:?}");
}

#[test]
fn what_is_missing_is_asked_for_once_and_sent_again() {
    let (mut alice, mut bob) = peers();
    let now = Instant::now();
    let source: Vec<u8> = (0..5000_u32).map(|n| (n % 251) as u8).collect();
    alice.offer(now, &FileContext { name: "x".into(), size: 5000, preview: None }, names(1));
    for _ in 0..4 {
        for (from, to) in [(true, false), (false, true)] {
            let (peer, other) = if from { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
            let _ = to;
            while let Some(packet) = peer.poll_packet() {
                other.handle(now, &packet);
            }
        }
        while let Some(event) = bob.poll_event() {
            accept(&mut bob, now, &event);
        }
    }
    let (packets, _) = drain(now, &mut alice, &source, 99);
    // The second is lost.
    packets.iter().enumerate().filter(|(at, _)| *at != 1).for_each(|(_, packet)| bob.handle(now, packet));
    let asked: Vec<Packet> = std::iter::from_fn(|| bob.poll_packet()).collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((asked[0].purpose(), asked[0].ack_size), (Purpose::Nak, 1202));
    alice.handle(now, &asked[0]);
    let (again, _) = drain(now, &mut alice, &source, 99);
    again.iter().for_each(|packet| bob.handle(now, packet));
    let received: Vec<u8> = std::iter::from_fn(|| bob.poll_event())
        .filter_map(|event| match event {
            PeerEvent::Data { bytes, .. } => Some(bytes.to_vec()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(received, source);
}

#[test]
fn a_peer_who_says_nothing_is_given_up() {
    let (mut alice, _) = peers();
    let now = Instant::now();
    let id = alice.offer(now, &FileContext { name: "x".into(), size: 5, preview: None }, names(1));
    let at = alice.poll_timeout().unwrap();
    assert_eq!(at, now + ACK_TIMEOUT);
    alice.handle_timeout(at);
    let failed = PeerEvent::Failed { transfer: id, failure: TransferFailure::TimedOut };
    assert_eq!(alice.poll_event(), Some(failed));
    assert!(alice.poll_timeout().is_some(), "their answer to the goodbye is waited for");
    alice.handle_timeout(at + OFFER_TIMEOUT);
    assert_eq!(alice.poll_timeout(), None);
}

#[test]
fn data_other_than_announced_end_the_transfer() {
    let (mut alice, mut bob) = peers();
    let now = Instant::now();
    alice.offer(now, &FileContext { name: "x".into(), size: 5, preview: None }, names(1));
    while let Some(packet) = alice.poll_packet() {
        bob.handle(now, &packet);
    }
    let offered = bob.poll_event().unwrap();
    accept(&mut bob, now, &offered);
    let longer = Packet {
        session: names(1).session,
        identifier: 9,
        offset: 0,
        total: u64::MAX,
        flags: Flags::FILE,
        ack_id: 1,
        ack_uid: 0,
        ack_size: 0,
        content: Bytes::from_static(b"hello"),
        application: 2,
    };
    bob.handle(now, &longer);
    let malformed = |e: Option<PeerEvent>| {
        matches!(e, Some(PeerEvent::Failed { failure: TransferFailure::Malformed, .. }))
    };
    assert!(malformed(bob.poll_event()));
    bob.handle(now, &longer);
    assert_eq!(bob.poll_event(), None);
}

/// Bob after he has accepted a file of this size from Alice, and the packet of its first bytes.
fn receiving(size: u64) -> (Peer, Packet) {
    let (mut alice, mut bob) = peers();
    let now = Instant::now();
    alice.offer(now, &FileContext { name: "x".into(), size, preview: None }, names(1));
    while let Some(packet) = alice.poll_packet() {
        bob.handle(now, &packet);
    }
    let offered = bob.poll_event().unwrap();
    accept(&mut bob, now, &offered);
    while let Some(packet) = bob.poll_packet() {
        alice.handle(now, &packet);
    }
    let (packets, _) = drain(now, &mut alice, &vec![1; usize::try_from(size).unwrap()], 1);
    let first = packets.into_iter().find(|p| p.purpose() == Purpose::Data).unwrap();
    (bob, first)
}

#[test]
fn packets_about_how_they_are_do_no_harm_to_a_file() {
    let now = Instant::now();
    let (mut bob, first) = receiving(5000);
    bob.handle(now, &first);
    let waiting = Packet { flags: Flags(4), total: 0, content: Bytes::new(), ..first.clone() };
    bob.handle(now, &waiting);
    let other = Slp {
        verb: Verb::Invite,
        to: "bob@example.com".into(),
        from: "alice@example.com".into(),
        branch: Guid(5).to_string(),
        sequence: 0,
        call: names(1).call.to_string(),
        content_type: "application/x-msnmsgr-transudpswitch".into(),
        body: Vec::new(),
    };
    let (mut alice, _) = peers();
    alice.outbox.signal(&other);
    bob.handle(now, &alice.poll_packet().unwrap());
    let events: Vec<PeerEvent> = std::iter::from_fn(|| bob.poll_event()).collect();
    assert!(matches!(&events[..], [PeerEvent::Data { .. }]), "{events:?}");
    // Another message's fragments are not this file's.
    bob.handle(now, &Packet { identifier: first.identifier + 9, offset: 1202, ..first.clone() });
    assert_eq!(bob.poll_event(), None);
    bob.handle(now, &Packet { offset: 1202, ..first });
    assert!(matches!(bob.poll_event(), Some(PeerEvent::Data { .. })));
}

#[test]
fn a_session_that_is_taken_is_declined_and_names_what_was_offered() {
    let (mut bob, _) = receiving(5000);
    let now = Instant::now();
    let (mut alice, _) = peers();
    let second = FileContext { name: "second".into(), size: 5000, preview: None };
    alice.offer(now, &second, Names { session: names(1).session, ..names(2) });
    while let Some(packet) = alice.poll_packet() {
        bob.handle(now, &packet);
    }
    let declined = PeerEvent::Declined { what: Offered::File(Some("second".into())) };
    assert_eq!(bob.poll_event(), Some(declined));
}

#[test]
fn many_files_one_after_the_other_are_all_taken() {
    let (mut alice, mut bob) = peers();
    for number in 1..=100 {
        alice.offer(
            Instant::now(),
            &FileContext { name: "x".into(), size: 10, preview: None },
            names(number),
        );
        let dialogue = talk(&mut alice, &mut bob, b"0123456789", accept);
        assert_eq!(dialogue.data('b'), b"0123456789", "the {number}th");
    }
    // Whoever has heard the goodbye is forgotten.
    assert!(bob.sessions.transfers.is_empty() && alice.sessions.transfers.is_empty());
}

#[test]
fn whoever_wants_it_again_for_ever_is_given_up() {
    let (mut alice, mut bob) = peers();
    let now = Instant::now();
    let id = alice.offer(now, &FileContext { name: "x".into(), size: 10, preview: None }, names(1));
    let mut data = None;
    for _ in 0..6 {
        let (packets, _) = drain(now, &mut alice, b"0123456789", 1);
        for packet in packets {
            data = Some(packet.clone()).filter(|p| p.purpose() == Purpose::Data).or(data);
            if packet.purpose() != Purpose::Data {
                bob.handle(now, &packet);
            }
        }
        while let Some(event) = bob.poll_event() {
            accept(&mut bob, now, &event);
        }
        while let Some(packet) = bob.poll_packet() {
            alice.handle(now, &packet);
        }
    }
    let data = data.unwrap();
    let again = Packet { flags: Flags::NAK, ack_size: 0, ..data.acknowledgement(1) };
    for _ in 0..=MAX_RESENT {
        alice.handle(now, &again);
        drain(now, &mut alice, b"0123456789", 1).1.into_iter().for_each(drop);
    }
    alice.handle(now, &again);
    assert!(alice.wants_data().is_none());
    assert!(!alice.sessions.transfers.iter().any(|t| t.id == id && !t.stage.is_over()));
}
