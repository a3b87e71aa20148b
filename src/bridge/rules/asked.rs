//! People who ask to be let in, what frontends tell besides words, and signals.

use std::time::Duration;

use crate::bridge::body::Body;
use crate::bridge::event::{
    Availability, ContactGroup, GhostPresence, LocalEvent, Picture, Progress, RemoteKind,
};
use crate::bridge::ids::{ConversationId, EntryId, LoginId, UserId};
use crate::bridge::port::delivery::Content;
use crate::bridge::port::frontend::{Outcome, Signal};
use crate::bridge::port::media::MediaId;
use crate::bridge::port::network::Request;
use crate::bridge::port::storage::Table;
use crate::bridge::testkit::{ALICE, ANN, Act, BOB, Life, MATRIX, World, contact};

const EVE: &str = "@eve:x";

async fn asks(life: &Life) {
    life.remote(RemoteKind::ContactRequest(contact(BOB, "Bob"))).await;
}

async fn shows(life: &Life, login: &str, availability: Availability, text: &str) {
    let presence = GhostPresence { ghost: contact(BOB, "Bob"), availability, text: text.into() };
    life.remote_of(login, RemoteKind::Presence(presence)).await;
}

fn presences(world: &World) -> Vec<(Availability, String)> {
    let signals = world.matrix.signals();
    let all = signals.borrow();
    let of = |signal: &Signal| match signal {
        Signal::Presence { presence, .. } => Some((presence.availability, presence.text.clone())),
        _ => None,
    };
    all.iter().filter_map(of).collect()
}

#[test]
fn who_asks_to_be_let_in_is_asked_about_once_over_restarts() {
    let world = World::new();
    for _ in 0..3 {
        world.live(async |life| {
            life.sign_in().await;
            asks(life).await;
            asks(life).await;
            life.until(world.matrix.arrived(), 1).await;
            life.pass(Duration::from_secs(5)).await;
        });
    }
    assert_eq!(world.told().len(), 1, "{:?}", world.told());
    assert!(world.told()[0].starts_with("Bob <bob@x> has added alice@x on MSN and asks to see you."));
    let Content::Said { body: Body::Question { answers, .. } } =
        world.matrix.arrived().borrow()[0].content.clone()
    else {
        panic!("no question")
    };
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0].command, "accept bob@x --login=alice@x");
}

#[test]
fn a_question_and_that_it_was_asked_are_on_disk_together() {
    let world = World::new();
    world.crash_after(0, async |life| {
        life.sign_in().await;
        world.matrix.script.usually(Act::leg_down());
        asks(life).await;
        life.says_surely("carol@x", "c1").await;
        life.pass(Duration::from_secs(1)).await;
    });
    world.matrix.script.usually(Act::Take);
    world.live(async |life| {
        life.sign_in().await;
        asks(life).await;
        life.until(world.matrix.arrived(), 2).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.told().len(), 1, "{:?}", world.told());
}

#[test]
fn who_takes_it_back_or_was_answered_may_ask_again() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        asks(life).await;
        life.remote(RemoteKind::ContactRequestGone(contact(BOB, "Bob"))).await;
        asks(life).await;
        life.until(world.matrix.arrived(), 2).await;
        for (n, answer) in ["decline", "block", "accept"].into_iter().enumerate() {
            life.commands(&format!("${n}"), &format!("{answer} {BOB} --login={ALICE}")).await;
            life.until(world.matrix.arrived(), 3 + 2 * n).await;
            asks(life).await;
            life.until(world.matrix.arrived(), 4 + 2 * n).await;
        }
    });
    assert_eq!(world.told().iter().filter(|text| text.contains("asks to see you")).count(), 5);
}

#[test]
fn an_answer_that_the_network_did_not_take_leaves_the_question_as_it_was() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        asks(life).await;
        world.msn.answers.usually(Act::permanent());
        life.commands("$1", "accept bob@x").await;
        life.until(world.matrix.arrived(), 2).await;
        asks(life).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.told().len(), 2, "{:?}", world.told());
    assert_eq!(world.disk.rows(Table::Requests).len(), 1);
}

#[test]
fn a_ghost_of_two_logins_shows_what_the_most_restricted_may_see() {
    use Availability::{Away, Offline, Online};
    let world = World::new();
    world.knows("eve@x", EVE);
    world.live(async |life| {
        shows(life, ALICE, Online, "hello").await;
        shows(life, "eve@x", Offline, "").await;
        shows(life, ALICE, Away, "lunch").await;
        life.remote_of("eve@x", RemoteKind::PresenceLost(contact(BOB, ""))).await;
        life.remote(RemoteKind::PresenceLost(contact(BOB, ""))).await;
        life.pass(Duration::from_secs(1)).await;
    });
    let said = |text: &str| text.to_owned();
    assert_eq!(
        presences(&world),
        [(Online, said("hello")), (Offline, said("")), (Away, said("lunch")), (Offline, said(""))]
    );
}

#[test]
fn contacts_of_a_login_that_is_no_more_do_not_stay_as_they_were() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        shows(life, ALICE, Availability::Online, "").await;
        life.commands("$1", "logout").await;
        life.until(world.matrix.arrived(), 1).await;
        life.remote(RemoteKind::PresenceLost(contact(BOB, "Bob"))).await;
        life.pass(Duration::from_secs(1)).await;
    });
    assert_eq!(presences(&world).last().unwrap().0, Availability::Offline);
}

#[test]
fn pictures_progress_and_groups_are_shown_at_once_and_never_written_down() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        life.pass(Duration::from_secs(1)).await;
        let before = world.disk.unsynced();
        let picture = Some(Picture { media: MediaId::new("p1").unwrap(), digest: "d".into(), size: 1 });
        life.remote(RemoteKind::Picture { ghost: contact(BOB, "Bob"), picture }).await;
        let progress = Progress { id: "1".into(), text: Some("half".into()) };
        life.remote(RemoteKind::Progress { conversation: ConversationId::new(BOB), progress }).await;
        let group = ContactGroup { id: "g".into(), name: "Pals".into(), conversations: Vec::new() };
        life.remote(RemoteKind::Groups(vec![group])).await;
        for side in [&world.matrix, &world.irc] {
            life.until_signal(side, |it| matches!(it, Signal::Picture { .. })).await;
            life.until_signal(side, |it| matches!(it, Signal::Progress { .. })).await;
            life.until_signal(side, |it| matches!(it, Signal::Groups { .. })).await;
        }
        assert_eq!(world.disk.unsynced(), before);
    });
}

#[test]
fn signals_that_nobody_takes_are_bounded_and_hold_up_nothing() {
    let world = World::relayed();
    world.matrix.shows.send_replace(false);
    world.live(async |life| {
        life.sign_in().await;
        for _ in 0..2_000 {
            let (conversation, sender) = (ConversationId::new(BOB), contact(BOB, "Bob"));
            life.remote(RemoteKind::Typing { conversation, sender }).await;
        }
        life.says(BOB, "b1").await;
        life.until(world.matrix.arrived(), 1).await;
        assert!(world.irc.signals().borrow().len() > 513, "the other side has them");
        world.matrix.shows.send_replace(true);
        life.pass(Duration::from_secs(1)).await;
    });
    let kept = world.matrix.signals().borrow().len();
    assert!((1..=513).contains(&kept), "{kept}");
}

#[test]
fn an_owner_who_comes_and_goes_is_shown_so_by_the_logins_that_follow_them() {
    let world = World::new();
    let there =
        |availability| LocalEvent::Presence { user: UserId::new(ANN), availability, text: "busy bee".into() };
    world.live(async |life| {
        life.sign_in().await;
        life.happens(&world, "$1", there(Availability::Online)).await;
        life.until_asked(&world, &Request::Presence("online".into())).await;
        life.until_asked(&world, &Request::PersonalMessage("busy bee".into())).await;
        life.happens(&world, "$2", there(Availability::Offline)).await;
        life.until_asked(&world, &Request::Presence("away".into())).await;
        life.commands("$3", "presence busy").await;
        life.until(world.matrix.arrived(), 1).await;
        life.happens(&world, "$4", there(Availability::Away)).await;
        life.pass(Duration::from_secs(5)).await;
    });
    assert!(!world.msn.requests().contains(&Request::Presence("idle".into())), "it follows no longer");
    assert_eq!(world.disk.rows(Table::Inbox).len(), 0, "what was acted on is not read again");
}

#[test]
fn what_a_frontend_refused_is_told_where_it_was_said() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        let reason = "polls cannot be carried".to_owned();
        let refused =
            LocalEvent::Refused { portal: World::portal(BOB), leg: MATRIX, reference: "$1".into(), reason };
        life.happens(&world, "$1", refused).await;
        life.until(world.matrix.arrived(), 1).await;
        life.until_told(&world, "$1", |outcome| matches!(outcome, Outcome::Refused { .. })).await;
    });
    assert_eq!(world.room(BOB), ["Your message was not delivered: polls cannot be carried."]);
    let refused = Outcome::Refused { reason: "polls cannot be carried".into() };
    assert_eq!(world.reports_of("$1"), [refused], "their client is told too");
    assert_eq!((world.heard(BOB).len(), world.disk.rows(Table::Inbox).len()), (0, 0));
}

#[test]
fn that_something_was_removed_is_said_where_there_are_words_for_it() {
    let world = World::new();
    let removed = |said| LocalEvent::Removed { portal: World::portal(BOB), entry: EntryId::new("e"), said };
    world.live(async |life| {
        life.sign_in().await;
        life.happens(&world, "$1", removed(None)).await;
        let said =
            life.local(BOB, "$2", Body::Text(crate::bridge::body::RichText::plain("deleted a message")));
        life.happens(&world, "$2", removed(Some(said))).await;
        life.until(world.msn.arrived(), 1).await;
    });
    assert_eq!(world.heard(BOB), ["deleted a message"]);
    assert_eq!(world.disk.rows(Table::Inbox).len(), 0);
}

#[test]
fn an_owner_who_leaves_a_room_leaves_the_conversation_and_nothing_is_kept_of_it() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.happens(&world, "$1", LocalEvent::OwnerLeft { portal: World::portal("group1") }).await;
        life.until_asked(&world, &Request::Leave { conversation: ConversationId::new("group1") }).await;
        life.happens(&world, "$2", LocalEvent::Ignored).await;
        life.pass(Duration::from_secs(1)).await;
    });
    assert_eq!(world.disk.rows(Table::Inbox).len(), 0);
    assert!(world.msn.asked().borrow().iter().all(|(login, _)| *login == LoginId::new(ALICE)));
}

#[test]
fn an_owner_who_looks_different_is_shown_so_and_at_every_sign_in() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.until_asked(&world, &Request::Picture(None)).await;
        life.happens(&world, "$1", LocalEvent::Portrait { user: UserId::new(ANN) }).await;
        life.pass(Duration::from_secs(1)).await;
    });
    assert_eq!(world.msn.requests(), [Request::Picture(None), Request::Picture(None)]);
}

#[test]
fn something_a_user_has_to_know_is_told_once_over_a_crash() {
    let world = World::new();
    world.matrix.script.usually(Act::leg_down());
    world.crash_after(0, async |life| {
        life.happens(&world, "$1", LocalEvent::Told { user: UserId::new(EVE), text: "mind the gap".into() })
            .await;
        life.pass(Duration::from_secs(1)).await;
    });
    world.matrix.script.usually(Act::Take);
    world.live(async |life| {
        life.until(world.matrix.arrived(), 1).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.told_to(EVE), ["mind the gap"]);
}
