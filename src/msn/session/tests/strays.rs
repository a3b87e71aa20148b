//! What servers send that belongs to nothing, or lacks something: it ends no session.

use super::*;

#[test]
fn fault_22_a_refusal_of_what_nobody_asked_ends_nothing() {
    let now = Instant::now();
    for code in [500, 540, 600, 601, 604, 910, 911, 917, 931, 999] {
        for number in [0, 77, 4_000_000_000u32] {
            let mut session = signed_in(now, Dialect::Msnp11);
            session.handle_input(now, format!("{code} {number}\r\n").as_bytes()).expect("it goes on");
            session.handle_input(now, b"NLN NLN bob@example.com Bob 0\r\n").unwrap();
            let seen = events(&mut session);
            assert!(
                matches!(&seen[..], [NotificationEvent::PresenceChanged(_)]),
                "{code} {number}: {seen:?}"
            );
        }
    }
    // Nor while signing in, unless it is of what was asked or of nothing in particular.
    for (refused, goes_on) in [("911 77", true), ("500 4000", true), ("500 1", false), ("911 0", false)] {
        let mut session = notification(now, &[Dialect::Msnp11]);
        let heard = session.handle_input(now, format!("{refused}\r\n").as_bytes());
        assert_eq!(heard.is_ok(), goes_on, "{refused}");
    }
    // The rule broken: of a request of ours it is the end, where it is the server's own trouble.
    let mut session = signed_in(now, Dialect::Msnp11);
    session.set_status(now, Status::Busy);
    let asked = written(&mut session);
    let number = asked.split(' ').nth(1).unwrap();
    assert!(session.handle_input(now, format!("500 {number}\r\n").as_bytes()).is_err(), "{asked}");
}

#[test]
fn fault_22_units_without_their_length_end_no_session() {
    let now = Instant::now();
    for line in [
        "UBX bob@example.com",
        "UBX",
        "UBX bob@example.com x",
        "UBX bob@example.com -1",
        "UUX 12",
        "UUX",
        "GCF 9",
        "GCF Shields.xml",
        "NOT",
        "NOT x",
        "IPG",
    ] {
        let mut session = signed_in(now, Dialect::Msnp11);
        let units = format!("{line}\r\nNLN NLN bob@example.com Bob 0\r\n");
        session.handle_input(now, units.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
        let seen = events(&mut session);
        assert!(matches!(&seen[..], [NotificationEvent::PresenceChanged(_)]), "{line}: {seen:?}");
    }
    // The rule broken: a message without its length cannot be told from what follows it.
    let mut session = signed_in(now, Dialect::Msnp11);
    assert!(session.handle_input(now, b"MSG Hotmail Hotmail x\r\n").is_err());
}
