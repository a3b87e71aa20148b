//! A server that falls silent, in every state of both machines: nothing waits for it for ever. And lists that are not
//! what was announced, as servers and bug reports have them.

use super::*;
use crate::msn::session::{ListCount, RosterGap};

/// No state may last longer than this against a server that says nothing.
const BOUND: Duration = Duration::from_secs(150);

/// Lets time pass as the driver does, until the machine ends or `over` says that it has gone on by itself.
fn wait<M: Machine>(machine: &mut M, mut now: Instant, over: impl Fn(&M::Event) -> bool) -> (Duration, String)
where
    M::Event: std::fmt::Debug,
{
    let begun = now;
    // A deadline that passes and changes nothing would be waited for again and again.
    for _ in 0..1_000 {
        while let Some(event) = machine.poll_event() {
            if over(&event) {
                return (now - begun, format!("{event:?}"));
            }
        }
        while machine.poll_output().is_some() {}
        let at = machine.poll_timeout().expect("a state without a deadline");
        now = now.max(at);
        assert!(now - begun <= BOUND, "it waits too long");
        if let Err(error) = machine.handle_timeout(now) {
            return (now - begun, error.to_string());
        }
    }
    panic!("deadlines pass, and nothing comes of them");
}

#[test]
fn fault_07_a_notification_server_that_falls_silent_is_given_up_in_every_state() {
    let never = |_: &NotificationEvent| false;
    let ready = |event: &NotificationEvent| matches!(event, NotificationEvent::RosterLoaded);
    let ticket = "VER 1 MSNP11\r\nCVR 2 1 1 1 x y\r\nUSR 3 TWN S ct=1\r\n";
    let lists = "USR 4 OK alice@example.com 1 0\r\nSYN 5 a b 2 1\r\n";
    let (lsg, lst) = ("LSG A 6d5c0a2e-0000-0000-0000-000000000001\r\n", "LST N=bob@example.com F=Bob 11\r\n");
    for (said, with_ticket, over, end) in [
        ("", false, never as fn(&NotificationEvent) -> bool, "did not answer VER"),
        ("VER 1 MSNP11\r\n", false, never, "did not answer CVR"),
        ("VER 1 MSNP11\r\nCVR 2 1 1 1 x y\r\n", false, never, "did not answer USR"),
        // The sign-in pages are silent, not the server.
        (ticket, false, never, "did not answer the question for a ticket"),
        (ticket, true, never, "did not answer USR"),
        (&format!("{ticket}USR 4 OK alice@example.com 1 0\r\n"), true, never, "did not answer SYN"),
        (&format!("{ticket}{lists}"), true, ready, "RosterLoaded"),
        (&format!("{ticket}{lists}{lst}"), true, ready, "RosterLoaded"),
        (&format!("{ticket}{lists}{lsg}{lst}"), true, ready, "RosterLoaded"),
        // Signed in and announced: pings find it.
        (&format!("{ticket}{lists}{lsg}{lst}{lst}"), true, never, "did not answer PNG"),
        (
            &format!("{ticket}{lists}{lsg}{lst}{lst}CHG 6 NLN\r\nQNG 60\r\n"),
            true,
            never,
            "did not answer PNG",
        ),
    ] {
        let now = Instant::now();
        let mut session = notification(now, &[Dialect::Msnp11]);
        for line in said.split_inclusive("\r\n") {
            session.handle_input(now, line.as_bytes()).unwrap();
            if with_ticket && line.starts_with("USR 3") {
                session.provide_ticket(now, Ticket::new("t=1&p=2"));
            }
        }
        let (_, why) = wait(&mut session, now, over);
        assert!(why.contains(end), "{why} after {said:?}");
    }
}

#[test]
fn fault_07_what_was_asked_on_a_session_ends_when_nobody_answers() {
    let now = Instant::now();
    let mut session = signed_in(now, Dialect::Msnp11);
    session.change(now, Change::OwnName("Al".into()));
    let done = |event: &NotificationEvent| matches!(event, NotificationEvent::ChangeDone { .. });
    assert!(wait(&mut session, now, done).1.contains("NoAnswer"));
}

#[test]
fn fault_07_a_switchboard_that_falls_silent_is_given_up_in_every_state() {
    let call = || {
        let (now, own) = (Instant::now(), email("alice@example.com"));
        let invitees = vec![email("bob@example.com")];
        let session = SwitchboardSession::call(now, Dialect::Msnp11, own, Cookie::new("17.1"), invitees);
        (now, session)
    };
    let failed = |event: &CallEvent| matches!(event, CallEvent::InviteFailed { .. } | CallEvent::Failed(..));
    let opened = "USR 1 OK alice@example.com Alice\r\n";
    let rung = format!("{opened}CAL 2 RINGING 17\r\n");
    let joined = format!("{rung}JOI bob@example.com Bob 0\r\n");
    for (said, end) in [
        ("", "did not answer the sign-in"),
        (opened, "InviteFailed"),
        (&rung, "InviteFailed"),
        (&joined, "Failed(MessageHandle(0), Unconfirmed)"),
    ] {
        let (now, mut session) = call();
        session.handle_input(now, said.as_bytes()).unwrap();
        session.send(now, Acknowledge::Always, Content::text("x", None).encode().into());
        let (after, why) = wait(&mut session, now, failed);
        assert!(why.contains(end), "{why} after {said:?} and {after:?}");
    }
    let own = email("alice@example.com");
    let (now, cookie, id) = (Instant::now(), Cookie::new("17.1"), SessionId("17".into()));
    let mut answering = SwitchboardSession::answer(now, Dialect::Msnp11, own, cookie, id);
    assert!(wait(&mut answering, now, failed).1.contains("did not answer the sign-in"));
}

/// What a session makes of lists like these, and how long it takes to.
fn loaded(dialect: Dialect, said: &str) -> (Duration, NotificationSession, Option<RosterGap>) {
    let now = Instant::now();
    let mut session = notification(now, &[dialect]);
    let say =
        |session: &mut NotificationSession, text: &str| session.handle_input(now, text.as_bytes()).unwrap();
    say(&mut session, &format!("VER 1 {dialect}\r\nCVR 2 1 1 1 x y\r\nUSR 3 TWN S ct=1\r\n"));
    session.provide_ticket(now, Ticket::new("t=1&p=2"));
    let name = if dialect.has_guids() { "" } else { "Alice " };
    say(&mut session, &format!("USR 4 OK alice@example.com {name}1 0\r\n"));
    say(&mut session, said);
    let ready = |event: &NotificationEvent| matches!(event, NotificationEvent::RosterLoaded);
    let (after, _) = wait(&mut session, now, ready);
    let gap = events(&mut session).into_iter().find_map(|event| match event {
        NotificationEvent::RosterIncomplete(gap) => Some(gap),
        _ => None,
    });
    assert!(written(&mut session).contains("CHG "), "it has announced itself");
    (after, session, gap)
}

#[test]
fn fault_07_lists_that_are_not_what_was_announced_are_taken_as_they_are() {
    let people = |range: std::ops::Range<u32>| -> String {
        range
            .map(|n| format!("LST N=c{n}@example.com F=C{n} C=6d5c0a2e-0000-0000-0000-00000000000{n} 11\r\n"))
            .collect()
    };
    let group = "LSG A 6d5c0a2e-0000-0000-0000-000000000001\r\n";
    let unreadable = "LST N= F=x 11\r\n";
    let quiet = QUIET.as_secs();
    for (said, contacts, seconds, gap) in [
        (format!("SYN 5 a b 7 1\r\n{group}{}", people(0..7)), 7, 0, None),
        // One too few, one that cannot be read, no group, none at all.
        (format!("SYN 5 a b 7 1\r\n{group}{}", people(0..6)), 6, quiet, Some((Some(7), 6, 0, 1))),
        (format!("SYN 5 a b 7 1\r\n{group}{}{unreadable}", people(0..6)), 6, 0, Some((Some(7), 6, 1, 1))),
        (format!("SYN 5 a b 7 1\r\n{}", people(0..7)), 7, quiet, Some((Some(7), 7, 0, 0))),
        ("SYN 5 a b 7 1\r\n".to_owned(), 0, quiet, Some((Some(7), 0, 0, 0))),
        // Before the answer, around it, and without one.
        (format!("{group}{}SYN 5 a b 7 1\r\n", people(0..7)), 7, 0, None),
        (format!("{group}{}SYN 5 a b 7 1\r\n{}", people(0..3), people(3..7)), 7, 0, None),
        (format!("{group}{}", people(0..5)), 5, quiet, Some((None, 5, 0, 1))),
        // An answer that says that nothing has changed, to somebody who knows nothing.
        ("SYN 5 a b\r\n".to_owned(), 0, 0, None),
        // The same account twice, in two spellings.
        (format!("SYN 5 a b 2 0\r\nLST N=C0@Example.com F=x 11\r\n{}", people(0..1)), 1, 0, None),
        // More than was announced.
        (format!("SYN 5 a b 3 0\r\n{}", people(0..7)), 7, 0, None),
    ] {
        for cut in [said.len(), said.len() / 2] {
            let (after, session, found) = loaded(Dialect::Msnp11, &said);
            let listed = session.roster().contacts().filter(|c| c.lists.has(ListKind::Forward)).count();
            assert_eq!((listed, after.as_secs()), (contacts, seconds), "{said} cut at {cut}");
            let expected = gap.map(|(announced, came, unreadable, groups)| {
                let contacts = ListCount { announced, came, unreadable };
                (contacts, groups)
            });
            assert_eq!(found.map(|gap| (gap.contacts, gap.groups.came)), expected, "{said}");
        }
    }
    let said = "SYN 5 9 2 1\r\nLSG 0 Other 0\r\nLST bob@example.com Bob 11 0\r\n";
    let (after, session, gap) = loaded(Dialect::Msnp8, said);
    assert_eq!((after.as_secs(), session.roster().contacts().count()), (quiet, 1));
    assert_eq!(gap.unwrap().contacts.came, 1);
}

#[test]
fn fault_07_who_comes_after_the_lists_were_taken_is_shown_too() {
    let (_, mut session, _) = loaded(Dialect::Msnp11, "SYN 5 a b 2 0\r\nLST N=bob@example.com F=Bob 11\r\n");
    let later = "LST N=carol@example.com F=Carol 11\r\nLST N=dan@example.com F=Dan 16\r\n";
    session.handle_input(Instant::now(), later.as_bytes()).unwrap();
    let seen = events(&mut session);
    assert!(seen.iter().any(
        |e| matches!(e, NotificationEvent::PresenceChanged(c) if c.email == email("carol@example.com"))
    ));
    assert!(seen.iter().any(|e| matches!(e, NotificationEvent::AddedBy { asks: true, .. })));
    assert_eq!(session.roster().contacts().count(), 3);
}

#[test]
fn fault_37_nobody_is_removed_by_leaving_a_group() {
    let now = Instant::now();
    let lists = "SYN 5 9 1 2\r\nLSG 0 Other 0\r\nLSG 1 Friends 0\r\nLST bob@example.com Bob 11 1\r\n";
    let (_, mut session, _) = loaded(Dialect::Msnp9, lists);
    let (bob, group) = (email("bob@example.com"), crate::msn::ids::GroupId("1".into()));
    session.change(now, Change::OutOfGroup { email: bob, group });
    assert!(written(&mut session).ends_with(" FL bob@example.com Bob 0\r\n"), "first into the first group");
}
