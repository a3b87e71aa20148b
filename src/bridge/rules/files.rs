//! Files: a leg of their own, fetched when their turn comes, and gone from the disk when everybody has them.

use std::time::Duration;

use crate::bridge::body::{Attachment, Body, Emoticon, Image, RichText};
use crate::bridge::event::{LocalEvent, RemoteKind};
use crate::bridge::ids::ConversationId;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::media::{File, MediaId};
use crate::bridge::port::network::Request;
use crate::bridge::port::storage::Table;
use crate::bridge::testkit::{Act, BOB, Life, World, contact};

/// Bob sends a file.
async fn gives(life: &Life, name: &str) {
    let file = File { media: MediaId::new("m7").unwrap(), name: name.into(), size: 3 };
    let (conversation, sender) = (ConversationId::new(BOB), contact(BOB, "Bob"));
    life.remote(RemoteKind::Message { conversation, sender, body: Body::File(file), at: 0 }).await;
}

fn text_with_pictures(count: usize) -> Body {
    let one = |n: usize| Emoticon {
        shortcut: format!(":{n}:"),
        image: Image::Source { source: format!("mxc{n}") },
    };
    Body::Text(RichText { emoticons: (0..count).map(one).collect(), ..RichText::plain("m1") })
}

#[test]
fn words_do_not_wait_behind_a_file() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.fetching.next([Act::Late(Duration::from_secs(600))]);
        life.sends(&world, BOB, "$1", "a.png").await;
        life.writes(BOB, "$2", "m2").await;
        life.until(world.msn.arrived(), 1).await;
        assert_eq!(world.heard(BOB), ["m2"]);
        life.until(world.msn.arrived(), 2).await;
        life.until_told(&world, "$1", |outcome| *outcome == Outcome::Delivered).await;
    });
    assert_eq!(world.heard(BOB), ["m2", "(a.png)"]);
    assert_eq!(world.reports_of("$1"), [Outcome::Delivered], "it took its time, and moved");
}

/// Three files that came in one breath.
fn gallery(life: &Life) -> LocalEvent {
    let file = |name: &str| {
        let attachment = Attachment { source: name.into(), name: name.into(), caption: None };
        life.local(BOB, "$1", Body::Attachment(attachment))
    };
    LocalEvent::Messages(["a.png", "b.png", "c.png"].map(file).into())
}

#[test]
fn files_of_one_breath_arrive_one_by_one_and_are_told_of_under_one_name() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.happens(&world, "$1", gallery(life)).await;
        life.until(world.msn.arrived(), 3).await;
        life.until_told(&world, "$1", |outcome| *outcome == Outcome::Delivered).await;
    });
    assert_eq!(world.heard(BOB), ["(a.png)", "(b.png)", "(c.png)"]);
    assert_eq!(world.disk.rows(Table::Inbox).len(), 0);
}

#[test]
fn stopped_between_any_two_steps_files_of_one_breath_are_all_carried_and_one_at_most_is_repeated() {
    let steps = {
        let world = World::new();
        world.steps.never_stop();
        world.live(async |life| {
            life.sign_in().await;
            life.happens(&world, "$1", gallery(life)).await;
            life.until(world.msn.arrived(), 3).await;
        });
        world.steps.count()
    };
    for (stop, kept) in (1..=steps).flat_map(|stop| [(stop, 0), (stop, 1), (stop, usize::MAX)]) {
        let world = World::new();
        world.steps.stop_at(stop);
        let mut written = false;
        world.crash_after(kept, async |life| {
            life.sign_in().await;
            written = life.happens(&world, "$1", gallery(life)).await;
            life.until(world.msn.arrived(), 3).await;
            std::future::pending::<()>().await;
        });
        world.live(async |life| {
            life.sign_in().await;
            if !written {
                assert!(life.happens(&world, "$1", gallery(life)).await);
            }
            life.until_that("the last", world.msn.arrived(), |all| all.iter().any(|it| it.text == "(c.png)"))
                .await;
        });
        let mut heard = world.heard(BOB);
        assert!(heard.len() <= 4, "stopped at {stop}, {kept} kept: {heard:?}");
        heard.dedup();
        assert_eq!(heard, ["(a.png)", "(b.png)", "(c.png)"], "stopped at {stop}, {kept} kept");
    }
}

#[test]
fn files_keep_their_order_among_themselves() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.fetching.next([Act::Late(Duration::from_secs(60)), Act::transient(), Act::Take]);
        for n in 1..=3 {
            life.sends(&world, BOB, &format!("${n}"), &format!("{n}.png")).await;
        }
        life.until(world.msn.arrived(), 3).await;
    });
    assert_eq!(world.heard(BOB), ["(1.png)", "(2.png)", "(3.png)"]);
}

#[test]
fn a_file_that_cannot_be_had_now_is_fetched_again_until_it_can() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.fetching.next(std::iter::repeat_n(Act::transient(), 30));
        life.sends(&world, BOB, "$1", "a.png").await;
        life.until(world.msn.arrived(), 1).await;
    });
    assert_eq!(world.heard(BOB), ["(a.png)"]);
    assert_eq!(world.matrix.fetched().len(), 31);
}

#[test]
fn a_file_that_cannot_be_had_at_all_is_told_to_its_sender_and_the_next_goes() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.fetching.next([Act::Refuse(DeliveryError::permanent("it is not there any more"))]);
        life.sends(&world, BOB, "$1", "a.png").await;
        life.sends(&world, BOB, "$2", "b.png").await;
        life.until(world.msn.arrived(), 1).await;
        life.until(world.matrix.arrived(), 1).await;
    });
    assert_eq!(world.heard(BOB), ["(b.png)"]);
    assert_eq!(world.room(BOB), ["Your file was not delivered: it is not there any more."]);
    assert_eq!(world.disk.rows(Table::DeadLetters).len(), 1);
}

#[test]
fn a_file_that_the_network_refuses_is_told_to_its_sender() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.next([Act::permanent()]);
        life.sends(&world, BOB, "$1", "a.png").await;
        life.until_told(&world, "$1", |outcome| matches!(outcome, Outcome::Failed { .. })).await;
        life.until(world.matrix.arrived(), 1).await;
    });
    assert_eq!(world.room(BOB), ["Your file was not delivered: it is too large."]);
}

#[test]
fn nothing_is_fetched_that_could_not_be_given() {
    let world = World::new();
    *world.msn.contacts.lock().unwrap() = Err("it is not connected".into());
    world.live(async |life| {
        life.sends(&world, BOB, "$1", "a.png").await;
        life.until_told(&world, "$1", |outcome| matches!(outcome, Outcome::Pending { .. })).await;
        assert_eq!(world.matrix.fetched(), [""; 0]);
        *world.msn.contacts.lock().unwrap() = Ok(Vec::new());
        life.sign_in().await;
        life.until(world.msn.arrived(), 1).await;
    });
    assert_eq!(world.matrix.fetched(), ["$1"]);
}

#[test]
fn a_file_goes_from_the_disk_when_the_last_side_has_it() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        world.irc.script.usually(Act::leg_down());
        gives(life, "a.png").await;
        life.until(world.matrix.arrived(), 1).await;
        life.pass(Duration::from_secs(60)).await;
        assert_eq!(world.media.discarded(), [], "the channel has not had it");
        world.irc.script.usually(Act::Take);
        life.until(world.irc.arrived(), 1).await;
        life.pass(Duration::from_secs(1)).await;
    });
    assert_eq!(world.media.discarded(), [MediaId::new("m7").unwrap()]);
    assert_eq!((world.room(BOB), world.channel(BOB)), (vec!["(a.png)".into()], vec!["(a.png)".into()]));
}

#[test]
fn a_file_that_can_never_be_shown_goes_from_the_disk_too() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::permanent()]);
        gives(life, "a.png").await;
        life.until_ann_reads(&world, "could not be shown").await;
    });
    assert_eq!(world.media.discarded(), [MediaId::new("m7").unwrap()]);
}

#[test]
fn small_pictures_go_with_the_words_up_to_five_and_the_words_do_not_wait_for_slow_ones() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        let with = |reference: &str, count| {
            LocalEvent::Message(life.local(BOB, reference, text_with_pictures(count)))
        };
        life.happens(&world, "$1", with("$1", 7)).await;
        life.until(world.msn.arrived(), 1).await;
        let before = world.now();
        world.matrix.fetching.next([Act::Take, Act::Hang { arrives: false }, Act::Hang { arrives: false }]);
        life.happens(&world, "$2", with("$2", 3)).await;
        life.until(world.msn.arrived(), 2).await;
        assert!(world.now() - before < 10_000, "{} ms", world.now() - before);
    });
    let shown = world.msn.arrived().borrow().clone();
    assert_eq!(shown[0].emoticons.len(), 5);
    assert_eq!(shown[1].emoticons, [":0:"]);
}

#[test]
fn a_file_that_is_offered_is_asked_about_and_the_answer_goes_to_the_network() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        life.remote(RemoteKind::FileOffered {
            conversation: ConversationId::new(BOB),
            sender: contact(BOB, "Bob"),
            number: 12,
            what: "the file «a.png»".into(),
            minutes: 5,
        })
        .await;
        life.until(world.matrix.arrived(), 1).await;
        life.until(world.irc.arrived(), 1).await;
        assert!(world.room(BOB)[0].starts_with("Bob offers the file «a.png»."), "{:?}", world.room(BOB));
        assert_eq!(world.channel(BOB), world.room(BOB));
        life.commands_in(BOB, "$1", "file decline 12").await;
        let (conversation, number) = (ConversationId::new(BOB), Some(12));
        life.until_asked(&world, &Request::AnswerFile { conversation, number, accept: false }).await;
    });
    assert_eq!(world.heard(BOB), [""; 0]);
}

#[test]
fn a_file_is_delivered_when_it_is_taken_and_not_when_its_words_are() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.fetching.next([Act::Late(Duration::from_secs(600))]);
        life.sends(&world, BOB, "$1", "a.png").await;
        life.pass(Duration::from_secs(300)).await;
        assert_eq!(world.reports_of("$1"), []);
        life.until(world.msn.arrived(), 1).await;
        life.until_told(&world, "$1", |outcome| *outcome == Outcome::Delivered).await;
    });
}

#[test]
fn only_a_side_that_carries_no_files_is_told_addresses_of_them() {
    for has_irc in [true, false] {
        let mut world = World::sharing();
        world.has_irc = has_irc;
        world.live(async |life| {
            life.sign_in().await;
            gives(life, "a.png").await;
            life.until(world.matrix.arrived(), 1).await;
            if has_irc {
                life.until(world.irc.arrived(), 1).await;
            }
        });
        assert_eq!(world.matrix.arrived().borrow()[0].links, [""; 0]);
        if has_irc {
            let links = world.irc.arrived().borrow()[0].links.clone();
            assert!(links.len() == 1 && links[0].starts_with("https://files.x/"), "{links:?}");
        }
        assert_eq!(world.disk.rows(Table::Links).is_empty(), !has_irc, "nobody else needs one");
    }
}

#[test]
fn files_and_words_go_while_the_contact_does_not_answer_an_offer() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.msn.script.next([Act::Offered(Duration::from_secs(300))]);
        let before = world.now();
        for name in ["a.png", "b.png", "c.png"] {
            life.sends(&world, BOB, &format!("${name}"), name).await;
        }
        life.writes(BOB, "$1", "m1").await;
        life.until(world.msn.arrived(), 3).await;
        life.until_told(&world, "$c.png", |outcome| *outcome == Outcome::Delivered).await;
        assert!(world.now() - before < 10_000, "{} ms", world.now() - before);
        assert_eq!(world.reports_of("$a.png"), []);
        life.until(world.msn.arrived(), 4).await;
        life.until_told(&world, "$a.png", |outcome| *outcome == Outcome::Delivered).await;
    });
    let mut heard = world.heard(BOB);
    assert_eq!(heard.pop().as_deref(), Some("(a.png)"));
    heard.sort();
    assert_eq!(heard, ["(b.png)", "(c.png)", "m1"]);
    assert_eq!(world.disk.rows(Table::Journal).len(), 0, "nothing is left to do");
}

#[test]
fn what_was_offered_and_not_taken_is_offered_after_a_crash_and_what_went_meanwhile_is_not_repeated() {
    let world = World::new();
    world.crash_after(usize::MAX, async |life| {
        life.sign_in().await;
        world.msn.script.next([Act::Offered(Duration::from_secs(300))]);
        for name in ["a.png", "b.png"] {
            life.sends(&world, BOB, &format!("${name}"), name).await;
        }
        life.until(world.msn.arrived(), 1).await;
        life.until_told(&world, "$b.png", |outcome| *outcome == Outcome::Delivered).await;
    });
    assert_eq!(world.heard(BOB), ["(b.png)"]);
    world.live(async |life| {
        life.sign_in().await;
        life.until(world.msn.arrived(), 2).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.heard(BOB), ["(b.png)", "(a.png)"]);
    assert_eq!(world.disk.rows(Table::Journal).len(), 0);
}
