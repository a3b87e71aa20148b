//! `tests/golden/to-matrix.json`: what contacts and others say, and the event that a person's client is shown.
//!
//! Each case is written by hand. The driver delivers the entry to a homeserver that answers what it is told, and compares
//! what that was sent; keys of our own count only where a case names them.

use serde_json::{Map, Value, json};

use super::tests::{Desk, SEND, desk, said};
use crate::bridge::body::{Answer, Body, Emoticon, Format, Image, RichText, Run, Style};
use crate::bridge::event::Author;
use crate::bridge::port::delivery::{Content, Delivery};
use crate::matrix::testkit::bob;

const CASES: &str = include_str!("../../../tests/golden/to-matrix.json");

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// `BIUS` and a colour.
fn style(look: &Value) -> Style {
    let look = look.as_str().unwrap_or_default();
    let (letters, color) =
        look.split_once('#').map_or((look, None), |(letters, color)| (letters, Some(color)));
    Style {
        bold: letters.contains('B'),
        italic: letters.contains('I'),
        underline: letters.contains('U'),
        strike: letters.contains('S'),
        color: color.map(|color| u32::from_str_radix(color, 16).unwrap()),
        ..Style::default()
    }
}

fn rich(case: &Value) -> RichText {
    let runs = match case["runs"].as_array() {
        Some(runs) => runs.iter().map(|run| Run { text: text_of(&run[0]), style: style(&run[1]) }).collect(),
        None => {
            let words = text_of(&case["words"]);
            let words = match case["repeat"].as_u64() {
                Some(count) => words.repeat(usize::try_from(count).unwrap()),
                None => words,
            };
            vec![Run { text: words, style: style(&case["look"]) }]
        }
    };
    let format = case["font"].as_str().map(|font| Format {
        font: font.to_owned(),
        style: style(&case["look"]),
        right_to_left: case["rtl"] == true,
        ..Format::default()
    });
    let emoticons = case["emoticons"].as_array().cloned().unwrap_or_default();
    let emoticon = |one: &Value| Emoticon {
        shortcut: text_of(&one[0]),
        image: Image::Source { source: text_of(&one[1]) },
    };
    RichText {
        runs,
        format,
        emoticons: emoticons.iter().map(emoticon).collect(),
        shown_as: case["as"].as_str().map(str::to_owned),
        left_offline: case["offline"] == true,
    }
}

fn body(case: &Value) -> Body {
    let about = case["about"].as_str().map(str::to_owned);
    match case["kind"].as_str().unwrap_or("text") {
        "text" => Body::Text(rich(case)),
        "act" => Body::Emote(rich(case)),
        "nudge" => Body::Nudge,
        "notice" => Body::Notice { text: text_of(&case["words"]), about },
        "question" => {
            let answers = vec![
                Answer { sign: "✅".into(), command: "accept bob".into() },
                Answer { sign: "❌".into(), command: "decline bob".into() },
            ];
            Body::Question { text: text_of(&case["words"]), answers }
        }
        "live" => Body::LiveNotice {
            id: "l".into(),
            text: text_of(&case["words"]),
            about,
            is_first: case["later"] != true,
            is_last: false,
        },
        other => panic!("{other}"),
    }
}

fn author(case: &Value) -> Author {
    match case["author"].as_str().unwrap_or("bob") {
        "bob" => Author::Ghost(bob()),
        "bridge" => Author::Bridge,
        "ann" => Author::Owner { name: "Ann".into() },
        name => Author::Relayed { name: name.to_owned() },
    }
}

/// A content without the keys of our own that the case does not speak of, at any depth.
fn shown(content: &Value, expected: &Value) -> Value {
    let Some(fields) = content.as_object() else { return content.clone() };
    let counts = |key: &str| !key.starts_with("msnbridge.") || !expected[key].is_null();
    let fields = fields.iter().filter(|(key, _)| counts(key));
    Value::Object(fields.map(|(key, value)| (key.clone(), shown(value, &expected[key]))).collect())
}

async fn difference(desk: &Desk, case: &Value) -> Option<String> {
    let before = desk.server.sent(SEND).len();
    let status = if case["alone"] == true { 403 } else { 200 };
    desk.server.answers(
        "/whoami",
        status,
        json!({"user_id": "@ann:test.localhost", "errcode": "M_FORBIDDEN"}),
    );
    let delivery = Delivery { content: Content::Said { body: body(case) }, ..said(author(case), "") };
    desk.delivers(delivery).await.unwrap();
    let sent = desk.server.sent(SEND).split_off(before);
    let expected = match &case["sends"] {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let wanted = expected.iter().chain(std::iter::repeat(&Value::Null));
    let found: Vec<Value> = sent.iter().zip(wanted).map(|(sent, wanted)| shown(sent, wanted)).collect();
    (found != expected).then(|| {
        format!("{}\n  expected {}\n  found    {}", case["name"], Value::from(expected), Value::from(found))
    })
}

#[tokio::test]
async fn what_is_said_looks_in_a_client_as_a_person_expects() {
    let cases: Vec<Map<String, Value>> = serde_json::from_str(CASES).unwrap();
    let (desk, mut differences) = (desk().await, Vec::new());
    for case in &cases {
        differences.extend(difference(&desk, &Value::Object(case.clone())).await);
    }
    let count = differences.len();
    assert!(count == 0, "{count} of {} cases differ:\n{}", cases.len(), differences.join("\n"));
}
