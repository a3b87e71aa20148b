//! What the server tells of its own accord: the profile, mail, maintenance, alerts, pages (§5).
//!
//! Knows which events a notice becomes. Keeps nothing, and refuses to know who is signed in.

use bytes::Bytes;

use super::event::NotificationEvent as Event;
use crate::msn::message::{Envelope, ServerNotice, alert_text, page_text};

/// An alert (`NOT`); none where its XML names no text.
pub(super) fn alert(data: &Bytes) -> Option<Event> {
    alert_text(data).map(|text| Event::Alert { text })
}

/// A page from somebody's phone (`IPG`).
pub(super) fn page(data: &Bytes) -> Option<Event> {
    page_text(data).map(|(from, text)| Event::Paged { from, text })
}

/// A message of the server (`MSG`); what cannot be read, or is nobody's business, becomes nothing.
pub(super) fn message(payload: &Bytes) -> Vec<Event> {
    let Ok(envelope) = Envelope::parse(payload) else { return Vec::new() };
    match ServerNotice::parse(&envelope) {
        ServerNotice::Profile { client_ip: Some(ip) } => vec![Event::AddressLearned(ip)],
        ServerNotice::GoingDown { minutes } => vec![Event::GoingDown { minutes }],
        ServerNotice::Mail { from, subject } => vec![Event::Mail { from, subject }],
        ServerNotice::Mailbox { unread, elsewhere, offline } => {
            let offline = offline.filter(|data| !data.is_empty()).map(Event::OfflineMessages);
            let has_mail = unread.saturating_add(elsewhere) > 0;
            let mail = has_mail.then_some(Event::UnreadMail { unread, elsewhere });
            offline.into_iter().chain(mail).collect()
        }
        ServerNotice::OfflineMessages(data) => vec![Event::OfflineMessages(data)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_becomes_its_event_and_what_cannot_be_read_becomes_none() {
        let head = "MIME-Version: 1.0\r\nContent-Type: ";
        let down = format!("{head}application/x-msmsgssystemmessage\r\n\r\nType: 1\r\nArg1: 5\r\n");
        assert_eq!(message(&down.into()), [Event::GoingDown { minutes: 5 }]);
        let mail = format!(
            "{head}text/x-msmsgsinitialemailnotification\r\n\r\nInbox-Unread: 0\r\nFolders-Unread: 0\r\n"
        );
        assert_eq!(message(&mail.into()), []);
        assert_eq!(message(&Bytes::from_static(b"no message at all")), []);
        assert_eq!(alert(&Bytes::from_static(b"<broken")), None);
        assert_eq!(page(&Bytes::from_static(b"")), None);
    }
}
