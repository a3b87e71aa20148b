//! What happens in a session that is only for its owner to read.
//!
//! Knows the words. Refuses to know how the owner is told.

use crate::bridge::sentence::sentence;
use crate::msn::message::without_codes;
use crate::msn::session::NotificationEvent;

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
}
