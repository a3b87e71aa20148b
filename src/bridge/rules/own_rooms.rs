//! Rooms that an owner gives to a conversation, or takes from it.

use crate::bridge::port::frontend::Outcome;
use crate::bridge::testkit::{Act, BOB, World};

#[test]
fn a_room_is_given_up_with_what_waits_there_and_the_owner_hears_of_it_elsewhere() {
    let world = World::new();
    world.msn.script.usually(Act::away());
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "hello").await;
        life.until_told(&world, "$1", |outcome| matches!(outcome, Outcome::Held { .. })).await;
        life.commands_in(BOB, "$2", "delete-portal").await;
        life.until_ann_reads(&world, "removed; what is said later makes another.").await;
        life.commands_in(BOB, "$3", "unbridge").await;
        life.until_ann_reads(&world, "an ordinary room again").await;
        life.commands("$4", "delete-portal").await;
        life.until_ann_reads(&world, "Use this in a conversation: !msn delete-portal.").await;
    });
    assert_eq!(world.matrix.given_up(), ["bob@x keeps people: false", "bob@x keeps people: true"]);
    assert!(world.told()[0].ends_with("The message that waited there was taken back."), "{:?}", world.told());
    assert_eq!(world.heard(BOB), [""; 0]);
}

#[test]
fn a_room_becomes_a_conversations_or_its_owner_hears_why_not() {
    let world = World::new();
    world.matrix.adopting.next([Act::permanent()]);
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$1", "bridge bob@x").await;
        life.until_ann_reads(&world, "The room was not taken: it is too large.").await;
        life.commands("$2", "bridge bob@x").await;
        life.until_that("an answer there", world.matrix.arrived(), |_| world.room(BOB).len() == 1).await;
        life.commands_in(BOB, "$3", "bridge carol@x").await;
        life.until_that("an answer there", world.matrix.arrived(), |_| world.room(BOB).len() == 2).await;
    });
    assert_eq!(world.room(BOB)[0], "This room is the conversation with bob@x now.");
    assert!(world.room(BOB)[1].starts_with("This room is a conversation already."));
    assert_eq!(world.matrix.given_up().len(), 1);
}
