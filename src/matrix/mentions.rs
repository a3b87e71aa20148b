//! Whom a message of ours mentions: those whose address stands in its words, and nobody else.
//!
//! Knows that a message which says nothing of mentions is searched for names by clients, so each of ours says it. Refuses to
//! mention all of a room. Source: user and room mentions of the client-server API.

use ruma::UserId;
use serde_json::{Map, Value, json};

const KEY: &str = "m.mentions";
/// People of one message who are told of it.
const MAX_MENTIONS: usize = 10;

/// Says in a message whom it mentions, where it does not say so yet. An edit mentions nobody anew.
pub(crate) fn state(content: &mut Value) {
    let is_edit = content["m.relates_to"]["rel_type"] == "m.replace";
    let Some(fields) = content.as_object_mut() else { return };
    if let Some(new) = fields.get_mut("m.new_content").and_then(Value::as_object_mut) {
        add(new, false);
    }
    add(fields, is_edit);
}

fn add(content: &mut Map<String, Value>, is_edit: bool) {
    let words = content.get("body").and_then(Value::as_str).filter(|_| !is_edit).unwrap_or_default();
    let people = addresses(words);
    let mentions = if people.is_empty() { json!({}) } else { json!({ "user_ids": people }) };
    content.entry(KEY).or_insert(mentions);
}

/// The addresses of people in some words, each once.
fn addresses(words: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for (at, _) in words.match_indices('@') {
        // An e-mail address has somebody before it.
        if words[..at]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'))
        {
            continue;
        }
        let end = words[at..].find(|c: char| c.is_whitespace() || ",;!?()<>\"'«»".contains(c));
        let address = words[at..][..end.unwrap_or(words.len() - at)].trim_end_matches(['.', ':']);
        if found.len() < MAX_MENTIONS && !found.contains(&address) && UserId::parse(address).is_ok() {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_people_are_mentions() {
        for (words, expected) in [
            ("hello", &[][..]),
            ("write to bob@example.com", &[]),
            ("write to <bob.x@example.com:25>", &[]),
            ("at @home: nobody", &[]),
            ("@room come", &[]),
            ("@ann:x, come", &["@ann:x"]),
            ("(@ann:x.org) and @bob=40x:x.org.", &["@ann:x.org", "@bob=40x:x.org"]),
            ("@ann:x: @ann:x!", &["@ann:x"]),
            ("«@ann:x»", &["@ann:x"]),
            ("é@ann:x", &[]),
        ] {
            assert_eq!(addresses(words), expected, "{words:?}");
        }
        let many: String = (0..1000).map(|n| format!("@u{n}:x ")).collect();
        assert_eq!(addresses(&many).len(), MAX_MENTIONS);
    }

    #[test]
    fn an_edit_mentions_nobody_anew() {
        let mut content = json!({
            "body": "* @ann:x", "m.new_content": {"body": "@ann:x"}, "m.relates_to": {"rel_type": "m.replace"},
        });
        state(&mut content);
        assert_eq!(content["m.mentions"], json!({}));
        assert_eq!(content["m.new_content"]["m.mentions"], json!({"user_ids": ["@ann:x"]}));
    }
}
