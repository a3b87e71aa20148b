//! Fetching what was left while an owner was away.
//!
//! Knows in which order that is safe. Refuses to know envelopes, which are [`crate::msn::oim`]'s.

use std::time::Duration;

use reqwest::Url;
use tokio::sync::Semaphore;

use crate::connector::context::{Shared, names};
use crate::connector::login::oim::{OimError, Tickets, post};
use crate::connector::translate::convert;

use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{RemoteEvent, RemoteKind};
use crate::bridge::ids::LoginId;
use crate::bridge::port::storage::{Batch, Table, Urgency};
use crate::bridge::sentence::sentence;
use crate::msn::ids::Ticket;
use crate::msn::oim::{self, MailData, OfflineMessage, SoapRequest};
use crate::msn::sso::Domain;
use crate::retry::Retry;

/// Attempts before what waits is left for the next sign-in.
const ATTEMPTS: usize = 5;
const RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

/// One round of fetching.
pub(in crate::connector) struct Fetching {
    pub(in crate::connector) shared: Shared,
    pub(in crate::connector) login: LoginId,
    pub(in crate::connector) tickets: Tickets,
    pub(in crate::connector) url: Url,
}

/// The row that says that a message is on disk here.
fn row(login: &LoginId, id: &str) -> Vec<u8> {
    [login.as_str().as_bytes(), b"\0", id.as_bytes()].concat()
}

impl Fetching {
    /// Fetches what waits; one round of a login after the other. What cannot be fetched stays on the server, and the
    /// owner is told.
    pub(in crate::connector) async fn run(self, waiting: MailData, turns: &Semaphore) {
        let Ok(_turn) = turns.acquire().await else { return };
        let fetched = tokio::select! {
            fetched = self.fetch_at_last(&waiting) => fetched,
            () = self.shared.cancel.cancelled() => return,
        };
        if let Err(error) = fetched {
            tracing::warn!(login = %self.login, %error, "offline messages were not fetched");
            let text = format!(
                "Messages that were left for you while you were away could not be fetched: {} They stay with the MSN \
                 server and are tried again at the next sign-in; «reconnect» does that now.",
                sentence(&error.to_string())
            );
            let event = RemoteEvent { login: self.login.clone(), kind: RemoteKind::Notice { text } };
            let _ = self.shared.bridge.remote(event).await; // the core may be stopping
        }
    }

    /// Fetches, and tries again after growing pauses; each attempt begins with what is not here yet.
    async fn fetch_at_last(&self, waiting: &MailData) -> Result<(), OimError> {
        let mut retry = Retry::new(RETRY_DELAY, MAX_RETRY_DELAY);
        for _ in 1..ATTEMPTS {
            match self.fetch(waiting).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::info!(login = %self.login, %error, "offline messages are fetched again")
                }
            }
            retry.pause().await;
        }
        self.fetch(waiting).await
    }

    /// Fetches all that wait, hands them over in the order in which they were left, and then deletes them on the
    /// server.
    async fn fetch(&self, waiting: &MailData) -> Result<(), OimError> {
        let ids = match waiting {
            MailData::Messages(ids) => ids.clone(),
            MailData::TooLarge => self.metadata().await?,
        };
        let (mut messages, mut done) = (Vec::new(), Vec::new());
        for id in ids {
            if self.is_here(&id) {
                done.push(id);
                continue;
            }
            let answer = self.ask(|ticket| oim::get_message(ticket, &id)).await?;
            match OfflineMessage::parse(&id, &answer) {
                Some(message) => messages.push(message),
                None => {
                    tracing::warn!(login = %self.login, id, "an offline message cannot be read, and stays")
                }
            }
        }
        messages.sort_by(|a, b| (&a.run, a.sequence, a.at).cmp(&(&b.run, b.sequence, b.at)));
        messages.sort_by_key(|message| message.at);
        for message in messages {
            done.push(message.id.clone());
            self.keep(message).await?;
        }
        self.delete(&done).await
    }

    /// The ids, for a mailbox with more than a notice holds (§27.1).
    async fn metadata(&self) -> Result<Vec<String>, OimError> {
        let answer = self.ask(oim::get_metadata).await?;
        match oim::mail_data(&answer) {
            Some(MailData::Messages(ids)) => Ok(ids),
            _ => Err(OimError::Refused("something that is no list of messages".into())),
        }
    }

    /// Whether an earlier attempt has put this message on the disk. A disk that cannot say is asked by the later write.
    fn is_here(&self, id: &str) -> bool {
        let known = self.shared.storage.read(Table::Fetched, &row(&self.login, id));
        known.is_ok_and(|known| known.is_some())
    }

    /// Hands a message over, and waits until it is on disk.
    async fn keep(&self, message: OfflineMessage) -> Result<(), OimError> {
        let OfflineMessage { id, sender, text, at, .. } = message;
        let mut with = Batch::default();
        with.put(Table::Fetched, row(&self.login, &id), []);
        let body = Body::Text(RichText { left_offline: true, ..RichText::plain(text) });
        let kind = RemoteKind::Message {
            conversation: convert::direct(&sender),
            sender: names::ghost(&sender, sender.as_str()),
            body,
            at: at.unwrap_or_else(crate::connector::clock::time_of_day),
        };
        let event = RemoteEvent { login: self.login.clone(), kind };
        let kept = self.shared.bridge.remote_kept(event, with).await;
        kept.map_err(|error| OimError::Refused(error.to_string()))
    }

    /// Deletes there what is on disk here; then nothing needs to be remembered of it.
    async fn delete(&self, ids: &[String]) -> Result<(), OimError> {
        if ids.is_empty() {
            return Ok(());
        }
        let named: Vec<&str> = ids.iter().map(String::as_str).collect();
        let answer = self.ask(|ticket| oim::delete_messages(ticket, &named)).await?;
        if let Some(fault) = oim::fault(&answer) {
            // They may be gone already; else they are seen to be here the next time.
            tracing::info!(login = %self.login, fault = fault.code, "offline messages were not deleted");
            return Ok(());
        }
        let mut batch = Batch::default();
        ids.iter().for_each(|id| batch.remove(Table::Fetched, row(&self.login, id)));
        drop(self.shared.storage.commit(batch, Urgency::Soon));
        Ok(())
    }

    /// Makes a request, once more with a new ticket if the old one is not taken.
    async fn ask(&self, request: impl Fn(&Ticket) -> SoapRequest) -> Result<String, OimError> {
        let client = self.shared.passport.client();
        let ticket = self.tickets.current(Domain::OfflineMessages).await?;
        let answer = post(&client, &self.url, &request(&ticket)).await?;
        let stale = oim::fault(&answer)
            .is_some_and(|fault| matches!(fault.code.as_str(), "AuthenticationFailed" | "BadContextToken"));
        if !stale {
            return Ok(answer);
        }
        let ticket = self.tickets.renew(Domain::OfflineMessages).await?;
        post(&client, &self.url, &request(&ticket)).await
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::mpsc;

    use secrecy::SecretString;

    use super::*;
    use crate::connector::tests::{alice, alone, email};

    /// A server that has one message, on a thread of its own; gives what each request asks of it.
    fn server() -> (Url, mpsc::Receiver<String>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/rsi.asmx", listener.local_addr().unwrap()).parse().unwrap();
        let (asked, actions) = mpsc::channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (mut head, mut byte) = (String::new(), [0]);
                while !head.ends_with("\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    head.push(char::from(byte[0]));
                }
                let action = head.lines().find(|line| line.to_lowercase().starts_with("soapaction"));
                drop(asked.send(action.unwrap_or_default().to_owned())); // the test may be over
                let message = "<GetMessageResult>From: =?utf-8?B?Qm9i?= &lt;bob@example.com&gt;\r\n\
                    Content-Type: text/plain; charset=UTF-8\r\nX-OIM-Message-Type: OfflineMessage\r\n\r\nhello</GetMessageResult>";
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{message}",
                    message.len()
                );
                drop(stream.write_all(answer.as_bytes())); // the other end may have gone
            }
        });
        (url, actions)
    }

    #[tokio::test]
    async fn a_message_that_is_not_on_disk_here_is_not_deleted_there() {
        let (url, actions) = server();
        let shared = alone();
        let password = SecretString::from("pw".to_owned());
        let tickets = Tickets::new(shared.passport.clone(), email("alice"), password, "ct=1".into());
        tickets.set(Ticket::new("t=1&p=2"));
        let fetching = Fetching { shared: shared.clone(), login: alice(), tickets, url };
        let waiting = MailData::Messages(vec!["id-1".into()]);
        let fetched = fetching.fetch(&waiting).await;
        assert!(matches!(fetched, Err(OimError::Refused(_))), "the core has stopped: {fetched:?}");
        let asked: Vec<String> = actions.try_iter().collect();
        assert!(asked.len() == 1 && asked[0].contains("GetMessage"), "{asked:?}");
        // One that is here already is only deleted.
        let mut batch = Batch::default();
        batch.put(Table::Fetched, row(&alice(), "id-1"), []);
        shared.storage.commit(batch, Urgency::Now).await.unwrap();
        fetching.fetch(&waiting).await.unwrap();
        let asked: Vec<String> = actions.try_iter().collect();
        assert!(asked.len() == 1 && asked[0].contains("DeleteMessages"), "{asked:?}");
        assert_eq!(shared.storage.read(Table::Fetched, &row(&alice(), "id-1")).unwrap(), None);
    }
}
