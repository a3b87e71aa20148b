//! Who has read what when people leave a call before the acknowledgement, and what silence means.

use std::time::{Duration, Instant};

use super::{call, delivered, email, events, text, written};
use crate::msn::command::Acknowledge;
use crate::msn::session::{CallEvent, Machine, MessageHandle, SendFailure, SwitchboardSession};

/// A call with Bob and Eve in it.
fn group(now: Instant) -> SwitchboardSession {
    let mut session = call(now);
    session.handle_input(now, b"USR 1 OK alice@e.c Alice\r\nJOI bob@e.c Bob\r\nJOI eve@e.c Eve\r\n").unwrap();
    written(&mut session);
    events(&mut session);
    session
}

fn ends(session: &mut SwitchboardSession) -> Vec<CallEvent> {
    let is_end = |event: &CallEvent| {
        matches!(event, CallEvent::Delivered { .. } | CallEvent::Failed(..) | CallEvent::Overdue(_))
    };
    events(session).into_iter().filter(is_end).collect()
}

fn say(session: &mut SwitchboardSession, now: Instant) -> MessageHandle {
    session.send(now, Acknowledge::Always, text("hi"))
}

#[test]
fn fault_01_an_acknowledgement_behind_the_last_bye_proves_nothing() {
    let now = Instant::now();
    // In one read and in two, closed by hand and for being idle, and with several on their way.
    for bye in ["BYE bob@e.c\r\n", "BYE bob@e.c 1\r\n"] {
        for whole in [true, false] {
            let mut session = call(now);
            session.handle_input(now, b"USR 1 OK alice@e.c Alice\r\nJOI bob@e.c Bob\r\n").unwrap();
            let handles = [say(&mut session, now), say(&mut session, now)];
            events(&mut session);
            let input = format!("{bye}ACK 3\r\nACK 4\r\n");
            let step = if whole { input.len() } else { 1 };
            for bytes in input.as_bytes().chunks(step) {
                session.handle_input(now, bytes).unwrap();
            }
            let lost = handles.map(|handle| CallEvent::Failed(handle, SendFailure::Deserted));
            assert_eq!(ends(&mut session), lost, "{bye}");
        }
    }
}

#[test]
fn fault_01_an_acknowledgement_before_the_bye_counts() {
    let now = Instant::now();
    let mut session = call(now);
    session.handle_input(now, b"USR 1 OK alice@e.c Alice\r\nJOI bob@e.c Bob\r\n").unwrap();
    let handle = say(&mut session, now);
    events(&mut session);
    session.handle_input(now, b"ACK 3\r\nBYE bob@e.c\r\n").unwrap();
    assert_eq!(ends(&mut session), [delivered(handle)]);
}

#[test]
fn fault_01_those_of_a_group_who_left_before_the_acknowledgement_have_missed_it() {
    let now = Instant::now();
    let mut session = group(now);
    let first = say(&mut session, now);
    session.handle_input(now, b"BYE eve@e.c\r\n").unwrap();
    let second = say(&mut session, now);
    session.handle_input(now, b"ACK 3\r\nACK 4\r\n").unwrap();
    let missed = CallEvent::Delivered { handle: first, missed_by: vec![email("eve@e.c")] };
    assert_eq!(ends(&mut session), [missed, delivered(second)]);
    // Once both have left, in whatever order, nobody has it.
    let mut session = group(now);
    let handle = say(&mut session, now);
    session.handle_input(now, b"BYE bob@e.c\r\nBYE eve@e.c 1\r\nACK 3\r\n").unwrap();
    assert_eq!(ends(&mut session), [CallEvent::Failed(handle, SendFailure::Deserted)]);
}

#[test]
fn fault_01_a_bye_of_somebody_who_was_not_there_changes_nothing() {
    let now = Instant::now();
    let mut session = call(now);
    session.handle_input(now, b"USR 1 OK alice@e.c Alice\r\nJOI bob@e.c Bob\r\n").unwrap();
    let handle = say(&mut session, now);
    events(&mut session);
    session.handle_input(now, b"BYE fay@e.c\r\nBYE alice@e.c\r\nACK 3\r\n").unwrap();
    assert_eq!(ends(&mut session), [delivered(handle)]);
}

#[test]
fn fault_29_silence_is_told_soon_and_a_late_acknowledgement_still_counts() {
    let now = Instant::now();
    let mut session = group(now);
    let handle = say(&mut session, now);
    let at = session.poll_timeout().expect("it waits");
    assert_eq!(at - now, Duration::from_secs(9));
    session.handle_timeout(at).unwrap();
    assert_eq!(ends(&mut session), [CallEvent::Overdue(handle)]);
    assert!(session.poll_timeout().expect("it still waits") > at);
    session.handle_timeout(at).unwrap();
    assert_eq!(ends(&mut session), [], "said once");
    session.handle_input(at, b"ACK 3\r\n").unwrap();
    assert_eq!(ends(&mut session), [delivered(handle)]);
}
