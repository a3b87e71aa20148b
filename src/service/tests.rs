//! The rules, command by command, on a clock that only moves when told.

mod books;
mod clients;
mod offline;
mod roster;
mod tokens;

use std::time::{Duration, Instant};

use super::Rules;
use super::directory::parse_accounts;
use super::effect::{Effect, answer};
use super::ids::{ConnId, Door};
use super::world::{Servers, World};
use crate::msn::challenge::Product;
use crate::msn::command::{ClientCommand, Context, Link};
use crate::msn::dialect::Dialect;
use crate::msn::ids::HostPort;
use crate::msn::wire::{Direction, Framer, Limits};

const ACCOUNTS: &str = "alice@example.com,a,Alice\nbob@example.com,b,Bob\ncarol@example.com,c,Carol\n";

/// A world, what each connection was sent, and which were closed.
struct Stage {
    world: World,
    now: Instant,
    sent: Vec<(ConnId, String)>,
    closed: Vec<ConnId>,
}

impl Stage {
    fn new() -> Self {
        let server = |port| HostPort { host: "127.0.0.1".into(), port };
        let servers = Servers { notification: server(1863), switchboard: server(1864) };
        let accounts = parse_accounts(ACCOUNTS).unwrap();
        let world = World::new(Rules::default(), accounts, servers, 7);
        Self { world, now: Instant::now(), sent: Vec::new(), closed: Vec::new() }
    }

    fn connect(&mut self, door: Door) -> ConnId {
        self.world.connected(self.now, door, None)
    }

    /// Says lines and gives what the same connection was answered.
    fn say(&mut self, conn: ConnId, lines: &str) -> String {
        let door = self.world.connections.get(conn).map(|c| c.door);
        let link = if door == Some(Door::Switchboard) { Link::Switchboard } else { Link::Notification };
        let mut framer = Framer::new(Direction::FromClient, Limits { line: 8192, payload: 16_384 });
        framer.push(lines.as_bytes());
        let before = self.sent.len();
        while let Some(frame) = framer.next_frame().unwrap() {
            let command = ClientCommand::decode(&frame, Context { link, dialect: Dialect::Msnp12 });
            self.world.command(self.now, conn, command);
            self.collect();
        }
        self.sent[before..].iter().filter(|(to, _)| *to == conn).map(|(_, text)| text.as_str()).collect()
    }

    fn collect(&mut self) {
        for effect in self.world.take_effects() {
            match effect {
                Effect::Send(conn, dialect, command) => {
                    self.sent.push((conn, String::from_utf8(command.encode(dialect)).unwrap()));
                }
                Effect::Relay { to, message, sender: (conn, dialect), trid, wanted } => {
                    let text = |dialect| String::from_utf8(message.encode(dialect)).unwrap();
                    self.sent.extend(to.into_iter().map(|(conn, dialect)| (conn, text(dialect))));
                    let answer = answer(trid, wanted, true).map(|answer| answer.encode(dialect));
                    self.sent.extend(answer.map(|answer| (conn, String::from_utf8(answer).unwrap())));
                }
                Effect::Close(conn) => self.closed.push(conn),
            }
        }
    }

    /// What a connection was sent since this was asked last.
    fn heard(&mut self, conn: ConnId) -> String {
        let (own, others) = std::mem::take(&mut self.sent).into_iter().partition(|(to, _)| *to == conn);
        self.sent = others;
        let own: Vec<(ConnId, String)> = own;
        own.into_iter().map(|(_, text)| text).collect()
    }

    fn sign_in(&mut self, name: &str, dialect: Dialect) -> ConnId {
        let email = format!("{name}@example.com");
        let conn = self.connect(Door::Notification);
        self.say(
            conn,
            &format!("VER 1 {dialect} CVR0\r\nCVR 2 0x0409 winnt 5.1 i386 M 7 MSMSGS {email}\r\n"),
        );
        let ticket = self.world.issue_ticket(self.now, &email, &name[..1]).unwrap().text;
        let answer = self.say(conn, &format!("USR 3 TWN I {email}\r\nUSR 4 TWN S {ticket}\r\n"));
        assert!(answer.contains("USR 4 OK"), "{answer}");
        conn
    }

    fn online(&mut self, name: &str, dialect: Dialect) -> ConnId {
        let conn = self.sign_in(name, dialect);
        self.say(conn, "CHG 5 NLN 32\r\n");
        conn
    }

    /// Two who list and allow each other, both online.
    fn friends(&mut self) -> (ConnId, ConnId) {
        let (alice, bob) = (self.sign_in("alice", Dialect::Msnp11), self.sign_in("bob", Dialect::Msnp11));
        self.say(alice, "ADC 5 FL N=bob@example.com F=Bob\r\nADC 6 AL N=bob@example.com\r\nCHG 7 NLN 32\r\n");
        self.say(
            bob,
            "ADC 5 FL N=alice@example.com F=Alice\r\nADC 6 AL N=alice@example.com\r\nCHG 7 NLN 32\r\n",
        );
        self.sent.clear();
        (alice, bob)
    }

    fn word(text: &str, start: &str, index: usize) -> String {
        let line = text
            .lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("no {start} in {text}"));
        line.split(' ').nth(index).unwrap().to_owned()
    }

    /// A call of Alice's with Bob in it.
    fn call(&mut self, alice: ConnId, bob: ConnId) -> (ConnId, ConnId) {
        let assigned = self.say(alice, "XFR 20 SB\r\n");
        let cookie = Self::word(&assigned, "XFR", 5);
        let caller = self.connect(Door::Switchboard);
        self.say(caller, &format!("USR 1 alice@example.com {cookie}\r\nCAL 2 bob@example.com\r\n"));
        let ring = self.heard(bob);
        let (session, cookie) = (Self::word(&ring, "RNG", 1), Self::word(&ring, "RNG", 4));
        let callee = self.connect(Door::Switchboard);
        self.say(callee, &format!("ANS 1 bob@example.com {cookie} {session}\r\n"));
        (caller, callee)
    }

    fn is_closed(&self, conn: ConnId) -> bool {
        self.closed.contains(&conn)
    }
}

#[test]
fn conf_014_errors_repeat_the_number_of_the_request_and_nothing_else_brings_one() {
    let mut stage = Stage::new();
    let alice = stage.online("alice", Dialect::Msnp11);
    assert_eq!(stage.say(alice, "XFR 77 NS\r\n"), "201 77\r\n");
    assert_eq!(stage.say(alice, "CHG 78 ZZZ 0\r\n"), "201 78\r\n");
    assert_eq!(stage.say(alice, "XYZ 79 1\r\n"), "");
    stage.world.tick(stage.now);
    stage.collect();
    let is_error = |text: &str| text.as_bytes().first().is_some_and(u8::is_ascii_digit);
    let errors: Vec<_> = stage.sent.iter().filter(|(_, text)| is_error(text)).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
}

#[test]
fn conf_015_a_message_of_1664_bytes_is_relayed_and_one_more_closes() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.friends();
    let (caller, callee) = stage.call(alice, bob);
    let payload = |length: usize| {
        let head = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n";
        format!("{head}{}", "x".repeat(length - head.len()))
    };
    stage.say(caller, &format!("MSG 3 N 1664\r\n{}", payload(1664)));
    assert!(stage.heard(callee).ends_with(&payload(1664)));
    assert!(!stage.is_closed(caller));
    stage.say(caller, &format!("MSG 4 N 1665\r\n{}", payload(1665)));
    assert!(stage.is_closed(caller));
    assert_eq!(stage.heard(callee), "BYE alice@example.com\r\n");
}

#[test]
fn conf_016_without_a_common_version_the_answer_is_zero_and_the_end() {
    let mut stage = Stage::new();
    let conn = stage.connect(Door::Notification);
    assert_eq!(stage.say(conn, "VER 1 MSNP2 MSNP18 CVR0\r\n"), "VER 1 0\r\n");
    assert!(stage.is_closed(conn));
    let conn = stage.connect(Door::Notification);
    assert_eq!(stage.say(conn, "VER 1 MSNP18 MSNP9 MSNP8 CVR0\r\n"), "VER 1 MSNP9 CVR0\r\n");
    assert!(!stage.is_closed(conn));
}

#[test]
fn conf_018_a_second_ver_is_715_and_the_end() {
    let mut stage = Stage::new();
    let conn = stage.connect(Door::Notification);
    stage.say(conn, "VER 1 MSNP8\r\n");
    assert_eq!(stage.say(conn, "VER 2 MSNP8\r\n"), "715 2\r\n");
    assert!(stage.is_closed(conn));
    let alice = stage.sign_in("alice", Dialect::Msnp11);
    assert_eq!(stage.say(alice, "VER 9 MSNP8\r\n"), "715 9\r\n");
    assert!(stage.is_closed(alice));
}

#[test]
fn conf_021_the_dispatch_server_sends_everybody_on_and_closes() {
    let mut stage = Stage::new();
    let conn = stage.connect(Door::Dispatch);
    stage.say(conn, "VER 1 MSNP11\r\nCVR 2 0x0409 winnt 5.1 i386 M 7 MSMSGS alice@example.com\r\n");
    let answer = stage.say(conn, "USR 3 TWN I alice@example.com\r\n");
    assert_eq!(answer, "XFR 3 NS 127.0.0.1:1863 0 127.0.0.1:1863\r\n");
    assert!(stage.is_closed(conn));
    // The notification server asks for a ticket instead.
    let conn = stage.connect(Door::Notification);
    stage.say(conn, "VER 1 MSNP11\r\nCVR 2 0x0409 winnt 5.1 i386 M 7 MSMSGS alice@example.com\r\n");
    assert!(stage.say(conn, "USR 3 TWN I alice@example.com\r\n").starts_with("USR 3 TWN S lc=1033,"));
}

#[test]
fn conf_027_a_ticket_opens_only_its_own_account_and_the_welcome_fits_the_dialect() {
    for (dialect, welcome) in [
        (Dialect::Msnp8, "USR 4 OK alice@example.com Alice 1 0\r\n"),
        (Dialect::Msnp9, "USR 4 OK alice@example.com Alice 1 0\r\n"),
        (Dialect::Msnp10, "USR 4 OK alice@example.com 1 0\r\n"),
        (Dialect::Msnp12, "USR 4 OK alice@example.com 1 0\r\n"),
    ] {
        let mut stage = Stage::new();
        let conn = stage.connect(Door::Notification);
        stage.say(conn, &format!("VER 1 {dialect}\r\nCVR 2 0x0409 winnt 5.1 i386 M 7 MSMSGS a@b.c\r\n"));
        let ticket = stage.world.issue_ticket(stage.now, "alice@example.com", "a").unwrap().text;
        let answer = stage.say(conn, &format!("USR 3 TWN I alice@example.com\r\nUSR 4 TWN S {ticket}\r\n"));
        assert!(answer.contains(welcome), "{answer}");
    }
    for email in ["bob@example.com", "alice@example.com"] {
        let mut stage = Stage::new();
        let conn = stage.connect(Door::Notification);
        stage.say(conn, "VER 1 MSNP11\r\nCVR 2 0x0409 winnt 5.1 i386 M 7 MSMSGS a@b.c\r\n");
        let ticket = match email {
            "bob@example.com" => stage.world.issue_ticket(stage.now, "alice@example.com", "a").unwrap().text,
            _ => "t=made&p=up".to_owned(),
        };
        let answer = stage.say(conn, &format!("USR 3 TWN I {email}\r\nUSR 4 TWN S {ticket}\r\n"));
        assert!(answer.ends_with("911 4\r\n"), "{answer}");
        assert!(stage.is_closed(conn));
    }
}

#[test]
fn conf_030_mobile_credits_come_before_the_profile_and_only_from_msnp11() {
    for dialect in Dialect::COMPLETE {
        let mut stage = Stage::new();
        let conn = stage.sign_in("alice", dialect);
        let heard = stage.heard(conn);
        let (credits, profile) = (heard.find("SBS 0 null"), heard.find("text/x-msmsgsprofile"));
        assert!(profile.is_some(), "{dialect}");
        assert_eq!(credits.is_some(), dialect.has_personal_message(), "{dialect}");
        assert!(credits.is_none_or(|credits| Some(credits) < profile));
    }
}

#[test]
fn conf_032_before_signing_in_little_may_be_said() {
    let answered =
        [("CHG 3 NLN 0\r\n", "715 3\r\n"), ("SYN 3 0\r\n", "715 3\r\n"), ("XFR 3 SB\r\n", "715 3\r\n")];
    let silent = ["PNG\r\n", "XYZ 3\r\n", "MSG 3 U 2\r\nhi", "OUT\r\n"].map(|line| (line, ""));
    for (line, answer) in answered.into_iter().chain(silent) {
        let mut stage = Stage::new();
        let conn = stage.connect(Door::Notification);
        stage.say(conn, "VER 1 MSNP11\r\nCVR 2 0x0409 winnt 5.1 i386 M 7 MSMSGS a@b.c\r\n");
        assert_eq!(stage.say(conn, line), answer, "{line}");
        assert!(stage.is_closed(conn), "{line}");
    }
    // And a message to the notification server never.
    let mut stage = Stage::new();
    let alice = stage.online("alice", Dialect::Msnp11);
    assert_eq!(stage.say(alice, "MSG 3 U 2\r\nhi"), "");
    assert!(stage.is_closed(alice));
}

#[test]
fn conf_033_a_second_sign_in_ends_the_first() {
    let mut stage = Stage::new();
    let first = stage.online("alice", Dialect::Msnp11);
    stage.heard(first);
    let second = stage.sign_in("alice", Dialect::Msnp11);
    assert_eq!(stage.heard(first), "OUT OTH\r\n");
    assert!(stage.is_closed(first) && !stage.is_closed(second));
}

#[test]
fn conf_052_nobody_is_seen_or_heard_before_their_first_status() {
    let mut stage = Stage::new();
    let alice = stage.sign_in("alice", Dialect::Msnp11);
    let bob = stage.online("bob", Dialect::Msnp11);
    assert_eq!(stage.say(alice, "XFR 5 SB\r\n"), "913 5\r\n");
    stage.heard(bob);
    stage.say(bob, "ADC 6 FL N=alice@example.com F=Alice\r\n");
    assert!(!stage.heard(bob).contains("NLN"));
    stage.say(alice, "CHG 6 NLN 0\r\n");
    assert!(stage.heard(bob).contains("NLN NLN alice@example.com Alice 0\r\n"));
    assert!(stage.say(alice, "XFR 7 SB\r\n").starts_with("XFR 7 SB 127.0.0.1:1864 CKI "));
}

#[test]
fn conf_053_the_first_status_brings_who_is_there_and_later_ones_do_not() {
    let mut stage = Stage::new();
    let (alice, _bob) = stage.friends();
    stage.say(alice, "OUT\r\n");
    let alice = stage.sign_in("alice", Dialect::Msnp11);
    let first = stage.say(alice, "CHG 9 NLN 0\r\n");
    assert!(first.contains("ILN 9 NLN bob@example.com Bob 32\r\n"), "{first}");
    assert!(first.contains("CHL 0 "));
    assert_eq!(stage.say(alice, "CHG 10 BSY 0\r\n"), "CHG 10 BSY 0\r\n");
}

#[test]
fn conf_054_offline_cannot_be_asked_for_and_hidden_is_offline_to_others() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.friends();
    assert_eq!(stage.say(alice, "CHG 9 FLN 0\r\n"), "201 9\r\n");
    assert_eq!(stage.heard(bob), "");
    stage.say(alice, "CHG 10 HDN 0\r\n");
    assert_eq!(stage.heard(bob), "FLN alice@example.com\r\n");
    assert_eq!(stage.say(alice, "XFR 11 SB\r\n"), "913 11\r\n");
}

#[test]
fn conf_056_a_block_is_an_absence_and_an_unblock_a_return() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.friends();
    stage.say(alice, "REM 9 AL bob@example.com\r\nADC 10 BL N=bob@example.com\r\n");
    assert!(stage.heard(bob).contains("FLN alice@example.com"));
    stage.say(alice, "CHG 11 BSY 0\r\n");
    let heard = stage.heard(bob);
    assert!(!heard.contains("NLN"), "{heard}");
    stage.say(alice, "REM 12 BL bob@example.com\r\nADC 13 AL N=bob@example.com\r\n");
    assert!(stage.heard(bob).contains("NLN BSY alice@example.com"));
}

#[test]
fn conf_058_an_object_reaches_others_unchanged() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.friends();
    let object = "%3Cmsnobj%20Creator%3D%22alice%40example%2ecom%22%20Size%3D%225%22%2F%3E";
    stage.say(alice, &format!("CHG 9 NLN 32 {object}\r\n"));
    assert_eq!(stage.heard(bob), format!("NLN NLN alice@example.com Alice 32 {object}\r\n"));
    stage.say(alice, "CHG 10 NLN 32 0\r\n");
    assert_eq!(stage.heard(bob), "NLN NLN alice@example.com Alice 32\r\n");
}

#[test]
fn conf_055_every_form_of_chg_is_taken_and_msnp8_is_told_of_no_objects() {
    let object = "%3Cmsnobj%20Creator%3D%22a%22%2F%3E";
    for (dialect, form, shown) in [
        (Dialect::Msnp8, "NLN 4".to_owned(), "NLN NLN alice@example.com Alice 4\r\n".to_owned()),
        (Dialect::Msnp8, format!("NLN 4 {object}"), "NLN NLN alice@example.com Alice 4\r\n".into()),
        (
            Dialect::Msnp9,
            format!("NLN 4 {object}"),
            format!("NLN NLN alice@example.com Alice 4 {object}\r\n"),
        ),
        (Dialect::Msnp9, "NLN 4 0".into(), "NLN NLN alice@example.com Alice 4\r\n".into()),
        (Dialect::Msnp9, "NLN 4 %3Cmsnobj%2F%3E".into(), "NLN NLN alice@example.com Alice 4\r\n".into()),
    ] {
        let mut stage = Stage::new();
        let (alice, bob) = stage.friends();
        stage.say(bob, "OUT\r\n");
        let bob = stage.online("bob", dialect);
        stage.heard(bob);
        let answer = stage.say(alice, &format!("CHG 9 {form}\r\n"));
        assert!(answer.starts_with("CHG 9 NLN 4"), "{answer}");
        assert_eq!(stage.heard(bob), shown, "{dialect} {form}");
    }
    // The rule broken: a number that is none.
    let mut stage = Stage::new();
    let (alice, _) = stage.friends();
    assert_eq!(stage.say(alice, "CHG 9 NLN four\r\n"), "201 9\r\n");
}

#[test]
fn conf_076_a_format_is_relayed_as_it_came() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.friends();
    let (caller, callee) = stage.call(alice, bob);
    stage.heard(callee);
    for format in ["FN=MS%20Sans%20Serif; EF=; CO=0; CS=0; PF=0", "CO=ff; FN=%E6%96%B0; EF=SUIB; RL=1", ""] {
        let payload = format!(
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nX-MMS-IM-Format: {format}\r\n\r\nx"
        );
        stage.say(caller, &format!("MSG 9 U {}\r\n{payload}", payload.len()));
        assert!(stage.heard(callee).ends_with(&payload), "{format}");
    }
}

#[test]
fn conf_059_a_personal_message_reaches_msnp11_and_nobody_before_it() {
    let data = "<Data><PSM>hi &amp; ho</PSM><CurrentMedia></CurrentMedia></Data>";
    for dialect in [Dialect::Msnp11, Dialect::Msnp9] {
        let mut stage = Stage::new();
        let (alice, bob) = stage.friends();
        stage.say(bob, "OUT\r\n");
        let bob = stage.online("bob", dialect);
        stage.heard(bob);
        let answer = stage.say(alice, &format!("UUX 9 {}\r\n{data}", data.len()));
        assert_eq!(answer, "UUX 9 0\r\n");
        let expected = match dialect {
            Dialect::Msnp11 => format!("UBX alice@example.com {}\r\n{data}", data.len()),
            _ => String::new(),
        };
        assert_eq!(stage.heard(bob), expected, "{dialect}");
    }
}

#[test]
fn conf_062_a_wrong_answer_to_the_challenge_ends_the_session() {
    for right in [true, false] {
        let mut stage = Stage::new();
        let alice = stage.sign_in("alice", Dialect::Msnp11);
        let heard = stage.say(alice, "CHG 5 NLN 0\r\n");
        let challenge = Stage::word(&heard, "CHL", 2);
        let product = Product::published("PROD0090YUAUV{2B", Dialect::Msnp11).unwrap();
        let answer = if right { product.answer(&challenge, Dialect::Msnp11) } else { "0".repeat(32) };
        let reply = stage.say(alice, &format!("QRY 6 {} 32\r\n{answer}", product.id));
        assert_eq!(reply, if right { "QRY 6\r\n" } else { "540 6\r\n" });
        assert_eq!(stage.is_closed(alice), !right);
    }
}

#[test]
fn conf_064_a_ping_is_answered_with_an_interval_from_msnp9_on() {
    for (dialect, answer) in
        [(Dialect::Msnp8, "QNG\r\n"), (Dialect::Msnp9, "QNG 50\r\n"), (Dialect::Msnp12, "QNG 50\r\n")]
    {
        let mut stage = Stage::new();
        let alice = stage.sign_in("alice", dialect);
        assert_eq!(stage.say(alice, "PNG\r\n"), answer, "{dialect}");
    }
}

#[test]
fn conf_066_a_cookie_works_once_for_its_owner_and_a_silent_connection_is_closed() {
    let mut stage = Stage::new();
    let (alice, _) = stage.friends();
    let cookie = Stage::word(&stage.say(alice, "XFR 9 SB\r\n"), "XFR", 5);
    let first = stage.connect(Door::Switchboard);
    let welcome = stage.say(first, &format!("USR 1 alice@example.com {cookie}\r\n"));
    assert_eq!(welcome, "USR 1 OK alice@example.com Alice\r\n");
    let again = stage.connect(Door::Switchboard);
    assert_eq!(stage.say(again, &format!("USR 1 alice@example.com {cookie}\r\n")), "911 1\r\n");
    assert!(stage.is_closed(again) && !stage.is_closed(first));
    let cookie = Stage::word(&stage.say(alice, "XFR 10 SB\r\n"), "XFR", 5);
    let other = stage.connect(Door::Switchboard);
    assert_eq!(stage.say(other, &format!("USR 1 bob@example.com {cookie}\r\n")), "911 1\r\n");
    let silent = stage.connect(Door::Switchboard);
    stage.world.tick(stage.now + Duration::from_secs(59));
    stage.collect();
    assert!(!stage.is_closed(silent));
    stage.world.tick(stage.now + Duration::from_secs(60));
    stage.collect();
    assert!(stage.is_closed(silent));
}

#[test]
fn conf_067_a_call_rings_who_is_there_and_names_why_not() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.friends();
    let cookie = Stage::word(&stage.say(alice, "XFR 9 SB\r\n"), "XFR", 5);
    let board = stage.connect(Door::Switchboard);
    stage.say(board, &format!("USR 1 alice@example.com {cookie}\r\n"));
    let ringing = stage.say(board, "CAL 2 bob@example.com\r\n");
    assert!(ringing.starts_with("CAL 2 RINGING "), "{ringing}");
    let ring = stage.heard(bob);
    assert!(ring.starts_with("RNG ") && ring.trim_end().ends_with(" alice@example.com Alice"), "{ring}");
    for (line, answer) in [
        ("CAL 3 bob@example.com\r\n", "215 3\r\n"),
        ("CAL 4 alice@example.com\r\n", "215 4\r\n"),
        ("CAL 5 carol@example.com\r\n", "217 5\r\n"),
        ("CAL 6 nobody@example.com\r\n", "217 6\r\n"),
        ("CAL 7 garbage\r\n", "208 7\r\n"),
    ] {
        assert_eq!(stage.say(board, line), answer);
    }
    let carol = stage.online("carol", Dialect::Msnp11);
    stage.say(carol, "ADC 6 BL N=alice@example.com\r\n");
    assert_eq!(stage.say(board, "CAL 8 carol@example.com\r\n"), "216 8\r\n");
    assert!(!stage.is_closed(board));
}

#[test]
fn conf_068_an_answer_lists_who_is_there_and_tells_them() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.friends();
    let (caller, callee) = stage.call(alice, bob);
    assert!(stage.heard(callee).ends_with("IRO 1 1 1 alice@example.com Alice\r\nANS 1 OK\r\n"));
    assert!(stage.heard(caller).ends_with("JOI bob@example.com Bob\r\n"));
    let carol = stage.online("carol", Dialect::Msnp12);
    stage.heard(carol);
    stage.say(callee, "CAL 2 carol@example.com\r\n");
    let ring = stage.heard(carol);
    let (session, cookie) = (Stage::word(&ring, "RNG", 1), Stage::word(&ring, "RNG", 4));
    let third = stage.connect(Door::Switchboard);
    let wrong = stage.connect(Door::Switchboard);
    assert_eq!(stage.say(wrong, &format!("ANS 1 carol@example.com made-up {session}\r\n")), "911 1\r\n");
    let answer = stage.say(third, &format!("ANS 7 carol@example.com {cookie} {session}\r\n"));
    assert_eq!(
        answer,
        "IRO 7 1 2 alice@example.com Alice 32\r\nIRO 7 2 2 bob@example.com Bob 32\r\nANS 7 OK\r\n"
    );
}

#[test]
fn conf_070_each_kind_of_acknowledgement_is_answered_its_own_way() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.friends();
    let (caller, callee) = stage.call(alice, bob);
    let text = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nhi";
    let peer =
        format!("MIME-Version: 1.0\r\nContent-Type: application/x-msnmsgrp2p\r\n\r\n{}", "\0".repeat(52));
    let message = |id: u32, kind: &str, body: &str| format!("MSG {id} {kind} {}\r\n{body}", body.len());
    stage.heard(callee);
    for (kind, body, answer) in [
        ("U", text, ""),
        ("N", text, ""),
        ("A", text, "ACK 9\r\n"),
        ("S", text, "ACK 9\r\n"),
        ("D", peer.as_str(), "ACK 9\r\n"),
        ("D", text, "ACK 9\r\n"),
    ] {
        assert_eq!(stage.say(caller, &message(9, kind, body)), answer, "{kind}");
        assert!(stage.heard(callee).starts_with("MSG alice@example.com Alice "));
    }
    for broken in [&peer[..peer.len() - 1], "no message"] {
        assert_eq!(stage.say(caller, &message(9, "D", broken)), "282 9\r\n");
        assert_eq!(stage.heard(callee), "");
    }
    stage.say(callee, "OUT\r\n");
    stage.heard(caller);
    for (kind, answer) in [("U", ""), ("N", "NAK 9\r\n"), ("A", "NAK 9\r\n"), ("S", "")] {
        assert_eq!(stage.say(caller, &message(9, kind, text)), answer, "alone, {kind}");
    }
    stage.say(caller, &message(9, "X", text));
    assert!(stage.is_closed(caller));
}

#[test]
fn conf_072_leaving_and_being_dropped_for_idling_are_told_apart() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.friends();
    let (caller, callee) = stage.call(alice, bob);
    stage.heard(caller);
    stage.heard(callee);
    stage.world.tick(stage.now + Duration::from_secs(299));
    stage.collect();
    assert!(!stage.is_closed(caller));
    stage.world.tick(stage.now + Duration::from_secs(300));
    stage.collect();
    assert!(stage.is_closed(caller));
    assert_eq!(stage.heard(callee), "BYE alice@example.com 1\r\n");
    let (alice, bob) = (alice, bob);
    let (caller, callee) = stage.call(alice, bob);
    stage.heard(callee);
    stage.say(caller, "OUT\r\n");
    assert_eq!(stage.heard(callee), "BYE alice@example.com\r\n");
}

#[test]
fn somebody_who_adds_me_shows_at_once_and_in_the_lists() {
    let mut stage = Stage::new();
    let alice = stage.online("alice", Dialect::Msnp11);
    let bob = stage.online("bob", Dialect::Msnp8);
    stage.heard(alice);
    stage.say(bob, "ADD 9 FL alice@example.com Alice\r\n");
    assert_eq!(stage.heard(alice), "ADC 0 RL N=bob@example.com F=Bob\r\n");
    let lists = stage.say(alice, "SYN 10 0 0\r\n");
    assert!(lists.contains("LST N=bob@example.com F=Bob 24\r\n"), "{lists}");
    let lists = stage.say(bob, "SYN 10 0\r\n");
    assert!(lists.contains("LST alice@example.com Alice 1 0\r\n"), "{lists}");
}
