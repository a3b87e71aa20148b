//! What becomes of files when their switchboard breaks and another comes.

use super::*;

const SIZE: usize = 20 * MAX_CONTENT + 7;

/// Alice gives Bob a file, until she has sent so many fragments; each packet but data reaches the other side.
fn under_way(fragments: usize) -> (Peer, Peer, TransferId, Vec<u8>, Vec<Packet>) {
    let (mut alice, mut bob) = peers();
    let source: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
    let now = Instant::now();
    let file = FileContext { name: "a.bin".into(), size: SIZE as u64, preview: None };
    let id = alice.offer(now, &file, names(1));
    for _ in 0..10 {
        for packet in drain(now, &mut alice, &source, 0).0 {
            bob.handle(now, &packet);
        }
        let (packets, events) = drain(now, &mut bob, &source, 0);
        events.iter().for_each(|event| accept(&mut bob, now, event));
        packets.iter().for_each(|packet| alice.handle(now, packet));
    }
    let data = drain(now, &mut alice, &source, fragments).0;
    assert_eq!(data.len(), fragments);
    (alice, bob, id, source, data)
}

fn rest(alice: &mut Peer, bob: &mut Peer, source: &[u8]) -> Dialogue {
    talk(alice, bob, source, accept)
}

#[test]
fn what_nobody_confirmed_is_sent_again_and_the_file_is_whole() {
    let now = Instant::now();
    let (mut alice, mut bob, id, source, data) = under_way(10);
    // Seven of ten arrived, six are known to have.
    data[..7].iter().for_each(|packet| bob.handle(now, packet));
    let before: usize = drain(now, &mut bob, &source, 0).1.iter().map(size_of_data).sum();
    assert!(alice.outlive(now) && bob.outlive(now));
    alice.resume(now, &[(id, data[8].offset), (id, data[6].offset)]);
    bob.resume(now, &[]);
    let dialogue = rest(&mut alice, &mut bob, &source);
    assert_eq!([&source[..before], &dialogue.data('b')].concat(), source);
    assert!(dialogue.has('a', |event| matches!(event, PeerEvent::Finished(_))));
}

fn size_of_data(event: &PeerEvent) -> usize {
    match event {
        PeerEvent::Data { bytes, .. } => bytes.len(),
        _ => 0,
    }
}

#[test]
fn a_fragment_that_was_not_delivered_goes_again_but_not_for_ever() {
    let now = Instant::now();
    let (mut alice, mut bob, id, source, data) = under_way(4);
    // The second of four is lost.
    data.iter().filter(|packet| packet.offset != data[1].offset).for_each(|packet| bob.handle(now, packet));
    let before: usize = drain(now, &mut bob, &source, 0).1.iter().map(size_of_data).sum();
    assert_eq!(before, MAX_CONTENT);
    alice.undelivered(now, id, data[1].offset);
    let dialogue = rest(&mut alice, &mut bob, &source);
    assert_eq!([&source[..before], &dialogue.data('b')].concat(), source);
    let (mut alice, _, id, source, _) = under_way(4);
    for _ in 0..MAX_RESENT {
        alice.undelivered(now, id, 0);
        assert_eq!(drain(now, &mut alice, &source, 1).0.len(), 1);
    }
    alice.undelivered(now, id, 0);
    let failed = PeerEvent::Failed { transfer: id, failure: TransferFailure::Lost };
    assert_eq!(alice.poll_event(), Some(failed));
}

#[test]
fn what_is_missing_is_asked_for_by_whoever_receives() {
    let now = Instant::now();
    let (mut alice, mut bob, _, source, data) = under_way(10);
    data[..5].iter().for_each(|packet| bob.handle(now, packet));
    let before: usize = drain(now, &mut bob, &source, 0).1.iter().map(size_of_data).sum();
    assert!(bob.outlive(now));
    bob.resume(now, &[]);
    // She thinks that all ten arrived.
    let dialogue = rest(&mut alice, &mut bob, &source);
    assert_eq!([&source[..before], &dialogue.data('b')].concat(), source);
}

#[test]
fn what_had_not_begun_is_lost_and_what_does_not_move_again_is_given_up() {
    let now = Instant::now();
    let (mut alice, _, id, source, _) = under_way(3);
    let file = FileContext { name: "b.bin".into(), size: 5, preview: None };
    let unheard = alice.offer(now, &file, names(2));
    drain(now, &mut alice, &source, 0);
    assert!(alice.outlive(now));
    let lost = PeerEvent::Failed { transfer: unheard, failure: TransferFailure::Lost };
    assert_eq!(alice.poll_event(), Some(lost));
    alice.resume(now, &[]);
    let later = alice.poll_timeout().unwrap();
    assert!(later <= now + Duration::from_secs(60));
    alice.handle_timeout(later);
    let given_up = PeerEvent::Failed { transfer: id, failure: TransferFailure::Lost };
    assert_eq!(alice.poll_event(), Some(given_up));
    assert!(!alice.outlive(now), "nothing is under way any more");
}
