//! What a frontend brought is read later, in order within a conversation, and nothing of it is dropped for a failure.

use std::time::Duration;

use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::storage::Table;
use crate::bridge::testkit::{Act, BOB, World};

#[test]
fn an_item_that_cannot_be_read_now_is_tried_for_ever_and_its_owner_is_told_once() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.reading.next(std::iter::repeat_n(Act::transient(), 60));
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.until(world.msn.arrived(), 2).await;
    });
    assert_eq!(world.heard(BOB), ["m1", "m2"]);
    assert_eq!(world.told().iter().filter(|text| text.contains("waiting for more than a minute")).count(), 1);
}

#[test]
fn an_item_that_is_held_up_holds_up_no_other_conversation() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.reading.next([Act::Hang { arrives: false }]);
        life.writes(BOB, "$1", "m1").await;
        life.writes("carol@x", "$2", "m2").await;
        life.until(world.msn.arrived(), 1).await;
        assert_eq!(world.heard("carol@x"), ["m2"]);
        // An attempt that never ends is given up, and made again.
        life.until(world.msn.arrived(), 2).await;
    });
    assert_eq!(world.heard(BOB), ["m1"]);
}

#[test]
fn an_item_that_can_never_be_read_is_told_to_its_owner_and_leaves() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.reading.next([Act::Refuse(DeliveryError::permanent("it has no text"))]);
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.until(world.msn.arrived(), 1).await;
        life.until(world.matrix.arrived(), 1).await;
    });
    assert_eq!(world.heard(BOB), ["m2"]);
    assert!(world.told()[0].contains("it has no text"), "{:?}", world.told());
    assert_eq!(world.disk.rows(Table::Inbox).len(), 0);
}

#[test]
fn a_mistake_in_reading_one_item_stops_no_other() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.reading.next([Act::Panic]);
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.until(world.msn.arrived(), 1).await;
        assert!(!life.broken.is_cancelled());
    });
    assert_eq!(world.heard(BOB), ["m2"]);
}

#[test]
fn an_event_that_comes_again_in_another_transaction_is_said_once() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.until(world.msn.arrived(), 2).await;
    });
    assert_eq!(world.heard(BOB), ["m1", "m2"]);
}

#[test]
fn an_event_that_comes_again_after_a_restart_is_said_once() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "m1").await;
        life.until(world.msn.arrived(), 1).await;
    });
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.until(world.msn.arrived(), 2).await;
        life.pass(Duration::from_secs(5)).await;
    });
    assert_eq!(world.heard(BOB), ["m1", "m2"]);
}

#[test]
fn words_for_a_login_that_is_no_more_are_told_to_be_undelivered() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$0", &format!("logout --login={}", crate::bridge::testkit::ALICE)).await;
        life.until(world.matrix.arrived(), 1).await;
        life.writes(BOB, "$1", "m1").await;
        life.until_that("a word about it", world.matrix.arrived(), |all| {
            all.iter().any(|it| it.text.contains("nobody is signed in"))
        })
        .await;
    });
    assert_eq!(world.heard(BOB), [""; 0]);
}
