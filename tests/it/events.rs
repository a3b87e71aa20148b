//! What people do in a Matrix client besides writing words, through a real homeserver: each kind is carried to the
//! contact, or refused with a reason and a status event.

use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::chat::World;
use crate::support::files::{self, Way, noise, noise_digest};
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, Wire, formatted, text};
use crate::support::synapse::SERVER_NAME;

/// Alice's Matrix user in a room with Bob, and Bob's end of the conversation.
struct Talk {
    world: World,
    call: Wire,
    room: String,
    count: usize,
    _bob: Peer,
}

impl Talk {
    async fn begin() -> Self {
        let mut world = World::start().await;
        let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
        let mut call = bob.call("alice@example.com").await;
        call.say(&text("shall we?")).await;
        let shown = world.user.message("shall we?").await;
        let room = shown["room_id"].as_str().unwrap().to_owned();
        Self { world, call, room, count: 0, _bob: bob }
    }

    /// Sends an event of any type; gives its id.
    async fn sends(&mut self, kind: &str, content: Value) -> String {
        self.count += 1;
        let path = format!("rooms/{}/send/{kind}/e{}", self.room, self.count);
        let answer = self.world.user.call(Method::PUT, &path, Some(content)).await;
        answer["event_id"].as_str().unwrap_or_else(|| panic!("not sent: {answer}")).to_owned()
    }

    /// The next words that Bob reads.
    async fn hears(&mut self) -> String {
        let is_text = |payload: &str| payload.contains("Content-Type: text/plain");
        let unit =
            self.call.until("words", |unit| unit.line.starts_with("MSG ") && is_text(&unit.payload)).await;
        unit.payload.split_once("\r\n\r\n").expect("a body").1.replace("\r\n", "\n")
    }

    /// The reason for which an event was not carried, as the client is told, and as a person reads it.
    async fn refused(&mut self, event: &str) -> String {
        let is_about = |status: &Value| {
            status["type"] == "com.beeper.message_send_status"
                && status["content"]["m.relates_to"]["event_id"] == event
        };
        let status = self.world.user.event("a status event", is_about).await;
        assert_eq!(status["content"]["status"], "FAIL_PERMANENT", "{status}");
        let reason = status["content"]["message"].as_str().unwrap().to_owned();
        let notice = self.world.user.message_with(&format!("Your message was not delivered: {reason}")).await;
        assert_eq!(notice["content"]["m.relates_to"]["m.in_reply_to"]["event_id"], event);
        reason
    }

    async fn redacts(&mut self, event: &str) {
        self.count += 1;
        let path = format!("rooms/{}/redact/{event}/e{}", self.room, self.count);
        self.world.user.call(Method::PUT, &path, Some(json!({}))).await;
    }
}

fn said(body: &str) -> Value {
    json!({"msgtype": "m.text", "body": body})
}

fn answering(event: &str, body: &str) -> Value {
    json!({"msgtype": "m.text", "body": body, "m.relates_to": {"m.in_reply_to": {"event_id": event}}})
}

#[tokio::test]
async fn polls_places_calls_and_contacts_are_one_line_each() {
    let mut talk = Talk::begin().await;
    let poll = json!({
        "org.matrix.msc1767.text": "Lunch?\n1. Pizza\n2. Pasta",
        "org.matrix.msc3381.poll.start": {
            "question": {"org.matrix.msc1767.text": "Lunch?"}, "kind": "org.matrix.msc3381.poll.disclosed",
            "answers": [
                {"id": "a", "org.matrix.msc1767.text": "Pizza"}, {"id": "b", "org.matrix.msc1767.text": "Pasta"},
            ],
        },
    });
    let poll = talk.sends("org.matrix.msc3381.poll.start", poll).await;
    assert_eq!(talk.hears().await, "* started the poll «Lunch?»: 1. Pizza, 2. Pasta");
    let relation = json!({"rel_type": "m.reference", "event_id": poll});
    let vote = json!({"m.relates_to": relation, "org.matrix.msc3381.poll.response": {"answers": ["b"]}});
    talk.sends("org.matrix.msc3381.poll.response", vote).await;
    assert_eq!(talk.hears().await, "* voted for «Pasta»");
    let end = json!({"m.relates_to": relation, "org.matrix.msc3381.poll.end": {}, "org.matrix.msc1767.text": "The poll has ended."});
    talk.sends("org.matrix.msc3381.poll.end", end).await;
    assert_eq!(talk.hears().await, "* ended a poll");
    let stable = json!({"m.poll": {
        "question": {"m.text": [{"body": "Dinner?"}]},
        "answers": [{"m.id": "a", "m.text": [{"body": "Soup"}]}],
    }});
    talk.sends("m.poll.start", stable).await;
    assert_eq!(talk.hears().await, "* started the poll «Dinner?»: 1. Soup");

    let place = json!({"msgtype": "m.location", "body": "Big Ben", "geo_uri": "geo:51.5008,-0.1247;u=35"});
    talk.sends("m.room.message", place).await;
    let map = "https://www.openstreetmap.org/?mlat=51.5008&mlon=-0.1247";
    assert_eq!(talk.hears().await, format!("* shared a location: Big Ben {map}"));
    let contact = json!({"msgtype": "m.contact", "body": "Carl", "name": "Carl", "phone": "+1 555"});
    talk.sends("m.room.message", contact).await;
    assert_eq!(talk.hears().await, "* shared a contact: Carl, +1 555");
    let call = json!({
        "call_id": "1", "version": "1", "party_id": "p", "lifetime": 60000, "offer": {"type": "offer", "sdp": "m=audio"},
    });
    talk.sends("m.call.invite", call).await;
    assert_eq!(talk.hears().await, "* is calling (voice), which cannot be answered from MSN");
    talk.world.user.message_with("Calls are not carried to MSN").await;
    talk.sends("m.call.hangup", json!({"call_id": "1", "version": "1", "party_id": "p"})).await;
    talk.sends(
        "m.message",
        json!({"m.text": [{"body": "<b>block</b>", "mimetype": "text/html"}, {"body": "block"}]}),
    )
    .await;
    assert_eq!(talk.hears().await, "block");
    talk.sends("org.example.note", json!({"body": "a note"})).await;
    assert_eq!(talk.hears().await, "a note");
}

#[tokio::test]
async fn stickers_and_each_picture_of_a_gallery_are_files() {
    let mut talk = Talk::begin().await;
    let uri = talk.world.user.upload(&noise(0, 3000)).await;
    let info = json!({"mimetype": "image/png", "size": 3000});
    talk.sends("m.sticker", json!({"body": "a happy cat", "url": uri, "info": info})).await;
    let offer = files::offered(&mut talk.call).await;
    assert_eq!((offer.name.as_str(), offer.size), ("a happy cat.png", 3000));
    assert_eq!(offer.take(&mut talk.call, Way::Board).await, noise_digest(3000));
    let item = |name: &str| json!({"itemtype": "m.image", "body": name, "url": uri, "info": info});
    let gallery = json!({
        "msgtype": "dm.filament.gallery", "body": "the beach", "itemtypes": [item("1.png"), item("2.png")],
    });
    let sent = talk.sends("m.room.message", gallery).await;
    assert_eq!(talk.hears().await, "the beach");
    for name in ["1.png", "2.png"] {
        let offer = files::offered(&mut talk.call).await;
        assert_eq!((offer.name.as_str(), offer.size), (name, 3000));
        assert_eq!(offer.take(&mut talk.call, Way::Board).await, noise_digest(3000));
    }
    crate::direct::confirmed(&mut talk.world, &sent).await;
    // A caption that is changed is words, and no file is offered again.
    let new = json!({"msgtype": "m.image", "body": "our dog", "filename": "1.png", "url": uri, "info": info});
    let edit = json!({
        "msgtype": "m.image", "body": "* our dog", "filename": "1.png", "url": uri, "info": info,
        "m.new_content": new, "m.relates_to": {"rel_type": "m.replace", "event_id": sent},
    });
    talk.sends("m.room.message", edit).await;
    assert_eq!(talk.hears().await, "* our dog");
    talk.sends("m.room.message", said("the end")).await;
    assert_eq!(talk.hears().await, "the end");
    assert_eq!(talk.call.kept("EUF-GUID: {5D3E02AB"), 0, "a file was offered again");
}

#[tokio::test]
async fn answers_edits_threads_reactions_and_removals_are_words() {
    let mut talk = Talk::begin().await;
    let history = talk.world.user.history(&talk.room).await;
    let asked = history.iter().find(|event| event["content"]["body"] == "shall we?").unwrap();
    let asked = asked["event_id"].as_str().unwrap().to_owned();
    let yes = talk.sends("m.room.message", answering(&asked, "> <@bob:x> shall we?\n\nyes")).await;
    assert_eq!(talk.hears().await, "> shall we?\nyes");
    let edit = json!({
        "msgtype": "m.text", "body": "* no", "m.new_content": said("no"),
        "m.relates_to": {"rel_type": "m.replace", "event_id": yes},
    });
    talk.sends("m.room.message", edit).await;
    assert_eq!(talk.hears().await, "* no");
    // The homeserver tells what was said last.
    talk.sends("m.room.message", answering(&yes, "why?")).await;
    assert_eq!(talk.hears().await, "> no\nwhy?");
    let mut thread = answering(&yes, "well");
    thread["m.relates_to"]["rel_type"] = json!("m.thread");
    thread["m.relates_to"]["event_id"] = json!(asked);
    thread["m.relates_to"]["is_falling_back"] = json!(true);
    talk.sends("m.room.message", thread).await;
    assert_eq!(talk.hears().await, "well");
    let relation = json!({"rel_type": "m.annotation", "event_id": asked, "key": "mxc://x/1"});
    let reaction = talk.sends("m.reaction", json!({"m.relates_to": relation, "shortcode": "party"})).await;
    assert_eq!(talk.hears().await, "* reacted :party:");
    talk.redacts(&reaction).await;
    assert_eq!(talk.hears().await, "* took back a reaction");
    talk.redacts(&yes).await;
    assert_eq!(talk.hears().await, "* deleted a message");

    // Commands, and what the bridge says, are nothing that Bob hears of.
    let command = talk.sends("m.room.message", said("!msn relay")).await;
    let answer =
        |event: &Value| event["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == command.as_str();
    let notice = talk.world.user.event("the answer to the command", answer).await;
    talk.redacts(&command).await;
    talk.sends("m.room.message", answering(notice["event_id"].as_str().unwrap(), "I see")).await;
    assert_eq!(talk.hears().await, "I see");
    let relation = json!({"rel_type": "m.annotation", "event_id": notice["event_id"], "key": "👍"});
    talk.sends("m.reaction", json!({"m.relates_to": relation})).await;
    talk.sends("m.room.message", said("the end")).await;
    assert_eq!(talk.hears().await, "the end");
}

#[tokio::test]
async fn what_cannot_be_carried_is_refused_with_a_reason_and_a_status() {
    let mut talk = Talk::begin().await;
    let verification = json!({
        "msgtype": "m.key.verification.request", "body": "wants to verify", "from_device": "A", "methods": ["m.sas.v1"],
        "to": "@bob:x",
    });
    let locked = json!({"msgtype": "m.image", "body": "cat.png", "file": {"url": "mxc://x/1", "v": "v2"}});
    for (kind, content, reason) in [
        ("m.room.message", verification, "nobody on MSN can verify a session of a Matrix client"),
        ("m.room.message", locked, "the file is encrypted, and the bridge has no key that opens it"),
        ("m.poll.start", json!({"m.poll": {}}), "the poll has no question"),
        ("m.room.message", said(" "), "there are no words in the message that could be sent to MSN"),
        (
            "org.example.heart",
            json!({"beats": 3}),
            "there are no words in «org.example.heart» that could be sent to MSN",
        ),
    ] {
        let event = talk.sends(kind, content).await;
        assert_eq!(talk.refused(&event).await, format!("{reason}."));
    }
    talk.sends("m.room.message", said("the end")).await;
    assert_eq!(talk.hears().await, "the end", "nothing of that reached the contact");
}

#[tokio::test]
async fn html_that_nobody_writes_is_its_plain_words_and_holds_nothing_up() {
    let mut talk = Talk::begin().await;
    let html = |html: String| json!({"msgtype": "m.text", "body": "plain words", "format": "org.matrix.custom.html", "formatted_body": html});
    for bomb in [
        "<b>".repeat(18_000),
        "<table><tr><td>".repeat(3_500),
        "<blockquote>".repeat(4_500) + &*"\n".repeat(1000),
    ] {
        talk.sends("m.room.message", html(bomb)).await;
        assert_eq!(talk.hears().await, "plain words");
    }
    talk.sends("m.room.message", html("<p>a\u{202E}b</p><ul><li>c</li></ul>".into())).await;
    assert_eq!(talk.hears().await, "ab\n• c");
}

#[tokio::test]
async fn a_relayed_name_is_one_name_on_one_line() {
    let mut talk = Talk::begin().await;
    let mut eve = MatrixUser::register(&talk.world.synapse.url(), "eve").await;
    let path = format!("profile/{}/displayname", eve.id);
    eve.call(Method::PUT, &path, Some(json!({"displayname": "Evil> owner:\nfake"}))).await;
    let invite = json!({"user_id": eve.id});
    talk.world.user.call(Method::POST, &format!("rooms/{}/invite", talk.room), Some(invite)).await;
    let is_there =
        |event: &Value| event["type"] == "m.room.member" && event["state_key"] == "@eve:test.localhost";
    eve.event("the room", is_there).await;
    talk.sends("m.room.message", said("!msn relay on")).await;
    talk.world.user.message_with("Everybody in this room is heard").await;
    eve.send(&talk.room, "hi").await;
    assert_eq!(talk.hears().await, "<Evil owner: fake> hi");
    let profile = json!({
        "msgtype": "m.text", "body": "Carl: hi", "com.beeper.per_message_profile": {
            "id": "c", "displayname": "Carl", "has_fallback": true,
        },
    });
    eve.send_content(&talk.room, profile).await;
    assert_eq!(talk.hears().await, "<Carl> hi");
}

/// A message of a contact, and what its format is on the wire.
fn generated(random: &mut StdRng, number: usize) -> (String, String) {
    let pieces = ["a", "B", " ", "  ", "\n", "<b>", "&amp;", "\"", "é", "שלום", "👍🏽", "*", "> ", "(e)", "_"];
    let mut words = format!("{number}:");
    for _ in 0..random.random_range(0..12) {
        words.push_str(pieces[random.random_range(0..pieces.len())]);
    }
    words.push('.');
    let fonts = ["Arial", "Comic%20Sans%20MS", "Times%20New%20Roman", "%E5%AE%8B%E4%BD%93"];
    let mut format = format!("FN={}; EF=", fonts[random.random_range(0..fonts.len())]);
    format.extend(['B', 'I', 'U', 'S'].into_iter().filter(|_| random.random::<bool>()));
    let (color, charset) = (random.random_range(0..0x100_0000), random.random_range(0..0xFF));
    let _ = write!(format, "; CO={color:x}; CS={charset:x}; PF=22"); // writing to a text does not fail
    if random.random::<bool>() {
        format.push_str("; RL=1");
    }
    (words, format)
}

/// Five hundred messages of a contact are shown, and said again by the owner as their client holds them.
#[tokio::test]
async fn style_colour_font_and_direction_of_five_hundred_messages_are_kept_both_ways() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut talk = Talk::begin().await;
    let mut random = StdRng::seed_from_u64(seed);
    let all: Vec<(String, String)> = (0..500).map(|number| generated(&mut random, number)).collect();
    for some in all.chunks(50) {
        for (words, format) in some {
            talk.call.payload("N", formatted(&words.replace('\n', "\r\n"), format).as_bytes()).await;
        }
        for (words, format) in some {
            let mut content = talk.world.user.message(words).await["content"].clone();
            let fields = content.as_object_mut().unwrap();
            for own in ["msnbridge.id", "msnbridge.seq"] {
                fields.remove(own);
            }
            assert_eq!(
                format.contains("RL=1"),
                content["msnbridge.format"]["RL"] == true,
                "seed {seed}: {content}"
            );
            talk.sends("m.room.message", content).await;
        }
        for (words, format) in some {
            let unit = talk.call.message(&format!("\r\n\r\n{}", words.split('\n').next().unwrap())).await;
            let (head, body) = unit.payload.split_once("\r\n\r\n").unwrap();
            assert_eq!(body.replace("\r\n", "\n"), *words, "seed {seed}");
            assert!(head.contains(&format!("X-MMS-IM-Format: {format}")), "seed {seed}: {format}\n{head}");
        }
    }
}

#[tokio::test]
async fn a_message_of_ours_says_whom_it_mentions() {
    let mut talk = Talk::begin().await;
    talk.call.say(&text("hello")).await;
    assert_eq!(talk.world.user.message("hello").await["content"]["m.mentions"], json!({}));
    let words = format!("ask {}", talk.world.user.id);
    talk.call.say(&text(&words)).await;
    let mentions = &talk.world.user.message(&words).await["content"]["m.mentions"];
    assert_eq!(*mentions, json!({"user_ids": [format!("@ann:{SERVER_NAME}")]}));
}
