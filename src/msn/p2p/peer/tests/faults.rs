//! What peers were seen to do that cost a file: each by hand, packet for packet.

use super::*;
use crate::msn::p2p::peer_number;

/// Alice gives Bob a file of this size; Bob is a script that does as a client was seen to do.
struct Script {
    alice: Peer,
    now: Instant,
    id: TransferId,
    invitation: Slp,
    /// Its first packet.
    invited: Packet,
    /// The last packet of data.
    data: Option<Packet>,
    got: Vec<u8>,
    identifier: u32,
}

fn source(size: u64) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

impl Script {
    fn new(size: u64) -> Self {
        Self::with(size, Means::default())
    }

    fn with(size: u64, means: Means) -> Self {
        let now = Instant::now();
        let mut alice = peers().0.with_means(means);
        let id = alice.offer(now, &FileContext { name: "x".into(), size, preview: None }, names(1));
        let packets: Vec<Packet> = std::iter::from_fn(|| alice.poll_packet()).collect();
        let text: Vec<u8> = packets.iter().flat_map(|packet| packet.content.to_vec()).collect();
        let invitation = Slp::parse(&text).unwrap();
        let invited = packets[0].clone();
        Self { alice, now, id, invitation, invited, data: None, got: Vec::new(), identifier: 70_000 }
    }

    fn say(&mut self, slp: &Slp) {
        let mut bob = Peer::new(&email("bob"), &email("alice"), self.identifier);
        self.identifier += 1;
        bob.outbox.signal(slp);
        while let Some(packet) = bob.poll_packet() {
            self.alice.handle(self.now, &packet);
        }
    }

    fn accept(&mut self, session: &str) {
        let body = vec![("SessionID".to_owned(), session.to_owned())];
        let yes = self.invitation.answer(200, content_type::SESSION_REQUEST, body);
        self.say(&yes);
    }

    fn accept_it(&mut self) {
        self.accept(&names(1).session.to_string());
    }

    fn bye(&mut self) {
        let kind = content_type::SESSION_CLOSE.to_owned();
        let bye = Slp {
            verb: Verb::Bye,
            branch: Guid(9).to_string(),
            content_type: kind,
            ..self.invitation.clone()
        };
        self.say(&Slp { body: Vec::new(), ..bye });
    }

    /// Takes all data that are sent; the switchboard confirms each packet.
    fn take(&mut self) {
        let source = source(5000);
        for packet in drain(self.now, &mut self.alice, &source, 99).0 {
            if packet.purpose() == Purpose::Data {
                self.alice.delivered(self.now, self.id);
                self.got.extend_from_slice(&packet.content);
                self.data = Some(packet);
            }
        }
    }

    fn acknowledge(&mut self) {
        let packet = self.data.clone().unwrap().acknowledgement(80_000);
        self.alice.handle(self.now, &packet);
    }

    fn abort(&mut self, flags: Flags) {
        let packet = Packet { flags, total: 0, content: Bytes::new(), ..self.data.clone().unwrap() };
        self.alice.handle(self.now, &packet);
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.alice.handle_timeout(self.now);
    }

    /// What became of the file; `None` while nothing did.
    fn outcome(&mut self) -> Option<Result<(), TransferFailure>> {
        let id = self.id;
        std::iter::from_fn(|| self.alice.poll_event()).find_map(|event| match event {
            PeerEvent::Finished(finished) if finished == id => Some(Ok(())),
            PeerEvent::Failed { transfer, failure } if transfer == id => Some(Err(failure)),
            _ => None,
        })
    }
}

#[test]
fn fault_02_a_file_is_delivered_when_it_was_acknowledged_and_closed_and_not_before() {
    type Play = fn(&mut Script);
    let delivered: [(&str, Play); 5] = [
        ("a goodbye behind the acknowledgement", |s| {
            s.acknowledge();
            assert_eq!(s.outcome(), None, "an acknowledgement alone");
            s.bye();
        }),
        ("a goodbye before it", |s| {
            s.bye();
            assert_eq!(s.outcome(), None, "a goodbye alone");
            s.acknowledge();
        }),
        ("libpurple leaves the board in its place", |s| {
            s.acknowledge();
            s.alice.left();
        }),
        ("msnp11-sdk says nothing in its place", |s| {
            s.acknowledge();
            s.wait(9);
            assert_eq!(s.outcome(), None);
            s.wait(1);
        }),
        ("closed below the signalling", |s| {
            s.acknowledge();
            s.abort(Flags::CLOSE);
        }),
    ];
    for (what, play) in delivered {
        let mut script = Script::new(5000);
        script.accept_it();
        script.take();
        play(&mut script);
        assert_eq!(script.outcome(), Some(Ok(())), "{what}");
        assert_eq!(script.got, source(5000), "{what}");
    }
    let lost: [(&str, TransferFailure, Play); 6] = [
        ("closed and never acknowledged", TransferFailure::Cancelled, |s| {
            s.bye();
            s.wait(5);
        }),
        ("nobody acknowledges", TransferFailure::TimedOut, |s| s.wait(30)),
        ("no such session", TransferFailure::Cancelled, |s| {
            s.acknowledge();
            s.abort(Flags::ERROR);
        }),
        ("gone before the acknowledgement", TransferFailure::Lost, |s| s.alice.left()),
        ("dropped from the board", TransferFailure::Lost, |s| {
            s.acknowledge();
            s.alice.lose();
        }),
        ("acknowledged under another number", TransferFailure::TimedOut, |s| {
            let wrong = Packet { identifier: 1, ..s.data.clone().unwrap() }.acknowledgement(80_000);
            s.alice.handle(s.now, &wrong);
            s.wait(30);
        }),
    ];
    for (what, failure, play) in lost {
        let mut script = Script::new(5000);
        script.accept_it();
        script.take();
        play(&mut script);
        assert_eq!(script.outcome(), Some(Err(failure)), "{what}");
    }
}

/// libpurple answers under the number that it has read, acknowledges all packets, and its window is closed some time.
#[test]
fn fault_02_whoever_answers_for_another_session_has_the_file_when_they_say_so() {
    for session in ["-775430258", "2147483647", "0", "", "5002"] {
        let mut script = Script::new(5000);
        script.accept(session);
        script.take();
        script.acknowledge();
        script.alice.left();
        assert_eq!(script.outcome(), Some(Err(TransferFailure::Lost)), "{session:?}");
        // Nor by saying nothing more.
        let mut script = Script::new(5000);
        script.accept(session);
        script.take();
        script.acknowledge();
        script.wait(29);
        assert_eq!(script.outcome(), None);
        script.wait(1);
        assert_eq!(script.outcome(), Some(Err(TransferFailure::Unclosed)), "{session:?}");
        // A goodbye is about the call, and counts.
        let mut script = Script::new(5000);
        script.accept(session);
        script.take();
        script.acknowledge();
        script.bye();
        assert_eq!(script.outcome(), Some(Ok(())), "{session:?}");
    }
}

#[test]
fn fault_02_silence_of_30_s_ends_an_offer_and_data_and_nothing_that_moves() {
    // The invitation is not acknowledged.
    let mut script = Script::new(5000);
    script.wait(29);
    assert_eq!(script.outcome(), None);
    script.wait(1);
    assert_eq!(script.outcome(), Some(Err(TransferFailure::TimedOut)));
    // The board has confirmed nothing of it.
    let mut script = Script::new(5000);
    script.accept_it();
    assert_eq!(drain(script.now, &mut script.alice, &source(5000), 1).0.len(), 2);
    script.wait(30);
    assert_eq!(script.outcome(), Some(Err(TransferFailure::TimedOut)));
    // Slow, and moving.
    let mut script = Script::new(5000);
    script.accept_it();
    for _ in 0..5 {
        drain(script.now, &mut script.alice, &source(5000), 1);
        script.wait(20);
        script.alice.delivered(script.now, script.id);
        script.wait(20);
    }
    assert_eq!(script.outcome(), None);
    // Somebody who was asked may think for longer.
    let mut script = Script::new(5000);
    let heard = script.invited.acknowledgement(3);
    script.alice.handle(script.now, &heard);
    script.wait(200);
    assert_eq!(script.outcome(), None);
}

/// Alice gives Bob something of this size, all of which has come; gives both, and which it is with each.
fn arrived(kind: Kind, size: u64, is_direct: bool) -> (Peer, TransferId, Peer, TransferId) {
    let now = Instant::now();
    let (mut alice, mut bob) = peers();
    let object = MsnObject::new("alice@example.com", ObjectKind::DisplayPicture, "x", &source(size));
    match kind {
        Kind::File => alice.offer(now, &FileContext { name: "x".into(), size, preview: None }, names(1)),
        Kind::Object => bob.want(now, &object, names(1)),
    };
    let answer = |peer: &mut Peer, now: Instant, event: &PeerEvent| match event {
        PeerEvent::Arrived(_) => {}
        event => accept(peer, now, event),
    };
    if is_direct {
        // Nothing goes over a switchboard, not even the offer.
        alice.direct_up(now);
        bob.direct_up(now);
    }
    let dialogue = talk(&mut alice, &mut bob, &source(size), answer);
    assert_eq!(dialogue.data('b'), source(size));
    let outline = dialogue.outline();
    let data = outline.iter().rposition(|line| line.starts_with("a: data")).unwrap();
    assert_eq!(outline[data + 1..], [""; 0], "nothing is said behind the data");
    assert!(!dialogue.has('a', |event| matches!(event, PeerEvent::Finished(_))));
    let own = dialogue.events.iter().find_map(|(who, event)| match event {
        PeerEvent::Accepted(id) | PeerEvent::ObjectWanted { transfer: id, .. } if *who == 'a' => Some(*id),
        _ => None,
    });
    let theirs = dialogue.events.iter().find_map(|(_, event)| match event {
        PeerEvent::Arrived(id) => Some(*id),
        _ => None,
    });
    (alice, own.unwrap(), bob, theirs.unwrap())
}

#[test]
fn fault_02_the_last_data_are_acknowledged_once_they_are_kept_and_a_refusal_is_a_failure_there() {
    let nothing = |_: &mut Peer, _: Instant, _: &PeerEvent| {};
    for (kind, size) in [(Kind::File, 3000), (Kind::File, 1202), (Kind::File, 0), (Kind::Object, 3000)] {
        for (is_direct, is_kept) in [(false, true), (false, false), (true, true), (true, false)] {
            let what = format!("{kind:?} of {size}, direct {is_direct}, kept {is_kept}");
            let (mut alice, given, mut bob, came) = arrived(kind, size, is_direct);
            let now = Instant::now();
            match is_kept {
                true => bob.confirm(now, came),
                false => bob.end(now, came),
            }
            let dialogue = talk(&mut alice, &mut bob, &[], nothing);
            let said = if is_kept { &["b: ack", "b: BYE", "a: ack"][..] } else { &["b: BYE", "a: ack"] };
            assert_eq!(dialogue.outline(), said, "{what}");
            let mut told: Vec<PeerEvent> = dialogue.events.into_iter().map(|(_, event)| event).collect();
            alice.handle_timeout(now + Duration::from_secs(6));
            told.extend(std::iter::from_fn(|| alice.poll_event()));
            let failed = PeerEvent::Failed { transfer: given, failure: TransferFailure::Cancelled };
            let expected = if is_kept { PeerEvent::Finished(given) } else { failed };
            assert_eq!(told, [expected], "{what}");
            // Said once: neither is taken back.
            bob.confirm(now, came);
            bob.end(now, came);
            assert_eq!((bob.poll_packet(), bob.poll_event()), (None, None), "{what}");
        }
    }
}

/// What they close before anybody has said that it is kept counts for nothing there, and is an end here.
#[test]
fn fault_02_a_session_that_ends_before_anything_is_kept_was_never_acknowledged() {
    for leaves in [true, false] {
        let (mut alice, given, mut bob, came) = arrived(Kind::File, 3000, false);
        let now = Instant::now();
        if leaves {
            bob.left();
        } else {
            alice.end(now, given);
            let goodbye = alice.poll_packet().unwrap();
            bob.handle(now, &goodbye);
        }
        assert!(matches!(bob.poll_event(), Some(PeerEvent::Failed { transfer, .. }) if transfer == came));
        bob.confirm(now, came);
        let said: Vec<Packet> = std::iter::from_fn(|| bob.poll_packet()).collect();
        assert!(said.iter().all(|packet| packet.session == 0), "the data are not acknowledged: {said:?}");
    }
}

#[test]
fn fault_02_any_random_number_makes_names_that_are_read_signed() {
    let edges = [0, 1, 3, 4, 64, 999, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, u32::MAX - 1, u32::MAX];
    for random in edges.into_iter().chain((0..=u32::MAX).step_by(41_000_017)) {
        let named = Names::new(u128::from(random) + 1, 5, random);
        let mut alice = Peer::new(&email("alice"), &email("bob"), random);
        alice.offer(Instant::now(), &FileContext { name: "x".into(), size: 3, preview: None }, named);
        let packet = alice.poll_packet().unwrap();
        let signed = packet.identifier.cast_signed();
        assert!(signed >= 1000, "{random} made the identifier {signed}");
        let text = String::from_utf8_lossy(&packet.content).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("SessionID: ")).unwrap();
        assert!(line.parse::<i32>().is_ok_and(|session| session >= 1000), "{random} made the session {line}");
        assert_eq!(peer_number(random).to_string(), line);
    }
}

/// A session that its inviter writes signed is answered as it was written, and its data are known.
#[test]
fn fault_02_a_session_that_is_written_signed_is_the_same_session() {
    for (written, session) in [("-775430258", 3_519_537_038), ("-1", u32::MAX), ("3519537038", 3_519_537_038)]
    {
        let now = Instant::now();
        let (mut alice, mut bob) = peers();
        let id = alice.offer(now, &FileContext { name: "x".into(), size: 3, preview: None }, names(1));
        let mut slp = alice.sessions.transfers.iter().find(|t| t.id == id).unwrap().invitation.clone();
        slp.body.iter_mut().filter(|(name, _)| name == "SessionID").for_each(|line| line.1 = written.into());
        let mut pen = Peer::new(&email("alice"), &email("bob"), 9);
        pen.outbox.signal(&slp);
        while let Some(packet) = pen.poll_packet() {
            bob.handle(now, &packet);
        }
        let offered = bob.poll_event().unwrap();
        accept(&mut bob, now, &offered);
        let said: String = std::iter::from_fn(|| bob.poll_packet())
            .map(|packet| String::from_utf8_lossy(&packet.content).into_owned())
            .collect();
        assert!(said.contains(&format!("\r\nSessionID: {written}\r\n")), "{said}");
        let data = Packet {
            session,
            identifier: 5,
            offset: 0,
            total: 3,
            flags: Flags::FILE,
            ack_id: 1,
            ack_uid: 0,
            ack_size: 0,
            content: Bytes::from_static(b"abc"),
            application: 2,
        };
        bob.handle(now, &data);
        assert!(matches!(bob.poll_event(), Some(PeerEvent::Data { .. })), "{written}");
    }
}

#[test]
fn fault_21_an_empty_file_is_one_message_each_way() {
    let (mut alice, mut bob) = peers();
    let id = alice.offer(Instant::now(), &FileContext { name: "e".into(), size: 0, preview: None }, names(1));
    let dialogue = talk(&mut alice, &mut bob, b"", accept);
    let data: Vec<&Packet> =
        dialogue.said.iter().map(|(_, p)| p).filter(|p| p.purpose() == Purpose::Data).collect();
    assert_eq!(data.len(), 1);
    assert_eq!((data[0].total, data[0].content.len(), data[0].flags), (0, 0, Flags::FILE));
    let outline = dialogue.outline();
    let place = |line: &str| outline.iter().position(|said| said == line);
    assert!(place("b: BYE") > place("a: data 0x1000030"), "{outline:?}");
    assert!(dialogue.has('b', |event| matches!(event, PeerEvent::Arrived(_))), "{outline:?}");
    for side in ['a', 'b'] {
        assert!(!dialogue.has(side, |event| matches!(event, PeerEvent::Data { .. })));
    }
    assert!(dialogue.events.contains(&('a', PeerEvent::Finished(id))));
    assert!(alice.is_idle() && bob.is_idle());
}

#[test]
fn fault_21_an_empty_file_that_nobody_takes_is_not_delivered() {
    let mut script = Script::new(0);
    script.accept_it();
    script.take();
    assert!(script.data.is_some());
    script.wait(30);
    assert_eq!(script.outcome(), Some(Err(TransferFailure::TimedOut)));
    // Its one message is lost on the way, and goes again.
    let mut script = Script::new(0);
    script.accept_it();
    assert_eq!(drain(script.now, &mut script.alice, b"", 1).0.len(), 2);
    script.alice.undelivered(script.now, script.id, 0);
    script.take();
    script.acknowledge();
    script.bye();
    assert_eq!(script.outcome(), Some(Ok(())));
}

/// Clients that send nothing of an empty file: a goodbye at once, or nothing at all.
#[test]
fn fault_21_an_empty_file_without_a_message_is_there_all_the_same() {
    for says_goodbye in [true, false] {
        let (mut alice, mut bob) = peers();
        let now = Instant::now();
        let id = alice.offer(now, &FileContext { name: "e".into(), size: 0, preview: None }, names(1));
        while let Some(packet) = alice.poll_packet() {
            bob.handle(now, &packet);
        }
        let offered = bob.poll_event().unwrap();
        accept(&mut bob, now, &offered);
        assert_eq!(bob.poll_event(), None, "nothing is there before it was sent");
        if says_goodbye {
            alice.end(now, id);
            while let Some(packet) = alice.poll_packet() {
                bob.handle(now, &packet);
            }
        } else {
            bob.handle_timeout(now + ACK_TIMEOUT);
        }
        assert!(matches!(bob.poll_event(), Some(PeerEvent::Arrived(_))), "{says_goodbye}");
    }
}

#[test]
fn fault_22_the_same_invitation_again_is_the_same_offer() {
    type Decide = fn(&mut Peer, Instant, &PeerEvent);
    let nothing: Decide = |_, _, _| {};
    for (decide, answers) in [(nothing, 0), (accept as Decide, 1), (decline as Decide, 1)] {
        for application in [FILE, OBJECT, Guid(77)] {
            let now = Instant::now();
            let mut bob = peers().1;
            let context = match application {
                OBJECT => base64::Engine::encode(
                    &base64::engine::general_purpose::STANDARD,
                    MsnObject::new("bob@example.com", ObjectKind::Emoticon, "x", b"abc").as_xml(),
                ),
                _ => FileContext { name: "x".into(), size: 500, preview: None }.encode(),
            };
            let asked = Asked { application, number: 2, context };
            let (mut events, mut answered) = (0, 0);
            for round in 0..50 {
                // Under an identifier of its own each time.
                let mut alice = Peer::new(&email("alice"), &email("bob"), 5000 + 100 * round);
                alice.invite(now, Kind::File, &asked, 500, names(1));
                while let Some(packet) = alice.poll_packet() {
                    bob.handle(now, &packet);
                }
                while let Some(event) = bob.poll_event() {
                    decide(&mut bob, now, &event);
                    events += 1;
                }
                let said = std::iter::from_fn(|| bob.poll_packet());
                answered += said.filter(|packet| packet.content.starts_with(b"MSNSLP/1.0 ")).count();
            }
            let answers = if application == Guid(77) { 1 } else { answers };
            assert_eq!((events, answered), (1, answers), "{application}");
        }
    }
}

/// An offer under the same names is another one where it offers something else, or the first is through.
#[test]
fn fault_22_another_offer_of_the_same_name_is_another_offer() {
    let now = Instant::now();
    let mut bob = peers().1;
    for name in ["a", "b", "c"] {
        let mut alice = peers().0;
        alice.offer(now, &FileContext { name: name.into(), size: 5, preview: None }, names(1));
        while let Some(packet) = alice.poll_packet() {
            bob.handle(now, &packet);
        }
        let offered = std::iter::from_fn(|| bob.poll_event())
            .find(|event| matches!(event, PeerEvent::FileOffered { file, .. } if file.name == name));
        decline(&mut bob, now, &offered.expect("it is offered"));
    }
}
