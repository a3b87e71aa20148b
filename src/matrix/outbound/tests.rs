//! Entries become events, and signals are shown, on a homeserver that answers what it is told.

use std::sync::Arc;

use ruma::user_id;
use serde_json::{Value, json};

use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{Author, Progress};
use crate::bridge::ids::EntryId;
use crate::bridge::port::delivery::{Content, Delivery, DeliveryError, Display, PackedLine};
use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::storage::Storage;
use crate::bridge::testkit::SimStorage;
use crate::matrix::component::Components;
use crate::matrix::testkit::{self, ANN, BOB, FakeHomeserver, bob, with_bob};

pub(super) const SEND: &str = "/send/m.room.message/";

pub(super) struct Desk {
    pub(super) server: FakeHomeserver,
    parts: Components,
}

pub(super) async fn desk() -> Desk {
    let server = FakeHomeserver::start().await;
    let storage: Arc<dyn Storage> = Arc::new(SimStorage::default());
    testkit::sign_in(&*storage).await;
    let parts = testkit::components(&server, storage).await;
    Desk { server, parts }
}

impl Desk {
    pub(super) async fn delivers(&self, delivery: Delivery) -> Result<(), DeliveryError> {
        self.parts.entries(None).deliver(delivery, Display::default()).await
    }

    /// The words of what was sent and taken.
    fn words_sent(&self) -> Vec<String> {
        let taken = self.server.taken(SEND).into_iter();
        taken.map(|content| content["body"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What was sent, by its words.
    fn words(&self) -> Vec<Value> {
        self.server.sent(SEND).into_iter().map(|content| content["body"].clone()).collect()
    }
}

pub(super) fn said(author: Author, words: &str) -> Delivery {
    Delivery {
        portal: with_bob(),
        id: EntryId::new("e"),
        sequence: 7,
        author,
        content: Content::Said { body: Body::Text(RichText::plain(words)) },
        at: 1,
        unconfirmed: false,
        pack: Vec::new(),
    }
}

#[tokio::test]
async fn what_a_contact_says_is_said_by_their_ghost() {
    let desk = desk().await;
    desk.delivers(said(Author::Ghost(bob()), "hi")).await.unwrap();
    let asked = desk.server.asked();
    let asked: Vec<&str> = asked.iter().map(|asked| asked.rsplit("/v3/").next().unwrap()).collect();
    let name = format!("profile/{BOB}/displayname");
    let sent = asked.last().unwrap();
    let steps = ["createRoom", "register", &name, "rooms/!made:test.localhost/join"];
    let taken: Vec<&&str> = asked.iter().filter(|asked| steps.contains(asked)).collect();
    assert_eq!(taken, steps.iter().collect::<Vec<_>>());
    assert!(sent.starts_with("rooms/!made:test.localhost/send/m.room.message/"), "{sent}");
    let content = &desk.server.sent(SEND)[0];
    assert_eq!((&content["body"], &content["msnbridge.id"]), (&json!("hi"), &json!("e/0")));
    assert_eq!(content["msnbridge.room"], Value::Null);
}

#[tokio::test]
async fn a_repeat_has_the_transaction_id_of_the_first_attempt() {
    let desk = desk().await;
    for _ in 0..2 {
        desk.delivers(said(Author::Ghost(bob()), "hi")).await.unwrap();
    }
    let asked = desk.server.asked();
    let sent: Vec<&String> = asked.iter().filter(|asked| asked.contains(SEND)).collect();
    assert_eq!((sent.len(), sent[0]), (2, sent[1]));
}

#[tokio::test]
async fn what_is_in_the_room_already_is_not_said_again() {
    let desk = desk().await;
    let event = |id: &str, sequence: u64| {
        json!({
            "type": "m.room.message", "event_id": "$1", "sender": BOB, "origin_server_ts": 1,
            "content": {"msnbridge.id": id, "msnbridge.seq": sequence},
        })
    };
    desk.server.answers("/messages", 200, json!({"start": "a", "chunk": [event("e/0", 7), event("d/0", 6)]}));
    let unconfirmed = Delivery { unconfirmed: true, ..said(Author::Ghost(bob()), "hi") };
    desk.delivers(unconfirmed.clone()).await.unwrap();
    assert_eq!(desk.words(), [] as [Value; 0]);
    desk.server.answers("/messages", 200, json!({"start": "a", "chunk": [event("d/0", 6)]}));
    desk.delivers(unconfirmed).await.unwrap();
    assert_eq!(desk.words(), ["hi"]);
}

/// Lines of Eve's that go as one, by the names of their entries.
fn packed(ids: &[&str]) -> Delivery {
    let line = |id: &&str| PackedLine { id: EntryId::new(*id), text: RichText::plain(format!("line {id}")) };
    let pack: Vec<PackedLine> = ids.iter().map(line).collect();
    let text = RichText::joined(pack.iter().map(|line| &line.text));
    let (id, content) = (EntryId::new(ids[0]), Content::Said { body: Body::Text(text) });
    Delivery { id, content, pack, ..said(Author::Relayed { name: "eve".into() }, "") }
}

#[tokio::test]
async fn lines_that_go_as_one_are_one_event_that_names_them_all() {
    let desk = desk().await;
    desk.delivers(packed(&["a", "b", "c"])).await.unwrap();
    let content = &desk.server.sent(SEND)[0];
    assert_eq!(content["body"], "<eve> line a\nline b\nline c");
    let marked = "<strong data-mx-profile-fallback>&lt;eve&gt; </strong>line a<br>line b<br>line c";
    assert_eq!(content["formatted_body"], marked);
    assert_eq!(
        (&content["msnbridge.id"], &content["msnbridge.ids"]),
        (&json!("a/0"), &json!(["a", "b", "c"]))
    );
    desk.delivers(packed(&["a", "b", "c"])).await.unwrap();
    desk.delivers(packed(&["a"])).await.unwrap();
    let asked = desk.server.asked();
    let sent: Vec<&String> = asked.iter().filter(|asked| asked.contains(SEND)).collect();
    assert_eq!(sent[0], sent[1], "a repeat is recognised");
    assert_ne!(sent[0], sent[2], "and the first of them alone is not taken for one");
}

#[tokio::test]
async fn of_lines_that_go_as_one_those_that_are_in_the_room_are_not_said_again() {
    let desk = desk().await;
    let event = |content: Value| json!({"type": "m.room.message", "event_id": "$1", "sender": BOB, "origin_server_ts": 1, "content": content});
    let older = event(json!({"msnbridge.id": "o/0", "msnbridge.seq": 6}));
    let unconfirmed = Delivery { unconfirmed: true, ..packed(&["a", "b", "c"]) };
    let all = event(json!({"msnbridge.id": "a/0", "msnbridge.ids": ["a", "b", "c"], "msnbridge.seq": 7}));
    desk.server.answers("/messages", 200, json!({"start": "a", "chunk": [all, older]}));
    desk.delivers(unconfirmed.clone()).await.unwrap();
    assert_eq!(desk.words(), [] as [Value; 0]);
    let one = event(json!({"msnbridge.id": "a/0", "msnbridge.seq": 7}));
    desk.server.answers("/messages", 200, json!({"start": "a", "chunk": [one, older]}));
    desk.delivers(unconfirmed).await.unwrap();
    assert_eq!(desk.words(), ["<eve> line b\nline c"]);
    assert_eq!(desk.server.sent(SEND)[0]["msnbridge.ids"], json!(["b", "c"]));
}

#[tokio::test]
async fn the_bot_speaks_for_a_ghost_that_is_shut_out_and_says_so_once() {
    let desk = desk().await;
    desk.server.answers("/joined_members", 200, json!({"joined": {}}));
    desk.server.refuses("/join", 403, "M_FORBIDDEN");
    desk.server.answers("/joined_members", 200, json!({"joined": {}}));
    let entries = desk.parts.entries(None);
    for words in ["one", "two"] {
        entries.deliver(said(Author::Ghost(bob()), words), Display::default()).await.unwrap();
    }
    let words = desk.words();
    assert!(words[0].as_str().unwrap().starts_with("Bob cannot be in this room"), "{words:?}");
    assert_eq!(words[1..], ["<Bob> one", "<Bob> two"]);
}

#[tokio::test]
async fn the_bot_speaks_for_a_ghost_that_is_muted_and_lets_one_speak_that_only_lacks_the_level() {
    let desk = desk().await;
    let entries = desk.parts.entries(None);
    let say = async |words: &str| {
        entries.deliver(said(Author::Ghost(bob()), words), Display::default()).await.unwrap();
    };
    say("before").await;
    desk.server.answers("/joined_members", 200, json!({"joined": {}}));
    desk.server.answers("/state/m.room.power_levels", 200, json!({"users": {BOB: -1}}));
    desk.server.refuses_as(BOB, SEND, 403, "M_FORBIDDEN");
    say("one").await;
    say("two").await;
    let words = desk.words_sent();
    let told = words.iter().filter(|words| words.starts_with("Bob may not speak in this room")).count();
    assert_eq!(told, 1, "{words:?}");
    assert_eq!(words[words.len() - 2..], ["<Bob> one", "<Bob> two"]);
    assert_eq!(desk.server.puts("/state/m.room.power_levels"), 0, "nobody undoes a mute");
    desk.server.answers("/state/m.room.power_levels", 200, json!({"events_default": 50, "event_id": "$l"}));
    desk.server.answers(SEND, 200, json!({"event_id": "$sent"}));
    say("three").await;
    assert_eq!(desk.server.puts("/state/m.room.power_levels"), 1);
    assert_eq!(desk.words_sent().last().unwrap(), "three");
}

#[tokio::test]
async fn owners_speak_for_themselves_where_we_may_act_as_them_with_a_mark_that_it_is_an_echo() {
    let desk = desk().await;
    let ann = || Author::Owner { name: "Ann".into() };
    desk.server.answers("/whoami", 200, json!({"user_id": ANN}));
    desk.delivers(said(ann(), "from my phone")).await.unwrap();
    let content = &desk.server.sent(SEND)[0];
    assert_eq!(content["body"], "from my phone");
    assert_eq!(content["msnbridge.room"], "!made:test.localhost");
    desk.server.refuses("/whoami", 403, "M_FORBIDDEN");
    desk.parts.puppets.forget(user_id!("@ann:test.localhost"));
    desk.delivers(said(ann(), "from my phone")).await.unwrap();
    assert_eq!(desk.words()[1], "<Ann> from my phone");
}

#[tokio::test]
async fn another_room_is_made_for_what_is_refused_because_the_room_is_gone() {
    let desk = desk().await;
    desk.parts.rooms.ensure(&with_bob(), &Display::default()).await.unwrap();
    desk.server.answers("/createRoom", 200, json!({"room_id": "!another:test.localhost"}));
    desk.server.refuses("/rooms/!made:test.localhost/", 403, "M_FORBIDDEN");
    desk.delivers(said(Author::Bridge, "hello")).await.unwrap();
    let asked = desk.server.asked();
    assert!(asked.last().unwrap().contains("/rooms/!another:test.localhost/send/"), "{asked:?}");
}

#[tokio::test]
async fn a_ghost_comes_and_goes_with_its_contact() {
    let desk = desk().await;
    let moves = |content: Content| Delivery { content, ..said(Author::Bridge, "") };
    desk.delivers(moves(Content::Joined { ghost: bob() })).await.unwrap();
    desk.delivers(moves(Content::Left { ghost: bob() })).await.unwrap();
    let asked = desk.server.asked();
    let of_rooms = asked.iter().filter_map(|asked| asked.split("/rooms/!made:test.localhost/").nth(1));
    let moved: Vec<&str> = of_rooms.filter(|asked| ["join", "leave"].contains(asked)).collect();
    assert_eq!(moved, ["join", "leave"]);
}

#[tokio::test]
async fn how_far_a_file_is_is_one_notice_that_is_changed_and_taken_back() {
    let desk = desk().await;
    let progress = desk.parts.progress();
    let show = async |text: Option<&str>| {
        let text = text.map(str::to_owned);
        progress.show(&with_bob(), Progress { id: "f".into(), text }).await;
    };
    show(Some("10 %")).await;
    assert_eq!(desk.server.asked(), [] as [String; 0], "there is no room yet");
    desk.parts.rooms.ensure(&with_bob(), &Display::default()).await.unwrap();
    show(Some("10 %")).await;
    show(Some("20 %")).await;
    show(None).await;
    show(None).await;
    assert_eq!(desk.words(), ["10 %", "* 20 %"]);
    assert_eq!(desk.server.sent(SEND)[1]["m.relates_to"]["event_id"], "$sent");
    assert_eq!(desk.server.sent("/redact/$sent/").len(), 1);
}

#[tokio::test]
async fn senders_are_told_of_what_waits_and_by_events_of_everything_where_those_are_wanted() {
    let desk = desk().await;
    desk.parts.rooms.ensure(&with_bob(), &Display::default()).await.unwrap();
    let mut config = testkit::config("http://unused");
    let pending = || Outcome::Pending { reason: "Bob is offline".into(), waiting: 1 };
    for sends_events in [false, true] {
        config.status_events = sends_events;
        let status = desk.parts.status(&config);
        status.report(&with_bob(), "$1", pending()).await;
        status.report(&with_bob(), "$2", Outcome::Delivered).await;
    }
    let notices = desk.server.sent(SEND);
    assert_eq!(notices.len(), 2);
    assert_eq!(
        notices[0]["body"],
        "Not delivered yet: Bob is offline. It is kept and will be sent as soon as that is over."
    );
    assert_eq!(notices[0]["m.relates_to"]["m.in_reply_to"]["event_id"], "$1");
    let events = desk.server.sent("/send/com.beeper.message_send_status/");
    let told: Vec<_> = events.iter().map(|event| (&event["status"], &event["message"])).collect();
    assert_eq!(told, [(&json!("PENDING"), &json!("Bob is offline.")), (&json!("SUCCESS"), &Value::Null)]);
}

#[tokio::test]
async fn what_is_late_has_the_time_at_which_it_was_said() {
    let desk = desk().await;
    let now: u64 = ruma::MilliSecondsSinceUnixEpoch::now().get().into();
    let times = [(now, false), (now - 8_000, false), (now - 11_000, true), (now - 86_400_000, true)];
    for (at, is_late) in times {
        desk.delivers(Delivery { at, ..said(Author::Ghost(bob()), "hi") }).await.unwrap();
        let address = desk.server.addresses(SEND).pop().unwrap();
        assert_eq!(address.contains(&format!("ts={at}")), is_late, "{address}");
        assert_eq!(address.contains("ts="), is_late, "{address}");
    }
}

#[tokio::test]
async fn what_waits_is_one_notice_that_counts_and_is_gone_when_it_went() {
    let desk = desk().await;
    desk.parts.rooms.ensure(&with_bob(), &Display::default()).await.unwrap();
    let status = desk.parts.status(&testkit::config("http://unused"));
    let pending = |waiting| Outcome::Pending { reason: "no answer yet".into(), waiting };
    for (reference, waiting) in [("$1", 2), ("$2", 2), ("$3", 3)] {
        status.report(&with_bob(), reference, pending(waiting)).await;
    }
    let contents = desk.server.sent(SEND);
    assert_eq!(contents.len(), 2, "said once for each count");
    let kept = |count: u32| {
        format!(
            "Not delivered yet: no answer yet. {count} messages are kept and will be sent as soon as that is over."
        )
    };
    assert_eq!(contents[0]["body"], kept(2));
    assert_eq!(contents[0]["m.relates_to"]["m.in_reply_to"]["event_id"], "$1");
    let last = contents.last().unwrap();
    assert_eq!(last["m.new_content"]["body"], kept(3));
    assert_eq!(last["m.relates_to"], json!({"rel_type": "m.replace", "event_id": "$sent"}));
    // What is refused has nothing to do with it.
    status.report(&with_bob(), "$odd", Outcome::Refused { reason: "odd".into() }).await;
    assert_eq!(desk.server.sent("/redact/").len(), 0);
    for reference in ["$1", "$2", "$3"] {
        status.report(&with_bob(), reference, Outcome::Delivered).await;
    }
    assert_eq!(desk.server.sent("/redact/$sent/").len(), 1);
    // The next time is another notice.
    status.report(&with_bob(), "$4", pending(1)).await;
    assert_eq!(desk.server.sent(SEND).last().unwrap()["m.relates_to"]["m.in_reply_to"]["event_id"], "$4");
}

#[tokio::test]
async fn the_notice_of_what_waited_for_somebody_is_changed_and_then_gone() {
    let desk = desk().await;
    let notice = |text: &str, is_first, is_last| {
        let body = Body::LiveNotice { id: "held".into(), text: text.into(), about: None, is_first, is_last };
        Delivery { content: Content::Said { body }, ..said(Author::Bridge, "") }
    };
    for (text, is_first, is_last) in
        [("1 waits", true, false), ("2 wait", false, false), ("gone", false, true)]
    {
        desk.delivers(notice(text, is_first, is_last)).await.unwrap();
    }
    assert_eq!(desk.words(), ["1 waits", "* 2 wait"]);
    assert_eq!(desk.server.sent("/redact/$sent/").len(), 1);
    desk.delivers(notice("gone", false, true)).await.unwrap();
    assert_eq!(
        (desk.words().len(), desk.server.sent("/redact/$sent/").len()),
        (2, 1),
        "there is none any more"
    );
}

#[tokio::test]
async fn the_bot_types_to_be_heard_only_where_it_is_alone_with_somebody() {
    let desk = desk().await;
    let typing = desk.parts.typing();
    typing.to_nobody().await;
    assert_eq!(desk.server.sent("/typing/"), [] as [Value; 0]);
    let (registry, with_ann) = (&desk.parts.registry, testkit::with_ann());
    registry.remember(&with_ann, ruma::room_id!("!ann:x")).await.unwrap();
    assert!(registry.room_of(&with_ann).unwrap().is_some());
    typing.to_nobody().await;
    let told: Vec<Value> = desk.server.sent("/typing/").iter().map(|told| told["typing"].clone()).collect();
    assert_eq!(told, [json!(true), json!(false)]);
}

#[tokio::test]
async fn who_was_shown_as_typing_is_not_any_more_once_they_have_said_it() {
    let desk = desk().await;
    let (typing, author) = (desk.parts.typing(), Author::Ghost(bob()));
    desk.delivers(said(author.clone(), "hi")).await.unwrap();
    typing.end(&with_bob(), &author).await;
    assert_eq!(desk.server.sent("/typing/"), [] as [Value; 0], "nobody saw them type");
    typing.show(&with_bob(), author.clone()).await;
    for _ in 0..2 {
        typing.end(&with_bob(), &author).await;
    }
    let told: Vec<Value> = desk.server.sent("/typing/").iter().map(|told| told["typing"].clone()).collect();
    assert_eq!(told, [json!(true), json!(false)]);
}
