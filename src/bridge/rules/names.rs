//! Who somebody is: names, those who join and leave, whose words they are, and two logins with one contact.

use std::time::Duration;

use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{Author, Ghost, LocalEvent, LocalMessage, RemoteKind};
use crate::bridge::ids::ConversationId;
use crate::bridge::port::frontend::Signal;
use crate::bridge::testkit::{Act, BOB, Life, World, contact};

const CAROL: &str = "carol@x";

async fn says_as(life: &Life, conversation: &str, sender: Ghost, text: &str) {
    let (conversation, body) = (ConversationId::new(conversation), Body::Text(RichText::plain(text)));
    life.remote(RemoteKind::Message { conversation, sender, body, at: 0 }).await;
}

fn names_shown(world: &World) -> Vec<String> {
    let arrived = world.matrix.arrived();
    let all = arrived.borrow();
    let name = |author: &Author| match author {
        Author::Ghost(ghost) => ghost.name.clone(),
        Author::Owner { name } | Author::Relayed { name } => name.clone(),
        Author::Bridge => "(bridge)".into(),
    };
    all.iter().map(|shown| name(&shown.author)).collect()
}

#[test]
fn what_waited_is_said_under_the_newest_name() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::transient(), Act::transient(), Act::transient()]);
        says_as(life, BOB, contact(BOB, "Bob"), "b1").await;
        life.remote(RemoteKind::Named(vec![contact(BOB, "Robert")])).await;
        // What is said carries a name that is older than that.
        says_as(life, BOB, contact(BOB, "Bob"), "b2").await;
        life.until(world.matrix.arrived(), 2).await;
    });
    assert_eq!(names_shown(&world), ["Robert", "Robert"]);
}

#[test]
fn the_newest_name_is_known_after_a_restart_and_an_empty_one_is_no_news() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        says_as(life, BOB, contact(BOB, "Bob"), "b1").await;
        life.remote(RemoteKind::Named(vec![contact(BOB, "Robert")])).await;
        life.until(world.matrix.arrived(), 1).await;
    });
    world.live(async |life| {
        life.sign_in().await;
        life.remote(RemoteKind::Named(vec![contact(BOB, "")])).await;
        says_as(life, BOB, contact(BOB, ""), "b2").await;
        life.until(world.matrix.arrived(), 2).await;
    });
    assert_eq!(names_shown(&world)[1], "Robert");
}

#[test]
fn a_new_name_is_shown_at_once_with_the_titles_of_all_conversations_it_stands_in() {
    let world = World::new();
    world.msn.gathers(BOB, &[BOB], false);
    world.msn.gathers("group1", &[BOB, CAROL], true);
    world.msn.gathers("group2", &[CAROL], true);
    world.live(async |life| {
        life.sign_in().await;
        says_as(life, BOB, contact(BOB, "Bob"), "b1").await;
        says_as(life, "group1", contact(CAROL, "Carol"), "c1").await;
        says_as(life, "group2", contact(CAROL, "Carol"), "c2").await;
        life.until(world.matrix.arrived(), 3).await;
        life.remote(RemoteKind::Named(vec![contact(BOB, "Robert"), contact("stranger@x", "Never met")]))
            .await;
        life.remote(RemoteKind::Named(vec![contact(BOB, "Robert")])).await;
        life.until_signal(&world.matrix, |it| matches!(it, Signal::Named { .. })).await;
        life.pass(Duration::from_secs(1)).await;
    });
    let named: Vec<_> = world.matrix.signals().borrow().clone();
    let named: Vec<_> = named
        .into_iter()
        .filter_map(|signal| match signal {
            Signal::Named { ghost, titles, .. } => Some((ghost.name, titles)),
            _ => None,
        })
        .collect();
    let titles = vec![
        (World::portal(BOB), "Robert".to_owned()),
        (World::portal("group1"), "Robert and Carol".to_owned()),
    ];
    assert_eq!(named, [("Robert".to_owned(), titles)], "once, and nobody who was never shown");
    let shown: Vec<_> =
        world.matrix.arrived().borrow().iter().map(|it| (it.title.clone().unwrap(), it.is_group)).collect();
    let title = |text: &str| text.to_owned();
    for wanted in [(title("Bob"), false), (title("Bob and Carol"), true), (title("Carol (group)"), true)] {
        assert!(shown.contains(&wanted), "{wanted:?} in {shown:?}");
    }
}

#[test]
fn with_ghosts_for_each_login_a_name_is_that_logins_own() {
    let mut world = World::new();
    world.ghost_per_login = true;
    world.knows("eve@x", "@eve:x");
    world.live(async |life| {
        life.sign_in().await;
        for (login, name) in [("alice@x", "Bob"), ("eve@x", "Robert")] {
            let (conversation, body) = (ConversationId::new(BOB), Body::Text(RichText::plain("b1")));
            let sender = contact(BOB, name);
            life.remote_of(login, RemoteKind::Message { conversation, sender, body, at: 0 }).await;
        }
        life.until(world.matrix.arrived(), 2).await;
    });
    let mut shown = names_shown(&world);
    shown.sort();
    assert_eq!(shown, ["Bob", "Robert"]);
}

#[test]
fn two_logins_with_one_contact_have_two_conversations_and_neither_hears_the_other() {
    let world = World::new();
    world.knows("eve@x", "@eve:x");
    let eves = World::portal_of("eve@x", BOB);
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.script.next([Act::permanent()]);
        life.remote_of("eve@x", life.message(BOB, "lost")).await;
        life.until_that("eve to be told", world.matrix.arrived(), |_| world.told_to("@eve:x").len() == 1)
            .await;
        life.says(BOB, "to alice").await;
        life.remote_of("eve@x", life.message(BOB, "to eve")).await;
        life.writes(BOB, "$1", "from alice").await;
        life.until(world.matrix.arrived(), 3).await;
        life.until(world.msn.arrived(), 1).await;
    });
    assert_eq!(world.room(BOB), ["to alice"]);
    assert_eq!(world.shown_in(&eves), ["to eve"]);
    assert_eq!(world.msn.arrived().borrow()[0].portal, World::portal(BOB));
    assert_eq!(world.told(), [""; 0], "what failed for one is told to that one");
}

#[test]
fn people_who_join_and_leave_are_shown_in_order_with_what_is_said() {
    let world = World::relayed();
    let group = || ConversationId::new("group1");
    world.live(async |life| {
        life.sign_in().await;
        life.remote(RemoteKind::Joined { conversation: group(), ghost: contact(CAROL, "Carol"), at: 1 })
            .await;
        says_as(life, "group1", contact(CAROL, ""), "c1").await;
        life.remote(RemoteKind::Left { conversation: group(), ghost: contact(CAROL, ""), at: 2 }).await;
        life.until(world.matrix.arrived(), 3).await;
        life.until(world.irc.arrived(), 3).await;
    });
    assert_eq!(world.room("group1"), ["(+carol@x)", "c1", "(-carol@x)"]);
    assert_eq!(world.channel("group1"), world.room("group1"));
    assert_eq!(names_shown(&world), ["Carol", "Carol", "Carol"]);
    assert_eq!(world.heard("group1"), [""; 0]);
}

#[test]
fn what_the_owner_says_in_another_client_appears_as_theirs_and_does_not_go_back() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        let (conversation, body) = (ConversationId::new(BOB), Body::Text(RichText::plain("o1")));
        life.remote(RemoteKind::OwnMessage { conversation, body, at: 5 }).await;
        life.until(world.matrix.arrived(), 1).await;
        life.pass(Duration::from_secs(60)).await;
    });
    let shown = world.matrix.arrived().borrow()[0].clone();
    assert_eq!((shown.text.as_str(), shown.at), ("o1", 5));
    assert_eq!(shown.author, Author::Owner { name: "alice@x".into() });
    assert_eq!(world.heard(BOB), [""; 0]);
}

#[test]
fn who_speaks_through_somebody_elses_login_is_named_as_themselves_and_takes_no_font_of_theirs() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$0", "font Arial").await;
        life.until(world.matrix.arrived(), 1).await;
        let author = Author::Relayed { name: "Dora".into() };
        let said = LocalMessage { author, ..life.local(BOB, "$1", Body::Text(RichText::plain("d1"))) };
        life.happens(&world, "$1", LocalEvent::Message(said)).await;
        life.until(world.msn.arrived(), 1).await;
    });
    let heard = world.msn.arrived().borrow()[0].clone();
    assert_eq!(heard.author, Author::Relayed { name: "Dora".into() });
    assert!(format!("{:?}", heard.content).contains("format: None"), "{:?}", heard.content);
}

#[test]
fn somebody_who_is_met_in_a_conversation_keeps_their_name() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.remote(RemoteKind::Met(contact(CAROL, "Carol"))).await;
        says_as(life, "group1", contact(CAROL, ""), "c1").await;
        life.until(world.matrix.arrived(), 1).await;
        life.remote(RemoteKind::Typing {
            conversation: ConversationId::new("group1"),
            sender: contact(CAROL, ""),
        })
        .await;
        life.until_signal(
            &world.matrix,
            |it| matches!(it, Signal::Typing { author: Author::Ghost(ghost), .. } if ghost.name == "Carol"),
        )
        .await;
    });
    assert_eq!(names_shown(&world), ["Carol"]);
}
