//! Contact lists from MSNP13 on: asked for over SOAP, told by `ADL` and `RML`.

use super::*;
use crate::msn::dialect::SignIn;
use crate::msn::sso::ProofSecret;

/// Alice and Bob, each in a dialect; connections in this order.
fn pair(dialects: [Dialect; 2]) -> (Stage, [ConnId; 2]) {
    let mut stage = Stage::new();
    stage.world.rules.dialects = Dialect::ALL.to_vec();
    let conns =
        ["alice", "bob"].into_iter().zip(dialects).map(|(name, dialect)| enter(&mut stage, name, dialect));
    let conns: Vec<ConnId> = conns.collect();
    (stage, [conns[0], conns[1]])
}

fn enter(stage: &mut Stage, name: &str, dialect: Dialect) -> ConnId {
    let conn = stage.connect(Door::Notification);
    let email = format!("{name}@example.com");
    let issued = stage.world.issue_ticket(stage.now, &email, &name[..1]).unwrap();
    let begin = format!("VER 1 {dialect}\r\nCVR 2 0x0409 winnt 5.1 i386 M 7 MSMSGS a@b.c\r\n");
    stage.say(conn, &begin);
    if dialect.sign_in() == SignIn::Proof {
        let asked = stage.say(conn, &format!("USR 3 SSO I {email}\r\n"));
        let nonce = asked.split_whitespace().last().unwrap().to_owned();
        let proof = ProofSecret::from_base64(&issued.secret.to_base64()).unwrap().prove(&nonce, [3; 8]);
        let machine = " {a1a1a1a1-0000-4000-8000-00000000000f}".repeat(usize::from(dialect.has_endpoints()));
        stage.say(conn, &format!("USR 4 SSO S {} {proof}{machine}\r\n", issued.text));
    } else {
        stage.say(conn, &format!("USR 3 TWN I {email}\r\nUSR 4 TWN S {}\r\n", issued.text));
        stage.say(conn, "SYN 5 0 0\r\n");
    }
    stage.say(conn, "CHG 6 NLN 0\r\n");
    stage.heard(conn);
    conn
}

fn told(verb: &str, trid: u32, contacts: &str) -> String {
    let list = format!("<ml><d n=\"example.com\">{contacts}</d></ml>");
    format!("{verb} {trid} {}\r\n{list}", list.len())
}

#[test]
fn conf_129_a_ticket_that_is_nobodys_shows_no_list_and_the_right_one_its_owners() {
    let (mut stage, [alice, _]) = pair([Dialect::Msnp15; 2]);
    stage.say(alice, &told("ADL", 7, "<c n=\"bob\" l=\"3\" t=\"1\"/>"));
    for ticket in ["", "t=1&p=2", "nonsense"] {
        assert!(stage.world.show_book(ticket).is_none(), "{ticket}");
    }
    let ticket = stage.world.issue_ticket(stage.now, "alice@example.com", "a").unwrap().text;
    let book = stage.world.show_book(&ticket).unwrap();
    assert_eq!((book.email.as_str(), book.name.as_str()), ("alice@example.com", "Alice"));
    let contacts: Vec<_> = book.contacts.iter().map(|c| (c.email.as_str(), c.lists.0)).collect();
    assert_eq!(contacts, [("bob@example.com", 3)]);
}

#[test]
fn conf_127_bad_lists_close_and_an_account_that_there_is_not_is_refused() {
    for (contacts, code) in [
        ("<c n=\"bob\" l=\"8\" t=\"1\"/>", "241"),
        ("<c n=\"bob\" l=\"16\" t=\"1\"/>", "241"),
        ("<c n=\"bob\" t=\"1\"/>", "241"),
        ("", "240"),
        ("<c", "241"),
    ] {
        for verb in ["ADL", "RML"] {
            let (mut stage, [alice, _]) = pair([Dialect::Msnp15; 2]);
            assert_eq!(
                stage.say(alice, &told(verb, 7, contacts)),
                format!("{code} 7\r\n"),
                "{verb} {contacts}"
            );
            assert!(stage.closed.contains(&alice), "{verb} {contacts}");
        }
    }
    let (mut stage, [alice, _]) = pair([Dialect::Msnp15; 2]);
    let nobody = "<c n=\"nobody\" l=\"3\" t=\"1\"/>";
    assert_eq!(stage.say(alice, &told("ADL", 7, nobody)), "208 7\r\n");
    let initial = told("ADL", 8, nobody).replace("<ml>", "<ml l=\"1\">");
    let length = initial.split("\r\n").nth(1).unwrap().len();
    let initial = format!("ADL 8 {length}\r\n{}", initial.split("\r\n").nth(1).unwrap());
    assert_eq!(stage.say(alice, &initial), "ADL 8 OK\r\n");
    assert!(stage.closed.is_empty(), "the session is kept");
}

#[test]
fn whoever_is_listed_and_unlisted_is_told_in_the_form_of_their_dialect_and_seen() {
    for dialect in [Dialect::Msnp15, Dialect::Msnp11] {
        let (mut stage, [alice, bob]) = pair([Dialect::Msnp15, dialect]);
        let answer = stage.say(alice, &told("ADL", 7, "<c n=\"bob\" l=\"3\" t=\"1\"/>"));
        assert!(answer.starts_with("ILN 7 NLN bob@example.com 1 Bob 0\r\n"), "{answer}");
        assert!(answer.ends_with("ADL 7 OK\r\n"), "{answer}");
        let heard = stage.heard(bob);
        let list = "<ml><d n=\"example.com\"><c n=\"alice\" t=\"1\" l=\"8\" f=\"Alice\"></c></d></ml>";
        let added = match dialect {
            Dialect::Msnp15 => format!("ADL 0 {}\r\n{list}", list.len()),
            _ => "ADC 0 RL N=alice@example.com F=Alice\r\n".to_owned(),
        };
        assert!(heard.contains(&added), "{heard}");
        assert_eq!(stage.say(alice, &told("RML", 8, "<c n=\"bob\" l=\"1\" t=\"1\"/>")), "RML 8 OK\r\n");
        let heard = stage.heard(bob);
        let removed = if dialect == Dialect::Msnp15 { "RML 0 " } else { "REM 0 RL alice@example.com\r\n" };
        assert!(heard.contains(removed), "{heard}");
        // It is so already, and that is right.
        assert_eq!(stage.say(alice, &told("RML", 9, "<c n=\"bob\" l=\"1\" t=\"1\"/>")), "RML 9 OK\r\n");
    }
}

#[test]
fn commands_of_lists_that_are_gone_are_refused() {
    let (mut stage, [alice, _]) = pair([Dialect::Msnp15; 2]);
    for line in ["SYN 7 0 0", "ADC 7 FL N=bob@example.com F=Bob", "GTC 7 A", "ADG 7 Friends"] {
        assert_eq!(stage.say(alice, &format!("{line}\r\n")), "502 7\r\n", "{line}");
    }
    assert_eq!(stage.say(alice, "BLP 8 AL\r\n"), "BLP 8 AL\r\n", "the same value is no error");
}
