//! Journal first: what is acknowledged is on disk, what is on disk is shown, each leg in its own order.

use crate::bridge::journal::Cursors;
use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::bridge::testkit::{Act, BOB, Disk, IRC, SimStorage, World};

#[test]
fn what_a_contact_says_is_shown_in_the_room_in_order() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        for n in 1..=20 {
            life.says(BOB, &format!("b{n}")).await;
        }
        life.until(world.matrix.arrived(), 20).await;
    });
    assert_eq!(world.room(BOB), (1..=20).map(|n| format!("b{n}")).collect::<Vec<_>>());
    assert_eq!(world.heard(BOB), [""; 0], "it does not go back");
}

#[test]
fn what_is_written_in_the_room_is_heard_in_order_and_reported() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        for n in 1..=20 {
            assert!(life.writes(BOB, &format!("${n}"), &format!("m{n}")).await);
        }
        life.until(world.msn.arrived(), 20).await;
        life.until_told(&world, "$20", |outcome| *outcome == Outcome::Delivered).await;
    });
    assert_eq!(world.heard(BOB), (1..=20).map(|n| format!("m{n}")).collect::<Vec<_>>());
    assert_eq!(world.room(BOB), [""; 0], "it is there already");
}

#[test]
fn nothing_is_left_on_disk_of_what_everybody_has() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "b1").await;
        life.writes(BOB, "$1", "m1").await;
        life.until(world.matrix.arrived(), 1).await;
        life.until(world.msn.arrived(), 1).await;
        life.until(world.irc.arrived(), 2).await;
    });
    assert_eq!(world.disk.rows(Table::Journal).len(), 0);
    assert_eq!(world.disk.rows(Table::Inbox).len(), 0);
}

#[tokio::test]
async fn what_a_side_keeps_beside_its_cursor_is_no_number_of_an_entry() {
    let (disk, portal) = (SimStorage::default(), World::portal(BOB));
    let mut batch = Batch::default();
    batch.put(
        Table::Cursors,
        [portal.to_key(), IRC.as_str().as_bytes().to_vec()].concat(),
        7u64.to_be_bytes().to_vec(),
    );
    batch.put(Table::Cursors, [&portal.to_key()[..], b"irc lines"].concat(), br#"{"at":{"row":3}}"#.to_vec());
    disk.commit(batch, Urgency::Now).await.unwrap();
    // Taken for one, everything up to it would be struck off, one by one.
    assert_eq!(Cursors::load(&disk, &portal, &[IRC]).unwrap().head, 7);
}

#[test]
fn what_is_acknowledged_to_the_homeserver_survives_a_crash_at_once() {
    let world = World::new();
    world.crash_after(0, async |life| {
        life.sign_in().await;
        world.msn.script.usually(Act::Hang { arrives: false });
        assert!(life.writes(BOB, "$1", "m1").await);
    });
    world.msn.script.usually(Act::Take);
    world.live(async |life| {
        life.sign_in().await;
        life.until(world.msn.arrived(), 1).await;
    });
    assert_eq!(world.heard(BOB), ["m1"]);
}

#[test]
fn a_transaction_that_could_not_be_written_is_not_acknowledged_and_taken_when_it_comes_again() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.disk.becomes(Disk::Full);
        assert!(!life.writes(BOB, "$1", "m1").await);
        world.disk.becomes(Disk::Works);
        assert!(life.writes(BOB, "$1", "m1").await);
        life.until(world.msn.arrived(), 1).await;
    });
    assert_eq!(world.heard(BOB), ["m1"]);
}

#[test]
fn a_leg_that_is_down_holds_only_itself() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        world.irc.script.usually(Act::leg_down());
        for n in 1..=5 {
            life.says(BOB, &format!("b{n}")).await;
        }
        life.until(world.matrix.arrived(), 5).await;
        assert!(world.now() < 10_000, "{} ms", world.now());
        assert_eq!(world.channel(BOB), [""; 0]);
        world.irc.script.usually(Act::Take);
        life.leg_up(IRC).await;
        life.until(world.irc.arrived(), 5).await;
    });
    assert_eq!(world.channel(BOB), ["b1", "b2", "b3", "b4", "b5"]);
    assert_eq!(world.room(BOB).len(), 5);
}
