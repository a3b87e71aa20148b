//! What waits for a contact who is away: told once, kept in order, bounded, taken back, and sent when they are back.

use std::time::Duration;

use crate::bridge::HoldLimits;
use crate::bridge::body::Body;
use crate::bridge::port::delivery::Content;
use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::storage::Table;
use crate::bridge::testkit::{Act, BOB, Shown, World};

#[test]
fn words_for_somebody_away_wait_and_go_in_order_when_they_are_back() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.usually(Act::away());
        for n in 1..=3 {
            life.writes(BOB, &format!("${n}"), &format!("m{n}")).await;
        }
        life.until_told(&world, "$3", |outcome| matches!(outcome, Outcome::Held { .. })).await;
        world.msn.script.usually(Act::Take);
        life.reachable(Some(BOB)).await;
        life.until(world.msn.arrived(), 3).await;
        life.until_told(&world, "$3", |outcome| *outcome == Outcome::Delivered).await;
    });
    assert_eq!(world.heard(BOB), ["m1", "m2", "m3"]);
    let last = world.room(BOB).pop().unwrap();
    assert_eq!(last, "The 3 messages that waited were sent.");
}

#[test]
fn everything_that_is_said_of_one_absence_takes_the_place_of_what_was_said_before() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.usually(Act::away());
        life.writes(BOB, "$1", "m1").await;
        life.until(world.matrix.arrived(), 1).await;
        life.writes(BOB, "$2", "m2").await;
        life.until(world.matrix.arrived(), 2).await;
        world.msn.script.usually(Act::Take);
        life.reachable(None).await;
        life.until(world.matrix.arrived(), 3).await;
    });
    let shown = world.matrix.arrived().borrow().clone();
    let ids = shown.iter().map(|shown| match &shown.content {
        Content::Said { body: Body::LiveNotice { id, is_first, is_last, .. } } => {
            (id.clone(), *is_first, *is_last)
        }
        other => panic!("{other:?} is no notice that changes"),
    });
    let ids: Vec<_> = ids.collect();
    assert!(ids.iter().all(|(id, ..)| *id == ids[0].0), "{ids:?}");
    assert_eq!(
        ids.iter().map(|(_, first, last)| (*first, *last)).collect::<Vec<_>>(),
        [(true, false), (false, false), (false, true)]
    );
}

#[test]
fn beyond_the_bound_the_new_one_is_refused_and_those_that_wait_are_kept() {
    let mut world = World::new();
    world.hold.max_messages = 2;
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.usually(Act::away());
        for n in 1..=3 {
            life.writes(BOB, &format!("${n}"), &format!("m{n}")).await;
        }
        life.until_told(&world, "$3", |outcome| matches!(outcome, Outcome::Failed { .. })).await;
        world.msn.script.usually(Act::Take);
        life.reachable(Some(BOB)).await;
        life.until(world.msn.arrived(), 2).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.heard(BOB), ["m1", "m2"]);
}

#[test]
fn fault_08_words_that_waited_for_too_long_are_told_of_and_set_aside() {
    let mut world = World::new();
    world.hold = HoldLimits { max_age: Duration::from_secs(3_600), ..world.hold };
    let set_aside = || world.disk.rows(Table::DeadLetters).len();
    let last = |all: &[Shown], part: &str| all.last().is_some_and(|it| it.text.contains(part));
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.usually(Act::away());
        life.writes(BOB, "$old", "old").await;
        life.until_that("one waits", world.matrix.arrived(), |all| last(all, "Your message waits")).await;
        life.pass(Duration::from_secs(2_400)).await;
        life.writes(BOB, "$new", "new").await;
        life.until_that("two wait", world.matrix.arrived(), |all| last(all, "2 messages wait")).await;
        assert_eq!(set_aside(), 0);
        // The first has waited too long, and the other stays.
        life.until_told(&world, "$old", |outcome| matches!(outcome, Outcome::Failed { .. })).await;
        life.until_that("one waits again", world.matrix.arrived(), |all| last(all, "Your message waits"))
            .await;
        assert_eq!(set_aside(), 1);
        // And then the other.
        life.until_that("the end", world.matrix.arrived(), |all| last(all, "Nothing waits here any more."))
            .await;
        assert_eq!(set_aside(), 2);
    });
    let room = world.room(BOB).concat();
    assert!(room.contains("and that for more than a day."), "{room}");
    assert!(!room.contains("was sent"), "{room}");
    assert_eq!(world.heard(BOB), [""; 0]);
}

#[test]
fn fault_08_words_that_waited_and_are_refused_then_wait_no_longer() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.usually(Act::away());
        life.writes(BOB, "$1", "m1").await;
        life.until_told(&world, "$1", |outcome| matches!(outcome, Outcome::Held { .. })).await;
        world.msn.script.usually(Act::permanent());
        life.reachable(Some(BOB)).await;
        let is_over = |all: &[Shown]| all.last().is_some_and(|it| it.text == "Nothing waits here any more.");
        life.until_that("the end", world.matrix.arrived(), is_over).await;
        let said = world.room(BOB).len();
        // The next one goes as if nobody had been away.
        world.msn.script.usually(Act::Take);
        life.writes(BOB, "$2", "m2").await;
        life.until_told(&world, "$2", |outcome| *outcome == Outcome::Delivered).await;
        assert_eq!(world.room(BOB).len(), said);
    });
    assert!(world.room(BOB).iter().any(|text| text.contains("not delivered")), "{:?}", world.room(BOB));
    assert_eq!(world.heard(BOB), ["m2"]);
}

#[test]
fn what_waits_can_be_taken_back() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.usually(Act::away());
        life.writes(BOB, "$1", "m1").await;
        life.until_told(&world, "$1", |outcome| matches!(outcome, Outcome::Held { .. })).await;
        life.commands_in(BOB, "$2", "cancel").await;
        life.until_told(&world, "$1", |outcome| matches!(outcome, Outcome::Failed { .. })).await;
        world.msn.script.usually(Act::Take);
        life.reachable(Some(BOB)).await;
        life.writes(BOB, "$3", "m3").await;
        life.until(world.msn.arrived(), 1).await;
    });
    assert_eq!(world.heard(BOB), ["m3"]);
}

#[test]
fn what_waits_waits_over_a_restart_and_is_not_told_of_again() {
    let world = World::new();
    world.msn.script.usually(Act::away());
    world.crash_after(usize::MAX, async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "m1").await;
        life.until(world.matrix.arrived(), 1).await;
        life.pass(Duration::from_secs(5)).await;
    });
    world.live(async |life| {
        life.sign_in().await;
        life.pass(Duration::from_secs(5)).await;
        assert_eq!(world.room(BOB).len(), 1, "{:?}", world.room(BOB));
        world.msn.script.usually(Act::Take);
        life.reachable(Some(BOB)).await;
        life.until(world.msn.arrived(), 1).await;
        life.until(world.matrix.arrived(), 2).await;
    });
    assert_eq!(world.heard(BOB), ["m1"]);
}

#[test]
fn what_was_held_goes_at_once_when_they_are_back_or_the_session_was_tried_and_works() {
    for back in [Some(BOB), None] {
        let world = World::new();
        world.live(async |life| {
            life.sign_in().await;
            world.msn.script.next([Act::away()]);
            life.writes(BOB, "$1", "m1").await;
            life.until_told(&world, "$1", |outcome| matches!(outcome, Outcome::Held { .. })).await;
            life.reachable(Some("carol@x")).await;
            life.pass(Duration::from_secs(1)).await;
            assert_eq!(world.heard(BOB), [""; 0], "somebody else is back");
            let at = world.now();
            life.reachable(back).await;
            life.until(world.msn.arrived(), 1).await;
            assert!(world.now() - at < 1_000, "{back:?}: {} ms", world.now() - at);
        });
    }
}

#[test]
fn what_is_on_its_way_is_not_taken_back() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.next([Act::away(), Act::Late(Duration::from_secs(20))]);
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.until_told(&world, "$2", |outcome| matches!(outcome, Outcome::Held { .. })).await;
        life.reachable(Some(BOB)).await;
        life.pass(Duration::from_secs(1)).await;
        life.commands_in(BOB, "$3", "cancel").await;
        life.until_told(&world, "$2", |outcome| matches!(outcome, Outcome::Failed { .. })).await;
        life.until_told(&world, "$1", |outcome| *outcome == Outcome::Delivered).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.heard(BOB), ["m1"]);
    let of_the_first = world.reports_of("$1");
    assert!(!of_the_first.iter().any(|it| matches!(it, Outcome::Failed { .. })), "{of_the_first:?}");
}

#[test]
fn what_waited_before_a_restart_counts_for_the_bound_at_once() {
    let mut world = World::new();
    world.hold.max_messages = 2;
    world.msn.script.usually(Act::away());
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.until_told(&world, "$2", |outcome| matches!(outcome, Outcome::Held { .. })).await;
    });
    // Whether they are still away is not known yet.
    world.msn.script.usually(Act::Hang { arrives: false });
    world.live(async |life| {
        life.writes(BOB, "$3", "m3").await;
        life.until_told(&world, "$3", |outcome| matches!(outcome, Outcome::Failed { .. })).await;
    });
}
