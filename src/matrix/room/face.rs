//! What a room says of itself to clients: what is bridged there, whose picture it bears, who in it only serves.
//!
//! Knows the contents of that state. Refuses to know what was put already. Source: MSC2346 for `m.bridge` and its unstable
//! twin, Element for functional members, mautrix for what can be said in a room.

use ruma::UserId;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::features::{features, management_features};
use crate::bridge::ids::PortalKey;

/// The kind of the part that is a room's picture.
pub(crate) const AVATAR: &str = "m.room.avatar";
/// The kind of the part that keeps a room's alias from being its title.
pub(crate) const CANONICAL_ALIAS: &str = "m.room.canonical_alias";

/// One part of a room's state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StatePart {
    pub(crate) kind: &'static str,
    pub(crate) key: String,
    pub(crate) content: Value,
}

impl StatePart {
    fn new(kind: &'static str, key: impl Into<String>, content: Value) -> Self {
        Self { kind, key: key.into(), content }
    }

    /// The part as it is where there is nothing to say.
    pub(crate) fn without(kind: &'static str) -> Self {
        Self::new(kind, "", json!({}))
    }

    /// As it stands in a request for a new room.
    pub(crate) fn to_json(&self) -> Value {
        json!({"type": self.kind, "state_key": self.key, "content": self.content})
    }

    /// Tells one content from another: hexadecimal, the same for the same content.
    pub(crate) fn digest(&self) -> String {
        let digest = Sha256::digest(self.content.to_string());
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What is known of a portal's room.
#[derive(Debug)]
pub(crate) struct Face<'a> {
    pub(crate) portal: &'a PortalKey,
    pub(crate) bot: &'a UserId,
    pub(crate) title: Option<&'a str>,
    /// The picture of the one whom the conversation is with.
    pub(crate) picture: Option<&'a str>,
    pub(crate) is_group: bool,
    /// The picture that stands for the network.
    pub(crate) network_picture: Option<&'a str>,
    /// Bytes of the largest file that is carried.
    pub(crate) max_file: u64,
}

/// Everything that the room is to say.
pub(crate) fn parts(face: &Face<'_>) -> Vec<StatePart> {
    let is_management = face.portal.management_user().is_some();
    let picture = if is_management { face.network_picture } else { face.picture.filter(|_| !face.is_group) };
    let mut parts = vec![
        // The alias is there to find a room that a crash made us forget. It is no title.
        StatePart::new(CANONICAL_ALIAS, "", json!({})),
        StatePart::new("io.element.functional_members", "", functional_members(face, is_management)),
    ];
    parts.extend(picture.map(|url| StatePart::new(AVATAR, "", json!({"url": url}))));
    let key = format!("msnbridge://{}/{}", face.portal.receiver, face.portal.conversation);
    if is_management {
        parts.push(StatePart::new("com.beeper.room_features", key, management_features()));
        return parts;
    }
    let bridge = bridge_info(face);
    parts.push(StatePart::new("m.bridge", key.clone(), bridge.clone()));
    parts.push(StatePart::new("uk.half-shot.bridge", key.clone(), bridge));
    parts.push(StatePart::new("com.beeper.room_features", key, features(face.is_group, face.max_file)));
    parts
}

/// Whom clients leave out when they count and name the people in a room. In its own room the bot is the other person.
fn functional_members(face: &Face<'_>, is_management: bool) -> Value {
    match is_management {
        true => json!({"service_members": []}),
        false => json!({"service_members": [face.bot]}),
    }
}

fn bridge_info(face: &Face<'_>) -> Value {
    let mut protocol = json!({"id": "msn", "displayname": "MSN Messenger"});
    let mut channel = json!({"id": face.portal.conversation.as_str()});
    if let Some(picture) = face.network_picture {
        protocol["avatar_url"] = json!(picture);
    }
    if let Some(title) = face.title {
        channel["displayname"] = json!(title);
    }
    if let Some(picture) = face.picture.filter(|_| !face.is_group) {
        channel["avatar_url"] = json!(picture);
    }
    json!({
        "bridgebot": face.bot,
        "protocol": protocol,
        "channel": channel,
        "com.beeper.room_type": if face.is_group { "group_dm" } else { "dm" },
    })
}

#[cfg(test)]
mod tests {
    use ruma::user_id;

    use super::*;
    use crate::bridge::ids::UserId as BridgeUser;
    use crate::matrix::testkit::with_bob;

    fn face(portal: &PortalKey) -> Face<'_> {
        Face {
            portal,
            bot: user_id!("@msnbot:x"),
            title: Some("Bob"),
            picture: Some("mxc://x/bob"),
            is_group: false,
            network_picture: Some("mxc://x/msn"),
            max_file: 1_000,
        }
    }

    fn content<'a>(parts: &'a [StatePart], kind: &str) -> Option<&'a Value> {
        parts.iter().find(|part| part.kind == kind).map(|part| &part.content)
    }

    #[test]
    fn a_room_with_one_person_bears_their_picture_and_says_what_is_bridged_twice() {
        let portal = with_bob();
        let parts = parts(&face(&portal));
        assert_eq!(content(&parts, "m.room.avatar"), Some(&json!({"url": "mxc://x/bob"})));
        assert_eq!(content(&parts, "m.room.canonical_alias"), Some(&json!({})));
        let bridge = content(&parts, "m.bridge").unwrap();
        assert_eq!(content(&parts, "uk.half-shot.bridge"), Some(bridge));
        assert_eq!(
            bridge["channel"],
            json!({"id": "bob@example.com", "displayname": "Bob", "avatar_url": "mxc://x/bob"})
        );
        assert_eq!(bridge["protocol"]["avatar_url"], "mxc://x/msn");
        let members = content(&parts, "io.element.functional_members").unwrap();
        assert_eq!(members["service_members"], json!(["@msnbot:x"]));
    }

    #[test]
    fn a_group_never_bears_the_picture_of_one() {
        let portal = with_bob();
        let parts = parts(&Face { is_group: true, ..face(&portal) });
        assert_eq!(content(&parts, "m.room.avatar"), None);
        let bridge = content(&parts, "m.bridge").unwrap();
        assert_eq!(bridge["channel"].get("avatar_url"), None);
        assert_eq!(bridge["com.beeper.room_type"], "group_dm");
    }

    #[test]
    fn in_its_own_room_the_bot_is_the_other_person_and_nothing_is_bridged() {
        let portal = PortalKey::management(&BridgeUser::new("@ann:x"));
        let parts = parts(&face(&portal));
        assert_eq!(content(&parts, "m.bridge"), None);
        assert_eq!(content(&parts, "m.room.avatar"), Some(&json!({"url": "mxc://x/msn"})));
        assert_eq!(content(&parts, "io.element.functional_members"), Some(&json!({"service_members": []})));
    }

    #[test]
    fn what_is_the_same_has_the_same_digest() {
        let part = |content| StatePart::new("m.room.avatar", "", content);
        assert_eq!(part(json!({"a": 1, "b": 2})).digest(), part(json!({"b": 2, "a": 1})).digest());
        assert_ne!(part(json!({"a": 1})).digest(), part(json!({"a": 2})).digest());
    }
}
