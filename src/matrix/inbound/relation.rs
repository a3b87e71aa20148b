//! What an event relates to another: edits, answers, threads; and what clients write for others that know none of these.
//!
//! Knows which words of a content are its sender's own, and what is quoted of an event that is answered. Refuses to fetch
//! that event. Source: event replacements, rich replies and threading of the client-server API; MSC4144.

use serde_json::Value;

use super::event::Event;
use super::extensible::plain;
use super::kind;
use super::management::behind_prefix;
use super::profile;
use super::reading::{Content, Reading, cut};
use crate::bridge::body::RichText;

/// Characters of an answered message that are quoted.
const QUOTE: usize = 120;

/// The content that counts: of an edit the new one, and without what repeats other events.
pub(super) fn said(event: &Event) -> Content {
    let new = event.content.get("m.new_content").and_then(Value::as_object);
    let is_edit = event.edits().is_some();
    let mut content = new.filter(|_| is_edit).unwrap_or(&event.content).clone();
    if event.answers().is_some() || answers_in(&content) {
        change(&mut content, "body", without_quotation);
    }
    if is_edit && new.is_none() {
        // Clients mark what replaces something for those that know no edits.
        change(&mut content, "body", |body| body.strip_prefix("* ").unwrap_or(body));
        change(&mut content, "formatted_body", |body| body.strip_prefix("* ").unwrap_or(body));
    }
    if let Some(name) = profile::repeated(&content) {
        change(&mut content, "body", |body| body.strip_prefix(&*format!("{name}: ")).unwrap_or(body));
    }
    content
}

fn answers_in(content: &Content) -> bool {
    content.get("m.relates_to").is_some_and(|relation| relation.get("m.in_reply_to").is_some())
}

fn change(content: &mut Content, key: &str, how: impl Fn(&str) -> &str) {
    if let Some(Value::String(text)) = content.get_mut(key) {
        *text = how(text).to_owned();
    }
}

/// Words without the quotation that older clients put before an answer.
fn without_quotation(body: &str) -> &str {
    let mut rest = body;
    while let Some(line) = rest.split_inclusive('\n').next().filter(|line| line.starts_with("> ")) {
        rest = &rest[line.len()..];
    }
    match rest.len() == body.len() {
        true => body,
        false => rest.strip_prefix('\n').unwrap_or(rest),
    }
}

/// The words of an event as they would be a command: plain, and the sender's own.
pub(super) fn words(event: &Event) -> Option<String> {
    plain(&said(event)).map(str::to_owned)
}

/// The event that is to be quoted before what this one says: not what clients name for others that know no threads.
pub(super) fn quoted(event: &Event) -> Option<&str> {
    let is_thread = event.relation("rel_type") == Some("m.thread");
    let falls_back = event.content.get("m.relates_to").and_then(|relation| relation.get("is_falling_back"));
    let is_meant = !is_thread || falls_back.and_then(Value::as_bool) != Some(true);
    event.answers().filter(|_| is_meant && event.edits().is_none())
}

/// The first line of what an event says now, cut; `None` for what the other side never heard: commands, and what the
/// bridge itself says.
pub(super) fn quotation(event: &Event, is_ours: bool) -> Option<String> {
    let newer = event.newer();
    let content = said(newer.as_ref().unwrap_or(event));
    if is_ours && content.get("msgtype").and_then(Value::as_str) == Some("m.notice") {
        return None;
    }
    if plain(&content).is_some_and(|words| behind_prefix(words).is_some()) {
        return None;
    }
    let words = match kind::read(&event.kind, &content) {
        Reading::Text(text) | Reading::Act(text) => text,
        Reading::Line(line) => RichText::plain(line),
        Reading::Files(mut files) if !files.is_empty() => {
            let file = files.swap_remove(0);
            file.caption.unwrap_or_else(|| RichText::plain(file.name))
        }
        _ => return None,
    };
    let words = words.text();
    let line = words.lines().find(|line| !line.starts_with('>') && !line.trim().is_empty());
    line.map(|line| cut(line.trim(), QUOTE))
}
