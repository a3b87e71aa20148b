//! How logins stand: what ends a session for good, what is told of interruptions, who is connected at a start.

use std::time::Duration;

use crate::bridge::event::{ConnectionState, RemoteKind};
use crate::bridge::ids::LoginId;
use crate::bridge::port::storage::Table;
use crate::bridge::testkit::{ALICE, ANN, Act, BOB, Disk, Life, World};

const EVE: &str = "@eve:x";

async fn waits(life: &Life) {
    life.remote(RemoteKind::State(ConnectionState::Waiting { reason: "no answer".into() })).await;
}

async fn signed_out(life: &Life) {
    life.remote(RemoteKind::State(ConnectionState::SignedOut { reason: "signed in elsewhere".into() })).await;
}

#[test]
fn a_login_that_was_signed_out_stays_so_over_restarts_until_somebody_asks() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        signed_out(life).await;
        life.until_ann_reads(&world, "signed in elsewhere").await;
    });
    let before = world.msn.connects().len();
    for _ in 0..2 {
        world.live(async |life| life.pass(Duration::from_secs(3_600)).await);
    }
    assert_eq!(world.msn.connects().len(), before, "nobody has asked");
    world.live(async |life| {
        life.commands("$1", "status").await;
        life.until_ann_reads(&world, "alice@x: signed out: signed in elsewhere").await;
        life.commands("$2", "reconnect").await;
        life.until_ann_reads(&world, "Connecting alice@x").await;
    });
    assert_eq!(world.msn.connects().len(), before + 1);
    world.live(async |life| life.pass(Duration::from_secs(1)).await);
    assert_eq!(world.msn.connects().len(), before + 2, "asked for once, it is connected at every start");
}

#[test]
fn a_login_that_gets_in_by_itself_is_signed_out_no_longer() {
    let world = World::new();
    world.live(async |life| {
        signed_out(life).await;
        life.sign_in().await;
    });
    let before = world.msn.connects().len();
    world.live(async |life| life.pass(Duration::from_secs(1)).await);
    assert_eq!(world.msn.connects().len(), before + 1);
}

#[test]
fn that_a_login_is_signed_out_is_kept_although_the_disk_is_full_just_then() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.disk.becomes(Disk::Full);
        signed_out(life).await;
        life.pass(Duration::from_secs(60)).await;
        world.disk.becomes(Disk::Works);
        life.until_ann_reads(&world, "signed in elsewhere").await;
    });
    let before = world.msn.connects().len();
    world.live(async |life| life.pass(Duration::from_secs(1)).await);
    assert_eq!(world.msn.connects().len(), before);
}

#[test]
fn a_short_interruption_is_nobodys_business() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        waits(life).await;
        life.pass(Duration::from_secs(50)).await;
        life.sign_in().await;
        life.pass(Duration::from_secs(600)).await;
    });
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_long_interruption_is_told_once_and_so_is_its_end() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        for _ in 0..100 {
            waits(life).await;
            life.pass(Duration::from_secs(10)).await;
            life.remote(RemoteKind::State(ConnectionState::Connecting)).await;
        }
        life.sign_in().await;
        life.until_ann_reads(&world, "connected to MSN again").await;
        life.pass(Duration::from_secs(600)).await;
    });
    let told = world.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("alice@x is not connected to MSN: no answer."), "{told:?}");
    assert_eq!(told[1], "alice@x is connected to MSN again.");
}

#[test]
fn who_asked_for_a_sign_in_hears_at_once_what_became_of_it() {
    let world = World::new();
    world.live(async |life| {
        life.commands("$1", "reconnect").await;
        life.until_ann_reads(&world, "Connecting").await;
        waits(life).await;
        life.until_ann_reads(&world, "not connected").await;
        life.sign_in().await;
        life.until_ann_reads(&world, "Signed in to MSN as alice@x").await;
        assert!(world.now() < 10_000, "at once");
    });
}

#[test]
fn a_session_that_is_there_releases_what_was_held_for_it() {
    let world = World::new();
    world.live(async |life| {
        world.msn.script.next([Act::leg_down()]);
        life.writes(BOB, "$1", "m1").await;
        life.pass(Duration::from_secs(5)).await;
        life.sign_in().await;
        life.until(world.msn.arrived(), 1).await;
        assert!(world.now() < 10_000, "{} ms", world.now());
    });
}

#[test]
fn when_the_disk_works_again_everybody_is_connected_and_told_but_who_was_signed_out() {
    let world = World::new();
    world.knows("eve@x", EVE);
    world.knows("eve2@x", EVE);
    world.live(async |life| {
        life.sign_in().await;
        signed_out(life).await;
        life.until_ann_reads(&world, "signed out").await;
        let before = world.msn.connects().len();
        life.bridge.recovered().await.unwrap();
        life.until_that("both to be told", world.matrix.arrived(), |_| {
            [ANN, EVE]
                .iter()
                .all(|user| world.told_to(user).iter().any(|text| text.contains("disk works again")))
        })
        .await;
        let mut again = world.msn.connects()[before..].to_vec();
        again.sort();
        assert_eq!(again, [LoginId::new("eve2@x"), LoginId::new("eve@x")]);
    });
    assert_eq!(world.told_to(EVE).len(), 1, "once for each person");
}

#[test]
fn when_the_disk_works_again_what_was_held_goes_at_once() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::leg_down()]);
        life.says(BOB, "b1").await;
        life.pass(Duration::from_secs(1)).await;
        life.bridge.recovered().await.unwrap();
        life.until(world.matrix.arrived(), 1).await;
        assert!(world.now() < 10_000, "{} ms", world.now());
    });
}

#[test]
fn what_happens_to_a_login_that_nobody_has_is_ignored() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        let kinds = [
            life.message(BOB, "b1"),
            RemoteKind::Notice { text: "hello".into() },
            RemoteKind::State(ConnectionState::Connected),
        ];
        for kind in kinds {
            life.remote_of("nobody@x", kind).await;
        }
        life.says(BOB, "b2").await;
        life.until(world.matrix.arrived(), 1).await;
    });
    assert_eq!(world.matrix.arrived().borrow().len(), 1);
    assert_eq!(world.room(BOB), ["b2"]);
    assert_eq!(world.disk.rows(Table::Logins).len(), 1);
}

#[test]
fn notices_of_the_network_are_told_to_the_owner_in_their_order_and_over_a_crash() {
    let world = World::new();
    world.matrix.script.usually(Act::leg_down());
    world.live(async |life| {
        life.sign_in().await;
        for n in 1..=30 {
            life.remote(RemoteKind::Notice { text: format!("n{n}") }).await;
        }
    });
    world.matrix.script.usually(Act::Take);
    world.live(async |life| life.until(world.matrix.arrived(), 30).await);
    assert_eq!(world.told(), (1..=30).map(|n| format!("n{n}")).collect::<Vec<_>>());
}

#[test]
fn a_login_of_the_configuration_is_connected_and_kept_and_one_that_is_known_is_left_as_it_is() {
    let world = World::new();
    world.live(async |life| {
        life.bridge.configure_login(World::login("eve@x", EVE)).await.unwrap();
        life.bridge.configure_login(World::login(ALICE, ANN)).await.unwrap();
        life.pass(Duration::from_secs(1)).await;
    });
    assert_eq!(world.msn.connects(), [LoginId::new(ALICE), LoginId::new("eve@x")]);
    assert_eq!(world.disk.rows(Table::Logins).len(), 2);
}

#[test]
fn a_portal_of_the_configuration_is_there_before_anybody_says_anything() {
    let world = World::new();
    world.live(async |life| {
        life.bridge.open(World::portal(BOB)).await.unwrap();
        life.pass(Duration::from_secs(1)).await;
    });
    let rows = world.disk.rows(Table::Portals);
    assert_eq!(rows.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [World::portal(BOB).to_key()]);
    assert_eq!(world.room(BOB), [""; 0]);
}
