//! The contact list from MSNP13 on: asked of the caller, told to the server, and changed by others.

use super::*;
use crate::msn::address_book::AddressBook;
use crate::msn::command::{ContactEntry, ListMask};
use crate::msn::endpoint::MachineId;
use crate::msn::sso::{ProofSecret, TokenExchange, TokenStep, Tokens};
use crate::msn::wire::UrlText;

fn tokens() -> Tokens {
    let secret = ProofSecret::new([1; 24]).to_base64();
    let body = format!(
        "<E><RequestSecurityTokenResponse><Address>messengerclear.live.com</Address><BinarySecurityToken>t=1&amp;p=</BinarySecurityToken><BinarySecret>{secret}</BinarySecret></RequestSecurityTokenResponse></E>"
    );
    match TokenExchange::default().handle(&body).unwrap() {
        TokenStep::Done(tokens) => tokens,
        TokenStep::AskAt(_) => panic!("no redirect was given"),
    }
}

/// A session whose contact list is asked for.
fn asked(now: Instant, dialect: Dialect) -> NotificationSession {
    let mut session = notification(now, &[dialect]);
    let begin = format!("VER 1 {dialect}\r\nCVR 2 1 1 1 x y\r\nUSR 3 SSO S MBI_KEY_OLD nonce\r\n");
    session.handle_input(now, begin.as_bytes()).unwrap();
    session.provide_tokens(now, &tokens(), [7; 8], &MachineId::of_random([1; 16]));
    written(&mut session);
    events(&mut session);
    session.handle_input(now, b"USR 4 OK alice@example.com 1 0\r\n").unwrap();
    session
}

fn book(contacts: &[(&str, u32)]) -> AddressBook {
    let contacts = contacts.iter().map(|(name, lists)| ContactEntry {
        email: email(&format!("{name}@example.com")),
        name: Some(UrlText::encode(name)),
        contact: None,
        lists: ListMask(*lists),
        groups: Vec::new(),
    });
    let name = Some("Alice A.".to_owned());
    AddressBook {
        name,
        strangers_allowed: Some(false),
        contacts: contacts.collect(),
        ..AddressBook::default()
    }
}

#[test]
fn a_contact_list_is_asked_for_and_told_before_the_account_is_seen() {
    let now = Instant::now();
    let mut session = asked(now, Dialect::Msnp15);
    assert_eq!(written(&mut session), "", "nothing is told before it is there");
    let expected = [
        NotificationEvent::SignedIn { dialect: Dialect::Msnp15 },
        NotificationEvent::BookWanted { is_paged: false },
    ];
    assert_eq!(events(&mut session), expected);
    session.provide_book(now, book(&[("bob", 11), ("carol", 16), ("dave", 12)]));
    let told = written(&mut session);
    let list = "<ml l=\"1\"><d n=\"example.com\"><c n=\"bob\" l=\"3\" t=\"1\"></c><c n=\"dave\" l=\"4\" t=\"1\"></c></d></ml>";
    let expected = format!("BLP 5 BL\r\nADL 6 {}\r\n{list}PRP 7 MFN Alice%20A.\r\nCHG 8 NLN ", list.len());
    assert!(told.starts_with(&expected), "{told}");
    assert!(told.contains("\r\nUUX 9 ") && !told.contains("GCF"), "{told}");
    let happened = events(&mut session);
    assert!(happened.contains(&NotificationEvent::RosterLoaded), "{happened:?}");
    let request = |event: &NotificationEvent| matches!(event, NotificationEvent::AddedBy { email, asks: true, .. } if email.as_str() == "carol@example.com");
    assert_eq!(happened.iter().filter(|event| request(event)).count(), 1, "{happened:?}");
    assert!(!happened.iter().any(|event| matches!(event, NotificationEvent::RosterIncomplete(_))));
    session.handle_input(now, b"BLP 5 BL\r\nADL 6 OK\r\nPRP 7 MFN Alice%20A.\r\n").unwrap();
    // A second one changes nothing.
    session.provide_book(now, book(&[]));
    assert_eq!(written(&mut session), "");
    assert!(session.roster().contact(&email("bob@example.com")).is_some());
}

#[test]
fn a_contact_list_that_never_comes_ends_the_session() {
    let now = Instant::now();
    let mut session = asked(now, Dialect::Msnp18);
    assert!(events(&mut session).contains(&NotificationEvent::BookWanted { is_paged: true }));
    let due = session.poll_timeout().unwrap();
    assert!(due <= now + Duration::from_secs(120));
    let late = session.handle_timeout(now + Duration::from_secs(120));
    assert!(matches!(late, Err(SessionError::TimedOut(_))), "{late:?}");
}

#[test]
fn conf_131_presence_in_the_last_dialect_comes_without_a_number_and_nothing_waits_for_one() {
    let now = Instant::now();
    let mut session = asked(now, Dialect::Msnp18);
    session.provide_book(now, book(&[("bob", 11)]));
    let told = written(&mut session);
    assert!(!told.contains("PRP"), "the name is not this place's alone: {told}");
    events(&mut session);
    let said = "BLP 5 BL\r\nADL 6 OK\r\nCHG 7 NLN 0:0\r\nNLN BSY 1:bob@example.com Bob 1342177316:0\r\n";
    session.handle_input(now, said.as_bytes()).unwrap();
    let happened = events(&mut session);
    let seen = |event: &NotificationEvent| matches!(event, NotificationEvent::PresenceChanged(bob) if bob.status == Status::Busy);
    assert!(happened.iter().any(seen), "{happened:?}");
    session.handle_timeout(now + Duration::from_secs(29)).unwrap();
}

#[test]
fn who_puts_us_onto_their_list_is_told_once_and_who_takes_us_off_too() {
    let now = Instant::now();
    let mut session = asked(now, Dialect::Msnp15);
    session.provide_book(now, book(&[]));
    events(&mut session);
    let list = "<ml><d n=\"example.com\"><c n=\"bob\" t=\"1\" l=\"8\" f=\"Bob%20B\" /></d></ml>";
    let pushed = |verb: &str| format!("{verb} 0 {}\r\n{list}", list.len());
    session.handle_input(now, pushed("ADL").repeat(2).as_bytes()).unwrap();
    let bob = || email("bob@example.com");
    assert_eq!(
        events(&mut session),
        [NotificationEvent::AddedBy { email: bob(), name: "Bob B".into(), asks: true }]
    );
    session.handle_input(now, pushed("RML").as_bytes()).unwrap();
    assert_eq!(events(&mut session), [NotificationEvent::RemovedBy { email: bob() }]);
    session.handle_input(now, b"ADL 0 5\r\n<ml><").unwrap();
    assert_eq!(events(&mut session), []);
}
