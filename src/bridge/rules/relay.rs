//! A side that takes only so much: what was said while it was away is bounded, and how much was passed over is told.

use crate::bridge::testkit::{BOB, IRC, World};
use std::time::Duration;

#[test]
fn of_what_was_said_while_the_channel_was_away_the_last_hundred_are_shown_and_the_rest_is_counted() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        world.irc.goes_away(true);
        for n in 1..=130 {
            life.says(BOB, &format!("b{n}")).await;
        }
        life.until(world.matrix.arrived(), 130).await;
        world.irc.goes_away(false);
        life.leg_up(IRC).await;
        life.until(world.irc.arrived(), 100).await;
    });
    let shown = world.irc.arrived().borrow().clone();
    assert_eq!(shown.iter().map(|it| it.text.as_str()).collect::<Vec<_>>()[..2], ["b31", "b32"]);
    assert_eq!((shown[0].missed, shown[1].missed), (30, 0));
}

#[test]
fn what_was_said_while_the_channel_could_be_reached_is_shown_whole_however_long_it_waits() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        world.irc.script.usually(crate::bridge::testkit::Act::Late(Duration::from_secs(20)));
        for n in 1..=300 {
            life.says(BOB, &format!("b{n}")).await;
        }
        life.until(world.irc.arrived(), 300).await;
    });
    assert_eq!(world.channel(BOB).len(), 300);
    assert!(world.irc.arrived().borrow().iter().all(|it| it.missed == 0));
}

#[test]
fn what_is_older_than_ten_minutes_when_the_channel_is_back_is_passed_over() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        world.irc.goes_away(true);
        life.says(BOB, "old").await;
        life.pass(Duration::from_secs(601)).await;
        life.says(BOB, "new").await;
        life.until(world.matrix.arrived(), 2).await;
        world.irc.goes_away(false);
        life.leg_up(IRC).await;
        life.until(world.irc.arrived(), 1).await;
    });
    assert_eq!(world.channel(BOB), ["new"]);
    assert_eq!(world.irc.arrived().borrow()[0].missed, 1);
}

#[test]
fn how_many_were_passed_over_is_told_after_a_crash_too() {
    let world = World::relayed();
    world.irc.goes_away(true);
    world.crash_after(usize::MAX, async |life| {
        life.sign_in().await;
        for n in 1..=130 {
            life.says_surely(BOB, &format!("b{n}")).await;
        }
        life.until(world.matrix.arrived(), 130).await;
    });
    world.live(async |life| {
        life.sign_in().await;
        world.irc.goes_away(false);
        life.leg_up(IRC).await;
        life.until(world.irc.arrived(), 100).await;
    });
    let shown = world.irc.arrived().borrow().clone();
    assert_eq!(shown.iter().map(|it| it.missed).sum::<u64>() + shown.len() as u64, 130);
}

#[test]
fn the_channel_hears_the_room_and_the_room_hears_the_channel() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "from Matrix").await;
        life.until(world.irc.arrived(), 1).await;
        life.writes_on_irc(BOB, "#1", "from IRC").await;
        life.until(world.matrix.arrived(), 1).await;
        life.until(world.msn.arrived(), 2).await;
    });
    assert_eq!(world.channel(BOB), ["from Matrix"]);
    assert_eq!(world.room(BOB), ["from IRC"]);
    assert_eq!(world.heard(BOB), ["from Matrix", "from IRC"]);
}
