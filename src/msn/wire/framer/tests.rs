use proptest::prelude::*;

use super::*;

fn framer(direction: Direction) -> Framer {
    Framer::new(direction, Limits::default())
}

fn all(direction: Direction, bytes: &[u8]) -> Vec<Frame> {
    let mut framer = framer(direction);
    framer.push(bytes);
    std::iter::from_fn(|| framer.next_frame().unwrap()).collect()
}

fn verbs(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|f| f.verb.as_str()).collect()
}

#[test]
fn conf_001_lines_end_in_crlf_or_lf_and_trailing_blanks_do_not_count() {
    let frames = all(Direction::FromServer, b"NLN NLN a@b.c A 0 \r\nFLN a@b.c\nFLN  b@b.c\r\n\r\n");
    assert_eq!(verbs(&frames), ["NLN", "FLN", "FLN"]);
    assert_eq!(frames[0].args, ["NLN", "a@b.c", "A", "0"]);
    assert_eq!(frames[2].args, ["b@b.c"]);
    // The rule broken: without any line end there is no unit.
    assert!(all(Direction::FromServer, b"FLN a@b.c").is_empty());
}

#[test]
fn conf_002_a_payload_is_counted_in_bytes_and_may_hold_commands() {
    let inner = "é\r\nOUT OTH\r\n";
    let bytes = format!("MSG a@b.c A {}\r\n{inner}OUT SSD\r\n", inner.len());
    let frames = all(Direction::FromServer, bytes.as_bytes());
    assert_eq!(verbs(&frames), ["MSG", "OUT"]);
    assert_eq!(frames[0].payload.as_deref(), Some(inner.as_bytes()));
    assert_eq!(frames[1].args, ["SSD"]);
    // Counted in characters it would end one byte early and the next unit would be lost.
    let short = format!("MSG a@b.c A {}\r\n{inner}OUT SSD\r\n", inner.chars().count());
    assert_ne!(all(Direction::FromServer, short.as_bytes()), frames);
}

#[test]
fn conf_004_two_commands_in_one_segment_come_in_order() {
    assert_eq!(verbs(&all(Direction::FromClient, b"VER 1 MSNP8 CVR0\r\nCVR 2 x\r\n")), ["VER", "CVR"]);
    assert_eq!(verbs(&all(Direction::FromClient, b"VER 1 MSNP8 CVR0\r\nCVR 2 x")), ["VER"]);
}

#[test]
fn conf_005_a_length_of_zero_takes_no_bytes() {
    let frames = all(Direction::FromServer, b"UBX a@b.c 0\r\nUUX 7 0\r\nFLN a@b.c\r\n");
    assert_eq!(verbs(&frames), ["UBX", "UUX", "FLN"]);
    assert_eq!(frames[1].args, ["7"]);
    assert_eq!(frames[1].payload.as_deref(), Some(&b""[..]));
    // Nothing more has to come for it to be whole.
    assert_eq!(verbs(&all(Direction::FromServer, b"UUX 8 0\r\n")), ["UUX"]);
}

#[test]
fn conf_006_the_reply_to_qry_has_no_payload_and_the_request_has() {
    let reply = all(Direction::FromServer, b"QRY 12\r\nOUT\r\n");
    assert_eq!(verbs(&reply), ["QRY", "OUT"]);
    let request = all(Direction::FromClient, b"QRY 12 msmsgs@msnmsgr.com 4\r\nabcdOUT\r\n");
    assert_eq!(verbs(&request), ["QRY", "OUT"]);
    assert_eq!(request[0].payload.as_deref(), Some(&b"abcd"[..]));
}

#[test]
fn lengths_of_peers_are_limited_before_anything_is_kept() {
    let mut f = framer(Direction::FromServer);
    f.push(b"MSG a@b.c A 4294967296\r\n");
    assert!(matches!(f.next_frame(), Err(FrameError::PayloadTooLong { length: 4_294_967_296, .. })));
    let mut f = framer(Direction::FromServer);
    f.push(b"MSG a@b.c A 99999999999999999999999\r\n");
    assert!(matches!(f.next_frame(), Err(FrameError::PayloadTooLong { .. })));
    let mut f = framer(Direction::FromServer);
    f.push(&[b'A'; 9000]);
    assert_eq!(f.next_frame(), Err(FrameError::LineTooLong { limit: 8192 }));
    let mut f = framer(Direction::FromServer);
    f.push(b"MSG a@b.c A -5\r\n");
    assert!(matches!(f.next_frame(), Err(FrameError::BadLength { .. })));
}

#[test]
fn a_line_without_a_verb_is_named_and_the_next_is_read() {
    let mut f = framer(Direction::FromServer);
    f.push(b"hello there\r\nOUT\r\n");
    let error = f.next_frame().unwrap_err();
    assert_eq!(error, FrameError::BadVerb { got: "hello".into() });
    assert!(!error.is_fatal());
    assert_eq!(f.next_frame().unwrap().unwrap().verb.as_str(), "OUT");
}

proptest! {
    #[test]
    fn conf_003_where_the_segments_are_cut_changes_nothing(
        bodies in prop::collection::vec("\\PC{0,40}", 1..6),
        cuts in prop::collection::vec(0usize..400, 0..20),
    ) {
        let mut bytes = Vec::new();
        for body in &bodies {
            bytes.extend_from_slice(format!("MSG a@b.c Ä {}\r\n{body}FLN a@b.c\r\n", body.len()).as_bytes());
        }
        let whole = all(Direction::FromServer, &bytes);
        prop_assert_eq!(whole.len(), bodies.len() * 2);
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|&c| c < bytes.len()).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut f = framer(Direction::FromServer);
        let mut pieces = Vec::new();
        for pair in cuts.windows(2) {
            f.push(&bytes[pair[0]..pair[1]]);
            while let Some(frame) = f.next_frame().unwrap() {
                pieces.push(frame);
            }
        }
        prop_assert_eq!(pieces, whole);
        prop_assert!(f.is_empty());
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600), client in any::<bool>()) {
        let direction = if client { Direction::FromClient } else { Direction::FromServer };
        let mut f = framer(direction);
        f.push(&bytes);
        for _ in 0..700 {
            match f.next_frame() {
                Ok(None) => break,
                Err(e) if e.is_fatal() => break,
                _ => {}
            }
        }
    }
}

#[test]
fn fault_22_a_document_whose_length_was_left_out_does_not_end_the_session() {
    let stream = b"UBX a@b.c\r\n<Data><PSM>1 < 2\r\nQNG</PSM><CurrentMedia></CurrentMedia></Data>NLN NLN a@b.c A 0\r\n\
                   UUX 7\r\n<data></DATA>GCF\r\n<config a=\"b\">x</config>FLN a@b.c\r\nUBX a@b.c\r\nQNG 1\r\n";
    let verbs_of = |cut: usize| {
        let mut framer = Framer::new(Direction::FromServer, Limits::default());
        let mut frames = Vec::new();
        for part in [&stream[..cut], &stream[cut..]] {
            framer.push(part);
            while let Some(frame) = framer.next_frame().unwrap() {
                frames.push(frame);
            }
        }
        assert!(framer.is_empty());
        verbs(&frames).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for cut in 0..=stream.len() {
        assert_eq!(verbs_of(cut), ["UBX", "NLN", "UUX", "GCF", "FLN", "UBX", "QNG"], "cut at {cut}");
    }
    // One without an end is not kept for ever, and nothing else may begin so.
    let mut framer = Framer::new(Direction::FromServer, Limits::default());
    framer.push(b"UBX a@b.c\r\n<Data>");
    assert!(framer.next_frame().unwrap().is_some());
    framer.push(&[b'x'; 70_000]);
    assert!(framer.next_frame().is_err());
    let mut framer = Framer::new(Direction::FromServer, Limits::default());
    framer.push(b"FLN a@b.c\r\n<Data></Data>\r\n");
    assert!(framer.next_frame().unwrap().is_some());
    assert!(framer.next_frame().is_err());
}

#[test]
fn conf_104_replies_without_a_length_have_no_payload_and_those_with_one_have() {
    let bare = b"ADL 5 OK\r\nRML 6 OK\r\nUUN 7 OK\r\nUSR 4 OK a@b.c 1 0\r\n";
    let frames = all(Direction::FromServer, bare);
    assert_eq!(verbs(&frames), ["ADL", "RML", "UUN", "USR"]);
    assert!(frames.iter().all(|frame| frame.payload.is_none()));
    for line in [
        "ADL 5",
        "ADL 0",
        "RML 0",
        "FQY 5",
        "UBN a@b.c 1",
        "UBM a@b.c 32 b@b.c 1 1",
        "NFY PUT",
        "SDG 0",
        "GCF 0",
        "PUT 5 OK",
    ] {
        for payload in ["", "<a/>OUT\r\n"] {
            let bytes = format!("{line} {}\r\n{payload}QNG 50\r\n", payload.len());
            let frames = all(Direction::FromServer, bytes.as_bytes());
            assert_eq!(frames.len(), 2, "{line}");
            assert_eq!(frames[0].payload.as_deref(), Some(payload.as_bytes()), "{line}");
        }
    }
    for line in ["ADL 5", "RML 5", "FQY 5", "UUN 5 a@b.c 1", "UUM 5 a@b.c 1 1", "SDG 5", "PUT 5"] {
        let frames = all(Direction::FromClient, format!("{line} 4\r\n<a/>PNG\r\n").as_bytes());
        assert_eq!(verbs(&frames)[1..], ["PNG"], "{line}");
        assert_eq!(frames[0].payload.as_deref(), Some(&b"<a/>"[..]), "{line}");
    }
}

#[test]
fn conf_105_an_error_has_a_payload_from_msnp13_on_and_never_before() {
    let bytes = b"241 5 4\r\n<a/>208 6\r\n";
    let mut later = framer(Direction::FromServer);
    later.expect_error_payloads();
    later.push(bytes);
    let frames: Vec<_> = std::iter::from_fn(|| later.next_frame().unwrap()).collect();
    assert_eq!(verbs(&frames), ["241", "208"]);
    assert_eq!(frames[0].payload.as_deref(), Some(&b"<a/>"[..]));
    assert_eq!(frames[1].payload, None);
    // The rule broken: an older dialect takes the payload for a command.
    let mut older = framer(Direction::FromServer);
    older.push(bytes);
    assert_eq!(older.next_frame().unwrap().unwrap().payload, None);
    assert!(older.next_frame().is_err());
}

#[test]
fn conf_106_a_payload_without_a_line_end_is_split_by_its_length() {
    let policies = "<Policies>\n</Policies>";
    let notice = "<NOTIFICATION id=\"0\"></NOTIFICATION>";
    let bytes = format!(
        "GCF 0 {}\r\n{policies}USR 3 SSO S MBI_KEY_OLD abc\r\nNOT {}\r\n{notice}NLN NLN a@b.c 1 A 0:0\r\n",
        policies.len(),
        notice.len()
    );
    let frames = all(Direction::FromServer, bytes.as_bytes());
    assert_eq!(verbs(&frames), ["GCF", "USR", "NOT", "NLN"]);
    assert_eq!(frames[0].payload.as_deref(), Some(policies.as_bytes()));
    assert_eq!(frames[1].args, ["3", "SSO", "S", "MBI_KEY_OLD", "abc"]);
}
