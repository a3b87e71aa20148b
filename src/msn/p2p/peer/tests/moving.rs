//! Files that begin on the switchboard and move over; and answers about the way, of which there is one a call.

use super::*;

const SIZE: u64 = 200_000;
const NONCE: Guid = Guid(0xABCD_0000_0000_0000_0000_0000_0000_0001);

fn source() -> Vec<u8> {
    (0..SIZE).map(|n| (n % 251) as u8).collect()
}

/// Alice, who can dial and listen as told, and has a file under way to Bob.
fn giving(dial: bool, listen: bool) -> (Peer, TransferId, Instant) {
    let now = Instant::now();
    let mut alice = peers().0.with_means(Means { dial, listen, nonce: NONCE });
    let id = alice.offer(now, &FileContext { name: "x".into(), size: SIZE, preview: None }, names(1));
    let text: Vec<u8> =
        std::iter::from_fn(|| alice.poll_packet()).flat_map(|packet| packet.content.to_vec()).collect();
    let body = vec![("SessionID".to_owned(), names(1).session.to_string())];
    let yes = Slp::parse(&text).unwrap().answer(200, content_type::SESSION_REQUEST, body);
    say(&mut alice, now, 1, &yes);
    (alice, id, now)
}

fn say(to: &mut Peer, now: Instant, number: u32, slp: &Slp) {
    let mut pen = Peer::new(&email("bob"), &email("alice"), 50_000 + 50 * number);
    pen.outbox.signal(slp);
    while let Some(packet) = pen.poll_packet() {
        to.handle(now, &packet);
    }
}

fn texts(peer: &mut Peer) -> Vec<String> {
    let packets = std::iter::from_fn(|| peer.poll_packet());
    packets.map(|packet| String::from_utf8_lossy(&packet.content).into_owned()).collect()
}

/// A transport message of Bob's in a call of this number.
fn about_way(kind: &str, branch: u128, call: u128, listens: bool) -> Slp {
    let body = [
        ("Bridge", "TCPv1".to_owned()),
        ("Listening", listens.to_string()),
        ("Nonce", Guid(7).to_string()),
        ("IPv4Internal-Addrs", "203.0.113.9".to_owned()),
        ("IPv4Internal-Port", "3150".to_owned()),
    ];
    Slp {
        verb: Verb::Invite,
        to: "alice@example.com".into(),
        from: "bob@example.com".into(),
        branch: Guid(branch).to_string(),
        sequence: 0,
        call: names(call).call.to_string(),
        content_type: kind.into(),
        body: body.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

/// aMSN answers where we listen by an invitation that says where it does; what is said to that it answers again.
#[test]
fn fault_20_where_we_listen_is_said_once_a_call() {
    let kinds = [content_type::TRANSPORT_RESPONSE, content_type::TRANSPORT_REQUEST];
    for (dial, listen) in [(false, false), (true, false), (false, true), (true, true)] {
        for first in kinds {
            for second in kinds {
                let (mut alice, _, now) = giving(dial, listen);
                let mut said = 0;
                for round in 0..120 {
                    let kind = if round == 0 { first } else { second };
                    say(&mut alice, now, 2 + round, &about_way(kind, 1000 + u128::from(round), 1, true));
                    while let Some(event) = alice.poll_event() {
                        match event {
                            PeerEvent::ListenWanted => {
                                let addresses = vec!["203.0.113.7".parse().unwrap()];
                                alice.listening(now, Some(&Door { addresses, port: 6891 }));
                            }
                            PeerEvent::DialWanted { .. } => alice.direct_down(now),
                            _ => {}
                        }
                    }
                    said += texts(&mut alice).iter().filter(|text| text.contains("-transrespbody")).count();
                }
                assert!(said <= 1, "{said} times, {dial} {listen} {first} {second}");
            }
        }
    }
    // Each call has its own.
    let (mut alice, _, now) = giving(false, false);
    texts(&mut alice);
    for call in 5..8 {
        for branch in 0..3 {
            say(&mut alice, now, 200 + 10 * call + branch, &about_way(kinds[1], 9, u128::from(call), false));
        }
        let said = texts(&mut alice).iter().filter(|text| text.contains("-transrespbody")).count();
        assert_eq!(said, 1, "in call {call}");
    }
}

/// An invitation may be the answer to our own question.
#[test]
fn fault_20_an_answer_in_an_invitation_is_one() {
    let (mut alice, _, now) = giving(true, false);
    assert!(texts(&mut alice).iter().any(|text| text.contains("-transreqbody")));
    alice.poll_event();
    say(&mut alice, now, 9, &about_way(content_type::TRANSPORT_RESPONSE, 31, 1, true));
    assert!(matches!(alice.poll_event(), Some(PeerEvent::DialWanted { .. })));
}

#[test]
fn fault_20_data_move_over_in_order_once_the_switchboard_has_passed_on_what_it_had() {
    let source = source();
    for confirmed in [true, false] {
        let (mut alice, id, mut now) = giving(true, false);
        let board = drain(now, &mut alice, &source, 8).0;
        let mut order: Vec<Packet> = board.into_iter().filter(|p| p.purpose() == Purpose::Data).collect();
        assert_eq!(order.len(), 8, "at once");
        alice.direct_up(now);
        assert!(!alice.is_direct() && alice.wants_data().is_none(), "the board has some of it");
        for packet in &order {
            match confirmed {
                true => alice.delivered(now, id),
                false => alice.undelivered(now, id, packet.offset),
            }
        }
        assert!(alice.wants_data().is_none(), "they may not have read it");
        now = alice.poll_timeout().unwrap();
        alice.handle_timeout(now);
        assert!(alice.is_direct());
        if !confirmed {
            order.clear();
        }
        order.extend(drain(now, &mut alice, &source, 999).0);
        let got: Vec<u8> = order.iter().flat_map(|packet| packet.content.to_vec()).collect();
        assert!(got == source, "{} bytes", got.len());
        let mut at = 0;
        for packet in &order {
            assert_eq!(packet.offset, at);
            assert_eq!(packet.identifier, order[0].identifier);
            at += packet.content.len() as u64;
        }
    }
}

#[test]
fn fault_20_a_connection_that_goes_before_data_moved_over_costs_nothing() {
    let source = source();
    let (mut alice, id, now) = giving(true, true);
    let first = drain(now, &mut alice, &source, 8).0;
    alice.direct_up(now);
    alice.direct_down(now);
    let rest = drain(now, &mut alice, &source, 999).0;
    let got = first.iter().chain(&rest).filter(|packet| packet.purpose() == Purpose::Data);
    assert!(got.flat_map(|packet| packet.content.to_vec()).collect::<Vec<u8>>() == source);
    alice.delivered(now, id);
    assert!(!alice.is_direct());
}
