//! The members of a call alone: who is asked in, who comes, and which conversation it is then.

use super::*;
use crate::connector::tests::{component, email};
use crate::msn::command::ErrorCode;

#[tokio::test]
async fn who_is_asked_in_is_waited_for_until_they_come_or_cannot() {
    let (mut call, mut members) = (component(), Members::default());
    for (name, comes) in [("carol", true), ("dave", false)] {
        let (reply, mut answer) = oneshot::channel();
        members.invited(email(name), reply);
        assert!(!members.awaits_nobody() && answer.try_recv().is_err());
        match comes {
            true => drop(members.joined(&mut call.ctx, &email(name))),
            false => members.did_not_come(&call.ctx, &email(name), InviteFailure::Refused(ErrorCode(217))),
        }
        let answer = answer.try_recv().unwrap();
        assert_eq!(answer.is_ok(), comes, "{answer:?}");
        assert!(members.awaits_nobody() && members.absent.is_empty());
    }
    assert_eq!(call.ctx.members, [email("bob"), email("carol")]);
}

#[tokio::test]
async fn a_call_of_three_becomes_their_group_and_says_who_is_in_it() {
    let (mut call, mut members) = (component(), Members::default());
    members.joined(&mut call.ctx, &email("carol"));
    members.regroup(&mut call.ctx, None).await;
    let moved = call.news.try_recv().expect("the login hears of it");
    let CallNotice::Moved { to, call: handle } = moved else { panic!("it does not move") };
    assert!(to == call.ctx.conversation && group::is_group(&to) && handle.is_same(&call.ctx.handle));
    for name in ["bob", "carol"] {
        let RemoteKind::Joined { ghost, .. } = call.told().await else { panic!("nobody joins") };
        assert_eq!(ghost.id.as_str(), format!("{name}@example.com"));
    }
    // One more is one of this group, for it began here.
    members.joined(&mut call.ctx, &email("dave"));
    members.regroup(&mut call.ctx, Some(&email("dave"))).await;
    assert!(
        matches!(call.told().await, RemoteKind::Joined { ghost, .. } if ghost.id.as_str() == "dave@example.com")
    );
    assert_eq!(call.ctx.conversation, to);
    let all = group::members(&call.ctx.shared, &call.ctx.login, &to);
    assert_eq!(all, [email("bob"), email("carol"), email("dave")]);
}

#[tokio::test]
async fn who_is_dropped_for_being_idle_comes_back_as_if_nothing_had_been() {
    let (mut call, mut members) = (component(), Members::default());
    members.left(&mut call.ctx, &email("bob"), true).await;
    assert!(call.ctx.members.is_empty());
    assert!(members.joined(&mut call.ctx, &email("bob")), "they were only dropped");
    members.left(&mut call.ctx, &email("bob"), false).await;
    assert!(!members.joined(&mut call.ctx, &email("bob")), "they had closed their window");
}

#[tokio::test]
async fn who_does_not_come_to_a_group_is_absent_until_they_come() {
    let (mut call, mut members) = (component(), Members::default());
    let silent = || InviteFailure::NoAnswer;
    members.did_not_come(&call.ctx, &email("carol"), silent());
    assert!(members.absent.is_empty(), "with one person that is told otherwise");
    call.ctx.conversation = ConversationId::new("group:1");
    members.did_not_come(&call.ctx, &email("carol"), silent());
    members.did_not_come(&call.ctx, &email("carol"), silent());
    assert_eq!(members.absent, [email("carol")]);
    members.joined(&mut call.ctx, &email("carol"));
    assert!(members.absent.is_empty());
}

#[tokio::test]
async fn a_name_that_a_board_repeats_is_told_once() {
    let (mut call, mut members) = (component(), Members::default());
    for (who, name, is_news) in
        [("bob", "Bob", true), ("bob", "Bob", false), ("bob", "Bobby", true), ("alice", "Al", false)]
    {
        members.named(&call.ctx, &email(who), name).await;
        assert_eq!(call.news.try_recv().is_ok(), is_news, "{who} {name}");
    }
    assert_eq!(call.ctx.called(&email("bob")), "Bob", "the login says which name is the newest");
    assert_eq!(call.ctx.called(&email("carol")), "carol@example.com");
}

#[tokio::test]
async fn who_was_dropped_for_being_idle_is_one_of_the_group_that_somebody_new_makes() {
    let (mut call, mut members) = (component(), Members::default());
    let two = [email("bob"), email("carol")];
    let known = group::find_or_make(&call.ctx.shared, &call.ctx.login, &two).await.unwrap();
    (call.ctx.conversation, call.ctx.members) = (known.clone(), two.to_vec());
    members.left(&mut call.ctx, &email("bob"), true).await;
    members.joined(&mut call.ctx, &email("dave"));
    members.regroup(&mut call.ctx, Some(&email("dave"))).await;
    let three = group::members(&call.ctx.shared, &call.ctx.login, &call.ctx.conversation);
    assert_eq!(three, [email("bob"), email("carol"), email("dave")]);
    assert_eq!(group::members(&call.ctx.shared, &call.ctx.login, &known), two, "that one stays as it was");
}
