//! Calls, which are not carried: one line where one begins.
//!
//! Knows both ways of calling: two people directly, and all of a room. Refuses to answer, and what belongs to a call that
//! goes on. Source: VoIP of the client-server API, MSC3401, MSC4075.

use serde_json::Value;

use super::reading::{Content, Reading, list, part, text};

/// What the caller is told, since their client shows a call that rings.
pub(super) const NOT_CARRIED: &str = "Calls are not carried to MSN. That you called was said there.";

/// What happens in a call of all of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoomCall {
    Joined,
    Left,
    /// The others are to be rung.
    Rung,
}

/// Whether an event of this type begins a call of two.
pub(super) fn is_invite(kind: &str) -> bool {
    kind == "m.call.invite"
}

/// The beginning of a call of two.
pub(super) fn invite(content: &Content) -> Reading {
    let offer = part(content, &["offer"]).and_then(|offer| text(offer, &["sdp"]));
    let how = if offer.is_some_and(|sdp| sdp.contains("m=video")) { "video" } else { "voice" };
    Reading::Line(format!("is calling ({how}), which cannot be answered from MSN"))
}

/// What an event says of a call of all of a room; `None` for other types.
pub(super) fn of_room(kind: &str, content: &Content) -> Option<RoomCall> {
    match kind {
        "m.call.member"
        | "org.matrix.msc3401.call.member"
        | "org.matrix.msc4143.rtc.member"
        | "m.rtc.member" => {
            let memberships = list(content, &["memberships"]);
            let is_there = content.contains_key("application") || memberships.iter().any(Value::is_object);
            Some(if is_there { RoomCall::Joined } else { RoomCall::Left })
        }
        "m.call.notify"
        | "org.matrix.msc4075.call.notify"
        | "m.rtc.notification"
        | "org.matrix.msc4075.rtc.notification" => Some(RoomCall::Rung),
        _ => None,
    }
}

/// The beginning of a call of all of a room.
pub(super) fn room_call() -> Reading {
    Reading::Line("started a call, which cannot be joined from MSN".to_owned())
}
