//! Commands alone: what their words come to.

use std::sync::Arc;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::*;
use crate::bridge::body::Body;
use crate::bridge::ids::{ConversationId, Leg, PortalKey, UserId};
use crate::bridge::port::frontend::Frontend;
use crate::bridge::port::network::{ContactChange, Request};
use crate::bridge::testkit::{ALICE, ANN, IRC, MATRIX, World};

/// What Ann's words come to, in the room that she shares with the bridge or in her conversation with Bob.
fn effect(text: &str, in_conversation: bool) -> Effect {
    effect_at(Level::User, text, in_conversation)
}

fn effect_at(level: Level, text: &str, in_conversation: bool) -> Effect {
    effect_of(ANN, MATRIX, level, text, in_conversation)
}

/// The same of anybody's words, on any side.
fn effect_of(user: &str, leg: Leg, level: Level, text: &str, in_conversation: bool) -> Effect {
    effect_in(&World::new(), user, leg, level, text, in_conversation)
}

/// The same in a world of its own kind.
fn effect_in(world: &World, user: &str, leg: Leg, level: Level, text: &str, in_conversation: bool) -> Effect {
    let frontends: Vec<Arc<dyn Frontend>> = vec![world.matrix.clone()];
    let sides = Sides::new(&*world.msn, &frontends, world.sign_in.is_some());
    let (id, ann) = (LoginId::new(ALICE), UserId::new(ANN));
    let login = Login::new(id.clone(), ALICE.into(), ann.clone(), &SecretString::from("pw".to_owned()));
    let conversation = PortalKey::new(id.clone(), ConversationId::new("bob@x"));
    let given = LocalCommand {
        user: UserId::new(user),
        text: Zeroizing::new(text.to_owned()),
        leg,
        portal: if in_conversation { conversation } else { PortalKey::management(&ann) },
        reference: "$1".into(),
        replaces: None,
        about: None,
        place: "!room".into(),
        typed: true,
        is_message: true,
    };
    let logins = HashMap::from([(id, login)]);
    run(CommandContext::new(&given, &logins, &*world.msn, &sides, level), text)
}

fn answer(text: &str) -> String {
    match effect(text, false) {
        Effect::Answer(answer) => answer,
        _ => panic!("{text} is carried out"),
    }
}

fn request(text: &str) -> Request {
    match effect(text, true) {
        Effect::Request(asked) => asked.request,
        Effect::Answer(answer) => panic!("{text}: {answer}"),
        _ => panic!("{text} asks the network for nothing"),
    }
}

fn change(text: &str) -> ContactChange {
    match request(text) {
        Request::Contacts(change) => change,
        other => panic!("{other:?}"),
    }
}

fn login_after(text: &str) -> Login {
    let Effect::Change { change, .. } = effect(text, false) else { panic!("{text} changes nothing") };
    let password = SecretString::from("pw".to_owned());
    let mut login = Login::new(LoginId::new(ALICE), ALICE.into(), UserId::new(ANN), &password);
    change(&mut login);
    login
}

#[test]
fn commands_are_read_and_mistakes_are_explained() {
    assert!(
        matches!(effect("LOGIN a@b.c", false), Effect::SignIn { account: Some(account) } if account == "a@b.c")
    );
    assert!(
        matches!(effect("chat bob@b.c --login=alice@x", false), Effect::OpenChat { login, .. } if login.as_str() == ALICE)
    );
    assert_eq!(login_after("psm gone  fishing").personal_message, "gone fishing");
    let format = login_after("font Comic Sans MS #ff0000 bold").format.unwrap();
    assert_eq!(
        (format.font.as_str(), format.style.color, format.style.bold),
        ("Comic Sans MS", Some(0xFF_0000), true)
    );
    let here = ConversationId::new("bob@x");
    assert_eq!(
        request("file accept #123456"),
        Request::AnswerFile { conversation: here.clone(), number: Some(123_456), accept: true }
    );
    assert_eq!(
        request("file decline"),
        Request::AnswerFile { conversation: here, number: None, accept: false }
    );
    assert!(matches!(effect("nudge", true), Effect::Say(Body::Nudge)));
    assert!(matches!(effect("cancel", true), Effect::TakeBack));
    for (wrong, says) in [
        ("file accept it", "file accept|decline"),
        ("chat", "chat <e-mail>"),
        ("font #ff", "font [name]"),
        ("dance", "«help»"),
        ("", "«help»"),
        ("nudge", "Use this in a conversation: !msn nudge."),
        ("invite bob@b.c", "Use this in a conversation: !msn invite <e-mail>."),
        ("drop bob@b.c", "Use this in a group: !msn drop <e-mail>."),
        ("file accept", "!msn file accept, or !msn file decline"),
        ("relay on", "Use this in a conversation: !msn relay on."),
        ("chat bob@b.c --login=eve@x", "You have no login eve@x."),
    ] {
        assert!(answer(wrong).contains(says), "{wrong}: {}", answer(wrong));
    }
}

#[test]
fn roster_commands_take_names_with_blanks() {
    let bob = || GhostId::new("bob@b.c");
    assert_eq!(
        change("add bob@b.c Old friends"),
        ContactChange::Add { ghost: bob(), group: Some("Old friends".into()) }
    );
    assert_eq!(
        change("group rename \"Old friends\" Pals"),
        ContactChange::RenameGroup { from: "Old friends".into(), to: "Pals".into() }
    );
    assert_eq!(
        change("rename bob@b.c Bob the builder"),
        ContactChange::Rename { ghost: bob(), name: "Bob the builder".into() }
    );
    assert_eq!(change("phone mobile"), ContactChange::Phone { kind: "mobile".into(), number: None });
    for wrong in ["phone fax 1", "group", "group dance", "strangers maybe", "rename bob@b.c"] {
        assert!(answer(wrong).contains("Use it like this"), "{wrong}");
    }
}

#[test]
fn an_invited_contact_is_added_and_the_conversation_opened() {
    let Effect::Request(asked) = effect("add bob@x --chat", false) else { panic!("it is carried out") };
    assert_eq!(
        asked.request,
        Request::Contacts(ContactChange::Add { ghost: GhostId::new("bob@x"), group: None })
    );
    assert_eq!(asked.opens.map(|(portal, _)| portal.conversation), Some(ConversationId::new("bob@x")));
}

#[test]
fn help_names_every_command_and_each_is_understood_and_explained() {
    let answer = |text: &str| match effect_at(Level::Admin, text, false) {
        Effect::Answer(answer) => answer,
        _ => panic!("{text} is carried out"),
    };
    let overview = answer("help");
    assert!(overview.lines().count() <= 8, "{overview}");
    for topic in &TOPICS {
        let all = answer(&format!("help {}", topic.name));
        for command in topic.commands {
            assert!(overview.contains(command.name), "{}", command.name);
            assert!(all.contains(&format!("  {}", command.name)), "{}", command.name);
            if command.name != topic.name {
                assert!(answer(&format!("HELP {}", command.name)).starts_with(command.name));
            }
            let forms = ["", "x@y", "#room", "accept", "on", "x@y z", "create x", "home 1", "@x:y status"];
            let is_understood = |form: &&str| {
                let text = format!("{} {form}", command.name);
                !matches!(effect_at(Level::Admin, &text, true), Effect::Answer(answer) if answer.starts_with("Use it"))
            };
            assert!(forms.iter().any(is_understood), "{}", command.name);
        }
        assert!(!all.contains('{') && !all.contains("<account>"), "{all}");
    }
}

#[test]
fn a_slip_of_the_pen_is_seen_and_a_password_is_not_repeated() {
    for (slip, meant) in
        [("staus", "status"), ("HLEP", "help"), ("contact", "contacts"), ("unblok", "unblock")]
    {
        assert!(answer(slip).contains(&format!("Did you mean «{meant}»?")), "{}", answer(slip));
    }
    let told = answer("Tr0ub4dor&3");
    assert!(!told.contains("Did you mean") && !told.contains("Tr0ub4dor"), "{told}");
    assert!(matches!(effect("list-logins", false), Effect::Status));
}

#[test]
fn with_a_page_a_sign_in_needs_no_account_and_help_says_so() {
    let world = World::with_page();
    let of = |text: &str, in_conversation| effect_in(&world, ANN, MATRIX, Level::User, text, in_conversation);
    assert!(matches!(of("login", false), Effect::SignIn { account: None }));
    assert!(matches!(of("login a@b", false), Effect::SignIn { account: Some(account) } if account == "a@b"));
    for (text, part) in [
        ("help login", "login [<e-mail>] — signs in to MSN; the answer is a link to a page"),
        ("hello", "I answer with a link to a page that asks for your e-mail address and password."),
        ("login a b", "Use it like this: login [<e-mail>]"),
    ] {
        let Effect::Answer(answer) = of(text, false) else { panic!("{text}") };
        assert!(answer.contains(part), "{answer}");
    }
    // A link is for one person: nobody else may read it.
    assert!(matches!(of("login", true), Effect::Answer(answer) if answer.starts_with("Give this command")));
}

#[test]
fn the_first_words_are_three_lines_that_say_how_to_begin() {
    let hello = answer("hello");
    assert_eq!(hello.lines().count(), 3, "{hello}");
    assert!(hello.contains("«login» and your e-mail address"), "{hello}");
    assert!(answer("version").contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn only_an_administrator_sees_and_commands_the_logins_of_others() {
    for text in ["all-logins", "as @bob:x logout"] {
        assert!(matches!(effect(text, false), Effect::Answer(answer) if answer.contains("do not know")));
    }
    assert!(!answer("help").contains("all-logins"));
    assert!(matches!(effect_at(Level::Admin, "all-logins", false), Effect::AllLogins { page: 1 }));
    let Effect::As { user, text } = effect_at(Level::Admin, "as @bob:x group create \"Old friends\"", false)
    else {
        panic!("it is carried out")
    };
    assert_eq!((user.as_str(), text.as_str()), ("@bob:x", "group create \"Old friends\""));
    for refused in ["as @bob:x login a@b", "as @bob:x as @eve:x status", "as @bob:x dance"] {
        assert!(matches!(effect_at(Level::Admin, refused, false), Effect::Answer(_)), "{refused}");
    }
}

#[test]
fn another_user_commands_nothing_of_a_conversations_owner_in_its_room() {
    for text in ["logout", "reconnect", "psm x", "relay on", "block bob@x", "font Arial"] {
        let effect = effect_of("@eve:x", MATRIX, Level::User, text, true);
        assert!(
            matches!(effect, Effect::Answer(answer) if answer.starts_with("You are not signed in")),
            "{text}"
        );
    }
}

#[test]
fn a_sign_in_begins_only_on_the_side_with_rooms_and_among_themselves() {
    for (leg, in_conversation) in [(IRC, false), (MATRIX, true), (IRC, true)] {
        let effect = effect_of(ANN, leg, Level::User, "login carol@x", in_conversation);
        assert!(
            matches!(effect, Effect::Answer(answer) if answer.contains("in the room on Matrix")),
            "{leg}, {in_conversation}"
        );
    }
}
