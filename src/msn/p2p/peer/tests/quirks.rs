//! What old clients were recorded to do beside the description: each must be lived with.

use super::*;

fn offer_of(size: u64) -> FileContext {
    FileContext { name: "a.bin".into(), size, preview: None }
}

/// Unseeded random numbers: the same call, branch and session in one transfer after the other.
#[test]
fn identifiers_that_repeat_from_one_file_to_the_next_confuse_nobody() {
    let (mut alice, mut bob) = peers();
    for size in [1500, 3000, 10] {
        let source = vec![u8::try_from(size % 251).unwrap(); usize::try_from(size).unwrap()];
        // A client that begins its numbers anew with each.
        alice.outbox.next_identifier = 846_930_890;
        alice.offer(Instant::now(), &offer_of(size), names(1));
        let dialogue = talk(&mut alice, &mut bob, &source, accept);
        assert_eq!(dialogue.data('b'), source);
        assert!(dialogue.has('a', |event| matches!(event, PeerEvent::Finished(_))));
    }
}

#[test]
fn whatever_the_footer_says_data_are_known_by_their_session() {
    for footer in [0, 1, 2, 11, u32::MAX] {
        let (mut alice, mut bob) = peers();
        let now = Instant::now();
        alice.offer(now, &offer_of(2404), names(1));
        let mut got = Vec::new();
        for _ in 0..12 {
            let (packets, _) = drain(now, &mut alice, &[9; 2404], 1);
            for mut packet in packets {
                packet.application = footer;
                bob.handle(now, &Packet::decode(&packet.encode()).unwrap());
            }
            let (packets, events) = drain(now, &mut bob, &[], 0);
            for event in events {
                accept(&mut bob, now, &event);
                if let PeerEvent::Data { bytes, .. } = event {
                    got.extend_from_slice(&bytes);
                }
            }
            packets.iter().chain(drain(now, &mut bob, &[], 0).0.iter()).for_each(|p| alice.handle(now, p));
        }
        assert_eq!(got.len(), 2404, "footer {footer}");
    }
}

/// aMSN, and others with direct connections on, ask again and again in the call of the file.
#[test]
fn fault_20_further_questions_in_one_call_are_answered_once_and_the_file_goes_on() {
    let (mut alice, mut bob) = peers();
    let now = Instant::now();
    let id = alice.offer(now, &offer_of(2404), names(1));
    let call = alice.sessions.transfers.iter().find(|t| t.id == id).unwrap().invitation.clone();
    let source = vec![5; 2404];
    let (mut got, mut answers, mut asked) = (Vec::new(), 0, 0);
    for round in 0..14u128 {
        let (packets, _) = drain(now, &mut alice, &source, 1);
        packets.iter().for_each(|packet| bob.handle(now, packet));
        if (2..6).contains(&round) {
            let body = vec![("Bridges".to_owned(), "TRUDPv1 TCPv1".to_owned())];
            let branch = Guid(round).to_string();
            let kind = content_type::TRANSPORT_REQUEST.to_owned();
            let wish = Slp { branch, content_type: kind, body, ..call.clone() };
            alice.outbox.signal(&wish);
            asked += 1;
        }
        let (mut said, events) = drain(now, &mut bob, &[], 0);
        for event in events {
            accept(&mut bob, now, &event);
            match event {
                PeerEvent::Data { bytes, .. } => got.extend_from_slice(&bytes),
                PeerEvent::Failed { .. } => panic!("{event:?}"),
                _ => {}
            }
        }
        said.extend(std::iter::from_fn(|| bob.poll_packet()));
        for packet in said {
            answers += usize::from(String::from_utf8_lossy(&packet.content).contains("Listening: false"));
            alice.handle(now, &packet);
        }
    }
    assert!(got == source, "{} bytes", got.len());
    assert_eq!((asked, answers), (4, 1));
}

#[test]
fn a_goodbye_right_behind_the_data_ends_nothing_that_is_whole() {
    let (mut alice, mut bob) = peers();
    let now = Instant::now();
    alice.offer(now, &offer_of(2000), names(1));
    let dialogue = talk(&mut alice, &mut bob, &[3; 2000], accept);
    assert_eq!(dialogue.data('b').len(), 2000);
    // Closed at once, with no acknowledgement of anybody's goodbye.
    alice.lose();
    bob.lose();
    for peer in [&mut alice, &mut bob] {
        let failed = std::iter::from_fn(|| peer.poll_event()).any(|e| matches!(e, PeerEvent::Failed { .. }));
        assert!(!failed);
    }
}
