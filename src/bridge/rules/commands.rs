//! Commands: who may give them and for what, what the network is asked, and where answers go.

use std::time::Duration;

use crate::bridge::body::{Body, Format, RichText, Style};
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::{ConversationId, GhostId, LoginId};
use crate::bridge::login::Login;
use crate::bridge::port::delivery::{Content, DeliveryError};
use crate::bridge::port::network::{ContactChange as Change, ContactLine, Request};
use crate::bridge::port::storage::Table;
use crate::bridge::record::{PortalRecord, decode};
use crate::bridge::testkit::{ALICE, ANN, Act, BOB, World};

const EVE: &str = "@eve:x";

fn bob() -> GhostId {
    GhostId::new(BOB)
}

fn stored_login(world: &World) -> Login {
    decode("login", &world.disk.rows(Table::Logins)[0].1).unwrap()
}

#[test]
fn whoever_may_not_use_the_bot_is_not_answered_and_nothing_is_done() {
    let world = World::new();
    world.strangers.add(EVE);
    world.live(async |life| {
        life.sign_in().await;
        life.commands_as(EVE, "$1", "login carol@x").await;
        life.commands_as(EVE, "$2", "secret").await;
        life.commands("$3", "status").await;
        life.until(world.matrix.arrived(), 1).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.told_to(EVE), [""; 0]);
    assert_eq!(world.msn.connects(), [LoginId::new(ALICE)]);
    assert_eq!(world.disk.rows(Table::Inbox).len(), 0, "it is not read again");
}

#[test]
fn a_user_touches_nobody_elses_login() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        for (n, text) in ["logout", "block bob@x", "psm x", "reconnect"].iter().enumerate() {
            life.commands_as(EVE, &format!("$a{n}"), &format!("{text} --login={ALICE}")).await;
            life.commands_as(EVE, &format!("$b{n}"), text).await;
        }
        life.commands_as(EVE, "$9", "status").await;
        life.until(world.matrix.arrived(), 9).await;
    });
    let told = world.told_to(EVE);
    assert_eq!(told[0], "You have no login alice@x. Say «status» for yours.");
    assert_eq!(told[1], "You are not signed in to MSN. Say «login» and your e-mail address.");
    assert_eq!(told[8], "You are not signed in to MSN.");
    assert!(!world.msn.requests().iter().any(|request| !matches!(request, Request::Picture(_))));
    assert_eq!(world.disk.rows(Table::Logins).len(), 1);
}

#[test]
fn an_account_that_is_somebodys_is_nobody_elses() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands_as(EVE, "$1", "login alice@x").await;
        life.until(world.matrix.arrived(), 1).await;
    });
    assert_eq!(world.told_to(EVE), ["alice@x is in use by somebody else here."]);
    assert_eq!(stored_login(&world).owner.as_str(), ANN);
}

#[test]
fn an_account_that_never_got_in_belongs_to_whoever_has_its_password() {
    let world = World::new();
    world.live(async |life| {
        life.commands_as(EVE, "$1", "login carol@x").await;
        life.commands_as(EVE, "$2", "wrong").await;
        life.until_ann_reads(&world, "Signing in as carol@x").await;
        life.commands("$3", "login carol@x").await;
        life.until_that("a question", world.matrix.arrived(), |_| world.told().len() == 1).await;
        life.commands("$4", "right").await;
        life.until_that("an answer", world.matrix.arrived(), |_| world.told().len() == 2).await;
    });
    let rows = world.disk.rows(Table::Logins);
    let carol: Login = decode("login", &rows.iter().find(|(key, _)| key == b"carol@x").unwrap().1).unwrap();
    assert_eq!(carol.owner.as_str(), ANN);
}

#[test]
fn with_two_logins_a_command_says_for_which_and_in_a_conversation_it_is_that_ones() {
    let world = World::new();
    world.knows("ann2@x", ANN);
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$1", "psm one").await;
        life.commands("$2", "psm two --login=ANN2@x").await;
        life.commands_in(BOB, "$3", "psm three").await;
        life.until(world.matrix.arrived(), 3).await;
    });
    assert!(world.told()[0].contains("(alice@x, ann2@x)"), "{:?}", world.told());
    let asked = world.msn.asked().borrow().clone();
    let texts: Vec<_> =
        asked.iter().filter(|(_, request)| matches!(request, Request::PersonalMessage(_))).collect();
    let psm = |login: &str, text: &str| (LoginId::new(login), Request::PersonalMessage(text.into()));
    let mut wanted = vec![psm("ann2@x", "two"), psm(ALICE, "three")];
    wanted.retain(|one| !texts.contains(&one));
    assert_eq!((texts.len(), wanted), (2, vec![]));
}

#[test]
fn a_word_that_is_no_command_is_explained_and_not_repeated() {
    let world = World::new();
    world.live(async |life| {
        life.commands("$1", "hunter2").await;
        life.commands("$2", "chat").await;
        life.commands("$3", "help").await;
        life.until(world.matrix.arrived(), 3).await;
    });
    let told = world.told();
    assert!(told[0].contains("I do not know that command") && !told[0].contains("hunter2"), "{told:?}");
    assert!(told[1].contains("chat <e-mail>"), "{told:?}");
    assert!(told[2].contains("login") && told[2].contains("block"), "{told:?}");
}

#[test]
fn every_change_of_the_list_is_asked_of_the_network_and_answered() {
    let (ghost, group) = (bob(), || "Old friends".to_owned());
    let changes = [
        ("add bob@x", Change::Add { ghost: ghost.clone(), group: None }),
        ("add bob@x Old friends", Change::Add { ghost: ghost.clone(), group: Some(group()) }),
        ("remove bob@x", Change::Remove { ghost: ghost.clone() }),
        ("block bob@x", Change::Block { ghost: ghost.clone() }),
        ("unblock bob@x", Change::Unblock { ghost: ghost.clone() }),
        ("accept bob@x", Change::Accept { ghost: ghost.clone() }),
        ("decline bob@x", Change::Decline { ghost: ghost.clone() }),
        ("rename bob@x Bobby B", Change::Rename { ghost: ghost.clone(), name: "Bobby B".into() }),
        ("move bob@x Old friends", Change::Move { ghost: ghost.clone(), group: group() }),
        ("group put bob@x Old friends", Change::IntoGroup { ghost: ghost.clone(), group: group() }),
        ("group take bob@x Old friends", Change::OutOfGroup { ghost, group: group() }),
        ("group create Old friends", Change::CreateGroup { name: group() }),
        ("group rename \"Old friends\" Pals", Change::RenameGroup { from: group(), to: "Pals".into() }),
        ("group delete Old friends", Change::DeleteGroup { name: group() }),
        ("strangers off", Change::Strangers { allowed: false }),
        ("ask on", Change::Ask { on: true }),
        ("phone home 123 45", Change::Phone { kind: "home".into(), number: Some("123 45".into()) }),
    ];
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        for (n, (text, change)) in changes.iter().enumerate() {
            life.commands(&format!("${n}"), text).await;
            life.until(world.matrix.arrived(), n + 1).await;
            assert_eq!(world.msn.requests().last(), Some(&Request::Contacts(change.clone())), "{text}");
            assert!(!world.told()[n].contains("did not work"), "{text}: {}", world.told()[n]);
        }
    });
}

#[test]
fn what_the_network_refuses_is_said_with_its_reason() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        let full = || Act::Refuse(DeliveryError::permanent("the list is full"));
        world.msn.answers.usually(full());
        for (n, text) in
            ["add bob@x", "name Ann", "psm hello", "presence busy", "page bob@x hi"].iter().enumerate()
        {
            life.commands(&format!("${n}"), text).await;
        }
        life.commands("$8", "add bob").await;
        life.until(world.matrix.arrived(), 6).await;
    });
    let refused = world.told().iter().filter(|text| *text == "That did not work: the list is full.").count();
    assert_eq!(refused, 5, "{:?}", world.told());
    assert!(world.told().contains(&"That is no contact.".to_owned()));
}

#[test]
fn whoever_is_added_to_be_talked_to_is_greeted_in_their_conversation() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$1", "add bob@x --chat").await;
        life.commands("$2", "chat carol@x").await;
        life.until(world.matrix.arrived(), 4).await;
    });
    assert_eq!(world.room(BOB), ["This is your conversation with bob@x. What you write here goes to them."]);
    assert_eq!(world.room("carol@x").len(), 1);
    assert!(world.heard(BOB).is_empty() && world.heard("carol@x").is_empty(), "only the owner reads that");
}

#[test]
fn a_command_that_needs_a_conversation_says_so_elsewhere_and_asks_nothing() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        let texts = ["nudge", "invite bob@x", "drop bob@x", "relay on", "file accept"];
        for (n, text) in texts.iter().enumerate() {
            life.commands(&format!("${n}"), text).await;
        }
        life.until(world.matrix.arrived(), texts.len()).await;
    });
    assert!(world.told().iter().all(|text| text.starts_with("Use this in a ")), "{:?}", world.told());
    assert!(!world.msn.requests().iter().any(|request| !matches!(request, Request::Picture(_))));
}

#[test]
fn people_are_called_into_a_conversation_and_taken_out_of_it() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands_in("group1", "$1", "invite bob@x").await;
        life.commands_in("group1", "$2", "drop bob@x").await;
        life.commands_in("group1", "$3", "file accept 7").await;
        life.until(world.matrix.arrived(), 3).await;
    });
    let (conversation, ghost) = (ConversationId::new("group1"), bob());
    let asked = world.msn.requests();
    let number = Some(7);
    for wanted in [
        Request::Invite { conversation: conversation.clone(), ghost: ghost.clone() },
        Request::Drop { conversation: conversation.clone(), ghost },
        Request::AnswerFile { conversation, number, accept: true },
    ] {
        assert!(asked.contains(&wanted), "{wanted:?}");
    }
    assert_eq!(world.room("group1").len(), 3, "answered where it was asked");
}

#[test]
fn a_nudge_is_a_message_like_any_other() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        life.commands_in(BOB, "$1", "nudge").await;
        life.until(world.msn.arrived(), 1).await;
        life.until(world.irc.arrived(), 1).await;
    });
    assert_eq!((world.heard(BOB), world.channel(BOB)), (vec!["(nudge)".into()], vec!["(nudge)".into()]));
    assert_eq!(world.room(BOB), [""; 0]);
}

#[test]
fn the_owners_font_is_given_to_plain_words_from_then_on_and_over_a_restart() {
    let world = World::new();
    let font_of = |n: usize| match &world.msn.arrived().borrow()[n].content {
        Content::Said { body: Body::Text(text) } => text.format.clone(),
        other => panic!("{other:?}"),
    };
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "m1").await;
        life.until(world.msn.arrived(), 1).await;
        life.commands("$2", "font Comic Sans MS #ff0000 bold").await;
        life.until(world.matrix.arrived(), 1).await;
    });
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$3", "m2").await;
        life.until(world.msn.arrived(), 2).await;
        life.commands("$4", "font").await;
        life.until_ann_reads(&world, "«Comic Sans MS», #ff0000").await;
        let turned = Format { right_to_left: true, ..Format::default() };
        let turned = life.local(BOB, "$r", Body::Text(RichText::formatted("m", turned)));
        life.happens(&world, "$r", LocalEvent::Message(turned)).await;
        life.until(world.msn.arrived(), 3).await;
        life.commands("$5", "font reset").await;
        life.until(world.matrix.arrived(), 3).await;
        life.writes(BOB, "$6", "m3").await;
        life.until(world.msn.arrived(), 4).await;
    });
    assert_eq!(
        font_of(2),
        Some(Format { right_to_left: true, ..font_of(1).unwrap() }),
        "the direction is the words'"
    );
    let format = font_of(1).unwrap();
    assert_eq!(format.font, "Comic Sans MS");
    assert_eq!(format.style, Style { bold: true, color: Some(0xFF_0000), ..Style::default() });
    assert_eq!((font_of(0), font_of(3)), (None, None));
}

#[test]
fn whether_others_are_heard_is_kept_for_each_conversation() {
    let world = World::new();
    let relays = || {
        let record = PortalRecord::load(&*world.disk, &World::portal(BOB)).unwrap();
        record.is_some_and(|record| record.relays)
    };
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "b1").await;
        life.until(world.matrix.arrived(), 1).await;
        assert!(!relays(), "off by default");
        life.commands_in(BOB, "$1", "relay on").await;
        life.until(world.matrix.arrived(), 2).await;
        assert!(relays());
    });
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "b2").await;
        life.until(world.matrix.arrived(), 3).await;
        assert!(relays(), "over a restart");
        life.commands_in(BOB, "$2", "relay off").await;
        life.until(world.matrix.arrived(), 4).await;
        assert!(!relays());
    });
}

#[test]
fn contacts_are_listed_with_all_that_is_known_of_them() {
    let world = World::new();
    *world.msn.contacts.lock().unwrap() = Ok(vec![ContactLine {
        ghost: bob(),
        name: "B\u{202E}ob".into(),
        presence: "online".into(),
        groups: vec!["Friends".into()],
        blocked: true,
        phones: vec!["home 1".into()],
    }]);
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$1", "contacts").await;
        life.until(world.matrix.arrived(), 1).await;
        *world.msn.contacts.lock().unwrap() = Err("it is not connected".into());
        life.commands("$2", "contacts").await;
        life.until(world.matrix.arrived(), 2).await;
    });
    assert_eq!(
        world.told(),
        [
            "Bob <bob@x>: online [Friends] (blocked) (home 1)",
            "The contacts of alice@x are not known: it is not connected."
        ]
    );
}

#[test]
fn what_an_owner_says_of_themselves_is_kept() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$1", "psm gone fishing").await;
        life.commands("$2", "presence BUSY").await;
        life.until(world.matrix.arrived(), 2).await;
    });
    let login = stored_login(&world);
    assert_eq!((login.personal_message.as_str(), login.presence.as_str()), ("gone fishing", "busy"));
    assert!(!login.follows, "said so, it stays so");
    assert!(world.msn.requests().contains(&Request::Presence("busy".into())));
}

#[test]
fn an_answer_is_said_where_the_command_was_given_and_nowhere_else() {
    let world = World::relayed();
    world.live(async |life| {
        life.sign_in().await;
        life.commands_in(BOB, "$1", "status").await;
        life.until(world.matrix.arrived(), 1).await;
        life.pass(Duration::from_secs(60)).await;
    });
    assert_eq!(world.room(BOB), ["alice@x: connected"]);
    assert_eq!((world.channel(BOB).len(), world.heard(BOB).len()), (0, 0));
    let shown = world.matrix.arrived().borrow()[0].clone();
    assert!(
        matches!(shown.content, Content::Said { body: Body::Notice { about: Some(about), .. } } if about == "$1")
    );
}

#[test]
fn of_several_logins_the_preferred_one_is_meant_and_stays_so_after_a_restart() {
    let world = World::new();
    world.knows("ann2@x", ANN);
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$1", "set-default ANN2@x").await;
        life.commands("$2", "set-default eve@x").await;
        life.until(world.matrix.arrived(), 2).await;
    });
    world.live(async |life| {
        life.commands("$3", "psm mine").await;
        life.until_that("an answer", world.matrix.arrived(), |_| world.told().len() == 3).await;
    });
    let told = world.told();
    assert_eq!(told[0], "Commands that name no account are for ann2@x now.");
    assert_eq!(told[1], "You have no login eve@x. Say «status» for yours.");
    let rows = world.disk.rows(Table::Logins);
    let messages: Vec<(String, String)> = rows
        .iter()
        .map(|(_, row)| decode::<Login>("login", row).unwrap())
        .map(|login| (login.id.to_string(), login.personal_message))
        .collect();
    assert!(messages.contains(&("ann2@x".into(), "mine".into())), "{messages:?}");
    assert!(messages.contains(&(ALICE.into(), String::new())), "{messages:?}");
}
