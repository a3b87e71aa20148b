//! Outgoing files alone: a peer at the other end, and a board that only counts.

use tokio::sync::oneshot;

use super::*;
use crate::connector::tests::{Component, bob, component, email};
use crate::msn::command::Acknowledge;
use crate::msn::ids::{Capabilities, Cookie};
use crate::msn::p2p::{Peer, PeerEvent};
use crate::msn::session::SwitchboardSession;

type Answer = oneshot::Receiver<Result<(), CallFailure>>;

/// Our side has a file of these bytes for Bob.
async fn send(outgoing: &mut OutgoingFiles, call: &mut Component, data: &[u8]) -> Answer {
    let media = call.media.add("kept", data);
    let (reply, answer) = oneshot::channel();
    let file = File { media, name: "a.bin".into(), size: data.len() as u64 };
    outgoing.handle(&mut call.ctx, OutgoingEvent::File { file, reply: reply.into() }).await;
    answer
}

/// Bob answers what is offered.
fn decide(call: &mut Component, bob: &mut Peer, accept: bool) {
    call.exchange(bob);
    while let Some(event) = bob.poll_event() {
        if let PeerEvent::FileOffered { transfer, .. } = event {
            match accept {
                true => bob.accept(now(), transfer),
                false => bob.end(now(), transfer),
            }
        }
    }
    call.exchange(bob);
}

/// What the peer tells is brought to the component.
async fn drain(outgoing: &mut OutgoingFiles, call: &mut Component) {
    while let Some(event) = call.ctx.peers.poll_event(&email("bob")) {
        let email = email("bob");
        let event = match event {
            PeerEvent::Finished(transfer) => OutgoingEvent::Finished { email, transfer },
            PeerEvent::Failed { transfer, failure } => OutgoingEvent::Failed { email, transfer, failure },
            PeerEvent::Accepted(_) => continue,
            other => panic!("{other:?}"),
        };
        outgoing.handle(&mut call.ctx, event).await;
    }
}

fn board() -> SwitchboardSession {
    let (own, cookie) = (email("alice"), Cookie::new("1"));
    SwitchboardSession::call(now(), crate::msn::dialect::Dialect::Msnp11, own, cookie, Vec::new())
}

/// A number as the board gives them.
fn handle(board: &mut SwitchboardSession) -> MessageHandle {
    board.send(now(), Acknowledge::Data, Bytes::new())
}

/// Hands everything to Bob that may be sent now; gives the numbers that the board gave.
async fn pump(
    outgoing: &mut OutgoingFiles,
    call: &mut Component,
    bob: &mut Peer,
    board: &mut SwitchboardSession,
) -> Vec<MessageHandle> {
    let mut handles = Vec::new();
    while let Some(fragment) = outgoing.next_fragment(&mut call.ctx, false).await {
        bob.handle(now(), &fragment.packet);
        let handle = handle(board);
        outgoing.sent(fragment, handle);
        handles.push(handle);
    }
    handles
}

#[tokio::test(start_paused = true)]
async fn a_file_has_arrived_when_its_receiver_says_so() {
    let (mut call, mut bob, mut board) = (component(), bob(), board());
    let (mut outgoing, data) =
        (OutgoingFiles::default(), (0..50_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    let mut answer = send(&mut outgoing, &mut call, &data).await;
    decide(&mut call, &mut bob, true);
    let mut came = Vec::new();
    while answer.try_recv().is_err() {
        let handles = pump(&mut outgoing, &mut call, &mut bob, &mut board).await;
        handles.iter().for_each(|handle| assert!(outgoing.confirmed(&mut call.ctx, *handle, true)));
        call.exchange(&mut bob);
        while let Some(event) = bob.poll_event() {
            match event {
                PeerEvent::Data { bytes, .. } => came.extend_from_slice(&bytes),
                PeerEvent::Arrived(transfer) => {
                    assert_eq!(came, data);
                    bob.confirm(now(), transfer);
                    call.exchange(&mut bob);
                }
                other => panic!("{other:?}"),
            }
        }
        drain(&mut outgoing, &mut call).await;
        if outgoing.is_idle() {
            break;
        }
    }
    assert!(outgoing.is_idle() && came == data);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_eight_fragments_are_on_their_way_unconfirmed() {
    let (mut call, mut bob, mut board) = (component(), bob(), board());
    let mut outgoing = OutgoingFiles::default();
    let _answer = send(&mut outgoing, &mut call, &[7; 100_000]).await;
    decide(&mut call, &mut bob, true);
    let handles = pump(&mut outgoing, &mut call, &mut bob, &mut board).await;
    assert_eq!(handles.len(), WINDOW);
    assert!(outgoing.next_fragment(&mut call.ctx, false).await.is_none());
    assert!(outgoing.confirmed(&mut call.ctx, handles[0], true));
    assert!(!outgoing.confirmed(&mut call.ctx, handles[0], true), "a text is not a fragment");
    assert_eq!(pump(&mut outgoing, &mut call, &mut bob, &mut board).await.len(), 1);
    let unconfirmed = outgoing.take_unconfirmed(&email("bob"));
    assert_eq!(unconfirmed.len(), WINDOW);
    assert!(unconfirmed[0].1 > 0, "the first has arrived");
    assert!(outgoing.take_unconfirmed(&email("bob")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_file_waits_for_somebody_to_come_and_no_longer_than_that() {
    let (mut call, mut bob, mut outgoing) = (component(), bob(), OutgoingFiles::default());
    call.ctx.members.clear();
    let mut answer = send(&mut outgoing, &mut call, b"abc").await;
    call.exchange(&mut bob);
    assert!(bob.poll_event().is_none() && !outgoing.is_idle());
    call.ctx.members.push(email("bob"));
    outgoing.handle(&mut call.ctx, OutgoingEvent::Joined).await;
    call.exchange(&mut bob);
    assert!(matches!(bob.poll_event(), Some(PeerEvent::FileOffered { file, .. }) if file.size == 3));
    assert!(answer.try_recv().is_err(), "nobody has it");

    call.ctx.members.clear();
    let answer = send(&mut outgoing, &mut call, b"abc").await;
    outgoing.handle(&mut call.ctx, OutgoingEvent::NobodyCame(CallFailure::Deserted)).await;
    assert_eq!(answer.await.unwrap(), Err(CallFailure::Deserted));
}

#[tokio::test(start_paused = true)]
async fn a_sender_hears_why_a_file_is_not_taken() {
    let (mut call, mut bob, mut outgoing) = (component(), bob(), OutgoingFiles::default());
    let answer = send(&mut outgoing, &mut call, b"abc").await;
    decide(&mut call, &mut bob, false);
    drain(&mut outgoing, &mut call).await;
    assert_eq!(answer.await.unwrap(), Err(CallFailure::File("they declined it".into())));
    assert!(outgoing.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_gone_from_the_disk_is_not_offered_and_one_that_is_cut_is_broken_off() {
    let (mut call, mut bob, mut outgoing) = (component(), bob(), OutgoingFiles::default());
    let (reply, answer) = oneshot::channel();
    let file = File { media: MediaId::new("gone").unwrap(), name: "a.bin".into(), size: 3 };
    outgoing.handle(&mut call.ctx, OutgoingEvent::File { file, reply: reply.into() }).await;
    let gone = CallFailure::File("it is not on the bridge's disk any more".into());
    assert_eq!(answer.await.unwrap(), Err(gone));

    let (reply, answer) = oneshot::channel();
    let file = File { media: call.media.add("cut", b"abc"), name: "a.bin".into(), size: 3000 };
    outgoing.handle(&mut call.ctx, OutgoingEvent::File { file, reply: reply.into() }).await;
    decide(&mut call, &mut bob, true);
    assert!(outgoing.next_fragment(&mut call.ctx, false).await.is_none());
    assert_eq!(
        answer.await.unwrap(),
        Err(CallFailure::File("it cannot be read on the bridge's disk".into()))
    );
    call.exchange(&mut bob);
    assert!(matches!(bob.poll_event(), Some(PeerEvent::Failed { .. })), "Bob hears it too");
}

#[tokio::test(start_paused = true)]
async fn who_takes_streams_only_is_offered_one() {
    let (mut call, mut bob, mut outgoing) = (component(), bob(), OutgoingFiles::default());
    call.ctx.people.came_with(&email("bob"), Some(Capabilities(0)));
    let _answer = send(&mut outgoing, &mut call, b"abc").await;
    let Some(OutgoingOutcome::Stream { to, file, .. }) = outgoing.poll_event() else { panic!("no stream") };
    assert!(to == email("bob") && file.name == "a.bin" && outgoing.is_idle());
    call.exchange(&mut bob);
    assert_eq!(bob.poll_event(), None);
}

#[tokio::test(start_paused = true)]
async fn an_object_is_given_to_who_asks_for_it() {
    use crate::msn::p2p::{MsnObject, ObjectKind};
    let (mut call, mut bob, mut outgoing, mut board) =
        (component(), bob(), OutgoingFiles::default(), board());
    let object = MsnObject::new("alice@example.com", ObjectKind::Emoticon, "x", b"cat");
    for (media, arrives) in [(call.media.add("cat", b"cat"), true), (MediaId::new("gone").unwrap(), false)] {
        bob.want(now(), &object, session_names());
        call.exchange(&mut bob);
        let Some(PeerEvent::ObjectWanted { transfer, .. }) = call.ctx.peers.poll_event(&email("bob")) else {
            panic!("nobody asks")
        };
        let event = OutgoingEvent::Object { email: email("bob"), transfer, media };
        outgoing.handle(&mut call.ctx, event).await;
        call.exchange(&mut bob);
        let handles = pump(&mut outgoing, &mut call, &mut bob, &mut board).await;
        handles.iter().for_each(|handle| assert!(outgoing.confirmed(&mut call.ctx, *handle, true)));
        call.exchange(&mut bob);
        let events: Vec<PeerEvent> = std::iter::from_fn(|| bob.poll_event()).collect();
        let came = events.iter().find_map(|event| match event {
            PeerEvent::Arrived(transfer) => Some(*transfer),
            _ => None,
        });
        assert_eq!(came.is_some(), arrives, "{events:?}");
        came.into_iter().for_each(|transfer| bob.confirm(now(), transfer));
        call.exchange(&mut bob);
        drain(&mut outgoing, &mut call).await;
    }
}
