//! Incoming files alone: a peer at the other end, a folder below, and the clock in the hand.

use std::time::Duration;

use super::*;
use crate::bridge::body::Body;
use crate::bridge::event::RemoteKind;
use crate::connector::tests::{Component, bob, component, component_with, config, email};
use crate::msn::p2p::{ObjectKind, Peer, PeerEvent};

/// What the peer of Bob tells is brought to the component.
async fn drain(incoming: &mut IncomingFiles, call: &mut Component) {
    while let Some(event) = call.ctx.peers.poll_event(&email("bob")) {
        let event = match event {
            PeerEvent::FileOffered { transfer, file } => IncomingEvent::Offered { transfer, file },
            PeerEvent::Data { transfer, bytes } => IncomingEvent::Data { transfer, bytes },
            PeerEvent::Arrived(transfer) => IncomingEvent::Arrived(transfer),
            PeerEvent::Failed { transfer, failure } => IncomingEvent::Failed { transfer, failure },
            PeerEvent::Declined { what } => IncomingEvent::Declined(what),
            PeerEvent::Accepted(_) => continue,
            other => panic!("{other:?}"),
        };
        incoming.handle(&mut call.ctx, &email("bob"), event).await;
    }
}

/// Bob offers a file of these bytes, and it is taken.
async fn taken(call: &mut Component, bob: &mut Peer, data: &[u8]) -> IncomingFiles {
    let mut incoming = IncomingFiles::default();
    let (transfer, file) = call.offer(bob, "a.bin", data.len() as u64);
    incoming.handle(&mut call.ctx, &email("bob"), IncomingEvent::Offered { transfer, file }).await;
    assert!(incoming.has(&email("bob"), transfer) && !incoming.is_idle());
    call.exchange(bob);
    incoming
}

#[tokio::test(start_paused = true)]
async fn a_file_is_shown_once_it_is_whole_and_on_disk() {
    let (mut call, mut bob, data) = (component(), bob(), vec![7; 5000]);
    let mut incoming = taken(&mut call, &mut bob, &data).await;
    call.send(&mut bob, &data, 2);
    drain(&mut incoming, &mut call).await;
    assert!(call.is_silent(), "it is not whole");
    call.send(&mut bob, &data, 10);
    drain(&mut incoming, &mut call).await;
    let RemoteKind::Message { body: Body::File(file), .. } = call.told().await else { panic!("no file") };
    assert_eq!((file.name.as_str(), file.size), ("a.bin", 5000));
    assert_eq!(call.media.data(&file.media), data);
    assert!(incoming.is_idle() && call.is_silent());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_ends_short_is_told_of() {
    let (mut call, mut bob, data) = (component(), bob(), vec![7; 5000]);
    let mut incoming = taken(&mut call, &mut bob, &data).await;
    call.send(&mut bob, &data, 2);
    let transfer = bob.wants_data().unwrap().0;
    bob.end(now(), transfer);
    call.exchange(&mut bob);
    drain(&mut incoming, &mut call).await;
    let text =
        "sent the file «a.bin» (4.9 kB), which did not arrive: they cancelled it. Ask them to send it again.";
    assert_eq!(call.shown().await, text);
    assert!(incoming.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_stalls_is_given_up_after_five_minutes() {
    let (mut call, mut bob, data) = (component(), bob(), vec![7; 5000]);
    let mut incoming = taken(&mut call, &mut bob, &data).await;
    call.send(&mut bob, &data, 1);
    drain(&mut incoming, &mut call).await;
    let begun = tokio::time::Instant::now();
    let until = call.ctx.peers.next_timeout().unwrap();
    tokio::time::advance(Duration::from_secs(300)).await;
    assert_eq!(until, now(), "{:?}", begun.elapsed());
    call.ctx.peers.get(&email("bob")).unwrap().handle_timeout(now());
    drain(&mut incoming, &mut call).await;
    assert!(call.shown().await.contains("did not arrive: nothing came for five minutes."));
    assert!(incoming.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_ends_the_file_here_and_there() {
    let (mut call, mut bob, data) = (component(), bob(), vec![7; 5000]);
    let mut incoming = taken(&mut call, &mut bob, &data).await;
    call.media.fill();
    call.send(&mut bob, &data, 1);
    drain(&mut incoming, &mut call).await;
    assert!(call.shown().await.contains("«a.bin» (4.9 kB), which did not arrive"));
    call.exchange(&mut bob);
    let events: Vec<PeerEvent> = std::iter::from_fn(|| bob.poll_event()).collect();
    assert!(events.iter().any(|event| matches!(event, PeerEvent::Failed { .. })), "{events:?}");
    assert!(incoming.is_idle());
}

/// What Bob's client tells him in the end.
fn outcome(call: &mut Component, bob: &mut Peer) -> Vec<PeerEvent> {
    call.exchange(bob);
    bob.handle_timeout(now() + Duration::from_secs(6));
    std::iter::from_fn(|| bob.poll_event()).filter(|event| !matches!(event, PeerEvent::Accepted(_))).collect()
}

#[tokio::test(start_paused = true)]
async fn fault_02_bob_hears_that_a_file_arrived_only_where_it_is_kept() {
    for size in [5000_usize, 1202, 1] {
        let fragments = size.div_ceil(1202);
        // Before the last fragment, behind it, or not at all.
        for (full_at, is_kept) in [(fragments - 1, false), (fragments, false), (usize::MAX, true)] {
            let (mut call, mut bob, data) = (component(), bob(), vec![7; size]);
            let mut incoming = taken(&mut call, &mut bob, &data).await;
            for fragment in 0..fragments {
                if fragment == full_at {
                    call.media.fill();
                }
                call.send(&mut bob, &data, 1);
                if full_at == fragments && fragment + 1 == fragments {
                    let Some(PeerEvent::Data { transfer, bytes }) = call.ctx.peers.poll_event(&email("bob"))
                    else {
                        panic!("no data")
                    };
                    let data = IncomingEvent::Data { transfer, bytes };
                    incoming.handle(&mut call.ctx, &email("bob"), data).await;
                    call.media.fill();
                }
                drain(&mut incoming, &mut call).await;
            }
            let told = outcome(&mut call, &mut bob);
            if is_kept {
                assert!(matches!(told[..], [PeerEvent::Finished(_)]), "{told:?}");
                assert!(matches!(call.told().await, RemoteKind::Message { body: Body::File(_), .. }));
            } else {
                assert!(matches!(told[..], [PeerEvent::Failed { .. }]), "{size}, {full_at}: {told:?}");
                let text = call.shown().await;
                assert!(
                    text.contains("which did not arrive: it could not be kept on the bridge's disk."),
                    "{text}"
                );
            }
            assert!(incoming.is_idle() && call.is_silent());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fault_02_a_clip_that_cannot_be_kept_has_not_arrived() {
    let (mut call, mut bob, mut incoming) = (component(), bob(), IncomingFiles::default());
    let fetch = IncomingEvent::Fetch { object: object("cat"), name: "laugh.mct".into(), is_once: true };
    incoming.handle(&mut call.ctx, &email("bob"), fetch).await;
    call.exchange(&mut bob);
    let Some(PeerEvent::ObjectWanted { transfer, .. }) = bob.poll_event() else { panic!("nobody asks") };
    bob.accept(now(), transfer);
    call.exchange(&mut bob);
    call.media.fill();
    call.send(&mut bob, b"cat", 9);
    drain(&mut incoming, &mut call).await;
    assert!(call.shown().await.contains("could not be kept on the bridge's disk"));
    let told = outcome(&mut call, &mut bob);
    assert!(matches!(told[..], [PeerEvent::Failed { .. }]), "{told:?}");
    assert!(incoming.is_idle() && incoming.poll_event().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_file_without_room_is_declined_with_the_reason() {
    let (mut call, mut bob) = (component(), bob());
    call.media.fill();
    let mut incoming = IncomingFiles::default();
    for (size, why) in [
        (5000, "(4.9 kB); it was declined: there is no room for it on the bridge's disk now"),
        (2 << 30, "(2.0 GB); it was declined: only files of up to 1.0 GB are taken"),
    ] {
        let (transfer, file) = call.offer(&mut bob, "a.bin", size);
        incoming.handle(&mut call.ctx, &email("bob"), IncomingEvent::Offered { transfer, file }).await;
        assert_eq!(call.shown().await, format!("offers the file «a.bin» {why}"));
        assert!(incoming.is_idle());
        call.exchange(&mut bob);
        let events: Vec<PeerEvent> = std::iter::from_fn(|| bob.poll_event()).collect();
        let is_declined =
            |event: &PeerEvent| matches!(event, PeerEvent::Failed { failure: TransferFailure::Declined, .. });
        assert!(events.iter().any(is_declined), "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_owner_is_asked_about_a_large_file_and_nobody_is_answered_meanwhile() {
    let mut config = config();
    config.ask_above = 4000;
    let (mut call, mut bob, mut incoming) = (component_with(config), bob(), IncomingFiles::default());
    let (transfer, file) = call.offer(&mut bob, "a.bin", 4001);
    incoming.handle(&mut call.ctx, &email("bob"), IncomingEvent::Offered { transfer, file }).await;
    let Some(IncomingOutcome::OwnerWanted { name, size: 4001, transfer: asked, .. }) = incoming.poll_event()
    else {
        panic!("nobody is asked")
    };
    assert!(name == "a.bin" && asked == transfer && incoming.is_idle());
    call.exchange(&mut bob);
    assert_eq!(bob.poll_event(), None);
    let (transfer, file) = call.offer(&mut bob, "b.bin", 4000);
    incoming.handle(&mut call.ctx, &email("bob"), IncomingEvent::Offered { transfer, file }).await;
    assert!(incoming.poll_event().is_none() && !incoming.is_idle(), "it is taken at once");
}

#[tokio::test(start_paused = true)]
async fn a_contact_sends_no_more_than_eight_files_at_once() {
    let (mut call, mut bob, mut incoming) = (component(), bob(), IncomingFiles::default());
    for _ in 0..MAX_AT_ONCE {
        let (transfer, file) = call.offer(&mut bob, "a.bin", 10);
        incoming.handle(&mut call.ctx, &email("bob"), IncomingEvent::Offered { transfer, file }).await;
        assert!(incoming.has(&email("bob"), transfer));
    }
    let (transfer, file) = call.offer(&mut bob, "i.bin", 10);
    incoming.handle(&mut call.ctx, &email("bob"), IncomingEvent::Offered { transfer, file }).await;
    assert!(!incoming.has(&email("bob"), transfer));
    let text = "offers the file «i.bin» (10 bytes); it was declined: too many are on their way already";
    assert_eq!(call.shown().await, text);
    call.exchange(&mut bob);
    let events: Vec<PeerEvent> = std::iter::from_fn(|| bob.poll_event()).collect();
    let is_declined =
        |event: &&PeerEvent| matches!(event, PeerEvent::Failed { failure: TransferFailure::Declined, .. });
    assert_eq!(events.iter().filter(is_declined).count(), 1, "{events:?}");
}

fn object(name: &str) -> MsnObject {
    MsnObject::new("bob@example.com", ObjectKind::Emoticon, "x", name.as_bytes())
}

#[tokio::test(start_paused = true)]
async fn an_object_is_asked_for_once_where_that_is_wanted_and_is_not_spoken_of() {
    let (mut call, mut bob, mut incoming) = (component(), bob(), IncomingFiles::default());
    let fetch = |is_once| IncomingEvent::Fetch { object: object("cat"), name: String::new(), is_once };
    for (is_once, under_way) in [(true, 1), (true, 1), (false, 2)] {
        incoming.handle(&mut call.ctx, &email("bob"), fetch(is_once)).await;
        assert_eq!(incoming.count(&email("bob")), under_way);
    }
    for n in 0..MAX_OBJECTS {
        let fetch =
            IncomingEvent::Fetch { object: object(&n.to_string()), name: String::new(), is_once: true };
        incoming.handle(&mut call.ctx, &email("bob"), fetch).await;
    }
    assert_eq!(incoming.count(&email("bob")), MAX_OBJECTS, "the rest is not fetched");
    call.exchange(&mut bob);
    while let Some(event) = bob.poll_event() {
        let PeerEvent::ObjectWanted { transfer, .. } = event else { continue };
        bob.end(now(), transfer);
    }
    call.exchange(&mut bob);
    drain(&mut incoming, &mut call).await;
    assert!(incoming.is_idle() && call.is_silent());
}

#[tokio::test(start_paused = true)]
async fn a_clip_that_has_come_is_handed_on_and_a_picture_too() {
    let (mut call, mut bob) = (component(), bob());
    for name in ["", "laugh.mct"] {
        let mut incoming = IncomingFiles::default();
        let fetch = IncomingEvent::Fetch { object: object("cat"), name: name.into(), is_once: true };
        incoming.handle(&mut call.ctx, &email("bob"), fetch).await;
        call.exchange(&mut bob);
        let Some(PeerEvent::ObjectWanted { transfer, .. }) = bob.poll_event() else {
            panic!("it is not asked for")
        };
        bob.accept(now(), transfer);
        call.exchange(&mut bob);
        call.send(&mut bob, b"cat", 9);
        drain(&mut incoming, &mut call).await;
        match incoming.poll_event() {
            Some(IncomingOutcome::Picture { object: came, .. }) => {
                assert!(name.is_empty() && came == object("cat"));
            }
            Some(IncomingOutcome::Clip { file, .. }) => {
                assert_eq!((file.name.as_str(), file.size), (name, 3));
                assert_eq!(call.media.data(&file.media), b"cat");
            }
            _ => panic!("it is not handed on"),
        }
        call.exchange(&mut bob);
        assert_eq!(bob.poll_event(), None, "he hears what becomes of it from whoever it is handed to");
        assert!(incoming.is_idle() && call.is_silent());
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_call_takes_over_goes_on_there() {
    let (mut call, mut bob, data) = (component(), bob(), vec![7; 3000]);
    let mut first = taken(&mut call, &mut bob, &data).await;
    call.send(&mut bob, &data, 1);
    drain(&mut first, &mut call).await;
    let mut second = IncomingFiles::default();
    assert!(first.take(&email("carol")).is_empty());
    second.put(&email("bob"), first.take(&email("bob")));
    assert!(first.is_idle());
    call.send(&mut bob, &data, 9);
    drain(&mut second, &mut call).await;
    let RemoteKind::Message { body: Body::File(file), .. } = call.told().await else { panic!("no file") };
    assert_eq!(call.media.data(&file.media), data);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_about_is_shown_and_what_programs_ask_for_is_not() {
    let (mut call, mut incoming) = (component(), IncomingFiles::default());
    for (what, shown) in [
        (Offered::Object, None),
        (Offered::File(Some("../x".into())), Some("«..x»")),
        (Offered::File(None), Some("in a way that is not understood here")),
        (Offered::Unknown, Some("no program for here")),
    ] {
        incoming.handle(&mut call.ctx, &email("bob"), IncomingEvent::Declined(what)).await;
        match shown {
            Some(part) => {
                let text = call.shown().await;
                assert!(text.contains("it was declined"), "{text}");
                assert!(part.starts_with('«') || text.contains(part), "{text}");
            }
            None => assert!(call.is_silent()),
        }
    }
}
