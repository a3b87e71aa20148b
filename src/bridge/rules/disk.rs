//! A disk that fails, what is promised of the moment of the sync, and what is set aside.

use std::time::Duration;

use crate::bridge::BridgeError;
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{RemoteEvent, RemoteKind};
use crate::bridge::ids::{ConversationId, Leg, LoginId};
use crate::bridge::journal::{DeadLetter, MAX_DEAD_LETTERS};
use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::storage::{Batch, Table};
use crate::bridge::record::decode;
use crate::bridge::testkit::{ALICE, Act, BOB, Disk, MATRIX, World, contact};

fn dead_letters(world: &World) -> Vec<DeadLetter> {
    let rows = world.disk.rows(Table::DeadLetters);
    rows.iter().map(|(_, value)| decode("dead letter", value).unwrap()).collect()
}

#[test]
fn what_the_network_keeps_is_answered_for_only_once_it_is_synced() {
    let world = World::new();
    world.crash_after(0, async |life| {
        life.sign_in().await;
        world.matrix.script.usually(Act::leg_down());
        world.disk.becomes(Disk::Full);
        let answered = tokio::time::timeout(Duration::from_secs(60), life.says_surely(BOB, "b1")).await;
        assert!(answered.is_err(), "the disk is full");
        world.disk.becomes(Disk::Works);
        life.says_surely(BOB, "b2").await;
    });
    world.matrix.script.usually(Act::Take);
    world.live(async |life| life.until(world.matrix.arrived(), 2).await);
    assert_eq!(world.room(BOB), ["b1", "b2"], "nobody says b1 again: it was taken, and waited for the disk");
}

#[test]
fn what_belongs_to_kept_words_is_on_disk_together_with_them() {
    let world = World::new();
    world.crash_after(0, async |life| {
        life.sign_in().await;
        let mut with = Batch::default();
        with.put(Table::Fetched, "letter 1", "x");
        let event = RemoteEvent { login: LoginId::new(ALICE), kind: life.message(BOB, "b1") };
        life.bridge.remote_kept(event, with).await.unwrap();
    });
    assert_eq!(world.disk.rows(Table::Fetched).len(), 1);
}

#[test]
fn kept_words_for_a_login_that_is_no_more_are_not_answered_for() {
    let world = World::new();
    world.live(async |life| {
        let event = RemoteEvent { login: LoginId::new("nobody@x"), kind: life.message(BOB, "b1") };
        let answer = life.bridge.remote_kept(event, Batch::default()).await;
        assert!(matches!(answer, Err(BridgeError::Stopped)));
    });
}

#[test]
fn kept_words_are_as_clean_and_as_well_named_as_others() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        let kind = RemoteKind::Message {
            conversation: ConversationId::new(BOB),
            sender: contact(BOB, "B\u{202E}ob"),
            body: Body::Text(RichText::plain("b\u{202E}1\0")),
            at: 0,
        };
        let event = RemoteEvent { login: LoginId::new(ALICE), kind };
        life.bridge.remote_kept(event, Batch::default()).await.unwrap();
        life.until(world.matrix.arrived(), 1).await;
    });
    assert_eq!(world.room(BOB), ["b1"]);
    let shown = world.matrix.arrived().borrow()[0].clone();
    assert_eq!(shown.author, crate::bridge::event::Author::Ghost(contact(BOB, "Bob")));
    assert_eq!(world.disk.rows(Table::GhostNames), [(BOB.into(), "Bob".into())], "they were met");
}

#[test]
fn while_the_disk_is_full_nothing_is_tried_that_is_not_written_and_then_all_goes_on() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.disk.becomes(Disk::Full);
        for n in 1..=20 {
            life.says(BOB, &format!("b{n}")).await;
        }
        life.pass(Duration::from_secs(600)).await;
        assert_eq!(world.room(BOB), [""; 0], "journal first");
        world.disk.becomes(Disk::Works);
        life.until(world.matrix.arrived(), 20).await;
        assert!(!life.broken.is_cancelled());
    });
    assert_eq!(world.room(BOB), (1..=20).map(|n| format!("b{n}")).collect::<Vec<_>>());
}

#[test]
fn what_is_set_aside_while_the_disk_is_full_is_set_aside_and_told_once_it_works() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.next([Act::Take, Act::transient(), Act::permanent()]);
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.pass(Duration::from_millis(100)).await;
        world.disk.becomes(Disk::Full);
        life.pass(Duration::from_secs(60)).await;
        world.disk.becomes(Disk::Works);
        life.until(world.matrix.arrived(), 1).await;
        life.until_told(&world, "$2", |outcome| matches!(outcome, Outcome::Failed { .. })).await;
    });
    assert_eq!(world.heard(BOB), ["m1"]);
    assert_eq!(world.room(BOB), ["Your message was not delivered: it is too large."]);
    assert_eq!(dead_letters(&world).len(), 1);
}

#[test]
fn what_a_room_cannot_show_while_the_disk_fails_is_set_aside_too() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::Take, Act::transient(), Act::permanent()]);
        life.says(BOB, "b1").await;
        life.says(BOB, "b2").await;
        life.pass(Duration::from_millis(100)).await;
        world.disk.becomes(Disk::Full);
        life.pass(Duration::from_secs(60)).await;
        world.disk.becomes(Disk::Works);
        life.says(BOB, "b3").await;
        life.until_ann_reads(&world, "could not be shown").await;
    });
    assert_eq!(world.room(BOB), ["b1", "b3"]);
    assert_eq!(dead_letters(&world).len(), 1);
}

#[test]
fn a_thousand_of_what_was_set_aside_are_kept_and_the_oldest_go() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.usually(Act::permanent());
        for n in 1..=MAX_DEAD_LETTERS + 20 {
            life.says(BOB, &format!("b{n}")).await;
            life.pass(Duration::from_millis(1)).await;
        }
        life.pass(Duration::from_secs(10)).await;
        world.matrix.script.usually(Act::Take);
    });
    let kept: Vec<_> =
        dead_letters(&world).into_iter().filter(|letter| letter.portal == World::portal(BOB)).collect();
    assert!(dead_letters(&world).len() <= MAX_DEAD_LETTERS, "{}", dead_letters(&world).len());
    let text = |letter: &DeadLetter| format!("{:?}", letter.entry.content);
    assert!(!kept.iter().any(|letter| text(letter).contains("\"b1\"")), "the oldest is gone");
    assert!(kept.iter().any(|letter| text(letter).contains("\"b1020\"")), "the newest is there");
}

#[test]
fn what_two_sides_cannot_take_is_set_aside_for_each() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::permanent()]);
        world.msn.script.next([Act::permanent()]);
        life.writes_on_irc(BOB, "#1", "i1").await;
        life.until(world.irc.arrived(), 2).await;
    });
    let mut legs: Vec<Leg> = dead_letters(&world).iter().map(|letter| letter.leg).collect();
    legs.sort();
    assert_eq!(legs, [MATRIX, Leg::Remote]);
    let mut told = world.channel(BOB);
    told.sort();
    assert_eq!(
        told,
        [
            "Your message was not delivered on Matrix: it is too large.",
            "Your message was not delivered: it is too large."
        ]
    );
}

#[test]
fn who_was_set_aside_and_why_is_known() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.next([Act::permanent()]);
        life.writes(BOB, "$1", "m1").await;
        life.until(world.matrix.arrived(), 1).await;
    });
    let letters = dead_letters(&world);
    assert_eq!(letters[0].portal, World::portal(BOB));
    assert_eq!(letters[0].leg, Leg::Remote);
    assert_eq!(letters[0].reason, "it is too large");
    assert!(format!("{:?}", letters[0].entry.content).contains("m1"));
}

#[test]
fn a_disk_that_kept_what_it_said_it_had_not_makes_nothing_said_twice() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.disk.becomes(Disk::FailsAndKeeps);
        assert!(!life.writes(BOB, "$1", "m1").await);
        life.says(BOB, "b1").await;
        life.pass(Duration::from_secs(5)).await;
        world.disk.becomes(Disk::Works);
        assert!(life.writes(BOB, "$1", "m1").await);
        life.writes(BOB, "$2", "m2").await;
        life.until(world.msn.arrived(), 2).await;
        life.until(world.matrix.arrived(), 1).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.heard(BOB), ["m1", "m2"]);
    assert_eq!(world.room(BOB), ["b1"]);
}
