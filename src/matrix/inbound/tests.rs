//! Events as a homeserver sends them, and what they become: no homeserver is asked but one that answers what it is told.

use std::sync::Arc;

use ruma::{RoomId, room_id, user_id};
use serde_json::{Value, json};

use super::EventInterpreter;
use crate::bridge::body::Body;
use crate::bridge::event::{Author, LocalCommand, LocalEvent, LocalMessage};
use crate::bridge::ids::{EntryId, UserId as BridgeUser};
use crate::bridge::login::Login;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::frontend::{Level, Permissions};
use crate::bridge::port::storage::{Batch, Storage, Urgency};
use crate::bridge::record::PortalRecord;
use crate::bridge::testkit::{SimMedia, SimStorage};
use crate::matrix::component::Components;
use crate::matrix::config::LEG;
use crate::matrix::testkit::{self, ANN, BOB, BOT, EVE, FakeHomeserver, with_ann, with_bob};

struct OnlyAnn;

impl Permissions for OnlyAnn {
    fn level(&self, user: &BridgeUser) -> Level {
        let is_ann = user.as_str() == ANN;
        if is_ann { Level::User } else { Level::None }
    }
}

/// An interpreter that knows one portal: the room `!bob`, in which Ann, the owner of a login, talks to Bob.
pub(super) struct Desk {
    pub(super) server: FakeHomeserver,
    storage: Arc<SimStorage>,
    components: Components,
    pub(super) interpreter: EventInterpreter,
}

pub(super) fn bobs() -> &'static RoomId {
    room_id!("!bob:test.localhost")
}

pub(super) async fn desk() -> Desk {
    let server = FakeHomeserver::start().await;
    let storage = Arc::new(SimStorage::default());
    let components = testkit::components(&server, storage.clone()).await;
    let interpreter = components.interpreter(Arc::new(OnlyAnn), Arc::new(SimMedia::default()), None);
    testkit::sign_in(&*storage).await;
    components.registry.remember(&with_bob(), bobs()).await.unwrap();
    Desk { server, storage, components, interpreter }
}

/// Whether the owner lets others in the room be heard; Eve is one of them.
pub(super) async fn let_everybody_speak(desk: &Desk, relays: bool) {
    let mut batch = Batch::default();
    PortalRecord { key: with_bob(), legs: Vec::new(), relays }.store(&mut batch);
    desk.storage.commit(batch, Urgency::Now).await.unwrap();
    let members = json!({"joined": {EVE: {"display_name": "Eve", "avatar_url": null}}});
    desk.server.answers("/joined_members", 200, members);
}

fn event(kind: &str, sender: &str, content: Value) -> Value {
    json!({
        "type": kind, "room_id": bobs(), "event_id": "$1", "sender": sender, "origin_server_ts": 7,
        "content": content,
    })
}

fn text(sender: &str, body: &str) -> Value {
    event("m.room.message", sender, json!({"msgtype": "m.text", "body": body}))
}

fn member(sender: &str, user: &str, membership: &str) -> Value {
    let mut event = event("m.room.member", sender, json!({"membership": membership}));
    event["state_key"] = json!(user);
    event
}

impl Desk {
    async fn reads(&self, event: &Value) -> LocalEvent {
        self.interpreter.interpret(event.to_string().as_bytes()).await.unwrap()
    }

    async fn said(&self, event: &Value) -> LocalMessage {
        match self.reads(event).await {
            LocalEvent::Message(message) => message,
            LocalEvent::Messages(mut all) if all.len() == 1 => all.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// The words of a message.
    async fn words(&self, event: &Value) -> String {
        match self.said(event).await.body {
            Body::Text(text) | Body::Emote(text) => text.text(),
            other => panic!("{other:?}"),
        }
    }

    async fn commanded(&self, event: &Value) -> LocalCommand {
        match self.reads(event).await {
            LocalEvent::Command(command) => command,
            other => panic!("{other:?}"),
        }
    }

    async fn refused(&self, event: &Value) -> String {
        match self.reads(event).await {
            LocalEvent::Refused { portal, leg, reference, reason } => {
                assert_eq!((portal, leg, reference.as_str()), (with_bob(), LEG, "$1"));
                reason
            }
            other => panic!("{other:?}"),
        }
    }

    /// In the room there are these besides the bot.
    fn are_in_the_room(&self, users: &[&str]) {
        let state = |user: &&str| {
            json!({
                "type": "m.room.member", "state_key": user, "content": {"membership": "join"},
                "event_id": "$m", "sender": user, "origin_server_ts": 1, "room_id": bobs(),
            })
        };
        self.server.answers("/state", 200, users.iter().map(state).collect());
    }
}

#[tokio::test]
async fn what_an_owner_says_is_said_as_them_and_at_its_time() {
    let desk = desk().await;
    let said = desk.said(&text(ANN, "hi")).await;
    assert_eq!((&said.portal, said.leg, said.at), (&with_bob(), LEG, 7));
    assert_eq!(said.reference, "$1");
    assert_eq!(said.author, Author::Owner { name: "ann".into() });
    let emote = event("m.room.message", ANN, json!({"msgtype": "m.emote", "body": "waves"}));
    assert!(matches!(desk.said(&emote).await.body, Body::Emote(text) if text.text() == "waves"));
    assert_eq!(desk.server.asked(), [] as [String; 0], "nobody is asked about plain words");
}

#[tokio::test]
async fn an_edit_has_a_mark_and_an_answer_a_quotation_where_that_can_be_had() {
    let desk = desk().await;
    let edit = json!({
        "msgtype": "m.text", "body": "* new", "m.new_content": {"msgtype": "m.text", "body": "new"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$0"},
    });
    assert_eq!(desk.words(&event("m.room.message", ANN, edit)).await, "* new");
    let answer = json!({
        "msgtype": "m.text", "body": "yes", "m.relates_to": {"m.in_reply_to": {"event_id": "$0"}},
    });
    let answer = event("m.room.message", ANN, answer);
    desk.server.answers("/event/$0", 200, text(EVE, "> older\n\nreally?\nno"));
    assert_eq!(desk.words(&answer).await, "> really?\nyes");
    desk.server.refuses("/event/$0", 404, "M_NOT_FOUND");
    assert_eq!(desk.words(&answer).await, "yes");
    desk.server.refuses("/event/$0", 503, "M_UNKNOWN");
    assert_eq!(desk.words(&answer).await, "yes", "words wait for no quotation");
}

#[tokio::test]
async fn nothing_of_ours_is_read_nor_what_other_bots_say() {
    let desk = desk().await;
    let notice = event("m.room.message", ANN, json!({"msgtype": "m.notice", "body": "beep"}));
    let echo = json!({"msgtype": "m.text", "body": "hi", "msnbridge.id": "e/0", "msnbridge.room": bobs()});
    let ours = [text(BOT, "hi"), text(BOB, "hi"), event("m.room.message", ANN, echo), notice];
    for event in ours.iter().chain([&event("m.room.topic", ANN, json!({"topic": "x"}))]) {
        assert_eq!(desk.reads(event).await, LocalEvent::Ignored, "{event}");
    }
    let none = desk.interpreter.interpret(b"{}").await;
    assert!(matches!(none, Err(DeliveryError::Permanent { .. })), "{none:?}");
}

#[tokio::test]
async fn a_file_has_a_name_and_words_about_it_and_one_that_is_too_large_is_refused() {
    let desk = desk().await;
    let mut file =
        json!({"msgtype": "m.image", "body": "our cat", "filename": "cat\n.png", "url": "mxc://x/1"});
    let Body::Attachment(attached) = desk.said(&event("m.room.message", ANN, file.clone())).await.body else {
        panic!("no attachment");
    };
    assert_eq!((attached.name.as_str(), attached.source.as_str()), ("cat.png", "mxc://x/1"));
    assert_eq!(attached.caption.map(|words| words.text()).as_deref(), Some("our cat"));
    file["info"] = json!({"size": 1});
    let reason = desk.refused(&event("m.room.message", ANN, file)).await;
    assert_eq!(reason, "files of more than 0 kB are not carried here");
}

#[tokio::test]
async fn a_command_in_a_conversation_is_typed_there() {
    let desk = desk().await;
    let command = desk.commanded(&text(ANN, "!msn relay on")).await;
    assert_eq!((command.text.as_str(), command.typed), ("relay on", true));
    for same in [" !MSN relay on", "\n!Msn\trelay on"] {
        assert_eq!(desk.commanded(&text(ANN, same)).await.text.as_str(), "relay on", "{same:?}");
    }
    assert_eq!((command.portal, command.place.as_str()), (with_bob(), bobs().as_str()));
    assert_eq!(desk.words(&text(ANN, "!msnx")).await, "!msnx");
}

#[tokio::test]
async fn another_member_is_told_once_that_nobody_hears_them_and_heard_where_the_owner_lets_them() {
    let desk = desk().await;
    for _ in 0..2 {
        assert_eq!(desk.reads(&text(EVE, "hi")).await, LocalEvent::Ignored);
    }
    let notices = desk.server.sent("/send/m.room.message/");
    assert_eq!(notices.len(), 1);
    assert!(notices[0]["body"].as_str().unwrap().contains("is not sent to MSN"), "{notices:?}");
    let_everybody_speak(&desk, true).await;
    assert_eq!(desk.said(&text(EVE, "hi")).await.author, Author::Relayed { name: "Eve".into() });
    let before = desk.server.asked().len();
    desk.said(&text(EVE, "again")).await;
    assert_eq!(desk.server.asked().len(), before, "the name is known");
    desk.reads(&member(EVE, EVE, "join")).await;
    desk.said(&text(EVE, "again")).await;
    assert_eq!(desk.server.asked().len(), before + 1, "they may be called otherwise now");
}

#[tokio::test]
async fn after_a_logout_an_owner_is_told_that_nobody_is_signed_in() {
    let desk = desk().await;
    let mut batch = Batch::default();
    Login::erase(&with_bob().receiver, &mut batch);
    desk.storage.commit(batch, Urgency::Now).await.unwrap();
    assert!(desk.refused(&text(ANN, "hi")).await.starts_with("nobody is signed in to MSN"));
}

#[tokio::test]
async fn what_is_encrypted_is_answered_with_a_room_that_is_not() {
    let desk = desk().await;
    desk.components.registry.remember(&with_ann(), bobs()).await.unwrap();
    let command = desk.commanded(&event("m.room.encrypted", ANN, json!({}))).await;
    assert_eq!((command.text.as_str(), command.typed), ("help", false));
    assert_eq!(command.portal, with_ann());
    assert_eq!(desk.server.sent("/send/m.room.message/").len(), 1);
    assert_eq!(desk.components.registry.room_of(&with_ann()), Ok(None), "another room is made");
    assert_eq!(desk.reads(&event("m.room.encrypted", EVE, json!({}))).await, LocalEvent::Ignored);
}

#[tokio::test]
async fn a_sign_is_words_and_under_a_question_of_the_bot_its_answer() {
    let desk = desk().await;
    let sign = |put_to: &str| {
        let relation = json!({"rel_type": "m.annotation", "event_id": put_to, "key": "👍\u{FE0F}"});
        event("m.reaction", ANN, json!({"m.relates_to": relation}))
    };
    desk.server.answers("/event/$0", 200, text(EVE, "hi"));
    for _ in 0..3 {
        assert_eq!(desk.words(&sign("$0")).await, "reacted 👍\u{FE0F}");
    }
    let asked = desk.server.asked().iter().filter(|asked| asked.contains("/event/")).count();
    assert_eq!(asked, 1, "it is known what the sign is put to");
    let mut question = text(BOT, "Shall I?");
    question["content"]["msnbridge.answers"] = json!({"👍": "accept bob"});
    desk.server.answers("/event/$q", 200, question.clone());
    let command = desk.commanded(&sign("$q")).await;
    assert_eq!((command.text.as_str(), command.typed), ("accept bob", false));
    question["sender"] = json!(EVE);
    desk.server.answers("/event/$e", 200, question);
    assert!(matches!(desk.reads(&sign("$e")).await, LocalEvent::Message(_)), "only the bot asks questions");
}

#[tokio::test]
async fn a_removal_says_so_where_the_owner_removes_their_own_words() {
    let desk = desk().await;
    let removal = |sender: &str| event("m.room.redaction", sender, json!({"redacts": "$0"}));
    desk.server.answers("/event/$0", 200, text(ANN, "oops"));
    let LocalEvent::Removed { portal, entry, said } = desk.reads(&removal(ANN)).await else { panic!() };
    assert_eq!((portal, entry), (with_bob(), EntryId::brought(LEG, "$0")));
    assert!(matches!(said.unwrap().body, Body::Emote(text) if text.text() == "deleted a message"));
    let LocalEvent::Removed { said, .. } = desk.reads(&removal(EVE)).await else { panic!() };
    assert_eq!(said, None);
}

#[tokio::test]
async fn an_owner_who_leaves_has_the_room_forgotten_and_others_have_not() {
    let desk = desk().await;
    assert_eq!(desk.reads(&member(EVE, EVE, "leave")).await, LocalEvent::Ignored);
    assert_eq!(desk.components.registry.room_of(&with_bob()).unwrap().as_deref(), Some(bobs()));
    assert_eq!(desk.reads(&member(ANN, ANN, "leave")).await, LocalEvent::OwnerLeft { portal: with_bob() });
    assert_eq!(desk.components.registry.room_of(&with_bob()), Ok(None));
    assert!(desk.server.asked().iter().any(|asked| asked.starts_with("DELETE ")), "the alias is free");
}

#[tokio::test]
async fn contacts_are_called_into_a_conversation_made_contacts_elsewhere_and_dropped() {
    let desk = desk().await;
    let command = desk.commanded(&member(ANN, BOB, "invite")).await;
    assert_eq!((command.text.as_str(), command.portal), ("invite bob@example.com", with_bob()));
    let mut elsewhere = member(ANN, BOB, "invite");
    elsewhere["room_id"] = json!("!other:test.localhost");
    let command = desk.commanded(&elsewhere).await;
    assert_eq!((command.text.as_str(), command.portal), ("add bob@example.com --chat", with_ann()));
    let command = desk.commanded(&member(ANN, BOB, "leave")).await;
    assert_eq!((command.text.as_str(), command.portal), ("drop bob@example.com", with_bob()));
    assert_eq!(desk.reads(&member(EVE, BOB, "invite")).await, LocalEvent::Ignored);
    let left = desk.server.asked().iter().filter(|asked| asked.ends_with("/leave")).count();
    assert_eq!(left, 3, "a ghost stays in no room that it is invited to by hand");
}

#[tokio::test]
async fn the_bot_stays_where_it_is_alone_with_somebody_and_says_so_where_it_is_not() {
    let desk = desk().await;
    let mut invitation = member(ANN, BOT, "invite");
    invitation["room_id"] = json!("!new:test.localhost");
    desk.server.answers("/join", 200, json!({"room_id": "!new:test.localhost"}));
    desk.are_in_the_room(&[ANN, EVE]);
    assert_eq!(desk.reads(&invitation).await, LocalEvent::Ignored);
    assert_eq!(desk.server.sent("/send/m.room.message/").len(), 1, "it says why");
    desk.are_in_the_room(&[ANN]);
    let command = desk.commanded(&invitation).await;
    assert_eq!((command.text.as_str(), command.portal), ("hello", with_ann()));
    assert!(!command.is_message, "an invitation is not answered by pointing at it");
    let room = desk.components.registry.room_of(&with_ann()).unwrap();
    assert_eq!(room.as_deref(), Some(room_id!("!new:test.localhost")));
}

#[tokio::test]
async fn what_is_said_among_two_is_a_command_and_what_a_third_can_read_is_not() {
    let desk = desk().await;
    desk.components.registry.remember(&with_ann(), bobs()).await.unwrap();
    desk.are_in_the_room(&[ANN]);
    assert_eq!(desk.commanded(&text(ANN, "!MSN login x")).await.text.as_str(), "login x");
    assert_eq!(desk.commanded(&text(ANN, "secret")).await.text.as_str(), "secret");
    assert_eq!(desk.reads(&text(EVE, "login")).await, LocalEvent::Ignored);
    desk.are_in_the_room(&[ANN, EVE]);
    let LocalEvent::Overheard { user, said, .. } = desk.reads(&member(EVE, EVE, "join")).await else {
        panic!()
    };
    assert_eq!((user.as_str(), said), (ANN, None));
    assert_eq!(desk.components.registry.room_of(&with_ann()), Ok(None), "it is a management room no longer");
}

#[tokio::test]
async fn a_new_picture_of_an_owner_is_told_once() {
    let desk = desk().await;
    let seen = |picture: &str| {
        let mut event = member(ANN, ANN, "join");
        event["content"]["avatar_url"] = json!(picture);
        event
    };
    let news = LocalEvent::Portrait { user: BridgeUser::new(ANN) };
    let mut found = Vec::new();
    for picture in ["mxc://x/1", "mxc://x/1", "mxc://x/2", "mxc://x/2"] {
        found.push(desk.reads(&seen(picture)).await == news);
    }
    assert_eq!(found, [false, false, true, false]);
}

#[tokio::test]
async fn an_item_is_its_conversations_owners_or_its_senders() {
    let desk = desk().await;
    let owner = |event: &Value| desk.interpreter.owner_of_item(event.to_string().as_bytes());
    assert_eq!(owner(&text(EVE, "hi")), Some(BridgeUser::new(ANN)));
    let mut elsewhere = text(ANN, "hi");
    elsewhere["room_id"] = json!("!other:test.localhost");
    assert_eq!(owner(&elsewhere), Some(BridgeUser::new(user_id!("@ann:test.localhost").as_str())));
    elsewhere["sender"] = json!(EVE);
    assert_eq!(owner(&elsewhere), None);
}

#[tokio::test]
async fn nothing_is_said_of_the_removal_of_a_command_or_of_what_was_refused() {
    let desk = desk().await;
    let mut removal = event("m.room.redaction", ANN, json!({"redacts": "$0"}));
    removal["event_id"] = json!("$removal");
    let poll = event("m.poll.start", ANN, json!({"m.poll": {}}));
    for mut unsaid in [text(ANN, "!msn status"), text(ANN, " "), poll] {
        unsaid["event_id"] = json!("$0");
        desk.reads(&unsaid).await;
        desk.server.answers("/event/$0", 200, unsaid);
        let LocalEvent::Removed { said, .. } = desk.reads(&removal).await else { panic!() };
        assert_eq!(said, None);
    }
}

#[tokio::test]
async fn a_caller_is_told_that_nobody_hears_the_call() {
    let desk = desk().await;
    let invite = json!({"call_id": "1", "offer": {"type": "offer", "sdp": "m=audio"}});
    desk.said(&event("m.call.invite", ANN, invite)).await;
    let notices = desk.server.sent("/send/m.room.message/");
    assert_eq!(notices.len(), 1);
    assert!(notices[0]["body"].as_str().unwrap().starts_with("Calls are not carried"), "{notices:?}");
}

#[tokio::test]
async fn an_invitation_by_somebody_without_permission_is_declined_with_a_reason() {
    let desk = desk().await;
    for invited in [BOT, BOB] {
        let read = desk.interpreter.interpret(member(EVE, invited, "invite").to_string().as_bytes()).await;
        assert!(matches!(read, Ok(LocalEvent::Ignored)), "{read:?}");
    }
    let left = desk.server.sent("/leave");
    assert_eq!(left.len(), 2, "{:?}", desk.server.asked());
    assert!(left.iter().all(|sent| sent["reason"].as_str().is_some_and(|r| r.contains("may not use"))));
}

#[tokio::test]
async fn words_wait_for_no_name_of_somebody_who_is_mentioned() {
    let desk = desk().await;
    desk.server.refuses("/joined_members", 503, "M_UNKNOWN");
    let content =
        json!({"msgtype": "m.text", "body": format!("{EVE}: come"), "m.mentions": {"user_ids": [EVE]}});
    assert_eq!(desk.words(&event("m.room.message", ANN, content)).await, format!("{EVE}: come"));
}

#[tokio::test]
async fn ten_thousand_signs_on_one_message_are_read_with_one_request() {
    let desk = desk().await;
    desk.server.answers("/event/$0", 200, text(EVE, "hi"));
    for number in 0..10_000 {
        let relation = json!({"rel_type": "m.annotation", "event_id": "$0", "key": format!("{number}")});
        let mut sign = event("m.reaction", ANN, json!({"m.relates_to": relation}));
        sign["event_id"] = json!(format!("$s{number}"));
        assert_eq!(desk.words(&sign).await, format!("reacted {number}"));
    }
    assert_eq!(desk.server.asked().len(), 1);
}

#[tokio::test]
async fn odd_fields_of_any_kind_are_survived() {
    let desk = desk().await;
    let kinds = [
        "m.room.message",
        "m.sticker",
        "m.reaction",
        "m.poll.start",
        "m.poll.response",
        "m.poll.end",
        "m.location",
        "m.beacon_info",
        "m.call.invite",
        "m.call.member",
        "org.example.x",
    ];
    let keys = [
        "msgtype",
        "body",
        "format",
        "formatted_body",
        "url",
        "info",
        "itemtypes",
        "m.relates_to",
        "m.new_content",
        "m.poll",
        "m.text",
        "m.location",
        "m.mentions",
        "m.per_message_profile",
        "offer",
        "memberships",
    ];
    let values =
        [json!(null), json!(7), json!(-1), json!("x"), json!([[]]), json!({"m.in_reply_to": 7}), json!({})];
    for kind in kinds {
        for msgtype in ["m.text", "m.image", "m.gallery", "m.location", "m.contact"] {
            for (key, value) in keys.iter().flat_map(|key| values.iter().map(move |value| (*key, value))) {
                let mut content = json!({"msgtype": msgtype, "body": "b", "url": "mxc://x/1"});
                content[key] = value.clone();
                let event = event(kind, ANN, content);
                let read = desk.interpreter.interpret(event.to_string().as_bytes()).await;
                assert!(read.is_ok(), "{event}: {read:?}");
            }
        }
    }
}
