//! What becomes of words on boards that fail: they go on another, they wait, or their sender is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use msnbridge::bridge::body::{Body, RichText};

use crate::support::boards::{Answer, Asked, BoardServer};
use crate::support::plain::{PlainBridge, PlainConfig, Shown, time_of_day};

const BOB: &str = "bob@example.com";

async fn scene(
    script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (BoardServer, PlainBridge, tempfile::TempDir) {
    let server = BoardServer::start(script).await;
    let directory = tempfile::tempdir().unwrap();
    let bridge = PlainBridge::start(directory.path(), PlainConfig::new(&server.address, &server.nexus)).await;
    bridge.signed_in().await;
    (server, bridge, directory)
}

/// The answer to a text message on this board.
fn on_text(asked: &Asked, boards: impl Fn(usize) -> bool, answer: impl FnOnce(&str) -> String) -> Answer {
    match asked.text() {
        Some(_) if boards(asked.board) => Answer::Bytes(answer(&asked.number)),
        _ => Answer::Usual,
    }
}

#[tokio::test]
async fn fault_01_a_window_closed_before_the_acknowledgement_sends_the_words_again() {
    // As real servers do: the acknowledgement comes although nobody was left.
    let (mut server, bridge, _directory) =
        scene(|asked| on_text(asked, |board| board == 1, |number| format!("BYE {BOB}\r\nACK {number}\r\n")))
            .await;
    let sent = bridge.say(BOB, "are you there?").await;
    assert_eq!(server.text().await, ("are you there?".to_owned(), 1));
    assert_eq!(server.text().await, ("are you there?".to_owned(), 2));
    bridge.outcome(&sent, "delivered").await;
    let next = bridge.say(BOB, "good").await;
    assert_eq!(server.text().await, ("good".to_owned(), 2), "the new board serves on");
    bridge.outcome(&next, "delivered").await;
}

#[tokio::test]
async fn fault_01_what_arrived_of_a_long_text_is_not_said_again() {
    let (count, words) = (AtomicUsize::new(0), (0..400).map(|n| format!("word{n} ")).collect::<String>());
    let (mut server, bridge, _directory) = scene(move |asked| {
        // The second part of the text finds nobody any more.
        let is_second = asked.text().is_some() && count.fetch_add(1, Ordering::SeqCst) == 1;
        match is_second {
            true => Answer::Bytes(format!("BYE {BOB}\r\nACK {}\r\n", asked.number)),
            false => Answer::Usual,
        }
    })
    .await;
    let sent = bridge.say(BOB, &words).await;
    bridge.outcome(&sent, "delivered").await;
    let texts = server.texts_so_far();
    let heard: Vec<&str> = texts.iter().map(|(text, _)| text.as_str()).collect();
    let boards: Vec<usize> = texts.iter().map(|(_, board)| *board).collect();
    assert!(boards.starts_with(&[1]) && boards.contains(&2), "{boards:?}");
    let first = heard.iter().filter(|text| text.contains("word0 ")).count();
    assert_eq!(first, 1, "the first part was confirmed");
    assert!(heard.last().is_some_and(|text| text.contains("word399")));
}

#[tokio::test]
async fn fault_01_somebody_who_closes_every_window_is_told_of_after_three_boards() {
    let (mut server, bridge, _directory) =
        scene(|asked| on_text(asked, |_| true, |number| format!("BYE {BOB} 1\r\nACK {number}\r\n"))).await;
    let sent = bridge.say(BOB, "again and again").await;
    let reason = bridge.outcome(&sent, "failed").await;
    assert!(reason.contains("closed the conversation"), "{reason}");
    assert_eq!(server.texts_so_far().len(), 3);
}

#[tokio::test]
async fn fault_01_those_of_a_group_who_left_before_the_acknowledgement_are_named_to_the_sender() {
    let (mut server, bridge, _directory) = scene(|asked| match asked.text() {
        Some("who is here?") => Answer::Bytes(format!("BYE carol@example.com\r\nACK {}\r\n", asked.number)),
        _ => Answer::Usual,
    })
    .await;
    let sent = bridge.say(BOB, "hello").await;
    bridge.outcome(&sent, "delivered").await;
    server.say(1, "JOI carol@example.com Carol\r\n").await;
    let joined = bridge
        .until(
            "the group",
            |shown| matches!(shown, Shown::Line { conversation, .. } if conversation.starts_with("group:")),
        )
        .await;
    let Shown::Line { conversation, .. } = joined else { panic!("{joined:?}") };
    let sent = bridge.say(&conversation, "who is here?").await;
    bridge.outcome(&sent, "delivered").await;
    bridge.line("did not reach Carol, who left the conversation just before it arrived.").await;
    let texts: Vec<String> = server.texts_so_far().into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts, ["hello", "who is here?"], "those who have it are not told twice");
}

#[tokio::test]
async fn fault_03_a_nak_is_repeated_once_on_a_new_board() {
    let (mut server, bridge, _directory) =
        scene(|asked| on_text(asked, |_| true, |number| format!("NAK {number}\r\n"))).await;
    let sent = bridge.say(BOB, "no").await;
    let reason = bridge.outcome(&sent, "failed").await;
    assert!(reason.contains("could not deliver"), "{reason}");
    let texts: Vec<usize> = server.texts_so_far().into_iter().map(|(_, board)| board).collect();
    assert_eq!(texts, [1, 2]);
    // What follows is not held up.
    let next = bridge.say_body(BOB, Body::Nudge).await;
    bridge.outcome(&next, "delivered").await;
}

#[tokio::test]
async fn fault_03_a_nak_on_the_first_board_only_is_nobodys_business() {
    let (mut server, bridge, _directory) =
        scene(|asked| on_text(asked, |board| board == 1, |number| format!("NAK {number}\r\n"))).await;
    let sent = bridge.say(BOB, "yes").await;
    bridge.outcome(&sent, "delivered").await;
    assert_eq!(server.texts_so_far().len(), 2);
    assert_eq!(bridge.count("was not delivered"), 0);
}

#[tokio::test]
async fn fault_03_boards_that_cannot_be_entered_are_tried_three_times_at_most() {
    let (mut server, bridge, _directory) = scene(|asked| match (asked.verb.as_str(), asked.board) {
        ("USR", 1..) => Answer::Close,
        _ => Answer::Usual,
    })
    .await;
    let sent = bridge.say(BOB, "hello?").await;
    bridge.outcome(&sent, "failed").await;
    assert_eq!(server.boards(), 3);
    // The server gives addresses where nobody listens.
    let (mut server_2, bridge, _directory) = scene(|asked| match asked.verb.as_str() {
        "XFR" => Answer::Bytes(format!("XFR {} SB 127.0.0.1:1 CKI 1\r\n", asked.number)),
        _ => Answer::Usual,
    })
    .await;
    let sent = bridge.say(BOB, "hello?").await;
    bridge.outcome(&sent, "failed").await;
    let mut asked_for = 0;
    while tokio::time::timeout(Duration::from_millis(200), server_2.asked("XFR")).await.is_ok() {
        asked_for += 1;
    }
    assert_eq!(asked_for, 3);
    assert_eq!(server.texts_so_far(), []);
}

#[tokio::test]
async fn fault_03_words_wait_while_the_owner_is_hidden_and_are_not_asked_about_again_and_again() {
    let refused = std::sync::Arc::new(AtomicUsize::new(0));
    let count = refused.clone();
    let (mut server, bridge, _directory) = scene(move |asked| match asked.verb.as_str() {
        "XFR" if count.fetch_add(1, Ordering::SeqCst) == 0 => {
            Answer::Bytes(format!("913 {}\r\n", asked.number))
        }
        _ => Answer::Usual,
    })
    .await;
    let sent = bridge.say(BOB, "psst").await;
    let reason = bridge.outcome(&sent, "held").await;
    assert!(reason.contains("appear offline"), "{reason}");
    assert_eq!(refused.load(Ordering::SeqCst), 1);
    bridge.command(None, "presence online").await;
    assert_eq!(server.text().await.0, "psst");
    bridge.outcome(&sent, "delivered").await;
}

/// Bob is offline until the flag falls.
fn offline(is_there: std::sync::Arc<std::sync::atomic::AtomicBool>) -> impl Fn(&Asked) -> Answer {
    move |asked| match asked.verb.as_str() {
        "CAL" if !is_there.load(Ordering::SeqCst) => Answer::Bytes(format!("217 {}\r\n", asked.number)),
        _ => Answer::Usual,
    }
}

#[tokio::test]
async fn fault_08_words_for_somebody_offline_wait_in_order_and_are_told_of_once() {
    let is_there = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (mut server, bridge, _directory) = scene(offline(is_there.clone())).await;
    let first = bridge.say(BOB, "one").await;
    bridge.outcome(&first, "held").await;
    bridge.line("Your message waits").await;
    let nudge = bridge.say_body(BOB, Body::Nudge).await;
    let third = bridge.say(BOB, "three").await;
    bridge.line("3 messages wait").await;
    for reference in [&nudge, &third] {
        bridge.outcome(reference, "held").await;
    }
    assert_eq!(bridge.count("was not delivered"), 0);
    is_there.store(true, Ordering::SeqCst);
    server.say(0, "NLN NLN bob@example.com Bob 0\r\n").await;
    assert_eq!(server.text().await.0, "one");
    assert_eq!(server.text().await.0, "three");
    for reference in [&first, &nudge, &third] {
        bridge.outcome(reference, "delivered").await;
    }
    bridge.line("(changed) The 3 messages that waited were sent.").await;
    assert_eq!(bridge.count("Your message waits"), 1, "{:?}", bridge.shown());
}

#[tokio::test]
async fn fault_08_what_waits_can_be_taken_back_and_is_bounded() {
    let is_there = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let server = BoardServer::start(offline(is_there.clone())).await;
    let directory = tempfile::tempdir().unwrap();
    let mut config = PlainConfig::new(&server.address, &server.nexus);
    config.hold.max_messages = 2;
    let bridge = PlainBridge::start(directory.path(), config).await;
    bridge.signed_in().await;
    let mut server = server;
    let kept = [bridge.say(BOB, "one").await, bridge.say(BOB, "two").await];
    for reference in &kept {
        bridge.outcome(reference, "held").await;
    }
    bridge.line("2 messages wait").await;
    let refused = bridge.say(BOB, "three").await;
    let reason = bridge.outcome(&refused, "failed").await;
    assert!(reason.contains("2 messages wait for them already"), "{reason}");
    bridge.line("Your message was not delivered").await;

    bridge.command(Some(BOB), "cancel").await;
    bridge.line("The 2 messages that waited were taken back.").await;
    for reference in &kept {
        bridge.outcome(reference, "failed").await;
    }
    bridge.command(Some(BOB), "cancel").await;
    bridge.line("Nothing waits in this conversation.").await;
    is_there.store(true, Ordering::SeqCst);
    server.say(0, "NLN NLN bob@example.com Bob 0\r\n").await;
    let next = bridge.say(BOB, "four").await;
    assert_eq!(server.text().await.0, "four", "what was taken back is not sent");
    bridge.outcome(&next, "delivered").await;
}

#[tokio::test]
async fn fault_08_a_nudge_waits_as_words_do() {
    let is_there = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (mut server, bridge, _directory) = scene(offline(is_there.clone())).await;
    let nudge = bridge.say_body(BOB, Body::Nudge).await;
    bridge.outcome(&nudge, "held").await;
    bridge.line("Your message waits").await;
    let words = bridge.say(BOB, "behind it").await;
    is_there.store(true, Ordering::SeqCst);
    server.say(0, "NLN NLN bob@example.com Bob 0\r\n").await;
    assert!(server.asked("MSG").await.payload.contains("ID: 1"), "the nudge first");
    assert_eq!(server.text().await.0, "behind it");
    bridge.outcome(&nudge, "delivered").await;
    bridge.outcome(&words, "delivered").await;
}

#[tokio::test]
async fn fault_08_what_has_waited_for_the_days_that_it_may_is_given_up_and_told() {
    let is_there = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (_server, bridge, _directory) = scene(offline(is_there)).await;
    let days = |days: u64| time_of_day() - days * 86_400_000;
    let old = bridge.say_at(BOB, Body::Text(RichText::plain("last week")), days(8)).await;
    let reason = bridge.outcome(&old, "failed").await;
    assert!(reason.contains("for more than 7 days"), "{reason}");
    bridge.line("Your message was not delivered").await;
    let newer = bridge.say_at(BOB, Body::Text(RichText::plain("this week")), days(6)).await;
    bridge.outcome(&newer, "held").await;
}

#[tokio::test]
async fn fault_08_somebody_who_rings_is_there() {
    let is_there = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (mut server, bridge, _directory) = scene(offline(is_there.clone())).await;
    let sent = bridge.say("fay@example.com", "you do not know me").await;
    bridge.outcome(&sent, "held").await;
    is_there.store(true, Ordering::SeqCst);
    server.say(0, &format!("RNG 77 {} CKI 9 fay@example.com Fay\r\n", server.address)).await;
    assert_eq!(server.text().await.0, "you do not know me");
    bridge.outcome(&sent, "delivered").await;
}

#[tokio::test]
async fn fault_29_a_deaf_board_is_left_at_the_first_message_that_it_swallows() {
    let (mut server, bridge, _directory) = scene(|asked| match (asked.verb.as_str(), asked.board) {
        ("MSG", 1) => Answer::Nothing,
        _ => Answer::Usual,
    })
    .await;
    let first = bridge.say(BOB, "swallowed").await;
    let second = bridge.say(BOB, "behind it").await;
    assert_eq!(server.text().await, ("swallowed".to_owned(), 1));
    let (text, board) = server.text().await;
    assert_eq!(text, "swallowed");
    assert!(board > 1, "on another board");
    assert_eq!(server.text().await.0, "behind it");
    for reference in [&first, &second] {
        bridge.outcome(reference, "delivered").await;
    }
    assert_eq!(bridge.count("may or may not"), 0);
}

#[tokio::test]
async fn fault_29_while_the_whole_server_stands_still_everything_is_held() {
    let (mut server, bridge, _directory) = scene(|_| Answer::Usual).await;
    let before = bridge.say(BOB, "before").await;
    bridge.outcome(&before, "delivered").await;
    server.text().await;
    server.stop(true);
    let first = bridge.say(BOB, "one").await;
    let others = [bridge.say(BOB, "two").await, bridge.say("carol@example.com", "three").await];
    // A trial of the session fails too, and the session is replaced.
    bridge.outcome(&first, "pending").await;
    server.stop(false);
    for reference in [&first, &others[0], &others[1]] {
        bridge.outcome(reference, "delivered").await;
    }
    assert_eq!(bridge.count("was not delivered"), 0, "{:?}", bridge.shown());
}

#[tokio::test]
async fn fault_04_words_behind_our_goodbye_are_read() {
    let (mut server, bridge, _directory) = scene(|asked| match asked.verb.as_str() {
        // The contact spoke before the server read that we left: it was acknowledged to them.
        "OUT" if asked.board == 1 => {
            let body = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nwait!";
            Answer::Bytes(format!("MSG {BOB} Bob {}\r\n{body}", body.len()))
        }
        _ => Answer::Usual,
    })
    .await;
    let sent = bridge.say(BOB, "bye").await;
    bridge.outcome(&sent, "delivered").await;
    // Bob goes; with nobody left our side leaves too.
    server.say(1, &format!("BYE {BOB}\r\n")).await;
    server.asked("OUT").await;
    bridge.line("wait!").await;
}
