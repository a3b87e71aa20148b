use super::*;
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Capabilities, Email, TrId};
use crate::msn::wire::{DecodeErrorKind, Direction, Frame, Framer, Limits, UrlText};

fn frame(direction: Direction, bytes: &[u8]) -> Frame {
    let mut framer = Framer::new(direction, Limits::default());
    framer.push(bytes);
    framer.next_frame().unwrap().unwrap()
}

fn server(dialect: Dialect, link: Link, line: &str) -> ServerCommand {
    let frame = frame(Direction::FromServer, line.as_bytes());
    ServerCommand::decode(&frame, Context { link, dialect }).unwrap()
}

fn client(line: &str) -> Result<ClientCommand, DecodeError> {
    let context = Context { link: Link::Notification, dialect: Dialect::Msnp11 };
    ClientCommand::decode(&frame(Direction::FromClient, line.as_bytes()), context)
}

#[test]
fn conf_019_cvr_has_eight_parameters_behind_its_number() {
    let line = "CVR 2 0x0409 winnt 5.1 i386 MSNMSGR 7.5.0324 MSMSGS alice@example.com\r\n";
    let command = client(line).unwrap();
    assert!(matches!(&command, ClientCommand::Cvr { info, .. } if info.family == "MSMSGS"));
    assert_eq!(command.encode(), line.as_bytes());
    assert_eq!(command.encode().split(|&b| b == b' ').count(), 10);
    let short = client("CVR 2 0x0409 winnt 5.1 i386 MSNMSGR 7.5.0324 MSMSGS\r\n").unwrap_err();
    assert_eq!(short.kind, DecodeErrorKind::Missing("account"));
    assert_eq!(short.trid, Some(TrId(2)));
    let long = client("CVR 2 0x0409 winnt 5.1 i386 MSNMSGR 7.5.0324 MSMSGS a@b.c x\r\n");
    assert!(matches!(long.unwrap_err().kind, DecodeErrorKind::Excess(_)));
}

#[test]
fn conf_038_contact_lines_of_every_dialect_are_read_and_written() {
    let guid = "c1f9a363-4ee9-4a33-a434-b056a4c55b98";
    for (dialect, line) in [
        (Dialect::Msnp8, "LST bob@example.com Bob 11 0,1\r\n".to_owned()),
        (Dialect::Msnp9, "LST carol@example.com Carol 8\r\n".to_owned()),
        (Dialect::Msnp10, format!("LST N=bob@example.com F=Bob C={guid} 11 {guid}\r\n")),
        (Dialect::Msnp11, "LST N=dave@example.com F=Dave 8\r\n".to_owned()),
        (Dialect::Msnp12, format!("LST N=bob@example.com F=Bob C={guid} 11 1 {guid},{guid}\r\n")),
        (Dialect::Msnp12, "LST N=dave@example.com 8 1\r\n".to_owned()),
        (Dialect::Msnp11, format!("LST N=bob@example.com C={guid} 11\r\n")),
    ] {
        let entry = server(dialect, Link::Notification, &line);
        assert_eq!(String::from_utf8(entry.encode(dialect)).unwrap(), line, "{dialect}");
    }
    let typed = server(Dialect::Msnp12, Link::Notification, "LST N=b@e.c F=B 11 1 \r\n");
    assert!(
        matches!(typed, ServerCommand::Lst(entry) if entry.groups.is_empty() && entry.lists == ListMask(11))
    );
    // The rule broken: a line without its list mask is refused.
    let frame = frame(Direction::FromServer, b"LST N=bob@example.com F=Bob\r\n");
    let context = Context { link: Link::Notification, dialect: Dialect::Msnp11 };
    assert!(ServerCommand::decode(&frame, context).is_err());
}

#[test]
fn conf_055_presence_lines_of_every_dialect() {
    let object = "%3Cmsnobj%20Creator%3D%22b%40e.c%22%2F%3E";
    for (line, expected) in [
        ("NLN BSY b@e.c Bob 0\r\n".to_owned(), None),
        ("NLN BSY b@e.c Bob 268435456 0\r\n".to_owned(), None),
        ("NLN BSY b@e.c Bob 268435456 %3Cmsnobj%2F%3E\r\n".to_owned(), None),
        (format!("NLN BSY b@e.c Bob 268435456 {object}\r\n"), Some(object)),
    ] {
        let ServerCommand::Nln { presence } = server(Dialect::Msnp9, Link::Notification, &line) else {
            panic!("{line}")
        };
        assert_eq!(presence.object.as_ref().map(UrlText::as_wire), expected, "{line}");
        assert_eq!(presence.status, Status::Busy);
    }
    for line in
        ["CHG 7 NLN\r\n", "CHG 7 NLN 0\r\n", "CHG 7 NLN 268435456 0\r\n", "CHG 7 HDN 1 %3Cm%2F%3E\r\n"]
    {
        assert_eq!(client(line).unwrap().encode(), line.as_bytes());
    }
    // MSNP8 has no objects: one that is known is not sent there.
    let presence = Presence {
        status: Status::Online,
        email: Email::parse("b@e.c").unwrap(),
        name: UrlText::encode("Bob"),
        capabilities: Some(Capabilities(4)),
        object: Some(UrlText::from_wire(object)),
    };
    let nln = ServerCommand::Nln { presence };
    assert_eq!(nln.encode(Dialect::Msnp8), b"NLN NLN b@e.c Bob 4\r\n");
    assert_eq!(nln.encode(Dialect::Msnp9), format!("NLN NLN b@e.c Bob 4 {object}\r\n").as_bytes());
    assert!(matches!(client("CHG 7 ZZZ 0\r\n").unwrap_err().kind, DecodeErrorKind::Invalid { .. }));
}

#[test]
fn replies_with_and_without_numbers_are_told_apart() {
    let ns = |dialect, line| server(dialect, Link::Notification, line);
    assert!(matches!(ns(Dialect::Msnp11, "GTC A\r\n"), ServerCommand::Gtc { trid: None, .. }));
    assert!(matches!(ns(Dialect::Msnp11, "GTC 5 A\r\n"), ServerCommand::Gtc { trid: Some(TrId(5)), .. }));
    assert!(matches!(ns(Dialect::Msnp8, "PRP 5 12 PHH 1\r\n"), ServerCommand::Prp { version: Some(12), .. }));
    assert!(matches!(ns(Dialect::Msnp8, "BPR PHH 555\r\n"), ServerCommand::Bpr { email: None, .. }));
    assert!(matches!(
        ns(Dialect::Msnp8, "BPR 9 a@b.c PHH\r\n"),
        ServerCommand::Bpr { version: Some(9), email: Some(_), value: None, .. }
    ));
    assert!(matches!(
        ns(Dialect::Msnp10, "REM 0 RL N=a@b.c\r\n"),
        ServerCommand::Rem { target, .. } if target == "a@b.c"
    ));
    assert!(matches!(
        ns(Dialect::Msnp8, "REM 7 FL 12 a@b.c 1\r\n"),
        ServerCommand::Rem { version: Some(12), group: Some(_), .. }
    ));
    assert!(matches!(ns(Dialect::Msnp11, "OUT RCT 5\r\n"), ServerCommand::Out { .. }));
    assert!(matches!(ns(Dialect::Msnp11, "217 9\r\n"), ServerCommand::Failed { trid: TrId(9), .. }));
}

#[test]
fn conf_010_an_unknown_command_is_kept_and_the_next_is_understood() {
    let mut framer = Framer::new(Direction::FromServer, Limits::default());
    framer.push(b"XYZ 0 what 12\r\nFLN a@b.c\r\n");
    let context = Context { link: Link::Notification, dialect: Dialect::Msnp11 };
    let first = ServerCommand::decode(&framer.next_frame().unwrap().unwrap(), context).unwrap();
    assert!(matches!(first, ServerCommand::Unknown(frame) if frame.args.len() == 3));
    let second = ServerCommand::decode(&framer.next_frame().unwrap().unwrap(), context).unwrap();
    assert!(matches!(second, ServerCommand::Fln { .. }));
}

#[test]
fn session_numbers_that_are_hexadecimal_and_names_that_are_raw_utf8_are_read() {
    let line = "RNG 63cd338ddc47818680b0c9a51326fd0 127.0.0.1:1864 CKI 98cca alice@example.com Alice%20☃\r\n";
    let ServerCommand::Rng { session, name, .. } = server(Dialect::Msnp11, Link::Notification, line) else {
        panic!()
    };
    assert_eq!(session.0, "63cd338ddc47818680b0c9a51326fd0");
    assert_eq!(name.decode(), "Alice ☃");
}

#[test]
fn conf_130_presence_is_read_and_written_in_the_form_of_each_dialect() {
    let capabilities = |pair| if pair { "1342177316:0" } else { "1342177316" };
    for (dialect, account, pair) in [
        (Dialect::Msnp12, "bob@example.com", false),
        (Dialect::Msnp13, "bob@example.com", false),
        (Dialect::Msnp14, "bob@example.com 1", false),
        (Dialect::Msnp15, "bob@example.com 1", false),
        (Dialect::Msnp16, "bob@example.com 1", true),
        (Dialect::Msnp17, "bob@example.com 1", true),
        (Dialect::Msnp18, "1:bob@example.com", true),
    ] {
        let gone = match (account == "bob@example.com", pair) {
            (true, _) => "",
            (false, false) => " 0",
            (false, true) => " 0:0",
        };
        let initial = if dialect == Dialect::Msnp18 { "NLN" } else { "ILN 9" };
        let can = capabilities(pair);
        for line in [
            format!("{initial} BSY {account} Bob%20B {can} %3Cobj%2F%3E\r\n"),
            format!("NLN NLN {account} Bob {can}\r\n"),
            format!("FLN {account}{gone}\r\n"),
            format!("UBX {account} 3\r\n<D>"),
        ] {
            let read = server(dialect, Link::Notification, &line);
            assert_eq!(String::from_utf8(read.encode(dialect)).unwrap(), line, "{dialect}");
            let whose = match &read {
                ServerCommand::Iln { presence, .. } | ServerCommand::Nln { presence } => {
                    assert_eq!(presence.capabilities, Some(Capabilities(1_342_177_316)), "{line}");
                    presence.email.clone()
                }
                ServerCommand::Fln { email } | ServerCommand::Ubx { email, .. } => email.clone(),
                other => panic!("{line} is {other:?}"),
            };
            assert_eq!(whose, Email::parse("bob@example.com").unwrap(), "{line}");
        }
        // What is asked for keeps its number where the dialect has one.
        let presence = server(dialect, Link::Notification, &format!("NLN NLN {account} Bob {can}\r\n"));
        let ServerCommand::Nln { presence } = presence else { panic!("no presence") };
        let initial = ServerCommand::Iln { trid: TrId(9), presence }.encode(dialect);
        assert_eq!(initial.starts_with(b"ILN 9 "), dialect != Dialect::Msnp18);
    }
}

#[test]
fn conf_104_a_reply_about_lists_has_no_payload_and_what_comes_by_itself_has_one() {
    for line in ["ADL 3 OK\r\n", "RML 3 OK\r\n", "ADL 0 5\r\n<ml/>", "RML 0 0\r\n"] {
        let read = server(Dialect::Msnp15, Link::Notification, line);
        let (ServerCommand::Adl { data, .. } | ServerCommand::Rml { data, .. }) = &read else {
            panic!("{line} is {read:?}")
        };
        assert_eq!(data.is_none(), line.ends_with("OK\r\n"), "{line}");
        assert_eq!(read.encode(Dialect::Msnp15), line.as_bytes());
    }
    for line in ["ADL 3 15\r\n<ml l=\"1\"></ml>", "RML 4 5\r\n<ml/>"] {
        assert_eq!(client(line).unwrap().encode(), line.as_bytes());
    }
}
