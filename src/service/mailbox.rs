//! Offline messages: kept for an account, in the order in which they came, until it deletes them (§27).
//!
//! Knows messages and how many are kept. Refuses to know who may leave them: the rules ask the directory first.

mod message;
mod request;

use std::collections::HashMap;

pub(super) use message::{OfflineMessage, StoredContent};
pub(super) use request::{OfflineError, Retrieval, Retrieved, StoreRequest};

use crate::msn::ids::Email;

/// Most messages that are kept for one account; a further one is refused until some are fetched.
const MAX_KEPT: usize = 200;
/// Of those, most from one sender: nobody fills somebody's box alone.
const MAX_FROM_ONE: usize = 50;
/// More than so many are not named at sign-in: they are to be asked for.
const MAX_NAMED: usize = 25;

/// The messages of every account, by [`Email::to_key`].
#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    kept: HashMap<String, Vec<OfflineMessage>>,
}

impl Mailboxes {
    fn of(&self, owner: &Email) -> &[OfflineMessage] {
        self.kept.get(&owner.to_key()).map(Vec::as_slice).unwrap_or_default()
    }

    fn entries(&self, owner: &Email) -> String {
        self.of(owner).iter().map(|message| message.entry(owner, false)).collect()
    }

    /// Keeps a message, and gives its entry in the mail data of a notice: an `M` element.
    ///
    /// # Errors
    /// [`OfflineError::Full`] with 200 messages, or 50 of this sender.
    pub(super) fn keep(&mut self, owner: &Email, message: OfflineMessage) -> Result<String, OfflineError> {
        let kept = self.kept.entry(owner.to_key()).or_default();
        let from_sender = kept.iter().filter(|other| other.sender == message.sender).count();
        if kept.len() >= MAX_KEPT || from_sender >= MAX_FROM_ONE {
            return Err(OfflineError::Full);
        }
        let entry = message.entry(owner, true);
        kept.push(message);
        Ok(entry)
    }

    /// The list of what waits, for the one who asks (§27.2): an `MD` element.
    pub(super) fn metadata(&self, owner: &Email) -> String {
        format!("<MD><Q><QTM>409600</QTM><QNM>204800</QNM></Q>{}</MD>", self.entries(owner))
    }

    /// The same as a session is told of it at its first status (§27.1); `too-large` for more than 25, `None` for none.
    pub(super) fn initial_data(&self, owner: &Email) -> Option<String> {
        match self.of(owner).len() {
            0 => None,
            count if count > MAX_NAMED => Some("too-large".to_owned()),
            _ => Some(format!(
                "<MD><E><I>0</I><IU>0</IU><O>0</O><OU>0</OU></E><Q><QTM>409600</QTM><QNM>204800</QNM></Q>{}</MD>",
                self.entries(owner)
            )),
        }
    }

    /// One message as mail. `read` marks it as read.
    ///
    /// # Errors
    /// [`OfflineError::Unknown`] for a message that is not there.
    pub(super) fn fetch(&mut self, owner: &Email, id: &str, read: bool) -> Result<String, OfflineError> {
        let kept = self.kept.get_mut(&owner.to_key()).ok_or(OfflineError::Unknown)?;
        let message = kept.iter_mut().find(|m| m.id.eq_ignore_ascii_case(id)).ok_or(OfflineError::Unknown)?;
        message.is_read |= read;
        Ok(message.mail(owner))
    }

    /// Deletes messages, and gives how many there were.
    ///
    /// # Errors
    /// [`OfflineError::Unknown`] for none, and for any that is not there: none of them is deleted then.
    pub(super) fn delete(&mut self, owner: &Email, ids: &[String]) -> Result<usize, OfflineError> {
        let kept = self.kept.get_mut(&owner.to_key()).ok_or(OfflineError::Unknown)?;
        let is_there = |id: &String| kept.iter().any(|m| m.id.eq_ignore_ascii_case(id));
        if ids.is_empty() || !ids.iter().all(is_there) {
            return Err(OfflineError::Unknown);
        }
        let before = kept.len();
        kept.retain(|message| !ids.iter().any(|id| message.id.eq_ignore_ascii_case(id)));
        Ok(before - kept.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(name: &str) -> Email {
        Email::parse(&format!("{name}@b.c")).unwrap()
    }

    fn message(sender: &str, number: usize) -> OfflineMessage {
        let content = StoredContent::parse(
            "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\nX-OIM-Message-Type: OfflineMessage\r\nX-OIM-Run-Id: {3A3BE82C-684D-4F4F-8005-CBE8D4F82BAD}\r\nX-OIM-Sequence-Num: 1\r\n\r\neHh4",
        );
        let at = "2026-11-25T19:13:32Z".parse().unwrap();
        OfflineMessage::new(format!("ID{number}"), email(sender), "", content.unwrap(), at)
    }

    #[test]
    fn nobody_fills_a_box_alone_and_two_hundred_fill_it_for_everybody() {
        let (mut boxes, bob) = (Mailboxes::default(), email("bob"));
        let keep = |boxes: &mut Mailboxes, sender: &str, n| boxes.keep(&bob, message(sender, n)).map(|_| ());
        for n in 0..200 {
            assert_eq!(keep(&mut boxes, &format!("s{}", n / 50), n), Ok(()));
            if n % 50 == 49 {
                assert_eq!(keep(&mut boxes, &format!("s{}", n / 50), n), Err(OfflineError::Full));
            }
        }
        assert_eq!(keep(&mut boxes, "other", 200), Err(OfflineError::Full));
        assert_eq!(boxes.delete(&bob, &["id7".into()]), Ok(1));
        assert_eq!(keep(&mut boxes, "other", 200), Ok(()));
    }

    #[test]
    fn all_or_none_are_deleted_and_more_than_twenty_five_are_not_named() {
        let (mut boxes, bob) = (Mailboxes::default(), email("bob"));
        assert_eq!(boxes.initial_data(&bob), None);
        for n in 0..26 {
            boxes.keep(&bob, message("alice", n)).unwrap();
        }
        assert_eq!(boxes.initial_data(&bob), Some("too-large".into()));
        let [there, gone] = ["ID0", "ID99"].map(str::to_owned);
        assert_eq!(boxes.delete(&bob, &[there.clone(), gone]), Err(OfflineError::Unknown));
        assert_eq!(boxes.delete(&bob, &[]), Err(OfflineError::Unknown));
        assert!(boxes.fetch(&bob, "id0", true).unwrap().ends_with("\r\n\r\neHh4"));
        assert!(boxes.metadata(&bob).contains("<RS>1</RS>"));
        assert_eq!(boxes.delete(&bob, &[there]), Ok(1));
        assert!(boxes.initial_data(&bob).unwrap().starts_with("<MD><E>"));
        assert_eq!(boxes.fetch(&bob, "ID0", false), Err(OfflineError::Unknown));
    }
}
