//! Polls, which the network does not have: one line for each thing done with one.
//!
//! Knows both forms of a poll, as agreed and as used before. Refuses to count votes. Source: MSC3381.

use serde_json::Value;

use super::extensible::plain;
use super::reading::{Content, Reading, compact, list, part, text};

const POLLS: [&str; 2] = ["m.poll", "org.matrix.msc3381.poll.start"];
/// Answers that are told of; a poll has no more.
const MAX_ANSWERS: usize = 20;
/// What clients write where they cannot show a result.
const ENDED: &str = "The poll has ended.";

/// Whether an event of this type begins a poll.
pub(super) fn is_start(kind: &str) -> bool {
    matches!(kind, "m.poll.start" | "org.matrix.msc3381.poll.start")
}

/// Whether an event of this type is an answer to one.
pub(super) fn is_response(kind: &str) -> bool {
    matches!(kind, "m.poll.response" | "org.matrix.msc3381.poll.response")
}

/// Whether an event of this type ends one.
pub(super) fn is_end(kind: &str) -> bool {
    matches!(kind, "m.poll.end" | "org.matrix.msc3381.poll.end")
}

/// The beginning of a poll.
pub(super) fn start(content: &Content) -> Reading {
    let question = part(content, &POLLS).and_then(|poll| part(poll, &["question"])).and_then(plain);
    let Some(question) = question else {
        return match plain(content) {
            Some(words) => Reading::Line(format!("started a poll: {}", compact(words))),
            None => Reading::refused("the poll has no question"),
        };
    };
    let answers = answers(content).into_iter().zip(1..);
    let answers: Vec<String> = answers.map(|((_, words), number)| format!("{number}. {words}")).collect();
    Reading::Line(format!("started the poll «{}»: {}", compact(question), answers.join(", ")))
}

/// The answers that can be given: the id and the words of each.
fn answers(content: &Content) -> Vec<(&str, String)> {
    let all = part(content, &POLLS).map(|poll| list(poll, &["answers"])).unwrap_or_default();
    all.iter().take(MAX_ANSWERS).filter_map(answer).collect()
}

fn answer(answer: &Value) -> Option<(&str, String)> {
    let answer = answer.as_object()?;
    Some((text(answer, &["m.id", "id"])?, compact(plain(answer)?)))
}

/// Somebody's vote, in the words of the poll where that is known.
pub(super) fn response(content: &Content, poll: Option<&Content>) -> Reading {
    let older = part(content, &["org.matrix.msc3381.poll.response"]);
    let chosen =
        older.map_or_else(|| list(content, &["m.selections"]), |response| list(response, &["answers"]));
    let known = poll.map(answers).unwrap_or_default();
    let words =
        chosen.iter().filter_map(Value::as_str).take(MAX_ANSWERS).filter_map(|id| {
            known.iter().find(|(known, _)| *known == id).map(|(_, words)| format!("«{words}»"))
        });
    let words: Vec<String> = words.collect();
    Reading::Line(match (chosen.is_empty(), words.is_empty()) {
        (true, _) => "took back a vote in a poll".to_owned(),
        (false, true) => "voted in a poll".to_owned(),
        (false, false) => format!("voted for {}", words.join(" and ")),
    })
}

/// The end of a poll, with what the client says of the result.
pub(super) fn end(content: &Content) -> Reading {
    let words = plain(content).map(|words| words.strip_prefix(ENDED).unwrap_or(words)).map(compact);
    Reading::Line(match words.filter(|words| !words.is_empty()) {
        Some(words) => format!("ended a poll: {words}"),
        None => "ended a poll".to_owned(),
    })
}
