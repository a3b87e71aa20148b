//! Offers alone: what waits, until when, and who answers.

use super::*;
use crate::connector::tests::{Component, bob, component, email};
use crate::msn::message::InvitationCommand;

fn invitation(cookie: u32) -> Offer {
    Offer::Stream(Box::new(Invitation::new(InvitationCommand::Invite, cookie)))
}

fn file(name: &str, offer: Offer) -> OfferedFile {
    OfferedFile { email: email("bob"), name: name.into(), size: 20_000, offer }
}

/// Bob offers a file; gives the number under which the owner is asked.
async fn ask(offers: &mut Offers, call: &mut Component, file: OfferedFile) -> u32 {
    offers.handle(&mut call.ctx, OfferEvent::Offered(file)).await;
    match call.told().await {
        RemoteKind::FileOffered { number, minutes: 30, .. } => number,
        other => panic!("{other:?} is told"),
    }
}

fn offers() -> (Offers, OfferRegistry) {
    let registry = OfferRegistry::default();
    (Offers::new(registry.clone()), registry)
}

async fn answer(
    offers: &mut Offers,
    call: &mut Component,
    number: u32,
    accept: bool,
) -> Option<Result<(), String>> {
    let (reply, mut answer) = oneshot::channel();
    offers.handle(&mut call.ctx, OfferEvent::Answered { number, accept, reply }).await;
    match offers.poll_event() {
        // Whoever takes the file answers.
        Some(OfferOutcome::Accepted { file, .. }) => {
            assert!(accept && file.name == "a.bin");
            None
        }
        Some(OfferOutcome::Declined(file)) => {
            assert!(!accept && file.name == "a.bin");
            Some(answer.try_recv().unwrap())
        }
        Some(other) => panic!("{other:?}"),
        None => Some(answer.try_recv().unwrap()),
    }
}

#[tokio::test(start_paused = true)]
async fn an_offer_that_nobody_answers_is_declined_after_half_an_hour() {
    let (mut call, (mut offers, registry)) = (component(), offers());
    let number = ask(&mut offers, &mut call, file("a.bin", invitation(7))).await;
    assert_eq!(offers.next_timeout(), Some((Instant::now() + ANSWER_TIMEOUT).into_std()));
    tokio::time::advance(ANSWER_TIMEOUT - Duration::from_secs(1)).await;
    offers.handle_timeout(&mut call.ctx).await;
    assert!(offers.poll_event().is_none() && !offers.is_idle() && call.is_silent(), "there is time");
    tokio::time::advance(Duration::from_secs(1)).await;
    offers.handle_timeout(&mut call.ctx).await;
    assert_eq!(call.shown().await, "offered the file «a.bin»; nobody answered, and it was declined");
    assert!(matches!(offers.poll_event(), Some(OfferOutcome::Declined(file)) if file.name == "a.bin"));
    assert!(offers.is_idle() && offers.next_timeout().is_none());
    assert!(registry.find(&call.ctx.conversation, Some(number)).is_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_once() {
    for accept in [true, false] {
        let (mut call, (mut offers, _)) = (component(), offers());
        let number = ask(&mut offers, &mut call, file("a.bin", invitation(7))).await;
        let wrong = answer(&mut offers, &mut call, number + 1, accept).await;
        assert_eq!(wrong, Some(Err("that file is not offered any more".into())));
        let first = answer(&mut offers, &mut call, number, accept).await;
        assert_eq!(first, (!accept).then_some(Ok(())));
        let second = answer(&mut offers, &mut call, number, accept).await;
        assert_eq!(second, Some(Err("that file is not offered any more".into())));
    }
}

#[tokio::test(start_paused = true)]
async fn the_peer_waits_longer_than_the_owner_may_take() {
    let (mut call, (mut offers, _), mut bob) = (component(), offers(), bob());
    let (transfer, _) = call.offer(&mut bob, "a.bin", 20_000);
    ask(&mut offers, &mut call, file("a.bin", Offer::Packets(transfer))).await;
    let asked_until = offers.next_timeout().unwrap();
    assert_eq!(call.ctx.peers.next_timeout(), Some(asked_until + MARGIN), "it is told by us");
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_an_owner_can_answer() {
    let (mut call, (mut offers, _)) = (component(), offers());
    for cookie in 0..8 {
        ask(&mut offers, &mut call, file("a.bin", invitation(cookie))).await;
    }
    offers.handle(&mut call.ctx, OfferEvent::Offered(file("i.bin", invitation(9)))).await;
    let Some(OfferOutcome::Crowded(file, reason)) = offers.poll_event() else { panic!("it waits") };
    assert_eq!((file.name.as_str(), reason), ("i.bin", "too many wait for an answer already"));
    assert!(call.is_silent());
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_number_means_the_only_file_of_its_conversation() {
    let (mut call, (mut offers, registry)) = (component(), offers());
    let none = registry.find(&call.ctx.conversation, None).unwrap_err();
    assert_eq!(none, "no file waits for an answer in this conversation");
    let number = ask(&mut offers, &mut call, file("a.bin", invitation(1))).await;
    let (found, handle) = registry.find(&call.ctx.conversation, None).unwrap();
    assert!(found == number && handle.is_same(&call.ctx.handle));
    assert!(registry.find(&ConversationId::new("carol"), None).is_err(), "another conversation");
    ask(&mut offers, &mut call, file("b.bin", invitation(2))).await;
    assert!(registry.find(&call.ctx.conversation, None).unwrap_err().starts_with("several files"));
    assert_eq!(registry.find(&call.ctx.conversation, Some(number)).unwrap().0, number);
}

#[tokio::test(start_paused = true)]
async fn what_is_withdrawn_waits_no_more() {
    let (mut call, (mut offers, _), mut bob) = (component(), offers(), bob());
    let (transfer, _) = call.offer(&mut bob, "a.bin", 20_000);
    ask(&mut offers, &mut call, file("a.bin", Offer::Packets(transfer))).await;
    ask(&mut offers, &mut call, file("b.bin", invitation(7))).await;
    assert!(offers.has_invitation(&email("bob"), 7) && !offers.has_invitation(&email("carol"), 7));
    assert!(!offers.withdraw_invitation(&mut call.ctx, &email("carol"), 7).await, "not theirs");
    assert!(!offers.withdraw_invitation(&mut call.ctx, &email("bob"), 8).await, "another cookie");
    assert!(offers.withdraw_invitation(&mut call.ctx, &email("bob"), 7).await);
    assert_eq!(call.shown().await, "does not offer the file «b.bin» any more");
    assert!(!offers.withdraw_transfer(&mut call.ctx, &email("carol"), transfer).await);
    assert!(offers.withdraw_transfer(&mut call.ctx, &email("bob"), transfer).await);
    assert_eq!(call.shown().await, "does not offer the file «a.bin» any more");
    assert!(offers.is_idle());
}

#[tokio::test(start_paused = true)]
async fn offers_end_with_those_who_made_them_and_with_the_call() {
    let (mut call, (mut offers, registry)) = (component(), offers());
    ask(&mut offers, &mut call, file("a.bin", invitation(1))).await;
    let of_carol = OfferedFile { email: email("carol"), ..file("c.bin", invitation(1)) };
    ask(&mut offers, &mut call, of_carol).await;
    offers.handle(&mut call.ctx, OfferEvent::Left(email("bob"))).await;
    let expected = "offered the file «a.bin», but the conversation was closed before it was taken. Ask them to send it again.";
    assert_eq!(call.shown().await, expected);
    assert!(!offers.is_idle() && call.is_silent(), "Carol is here");
    offers.handle(&mut call.ctx, OfferEvent::Closed).await;
    assert!(matches!(call.told().await, RemoteKind::Message { .. }));
    assert!(offers.is_idle() && registry.find(&call.ctx.conversation, None).is_err());
}

#[tokio::test(start_paused = true)]
async fn numbers_are_told_apart_across_the_calls_of_a_login() {
    let registry = OfferRegistry::default();
    let mut calls = [component(), component()];
    let mut numbers = Vec::new();
    for call in &mut calls {
        let mut offers = Offers::new(registry.clone());
        numbers.push(ask(&mut offers, call, file("a.bin", invitation(1))).await);
    }
    for (number, call) in numbers.iter().zip(&calls) {
        let (_, found) = registry.find(&ConversationId::new("elsewhere"), Some(*number)).unwrap();
        assert!(found.is_same(&call.ctx.handle));
    }
}
