//! What can be said in a conversation, for clients that show or hide buttons by it.
//!
//! Knows how well each kind of thing is carried to the network. Refuses to carry any. Source: the schema of
//! `com.beeper.room_features` as mautrix publishes it (`event/capabilities.d.ts`).

use serde_json::{Map, Value, json};

/// Carried as it is.
const FULL: i8 = 2;
/// Carried as something else: words, a picture, an address.
const PARTLY: i8 = 1;
/// Left away, and what is around it is carried.
const NOT: i8 = 0;
/// Refused, with a reason for the sender.
const REFUSED: i8 = -2;

/// The content of `com.beeper.room_features`; `max_file` in bytes. Groups take no files, only addresses of them.
pub(crate) fn features(is_group: bool, max_file: u64) -> Value {
    let file = if is_group { PARTLY } else { FULL };
    json!({
        "formatting": {
            "bold": FULL, "italic": FULL, "underline": FULL, "strikethrough": FULL, "color.foreground": FULL,
            "custom_emoji": FULL, "inline_code": PARTLY, "code_block": PARTLY, "blockquote": PARTLY,
            "inline_link": PARTLY, "user_link": PARTLY, "room_link": PARTLY, "event_link": PARTLY,
            "unordered_list": PARTLY, "ordered_list": PARTLY, "table": PARTLY, "headers": PARTLY,
            "spoiler": PARTLY, "horizontal_line": PARTLY, "color.background": NOT,
            "code_block.syntax_highlighting": NOT, "math": NOT,
        },
        "file": files(file, max_file),
        "location_message": PARTLY,
        "poll": PARTLY,
        "thread": PARTLY,
        "reply": PARTLY,
        "edit": PARTLY,
        "delete": PARTLY,
        "delete_for_me": false,
        "reaction": PARTLY,
        "custom_emoji_reactions": true,
    })
}

fn files(level: i8, max_file: u64) -> Map<String, Value> {
    let of =
        |mime: &str, level: i8| json!({"mime_types": {mime: level}, "caption": PARTLY, "max_size": max_file});
    let kinds = [
        ("m.file", of("*/*", level)),
        ("m.image", of("image/*", level)),
        ("m.audio", of("audio/*", level)),
        ("m.video", of("video/*", level)),
        ("org.matrix.msc3245.voice", of("audio/*", level.min(PARTLY))),
        ("fi.mau.gif", of("*/*", level)),
        ("m.sticker", of("image/*", level.min(PARTLY))),
    ];
    kinds.into_iter().map(|(kind, features)| (kind.to_owned(), features)).collect()
}

/// The same for the room in which somebody talks to the bot: words alone.
pub(crate) fn management_features() -> Value {
    json!({
        "file": {},
        "location_message": REFUSED,
        "poll": REFUSED,
        "reply": PARTLY,
        "edit": PARTLY,
        "delete": NOT,
        "reaction": PARTLY,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_to_one_person_as_they_are_and_to_a_group_as_addresses() {
        let level = |is_group, kind: &str, mime: &str| {
            features(is_group, 5)["file"][kind]["mime_types"][mime].as_i64().unwrap()
        };
        assert_eq!((level(false, "m.file", "*/*"), level(true, "m.file", "*/*")), (2, 1));
        assert_eq!(level(false, "m.sticker", "image/*"), 1);
        assert_eq!(features(false, 5)["formatting"]["bold"], 2);
        assert_eq!(features(false, 5)["file"]["m.video"]["max_size"], 5);
        assert_eq!(management_features()["file"], json!({}));
    }
}
