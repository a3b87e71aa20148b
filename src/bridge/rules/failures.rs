//! Failures are of three kinds, and those who wait hear of them.

use std::time::Duration;

use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::storage::Table;
use crate::bridge::testkit::{Act, BOB, World};

#[test]
fn a_transient_failure_is_tried_again_for_ever_and_the_next_waits_behind_it() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.next(std::iter::repeat_n(Act::transient(), 200));
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.until(world.msn.arrived(), 2).await;
    });
    assert_eq!(world.heard(BOB), ["m1", "m2"]);
    assert!(matches!(world.reports_of("$1")[..], [Outcome::Pending { .. }, Outcome::Delivered]));
}

#[test]
fn a_permanent_failure_is_told_to_its_sender_and_set_aside_and_the_next_goes() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.next([Act::permanent()]);
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.until(world.msn.arrived(), 1).await;
        life.until(world.matrix.arrived(), 1).await;
    });
    assert_eq!(world.heard(BOB), ["m2"]);
    assert_eq!(world.room(BOB), ["Your message was not delivered: it is too large."]);
    assert!(
        matches!(&world.reports_of("$1")[..], [Outcome::Failed { reason }] if reason == "it is too large")
    );
    assert_eq!(world.disk.rows(Table::DeadLetters).len(), 1);
}

#[test]
fn what_cannot_be_shown_on_matrix_is_told_to_the_owner_and_the_next_is_shown() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::permanent()]);
        life.says(BOB, "b1").await;
        life.says(BOB, "b2").await;
        life.until(world.matrix.arrived(), 2).await;
    });
    assert_eq!(world.room(BOB), ["b2"]);
    assert!(world.told()[0].contains("could not be shown"), "{:?}", world.told());
}

#[test]
fn a_mistake_in_an_adapter_stops_nothing() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::Panic]);
        world.msn.script.next([Act::Panic, Act::Panic]);
        life.says(BOB, "b1").await;
        life.writes(BOB, "$1", "m1").await;
        life.until(world.matrix.arrived(), 1).await;
        life.until(world.msn.arrived(), 1).await;
        assert!(!life.broken.is_cancelled());
    });
}

#[test]
fn a_sender_hears_within_half_a_minute_that_words_wait() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.usually(Act::leg_down());
        life.writes(BOB, "$1", "m1").await;
        life.pass(Duration::from_secs(31)).await;
        assert!(matches!(&world.reports_of("$1")[..], [Outcome::Pending { .. }]));
    });
}
