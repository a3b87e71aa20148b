//! What people see besides the words: when they were said, by whom, notes, signals, answers to commands.

use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{Author, Ghost, RemoteKind};
use crate::bridge::ids::{ConversationId, GhostId, LoginId};
use crate::bridge::port::frontend::Signal;
use crate::bridge::port::network::Request;
use crate::bridge::testkit::{ALICE, Act, BOB, World};

#[test]
fn what_waited_long_keeps_the_time_at_which_it_was_said() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next(std::iter::repeat_n(Act::transient(), 50));
        let (conversation, sender) =
            (ConversationId::new(BOB), Ghost { id: GhostId::new(BOB), name: "Bob".into() });
        let body = Body::Text(RichText::plain("b1"));
        life.remote(RemoteKind::Message { conversation, sender, body, at: 1_234 }).await;
        life.until(world.matrix.arrived(), 1).await;
    });
    let shown = world.matrix.arrived().borrow()[0].clone();
    assert_eq!(shown.at, 1_234);
    assert!(matches!(shown.author, Author::Ghost(ghost) if ghost.id == GhostId::new(BOB)));
}

#[test]
fn a_word_of_the_network_about_what_it_took_is_shown_where_that_was_said() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.next([Act::TakeWith("Carol has not read this".into())]);
        life.writes(BOB, "$1", "m1").await;
        life.until(world.matrix.arrived(), 1).await;
    });
    assert_eq!(world.room(BOB), ["Carol has not read this"]);
    assert_eq!(world.heard(BOB), ["m1"]);
}

#[test]
fn that_somebody_types_is_shown_at_once_and_never_written_down() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.usually(Act::leg_down());
        let before = world.disk.unsynced();
        let (conversation, sender) =
            (ConversationId::new(BOB), Ghost { id: GhostId::new(BOB), name: "Bob".into() });
        life.remote(RemoteKind::Typing { conversation, sender }).await;
        let mut signals = world.matrix.signals();
        let all = signals.wait_for(|all| all.iter().any(|it| matches!(it, Signal::Typing { .. }))).await;
        drop(all.unwrap());
        assert_eq!(world.disk.unsynced(), before);
    });
}

#[test]
fn a_session_is_made_again_for_every_login_at_every_start() {
    let world = World::new();
    for lives in 1..=3 {
        world.crash_after(0, async |life| life.sign_in().await);
        assert_eq!(world.msn.connects(), vec![LoginId::new(ALICE); lives]);
    }
}

#[test]
fn a_password_that_was_asked_for_is_removed_from_where_it_was_said() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$1", "login carol@x").await;
        life.until(world.matrix.arrived(), 1).await;
        life.commands("$2", "secret words").await;
        life.until(world.matrix.arrived(), 2).await;
    });
    assert_eq!(world.matrix.redacted(), ["$2"]);
    assert_eq!(world.msn.connects().last(), Some(&LoginId::new("carol@x")));
}

#[test]
fn a_password_that_was_asked_for_before_a_restart_is_removed_too() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$1", "login carol@x").await;
        life.until(world.matrix.arrived(), 1).await;
    });
    world.live(async |life| {
        life.commands("$2", "secret words").await;
        life.until(world.matrix.arrived(), 2).await;
    });
    assert_eq!(world.matrix.redacted(), ["$2"]);
}

#[test]
fn a_command_is_asked_of_the_network_and_answered_where_it_was_given() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands_in(BOB, "$1", "psm gone fishing").await;
        life.until(world.matrix.arrived(), 1).await;
    });
    assert!(world.msn.requests().contains(&Request::PersonalMessage("gone fishing".into())));
    assert_eq!(world.room(BOB).len(), 1, "{:?}", world.room(BOB));
}
