//! Signing in and out: passwords that are asked for, and what becomes of a login that ends.

use std::time::Duration;

use crate::bridge::body::Body;
use crate::bridge::event::{ConnectionState, LocalEvent, RemoteKind};
use crate::bridge::ids::{LoginId, UserId};
use crate::bridge::port::delivery::Content;
use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::storage::Table;
use crate::bridge::testkit::{ALICE, ANN, Act, BOB, Disk, World};

#[test]
fn a_password_is_asked_for_only_where_the_bridge_and_its_user_are_alone() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands_in(BOB, "$1", "login carol@x").await;
        life.until(world.matrix.arrived(), 1).await;
        life.writes(BOB, "$2", "m1").await;
        life.until(world.msn.arrived(), 1).await;
    });
    assert!(world.room(BOB)[0].contains("in the room on Matrix that you share with the bridge alone"));
    assert_eq!(world.heard(BOB), ["m1"]);
}

#[test]
fn who_does_not_want_to_say_a_password_says_cancel() {
    let world = World::new();
    world.live(async |life| {
        life.commands("$1", "login carol@x").await;
        life.commands("$2", "cancel").await;
        life.commands("$3", "status").await;
        life.until(world.matrix.arrived(), 3).await;
    });
    assert_eq!(world.told()[1], "Nothing waits for a password now.");
    assert!(world.told()[2].starts_with(ALICE), "a command again: {:?}", world.told());
    assert_eq!(world.matrix.redacted(), [""; 0]);
    assert_eq!(world.disk.rows(Table::Meta).len(), 0);
}

#[test]
fn a_login_command_that_the_disk_refused_at_first_is_not_taken_for_the_password() {
    let world = World::new();
    world.live(async |life| {
        life.pass(Duration::from_secs(1)).await;
        world.matrix.reading.next([Act::Late(Duration::from_secs(2))]);
        life.commands("$1", "login carol@x").await;
        world.disk.becomes(Disk::Full);
        life.pass(Duration::from_secs(30)).await;
        world.disk.becomes(Disk::Works);
        life.until(world.matrix.arrived(), 1).await;
        assert_eq!(world.matrix.redacted(), [""; 0]);
        life.commands("$2", "secret").await;
        life.until(world.matrix.arrived(), 2).await;
    });
    assert!(world.told()[0].contains("Now send the password"), "{:?}", world.told());
    assert_eq!(world.matrix.redacted(), ["$2"]);
}

#[test]
fn a_password_that_cannot_be_removed_is_told_to_whoever_said_it() {
    let world = World::new();
    *world.matrix.removes.lock().unwrap() = false;
    world.live(async |life| {
        life.commands("$1", "login carol@x").await;
        life.commands("$2", "secret").await;
        life.until(world.matrix.arrived(), 2).await;
    });
    assert!(world.told()[1].contains("could not be removed"), "{:?}", world.told());
    let shown = world.matrix.arrived().borrow()[1].clone();
    let Content::Said { body: Body::Notice { about, .. } } = shown.content else { panic!("{shown:?}") };
    assert_eq!(about, None, "a quotation would show the password again");
    assert_eq!(world.msn.connects().last(), Some(&LoginId::new("carol@x")), "it signs in all the same");
}

#[test]
fn no_password_is_kept_in_a_journal_or_an_inbox() {
    let world = World::new();
    world.matrix.script.usually(Act::leg_down());
    world.live(async |life| {
        life.commands("$1", "login carol@x").await;
        life.commands("$2", "hunter2secret").await;
        life.pass(Duration::from_secs(60)).await;
    });
    for table in [Table::Journal, Table::Inbox, Table::DeadLetters, Table::Meta] {
        let rows = world.disk.rows(table);
        assert!(
            !rows.iter().any(|(_, value)| String::from_utf8_lossy(value).contains("hunter2")),
            "{table:?}"
        );
    }
    assert!(world.disk.rows(Table::Journal).len() >= 2, "both answers wait");
}

#[test]
fn a_password_is_not_waited_for_where_somebody_else_can_read() {
    let world = World::new();
    let overheard = |said: Option<&str>| LocalEvent::Overheard {
        user: UserId::new(ANN),
        place: "!room".into(),
        said: said.map(str::to_owned),
    };
    world.live(async |life| {
        life.happens(&world, "$0", overheard(Some("$x"))).await;
        life.commands("$1", "login carol@x").await;
        life.until(world.matrix.arrived(), 1).await;
        assert_eq!(world.matrix.redacted(), [""; 0], "nothing was asked for before");
        life.happens(&world, "$2", overheard(Some("$9"))).await;
        life.until_ann_reads(&world, "What you said there was removed").await;
        life.commands("$3", "status").await;
        life.until_ann_reads(&world, ALICE).await;
    });
    assert_eq!(world.matrix.redacted(), ["$9"]);
    assert_eq!((world.disk.rows(Table::Meta).len(), world.disk.rows(Table::Inbox).len()), (0, 0));
}

#[test]
fn a_login_that_ends_is_forgotten_and_what_waits_for_it_is_told_to_be_undelivered() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.usually(Act::leg_down());
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.pass(Duration::from_secs(1)).await;
        life.commands("$3", "logout").await;
        for reference in ["$1", "$2"] {
            life.until_told(&world, reference, |outcome| matches!(outcome, Outcome::Failed { .. })).await;
        }
        life.until_ann_reads(&world, "alice@x is signed out and its password forgotten").await;
    });
    assert_eq!(world.msn.disconnects(), [LoginId::new(ALICE)]);
    assert_eq!(world.disk.rows(Table::Logins).len(), 0);
    assert_eq!(world.room(BOB).len(), 2, "{:?}", world.room(BOB));
    let before = world.msn.connects().len();
    world.live(async |life| life.pass(Duration::from_secs(60)).await);
    assert_eq!(world.msn.connects().len(), before);
}

#[test]
fn a_logout_that_the_disk_refused_at_first_is_one_all_the_same() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.reading.next([Act::Late(Duration::from_secs(2))]);
        life.commands("$1", "logout").await;
        world.disk.becomes(Disk::Full);
        life.pass(Duration::from_secs(30)).await;
        world.disk.becomes(Disk::Works);
        life.until(world.matrix.arrived(), 1).await;
    });
    assert!(world.told()[0].contains("signed out and its password forgotten"), "{:?}", world.told());
    assert_eq!(world.disk.rows(Table::Logins).len(), 0);
    assert_eq!(world.msn.disconnects(), [LoginId::new(ALICE)]);
}

#[test]
fn an_account_that_was_mistyped_is_forgotten_when_the_right_one_is_named() {
    let world = World::new();
    world.live(async |life| {
        life.commands("$1", "login carrol@x").await;
        life.commands("$2", "secret").await;
        life.until_ann_reads(&world, "Signing in as carrol@x").await;
        life.commands("$3", "login carol@x").await;
        life.commands("$4", "secret").await;
        life.until_ann_reads(&world, "carrol@x never signed in, and is forgotten.").await;
        life.until_ann_reads(&world, "Signing in as carol@x").await;
    });
    let known: Vec<_> = world.disk.rows(Table::Logins).into_iter().map(|(key, _)| key).collect();
    assert_eq!(known, [ALICE.as_bytes(), b"carol@x"]);
    assert_eq!(world.matrix.redacted(), ["$2", "$4"]);
}

#[test]
fn what_was_to_be_told_of_a_login_before_it_was_there_is_told_then() {
    let world = World::new();
    world.live(async |life| {
        for _ in 0..2 {
            life.remote_of("carol@x", RemoteKind::Notice { text: "The channel is shut.".into() }).await;
        }
        life.commands("$1", "login carol@x").await;
        life.commands("$2", "secret").await;
        life.until(world.matrix.arrived(), 1).await;
        life.remote_of("carol@x", RemoteKind::State(ConnectionState::Connected)).await;
        life.remote_of("carol@x", RemoteKind::Notice { text: "It is open.".into() }).await;
        life.until(world.matrix.arrived(), 4).await;
    });
    let told = world.told();
    let at = |text: &str| told.iter().position(|told| told == text);
    assert!(at("The channel is shut.") < at("It is open.") && at("It is open.").is_some(), "{told:?}");
    assert_eq!(told.iter().filter(|told| *told == "The channel is shut.").count(), 1);
}
