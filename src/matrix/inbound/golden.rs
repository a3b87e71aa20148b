//! `tests/golden/from-matrix.json`: what people do in their clients, and what a person on the other side expects to read.
//!
//! Each case is written by hand: an event's content (or only its HTML), and what becomes of it. The driver reads the event
//! as one of the owner of a conversation, lets it pass the border of the core, and prints every difference.

use serde_json::{Map, Value, json};

use super::event::Event;
use super::reading::Reading;
use super::tests::{Desk, bobs, desk, let_everybody_speak};
use super::{constructor, kind, relation};
use crate::bridge::body::{Attachment, Body, Image, RichText, Style};
use crate::bridge::event::{Author, LocalEvent, LocalMessage};
use crate::bridge::ids::PortalKey;
use crate::bridge::testkit::behind_border;
use crate::matrix::testkit::{ANN, BOT, EVE};

const CASES: &str = include_str!("../../../tests/golden/from-matrix.json");

/// The user whom a case calls so.
fn user(name: &str) -> String {
    match name {
        "ann" => ANN.to_owned(),
        "eve" => EVE.to_owned(),
        "bot" => BOT.to_owned(),
        other => other.to_owned(),
    }
}

/// The event that a case or a part of one describes.
fn event(case: &Value, id: &str) -> Value {
    let content = match case["html"].as_str() {
        Some(html) => json!({
            "msgtype": "m.text", "body": "the plain words", "format": "org.matrix.custom.html", "formatted_body": html,
        }),
        None => case["content"].clone(),
    };
    let mut event = json!({
        "type": case["type"].as_str().unwrap_or("m.room.message"), "room_id": bobs(), "event_id": id,
        "sender": user(case["sender"].as_str().unwrap_or("ann")), "origin_server_ts": 7, "content": content,
    });
    for key in ["state_key", "redacts", "unsigned"] {
        if !case[key].is_null() {
            event[key] = case[key].clone();
        }
    }
    event
}

/// `B`, `I`, `U`, `S`, and a colour behind them.
fn look(style: Style) -> String {
    let letters = [(style.bold, 'B'), (style.italic, 'I'), (style.underline, 'U'), (style.strike, 'S')];
    let mut look: String = letters.iter().filter_map(|(on, letter)| on.then_some(*letter)).collect();
    look.extend(style.color.map(|color| format!("#{color:06x}")));
    look
}

/// What a text is, beside its words.
fn describe(text: &RichText, found: &mut Map<String, Value>) {
    let runs = text.runs.iter().map(|run| json!([run.text, look(run.style)])).collect();
    found.insert("runs".into(), Value::Array(runs));
    if let Some(name) = &text.shown_as {
        found.insert("as".into(), json!(name));
    }
    if text.format.as_ref().is_some_and(|format| format.right_to_left) {
        found.insert("rtl".into(), json!(true));
    }
    let source = |image: &Image| match image {
        Image::Source { source } => source.clone(),
        Image::Kept { digest } => digest.clone(),
    };
    let emoticons: Vec<Value> =
        text.emoticons.iter().map(|emoticon| json!([emoticon.shortcut, source(&emoticon.image)])).collect();
    if !emoticons.is_empty() {
        found.insert("emoticons".into(), json!(emoticons));
    }
}

fn file(attachment: &Attachment) -> Value {
    let Attachment { source, name, caption } = attachment;
    match caption {
        Some(caption) => json!([name, source, caption.text()]),
        None => json!([name, source]),
    }
}

/// What became of an event, in the words of the cases.
fn outcome(event: LocalEvent) -> Map<String, Value> {
    let mut found = Map::new();
    let mut said = |message: &LocalMessage| {
        if let Author::Relayed { name } = &message.author {
            found.insert("author".into(), json!(name));
        }
        match &message.body {
            Body::Text(text) => {
                found.insert("says".into(), json!(text.text()));
                describe(text, &mut found);
            }
            Body::Emote(text) => {
                found.insert("does".into(), json!(text.text()));
                describe(text, &mut found);
            }
            Body::Attachment(attachment) => {
                let files = found.entry("files").or_insert(json!([]));
                files.as_array_mut().unwrap().push(file(attachment));
            }
            other => panic!("{other:?}"),
        }
    };
    match &event {
        LocalEvent::Message(message) => said(message),
        LocalEvent::Messages(all) => all.iter().for_each(said),
        LocalEvent::Removed { said: Some(message), .. } => said(message),
        LocalEvent::Refused { reason, .. } => drop(found.insert("refused".into(), json!(reason))),
        LocalEvent::Command(command) => drop(found.insert("command".into(), json!(command.text.as_str()))),
        LocalEvent::Ignored | LocalEvent::Removed { said: None, .. } => {
            found.insert("nothing".into(), json!(true));
        }
        other => panic!("{other:?}"),
    }
    found
}

/// What the owner of a conversation says with a message that needs nothing to be asked.
pub(in crate::matrix) fn message_of(content: Value, portal: PortalKey) -> LocalMessage {
    let event = event(&json!({ "content": content }), "$1");
    let event = Event::parse(event.to_string().as_bytes()).unwrap();
    match kind::read(&event.kind, &relation::said(&event)) {
        Reading::Text(text) => {
            constructor::message(&event, portal, constructor::owner(&event), Body::Text(text))
        }
        other => panic!("{other:?}"),
    }
}

/// The keys of a case that say what is expected.
const EXPECTED: [&str; 11] =
    ["says", "does", "files", "refused", "command", "nothing", "author", "as", "rtl", "emoticons", "runs"];

/// What differs; the look of words counts only where a case speaks of it.
async fn difference(desk: &Desk, case: &Value) -> Option<String> {
    match &case["about"] {
        Value::Null => desk.server.refuses("/event/$0", 404, "M_NOT_FOUND"),
        about => desk.server.answers("/event/$0", 200, event(about, "$0")),
    }
    let_everybody_speak(desk, case["relays"] == true).await;
    let raw = event(case, "$1").to_string();
    let mut found = outcome(behind_border(desk.interpreter.interpret(raw.as_bytes()).await.unwrap()));
    if case["runs"].is_null() {
        found.remove("runs");
    }
    let expected = EXPECTED.iter().filter(|key| !case[*key].is_null());
    let expected: Map<String, Value> = expected.map(|key| ((*key).to_owned(), case[*key].clone())).collect();
    (found != expected).then(|| {
        let (expected, found) = (Value::Object(expected), Value::Object(found));
        format!("{}\n  expected {expected}\n  found    {found}", case["name"])
    })
}

#[tokio::test]
async fn what_people_do_reads_as_a_person_expects() {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    let mut names: Vec<&str> = cases.iter().map(|case| case["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let (desk, mut differences) = (desk().await, Vec::new());
    for case in &cases {
        differences.extend(difference(&desk, case).await);
    }
    let count = differences.len();
    assert!(count == 0, "{count} of {} cases differ:\n{}", cases.len(), differences.join("\n"));
}
