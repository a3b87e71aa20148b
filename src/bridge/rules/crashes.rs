//! The bridge stops between any two of its steps, and goes on where it stood.

use crate::bridge::testkit::{BOB, Life, World};

/// One text each way, with a channel that hears both.
async fn one_each_way(life: &Life, world: &World) {
    life.sign_in().await;
    life.says_surely(BOB, "b1").await;
    life.writes(BOB, "$1", "m1").await;
    life.until(world.msn.arrived(), 1).await;
    life.until(world.matrix.arrived(), 1).await;
    life.until(world.irc.arrived(), 2).await;
}

#[test]
fn stopped_between_any_two_steps_nothing_acknowledged_is_lost_and_one_at_most_is_repeated() {
    let steps = {
        let world = World::relayed();
        world.steps.never_stop();
        world.live(async |life| one_each_way(life, &world).await);
        world.steps.count()
    };
    assert!(steps > 10, "{steps} steps");
    for (stop, kept) in (1..=steps).flat_map(|stop| [(stop, 0), (stop, 1), (stop, usize::MAX)]) {
        let world = World::relayed();
        world.steps.stop_at(stop);
        let (mut said, mut written) = (false, false);
        world.crash_after(kept, async |life| {
            life.sign_in().await;
            life.says_surely(BOB, "b1").await;
            said = true;
            written = life.writes(BOB, "$1", "m1").await;
            life.until(world.msn.arrived(), 1).await;
            life.until(world.matrix.arrived(), 1).await;
            life.until(world.irc.arrived(), 2).await;
            std::future::pending::<()>().await;
        });
        world.live(async |life| {
            life.sign_in().await;
            // Whoever was not answered says it again.
            if !said {
                life.says_surely(BOB, "b1").await;
            }
            if !written {
                assert!(life.writes(BOB, "$1", "m1").await);
            }
            life.until_that("m1", world.msn.arrived(), |all| !all.is_empty()).await;
            life.until_that("b1", world.matrix.arrived(), |all| !all.is_empty()).await;
            life.until_that("both", world.irc.arrived(), |all| {
                all.iter().any(|it| it.text == "b1") && all.iter().any(|it| it.text == "m1")
            })
            .await;
        });
        let told = |count: usize| (1..=2).contains(&count);
        assert_eq!(world.room(BOB).first().map(String::as_str), Some("b1"), "stopped at {stop}, {kept} kept");
        // A contact's words that were not acknowledged may be there twice: they were said twice.
        assert!(world.room(BOB).len() == 1 || !said, "stopped at {stop}, {kept} kept: {:?}", world.room(BOB));
        assert!(told(world.heard(BOB).len()), "stopped at {stop}, {kept} kept: {:?}", world.heard(BOB));
        assert!(world.channel(BOB).len() <= 4, "stopped at {stop}, {kept} kept: {:?}", world.channel(BOB));
    }
}
