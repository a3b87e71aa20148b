//! Words for people who are not there: who may leave them, who is told, and how many are kept.

use chrono::{DateTime, Utc};

use super::*;
use crate::service::mailbox::{OfflineError, Retrieval, Retrieved, StoreRequest};

const PRODUCT: &str = "PROD0112J1LW7%NB";

fn content(body: &str) -> String {
    format!(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\nX-OIM-Message-Type: OfflineMessage\r\nX-OIM-Run-Id: {{3A3BE82C-684D-4F4F-8005-CBE8D4F82BAD}}\r\nX-OIM-Sequence-Num: 1\r\n\r\n{body}"
    )
}

/// A recorded body: «Are you there? ✓ offline».
const WORDS: &str = "QXJlIHlvdSB0aGVyZT8g4pyTIG9mZmxpbmU=";

fn at() -> DateTime<Utc> {
    "2026-11-25T19:13:32Z".parse().unwrap()
}

impl Stage {
    fn ticket(&mut self, name: &str) -> String {
        let email = format!("{name}@example.com");
        self.world.issue_ticket(self.now, &email, &name[..1]).unwrap().text
    }

    /// Stores as a client does: asked for a key, it answers and tries once more.
    fn leave(&mut self, ticket: &str, to: &str, body: &str) -> Result<(), OfflineError> {
        let request = |lock_key: String| StoreRequest {
            ticket: ticket.to_owned(),
            product: PRODUCT.to_owned(),
            lock_key,
            sender: "alice@example.com".into(),
            name: "=?utf-8?B?QWxpY2U=?=".into(),
            recipient: format!("{to}@example.com"),
            content: content(body),
            at: at(),
        };
        match self.world.store_offline(request(String::new())) {
            Err(OfflineError::Locked { challenge }) => {
                let product = Product::published(PRODUCT, Dialect::Msnp12).unwrap();
                self.world.store_offline(request(product.answer(&challenge, Dialect::Msnp12)))
            }
            other => other,
        }
    }

    fn metadata(&mut self, ticket: &str) -> String {
        match self.world.retrieve_offline(ticket, Retrieval::Metadata) {
            Ok(Retrieved::Metadata(data)) => data,
            other => panic!("{other:?}"),
        }
    }
}

fn ids(data: &str) -> Vec<String> {
    data.split("<I>").skip(1).filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect()
}

#[test]
fn fault_09_words_for_somebody_away_are_told_at_sign_in_fetched_and_deleted() {
    let mut stage = Stage::new();
    let alice = stage.ticket("alice");
    assert_eq!(stage.leave(&alice, "bob", WORDS), Ok(()));
    assert_eq!(stage.leave(&alice, "bob", "eHh4"), Ok(()));

    let bob = stage.sign_in("bob", Dialect::Msnp11);
    let told = stage.say(bob, "CHG 5 NLN 0\r\n");
    assert!(told.contains("text/x-msmsgsinitialmdatanotification; charset=UTF-8\r\n\r\nMail-Data: <MD><E>"));
    assert!(told.contains("<E>alice@example.com</E>") && told.contains("<N>=?utf-8?B?QWxpY2U=?=</N>"));
    assert!(told.contains("<RT>2026-11-25T19:13:32Z</RT><RS>0</RS>"), "{told}");
    // A client may send only the first half of its ticket.
    let ticket = stage.ticket("bob");
    let half = ticket.trim_start_matches("t=").split('&').next().unwrap().to_owned();
    for ticket in [&ticket, &half, &format!("t={half}"), &format!("t={half}&p=")] {
        assert_eq!(ids(&stage.metadata(ticket)).len(), 2);
    }
    let ids = ids(&stage.metadata(&half));
    let Ok(Retrieved::Message(mail)) =
        stage.world.retrieve_offline(&half, Retrieval::Message { id: ids[0].clone(), read: true })
    else {
        panic!("no message")
    };
    for line in [
        "From: =?utf-8?B?QWxpY2U=?= <alice@example.com>\r\n",
        "X-OIM-Run-Id: {3A3BE82C-684D-4F4F-8005-CBE8D4F82BAD}\r\nX-OIM-Sequence-Num: 1\r\n",
        // As recorded, to the digit.
        "X-OriginalArrivalTime: 25 Nov 2026 19:13:32.0000 (UTC) FILETIME=[0F901600:01DD7D11]\r\n",
        "Date: Wed, 25 Nov 2026 11:13:32 -0800\r\n",
    ] {
        assert!(mail.contains(line), "{line} is not in {mail}");
    }
    assert!(mail.ends_with(&format!("\r\n\r\n{WORDS}")), "{mail}");
    assert!(stage.metadata(&half).contains("<RS>1</RS>"));

    let deleted = stage.world.retrieve_offline(&half, Retrieval::Delete { ids: ids.clone() });
    stage.collect();
    assert_eq!(deleted, Ok(Retrieved::Deleted));
    let told = stage.heard(bob);
    assert!(
        told.contains("x-msmsgsactivemailnotification") && told.contains("Message-Delta: 2\r\n"),
        "{told}"
    );
    // Once gone they are gone.
    for gone in
        [Retrieval::Delete { ids: ids.clone() }, Retrieval::Message { id: ids[1].clone(), read: false }]
    {
        assert_eq!(stage.world.retrieve_offline(&half, gone), Err(OfflineError::Unknown));
    }
    assert_eq!(ids_left(&mut stage, &half), 0);
}

fn ids_left(stage: &mut Stage, ticket: &str) -> usize {
    ids(&stage.metadata(ticket)).len()
}

#[test]
fn fault_09_somebody_who_is_there_hidden_or_not_is_told_at_once() {
    for status in ["NLN", "HDN", "AWY"] {
        let mut stage = Stage::new();
        let (alice, bob) = (stage.ticket("alice"), stage.sign_in("bob", Dialect::Msnp11));
        stage.say(bob, &format!("CHG 5 {status} 0\r\n"));
        stage.sent.clear();
        assert_eq!(stage.leave(&alice, "bob", WORDS), Ok(()));
        stage.collect();
        let told = stage.heard(bob);
        assert!(
            told.contains("text/x-msmsgsoimnotification; charset=UTF-8\r\n\r\nMail-Data: <MD><M>"),
            "{told}"
        );
        assert!(told.contains("<F>.!!OIM</F>") && told.ends_with("<SU> </SU></MD>\r\n"), "{told}");
        let length = told.split("\r\n").next().unwrap().rsplit(' ').next().unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), told.split_once("\r\n").unwrap().1.len());
    }
}

#[test]
fn fault_09_a_key_is_asked_for_and_tickets_are_not_lent() {
    let mut stage = Stage::new();
    let (alice, bob) = (stage.ticket("alice"), stage.ticket("bob"));
    let request = |ticket: &str, sender: &str, key: &str| StoreRequest {
        ticket: ticket.to_owned(),
        product: PRODUCT.to_owned(),
        lock_key: key.to_owned(),
        sender: sender.to_owned(),
        name: "Alice\r\nX: y".into(),
        recipient: "carol@example.com".into(),
        content: content(WORDS),
        at: at(),
    };
    let mut challenges = Vec::new();
    for key in ["", "0c6981d9b8c9599dcf5fb8d6d9a726e4"] {
        let Err(OfflineError::Locked { challenge }) =
            stage.world.store_offline(request(&alice, "alice@example.com", key))
        else {
            panic!("a wrong key was taken")
        };
        assert!(challenge.len() == 10 && challenge.bytes().all(|b| b.is_ascii_digit()), "{challenge}");
        challenges.push(challenge);
    }
    assert_eq!(challenges[0], challenges[1], "the same is asked until it is answered");
    for (ticket, sender) in [
        (&bob, "alice@example.com"),
        (&alice, "bob@example.com"),
        (&"t=0000&p=".to_owned(), "alice@example.com"),
        (&String::new(), "alice@example.com"),
    ] {
        let refused = stage.world.store_offline(request(ticket, sender, ""));
        assert_eq!(refused, Err(OfflineError::Ticket), "{ticket} {sender}");
    }
    assert_eq!(stage.world.retrieve_offline("0000", Retrieval::Metadata), Err(OfflineError::Ticket));
    // A name that is no encoded word is not let into the headers.
    let key = Product::published(PRODUCT, Dialect::Msnp12).unwrap().answer(&challenges[0], Dialect::Msnp12);
    assert_eq!(stage.world.store_offline(request(&alice, "alice@example.com", &key)), Ok(()));
    let carol = stage.ticket("carol");
    let data = stage.metadata(&carol);
    assert!(data.contains("<N>=?utf-8?B?YWxpY2VAZXhhbXBsZS5jb20=?=</N>"), "{data}");
}

#[test]
fn fault_09_who_is_blocked_or_unknown_is_refused_and_so_is_what_is_no_message() {
    let mut stage = Stage::new();
    let (alice, bob) = (stage.ticket("alice"), stage.sign_in("bob", Dialect::Msnp11));
    assert_eq!(stage.leave(&alice, "nobody", WORDS), Err(OfflineError::Recipient));
    for words in ["", "%%%", "QQ", &"QUFB".repeat(20), &format!("{}\r\n", "QUFB".repeat(5000))] {
        assert_eq!(stage.leave(&alice, "bob", words), Err(OfflineError::Content), "{words}");
    }
    stage.say(bob, "ADC 6 BL N=alice@example.com\r\n");
    assert_eq!(stage.leave(&alice, "bob", WORDS), Err(OfflineError::Recipient));
    stage.say(bob, "REM 7 BL alice@example.com\r\nBLP 8 BL\r\n");
    assert_eq!(stage.leave(&alice, "bob", WORDS), Err(OfflineError::Recipient));
    stage.say(bob, "ADC 9 AL N=alice@example.com\r\n");
    assert_eq!(stage.leave(&alice, "bob", WORDS), Ok(()));
}

#[test]
fn fault_09_what_is_kept_is_bounded_and_long_lists_are_to_be_asked_for() {
    let mut stage = Stage::new();
    let alice = stage.ticket("alice");
    let kept = std::iter::repeat_with(|| stage.leave(&alice, "bob", WORDS)).take_while(Result::is_ok).count();
    assert_eq!(kept, 50);
    assert_eq!(stage.leave(&alice, "bob", WORDS), Err(OfflineError::Full));
    assert_eq!(stage.leave(&alice, "carol", WORDS), Ok(()), "nobody else's box is full");
    let bob = stage.sign_in("bob", Dialect::Msnp12);
    assert!(stage.say(bob, "CHG 5 NLN 0\r\n").contains("Mail-Data: too-large\r\n"));
    let ticket = stage.ticket("bob");
    let ids = ids(&stage.metadata(&ticket));
    assert_eq!(ids.len(), 50);
    let deleted = stage.world.retrieve_offline(&ticket, Retrieval::Delete { ids: ids[..1].to_vec() });
    assert_eq!(deleted, Ok(Retrieved::Deleted));
    assert_eq!(stage.leave(&alice, "bob", WORDS), Ok(()), "there is room again");
    // Clients that know nothing of it are told nothing.
    let mut stage = Stage::new();
    let alice = stage.ticket("alice");
    stage.leave(&alice, "bob", WORDS).unwrap();
    let bob = stage.sign_in("bob", Dialect::Msnp9);
    assert!(!stage.say(bob, "CHG 5 NLN 0\r\n").contains("Mail-Data"));
}
