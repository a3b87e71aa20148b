//! Recorded dialogues with a third-party server, and of old clients: every unit is understood, and what clients said is
//! written again byte for byte.

use msnbridge::msn::command::{ClientCommand, Context, Link, ServerCommand};
use msnbridge::msn::dialect::Dialect;
use msnbridge::msn::wire::{Direction, Framer, Limits};

use crate::support::transcript::{Flow, Recorded, all};

/// What became of one unit of a recording.
#[derive(Debug, PartialEq)]
enum Read {
    Understood(Vec<u8>),
    Unknown,
    Refused(String),
    /// The stream cannot be read on.
    Broken(String),
}

/// The deliberate abuse in the recordings: file, line, the error it gives, why it is there.
const ABUSE: &[(&str, usize, &str, &str)] = &[
    ("extra-msnp11", 410, "written otherwise", "a bare line feed"),
    ("extra-msnp11", 416, "written otherwise", "blanks around a command"),
    ("extra-msnp11", 418, "does not start with a three-letter command", "a verb in lower case"),
    ("extra-msnp11", 524, "«status» is not valid", "a status that does not exist"),
    ("msnp10", 127, "«list» is not valid", "a list that does not exist"),
    ("msnp10", 622, "a parameter too many", "a ping with a number"),
    ("msnp10", 624, "unknown", "a command that does not exist"),
    ("msnp10", 626, "«acknowledgement type» is not valid", "an acknowledgement type that does not exist"),
    ("msnp10", 717, "unknown", "a command that does not exist"),
    ("msnp10", 719, "unknown", "the same without a number"),
    ("msnp10", 721, "«group name» is missing", "a group without a name"),
    ("msnp10", 1074, "unknown", "a command of MSNP7 and earlier"),
    ("msnp10", 1092, "unknown", "HTTP"),
    ("msnp10", 1095, "«transaction id» is not valid", "a number that is none"),
    ("msnp10", 1097, "«version» is not valid", "bytes that are not text"),
    ("msnp11", 140, "«list» is not valid", "a list that does not exist"),
    ("msnp11", 675, "a parameter too many", "a ping with a number"),
    ("msnp11", 677, "unknown", "a command that does not exist"),
    ("msnp11", 679, "«acknowledgement type» is not valid", "an acknowledgement type that does not exist"),
    ("msnp11", 770, "unknown", "a command that does not exist"),
    ("msnp11", 772, "unknown", "the same without a number"),
    ("msnp11", 774, "«group name» is missing", "a group without a name"),
    ("msnp11", 1150, "unknown", "a command of MSNP7 and earlier"),
    ("msnp11", 1168, "unknown", "HTTP"),
    ("msnp11", 1171, "«transaction id» is not valid", "a number that is none"),
    ("msnp11", 1173, "«version» is not valid", "bytes that are not text"),
    ("msnp8", 127, "«list» is not valid", "a list that does not exist"),
    ("msnp8", 624, "a parameter too many", "a ping with a number"),
    ("msnp8", 626, "unknown", "a command that does not exist"),
    ("msnp8", 628, "«acknowledgement type» is not valid", "an acknowledgement type that does not exist"),
    ("msnp8", 719, "unknown", "a command that does not exist"),
    ("msnp8", 721, "unknown", "the same without a number"),
    ("msnp8", 723, "«group name» is missing", "a group without a name"),
    ("msnp8", 1074, "unknown", "a command of MSNP7 and earlier"),
    ("msnp8", 1092, "unknown", "HTTP"),
    ("msnp8", 1095, "«transaction id» is not valid", "a number that is none"),
    ("msnp8", 1097, "«version» is not valid", "bytes that are not text"),
];

fn context(connection: &Recorded, dialect: Dialect) -> Context {
    let link = if connection.is_switchboard() { Link::Switchboard } else { Link::Notification };
    Context { link, dialect }
}

/// Reads a flow, pushing `step` bytes at a time; each unit with the line it begins in and its length.
fn read(flow: &Flow, direction: Direction, context: Context, step: usize) -> Vec<(usize, Vec<u8>, Read)> {
    let mut framer = Framer::new(direction, Limits::default());
    let mut found = Vec::new();
    let mut begin = 0;
    for (number, piece) in flow.bytes.chunks(step).enumerate() {
        framer.push(piece);
        let pushed = (number * step + piece.len()).min(flow.bytes.len());
        loop {
            let next = framer.next_frame();
            let end = pushed - framer.buffered();
            let raw = flow.bytes[begin..end].to_vec();
            let read = match next {
                Ok(None) => break,
                Err(error) if error.is_fatal() => {
                    found.push((flow.line_of(begin), raw, Read::Broken(error.to_string())));
                    return found;
                }
                Err(error) => Read::Refused(error.to_string()),
                Ok(Some(frame)) if direction == Direction::FromServer => {
                    match ServerCommand::decode(&frame, context) {
                        Ok(ServerCommand::Unknown(_)) => Read::Unknown,
                        Ok(command) => Read::Understood(command.encode(context.dialect)),
                        Err(error) => Read::Refused(error.to_string()),
                    }
                }
                Ok(Some(frame)) => match ClientCommand::decode(&frame, context) {
                    Ok(ClientCommand::Unknown(_)) => Read::Unknown,
                    Ok(command) => Read::Understood(command.encode()),
                    Err(error) => Read::Refused(error.to_string()),
                },
            };
            // Empty lines in front of a unit belong to none.
            let blank = raw.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            found.push((flow.line_of(begin + blank), raw[blank..].to_vec(), read));
            begin = end;
        }
    }
    found
}

/// The connections of notification servers and switchboards, with the dialect each speaks.
fn dialogues() -> Vec<(Recorded, Dialect)> {
    let mut found = Vec::new();
    let mut last = Dialect::Msnp11;
    for connection in all() {
        if connection.is_notification() {
            let text = String::from_utf8_lossy(&connection.server.bytes).into_owned();
            let agreed = text.lines().next().and_then(|line| line.split(' ').nth(2)?.parse().ok());
            last = agreed.unwrap_or(last);
        }
        if connection.is_notification() || connection.is_switchboard() {
            found.push((connection, last));
        }
    }
    found
}

#[test]
fn what_the_recorded_gateway_answered_leads_on() {
    use msnbridge::msn::gateway::SessionHeader;
    let gateway = all().into_iter().filter(|connection| connection.tag.contains(".gw"));
    let (mut led, mut closed) = (0, 0);
    for connection in gateway {
        let text = String::from_utf8_lossy(&connection.server.bytes).into_owned();
        for value in text.lines().filter_map(|line| line.strip_prefix("X-MSN-Messenger: ")) {
            let header: SessionHeader = value.parse().expect(value);
            led += usize::from(header.session.len() == 36);
            closed += usize::from(header.close);
        }
    }
    // It never says that a session has ended.
    assert!(led >= 20 && closed == 0, "{led} {closed}");
    let carried = dialogues().into_iter().filter(|(connection, _)| connection.file == "gateway-msnp11");
    let (notification, calls): (Vec<_>, Vec<_>) = carried.partition(|(c, _)| c.is_notification());
    assert!(notification.len() >= 3 && calls.len() >= 2, "{} {}", notification.len(), calls.len());
}

#[test]
fn every_unit_of_the_server_is_understood() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (connection, dialect) in dialogues() {
        let context = context(&connection, dialect);
        for (line, raw, read) in read(&connection.server, Direction::FromServer, context, 4096) {
            count += 1;
            if !matches!(read, Read::Understood(_)) {
                wrong.push(format!(
                    "{}:{line} {read:?} {:?}",
                    connection.file,
                    String::from_utf8_lossy(&raw)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{count} units of the server understood");
    assert!(count > 1000, "{count}");
}

#[test]
fn every_unit_of_the_clients_is_understood_and_written_again_but_for_the_abuse() {
    let mut wrong = Vec::new();
    let mut met = 0;
    let mut count = 0;
    for (connection, dialect) in dialogues() {
        let context = context(&connection, dialect);
        for (line, raw, read) in read(&connection.client, Direction::FromClient, context, 4096) {
            count += 1;
            let shown = String::from_utf8_lossy(&raw).into_owned();
            let abuse = ABUSE.iter().find(|(file, at, ..)| *file == connection.file && *at == line);
            let fits = match (&read, abuse) {
                (Read::Understood(written), None) => *written == raw,
                (Read::Understood(written), Some((_, _, "written otherwise", _))) => *written != raw,
                (Read::Unknown, Some((_, _, error, _))) => *error == "unknown",
                (Read::Refused(got) | Read::Broken(got), Some((_, _, error, _))) => got.contains(error),
                _ => false,
            };
            met += usize::from(abuse.is_some());
            if !fits {
                wrong.push(format!("{}:{line} {read:?} {shown:?}", connection.file));
            }
        }
    }
    assert!(wrong.is_empty(), "{} {wrong:#?}", wrong.len());
    assert_eq!(met, ABUSE.len(), "an entry of the list was not met");
    println!("{count} units of clients, {met} of them abuse");
}

#[test]
fn where_the_bytes_are_cut_changes_nothing() {
    for (connection, dialect) in dialogues() {
        let context = context(&connection, dialect);
        for (flow, direction) in
            [(&connection.server, Direction::FromServer), (&connection.client, Direction::FromClient)]
        {
            let whole = read(flow, direction, context, 1 << 20);
            assert_eq!(read(flow, direction, context, 1), whole, "{} {}", connection.file, connection.tag);
            assert_eq!(read(flow, direction, context, 7), whole, "{} {}", connection.file, connection.tag);
        }
    }
}

mod replay {
    //! Recorded servers in front of our machines.

    use std::time::Instant;

    use msnbridge::msn::command::Status;
    use msnbridge::msn::ids::{Capabilities, Cookie, Email, Ticket};
    use msnbridge::msn::message::{Content, PersonalMessage};
    use msnbridge::msn::session::{
        CallEvent, Identity, Machine, NotificationEvent, NotificationSession, Roster, Start,
        SwitchboardSession,
    };

    use super::{Recorded, dialogues};
    use msnbridge::msn::dialect::Dialect;

    fn session(email: &str, dialect: Dialect) -> NotificationSession {
        let identity = Identity {
            email: Email::parse(email).unwrap(),
            dialects: vec![dialect],
            client: "MSNMSGR".into(),
            client_version: "7.5.0324".into(),
            locale: "0x0409".into(),
        };
        let start = Start {
            product: None,
            status: Status::Online,
            capabilities: Capabilities(0x5000_0014),
            personal: PersonalMessage::default(),
            object: None,
            roster: Roster::default(),
            pings: true,
        };
        NotificationSession::new(Instant::now(), identity, start)
    }

    /// The recorded sign-ins that succeeded, with who signed in.
    fn sign_ins() -> Vec<(Recorded, Dialect, String)> {
        let files = ["msnp8", "msnp10", "msnp11", "gateway-msnp11"];
        let ours = |recorded: &Recorded| files.contains(&recorded.file.as_str());
        let mut found = Vec::new();
        for (recorded, dialect) in dialogues().into_iter().filter(|(r, _)| r.is_notification() && ours(r)) {
            let text = String::from_utf8_lossy(&recorded.server.bytes).into_owned();
            let welcome = text.lines().find_map(|line| line.strip_prefix("USR 4 OK "));
            if let Some(email) = welcome.and_then(|rest| rest.split(' ').next()) {
                found.push((recorded, dialect, email.to_owned()));
            }
        }
        found
    }

    #[test]
    fn recorded_sign_ins_lead_to_signed_in_with_the_recorded_lists() {
        let now = Instant::now();
        let sign_ins = sign_ins();
        assert!(sign_ins.len() >= 11, "{}", sign_ins.len());
        let mut with_contacts = 0;
        for (recorded, dialect, email) in sign_ins {
            let mut session = session(&email, dialect);
            let mut loaded = false;
            for piece in recorded.server.bytes.chunks(5) {
                if session.handle_input(now, piece).is_err() {
                    break; // the recorded server ended it: signed in elsewhere, or abuse
                }
                while let Some(event) = session.poll_event() {
                    match event {
                        NotificationEvent::TicketWanted { .. } => {
                            session.provide_ticket(now, Ticket::new("t"))
                        }
                        NotificationEvent::RosterLoaded => loaded = true,
                        _ => {}
                    }
                }
            }
            let place = format!("{} {}", recorded.file, recorded.tag);
            assert!(session.is_signed_in() || loaded, "{place}");
            let was_asked = String::from_utf8_lossy(&recorded.server.bytes).contains("\r\nSYN 5 ");
            assert_eq!(loaded, was_asked, "{place}");
            assert_eq!(session.dialect(), dialect, "{place}");
            with_contacts +=
                usize::from(session.roster().contacts().any(|c| c.email.as_str() == "bob@example.com"));
        }
        assert!(with_contacts >= 3, "{with_contacts}");
    }

    #[test]
    fn a_recorded_chat_is_heard_by_the_call() {
        let now = Instant::now();
        let mut texts = 0;
        for (recorded, dialect) in dialogues().into_iter().filter(|(r, _)| r.is_switchboard()) {
            let begins = String::from_utf8_lossy(&recorded.client.bytes).into_owned();
            if !begins.starts_with("USR 1 ") {
                continue;
            }
            let me = Email::parse(begins.split(' ').nth(2).unwrap()).unwrap();
            let mut call = SwitchboardSession::call(now, dialect, me, Cookie::new("1"), Vec::new());
            for piece in recorded.server.bytes.chunks(11) {
                if call.handle_input(now, piece).is_err() {
                    break; // turned away on purpose
                }
            }
            let events: Vec<CallEvent> = std::iter::from_fn(|| call.poll_event()).collect();
            let is_text = |event: &&CallEvent| {
                matches!(event, CallEvent::Received { content: Content::Text { .. }, .. })
            };
            texts += events.iter().filter(is_text).count();
            let joined = String::from_utf8_lossy(&recorded.server.bytes).matches("JOI ").count();
            let seen = events.iter().filter(|event| matches!(event, CallEvent::Joined { .. })).count();
            assert!(seen <= joined && (seen > 0) == (joined > 0), "{} {}", recorded.file, recorded.tag);
        }
        assert!(texts >= 8, "{texts}");
    }
}
