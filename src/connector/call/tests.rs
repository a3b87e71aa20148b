//! A call on a board that the test writes, with the clock in its hand: when it is left, and what is read until then.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

use crate::bridge::body::Body;
use crate::bridge::event::RemoteKind;
use crate::connector::call::*;
use crate::connector::config::MsnConfig;
use crate::connector::handle::{CallNotice, Message};
use crate::connector::tests::{alone, component_with, config, resources};
use crate::connector::translate::group;
use crate::msn::dialect::Dialect;
use crate::msn::ids::Email;
use crate::msn::ids::{Cookie, SessionId};
use crate::msn::message::{Invitation, InvitationCommand, TextStyle};

const BOB: &str = "bob@example.com";

fn of(news: mpsc::Sender<CallNotice>) -> CallResources {
    resources(&alone(), news)
}

/// The server's end of a board on which Bob is, and the call at the other end.
struct Board {
    writer: WriteHalf<DuplexStream>,
    /// When our side left.
    left: JoinHandle<(Instant, ReadHalf<DuplexStream>)>,
    call: JoinHandle<()>,
    handle: CallHandle,
    begun: Instant,
    /// What the login is told.
    news: mpsc::Receiver<CallNotice>,
}

impl Board {
    async fn open() -> Self {
        let (news, heard) = mpsc::channel(8);
        Self::open_for(of(news), heard).await
    }

    async fn open_for(of: CallResources, news: mpsc::Receiver<CallNotice>) -> Self {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (asks, mut mailbox) = mpsc::channel(MAILBOX);
        let handle = CallHandle { asks };
        let mut call = Call::new(of, ConversationId::new(BOB), handle.clone());
        let begun = Instant::now();
        let (cookie, session) = (Cookie::new("1"), SessionId("1".into()));
        let machine =
            SwitchboardSession::answer(now(), Dialect::Msnp11, call.ctx.email.clone(), cookie, session);
        let pump = Pump::new(machine, Box::new(near));
        let call = tokio::spawn(async move { call.drive(pump, &mut mailbox).await });
        let (mut reader, writer) = tokio::io::split(far);
        let left = tokio::spawn(async move {
            let mut heard = Vec::new();
            while !String::from_utf8_lossy(&heard).contains("OUT\r\n") {
                assert!(reader.read_buf(&mut heard).await.unwrap() > 0, "closed without a word");
            }
            (Instant::now(), reader)
        });
        let mut board = Self { writer, left, call, handle, begun, news };
        board.say(&format!("IRO 1 1 1 {BOB} Bob\r\nANS 1 OK\r\n")).await;
        board
    }

    async fn say(&mut self, bytes: &str) {
        self.writer.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Bob sends something, so many seconds after the beginning.
    async fn hear(&mut self, seconds: u64, payload: &[u8]) {
        tokio::time::sleep_until(self.begun + Duration::from_secs(seconds)).await;
        self.say(&format!("MSG {BOB} Bob {}\r\n", payload.len())).await;
        self.writer.write_all(payload).await.unwrap();
    }

    /// The next that the login is told about the conversation: where it moved, or `None` where it serves none.
    async fn moved(&mut self) -> Option<ConversationId> {
        loop {
            match self.news.recv().await.expect("the call goes on") {
                CallNotice::Moved { to, .. } => return Some(to),
                CallNotice::Detached(_) => return None,
                CallNotice::Named(_) | CallNotice::Broke(_) => {}
            }
        }
    }

    /// After how many seconds our side left; the stream stays open.
    async fn left(&mut self) -> u64 {
        let (at, reader) = (&mut self.left).await.unwrap();
        self.left = tokio::spawn(async move { (at, reader) });
        (at - self.begun).as_secs()
    }
}

#[tokio::test(start_paused = true)]
async fn fault_04_a_board_on_which_nothing_but_keep_alives_is_heard_is_left() {
    let mut board = Board::open().await;
    assert_eq!(board.left().await, 240, "nothing at all");
    for content in [Content::keep_alive().encode(), b"Content-Type: text/x-clientcaps\r\n\r\nx: y".to_vec()] {
        let mut board = Board::open().await;
        for seconds in [60, 120, 180, 239] {
            board.hear(seconds, &content).await;
        }
        assert_eq!(board.left().await, 240);
    }
}

#[tokio::test(start_paused = true)]
async fn fault_04_whoever_types_or_speaks_keeps_the_board() {
    let typing = Content::typing(&Email::parse(BOB).unwrap());
    for content in [typing, Content::text("hi", None), Content::nudge()] {
        let mut board = Board::open().await;
        for seconds in [200, 400, 600] {
            board.hear(seconds, &content.encode()).await;
        }
        assert_eq!(board.left().await, 840);
    }
    // And so does our side.
    let mut board = Board::open().await;
    tokio::time::sleep_until(board.begun + Duration::from_secs(200)).await;
    board.handle.typing();
    assert_eq!(board.left().await, 440);
}

#[tokio::test(start_paused = true)]
async fn fault_04_the_end_of_a_board_that_was_left_is_waited_for_two_seconds_at_most() {
    // The server goes on for ever, with keep-alives or with nothing.
    for speaks in [true, false] {
        let mut board = Board::open().await;
        let left = board.begun + Duration::from_secs(board.left().await);
        while !board.call.is_finished() {
            if speaks {
                board.hear((Instant::now() - board.begun).as_secs(), &Content::keep_alive().encode()).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(left.elapsed() < Duration::from_secs(4), "it waits on");
        }
        assert!(left.elapsed() >= Duration::from_secs(2), "{:?}", left.elapsed());
    }
    // One that closes is not waited for.
    let mut board = Board::open().await;
    let left = board.begun + Duration::from_secs(board.left().await);
    let Board { writer, left: reader, call, .. } = board;
    drop((writer, reader.await.unwrap()));
    call.await.unwrap();
    assert!(left.elapsed() < Duration::from_millis(100), "{:?}", left.elapsed());
}

/// People of the board whose names are these, and Bob.
fn with_bob(names: &[&str]) -> Vec<Email> {
    let others = names.iter().map(|name| format!("{name}@example.com"));
    std::iter::once(BOB.to_owned()).chain(others).map(|email| Email::parse(&email).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn fault_18_some_of_a_larger_group_are_no_group_of_their_own_until_somebody_speaks() {
    for (speaks, also) in [(false, None), (true, None), (true, Some("erin"))] {
        let (news, heard) = mpsc::channel(8);
        let of = of(news);
        let (shared, login) = (of.shared.clone(), of.login.clone());
        let four = with_bob(&["carol", "dave"]);
        let known = group::find_or_make(&shared, &login, &four).await.unwrap();
        if let Some(name) = also {
            group::find_or_make(&shared, &login, &with_bob(&["carol", name])).await.unwrap();
        }
        let mut board = Board::open_for(of, heard).await;
        board.say("JOI carol@example.com Carol\r\n").await;
        assert_eq!(board.moved().await, None, "it is not known yet which group it is");
        let two = with_bob(&["carol"]);
        assert_eq!(group::find(&shared, &login, &two).await.unwrap(), None);
        if speaks {
            board.hear(1, &Content::text("only us", None).encode()).await;
            let moved = board.moved().await;
            assert!(moved.is_some() && moved != Some(known.clone()));
            assert_eq!(moved, group::find(&shared, &login, &two).await.unwrap());
        }
        board.say("JOI dave@example.com Dave\r\n").await;
        assert_eq!(board.moved().await, Some(known), "the same people are the same group");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_of_which_its_owner_says_nothing_is_declined_while_nothing_else_happens_in_the_call() {
    let mut around = component_with(MsnConfig { ask_above: 10, ..config() });
    let (news, heard) = mpsc::channel(8);
    let mut board = Board::open_for(resources(&around.ctx.shared, news), heard).await;
    let offer = Invitation::new(InvitationCommand::Invite, 7)
        .with("Application-Name", "File Transfer")
        .with("Application-GUID", "{5D3E02AB-6190-11d3-BBBB-00C04F795683}")
        .with("Application-File", "a.bin")
        .with("Application-FileSize", "5000");
    board.hear(0, &offer.encode().encode()).await;
    while !matches!(around.told().await, RemoteKind::FileOffered { .. }) {}
    let declined = async {
        loop {
            if let RemoteKind::Message { body: Body::Emote(text), .. } = around.told().await {
                return text.text();
            }
        }
    };
    let text = tokio::time::timeout(Duration::from_secs(3600), declined).await.expect("it waits for ever");
    assert_eq!(text, "offered the file «a.bin»; nobody answered, and it was declined");
    assert_eq!(board.begun.elapsed().as_secs(), 30 * 60);
}

#[tokio::test(start_paused = true)]
async fn that_our_side_types_is_said_every_five_seconds_and_at_once_behind_its_words() {
    let (news, _heard) = mpsc::channel(8);
    let (asks, _mailbox) = mpsc::channel(MAILBOX);
    let mut call = Call::new(of(news), ConversationId::new(BOB), CallHandle { asks });
    let (near, _far) = tokio::io::duplex(1024);
    let (cookie, session) = (Cookie::new("1"), SessionId("1".into()));
    let machine = SwitchboardSession::answer(now(), Dialect::Msnp11, call.ctx.email.clone(), cookie, session);
    let (mut pump, begun) = (Pump::new(machine, Box::new(near)), Instant::now());
    for (seconds, said) in [(0, 1), (1, 1), (4, 1), (5, 2), (9, 2), (10, 3), (11, 3)] {
        tokio::time::sleep_until(begun + Duration::from_secs(seconds)).await;
        call.handle_command(&mut pump, CallCommand::Typing).await;
        assert_eq!(call.ctx.outbox.len(), said, "after {seconds} s");
    }
    let ((reply, _answer), (overdue, _)) = (tokio::sync::oneshot::channel(), tokio::sync::oneshot::channel());
    let message = Message::Text { text: "hi".into(), style: TextStyle::default(), emoticons: Vec::new() };
    call.handle_command(&mut pump, CallCommand::Send { message, reply, overdue }).await;
    call.handle_command(&mut pump, CallCommand::Typing).await;
    assert_eq!(call.ctx.outbox.len(), 1, "what was said before has gone");
}
