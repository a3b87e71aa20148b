//! A client that others wrote, signed in to our service, and somebody on Matrix behind the bridge: each sees what the
//! other does.

use msnp11_sdk::{Client, Event, MsnpList, MsnpStatus, PersonalMessage, PlainText, Switchboard};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, channel};

use crate::chat::World;
use crate::support::service::MsnService;
use crate::support::synapse::SERVER_NAME;
use crate::support::{PATIENCE, within};

/// Bob with the other client, and what happens to him.
pub(crate) struct Other {
    pub(crate) client: Client,
    events: Receiver<Event>,
}

impl Other {
    pub(crate) async fn sign_in(service: &MsnService) -> Self {
        let (host, port) = service.notification.rsplit_once(':').unwrap();
        let client = Client::new(host, port.parse().unwrap()).await.expect("connects");
        let (tells, events) = channel(256);
        client.add_event_handler_closure(move |event| {
            let tells = tells.clone();
            async move { drop(tells.send(event).await) }
        });
        let answer =
            client.login("bob@example.com".into(), "bob-pw", &service.nexus, "MSNMSGR", "7.0.0813").await;
        assert!(matches!(answer, Ok(Event::Authenticated)), "{answer:?}");
        client.set_presence(MsnpStatus::Online).await.expect("online");
        Self { client, events }
    }

    /// Calls Alice and waits until she is there.
    pub(crate) async fn call(&self) -> (Switchboard, Receiver<Event>) {
        let call = self.client.create_session("alice@example.com").await.expect("a call");
        let (hears, mut heard) = channel(64);
        call.add_event_handler_closure(move |event| {
            let hears = hears.clone();
            async move { drop(hears.send(event).await) }
        });
        until(&mut heard, "Alice", |e| matches!(e, Event::ParticipantInSwitchboard { .. })).await;
        (call, heard)
    }

    pub(crate) async fn sees(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        until(&mut self.events, what, wanted).await
    }
}

pub(crate) fn plain(text: &str) -> PlainText {
    let (text, color) = (text.to_owned(), "ff0000".to_owned());
    PlainText { bold: true, italic: false, underline: false, strikethrough: false, color, text }
}

pub(crate) async fn until(
    events: &mut Receiver<Event>,
    what: &str,
    wanted: impl Fn(&Event) -> bool,
) -> Event {
    within(what, async {
        loop {
            let event = events.recv().await.unwrap_or_else(|| panic!("the session ended before {what}"));
            if wanted(&event) {
                return event;
            }
        }
    })
    .await
}

/// Says something to the bot and waits for its answer.
async fn ask(world: &mut World, command: &str, answer: &str) {
    let management = world.management.clone();
    world.user.send(&management, command).await;
    world.user.message_with(answer).await;
}

/// Waits until Bob's Matrix user is shown like this.
async fn shown(world: &mut World, presence: &str, says: Option<&str>) {
    let is_presence = |event: &Value| {
        event["type"] == "m.presence" && event["sender"] == format!("@msn_bob=40example.com:{SERVER_NAME}")
    };
    let is_so = |event: &Value| {
        is_presence(event)
            && event["content"]["presence"] == presence
            && says.is_none_or(|says| {
                event["content"]["status_msg"].as_str().is_some_and(|text| text.contains(says))
            })
    };
    world.user.event_after(&format!("Bob {presence}, {says:?}"), is_so, is_presence).await;
}

/// Bob and Alice list each other; the id that Bob's list has for her.
pub(crate) async fn befriend(world: &mut World, bob: &mut Other) -> String {
    let added = bob.client.add_contact("alice@example.com", "Alice", MsnpList::ForwardList).await;
    let Ok(Event::ContactInForwardList { guid, .. }) = added else { panic!("{added:?}") };
    bob.client.add_contact("alice@example.com", "Alice", MsnpList::AllowList).await.expect("allowed");
    world.user.message_with("<bob@example.com> has added").await;
    ask(world, "accept bob@example.com", "bob@example.com can see you now").await;
    bob.sees(
        "that Alice added him",
        |e| matches!(e, Event::AddedBy { email, .. } if email == "alice@example.com"),
    )
    .await;
    guid
}

#[tokio::test]
async fn each_sees_the_others_presence_and_is_not_seen_where_blocked() {
    bounded(see_each_other()).await;
}

async fn see_each_other() {
    let mut world = World::start().await;
    let mut bob = Other::sign_in(&world.service).await;
    let guid = befriend(&mut world, &mut bob).await;
    let room = world.management.clone();
    // Presence is shown to those who share a room.
    let (call, _heard) = bob.call().await;
    call.send_text_message(&plain("hi")).await.expect("sent");
    world.user.message("hi").await;
    shown(&mut world, "online", None).await;
    bob.client.set_presence(MsnpStatus::Busy).await.expect("busy");
    shown(&mut world, "unavailable", None).await;
    let says = PersonalMessage { psm: "reading".into(), current_media: String::new() };
    bob.client.set_personal_message(&says).await.expect("said");
    shown(&mut world, "unavailable", Some("reading")).await;

    world.user.send(&room, "presence phone").await;
    let on_the_phone = |e: &Event| matches!(e, Event::PresenceUpdate { presence, .. } if presence.status == MsnpStatus::OnThePhone);
    bob.sees("Alice on the phone", on_the_phone).await;
    world.user.send(&room, "psm out & about").await;
    let about = |e: &Event| matches!(e, Event::PersonalMessageUpdate { personal_message, .. } if personal_message.psm == "out & about");
    bob.sees("what Alice says", about).await;
    world.user.send(&room, "name Alice B").await;
    let named =
        |e: &Event| matches!(e, Event::PresenceUpdate { display_name, .. } if display_name == "Alice B");
    bob.sees("Alice's new name", named).await;

    bob.client.block_contact("alice@example.com").await.expect("blocked");
    shown(&mut world, "offline", None).await;
    bob.client.remove_contact("alice@example.com", MsnpList::BlockList).await.expect("not blocked");
    bob.client.add_contact("alice@example.com", "Alice", MsnpList::AllowList).await.expect("allowed");
    shown(&mut world, "unavailable", None).await;
    ask(&mut world, "block bob@example.com", "can neither see nor call you").await;
    bob.sees("Alice gone", |e| matches!(e, Event::ContactOffline { email } if email == "alice@example.com"))
        .await;
    ask(&mut world, "unblock bob@example.com", "can see and call you again").await;
    bob.sees("Alice back", on_the_phone).await;

    ask(&mut world, "remove bob@example.com", "is no contact of yours any more").await;
    bob.sees(
        "that Alice removed him",
        |e| matches!(e, Event::RemovedBy(email) if email == "alice@example.com"),
    )
    .await;
    bob.client.remove_contact_from_forward_list(&guid).await.expect("removed");
}

/// That client waits for ever for the answers it knows.
async fn bounded(test: impl Future<Output = ()>) {
    tokio::time::timeout(PATIENCE * 5, test).await.expect("the other client got its answers");
}

#[tokio::test]
async fn its_groups_are_kept() {
    bounded(keep_groups()).await;
}

async fn keep_groups() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), crate::chat::ACCOUNTS).await;
    let bob = Other::sign_in(&service).await;
    bob.client.create_group("Old friends").await.expect("created");
    let added = bob.client.add_contact("alice@example.com", "Alice", MsnpList::ForwardList).await;
    let Ok(Event::ContactInForwardList { guid: alice, .. }) = added else { panic!("{added:?}") };
    bob.client.disconnect().await.expect("signed out");
    let mut bob = Other::sign_in(&service).await;
    let group = bob.sees("the group", |e| matches!(e, Event::Group { .. })).await;
    let Event::Group { name, guid } = group else { unreachable!("it was asked for") };
    assert_eq!(name, "Old friends");
    bob.client.add_contact_to_group(&alice, &guid).await.expect("in the group");
    bob.client.rename_group(&guid, "Pals").await.expect("renamed");
    bob.client.disconnect().await.expect("signed out");
    let mut bob = Other::sign_in(&service).await;
    bob.sees("the new name", |e| matches!(e, Event::Group { name, .. } if name == "Pals")).await;
    let inside =
        |e: &Event| matches!(e, Event::ContactInForwardList { groups, .. } if *groups == [guid.clone()]);
    bob.sees("Alice in the group", inside).await;
    bob.client.remove_contact_from_group(&alice, &guid).await.expect("out of the group");
    bob.client.delete_group(&guid).await.expect("deleted");
    bob.client.set_blp("BL").await.expect("only known people");
    bob.client.set_gtc("N").await.expect("asked no more");
    bob.client.set_contact_display_name(&alice, "Al").await.expect("called something else");
}

#[tokio::test]
async fn they_chat_type_and_nudge_both_ways() {
    bounded(chat_type_and_nudge()).await;
}

async fn chat_type_and_nudge() {
    let mut world = World::start().await;
    let bob = Other::sign_in(&world.service).await;
    let (call, mut heard) = bob.call().await;
    call.send_text_message(&plain("from another client")).await.expect("sent");
    let shown = world.user.message("from another client").await;
    assert!(shown["content"]["formatted_body"].as_str().unwrap().contains("<strong>"));
    let room = shown["room_id"].as_str().unwrap().to_owned();
    world.user.send(&room, "and back").await;
    until(
        &mut heard,
        "the answer",
        |e| matches!(e, Event::TextMessage { message, .. } if message.text == "and back"),
    )
    .await;

    call.send_typing_user("bob@example.com").await.expect("typing");
    let typing = |event: &Value| {
        event["type"] == "m.typing"
            && event["content"]["user_ids"].as_array().is_some_and(|users| {
                users.iter().any(|u| u.as_str().is_some_and(|u| u.starts_with("@msn_bob")))
            })
    };
    world.user.event("Bob typing", typing).await;
    let path = format!("rooms/{room}/typing/{}", world.user.id);
    world.user.call(Method::PUT, &path, Some(json!({"typing": true, "timeout": 10_000}))).await;
    until(&mut heard, "Alice typing", |e| matches!(e, Event::TypingNotification { .. })).await;

    call.send_nudge().await.expect("nudged");
    world.user.message("sent a nudge").await;
    world.user.send(&room, "!msn nudge").await;
    until(&mut heard, "Alice's nudge", |e| matches!(e, Event::Nudge { .. })).await;
}
