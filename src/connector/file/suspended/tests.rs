//! Suspended transfers alone: two calls of one login, of which one broke.

use super::*;
use crate::connector::tests::{Component, bob, component, email};

/// A call that broke under a file, and the place where that waits.
async fn broken() -> (Component, Suspension, SuspendedTransfers) {
    let mut call = component();
    let transfers = SuspendedTransfers::default();
    let mut suspension = Suspension::new(transfers.clone());
    let state = call.file_under_way();
    suspension.suspend(&call.ctx, email("bob"), state).await;
    let told = call.news.try_recv().expect("the login hears of it");
    assert!(matches!(told, CallNotice::Broke(conversation) if conversation == call.ctx.conversation));
    assert_eq!(transfers.conversations(), [call.ctx.conversation.clone()]);
    (call, suspension, transfers)
}

#[tokio::test(start_paused = true)]
async fn the_next_call_with_the_same_contact_takes_up_what_was_set_aside() {
    let (call, mut suspension, transfers) = broken().await;
    let (mut next, mut resuming) = (component(), Suspension::new(transfers.clone()));
    let (who, state) = resuming.resume(&mut next.ctx).expect("it goes on");
    assert!(who == email("bob") && !state.peer.is_idle());
    assert!(resuming.resume(&mut next.ctx).is_none(), "once");
    let begun = Instant::now();
    assert!(suspension.hand_over(&call.ctx).await.is_none(), "it is not taken back");
    assert!(begun.elapsed().is_zero() && transfers.conversations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_up_in_half_a_minute_is_taken_back() {
    let (call, mut suspension, transfers) = broken().await;
    let begun = Instant::now();
    let (who, _) = suspension.hand_over(&call.ctx).await.expect("it is taken back");
    assert_eq!((who, begun.elapsed()), (email("bob"), RESUME_TIMEOUT));
    assert!(transfers.conversations().is_empty(), "nobody else finds it then");
    assert!(suspension.hand_over(&call.ctx).await.is_none(), "nothing more waits");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_ends_waits_for_no_other_call() {
    let (call, mut suspension, _) = broken().await;
    call.ctx.cancel.cancel();
    let begun = Instant::now();
    assert!(suspension.hand_over(&call.ctx).await.is_some());
    assert!(begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn only_a_call_of_two_with_that_contact_is_the_place_for_it() {
    let (_call, _suspension, transfers) = broken().await;
    let mut resuming = Suspension::new(transfers);
    let mut next = component();
    for members in [vec![], vec![email("carol")], vec![email("bob"), email("carol")]] {
        next.ctx.members = members;
        assert!(resuming.resume(&mut next.ctx).is_none(), "{:?}", next.ctx.members);
    }
    next.ctx.members = vec![email("bob")];
    let conversation = std::mem::replace(&mut next.ctx.conversation, ConversationId::new("group:1"));
    assert!(resuming.resume(&mut next.ctx).is_none(), "another conversation");
    next.ctx.conversation = conversation;
    // A peer with whom something is under way already does not understand the names of another.
    let mut other = bob();
    next.offer(&mut other, "b.bin", 10);
    assert!(resuming.resume(&mut next.ctx).is_none());
    next.ctx.peers.take(&email("bob"));
    assert!(resuming.resume(&mut next.ctx).is_some());
}
