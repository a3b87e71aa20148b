//! Dialogues with a scripted server, on a clock that only moves when told.

mod books;
mod changes;
mod listeners;
mod silence;
mod strays;
mod tokens;

use std::time::{Duration, Instant};

use super::*;
use crate::msn::command::{Acknowledge, ErrorCode, ListKind, SignOut, Status};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Capabilities, Cookie, Email, SessionId, Ticket};
use crate::msn::message::{Content, PersonalMessage};

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn notification(now: Instant, dialects: &[Dialect]) -> NotificationSession {
    with_lists(now, dialects, Roster::default())
}

fn with_lists(now: Instant, dialects: &[Dialect], roster: Roster) -> NotificationSession {
    signing_in(now, dialects, roster, true)
}

fn signing_in(now: Instant, dialects: &[Dialect], roster: Roster, pings: bool) -> NotificationSession {
    let identity = Identity {
        email: email("alice@example.com"),
        dialects: dialects.to_vec(),
        client: "MSNMSGR".into(),
        client_version: "7.0.0813".into(),
        locale: "0x0409".into(),
    };
    let start = Start {
        product: None,
        status: Status::Online,
        capabilities: Capabilities(Capabilities::MULTI_PACKET),
        personal: PersonalMessage::default(),
        object: None,
        roster,
        pings,
    };
    NotificationSession::new(now, identity, start)
}

fn written<M: Machine>(machine: &mut M) -> String {
    std::iter::from_fn(|| machine.poll_output()).map(|b| String::from_utf8(b).unwrap()).collect()
}

fn events<M: Machine>(machine: &mut M) -> Vec<M::Event> {
    std::iter::from_fn(|| machine.poll_event()).collect()
}

/// Signs in up to the complete lists; gives what was written after `USR OK`.
fn signed_in(now: Instant, dialect: Dialect) -> NotificationSession {
    sign_in(now, dialect, notification(now, &[dialect]))
}

fn sign_in(now: Instant, dialect: Dialect, mut session: NotificationSession) -> NotificationSession {
    let say =
        |session: &mut NotificationSession, text: &str| session.handle_input(now, text.as_bytes()).unwrap();
    say(&mut session, &format!("VER 1 {dialect}\r\nCVR 2 1 1 1 http://x http://y\r\n"));
    say(&mut session, "USR 3 TWN S ct=1,rver=1,lc=1,id=1\r\n");
    session.provide_ticket(now, Ticket::new("t=1&p=2"));
    let welcome = if dialect.has_guids() { "alice@example.com 1 0" } else { "alice@example.com Alice 1 0" };
    say(&mut session, &format!("USR 4 OK {welcome}\r\n"));
    let stamp = if dialect.has_guids() { "a b 0 0\r\nPRP MFN Alice" } else { "7 0 0" };
    say(&mut session, &format!("SYN 5 {stamp}\r\n"));
    written(&mut session);
    events(&mut session);
    session
}

#[test]
fn conf_009_numbers_rise_by_one_from_the_first_and_pings_have_none() {
    let now = Instant::now();
    let mut session = notification(now, &[Dialect::Msnp11, Dialect::Msnp10]);
    assert_eq!(written(&mut session), "VER 1 MSNP11 MSNP10 CVR0\r\n");
    session.handle_input(now, b"VER 1 MSNP11\r\n").unwrap();
    assert!(written(&mut session).starts_with("CVR 2 0x0409 winnt 5.1 i386 MSNMSGR 7.0.0813 MSMSGS alice@"));
    session.handle_input(now, b"CVR 2 1 1 1 x y\r\n").unwrap();
    assert_eq!(written(&mut session), "USR 3 TWN I alice@example.com\r\n");
    let mut session = signed_in(now, Dialect::Msnp11);
    session.handle_timeout(now + Duration::from_secs(45)).unwrap();
    session.sign_out();
    assert_eq!(written(&mut session), "PNG\r\nOUT\r\n");
}

#[test]
fn conf_017_the_first_version_of_the_reply_counts_and_must_have_been_offered() {
    let now = Instant::now();
    let mut session = notification(now, &[Dialect::Msnp11, Dialect::Msnp8]);
    session.handle_input(now, b"VER 1 MSNP8 MSNP11 CVR0\r\n").unwrap();
    assert_eq!(session.dialect(), Dialect::Msnp8);
    let mut session = notification(now, &[Dialect::Msnp11]);
    let refused = session.handle_input(now, b"VER 1 MSNP12\r\n").unwrap_err();
    assert_eq!(refused, LoginFailure::DialectNotOffered("MSNP12".into()).into());
    let mut session = notification(now, &[Dialect::Msnp11]);
    assert_eq!(session.handle_input(now, b"VER 1 0\r\n"), Err(LoginFailure::NoCommonDialect.into()));
}

#[test]
fn conf_008_lines_between_a_request_and_its_reply_are_not_lost() {
    let now = Instant::now();
    let mut session = signed_in(now, Dialect::Msnp11);
    let request = session.request_switchboard(now);
    let reply = format!("NLN BSY bob@example.com Bob 0\r\nXFR {request} SB 127.0.0.1:1864 CKI 17.1\r\n");
    session.handle_input(now, reply.as_bytes()).unwrap();
    let events = events(&mut session);
    assert!(matches!(&events[0], NotificationEvent::PresenceChanged(c) if c.status == Status::Busy));
    assert!(matches!(&events[1], NotificationEvent::SwitchboardReady { request: r, .. } if *r == request));
    assert_eq!(events.len(), 2);
}

#[test]
fn conf_013_an_error_fails_the_request_with_its_number_and_no_other() {
    let now = Instant::now();
    let mut session = signed_in(now, Dialect::Msnp11);
    let first = session.request_switchboard(now);
    let second = session.request_switchboard(now);
    session.handle_input(now, format!("800 {second}\r\n").as_bytes()).unwrap();
    session.handle_input(now, format!("XFR {first} SB 127.0.0.1:1864 CKI 17.1\r\n").as_bytes()).unwrap();
    let events = events(&mut session);
    assert!(
        matches!(&events[0], NotificationEvent::SwitchboardRefused { request, .. } if *request == second)
    );
    assert!(matches!(&events[1], NotificationEvent::SwitchboardReady { request, .. } if *request == first));
}

#[test]
fn conf_022_the_policy_is_handed_on_unchanged() {
    let now = Instant::now();
    let mut session = notification(now, &[Dialect::Msnp11]);
    session
        .handle_input(now, b"VER 1 MSNP11\r\nCVR 2 a\r\nUSR 3 TWN S ct=1,ru=http%3A%2F%2Fx%2Emsn,tw=40\r\n")
        .unwrap();
    let policy = "ct=1,ru=http%3A%2F%2Fx%2Emsn,tw=40".to_owned();
    assert_eq!(events(&mut session), [NotificationEvent::TicketWanted { policy }]);
}

#[test]
fn conf_031_the_profile_counts_before_and_after_the_lists() {
    let now = Instant::now();
    let profile = "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsprofile\r\nClientIP: 192.0.2.7\r\n\r\n";
    let message = format!("MSG Hotmail Hotmail {}\r\n{profile}", profile.len());
    let learned = NotificationEvent::AddressLearned("192.0.2.7".parse().unwrap());
    let mut late = signed_in(now, Dialect::Msnp11);
    late.handle_input(now, message.as_bytes()).unwrap();
    assert_eq!(events(&mut late), std::slice::from_ref(&learned));
    let mut early = notification(now, &[Dialect::Msnp11]);
    early.handle_input(now, format!("{message}VER 1 MSNP11\r\n").as_bytes()).unwrap();
    assert_eq!(events(&mut early), [learned]);
    assert!(written(&mut early).contains("CVR 2"));
}

#[test]
fn conf_034_being_signed_out_names_the_reason() {
    let now = Instant::now();
    for (line, reason) in [
        ("OUT OTH\r\n", SignOut::Elsewhere),
        ("OUT SSD\r\n", SignOut::ShuttingDown),
        ("OUT RCT 5\r\n", SignOut::ReconnectIn { minutes: 5 }),
    ] {
        let mut session = signed_in(now, Dialect::Msnp11);
        let ended = session.handle_input(now, line.as_bytes()).unwrap_err();
        assert_eq!(ended, SessionError::SignedOut(reason));
    }
}

#[test]
fn conf_036_the_lists_are_complete_when_everything_announced_has_come() {
    let now = Instant::now();
    let mut session = notification(now, &[Dialect::Msnp11]);
    session.handle_input(now, b"VER 1 MSNP11\r\nCVR 2 a\r\nUSR 3 TWN S p\r\n").unwrap();
    session.provide_ticket(now, Ticket::new("t"));
    session
        .handle_input(now, b"USR 4 OK alice@example.com 1 0\r\nSYN 5 a b 2 1\r\nGTC A\r\nBLP AL\r\n")
        .unwrap();
    session
        .handle_input(now, b"LSG Friends g1\r\nLST N=bob@example.com F=Bob C=c1 11 g1\r\nBPR MOB Y\r\n")
        .unwrap();
    written(&mut session);
    assert!(!events(&mut session).contains(&NotificationEvent::RosterLoaded));
    session.handle_input(now, b"LST N=dave@example.com 8\r\nBPR PHH 555%201234\r\n").unwrap();
    assert!(events(&mut session).contains(&NotificationEvent::RosterLoaded));
    let out = written(&mut session);
    assert!(out.starts_with("GCF 6 Shields.xml\r\nCHG 7 NLN 32\r\nUUX 8 53\r\n"), "{out}");
    assert_eq!(session.roster().contacts().count(), 2);
}

#[test]
fn conf_036_no_contacts_and_no_groups_are_complete_at_once() {
    let now = Instant::now();
    let mut session = notification(now, &[Dialect::Msnp8]);
    session.handle_input(now, b"VER 1 MSNP8\r\nCVR 2 a\r\nUSR 3 TWN S p\r\n").unwrap();
    session.provide_ticket(now, Ticket::new("t"));
    session.handle_input(now, b"USR 4 OK alice@example.com Alice%20L 1 0\r\nSYN 5 7 0 0\r\n").unwrap();
    assert!(written(&mut session).ends_with("SYN 5 0\r\nCHG 6 NLN 32\r\n"));
    assert_eq!(session.name(), "Alice L");
}

#[test]
fn conf_035_unchanged_stamps_keep_the_lists() {
    let now = Instant::now();
    let mut session = notification(now, &[Dialect::Msnp11]);
    session.handle_input(now, b"VER 1 MSNP11\r\nCVR 2 a\r\nUSR 3 TWN S p\r\n").unwrap();
    session.provide_ticket(now, Ticket::new("t"));
    session
        .handle_input(
            now,
            b"USR 4 OK alice@example.com 1 0\r\nSYN 5 a b 1 0\r\nLST N=bob@e.c F=Bob C=1 3\r\n",
        )
        .unwrap();
    let roster = session.roster().clone();

    let mut again = with_lists(now, &[Dialect::Msnp11], roster);
    again.handle_input(now, b"VER 1 MSNP11\r\nCVR 2 a\r\nUSR 3 TWN S p\r\n").unwrap();
    again.provide_ticket(now, Ticket::new("t"));
    again.handle_input(now, b"USR 4 OK alice@example.com 1 0\r\n").unwrap();
    assert!(written(&mut again).ends_with("SYN 5 a b\r\n"));
    again.handle_input(now, b"SYN 5 a b\r\n").unwrap();
    assert!(events(&mut again).contains(&NotificationEvent::RosterLoaded));
    assert!(again.roster().contact(&email("bob@e.c")).is_some_and(|c| c.lists.has(ListKind::Allow)));
    // The rule broken: a reply with counts starts anew.
    again.handle_input(now, b"SYN 5 a c 0 0\r\n").unwrap();
    assert_eq!(again.roster().contacts().count(), 0);
}

#[test]
fn conf_037_a_property_belongs_to_the_contact_before_it() {
    let now = Instant::now();
    let mut session = signed_in(now, Dialect::Msnp11);
    session
        .handle_input(now, b"SYN 5 a d 2 0\r\nLST N=bob@e.c F=Bob 3\r\nBPR PHH 1%202\r\nBPR PHW\r\n")
        .unwrap();
    session.handle_input(now, b"LST N=eve@e.c F=Eve 3\r\nBPR MOB Y\r\nBPR bob@e.c PHM 9\r\n").unwrap();
    let properties = |who: &str| session.roster().contact(&email(who)).unwrap().properties.clone();
    assert_eq!(properties("bob@e.c").get("PHH").map(String::as_str), Some("1 2"));
    assert_eq!(properties("bob@e.c").get("PHM").map(String::as_str), Some("9"));
    assert_eq!(properties("eve@e.c").get("MOB").map(String::as_str), Some("Y"));
    assert_eq!(properties("eve@e.c").len(), 1);
}

#[test]
fn conf_062_challenges_are_answered_and_a_wrong_answer_is_the_end() {
    let now = Instant::now();
    let mut session = signed_in(now, Dialect::Msnp11);
    session.handle_input(now, b"CHL 0 22210219642164014968\r\n").unwrap();
    assert!(written(&mut session).ends_with("PROD0090YUAUV{2B 32\r\n85ecb0db8f32113df79ce0892b9a102c"));
    let refused = session.handle_input(now, b"540 9\r\n").unwrap_err();
    assert_eq!(refused, SessionError::Refused(ErrorCode::WRONG_CHALLENGE));
}

#[test]
fn conf_063_a_session_lives_without_challenge_and_without_confirmation() {
    let now = Instant::now();
    let mut session = signed_in(now, Dialect::Msnp11);
    session.handle_input(now, b"CHL 0 22210219642164014968\r\n").unwrap();
    // The answer to QRY never comes: its time passes and the session goes on.
    assert_eq!(session.handle_timeout(now + Duration::from_secs(44)), Ok(()));
    assert!(session.is_signed_in());
}

#[test]
fn conf_064_the_interval_that_the_server_names_is_kept_and_silence_is_the_end() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let mut session = signed_in(now, Dialect::Msnp11);
    session.handle_timeout(at(45)).unwrap();
    assert_eq!(written(&mut session), "PNG\r\n");
    session.handle_input(at(46), b"QNG 30\r\n").unwrap();
    session.handle_timeout(at(60)).unwrap();
    assert_eq!(written(&mut session), "");
    session.handle_timeout(at(71)).unwrap();
    assert_eq!(written(&mut session), "PNG\r\n");
    session.handle_timeout(at(100)).unwrap();
    assert_eq!(session.handle_timeout(at(121)), Err(SessionError::TimedOut("PNG")));
    let mut eight = signed_in(now, Dialect::Msnp8);
    eight.handle_timeout(at(45)).unwrap();
    eight.handle_input(at(46), b"QNG\r\n").unwrap();
    assert_eq!(eight.handle_timeout(at(89)), Ok(()));
}

#[test]
fn conf_059_a_personal_message_is_kept_with_the_contact() {
    let now = Instant::now();
    let mut session = signed_in(now, Dialect::Msnp11);
    let data = "<Data><PSM>hi &amp; ho</PSM><CurrentMedia></CurrentMedia></Data>";
    let line = format!("UBX bob@e.c {}\r\n{data}NLN NLN bob@e.c Bob 0\r\nUBX bob@e.c 0\r\n", data.len());
    session.handle_input(now, line.as_bytes()).unwrap();
    let texts: Vec<String> = events(&mut session)
        .into_iter()
        .filter_map(|event| match event {
            NotificationEvent::PresenceChanged(contact) => Some(contact.personal.text),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["hi & ho", "hi & ho", ""]);
}

fn call(now: Instant) -> SwitchboardSession {
    let cookie = Cookie::new("17.1");
    let mut call =
        SwitchboardSession::call(now, Dialect::Msnp11, email("alice@e.c"), cookie, vec![email("bob@e.c")]);
    assert_eq!(written(&mut call), "USR 1 alice@e.c 17.1\r\n");
    call
}

fn delivered(handle: MessageHandle) -> CallEvent {
    CallEvent::Delivered { handle, missed_by: Vec::new() }
}

fn text(line: &str) -> bytes::Bytes {
    Content::text(line, None).encode().into()
}

#[test]
fn conf_069_text_waits_for_the_first_member_and_is_not_lost_when_nobody_comes() {
    let now = Instant::now();
    let mut session = call(now);
    let handle = session.send(now, Acknowledge::Always, text("hi"));
    session.handle_input(now, b"USR 1 OK alice@e.c Alice\r\n").unwrap();
    assert_eq!(written(&mut session), "CAL 2 bob@e.c\r\n");
    session.handle_input(now, b"CAL 2 RINGING 11\r\nJOI bob@e.c Bob\r\n").unwrap();
    assert!(written(&mut session).starts_with("MSG 3 A "));
    session.handle_input(now, b"ACK 3\r\n").unwrap();
    assert!(events(&mut session).contains(&delivered(handle)));

    for (reply, later, failure) in [
        ("217 2\r\n", 0, InviteFailure::Refused(ErrorCode::NOT_ONLINE)),
        ("CAL 2 RINGING 11\r\n", 25, InviteFailure::NoAnswer),
    ] {
        let mut session = call(now);
        let handle = session.send(now, Acknowledge::Always, text("hi"));
        session.handle_input(now, b"USR 1 OK alice@e.c Alice\r\n").unwrap();
        session.handle_input(now, reply.as_bytes()).unwrap();
        session.handle_timeout(now + Duration::from_secs(later)).unwrap();
        let failed = CallEvent::Failed(handle, SendFailure::NobodyThere(failure));
        assert!(events(&mut session).contains(&failed), "{reply}");
    }
}

#[test]
fn conf_071_nak_fails_and_ack_delivers() {
    let now = Instant::now();
    let mut session = call(now);
    session.handle_input(now, b"USR 1 OK alice@e.c Alice\r\nJOI bob@e.c Bob\r\n").unwrap();
    let (first, second, third) = (
        session.send(now, Acknowledge::Always, text("1")),
        session.send(now, Acknowledge::Always, text("2")),
        session.send(now, Acknowledge::Always, text("3")),
    );
    session.handle_input(now, b"NAK 4\r\nACK 3\r\nACK 99\r\n").unwrap();
    session.handle_timeout(now + Duration::from_secs(120)).unwrap();
    let events = events(&mut session);
    assert!(events.contains(&delivered(first)));
    assert!(events.contains(&CallEvent::Failed(second, SendFailure::NotDelivered)));
    assert!(events.contains(&CallEvent::Failed(third, SendFailure::Unconfirmed)));
}

#[test]
fn conf_103_over_http_there_are_no_pings() {
    let now = Instant::now();
    for (pings, expected) in [(true, "PNG\r\n"), (false, "")] {
        let dialect = Dialect::Msnp11;
        let mut session = sign_in(now, dialect, signing_in(now, &[dialect], Roster::default(), pings));
        session.handle_input(now, b"QNG 50\r\n").unwrap();
        session.handle_timeout(now + Duration::from_secs(46)).unwrap();
        assert_eq!(written(&mut session), expected);
    }
}

#[test]
fn conf_058_the_object_of_a_contact_is_kept_byte_for_byte() {
    let now = Instant::now();
    let mut session = signed_in(now, Dialect::Msnp11);
    let object = r#"%3Cmsnobj%20Creator%3D%22bob%40e.c%22%20Size%3D%225%22%20Friendly%3D%22AAA%3D%22%2F%3E"#;
    session.handle_input(now, format!("NLN NLN bob@e.c Bob 32 {object}\r\n").as_bytes()).unwrap();
    let kept =
        |session: &NotificationSession| session.roster().contact(&email("bob@e.c")).unwrap().object.clone();
    let wire = kept(&session).unwrap();
    assert_eq!(wire.as_wire(), object);
    assert_eq!(wire.decode(), r#"<msnobj Creator="bob@e.c" Size="5" Friendly="AAA="/>"#);
    session.handle_input(now, b"NLN NLN bob@e.c Bob 32 %3Cmsnobj%2F%3E\r\n").unwrap();
    assert_eq!(kept(&session), None);
}

#[test]
fn conf_072_both_forms_of_bye_remove_the_member() {
    let now = Instant::now();
    let mut session = call(now);
    session.handle_input(now, b"USR 1 OK alice@e.c Alice\r\nJOI bob@e.c Bob\r\nJOI eve@e.c Eve\r\n").unwrap();
    session
        .handle_input(now, b"JOI bob@e.c Bob\r\nBYE bob@e.c\r\nBYE eve@e.c 1\r\nBYE nobody@e.c\r\n")
        .unwrap();
    let left: Vec<_> = events(&mut session)
        .into_iter()
        .filter_map(|event| match event {
            CallEvent::Left { email, idle } => Some((email.to_string(), idle)),
            _ => None,
        })
        .collect();
    assert_eq!(left, [("bob@e.c".to_owned(), false), ("eve@e.c".to_owned(), true)]);
    // Alone: the next text fails at once, so that its sender calls again.
    let handle = session.send(now, Acknowledge::Always, text("x"));
    assert!(matches!(&events_of(&mut session)[..], [CallEvent::Failed(h, _)] if *h == handle));
}

fn events_of(session: &mut SwitchboardSession) -> Vec<CallEvent> {
    events(session)
}

#[test]
fn an_answered_call_lists_who_is_there_and_passes_messages_on() {
    let now = Instant::now();
    let (me, cookie) = (email("alice@e.c"), Cookie::new("9.9"));
    let mut session = SwitchboardSession::answer(now, Dialect::Msnp12, me, cookie, SessionId("ab12".into()));
    assert_eq!(written(&mut session), "ANS 1 alice@e.c 9.9 ab12\r\n");
    let payload = Content::text("hello ☃", None).encode();
    let head = format!("IRO 1 1 1 bob@e.c Bob 32\r\nANS 1 OK\r\nMSG bob@e.c Bob {}\r\n", payload.len());
    session.handle_input(now, &[head.as_bytes(), &payload].concat()).unwrap();
    assert!(session.all_have(Capabilities::MULTI_PACKET));
    let events = events(&mut session);
    assert!(matches!(&events[0], CallEvent::Joined { email, .. } if email.as_str() == "bob@e.c"));
    assert_eq!(events[1], CallEvent::Opened);
    assert!(
        matches!(&events[2], CallEvent::Received { content: Content::Text { text, .. }, .. } if text == "hello ☃")
    );
}

#[test]
fn fault_11_somebody_with_several_machines_is_one_member_until_the_last_has_gone() {
    let now = Instant::now();
    let (me, cookie) = (email("alice@e.c"), Cookie::new("9.9"));
    let answered = |lines: &str| {
        let mut session = SwitchboardSession::answer(
            now,
            Dialect::Msnp12,
            me.clone(),
            cookie.clone(),
            SessionId("1".into()),
        );
        session.handle_input(now, lines.as_bytes()).unwrap();
        let joined: Vec<String> = events(&mut session)
            .iter()
            .filter_map(|event| match event {
                CallEvent::Joined { email, .. } => Some(email.to_string()),
                _ => None,
            })
            .collect();
        (session, joined)
    };
    let (mut session, joined) = answered(
        "IRO 1 1 4 bob@e.c;{A1} Bob 32\r\nIRO 1 2 4 bob@e.c;{a2} Bob 32\r\nIRO 1 3 4 bob@e.c Bob 32\r\n\
         IRO 1 4 4 alice@e.c;{a9} Alice 32\r\nANS 1 OK\r\n",
    );
    assert_eq!(joined, ["bob@e.c"]);
    let left = |session: &mut SwitchboardSession, line: &str| {
        session.handle_input(now, format!("{line}\r\n").as_bytes()).unwrap();
        events(session).len()
    };
    // One of two machines, then one that was never here: Bob stays.
    assert_eq!(left(&mut session, "BYE bob@e.c;{a1}"), 0);
    assert_eq!(left(&mut session, "BYE bob@e.c;{a7}"), 0);
    assert_eq!(left(&mut session, "BYE bob@e.c;{A2}"), 1);
    assert_eq!(left(&mut session, "BYE bob@e.c"), 0, "he has gone already");
    // The account alone ends all of them, and so does the machine of somebody who came without.
    let (mut session, _) = answered("IRO 1 1 1 bob@e.c;{a1} Bob 32\r\nANS 1 OK\r\n");
    assert_eq!(left(&mut session, "BYE 1:bob@e.c"), 1);
    let (mut session, _) = answered("IRO 1 1 1 1:bob@e.c Bob 32\r\nANS 1 OK\r\n");
    assert_eq!(left(&mut session, "BYE bob@e.c;{a1}"), 1);
}

#[test]
fn fault_11_lists_and_presence_know_one_contact_by_whatever_stands_around_its_account() {
    let now = Instant::now();
    let mut session = signed_in(now, Dialect::Msnp11);
    let lines = "NLN NLN 1:bob@example.com Bob 0\r\nNLN AWY bob@example.com;{a1} Bob 0\r\n\
                 ADC 0 RL N=1:bob@example.com;{a1} F=Bob\r\nUBX 1:bob@example.com 0\r\n\
                 FLN 1:bob@example.com;{a1}\r\nREM 0 RL 1:bob@example.com;{a1}\r\n";
    session.handle_input(now, lines.as_bytes()).unwrap();
    let bobs: Vec<_> = session.roster().contacts().filter(|c| c.email.to_key().contains("bob")).collect();
    assert_eq!(bobs.len(), 1);
    assert_eq!((bobs[0].email.as_str(), bobs[0].status), ("bob@example.com", Status::Offline));
    assert!(!bobs[0].lists.has(ListKind::Reverse));
}

#[test]
fn fault_13_every_line_that_names_a_contact_is_news_once() {
    let now = Instant::now();
    for (dialect, lines) in [
        (Dialect::Msnp9, "REA 0 5 bob@example.com New\r\n"),
        (Dialect::Msnp9, "REA 99 5 BOB@example.com New\r\nREA 99 6 bob@example.com New\r\n"),
        (Dialect::Msnp11, "BPR bob@example.com MFN New\r\n"),
        (
            Dialect::Msnp11,
            "ADC 0 RL N=bob@example.com F=New\r\nADC 0 RL N=bob@example.com F=bob@example.com\r\n",
        ),
    ] {
        let mut session = signed_in(now, dialect);
        session.handle_input(now, b"NLN NLN bob@example.com Old 0\r\n").unwrap();
        events(&mut session);
        session.handle_input(now, lines.as_bytes()).unwrap();
        let named: Vec<NotificationEvent> = events(&mut session)
            .into_iter()
            .filter(|event| matches!(event, NotificationEvent::Named { .. }))
            .collect();
        let name = "New".to_owned();
        assert_eq!(named, [NotificationEvent::Named { email: email("bob@example.com"), name }], "{lines}");
        assert_eq!(session.roster().contact(&email("bob@example.com")).unwrap().name, "New");
    }
}

#[test]
fn what_is_said_at_first_waits_for_everybody_who_was_called() {
    let now = Instant::now();
    let invitees = vec![email("bob@e.c"), email("eve@e.c"), email("dan@e.c")];
    let (me, cookie) = (email("alice@e.c"), Cookie::new("1"));
    let mut session = SwitchboardSession::call(now, Dialect::Msnp11, me, cookie, invitees);
    session.send(now, Acknowledge::Always, text("hi all"));
    session.handle_input(now, b"USR 1 OK alice@e.c Alice\r\nJOI bob@e.c Bob\r\n").unwrap();
    assert!(!written(&mut session).contains("MSG"));
    session.handle_input(now, b"JOI eve@e.c Eve\r\n217 4\r\n").unwrap();
    assert!(written(&mut session).starts_with("MSG 5 A "));
    // From then on nobody waits for those who are called later.
    session.invite(now, email("fay@e.c"));
    session.send(now, Acknowledge::Always, text("again"));
    assert!(written(&mut session).contains("MSG 7 A "));
}

#[test]
fn those_dropped_for_being_idle_are_called_again_before_the_next_words() {
    let now = Instant::now();
    let mut session = call(now);
    session.handle_input(now, b"USR 1 OK alice@e.c Alice\r\nJOI bob@e.c Bob\r\nJOI eve@e.c Eve\r\n").unwrap();
    session.handle_input(now, b"BYE bob@e.c 1\r\n").unwrap();
    written(&mut session);
    // Typing is worth no ring.
    session.send(now, Acknowledge::Never, text("typing"));
    assert!(!written(&mut session).contains("CAL"));
    session.send(now, Acknowledge::Always, text("one"));
    session.send(now, Acknowledge::Always, text("two"));
    assert_eq!(written(&mut session), "CAL 4 bob@e.c\r\n");
    session.handle_input(now, b"JOI bob@e.c Bob\r\n").unwrap();
    let sent = written(&mut session);
    assert!(sent.starts_with("MSG 5 A ") && sent.contains("MSG 6 A "), "{sent}");
    // Who does not come is told of, and called no more; the others hear what is said.
    session.handle_input(now, b"BYE bob@e.c 1\r\n").unwrap();
    session.send(now, Acknowledge::Always, text("three"));
    assert_eq!(written(&mut session), "CAL 7 bob@e.c\r\n");
    session.handle_input(now, b"217 7\r\n").unwrap();
    assert!(written(&mut session).starts_with("MSG 8 A "));
    let failed = events(&mut session).into_iter().filter(|e| matches!(e, CallEvent::InviteFailed { .. }));
    assert_eq!(failed.count(), 1);
    session.send(now, Acknowledge::Always, text("four"));
    assert!(written(&mut session).starts_with("MSG 9 A "));
}

#[test]
fn a_call_that_ends_tells_what_was_never_sent_from_what_may_have_arrived() {
    let now = Instant::now();
    let mut queued = call(now);
    let handle = queued.send(now, Acknowledge::Always, text("waiting"));
    queued.abandon();
    assert_eq!(events_of(&mut queued), [CallEvent::Failed(handle, SendFailure::NotSent)]);
    let mut sent = call(now);
    sent.handle_input(now, b"USR 1 OK alice@e.c Alice\r\nJOI bob@e.c Bob\r\n").unwrap();
    let handle = sent.send(now, Acknowledge::Always, text("on its way"));
    events_of(&mut sent);
    sent.abandon();
    assert_eq!(events_of(&mut sent), [CallEvent::Failed(handle, SendFailure::Unconfirmed)]);
}
