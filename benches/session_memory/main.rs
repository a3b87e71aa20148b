//! What one signed-in session holds in memory, against what the server sent it: `cargo bench --bench session_memory`.
//!
//! Knows the heap, counted by its allocator, of session machines that were fed the lists of an account with fifty contacts,
//! of whom twenty are there with a picture and a word of themselves. Refuses to know tasks and connections around them. The
//! figure is bytes a session, and the ratio to the bytes of its lists on the wire.

use std::alloc::System;
use std::time::Instant;

use anyhow::{Context, Result};
use msnbridge::msn::command::Status;
use msnbridge::msn::dialect::Dialect;
use msnbridge::msn::ids::{Capabilities, Email, Ticket};
use msnbridge::msn::message::PersonalMessage;
use msnbridge::msn::session::{Identity, Machine, NotificationSession, Roster, Start};
use stats_alloc::{Region, StatsAlloc};

#[global_allocator]
static HEAP: StatsAlloc<System> = StatsAlloc::system();

const SESSIONS: usize = 200;
const CONTACTS: usize = 50;
/// Those of them who are there.
const ONLINE: usize = 20;

/// The lists of an account, as a server of MSNP11 sends them, and who is there.
fn lists() -> String {
    let mut lines =
        format!("SYN 5 2026-01-01T00:00:00 2026-01-01T00:00:00 {CONTACTS} 1\r\nPRP MFN Alice\r\n");
    lines.push_str("LSG Friends f0000000-0000-0000-0000-000000000001\r\n");
    for n in 0..CONTACTS {
        lines.push_str(&format!(
            "LST N=contact{n}@example.com F=Contact%20number%20{n} C=c0000000-0000-0000-0000-{n:012} 11 \
             f0000000-0000-0000-0000-000000000001\r\n"
        ));
    }
    for n in 0..ONLINE {
        let data = format!("<Data><PSM>a word of {n}</PSM><CurrentMedia></CurrentMedia></Data>");
        lines.push_str(&format!(
            "NLN NLN contact{n}@example.com Contact%20number%20{n} 1073741860 %3Cmsnobj%20Creator%3D%22contact{n}%40example\
             .com%22%20Size%3D%2218573%22%20Type%3D%223%22%20Location%3D%22TFR2C.tmp%22%20Friendly%3D%22AAA%3D%22%20SHA1D%3D\
             %22trC8SlFx2sWQxZMIBAWSEnXc8oQ%3D%22%2F%3E\r\nUBX contact{n}@example.com {}\r\n{data}",
            data.len()
        ));
    }
    lines
}

/// A session that is signed in and has its lists.
fn session(now: Instant, lists: &str) -> Result<NotificationSession> {
    let identity = Identity {
        email: Email::parse("alice@example.com")?,
        dialects: vec![Dialect::Msnp11],
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
        roster: Roster::default(),
        pings: true,
    };
    let mut session = NotificationSession::new(now, identity, start);
    let say = |text: &str, session: &mut NotificationSession| -> Result<()> {
        session.handle_input(now, text.as_bytes())?;
        while session.poll_output().is_some() || session.poll_event().is_some() {}
        Ok(())
    };
    say("VER 1 MSNP11\r\nCVR 2 1 1 1 http://x http://y\r\nUSR 3 TWN S lc=1,id=1\r\n", &mut session)?;
    session.provide_ticket(now, Ticket::new("t=1&p=2"));
    say("USR 4 OK alice@example.com 1 0\r\n", &mut session)?;
    // As a connection brings them.
    for piece in lists.as_bytes().chunks(1448) {
        session.handle_input(now, piece)?;
        while session.poll_output().is_some() || session.poll_event().is_some() {}
    }
    Ok(session)
}

fn main() -> Result<()> {
    let (now, lists) = (Instant::now(), lists());
    let mut sessions = Vec::with_capacity(SESSIONS);
    let region = Region::new(&HEAP);
    for _ in 0..SESSIONS {
        sessions.push(session(now, &lists)?);
    }
    let change = region.change();
    let held = change.bytes_allocated.checked_sub(change.bytes_deallocated).context("less than nothing")?;
    let each = held / SESSIONS + size_of::<NotificationSession>();
    let people = sessions.first().context("a session")?.roster().contacts().count();
    anyhow::ensure!(people == CONTACTS, "{people} contacts were read");
    println!(
        "{CONTACTS} contacts, {ONLINE} of them there: {each} bytes a session, {:.2} times the {} bytes of their lists",
        each as f64 / lists.len() as f64,
        lists.len()
    );
    Ok(())
}
