//! What happens in a session that is only for its owner to read.
//!
//! Knows the words. Refuses to know how the owner is told.

use crate::bridge::sentence::sentence;
use crate::connector::error::ConnectError;
use crate::msn::command::SignOut;
use crate::msn::message::without_codes;
use crate::msn::session::{NotificationEvent, SessionError};

/// What the owner is told of something that happened; `None` where it is nothing for them.
pub(in crate::connector) fn notice(event: NotificationEvent) -> Option<String> {
    use NotificationEvent as Event;
    Some(match event {
        Event::GoingDown { minutes } => {
            format!("The MSN server goes down in {minutes} minutes. The bridge connects again by itself.")
        }
        Event::Mail { from, subject } => format!("New mail from {from}: {subject}"),
        Event::UnreadMail { unread, elsewhere: 0 } => {
            format!("You have {unread} unread messages in your MSN mailbox.")
        }
        Event::UnreadMail { unread, elsewhere } => format!(
            "You have {unread} unread messages in your MSN mailbox, and {elsewhere} in other folders."
        ),
        Event::Alert { text } => format!("MSN alert: {text}"),
        Event::Paged { from, text } => format!("Page from {from}: {text}"),
        Event::AddedBy { email, name, asks: false } => {
            format!(
                "{} <{email}> has added you to their contacts. «chat {email}» opens a conversation.",
                without_codes(&name)
            )
        }
        Event::RequestRefused { what, code } => {
            format!("MSN refused to {what}: {}", sentence(&code.to_string()))
        }
        _ => return None,
    })
}

/// What the owner is told of a session that has ended; `None` where they hear of it only if it lasts.
pub(in crate::connector) fn farewell(error: &ConnectError) -> Option<String> {
    let ConnectError::Session(SessionError::SignedOut(SignOut::ShuttingDown)) = error else { return None };
    Some("The MSN server is shutting down. The bridge connects again by itself.".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::tests::email;

    #[test]
    fn an_owner_reads_what_happened_in_whole_sentences_and_hears_nothing_of_the_rest() {
        use NotificationEvent as Event;
        let said = |event| notice(event).unwrap();
        assert!(said(Event::GoingDown { minutes: 5 }).contains("goes down in 5 minutes"));
        let mail = |elsewhere| said(Event::UnreadMail { unread: 3, elsewhere });
        assert_eq!(mail(0), "You have 3 unread messages in your MSN mailbox.");
        assert_eq!(mail(2), "You have 3 unread messages in your MSN mailbox, and 2 in other folders.");
        let added = |asks| Event::AddedBy { email: email("bob"), name: "[b]Bob[/b]".into(), asks };
        assert!(said(added(false)).ends_with("«chat bob@example.com» opens a conversation."));
        assert_eq!(notice(added(true)), None, "that is a question of its own");
        assert_eq!(notice(Event::GroupsChanged), None);
    }

    #[test]
    fn a_server_that_shuts_down_is_told_of_and_a_lost_connection_is_not() {
        let ended = |error: SessionError| farewell(&error.into());
        let text = ended(SessionError::SignedOut(SignOut::ShuttingDown)).unwrap();
        assert_eq!(text, "The MSN server is shutting down. The bridge connects again by itself.");
        assert_eq!(ended(SessionError::SignedOut(SignOut::Other(String::new()))), None);
        assert_eq!(ended(SessionError::TimedOut("a ping")), None);
    }
}
