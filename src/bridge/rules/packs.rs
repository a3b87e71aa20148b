//! Lines that wait for a side which takes whole texts: many go as one, each arrives once and in order, whatever happens.

use std::time::Duration;

use crate::bridge::port::storage::Table;
use crate::bridge::testkit::{Act, BOB, Disk, Life, World};

/// Somebody says so many lines in the channel.
async fn pastes(life: &Life, lines: std::ops::RangeInclusive<usize>) {
    for n in lines {
        assert!(life.writes_on_irc(BOB, &format!("#{n}"), &format!("i{n}")).await);
    }
}

/// How many lines each message in the room has.
fn sizes(world: &World) -> Vec<usize> {
    world.room(BOB).iter().map(|text| text.lines().count()).collect()
}

/// The lines that the room shows.
fn lines(world: &World) -> Vec<String> {
    world.room(BOB).iter().flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("i{n}")).collect()
}

/// Waits until the room shows so many lines.
async fn until_lines(life: &Life, world: &World, count: usize) {
    let shown = |text: &str| text.lines().count();
    let is_there =
        |all: &[crate::bridge::testkit::Shown]| all.iter().map(|it| shown(&it.text)).sum::<usize>() >= count;
    life.until_that(&format!("{count} lines"), world.matrix.arrived(), is_there).await;
}

#[test]
fn lines_that_wait_go_as_one_once_more_wait_than_fit_into_one() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::Late(Duration::from_secs(10))]);
        pastes(life, 1..=100).await;
        until_lines(life, &world, 100).await;
        life.until(world.msn.arrived(), 100).await;
    });
    assert_eq!(lines(&world), numbered(100));
    assert_eq!(sizes(&world), [1, 20, 20, 20, 20, 19], "the first was on its way alone");
    assert_eq!(world.heard(BOB), numbered(100), "the network is told line by line");
    assert_eq!(world.disk.rows(Table::Journal).len(), 0);
}

#[test]
fn as_many_lines_as_fit_into_one_go_alone() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::Late(Duration::from_secs(10))]);
        pastes(life, 1..=21).await;
        until_lines(life, &world, 21).await;
    });
    assert_eq!(sizes(&world), [1; 21], "twenty wait behind the first");
}

#[test]
fn an_outage_and_a_crash_leave_packs_with_each_line_once() {
    let world = World::relayed();
    world.matrix.script.usually(Act::leg_down());
    world.crash_after(usize::MAX, async |life| {
        life.sign_in().await;
        pastes(life, 1..=300).await;
        life.until(world.msn.arrived(), 300).await;
    });
    world.matrix.script.usually(Act::Take);
    world.live(async |life| {
        life.sign_in().await;
        until_lines(life, &world, 300).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(lines(&world), numbered(300));
    assert_eq!(sizes(&world).iter().filter(|size| **size == 20).count(), 14, "{:?}", sizes(&world));
}

#[test]
fn what_went_as_one_is_the_same_one_after_a_crash() {
    for arrives in [false, true] {
        let world = World::relayed();
        world.crash_after(0, async |life| {
            life.sign_in().await;
            // The first arrives, and of what follows nobody hears.
            world.matrix.script.next([Act::Late(Duration::from_secs(10)), Act::Hang { arrives }]);
            pastes(life, 1..=30).await;
            until_lines(life, &world, if arrives { 21 } else { 1 }).await;
            life.pass(Duration::from_secs(1)).await;
        });
        world.live(async |life| {
            life.sign_in().await;
            pastes(life, 31..=60).await;
            until_lines(life, &world, 60).await;
            life.pass(Duration::from_secs(60)).await;
        });
        assert_eq!(lines(&world), numbered(60));
        assert_eq!(sizes(&world)[..2], [1, 20], "it arrived before: {arrives}");
    }
}

#[test]
fn a_pack_whose_end_was_written_beside_the_one_before_it_is_the_same_one_after_a_crash() {
    for (arrives, kept) in [(false, 0), (true, 0), (false, usize::MAX), (true, usize::MAX)] {
        let world = World::relayed();
        world.crash_after(kept, async |life| {
            life.sign_in().await;
            let late = Act::Late(Duration::from_secs(10));
            world.matrix.script.next([late, Act::Take, Act::Hang { arrives }]);
            pastes(life, 1..=50).await;
            until_lines(life, &world, if arrives { 41 } else { 21 }).await;
            life.pass(Duration::from_secs(1)).await;
        });
        world.live(async |life| {
            life.sign_in().await;
            pastes(life, 51..=90).await;
            until_lines(life, &world, 90).await;
            life.pass(Duration::from_secs(60)).await;
        });
        assert_eq!(lines(&world), numbered(90), "it arrived before: {arrives}, {kept} kept");
        assert_eq!(sizes(&world)[..3], [1, 20, 20], "it arrived before: {arrives}, {kept} kept");
    }
}

#[test]
fn a_pack_that_fails_beside_a_full_disk_is_repeated_with_those_behind_it() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        let late = || Act::Late(Duration::from_secs(10));
        world.matrix.script.next([late(), late(), Act::Take]);
        pastes(life, 1..=90).await;
        until_lines(life, &world, 1).await;
        life.pass(Duration::from_secs(5)).await;
        world.disk.becomes(Disk::Full);
        life.pass(Duration::from_secs(30)).await;
        world.disk.becomes(Disk::Works);
        until_lines(life, &world, 90).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(lines(&world), numbered(90));
    assert_eq!(sizes(&world), [1, 20, 20, 20, 20, 9]);
}

#[test]
fn stopped_between_two_steps_each_line_is_in_the_room_once() {
    let scene = async |world: &World, life: &Life| {
        life.sign_in().await;
        world.matrix.script.next([Act::Late(Duration::from_secs(10))]);
        pastes(life, 1..=45).await;
        until_lines(life, world, 45).await;
    };
    let steps = {
        let world = World::relayed();
        world.steps.never_stop();
        world.live(async |life| scene(&world, life).await);
        world.steps.count()
    };
    for (stop, kept) in (1..=steps).step_by(7).flat_map(|stop| [(stop, 0), (stop, 1), (stop, usize::MAX)]) {
        let world = World::relayed();
        world.steps.stop_at(stop);
        let said = std::cell::Cell::new(0);
        world.crash_after(kept, async |life| {
            life.sign_in().await;
            world.matrix.script.next([Act::Late(Duration::from_secs(10))]);
            for n in 1..=45 {
                pastes(life, n..=n).await;
                said.set(n);
            }
            std::future::pending::<()>().await;
        });
        world.live(async |life| {
            life.sign_in().await;
            // Whoever was not answered says it again: the inbox knows what it has.
            pastes(life, said.get() + 1..=45).await;
            until_lines(life, &world, 45).await;
            life.pass(Duration::from_secs(60)).await;
        });
        assert_eq!(lines(&world), numbered(45), "stopped at {stop}, {kept} kept");
    }
}

#[test]
fn lines_that_are_refused_together_go_alone_and_only_the_bad_one_is_given_up() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        let late = Act::Late(Duration::from_secs(10));
        world.matrix.script.next([late, Act::permanent(), Act::Take, Act::Take, Act::permanent()]);
        pastes(life, 1..=45).await;
        until_lines(life, &world, 44).await;
        life.pass(Duration::from_secs(60)).await;
    });
    let expected: Vec<String> = numbered(45).into_iter().filter(|line| line != "i4").collect();
    assert_eq!(lines(&world), expected);
    assert_eq!(sizes(&world)[..20], [1; 20], "{:?}", sizes(&world));
    assert!(sizes(&world).contains(&20), "what comes behind them goes together again");
    assert_eq!(world.disk.rows(Table::DeadLetters).len(), 1);
}

#[test]
fn an_attempt_that_failed_alone_is_repeated_alone_and_one_that_failed_together_together() {
    let world = World::relayed();
    let lost =
        || Act::TakeAndRefuse(crate::bridge::port::delivery::DeliveryError::transient("no answer came"));
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::Late(Duration::from_secs(10)), lost(), lost(), lost()]);
        pastes(life, 1..=45).await;
        until_lines(life, &world, 45).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(lines(&world), numbered(45));
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([lost()]);
        pastes(life, 1..=45).await;
        until_lines(life, &world, 45).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(lines(&world), numbered(45));
    assert_eq!(sizes(&world)[..3], [1, 20, 20], "{:?}", sizes(&world));
}

#[test]
fn messages_of_a_contact_stay_what_they_are_and_end_a_pack() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::Late(Duration::from_secs(10))]);
        for n in 1..=30 {
            life.says_surely(BOB, &format!("b{n}")).await;
        }
        pastes(life, 1..=30).await;
        life.until(world.msn.arrived(), 30).await;
        life.says_surely(BOB, "b31").await;
        until_lines(life, &world, 61).await;
    });
    let (room, of_bob) = (world.room(BOB), |n: usize| format!("b{n}"));
    assert_eq!(room[..30], (1..=30).map(of_bob).collect::<Vec<_>>());
    assert_eq!(room[30].lines().count(), 20);
    assert_eq!(room.last().map(String::as_str), Some("b31"));
}
