//! Two peers that find out whether there is a shorter way, and what becomes of their data when it ends.

use super::*;
use crate::msn::p2p::MAX_DIRECT;

const NONCE: Guid = Guid(0xABCD_0000_0000_0000_0000_0000_0000_0001);
const SIZE: usize = 100_000;

fn able(dial: bool, listen: bool) -> Means {
    Means { dial, listen, nonce: NONCE }
}

fn door() -> Door {
    Door { addresses: vec!["203.0.113.7".parse().unwrap()], port: 6891 }
}

/// Alice gives Bob a file; what each can do decides the way.
struct Meeting {
    alice: Peer,
    bob: Peer,
    source: Vec<u8>,
    now: Instant,
    seen: Vec<(char, PeerEvent)>,
    said: Vec<(char, Packet)>,
    got: Vec<u8>,
}

impl Meeting {
    fn new(alice: Means, bob: Means) -> Self {
        let (a, b) = peers();
        let mut meeting = Self {
            alice: a.with_means(alice),
            bob: b.with_means(bob),
            source: (0..SIZE).map(|n| (n % 251) as u8).collect(),
            now: Instant::now(),
            seen: Vec::new(),
            said: Vec::new(),
            got: Vec::new(),
        };
        let file = FileContext { name: "a.bin".into(), size: SIZE as u64, preview: None };
        meeting.alice.offer(meeting.now, &file, names(1));
        meeting
    }

    /// One round: what each has to say reaches the other, and a switchboard confirms it. False when there was nothing.
    fn round(&mut self, fragments: usize) -> bool {
        let before = self.said.len() + self.seen.len();
        for side in ['a', 'b'] {
            let direct = if side == 'a' { self.alice.is_direct() } else { self.bob.is_direct() };
            let peer = if side == 'a' { &mut self.alice } else { &mut self.bob };
            let (packets, events) = drain(self.now, peer, &self.source, fragments);
            for event in &events {
                match event {
                    PeerEvent::ListenWanted => peer.listening(self.now, Some(&door())),
                    PeerEvent::Data { bytes, .. } => self.got.extend_from_slice(bytes),
                    _ => accept(peer, self.now, event),
                }
            }
            if events.iter().any(|event| matches!(event, PeerEvent::DialWanted { .. })) {
                self.alice.direct_up(self.now);
                self.bob.direct_up(self.now);
            }
            self.seen.extend(events.into_iter().map(|event| (side, event)));
            for packet in packets {
                let to = if side == 'a' { &mut self.bob } else { &mut self.alice };
                to.handle(self.now, &packet);
                if !direct && packet.purpose() == Purpose::Data {
                    let peer = if side == 'a' { &mut self.alice } else { &mut self.bob };
                    let id = peer.sessions.transfers.iter().find(|t| t.session == packet.session).unwrap().id;
                    peer.delivered(self.now, id);
                }
                self.said.push((side, packet));
            }
        }
        self.said.len() + self.seen.len() > before
    }

    /// Time passes in which nothing is said: what is due is done.
    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.alice.handle_timeout(self.now);
        self.bob.handle_timeout(self.now);
    }

    fn until_quiet(&mut self) {
        for _ in 0..1000 {
            if !self.round(1) {
                self.wait(Duration::from_secs(1));
                if !self.round(1) {
                    return;
                }
            }
        }
        panic!("they never end");
    }

    fn until_half(&mut self) {
        for _ in 0..1000 {
            if self.got.len() >= SIZE / 2 {
                return;
            }
            if !self.round(1) {
                self.wait(Duration::from_secs(1));
            }
        }
        panic!("half of it never came");
    }

    fn longest(&self) -> usize {
        self.said.iter().map(|(_, packet)| packet.content.len()).max().unwrap_or(0)
    }

    fn has(&self, side: char, wanted: fn(&PeerEvent) -> bool) -> bool {
        self.seen.iter().any(|(who, event)| *who == side && wanted(event))
    }

    fn arrived(&self) {
        assert!(self.got == self.source, "{} of {SIZE} bytes", self.got.len());
        let last = self.seen.last();
        assert!(self.has('a', |event| matches!(event, PeerEvent::Finished(_))), "{last:?}");
        assert!(self.has('b', |event| matches!(event, PeerEvent::Arrived(_))), "{last:?}");
    }
}

#[test]
fn conf_098_whoever_can_listen_is_connected_to_and_data_go_there() {
    for (alice, bob, dials) in [
        (able(true, false), able(false, true), 'a'),
        (able(true, true), able(true, true), 'a'),
        // He cannot be reached, and she can: she says so, and he comes.
        (able(false, true), able(true, false), 'b'),
    ] {
        let mut meeting = Meeting::new(alice, bob);
        meeting.until_quiet();
        meeting.arrived();
        assert_eq!(meeting.longest(), MAX_DIRECT);
        let dialled = meeting.seen.iter().find_map(|(side, event)| match event {
            PeerEvent::DialWanted { addresses, nonce } => Some((*side, addresses.clone(), *nonce)),
            _ => None,
        });
        let there = vec!["203.0.113.7:6891".parse().unwrap()];
        assert_eq!(dialled, Some((dials, there, Nonce::Plain(NONCE))));
    }
}

#[test]
fn without_a_shorter_way_data_go_over_the_switchboard() {
    for (alice, bob) in [
        (able(true, false), able(true, false)),
        (able(false, true), able(false, false)),
        (able(false, false), able(true, true)),
    ] {
        let mut meeting = Meeting::new(alice, bob);
        // She may wait for somebody who never comes: nothing waits for that.
        meeting.until_quiet();
        meeting.arrived();
        assert_eq!(meeting.longest(), MAX_CONTENT);
    }
}

/// msn-pecan never answers the question.
#[test]
fn fault_20_data_do_not_wait_for_an_answer_about_the_way() {
    for listen in [true, false] {
        let (alice, mut bob) = peers();
        let mut alice = alice.with_means(able(true, listen));
        let source = vec![7; SIZE];
        let file = FileContext { name: "a.bin".into(), size: SIZE as u64, preview: None };
        let now = Instant::now();
        let id = alice.offer(now, &file, names(1));
        let (mut got, mut asked) = (0, 0);
        for _ in 0..200 {
            let (packets, _) = drain(now, &mut alice, &source, 1);
            for packet in packets {
                if String::from_utf8_lossy(&packet.content).contains("-transreqbody") {
                    asked += 1;
                    continue;
                }
                bob.handle(now, &packet);
            }
            let (_, events) = drain(now, &mut bob, &[], 0);
            for event in events {
                accept(&mut bob, now, &event);
                got += match event {
                    PeerEvent::Data { bytes, .. } => bytes.len(),
                    _ => 0,
                };
            }
            let (packets, _) = drain(now, &mut bob, &[], 0);
            packets.iter().for_each(|packet| alice.handle(now, packet));
        }
        assert_eq!((got, asked), (SIZE, 1), "without a moment's wait");
        let events: Vec<PeerEvent> = std::iter::from_fn(|| alice.poll_event()).collect();
        assert!(!events.iter().any(|event| matches!(event, PeerEvent::Failed { .. })), "{events:?} {id:?}");
    }
}

#[test]
fn when_the_short_way_ends_the_rest_goes_the_long_one() {
    let mut meeting = Meeting::new(able(true, false), able(false, true));
    meeting.until_half();
    // What she has sent last does not arrive.
    let (lost, _) = drain(meeting.now, &mut meeting.alice, &meeting.source.clone(), 3);
    assert!(lost.len() >= 3);
    meeting.alice.direct_down(meeting.now);
    meeting.bob.direct_down(meeting.now);
    meeting.until_quiet();
    meeting.arrived();
    let again = meeting.said.iter().filter(|(side, packet)| *side == 'b' && packet.purpose() == Purpose::Nak);
    assert_eq!(again.count(), 1);
}

#[test]
fn when_nobody_goes_on_both_sides_hear_of_it() {
    let mut meeting = Meeting::new(able(true, false), able(false, true));
    meeting.until_half();
    for peer in [&mut meeting.alice, &mut meeting.bob] {
        peer.direct_down(meeting.now);
        peer.handle_timeout(meeting.now + Duration::from_secs(20));
        let events: Vec<PeerEvent> = std::iter::from_fn(|| peer.poll_event()).collect();
        let lost =
            |event: &PeerEvent| matches!(event, PeerEvent::Failed { failure: TransferFailure::Lost, .. });
        assert!(events.iter().any(lost), "{events:?}");
    }
}

/// A wish of a newer client, by hand.
fn wish(kind: &str, body: &str) -> Packet {
    let text = format!(
        "INVITE MSNMSGR:bob@example.com MSNSLP/1.0\r\nTo: <msnmsgr:bob@example.com>\r\nFrom: <msnmsgr:alice@example.com>\r\n\
         Via: MSNSLP/1.0/TLP ;branch={{14C34859-5987-2B67-BB27-D6DA11CE3370}}\r\nCSeq: 0 \r\n\
         Call-ID: {{19C77CDB-04EE-5CA9-14E3-0DB6E55E2411}}\r\nMax-Forwards: 0\r\n\
         Content-Type: application/x-msnmsgr-{kind}\r\nContent-Length: 0\r\n\r\n{body}\r\n\0"
    );
    Packet {
        session: 0,
        identifier: 4000 + u32::try_from(text.len()).unwrap(),
        offset: 0,
        total: text.len() as u64,
        flags: Flags::NONE,
        ack_id: 1,
        ack_uid: 0,
        ack_size: 0,
        content: text.into(),
        application: 0,
    }
}

#[test]
fn a_nonce_that_is_kept_secret_is_answered_with_one() {
    let theirs = Guid(99);
    let now = Instant::now();
    let asks =
        wish("transreqbody", &format!("Bridges: TRUDPv1 TCPv1\r\nHashed-Nonce: {}\r\n", theirs.hashed()));
    let mut bob = peers().1.with_means(able(true, true));
    bob.handle(now, &asks);
    assert_eq!(bob.poll_event(), Some(PeerEvent::ListenWanted));
    assert_eq!(bob.door_nonce(), Nonce::Hashed { own: NONCE, theirs: theirs.hashed() });
    bob.listening(now, Some(&door()));
    let said = |bob: &mut Peer| {
        let texts = std::iter::from_fn(|| bob.poll_packet());
        texts.map(|packet| String::from_utf8_lossy(&packet.content).into_owned()).collect::<String>()
    };
    let answer = said(&mut bob);
    assert!(answer.contains(&format!("\r\nHashed-Nonce: {}\r\n", NONCE.hashed())), "{answer}");
    assert!(!answer.contains(&NONCE.to_string()), "{answer}");
    // He cannot listen, and she can.
    let mut bob = peers().1.with_means(able(true, false));
    bob.handle(now, &asks);
    assert!(said(&mut bob).contains("Listening: false"));
    let listens = format!(
        "Bridge: TCPv1\r\nListening: true\r\nHashed-Nonce: {}\r\nIPv4External-Addrs: 198.51.100.1\r\nIPv4External-Port: 17\r\n\
         IPv4Internal-Addrs: 192.168.0.2 0.0.0.0\r\nIPv4Internal-Port: 3150\r\n",
        theirs.hashed()
    );
    bob.handle(now, &wish("transrespbody", &listens));
    let addresses = vec!["192.168.0.2:3150".parse().unwrap(), "198.51.100.1:17".parse().unwrap()];
    let nonce = Nonce::Hashed { own: NONCE, theirs: theirs.hashed() };
    assert_eq!(bob.poll_event(), Some(PeerEvent::DialWanted { addresses, nonce }));
}
