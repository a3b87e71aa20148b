//! A call that somebody rang, and what comes before its board has answered.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Semaphore;

use crate::connector::call::resources::Begin;
use crate::connector::tests::*;
use crate::msn::ids::{Cookie, SessionId};

#[tokio::test(start_paused = true)]
async fn fault_01_a_call_that_rang_is_not_left_before_its_board_says_who_is_there() {
    let (bridge, mut core) = Bridge::channel();
    let (near, mut far) = tokio::io::duplex(4096);
    let shared = shared(bridge, config(), [near]);
    let (news, _heard) = mpsc::channel(16);
    let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let (board, cookie) = (HostPort { host: "x".into(), port: 1 }, Cookie::new("1"));
    let begin = Begin::Rung { board, cookie, session: SessionId("1".into()), permit };
    let call = call::start(resources(&shared, news), convert::direct(&email("bob")), begin);
    let mut board = BufReader::new(&mut far);
    board.read_line(&mut String::new()).await.unwrap();
    // The owner begins to write just then.
    call.typing();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let text = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nhello";
    let said = format!(
        "IRO 1 1 1 bob@example.com Bob 0\r\nANS 1 OK\r\nMSG bob@example.com Bob {}\r\n{text}",
        text.len()
    );
    board.get_mut().write_all(said.as_bytes()).await.unwrap();
    let heard = async { while !matches!(next(&mut core).await, RemoteKind::Message { .. }) {} };
    tokio::time::timeout(Duration::from_secs(1), heard).await.expect("the words are lost");
    assert!(call.is_open());
    // Nobody there: then it is over.
    board.get_mut().write_all(b"BYE bob@example.com\r\n").await.unwrap();
    drop(far);
    tokio::time::timeout(Duration::from_secs(10), call.asks_closed()).await.expect("it stays");
}

#[tokio::test(start_paused = true)]
async fn a_board_that_rang_and_on_which_nobody_is_any_more_is_left_at_once() {
    let (bridge, _core) = Bridge::channel();
    let (near, mut far) = tokio::io::duplex(4096);
    let shared = shared(bridge, config(), [near]);
    let (news, _heard) = mpsc::channel(16);
    let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let (board, cookie) = (HostPort { host: "x".into(), port: 1 }, Cookie::new("1"));
    let begin = Begin::Rung { board, cookie, session: SessionId("1".into()), permit };
    let call = call::start(resources(&shared, news), convert::direct(&email("bob")), begin);
    far.write_all(b"ANS 1 OK\r\n").await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), call.asks_closed()).await.expect("it waits for nobody");
}
