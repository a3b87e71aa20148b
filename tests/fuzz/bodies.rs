//! What the fuzz targets do, as plain functions: the property tests call them too. Each takes bytes of a peer and panics
//! where a promise is broken.

use std::time::{Duration, Instant};

use bytes::Bytes;
use msnbridge::msn::challenge::Product;
use msnbridge::msn::command::{Acknowledge, ClientCommand, Context, Link, ServerCommand, Status};
use msnbridge::msn::dialect::Dialect;
use msnbridge::msn::gateway::{Destination, GatewayAction, GatewaySession, SessionHeader};
use msnbridge::msn::ids::{Capabilities, Cookie, Email, Ticket};
use msnbridge::msn::message::{
    Assembler, Content, Envelope, Invitation, PersonalMessage, ServerNotice, TextStyle, alert_text, page_text,
};
use msnbridge::msn::msnftp::{FileReceiver, FileSender, ReceiverEvent};
use msnbridge::msn::p2p::{
    DirectEvent, DirectSession, Door, FileContext, Guid, Means, MsnObject, Names, Nonce, ObjectKind, Packet,
    Peer, PeerEvent, Slp, safe_name,
};
use msnbridge::msn::session::{
    Change, Identity, Machine, NotificationEvent, NotificationSession, Roster, Start, SwitchboardSession,
};
use msnbridge::msn::sso::{Domain, ProofSecret, TokenExchange, TokenRequest, TokenStep};
use msnbridge::msn::wire::{Direction, Frame, Framer, Limits};

type Body = fn(&[u8]);

/// Every body by its name.
pub(crate) const BODIES: [(&str, Body); 18] = [
    ("framer", framer),
    ("commands", commands),
    ("message", message),
    ("text_style", text_style),
    ("invitation", invitation),
    ("personal", personal),
    ("gateway", gateway),
    ("challenge", challenge),
    ("notification", notification),
    ("switchboard", switchboard),
    ("packet", packet),
    ("slp", slp),
    ("file_context", file_context),
    ("object", object),
    ("peer", peer),
    ("msnftp", msnftp),
    ("direct", direct),
    ("tokens", tokens),
];

const LIMITS: Limits = Limits { line: 256, payload: 512 };

/// The first byte, and the others.
fn split(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// Frames up to the first error that ends the stream.
fn cut(direction: Direction, pieces: &[&[u8]]) -> (Vec<Frame>, bool) {
    let mut framer = Framer::new(direction, LIMITS);
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) if error.is_fatal() => return (frames, true),
                Err(_) => {}
            }
        }
        assert!(framer.buffered() <= LIMITS.line.max(LIMITS.payload) + 1, "the buffer grows with the peer");
    }
    (frames, false)
}

/// Where the bytes are cut changes nothing, and nothing is kept beyond the limits.
pub(crate) fn framer(data: &[u8]) {
    let (choice, bytes) = split(data);
    let direction = if choice & 1 == 0 { Direction::FromClient } else { Direction::FromServer };
    let whole: Vec<&[u8]> = bytes.chunks(256).collect();
    let size = usize::from(choice >> 1).max(1);
    let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
    let (once, broke_once) = cut(direction, &whole);
    let (again, broke_again) = cut(direction, &pieces);
    assert_eq!(once, again);
    assert_eq!(broke_once, broke_again);
}

/// What is understood is written again in a form that is understood as the same.
pub(crate) fn commands(data: &[u8]) {
    let (choice, bytes) = split(data);
    let dialect = Dialect::COMPLETE[usize::from(choice >> 2) % Dialect::COMPLETE.len()];
    let link = if choice & 1 == 0 { Link::Notification } else { Link::Switchboard };
    let context = Context { link, dialect };
    let reread = |direction, bytes: &[u8]| {
        let mut framer = Framer::new(direction, Limits::default());
        framer.push(bytes);
        framer.next_frame().expect("what we write can be cut").expect("what we write is whole")
    };
    let mut framer = Framer::new(Direction::FromClient, Limits::default());
    framer.push(bytes);
    while let Ok(Some(frame)) = framer.next_frame() {
        // What is no part of a token is not written again, so that nobody can make a second command of it.
        let is_odd = frame.args.iter().any(|arg| arg.contains(['\r', '\0']));
        if is_odd {
            continue;
        }
        if let Ok(command) = ClientCommand::decode(&frame, context) {
            let again = reread(Direction::FromClient, &command.encode());
            assert_eq!(ClientCommand::decode(&again, context).expect("we understand ourselves"), command);
        }
    }
    let mut framer = Framer::new(Direction::FromServer, Limits::default());
    framer.push(bytes);
    while let Ok(Some(frame)) = framer.next_frame() {
        if frame.args.iter().any(|arg| arg.contains(['\r', '\0'])) {
            continue;
        }
        if let Ok(command) = ServerCommand::decode(&frame, context) {
            let again = reread(Direction::FromServer, &command.encode(dialect));
            assert!(ServerCommand::decode(&again, context).is_ok(), "{command:?}");
        }
    }
}

/// Messages of any kind, in several parts too.
pub(crate) fn message(data: &[u8]) {
    let now = Instant::now();
    let mut assembler = Assembler::default();
    for (n, part) in data.split(|byte| *byte == 0xFF).enumerate() {
        let Ok(envelope) = Envelope::parse(&Bytes::copy_from_slice(part)) else { continue };
        let _ = ServerNotice::parse(&envelope);
        let later = now + Duration::from_secs(n as u64 * 7);
        if let Some(whole) = assembler.accept(later, envelope) {
            let _ = Content::parse(&whole);
        }
    }
}

/// What a format header means survives being written.
pub(crate) fn text_style(data: &[u8]) {
    let style = TextStyle::parse(&String::from_utf8_lossy(data));
    assert_eq!(TextStyle::parse(&style.encode()), style);
}

pub(crate) fn invitation(data: &[u8]) {
    if let Ok(read) = Invitation::parse(data) {
        let _ = (read.application().to_string(), read.file(), read.cancel_code());
        let again = Invitation::parse(&read.encode().body).expect("we understand ourselves");
        assert_eq!((again.command, again.cookie), (read.command, read.cookie));
    }
}

/// The XML of contacts and servers.
pub(crate) fn personal(data: &[u8]) {
    if let Ok(read) = PersonalMessage::parse(data) {
        let again = PersonalMessage::parse(read.encode().as_bytes()).expect("we understand ourselves");
        assert_eq!(again.text, read.text);
        let _ = read.line();
    }
    let _ = (alert_text(data), page_text(data));
}

/// Answers of a gateway, and requests to one.
pub(crate) fn gateway(data: &[u8]) {
    let now = Instant::now();
    let mut session = GatewaySession::new(Destination::Switchboard, "sb.example");
    for (n, line) in String::from_utf8_lossy(data).lines().take(32).enumerate() {
        if let Ok(header) = line.parse::<SessionHeader>() {
            assert_eq!(header.to_string().parse::<SessionHeader>(), Ok(header));
        }
        let _ = line.parse::<GatewayAction>();
        let later = now + Duration::from_secs(n as u64);
        let _ = session.send(b"OUT\r\n");
        if let Some(request) = session.poll_request(later) {
            let plain = |b: u8| b.is_ascii_graphic();
            assert!(request.query.bytes().all(plain), "{:?}", request.query);
            assert_eq!(session.poll_request(later), None, "two at once");
            let _ = session.handle_answer(later, line);
        }
    }
}

/// Any challenge is answered by 32 hexadecimal digits.
pub(crate) fn challenge(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (challenge, id) = text.split_once('\n').unwrap_or((&text, "PROD0090YUAUV{2B"));
    let product = Product { id: id.to_owned(), key: "YMM8C_H7KCQ2S_KL".into() };
    for dialect in Dialect::COMPLETE {
        let answer = product.answer(challenge, dialect);
        assert!(answer.len() == 32 && answer.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}

/// Feeds a machine pieces of a stream and the time, and takes everything it hands out.
fn drive<M: Machine>(
    machine: &mut M,
    now: Instant,
    bytes: &[u8],
    mut happened: impl FnMut(&mut M, M::Event),
) {
    for (n, piece) in bytes.chunks(64).enumerate() {
        let later = now + Duration::from_secs(n as u64);
        if machine.handle_input(later, piece).is_err() {
            return;
        }
        while let Some(event) = machine.poll_event() {
            happened(machine, event);
        }
        while machine.poll_output().is_some() {}
        if machine.poll_timeout().is_some_and(|at| at <= later) && machine.handle_timeout(later).is_err() {
            return;
        }
    }
}

/// A server that says anything, to a client that is signing in or signed in.
pub(crate) fn notification(data: &[u8]) {
    let (choice, bytes) = split(data);
    let now = Instant::now();
    let dialect = Dialect::COMPLETE[usize::from(choice >> 1) % Dialect::COMPLETE.len()];
    let identity = Identity {
        email: Email::parse("alice@example.com").expect("an account"),
        dialects: vec![dialect],
        client: "MSNMSGR".into(),
        client_version: "7.0.0813".into(),
        locale: "0x0409".into(),
    };
    let start = Start {
        product: None,
        status: Status::Online,
        capabilities: Capabilities(0x20),
        personal: PersonalMessage::default(),
        object: None,
        roster: Roster::default(),
        pings: true,
    };
    let mut session = NotificationSession::new(now, identity, start);
    let welcome = if dialect.has_guids() { "alice@example.com 1 0" } else { "alice@example.com A 1 0" };
    let signed_in = format!("VER 1 {dialect}\r\nCVR 2 1\r\nUSR 3 TWN S x\r\n");
    if choice & 1 == 1 {
        let _ = session.handle_input(now, signed_in.as_bytes());
        session.provide_ticket(now, Ticket::new("t"));
        let _ = session.handle_input(now, format!("USR 4 OK {welcome}\r\n").as_bytes());
    }
    drive(&mut session, now, bytes, |session, event| match event {
        NotificationEvent::TicketWanted { .. } => session.provide_ticket(now, Ticket::new("t=1&p=2")),
        NotificationEvent::AddedBy { email, .. } => drop(session.change(now, Change::Accept { email })),
        NotificationEvent::PresenceChanged(contact) => {
            session.change(now, Change::Block { email: contact.email.clone() });
        }
        NotificationEvent::RosterLoaded => {
            for group in session.roster().groups().keys().take(2).cloned().collect::<Vec<_>>() {
                session.change(now, Change::RemoveGroup { group });
            }
        }
        _ => {}
    });
}

/// A switchboard that says anything.
pub(crate) fn switchboard(data: &[u8]) {
    let (choice, bytes) = split(data);
    let now = Instant::now();
    let dialect = Dialect::COMPLETE[usize::from(choice) % Dialect::COMPLETE.len()];
    let email = |text: &str| Email::parse(text).expect("an account");
    let invitees = vec![email("bob@example.com"), email("eve@example.com")];
    let mut session =
        SwitchboardSession::call(now, dialect, email("alice@example.com"), Cookie::new("1"), invitees);
    let payload = Content::text("hi", None).encode();
    for _ in 0..4 {
        session.send(now, Acknowledge::Always, payload.clone().into());
    }
    drive(&mut session, now, bytes, |session, _| {
        session.send(now, Acknowledge::Never, payload.clone().into());
    });
    session.abandon();
}

/// A packet that is understood is written again as the same one, and never holds more than its message.
pub(crate) fn packet(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let _ = Packet::decode_direct(&bytes);
    let Ok(packet) = Packet::decode(&bytes) else { return };
    let _ = (packet.purpose(), packet.is_last(), packet.nonce());
    let again = Packet::decode(&packet.encode()).expect("we understand ourselves");
    assert_eq!(again, packet);
}

/// Signalling: an answer to anything that is understood is understood.
pub(crate) fn slp(data: &[u8]) {
    let Ok(message) = Slp::parse(data) else { return };
    let answer = message.answer(603, "application/x-msnmsgr-sessionreqbody", Vec::new());
    let again = Slp::parse(&answer.encode()).expect("we understand ourselves");
    assert_eq!(again.verb, answer.verb);
    let _ = Slp::parse(&message.encode());
}

/// What is taken for a ticket can stand in a command and in a request; a proof fits its nonce alone.
pub(crate) fn tokens(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = TokenRequest::parse(&text);
    if let Ok(TokenStep::Done(tokens)) = TokenExchange::default().handle(&text) {
        let shown = Domain::ALL.into_iter().filter_map(|domain| tokens.get(domain));
        shown.for_each(|token| assert!(token.ticket.expose().bytes().all(|b| b.is_ascii_graphic())));
    }
    let secret = ProofSecret::new([7; 24]);
    // No server's nonce is longer; a proof for one that is, is not looked at.
    let nonce: String = text.chars().take(100).collect();
    let proof = secret.prove(&nonce, [9; 8]);
    assert!(secret.verifies(&nonce, &proof) && !secret.verifies(&format!("{nonce}x"), &proof));
    assert!(!secret.verifies(&text, &text));
}

/// Whatever a file is called, what becomes of it is a name and nothing else.
pub(crate) fn file_context(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let names = [FileContext::decode(&text).map(|file| file.name).unwrap_or_default(), text.into_owned()];
    for name in names {
        let safe = safe_name(&name);
        assert!(!safe.is_empty() && safe.chars().count() <= 201, "{safe:?}");
        assert!(!safe.contains(['/', '\\', '\u{202E}']) && !safe.chars().any(char::is_control), "{safe:?}");
        assert!(safe != "." && safe != "..");
    }
}

pub(crate) fn object(data: &[u8]) {
    let Ok(object) = MsnObject::parse(&String::from_utf8_lossy(data)) else { return };
    let _ = (object.is_consistent(), object.describes(b""));
    assert_eq!(MsnObject::parse(object.as_xml()).expect("in its own words"), object);
}

/// A peer who has offered and asked, and is told anything: it neither panics nor says more than it is told.
pub(crate) fn peer(data: &[u8]) {
    let account = |name: &str| Email::parse(&format!("{name}@example.com")).expect("an account");
    let (choice, bytes) = split(data);
    let means = Means { dial: choice & 1 != 0, listen: choice & 2 != 0, nonce: Guid(7) };
    let mut peer = Peer::new(&account("own"), &account("peer"), u32::MAX - 3).with_means(means);
    let names = |n| Names { call: Guid(n), branch: Guid(n), session: 4711 };
    let mut now = Instant::now();
    let given = peer.offer(now, &FileContext { name: "a".into(), size: 3000, preview: None }, names(1));
    peer.want(now, &MsnObject::new("x@y.z", ObjectKind::DisplayPicture, "0", &[0; 4000]), names(2));
    let mut said = 0;
    let size = usize::from(choice).max(52);
    for piece in bytes.chunks(size) {
        if let Ok(packet) = Packet::decode(&Bytes::copy_from_slice(piece)) {
            peer.handle(now, &packet);
        }
        while let Some(event) = peer.poll_event() {
            match event {
                PeerEvent::FileOffered { transfer, .. } => {
                    peer.wait_for_answer(transfer, now + Duration::from_secs(3600));
                    peer.accept(now, transfer);
                }
                PeerEvent::ObjectWanted { transfer, .. } => peer.end(now, transfer),
                PeerEvent::Arrived(transfer) if choice & 64 == 0 => peer.confirm(now, transfer),
                PeerEvent::Arrived(transfer) => peer.end(now, transfer),
                PeerEvent::ListenWanted => {
                    let door = Door { addresses: vec![[192, 0, 2, 1].into()], port: 1 };
                    peer.listening(now, Some(&door).filter(|_| choice & 4 == 0));
                }
                PeerEvent::DialWanted { addresses, .. } => {
                    assert!(!addresses.is_empty() && addresses.len() <= 16);
                    if choice & 8 == 0 { peer.direct_up(now) } else { peer.direct_down(now) }
                }
                _ => {}
            }
        }
        if let Some((id, _, length)) = peer.wants_data() {
            said += usize::from(peer.provide(now, id, vec![0; length].into()).is_some());
        }
        said += std::iter::from_fn(|| peer.poll_packet()).count();
        now += Duration::from_secs(u64::from(choice));
        peer.handle_timeout(now);
        if choice & 16 != 0 {
            peer.direct_down(now);
        }
        if choice & 32 != 0 {
            peer.undelivered(now, given, u64::from(piece[0]) * 100);
        }
        if choice & 64 != 0 && piece[0] & 1 != 0 && peer.outlive(now) {
            peer.resume(now, &[(given, u64::from(piece[0]) * 50)]);
        }
    }
    assert!(said <= 40 + 16 * (bytes.len() / size + 1), "{said} packets");
    peer.lose();
}

/// Either end of a stream, by the first byte; pieces of its size.
pub(crate) fn msnftp(data: &[u8]) {
    let (choice, bytes) = split(data);
    let peer = Email::parse("bob@example.com").expect("an account");
    let mut now = Instant::now();
    let (mut receiver, mut sender) =
        (FileReceiver::new(now, peer.clone(), 1, 3000), FileSender::new(now, peer, 1, 3000));
    let (mut got, mut given) = (0, 0);
    for piece in bytes.chunks(usize::from(choice / 2).max(1)) {
        now += Duration::from_millis(u64::from(choice) * 10);
        if choice % 2 == 0 {
            assert!(receiver.handle_input(now, piece).is_ok() && receiver.handle_timeout(now).is_ok());
            while let Some(event) = receiver.poll_event() {
                match event {
                    ReceiverEvent::Data(bytes) => got += bytes.len(),
                    ReceiverEvent::Whole => {
                        assert_eq!(got, 3000);
                        receiver.confirm();
                    }
                    ReceiverEvent::Failed(failure) => assert!(!failure.meaning().is_empty()),
                }
            }
        } else {
            assert!(sender.handle_input(now, piece).is_ok() && sender.handle_timeout(now).is_ok());
            while let Some((offset, length)) = sender.wants_data() {
                assert_eq!(offset, given);
                sender.provide(now, &vec![1; length]);
                given += length as u64;
            }
            let _ = std::iter::from_fn(|| sender.poll_event()).count();
        }
    }
    assert!(got <= 3000 && given <= 3000);
    let said = std::iter::from_fn(|| receiver.poll_output()).flatten().count();
    assert!(said < 200, "{said} bytes");
}

/// Either end of a direct connection, by the first byte; pieces of its size.
pub(crate) fn direct(data: &[u8]) {
    let (choice, bytes) = split(data);
    let mut now = Instant::now();
    let nonce = if choice % 2 == 0 {
        Nonce::Plain(Guid(7))
    } else {
        Nonce::Hashed { own: Guid(7), theirs: Guid(8).hashed() }
    };
    let begin = if choice % 4 < 2 { DirectSession::connected } else { DirectSession::accepted };
    let mut session = begin(now, nonce, 5);
    let mut ready = false;
    for piece in bytes.chunks(usize::from(choice / 4).max(1)) {
        now += Duration::from_millis(u64::from(choice));
        assert!(session.handle_input(now, piece).is_ok() && session.handle_timeout(now).is_ok());
        while let Some(event) = session.poll_event() {
            match event {
                DirectEvent::Ready => {
                    assert!(!ready);
                    ready = true;
                }
                DirectEvent::Packet(packet) => {
                    assert!(ready, "nothing passes before the nonce");
                    session.send(now, &packet);
                }
                DirectEvent::Failed(_) => {}
            }
        }
    }
}
