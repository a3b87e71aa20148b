use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::msn::ids::Email;
use crate::msn::session::Machine;

const COOKIE: u32 = 93301;

fn bob() -> Email {
    Email::parse("bob@example.com").unwrap()
}

fn new_receiver(now: Instant, size: u64) -> FileReceiver {
    FileReceiver::new(now, bob(), COOKIE, size)
}

fn new_sender(now: Instant, size: u64) -> FileSender {
    FileSender::new(now, Email::parse("BOB@example.com").unwrap(), COOKIE, size)
}

fn said<M: Machine>(machine: &mut M) -> Vec<u8> {
    std::iter::from_fn(|| machine.poll_output()).flatten().collect()
}

fn heard<M: Machine>(machine: &mut M, bytes: &[u8]) -> Vec<M::Event> {
    machine.handle_input(Instant::now(), bytes).unwrap();
    std::iter::from_fn(|| machine.poll_event()).collect()
}

fn data(events: &[ReceiverEvent]) -> Vec<u8> {
    let bytes = events.iter().filter_map(|event| match event {
        ReceiverEvent::Data(bytes) => Some(bytes.to_vec()),
        _ => None,
    });
    bytes.flatten().collect()
}

/// A receiver that has been told the size, and waits for data.
fn receiving(size: u64) -> FileReceiver {
    let mut receiver = new_receiver(Instant::now(), size);
    assert_eq!(said(&mut receiver), b"VER MSNFTP\r\n");
    assert!(heard(&mut receiver, b"VER MSNFTP\r\n").is_empty());
    assert_eq!(said(&mut receiver), b"USR bob@example.com 93301\r\n");
    receiver.handle_input(Instant::now(), format!("FIL {size}\r\n").as_bytes()).unwrap();
    assert_eq!(said(&mut receiver), b"TFR\r\n");
    receiver
}

#[test]
fn conf_082_the_receiver_speaks_first_and_says_goodbye_last() {
    let mut receiver = receiving(11);
    let events = heard(&mut receiver, b"\x00\x0b\x00hello world");
    assert_eq!(data(&events), b"hello world");
    assert_eq!(events.last(), Some(&ReceiverEvent::Whole));
    // Confirmed last: only once the caller says that it is safe.
    assert!(said(&mut receiver).is_empty());
    receiver.confirm();
    assert_eq!(said(&mut receiver), b"BYE 16777989\r\n");
    // The rule broken: another size than was offered, another order.
    let mut other = new_receiver(Instant::now(), 11);
    heard(&mut other, b"VER MSNFTP\r\n");
    assert_eq!(heard(&mut other, b"FIL 12\r\n"), [ReceiverEvent::Failed(StreamFailure::Malformed)]);
    let mut other = new_receiver(Instant::now(), 11);
    assert_eq!(heard(&mut other, b"FIL 11\r\n"), [ReceiverEvent::Failed(StreamFailure::Malformed)]);
}

#[test]
fn conf_082_the_sender_gives_only_to_who_was_invited() {
    let mut sender = new_sender(Instant::now(), 3000);
    assert!(heard(&mut sender, b"VER MSNFTP MSNFTP2\r\n").is_empty());
    assert_eq!(said(&mut sender), b"VER MSNFTP\r\n");
    heard(&mut sender, b"USR bob@example.com 93301\r\n");
    assert_eq!(said(&mut sender), b"FIL 3000\r\n");
    assert_eq!(sender.wants_data(), None);
    assert_eq!(heard(&mut sender, b"TFR\r\n"), [SenderEvent::Begun]);
    assert_eq!(sender.wants_data(), Some((0, 2045)));
    sender.provide(Instant::now(), &[7; 2045]);
    assert_eq!(sender.wants_data(), Some((2045, 955)));
    sender.provide(Instant::now(), &[7; 955]);
    let wire = said(&mut sender);
    assert_eq!((&wire[..3], &wire[2048..2051]), (&[0, 0xfd, 0x07][..], &[0, 0xbb, 0x03][..]));
    assert_eq!(heard(&mut sender, b"BYE 16777989\r\n"), [SenderEvent::Finished]);
    for wrong in ["USR bob@example.com 93302\r\n", "USR carol@example.com 93301\r\n"] {
        let mut sender = new_sender(Instant::now(), 1);
        heard(&mut sender, b"VER MSNFTP\r\n");
        let failed = heard(&mut sender, wrong.as_bytes());
        assert_eq!(failed, [SenderEvent::Failed(StreamFailure::Stranger)], "{wrong}");
        assert_eq!(said(&mut sender), b"VER MSNFTP\r\n");
    }
}

#[test]
fn conf_083_a_sender_that_connected_speaks_when_nobody_else_does() {
    let now = Instant::now();
    let (mut sender, mut receiver) = (new_sender(now, 4), new_receiver(now, 4));
    assert_eq!(sender.poll_timeout(), Some(now + Duration::from_secs(5)));
    sender.handle_timeout(now + Duration::from_secs(5)).unwrap();
    assert_eq!(said(&mut sender), b"VER MSNFTP\r\n");
    // Whichever line comes is answered, and nothing is said twice.
    heard(&mut receiver, b"VER MSNFTP\r\n");
    let words = said(&mut receiver);
    assert_eq!(words, b"VER MSNFTP\r\nUSR bob@example.com 93301\r\n");
    heard(&mut sender, &words);
    assert_eq!(said(&mut sender), b"FIL 4\r\n");
}

#[test]
fn conf_084_frames_have_any_size() {
    let file: Vec<u8> = (0..70_000u32).map(|n| (n % 251) as u8).collect();
    let mut receiver = receiving(file.len() as u64);
    let mut wire = Vec::new();
    let mut left = &file[..];
    for size in [1, 0, 2045, 65_535, 2000, 419] {
        let (frame, rest) = left.split_at(size);
        wire.extend([0, size as u8, (size >> 8) as u8]);
        wire.extend(frame);
        left = rest;
    }
    assert!(left.is_empty());
    wire.extend([1, 0, 0]);
    // In pieces that care for nothing.
    let events: Vec<_> = wire.chunks(997).flat_map(|piece| heard(&mut receiver, piece)).collect();
    assert!(data(&events) == file);
    assert_eq!(events.last(), Some(&ReceiverEvent::Whole));
    let mut more = receiving(3);
    assert_eq!(heard(&mut more, &[0, 4, 0]), [ReceiverEvent::Failed(StreamFailure::Malformed)]);
}

#[test]
fn conf_084_an_empty_file_is_whole_at_once() {
    let mut receiver = new_receiver(Instant::now(), 0);
    assert_eq!(heard(&mut receiver, b"VER MSNFTP\r\nFIL 0\r\n"), [ReceiverEvent::Whole]);
    let mut sender = new_sender(Instant::now(), 0);
    heard(&mut sender, b"VER MSNFTP\r\nUSR bob@example.com 93301\r\nTFR\r\n");
    assert_eq!(sender.wants_data(), None);
    assert_eq!(heard(&mut sender, b"BYE 16777989\r\n"), [SenderEvent::Finished]);
}

#[test]
fn conf_084_whoever_ends_early_is_understood() {
    let mut early = receiving(2);
    let events = heard(&mut early, &[0, 1, 0, 9, 1, 0, 0]);
    assert_eq!(events.last(), Some(&ReceiverEvent::Failed(StreamFailure::Cancelled)));
    let mut ours = receiving(2);
    ours.cancel(Bye::ReceiverCancelled);
    assert_eq!(said(&mut ours), b"CCL\r\n");
    for (line, failure) in [
        ("CCL\r\n", StreamFailure::Cancelled),
        ("BYE 2164261682\r\n", StreamFailure::Cancelled),
        ("BYE 2147942405\r\n", StreamFailure::NoSpace),
        ("BYE 2164261694\r\n", StreamFailure::TimedOut),
        ("BYE 17\r\n", StreamFailure::Ended(17)),
        // They have it all, they say, but they have not.
        ("BYE 16777989\r\n", StreamFailure::Malformed),
    ] {
        let mut sender = new_sender(Instant::now(), 9000);
        heard(&mut sender, b"VER MSNFTP\r\nUSR bob@example.com 93301\r\nTFR\r\n");
        sender.provide(Instant::now(), &[1; 2045]);
        assert_eq!(heard(&mut sender, line.as_bytes()), [SenderEvent::Failed(failure)], "{line}");
        assert!(!failure.meaning().is_empty());
        assert_eq!(sender.wants_data(), None);
    }
}

#[test]
fn silence_ends_either_side_in_time() {
    let now = Instant::now();
    let mut receiver = new_receiver(now, 5);
    receiver.handle_timeout(now + Duration::from_secs(30)).unwrap();
    assert_eq!(receiver.poll_event(), Some(ReceiverEvent::Failed(StreamFailure::TimedOut)));
    assert_eq!(said(&mut receiver), b"VER MSNFTP\r\nBYE 2164261694\r\n");
    let mut sender = new_sender(now, 5);
    sender.handle_timeout(now + Duration::from_secs(30)).unwrap();
    assert_eq!(sender.poll_event(), Some(SenderEvent::Failed(StreamFailure::TimedOut)));
    assert_eq!(sender.poll_timeout(), None);
}

/// Lets time pass until something happens, and gives how long that took.
fn until_it_ends<M: Machine>(machine: &mut M, mut now: Instant) -> (Duration, M::Event) {
    let begun = now;
    for _ in 0..10 {
        now = now.max(machine.poll_timeout().expect("a state without a deadline"));
        machine.handle_timeout(now).unwrap();
        if let Some(event) = machine.poll_event() {
            return (now - begun, event);
        }
    }
    panic!("deadlines pass, and nothing comes of them");
}

#[test]
fn fault_07_a_stream_whose_other_side_falls_silent_is_given_up_in_every_state() {
    let lines = ["VER MSNFTP\r\n", "FIL 9000\r\n", "\0\x02\0ab", "\0\x05\0a"];
    for heard_of in 0..=lines.len() {
        let now = Instant::now();
        let mut receiver = new_receiver(now, 9000);
        lines[..heard_of]
            .iter()
            .for_each(|line| drop(receiver.handle_input(now, line.as_bytes()).map(|()| said(&mut receiver))));
        while receiver.poll_event().is_some() {}
        let (after, event) = until_it_ends(&mut receiver, now);
        assert_eq!(event, ReceiverEvent::Failed(StreamFailure::TimedOut), "after {heard_of} lines");
        assert!(after <= Duration::from_secs(60), "{after:?}");
    }
    let lines = ["VER MSNFTP\r\n", "USR bob@example.com 93301\r\n", "TFR\r\n"];
    for (heard_of, given) in [(0, 0), (1, 0), (2, 0), (3, 0), (3, 2000), (3, 4000)] {
        let now = Instant::now();
        let mut sender = new_sender(now, 4000);
        lines[..heard_of].iter().for_each(|line| drop(heard(&mut sender, line.as_bytes())));
        for _ in 0..given / 2000 {
            sender.provide(now, &[7; 2000]);
        }
        let (after, event) = until_it_ends(&mut sender, now);
        assert_eq!(
            event,
            SenderEvent::Failed(StreamFailure::TimedOut),
            "after {heard_of} lines, {given} bytes"
        );
        assert!(after <= Duration::from_secs(61), "{after:?}");
    }
}

#[test]
fn a_line_without_end_is_not_kept() {
    let mut receiver = new_receiver(Instant::now(), 5);
    assert_eq!(heard(&mut receiver, &[b'V'; 600]), [ReceiverEvent::Failed(StreamFailure::Malformed)]);
    // Nor what comes after it.
    assert!(heard(&mut receiver, b"VER MSNFTP\r\n").is_empty());
}

proptest! {
    #[test]
    fn what_one_side_sends_the_other_gets(file in prop::collection::vec(any::<u8>(), 0..9000), cut in 1usize..500) {
        let now = Instant::now();
        let (mut sender, mut receiver) = (new_sender(now, file.len() as u64), new_receiver(now, file.len() as u64));
        let (mut got, mut finished) = (Vec::new(), false);
        for _ in 0..40 {
            for piece in said(&mut receiver).chunks(cut) {
                // Of an empty file the beginning and the end may come at once.
                finished |= heard(&mut sender, piece).last() == Some(&SenderEvent::Finished);
            }
            while let Some((offset, length)) = sender.wants_data() {
                let from = usize::try_from(offset).unwrap();
                sender.provide(now, &file[from..from + length]);
            }
            for piece in said(&mut sender).chunks(cut) {
                let events = heard(&mut receiver, piece);
                got.extend(data(&events));
                if events.contains(&ReceiverEvent::Whole) {
                    receiver.confirm();
                }
            }
        }
        prop_assert!(finished && got == file);
    }
}

/// What a machine does against somebody who says nothing more: how long it takes, and what it tells.
fn left_alone<M: Machine>(machine: &mut M, mut now: Instant) -> (Duration, Vec<M::Event>) {
    let begun = now;
    while machine.poll_event().is_some() {}
    while let Some(due) = machine.poll_timeout() {
        now = now.max(due);
        assert!(now - begun <= STALLED, "it waits too long");
        machine.handle_timeout(now).unwrap();
    }
    (now - begun, std::iter::from_fn(|| machine.poll_event()).collect())
}

#[test]
fn fault_07_a_receiver_who_falls_silent_is_given_up_in_every_stage() {
    use super::sender::Stage;
    // A new stage has no place in this: it is to be walked, too.
    let bound = |stage| match stage {
        Stage::Version { spoke: false | true } => (0, Some(STEP)),
        Stage::Who => (1, Some(STEP)),
        Stage::Ready => (2, Some(STEP)),
        Stage::Data => (3, Some(STALLED)),
        Stage::Sent => (4, Some(STALLED)),
        Stage::Over => (5, None),
    };
    let mut walked = Vec::new();
    let who = "VER MSNFTP\r\nUSR bob@example.com 93301\r\n";
    for (said, given) in [
        ("", 0),
        ("VER MSNFTP\r\n", 0),
        (who, 0),
        (&format!("{who}TFR\r\n"), 0),
        (&format!("{who}TFR\r\n"), 100),
        (&format!("{who}TFR\r\n"), 300),
        (&format!("{who}CCL\r\n"), 0),
    ] {
        let now = Instant::now();
        let mut sender = new_sender(now, 300);
        sender.handle_input(now, said.as_bytes()).unwrap();
        sender.provide(now, &vec![1; given]);
        let (stage, bound) = bound(sender.stage);
        walked.push(stage);
        let (after, told) = left_alone(&mut sender, now);
        assert_eq!(after, bound.unwrap_or_default(), "{said:?}");
        let failed = bound.map(|_| SenderEvent::Failed(StreamFailure::TimedOut));
        assert_eq!(told, failed.into_iter().collect::<Vec<_>>(), "{said:?}");
    }
    walked.dedup();
    assert_eq!(walked, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn fault_07_a_sender_who_falls_silent_is_given_up_in_every_stage() {
    use super::receiver::Stage;
    // A new stage has no place in this: it is to be walked, too.
    let bound = |stage| match stage {
        Stage::Version => (0, Some(STEP)),
        Stage::Size => (1, Some(STEP)),
        Stage::Data { frame_left: 0 } => (2, Some(STALLED)),
        Stage::Data { .. } => (3, Some(STALLED)),
        // Nothing is waited for but our own disk.
        Stage::Whole => (4, None),
        Stage::Over => (5, None),
    };
    let mut walked = Vec::new();
    let begun = "VER MSNFTP\r\nFIL 5\r\n";
    for said in [
        "",
        "VER MSNFTP\r\n",
        begun,
        &format!("{begun}\0\u{5}\0ab"),
        &format!("{begun}\0\u{5}\0abcde"),
        &format!("{begun}\u{1}\0\0"),
    ] {
        let now = Instant::now();
        let mut receiver = new_receiver(now, 5);
        receiver.handle_input(now, said.as_bytes()).unwrap();
        let (stage, bound) = bound(receiver.stage);
        walked.push(stage);
        let (after, told) = left_alone(&mut receiver, now);
        assert_eq!(after, bound.unwrap_or_default(), "{said:?}");
        let failed = bound.map(|_| ReceiverEvent::Failed(StreamFailure::TimedOut));
        assert_eq!(told, failed.into_iter().collect::<Vec<_>>(), "{said:?}");
    }
    assert_eq!(walked, [0, 1, 2, 3, 4, 5]);
}
