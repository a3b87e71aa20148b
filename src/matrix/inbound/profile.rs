//! The name that one message is shown under.
//!
//! Knows the profile that rides in a message, and whether its name is repeated before the words. Refuses to believe that
//! the sender is somebody else. Source: MSC4144.

use serde_json::Value;

use super::reading::{Content, part, text};

const PROFILES: [&str; 2] = ["m.per_message_profile", "com.beeper.per_message_profile"];

/// The name of a message's own profile.
pub(super) fn name(content: &Content) -> Option<&str> {
    part(content, &PROFILES).and_then(|profile| text(profile, &["displayname"]))
}

/// The same, where clients that know no such profiles read it before the words.
pub(super) fn repeated(content: &Content) -> Option<String> {
    let has_fallback = part(content, &PROFILES)?.get("has_fallback").and_then(Value::as_bool)?;
    name(content).filter(|_| has_fallback).map(str::to_owned)
}
