//! A peer who says nothing more, in every stage of a transfer and in every step towards a direct connection: each ends
//! within its time, and what became of the file is told once.

use super::super::transport::Step;
use super::*;
use crate::msn::p2p::Door;

const SIZE: u64 = 200_000;
const RESUME: Duration = Duration::from_secs(20);
/// What a stage is called here, and how long it may last. A new stage has no place in this: it is to be walked, too.
fn bound(stage: Stage) -> (&'static str, Duration) {
    match stage {
        Stage::Asked => ("asked", OFFER_TIMEOUT),
        Stage::Inviting { unheard: Some(_) } => ("inviting, unheard", ACK_TIMEOUT),
        Stage::Inviting { unheard: None } => ("inviting", OFFER_TIMEOUT),
        Stage::Answered(_) => ("answered", ACK_TIMEOUT),
        Stage::Preparing(_) => ("preparing", ACK_TIMEOUT),
        Stage::Sending => ("sending", ACK_TIMEOUT),
        Stage::Sent => ("sent", ACK_TIMEOUT),
        Stage::Receiving => ("receiving", OFFER_TIMEOUT),
        Stage::Whole => ("whole", OFFER_TIMEOUT),
        Stage::Broken => ("broken", RESUME),
        Stage::Over { .. } => ("over", GOODBYE),
    }
}

const STAGES: [&str; 11] = [
    "asked",
    "inviting, unheard",
    "inviting",
    "answered",
    "preparing",
    "sending",
    "sent",
    "receiving",
    "whole",
    "broken",
    "over",
];

/// Lets time pass as the driver does. Gives the stages that were seen, and what was told.
fn wait(peer: &mut Peer, mut now: Instant) -> (Vec<&'static str>, Vec<PeerEvent>) {
    let (mut seen, mut told) = (Vec::new(), Vec::new());
    let mut entered = now;
    while let Some(transfer) = peer.sessions.transfers.first() {
        let (name, bound) = bound(transfer.stage);
        if seen.last() != Some(&name) {
            seen.push(name);
            entered = now;
        }
        let due = peer.poll_timeout().expect("a stage without a deadline");
        now = now.max(due);
        assert!(now - entered <= bound, "«{name}» lasts {:?}", now - entered);
        peer.handle_timeout(now);
        told.extend(std::iter::from_fn(|| peer.poll_event()));
        while peer.poll_packet().is_some() {}
    }
    assert!(peer.is_idle() && peer.poll_timeout().is_none(), "nothing is left of it");
    (seen, told)
}

fn file(size: u64) -> FileContext {
    FileContext { name: "x".into(), size, preview: None }
}

/// One passes on so many of its packets, and no more is said after.
fn pass(now: Instant, from: &mut Peer, to: &mut Peer, packets: usize) {
    for _ in 0..packets {
        let packet = from.poll_packet().expect("something to say");
        to.handle(now, &packet);
    }
}

fn first(peer: &mut Peer) -> TransferId {
    peer.sessions.transfers.first().expect("a transfer").id
}

/// A file of Alice's that Bob has accepted; nothing of it was sent.
fn accepted(now: Instant, size: u64) -> (Peer, Peer) {
    let (mut alice, mut bob) = peers();
    alice.offer(now, &file(size), names(1));
    pass(now, &mut alice, &mut bob, 1);
    let id = first(&mut bob);
    bob.accept(now, id);
    pass(now, &mut bob, &mut alice, 2);
    (alice, bob)
}

/// An object of Bob's that Alice wants, up to so many packets of his and her acknowledgements.
fn wanted(now: Instant, acknowledged: usize) -> Peer {
    let (mut alice, mut bob) = peers();
    let object = MsnObject::new("bob@example.com", ObjectKind::DisplayPicture, "x", &[7; 3000]);
    alice.want(now, &object, names(1));
    pass(now, &mut alice, &mut bob, 1);
    let id = first(&mut bob);
    bob.accept(now, id);
    pass(now, &mut bob, &mut alice, 2);
    for _ in 0..acknowledged {
        pass(now, &mut alice, &mut bob, 1);
        while let Some(packet) = bob.poll_packet() {
            alice.handle(now, &packet);
        }
    }
    bob
}

fn provide(now: Instant, peer: &mut Peer, fragments: usize) {
    for _ in 0..fragments {
        let Some((id, _, length)) = peer.wants_data() else { return };
        peer.provide(now, id, vec![7; length].into());
        peer.delivered(now, id);
    }
}

#[test]
fn fault_07_a_peer_who_falls_silent_is_given_up_in_every_stage() {
    let now = Instant::now();
    let mut walked: Vec<&str> = Vec::new();
    let mut walk = |name: &str, mut peer: Peer| {
        while peer.poll_event().is_some() {}
        while peer.poll_packet().is_some() {}
        let begins = peer.sessions.transfers.first().map(|transfer| bound(transfer.stage).0);
        assert_eq!(begins, Some(name));
        let (seen, told) = wait(&mut peer, now);
        walked.extend(&seen);
        let is_over = name == "over";
        assert_eq!(told.len(), usize::from(!is_over), "«{name}»: {told:?}");
        assert!(told.iter().all(|event| matches!(event, PeerEvent::Failed { .. })), "«{name}»: {told:?}");
    };
    let (mut alice, mut bob) = peers();
    alice.offer(now, &file(SIZE), names(1));
    pass(now, &mut alice, &mut bob, 1);
    pass(now, &mut bob, &mut alice, 1);
    walk("asked", bob);
    walk("inviting", alice);
    let (mut alice, _) = peers();
    alice.offer(now, &file(SIZE), names(1));
    walk("inviting, unheard", alice);
    walk("answered", wanted(now, 0));
    walk("preparing", wanted(now, 1));
    walk("sending", wanted(now, 2));
    let mut sent = wanted(now, 2);
    provide(now, &mut sent, 3);
    walk("sent", sent);
    // A file: nothing of it goes, a part, or all of it.
    walk("sending", accepted(now, SIZE).0);
    for (fragments, name) in [(1, "sending"), (usize::MAX, "sent")] {
        let (mut alice, _) = accepted(now, SIZE);
        provide(now, &mut alice, fragments);
        walk(name, alice);
    }
    walk("receiving", accepted(now, SIZE).1);
    // All of it came, and whoever is to keep it never says so.
    let (mut alice, mut bob) = accepted(now, 1000);
    let (id, _, length) = alice.wants_data().unwrap();
    let packet = alice.provide(now, id, vec![7; length].into()).unwrap();
    bob.handle(now, &packet);
    walk("whole", bob);
    // The direct connection breaks under it, on either side.
    let (mut alice, mut bob) = accepted(now, SIZE);
    alice.direct_up(now);
    bob.direct_up(now);
    let (id, _, length) = alice.wants_data().unwrap();
    let packet = alice.provide(now, id, vec![7; length].into()).unwrap();
    bob.handle(now, &packet);
    alice.direct_down(now);
    bob.direct_down(now);
    walk("broken", alice);
    walk("broken", bob);
    let (mut alice, _) = accepted(now, SIZE);
    let id = first(&mut alice);
    alice.end(now, id);
    walk("over", alice);
    walked.sort_unstable();
    walked.dedup();
    let mut all = STAGES.to_vec();
    all.sort_unstable();
    assert_eq!(walked, all);
}

#[test]
fn fault_07_a_receiver_who_acknowledges_and_says_no_more_ends_the_file_in_time() {
    // Whether the file counts as given then is another question: see the tests of ends.
    let now = Instant::now();
    let (mut alice, mut bob) = accepted(now, 1000);
    let (id, _, length) = alice.wants_data().unwrap();
    let packet = alice.provide(now, id, vec![7; length].into()).unwrap();
    bob.handle(now, &packet);
    let id = first(&mut bob);
    bob.confirm(now, id);
    let acknowledges = std::iter::from_fn(|| bob.poll_packet()).find(|p| p.purpose() == Purpose::Ack);
    alice.handle(now, &acknowledges.expect("an acknowledgement"));
    let (_, told) = wait(&mut alice, now);
    let ends = |event: &&PeerEvent| matches!(event, PeerEvent::Failed { .. } | PeerEvent::Finished(_));
    assert_eq!(told.iter().filter(ends).count(), 1, "{told:?}");
}

/// How a step is called here. A new one has no place in this: it is to be walked, too.
fn step(peer: &Peer) -> Option<&'static str> {
    peer.transport.negotiation.as_ref().map(|negotiation| match negotiation.step {
        Step::Asked => "asked",
        Step::Opening(_) => "opening",
        Step::Connecting => "connecting",
    })
}

#[test]
fn fault_07_a_peer_who_falls_silent_about_the_way_costs_nothing() {
    let now = Instant::now();
    let able = Means { dial: true, listen: true, nonce: Guid(7) };
    let meeting = || {
        let (alice, bob) = peers();
        let (mut alice, mut bob) = (alice.with_means(able), bob.with_means(able));
        alice.offer(now, &file(SIZE), names(1));
        pass(now, &mut alice, &mut bob, 1);
        let id = first(&mut bob);
        bob.accept(now, id);
        // An acknowledgement, and the answer; then hers, and her question.
        pass(now, &mut bob, &mut alice, 2);
        pass(now, &mut alice, &mut bob, 2);
        (alice, bob)
    };
    let door = Door { addresses: vec!["203.0.113.7".parse().unwrap()], port: 6891 };
    let mut walked = Vec::new();
    let mut walk = |name: &'static str, mut peer: Peer| {
        assert_eq!(step(&peer), Some(name));
        walked.push(name);
        let gives = peer.sessions.transfers[0].gives;
        assert!(!gives || peer.wants_data().is_some(), "data do not wait for the answer");
        let mut at = now;
        while step(&peer).is_some() {
            // The driver goes on with what there is.
            provide(at, &mut peer, 1);
            at = peer.transport.negotiation.as_ref().unwrap().deadline;
            assert!(at - now <= Duration::from_secs(20), "«{name}» waits too long");
            peer.handle_timeout(at);
        }
        assert!(!peer.sessions.transfers[0].stage.is_over(), "the file goes on");
        assert!(peer.outbox.events.iter().all(|event| !matches!(event, PeerEvent::Failed { .. })));
        wait(&mut peer, at);
    };
    let (alice, bob) = meeting();
    walk("asked", alice);
    walk("opening", bob);
    let (mut alice, mut bob) = meeting();
    bob.listening(now, Some(&door));
    while let Some(packet) = bob.poll_packet() {
        alice.handle(now, &packet);
    }
    walk("connecting", alice);
    walk("connecting", bob);
    walked.sort_unstable();
    walked.dedup();
    assert_eq!(walked, ["asked", "connecting", "opening"]);
}
