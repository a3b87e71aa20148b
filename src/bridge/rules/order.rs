//! Order, and where each leg stands: with many who write at once, over restarts and crashes, while stopping.

use std::time::Duration;

use crate::bridge::port::storage::Table;
use crate::bridge::testkit::{Act, BOB, Disk, MATRIX, World};

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{prefix}{n}")).collect()
}

fn only(texts: &[String], prefix: &str) -> Vec<String> {
    texts.iter().filter(|text| text.starts_with(prefix)).cloned().collect()
}

#[test]
fn with_many_who_write_at_once_each_side_shows_the_same_order() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        let contact = async {
            for n in 1..=40 {
                life.says(BOB, &format!("b{n}")).await;
                life.pass(Duration::from_millis(7)).await;
            }
        };
        let owner = async {
            for n in 1..=40 {
                life.writes(BOB, &format!("${n}"), &format!("m{n}")).await;
                life.pass(Duration::from_millis(5)).await;
            }
        };
        let channel = async {
            for n in 1..=40 {
                life.writes_on_irc(BOB, &format!("#{n}"), &format!("i{n}")).await;
                life.pass(Duration::from_millis(3)).await;
            }
        };
        tokio::join!(contact, owner, channel);
        life.until(world.matrix.arrived(), 80).await;
        life.until(world.irc.arrived(), 80).await;
        life.until(world.msn.arrived(), 80).await;
    });
    let (room, channel, heard) = (world.room(BOB), world.channel(BOB), world.heard(BOB));
    for (side, prefix) in
        [(&room, "b"), (&room, "i"), (&channel, "b"), (&channel, "m"), (&heard, "m"), (&heard, "i")]
    {
        assert_eq!(only(side, prefix), numbered(prefix, 40), "each writer's own order");
    }
    // What two sides both show, they show in one order: the journal's.
    let position = |side: &[String], text: &str| side.iter().position(|other| other == text).unwrap();
    for (b, i, m) in (1..=40).map(|n| (format!("b{n}"), format!("i{n}"), format!("m{n}"))) {
        // Through the third side, every pair is compared.
        let room_says = position(&room, &b) < position(&room, &i);
        let (channel_says, heard_says) =
            (position(&channel, &b) < position(&channel, &m), position(&heard, &m) < position(&heard, &i));
        assert!(!(channel_says && heard_says) || room_says, "{b}, {m}, {i} go round in a circle");
        assert!(channel_says || heard_says || !room_says, "{b}, {m}, {i} go round in a circle");
    }
}

#[test]
fn each_leg_goes_on_where_it_stood_after_a_restart() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        world.irc.script.usually(Act::leg_down());
        for text in numbered("b", 5) {
            life.says(BOB, &text).await;
        }
        life.until(world.matrix.arrived(), 5).await;
    });
    world.irc.script.usually(Act::Take);
    world.live(async |life| {
        life.sign_in().await;
        life.until(world.irc.arrived(), 5).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.room(BOB), numbered("b", 5), "what the room had is not shown again");
    assert_eq!(world.channel(BOB), numbered("b", 5));
}

#[test]
fn what_the_network_has_taken_is_on_disk_as_taken_before_the_next_goes() {
    let world = World::new();
    world.crash_after(0, async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "m1").await;
        life.writes(BOB, "$2", "m2").await;
        life.until(world.msn.arrived(), 2).await;
    });
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$3", "m3").await;
        life.until_that("m3", world.msn.arrived(), |all| all.iter().any(|it| it.text == "m3")).await;
    });
    assert_eq!(only(&world.heard(BOB), "m1"), ["m1"], "the network cannot be asked");
}

#[test]
fn a_room_that_can_be_asked_shows_nothing_twice_after_a_crash() {
    let world = World::new();
    world.crash_after(0, async |life| {
        life.sign_in().await;
        for text in numbered("b", 5) {
            life.says_surely(BOB, &text).await;
        }
        life.until(world.matrix.arrived(), 5).await;
    });
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "b6").await;
        life.until(world.matrix.arrived(), 6).await;
    });
    assert_eq!(world.room(BOB), numbered("b", 6));
}

#[test]
fn a_room_that_can_be_asked_is_asked_about_everything_that_was_left_over() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::leg_down()]);
        for text in numbered("b", 5) {
            life.says_surely(BOB, &text).await;
        }
        // That the room has them is written down of none.
        world.disk.becomes(Disk::Full);
        life.leg_up(MATRIX).await;
        life.until(world.matrix.arrived(), 5).await;
    });
    world.disk.becomes(Disk::Works);
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "b6").await;
        life.until(world.matrix.arrived(), 6).await;
    });
    assert_eq!(world.room(BOB), numbered("b", 6));
}

#[test]
fn a_conversation_that_is_stuck_holds_up_no_other() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.next([Act::Hang { arrives: false }]);
        life.writes(BOB, "$1", "m1").await;
        life.pass(Duration::from_secs(1)).await;
        for n in 2..=5 {
            life.writes("carol@x", &format!("${n}"), &format!("m{n}")).await;
        }
        life.until(world.msn.arrived(), 4).await;
    });
    assert_eq!(world.heard("carol@x"), ["m2", "m3", "m4", "m5"]);
}

#[test]
fn one_thing_at_a_time_is_under_way_on_a_leg() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::Late(Duration::from_secs(30))]);
        life.says(BOB, "b1").await;
        life.says(BOB, "b2").await;
        life.pass(Duration::from_secs(20)).await;
        assert_eq!(world.room(BOB), [""; 0]);
        life.until(world.matrix.arrived(), 2).await;
    });
    assert_eq!(world.room(BOB), ["b1", "b2"]);
}

#[test]
fn what_was_brought_is_on_disk_when_the_bridge_has_stopped() {
    let world = World::new();
    world.matrix.script.usually(Act::leg_down());
    world.live(async |life| {
        life.sign_in().await;
        for text in numbered("b", 100) {
            life.says(BOB, &text).await;
        }
    });
    world.matrix.script.usually(Act::Take);
    world.live(async |life| life.until(world.matrix.arrived(), 100).await);
    assert_eq!(world.room(BOB), numbered("b", 100));
}

#[test]
fn what_is_under_way_when_the_bridge_stops_may_end_and_is_not_sent_again() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.next([Act::Late(Duration::from_secs(3))]);
        life.writes(BOB, "$1", "m1").await;
        life.pass(Duration::from_secs(1)).await;
    });
    assert_eq!(world.heard(BOB), ["m1"]);
    world.live(async |life| {
        life.sign_in().await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.heard(BOB), ["m1"]);
}

#[test]
fn stopping_waits_for_nothing_that_never_ends() {
    let world = World::new();
    let asked = world.live(async |life| {
        life.sign_in().await;
        world.msn.script.next([Act::Hang { arrives: false }]);
        life.writes(BOB, "$1", "m1").await;
        life.pass(Duration::from_secs(1)).await;
        world.now()
    });
    assert!(world.now() - asked <= 6_000, "{} ms", world.now() - asked);
    world.live(async |life| life.until(world.msn.arrived(), 1).await);
    assert_eq!(world.heard(BOB), ["m1"]);
}

#[test]
fn a_channel_that_is_added_begins_with_what_is_said_from_then_on() {
    let mut world = World::new();
    world.matrix.script.usually(Act::leg_down());
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "b1").await;
    });
    world.has_irc = true;
    world.matrix.script.usually(Act::Take);
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "b2").await;
        life.until(world.irc.arrived(), 1).await;
        life.until(world.matrix.arrived(), 2).await;
    });
    assert_eq!(world.channel(BOB), ["b2"]);
    assert_eq!(world.room(BOB), ["b1", "b2"]);
    assert_eq!(world.disk.rows(Table::Journal).len(), 0);
}

#[test]
fn a_channel_that_was_taken_away_keeps_nothing_on_the_disk() {
    let mut world = World::relayed();
    world.irc.script.usually(Act::leg_down());
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "b1").await;
        life.until(world.matrix.arrived(), 1).await;
    });
    world.has_irc = false;
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "b2").await;
        life.until(world.matrix.arrived(), 2).await;
    });
    assert_eq!(world.room(BOB), ["b1", "b2"]);
    assert_eq!(world.disk.rows(Table::Journal).len(), 0);
}

#[test]
fn a_leg_that_is_down_is_tried_again_by_itself() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::leg_down()]);
        life.says(BOB, "b1").await;
        life.pass(Duration::from_secs(29)).await;
        assert_eq!(world.room(BOB), [""; 0]);
        life.until(world.matrix.arrived(), 1).await;
        life.leg_up(MATRIX).await;
    });
    assert_eq!(world.room(BOB), ["b1"]);
}
