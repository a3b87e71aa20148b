//! The router never waits, and portals that rest are put away.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::bridge::event::{Ghost, RemoteEvent, RemoteKind};
use crate::bridge::ids::{ConversationId, GhostId, LoginId};
use crate::bridge::login::Login;
use crate::bridge::port::frontend::{Outcome, Signal};
use crate::bridge::port::network::{Audience, Request};
use crate::bridge::port::storage::Table;
use crate::bridge::record::decode;
use crate::bridge::testkit::{ALICE, Act, BOB, Disk, Life, Shown, World};

/// More than a portal rests before it is put away.
const LONG: Duration = Duration::from_secs(3_600);
/// Steps of all tasks that something takes at most here, and how often each is looked at.
const MOMENTS: usize = 20;
const ROUNDS: usize = 6;

fn typing(contact: &str) -> RemoteKind {
    let sender = Ghost { id: GhostId::new(contact), name: contact.into() };
    RemoteKind::Typing { conversation: ConversationId::new(contact), sender }
}

#[test]
fn a_portal_that_rests_is_put_away_and_comes_back_with_the_next_words() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        let before = life.tasks();
        for n in 0..50 {
            life.says(&format!("c{n}@x"), "hello").await;
        }
        life.until(world.matrix.arrived(), 50).await;
        life.until(world.irc.arrived(), 50).await;
        assert_eq!(life.tasks(), before + 50);
        life.pass(LONG).await;
        assert_eq!(life.tasks(), before, "nothing is said in them");
        for n in 0..50 {
            life.says(&format!("c{n}@x"), "again").await;
            life.writes(&format!("c{n}@x"), &format!("${n}"), "and you").await;
        }
        life.until(world.matrix.arrived(), 100).await;
        life.until(world.msn.arrived(), 50).await;
    });
    for n in 0..50 {
        assert_eq!(world.room(&format!("c{n}@x")), ["hello", "again"]);
        assert_eq!(world.heard(&format!("c{n}@x")), ["and you"]);
    }
    assert_eq!(world.disk.rows(Table::Journal).len(), 0);
}

#[test]
fn a_portal_in_which_something_waits_is_not_put_away() {
    let world = World::new();
    world.msn.script.usually(Act::away());
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "are you there").await;
        life.until_told(&world, "$1", |outcome| matches!(outcome, Outcome::Held { .. })).await;
        let with_bob = life.tasks();
        life.pass(LONG).await;
        assert_eq!(life.tasks(), with_bob);
        world.msn.script.usually(Act::Take);
        life.reachable(Some(BOB)).await;
        life.until(world.msn.arrived(), 1).await;
        life.pass(LONG).await;
        assert!(life.tasks() < with_bob, "nothing waits any more");
    });
}

#[test]
fn words_that_come_just_as_a_portal_is_put_away_are_in_order_and_written_once() {
    let world = World::new();
    // Slower than the grace of a portal that ends.
    world.matrix.script.usually(Act::Late(Duration::from_secs(8)));
    world.live(async |life| {
        life.sign_in().await;
        for n in 0..40_u64 {
            life.says(BOB, &n.to_string()).await;
            life.until(world.matrix.arrived(), usize::try_from(n).unwrap() + 1).await;
            // Just before, just when, and just after the portal says that it rests.
            life.pass(Duration::from_millis(599_980 + n)).await;
        }
    });
    assert_eq!(world.room(BOB), (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(world.disk.rows(Table::Journal).len(), 0);
}

#[test]
fn while_the_disk_takes_nothing_what_needs_no_disk_goes_on() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "before").await;
        life.until(world.matrix.arrived(), 1).await;
        world.disk.becomes(Disk::Full);
        life.says(BOB, "kept").await;
        life.commands("$1", "font Arial").await;
        life.remote(typing("carol@x")).await;
        let is_carol =
            |signal: &Signal| matches!(signal, Signal::Typing { portal, .. } if portal.conversation.as_str() == "carol@x");
        life.until_signal(&world.matrix, is_carol).await;
        assert_eq!(world.room(BOB), ["before"]);
        world.disk.becomes(Disk::Works);
        life.until(world.matrix.arrived(), 2).await;
    });
    assert_eq!(world.room(BOB), ["before", "kept"]);
}

#[test]
fn what_finds_no_room_in_a_portal_waits_its_turn_and_is_lost_by_nobody() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "0").await;
        life.until(world.matrix.arrived(), 1).await;
        world.disk.becomes(Disk::Full);
        let said = async {
            for n in 1..2_000 {
                life.says(BOB, &n.to_string()).await;
            }
        };
        let mends = async {
            life.pass(Duration::from_secs(20)).await;
            world.disk.becomes(Disk::Works);
        };
        tokio::join!(said, mends);
        life.until(world.matrix.arrived(), 2_000).await;
    });
    assert_eq!(world.room(BOB), (0..2_000).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn more_changes_than_the_writer_holds_are_all_made_once_the_disk_works_and_all_answered() {
    const MANY: usize = 1_500;
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.disk.becomes(Disk::Full);
        let asked = async {
            for n in 0..MANY {
                life.asks(&format!("$c{n}"), &format!("psm {n}")).await;
            }
        };
        let mends = async {
            life.pass(Duration::from_secs(30)).await;
            assert!(world.told().is_empty(), "nothing is answered that is not on disk");
            world.disk.becomes(Disk::Works);
        };
        tokio::join!(asked, mends);
        let is_all =
            |all: &[Shown]| all.iter().filter(|it| it.text.contains("message is set")).count() == MANY;
        life.until_that("all answers", world.matrix.arrived(), is_all).await;
    });
    let stored: Login = decode("login", &world.disk.rows(Table::Logins)[0].1).unwrap();
    assert_eq!(stored.personal_message, (MANY - 1).to_string(), "the last change is the one that stays");
}

#[test]
fn nothing_of_a_sign_in_happens_before_the_password_is_on_disk() {
    let world = World::new();
    world.live(async |life| {
        life.asks("$1", "login carol@x").await;
        life.until_ann_reads(&world, "Now send the password").await;
        world.disk.becomes(Disk::Full);
        life.asks("$2", "secret").await;
        life.pass(Duration::from_secs(10)).await;
        assert_eq!(world.matrix.redacted(), [""; 0], "in a crash now the message is all there is");
        assert!(!world.msn.connects().contains(&LoginId::new("carol@x")));
        world.disk.becomes(Disk::Works);
        life.until_ann_reads(&world, "Signing in as carol@x").await;
        life.pass(Duration::from_secs(1)).await;
        assert_eq!(world.matrix.redacted(), ["$2"]);
        assert!(world.msn.connects().contains(&LoginId::new("carol@x")));
    });
}

#[test]
fn a_password_that_is_said_as_an_edit_is_removed_with_what_it_replaced() {
    let world = World::new();
    world.live(async |life| {
        life.asks("$1", "login carol@x").await;
        life.until_ann_reads(&world, "Now send the password").await;
        life.edits("$3", "$2", "secret").await;
        life.until_ann_reads(&world, "Signing in as carol@x").await;
    });
    assert_eq!(world.matrix.redacted(), ["$2", "$3"]);
}

#[test]
fn the_network_is_asked_for_a_change_only_once_that_is_on_disk() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.disk.becomes(Disk::Full);
        life.asks("$1", "psm on holiday").await;
        life.pass(Duration::from_secs(10)).await;
        let asked = Request::PersonalMessage("on holiday".into());
        assert!(!world.msn.requests().contains(&asked));
        world.disk.becomes(Disk::Works);
        life.until_asked(&world, &asked).await;
    });
}

#[test]
fn a_command_that_an_unreadable_disk_holds_up_is_not_taken_for_the_password_that_it_asks_for() {
    let world = World::new();
    world.live(async |life| {
        world.disk.becomes(Disk::Unreadable);
        life.asks("$1", "login carol@x").await;
        life.pass(Duration::from_secs(10)).await;
        world.disk.becomes(Disk::Works);
        life.until_ann_reads(&world, "Now send the password of carol@x").await;
        // And so is what ends it.
        life.pass(LONG).await;
        world.disk.becomes(Disk::Unreadable);
        life.asks("$2", "cancel").await;
        life.pass(Duration::from_secs(10)).await;
        world.disk.becomes(Disk::Works);
        life.until_ann_reads(&world, "Nothing waits for a password now.").await;
    });
    assert_eq!(world.matrix.redacted(), [""; 0]);
    assert_eq!(world.told().len(), 2, "{:?}", world.told());
    assert_eq!(world.disk.rows(Table::Logins).len(), 1);
}

#[test]
fn more_commands_than_may_wait_are_refused_with_a_word_until_one_has_ended() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.answers.usually(Act::Hang { arrives: false });
        for n in 0..513 {
            life.asks(&format!("$p{n}"), "page bob@x hello").await;
        }
        life.until_ann_reads(&world, "Too many commands wait for an answer.").await;
    });
    assert_eq!(world.told().len(), 1, "the others wait: {:?}", world.told());
}

#[test]
fn a_command_that_changes_a_login_is_in_the_inbox_or_in_the_login_wherever_the_bridge_stops() {
    let steps = {
        let world = World::new();
        world.live(async |life| {
            life.commands("$1", "psm on holiday").await;
            life.until_ann_reads(&world, "message is set").await;
        });
        world.steps.count()
    };
    assert!(steps > 3, "{steps} steps");
    for (stop, kept) in (1..=steps).flat_map(|stop| [(stop, 0), (stop, 1), (stop, usize::MAX)]) {
        let world = World::new();
        world.steps.stop_at(stop);
        let mut taken = false;
        world.crash_after(kept, async |life| {
            taken = life.commands("$1", "psm on holiday").await;
            life.until_ann_reads(&world, "message is set").await;
            life.pass(Duration::from_secs(60)).await;
        });
        if !taken {
            continue;
        }
        world.live(async |life| {
            life.sign_in().await;
            life.pass(Duration::from_secs(5)).await;
        });
        let stored: Login = decode("login", &world.disk.rows(Table::Logins)[0].1).unwrap();
        assert_eq!(stored.personal_message, "on holiday", "stopped at {stop}, {kept} kept");
        assert_eq!(world.disk.rows(Table::Inbox).len(), 0, "stopped at {stop}, {kept} kept");
    }
}

#[test]
fn words_and_a_file_that_waited_for_somebody_go_together_when_they_are_back() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.usually(Act::away());
        life.writes(BOB, "$1", "hello").await;
        life.sends(&world, BOB, "$2", "a.png").await;
        life.pass(Duration::from_secs(5)).await;
        assert_eq!(world.heard(BOB), [""; 0]);
        world.msn.script.usually(Act::Take);
        life.reachable(Some(BOB)).await;
        // Sooner than either leg looks by itself.
        life.pass(Duration::from_secs(1)).await;
        assert_eq!(world.heard(BOB).len(), 2, "{:?}", world.heard(BOB));
    });
}

#[test]
fn a_side_without_titles_is_told_none() {
    let world = World::relayed();
    let people = Audience { people: vec![GhostId::new(BOB)], is_group: true };
    world.msn.people.lock().unwrap().insert(BOB.to_owned(), people);
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "hello").await;
        life.until(world.matrix.arrived(), 1).await;
        life.until(world.irc.arrived(), 1).await;
    });
    assert!(world.matrix.arrived().borrow()[0].is_group);
    let there = world.irc.arrived().borrow()[0].clone();
    assert_eq!((there.title, there.is_group), (None, false));
}

/// Lets every task that can go on do one step.
async fn turn() {
    let mut is_over = false;
    let once = |context: &mut Context<'_>| {
        if std::mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    };
    std::future::poll_fn(once).await;
}

/// Something is begun, and the disk stops answering at every moment there is behind that: what is said just then is shown
/// once the disk works, and so is what was begun. Several times, for chance decides what the router takes first.
fn at_every_moment(begin: impl AsyncFn(&World, &Life)) {
    for moment in (0..ROUNDS).flat_map(|_| 0..MOMENTS) {
        let world = World::new();
        world.live(async |life| {
            life.sign_in().await;
            life.pass(Duration::from_secs(1)).await;
            begin(&world, life).await;
            let (disk, bridge) = (world.disk.clone(), life.bridge.clone());
            let said = RemoteEvent { login: LoginId::new(ALICE), kind: life.message("carol@x", "c1") };
            tokio::spawn(async move {
                for _ in 0..moment {
                    turn().await;
                }
                disk.becomes(Disk::Unreadable);
                bridge.remote(said).await.unwrap();
            });
            life.pass(Duration::from_secs(60)).await;
            world.disk.becomes(Disk::Works);
            let is_whole = |all: &[Shown]| {
                let is_told = |it: &Shown| it.portal.management_user().is_some();
                all.iter().any(|it| it.text == "c1") && all.iter().any(is_told)
            };
            life.until_that(&format!("both, {moment}"), world.matrix.arrived(), is_whole).await;
        });
    }
}

#[test]
fn what_a_disk_holds_up_is_displaced_by_no_answer_of_the_network() {
    at_every_moment(async |_, life| life.asks("$1", "page bob@x hello").await);
}

#[test]
fn what_a_disk_holds_up_is_displaced_by_nothing_that_was_written() {
    at_every_moment(async |_, life| life.asks("$1", "reconnect").await);
}

#[test]
fn what_a_disk_holds_up_is_displaced_by_no_failure() {
    at_every_moment(async |world, life| {
        world.matrix.script.next([Act::permanent()]);
        life.says(BOB, "b1").await;
    });
}

/// Less than one thing needs is left where the owner is told something; no more is written down until the disk works.
async fn fill_management(world: &World, life: &Life) {
    let notice = |n: usize| RemoteKind::Notice { text: format!("n{n}") };
    world.disk.becomes(Disk::Full);
    life.remote(notice(0)).await;
    life.pass(Duration::from_millis(10)).await;
    for n in 1..=253 {
        life.remote(notice(n)).await;
    }
    life.pass(Duration::from_millis(10)).await;
}

#[test]
fn an_answer_that_finds_no_room_has_not_been_said_in_part() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        // Other questions of a sign-in have been answered then.
        life.pass(Duration::from_secs(1)).await;
        world.msn.answers.next([Act::Late(Duration::from_secs(5))]);
        life.asks("$1", "add bob@x --chat").await;
        life.pass(Duration::from_secs(1)).await;
        fill_management(&world, life).await;
        life.pass(Duration::from_secs(30)).await;
        world.disk.becomes(Disk::Works);
        life.until(world.matrix.arrived(), 254 + 2).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.room(BOB).len(), 1, "{:?}", world.room(BOB));
    assert_eq!(world.told().len(), 254 + 1);
}

#[test]
fn who_asked_for_a_sign_in_hears_of_it_although_there_was_no_room_for_that() {
    let world = World::new();
    world.live(async |life| {
        life.asks("$1", "reconnect").await;
        life.until_ann_reads(&world, "Connecting").await;
        fill_management(&world, life).await;
        life.sign_in().await;
        life.pass(Duration::from_secs(30)).await;
        world.disk.becomes(Disk::Works);
        life.until_ann_reads(&world, "Signed in to MSN as alice@x").await;
    });
}
