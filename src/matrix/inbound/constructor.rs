//! What an event becomes.
//!
//! Knows the forms in which the core is told what somebody did. Refuses to decide which one it is.

use super::event::Event;
use crate::bridge::body::Body;
use crate::bridge::event::{Author, LocalCommand, LocalEvent, LocalMessage};
use crate::bridge::ids::{EntryId, PortalKey, UserId as BridgeUser};
use crate::matrix::config::LEG;

/// The sender as the core knows them.
pub(crate) fn sender(event: &Event) -> BridgeUser {
    BridgeUser::new(event.sender.as_str())
}

/// The sender's own management conversation.
pub(crate) fn management(event: &Event) -> PortalKey {
    PortalKey::management(&sender(event))
}

/// A command that something somebody did stands for.
pub(crate) fn command(event: &Event, portal: PortalKey, text: String) -> LocalEvent {
    LocalEvent::Command(local_command(event, portal, text, false))
}

/// A command that somebody wrote.
pub(crate) fn typed(event: &Event, portal: PortalKey, text: String) -> LocalEvent {
    LocalEvent::Command(local_command(event, portal, text, true))
}

/// The same, speaking of an entry that it answers.
pub(crate) fn typed_about(
    event: &Event,
    portal: PortalKey,
    text: String,
    about: Option<EntryId>,
) -> LocalEvent {
    LocalEvent::Command(LocalCommand { about, ..local_command(event, portal, text, true) })
}

fn local_command(event: &Event, portal: PortalKey, text: String, typed: bool) -> LocalCommand {
    LocalCommand {
        user: sender(event),
        text: text.into(),
        leg: LEG,
        portal,
        reference: event.event_id.to_string(),
        replaces: event.edits().map(str::to_owned),
        about: None,
        place: event.room_id.to_string(),
        typed,
        is_message: typed,
    }
}

/// The sender as the owner of a conversation.
pub(crate) fn owner(event: &Event) -> Author {
    Author::Owner { name: event.sender.localpart().to_owned() }
}

/// Something that the sender says, in somebody's name.
pub(crate) fn message(event: &Event, portal: PortalKey, author: Author, body: Body) -> LocalMessage {
    let reference = event.event_id.to_string();
    LocalMessage { portal, leg: LEG, author, reference, body, at: event.origin_server_ts }
}

/// Something that cannot be said to the network, with a reason for its sender.
pub(crate) fn refused(event: &Event, portal: PortalKey, reason: impl Into<String>) -> LocalEvent {
    LocalEvent::Refused { portal, leg: LEG, reference: event.event_id.to_string(), reason: reason.into() }
}
