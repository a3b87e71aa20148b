//! What administrators may do to the logins and rights of others, to what was set aside, and to the program.

use std::time::Duration;

use crate::bridge::ids::LoginId;
use crate::bridge::login::Login;
use crate::bridge::port::storage::Table;
use crate::bridge::record::decode;
use crate::bridge::testkit::{ADMIN, Act, BOB, World};

const EVE: &str = "@eve:x";

fn stored_login(world: &World) -> Login {
    decode("login", &world.disk.rows(Table::Logins)[0].1).unwrap()
}

#[test]
fn an_administrator_commands_a_users_login_in_the_place_of_that_user() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands_as(ADMIN, "$1", "all-logins").await;
        life.commands_as(ADMIN, "$2", "as @ann:x psm on holiday").await;
        life.commands_as(ADMIN, "$3", "as @eve:x psm none of mine").await;
        life.commands_as(EVE, "$4", "as @ann:x logout").await;
        life.until(world.matrix.arrived(), 4).await;
    });
    let told = world.told_to(ADMIN);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("alice@x of @ann:x: "), "{told:?}");
    assert!(told.iter().any(|text| text == "Your personal message is set."), "{told:?}");
    assert!(told.iter().any(|text| text.starts_with("You are not signed in")), "{told:?}");
    assert!(world.told_to(EVE)[0].contains("do not know that command"), "{:?}", world.told_to(EVE));
    assert_eq!(world.told(), [""; 0], "the answer is the administrator's");
    assert_eq!(stored_login(&world).personal_message, "on holiday");
}

#[test]
fn an_administrator_ends_a_login_and_its_owner_is_told() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands_as(EVE, "$0", "kick alice@x").await;
        life.commands_as(ADMIN, "$1", "kick ALICE@x").await;
        life.commands_as(ADMIN, "$2", "kick nobody@x").await;
        life.until(world.matrix.arrived(), 4).await;
    });
    assert!(world.told_to(EVE)[0].contains("do not know that command"));
    assert!(world.told()[0].starts_with("An administrator of this bridge has signed alice@x out"));
    let told = world.told_to(ADMIN);
    assert!(told.iter().any(|text| text == "alice@x is signed out, and its owner was told."), "{told:?}");
    assert!(told.iter().any(|text| text.starts_with("There is no such login.")), "{told:?}");
    assert_eq!(world.disk.rows(Table::Logins).len(), 0);
}

#[test]
fn a_user_who_is_shut_out_loses_their_logins_and_is_not_answered_until_let_in_again() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands_as(ADMIN, "$1", "block @ann:x").await;
        life.until_that("her login to end", world.matrix.arrived(), |_| {
            world.disk.rows(Table::Logins).is_empty() && world.told_to(ADMIN).len() == 2
        })
        .await;
        life.commands("$2", "status").await;
        life.commands_as(ADMIN, "$3", "unblock @ann:x").await;
        life.commands_as(ADMIN, "$4", "block @root:x").await;
        life.until_that("answers", world.matrix.arrived(), |_| world.told_to(ADMIN).len() == 4).await;
        life.commands("$5", "status").await;
        life.until_that("an answer", world.matrix.arrived(), |_| world.told().len() == 2).await;
    });
    assert_eq!(world.told()[1], "You are not signed in to MSN.", "the first question was not answered");
    assert!(world.told_to(ADMIN).contains(&"You cannot shut yourself out.".to_owned()));
}

#[test]
fn a_user_who_was_shut_out_is_not_connected_after_a_crash_at_any_moment() {
    let mut shut_out = 0;
    for (stop, kept) in (1..40).flat_map(|stop| [(stop, 0), (stop, 1), (stop, usize::MAX)]) {
        let world = World::new();
        world.steps.stop_at(stop);
        world.crash_after(kept, async |life| {
            life.sign_in().await;
            life.commands_as(ADMIN, "$1", "block @ann:x").await;
            life.pass(Duration::from_secs(60)).await;
        });
        if !world.disk.rows(Table::ShutOut).is_empty() {
            shut_out += 1;
            assert_eq!(world.disk.rows(Table::Logins).len(), 0, "stopped at {stop}, {kept} kept");
        }
    }
    assert!(shut_out > 1, "{shut_out}");
}

#[test]
fn a_login_of_the_configuration_is_not_connected_while_its_owner_is_shut_out() {
    let world = World::new();
    world.live(async |life| {
        life.commands_as(ADMIN, "$1", "block @eve:x").await;
        life.until_that("an answer", world.matrix.arrived(), |_| world.told_to(ADMIN).len() == 1).await;
        life.bridge.configure_login(World::login("eve@x", EVE)).await.unwrap();
        life.pass(Duration::from_secs(60)).await;
        assert!(!world.msn.connects().contains(&LoginId::new("eve@x")));
        life.commands_as(ADMIN, "$2", "unblock @eve:x").await;
        life.until_that("an answer", world.matrix.arrived(), |_| world.told_to(ADMIN).len() == 2).await;
        life.bridge.configure_login(World::login("eve@x", EVE)).await.unwrap();
        life.pass(Duration::from_secs(60)).await;
        assert!(world.msn.connects().contains(&LoginId::new("eve@x")));
    });
}

#[test]
fn an_administrator_ends_the_program_and_nobody_else_does() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$1", "shutdown").await;
        life.until(world.matrix.arrived(), 1).await;
        life.pass(Duration::from_secs(60)).await;
        assert!(!world.shutdown.is_cancelled());
        life.commands_as(ADMIN, "$2", "shutdown").await;
        world.shutdown.cancelled().await;
    });
    assert_eq!(
        world.told_to(ADMIN),
        ["The bridge ends now. What is on its way goes on when it is started again."]
    );
}

#[test]
fn what_was_set_aside_is_listed_without_its_words_tried_again_and_forgotten() {
    let world = World::new();
    world.msn.script.usually(Act::permanent());
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "secret words").await;
        life.until_that("a dead letter", world.matrix.arrived(), |_| {
            world.disk.rows(Table::DeadLetters).len() == 1
        })
        .await;
        life.commands("$2", "dead-letters").await;
        life.commands_as(ADMIN, "$3", "dead-letters").await;
        life.until_that("a list", world.matrix.arrived(), |_| world.told_to(ADMIN).len() == 1).await;
        world.msn.script.usually(Act::Take);
        life.commands_as(ADMIN, "$4", "dead-letters retry").await;
        life.until_that("words", world.msn.arrived(), |_| world.heard(BOB) == ["secret words"]).await;
        life.until_that("an answer", world.matrix.arrived(), |_| world.told_to(ADMIN).len() == 2).await;
        life.commands_as(ADMIN, "$5", "discard-dead-letters").await;
        life.until_that("an answer", world.matrix.arrived(), |_| world.told_to(ADMIN).len() == 3).await;
    });
    let told = world.told_to(ADMIN);
    assert!(told[0].contains("for MSN: it is too large") && !told[0].contains("secret"), "{told:?}");
    assert_eq!(told[1..], ["One message is on its way again.", "No message was set aside."]);
    assert_eq!(world.disk.rows(Table::DeadLetters).len(), 0);
}
