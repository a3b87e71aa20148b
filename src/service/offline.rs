//! Offline messages: who may leave one for whom, and what the owner's session is told (§27).
//!
//! Knows tickets and the rules of lists. The mailboxes keep the messages, [`super::offline_page`] has the envelopes; the form
//! of the notices is the one recorded from a third-party server.

use super::ids::ConnId;
use super::mailbox::{OfflineError, OfflineMessage, Retrieval, Retrieved, StoreRequest, StoredContent};
use super::world::World;
use crate::msn::challenge::Product;
use crate::msn::command::{ListKind, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::ids::Email;
use crate::msn::message::Envelope;
use crate::msn::wire::UrlText;

impl World {
    /// Keeps a message for somebody, and tells them if they are signed in.
    ///
    /// # Errors
    /// See [`OfflineError`]; the ticket and the key are looked at first, so that nobody learns about others without them.
    pub(super) fn store_offline(&mut self, request: StoreRequest) -> Result<(), OfflineError> {
        let sender = self.tickets.owner(&request.ticket).ok_or(OfflineError::Ticket)?.clone();
        if Email::parse(&request.sender).ok().as_ref() != Some(&sender) {
            return Err(OfflineError::Ticket);
        }
        self.check_lock(&request)?;
        let content = StoredContent::parse(&request.content).ok_or(OfflineError::Content)?;
        let recipient = Email::parse(&request.recipient).map_err(|_| OfflineError::Recipient)?;
        let account = self.directory.get(&recipient).ok_or(OfflineError::Recipient)?;
        if account.lists(&sender).has(ListKind::Block) || !account.allows(&sender) {
            return Err(OfflineError::Recipient);
        }
        let owner = account.email.clone();
        let id = self.random.guid().to_uppercase();
        let message = OfflineMessage::new(id, sender, &request.name, content, request.at);
        let entry = self.mailboxes.keep(&owner, message)?;
        if let Some(conn) = self.presence.announced_session(&owner) {
            let data = format!("Mail-Data: <MD>{entry}<SU> </SU></MD>\r\n");
            self.send_mail_notice(conn, "text/x-msmsgsoimnotification; charset=UTF-8", &data);
        }
        Ok(())
    }

    /// Whether the sender's program knows a product key (§19): asked once for each ticket, and with the same challenge.
    fn check_lock(&mut self, request: &StoreRequest) -> Result<(), OfflineError> {
        if !self.rules.challenge {
            return Ok(());
        }
        let fresh = self.random.digits(10);
        let challenge = self.tickets.challenge(&request.ticket, fresh).ok_or(OfflineError::Ticket)?;
        let product = Product::published(&request.product, Dialect::Msnp12);
        match product.map(|product| product.answer(challenge, Dialect::Msnp12)) {
            Some(expected) if expected.eq_ignore_ascii_case(&request.lock_key) => Ok(()),
            _ => Err(OfflineError::Locked { challenge: challenge.to_owned() }),
        }
    }

    /// What somebody asks about messages that were left for them.
    ///
    /// # Errors
    /// [`OfflineError::Ticket`] without a good ticket, [`OfflineError::Unknown`] for a message that is not there.
    pub(super) fn retrieve_offline(
        &mut self,
        ticket: &str,
        retrieval: Retrieval,
    ) -> Result<Retrieved, OfflineError> {
        let owner = self.tickets.owner(ticket).ok_or(OfflineError::Ticket)?.clone();
        match retrieval {
            Retrieval::Metadata => Ok(Retrieved::Metadata(self.mailboxes.metadata(&owner))),
            Retrieval::Message { id, read } => {
                self.mailboxes.fetch(&owner, &id, read).map(Retrieved::Message)
            }
            Retrieval::Delete { ids } => {
                let gone = self.mailboxes.delete(&owner, &ids)?;
                if let Some(conn) = self.presence.session(&owner) {
                    let data =
                        format!("Src-Folder: .!!OIM\r\nDest-Folder: .!!trAsH\r\nMessage-Delta: {gone}\r\n");
                    self.send_mail_notice(conn, "text/x-msmsgsactivemailnotification; charset=UTF-8", &data);
                }
                Ok(Retrieved::Deleted)
            }
        }
    }

    /// What waits, at the first status of a session; clients before MSNP11 know nothing of it.
    pub(super) fn tell_offline(&mut self, conn: ConnId, email: &Email) {
        if !self.connections.dialect(conn).has_personal_message() {
            return;
        }
        let Some(data) = self.mailboxes.initial_data(email) else { return };
        let data = format!("Mail-Data: {data}\r\n");
        self.send_mail_notice(conn, "text/x-msmsgsinitialmdatanotification; charset=UTF-8", &data);
    }

    /// A message of the server's own, whose fields stand behind an empty line (§5.5).
    fn send_mail_notice(&mut self, conn: ConnId, kind: &str, body: &str) {
        let mut payload = Envelope::new(kind).encode();
        payload.extend_from_slice(body.as_bytes());
        let sender = "Hotmail".to_owned();
        let name = UrlText::from_wire(&sender);
        self.connections.send(conn, ServerCommand::Msg { name, sender, payload: payload.into() });
    }
}
