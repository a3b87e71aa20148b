//! A login's task against servers that the test plays: when it signs in again, what replaces a session, and what a session
//! does that has come, or has gone.

use std::io::{Read, Write};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::{Instant, timeout};

use crate::bridge::event::ConnectionState;
use crate::connector::file::suspended::Suspension;
use crate::connector::login::task::End;
use crate::connector::tests::channels::signed_in;
use crate::connector::tests::*;

/// A login that is signing in.
struct SigningIn {
    core: Bridge,
    asks: mpsc::Sender<LoginCommand>,
    /// Servers whose connections stay.
    _servers: Vec<DuplexStream>,
}

impl SigningIn {
    /// Its servers say this, one after the other; one that says nothing closes.
    fn new(said: &[&str], pace: SignInPace) -> Self {
        let (bridge, core) = Bridge::channel();
        let (mut ways, mut servers) = (Vec::new(), Vec::new());
        for said in said {
            let (near, mut far) = tokio::io::duplex(4096);
            far.write_all(said.as_bytes()).now_or_never().expect("there is room").unwrap();
            ways.push(near);
            servers.extend(Some(far).filter(|_| !said.is_empty()));
        }
        let shared = shared(bridge, config(), ways);
        let context = LoginContext { pace: Arc::new(pace), ..login(&shared) };
        let (asks, mailbox) = mpsc::channel(MAILBOX);
        tokio::spawn(LoginTask::new(context, alice(), credentials(), mailbox, shared.cancel).run());
        Self { core, asks, _servers: servers }
    }

    async fn state(&mut self) -> ConnectionState {
        loop {
            if let RemoteKind::State(state) = next(&mut self.core).await {
                return state;
            }
        }
    }

    /// When the next attempt begins.
    async fn begins(&mut self) -> Instant {
        while self.state().await != ConnectionState::Connecting {}
        Instant::now()
    }

    /// How long it is from one attempt to the next.
    async fn pause(&mut self) -> Duration {
        let begun = Instant::now();
        self.begins().await - begun
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_does_not_get_in_comes_back_ever_more_slowly() {
    let mut login = SigningIn::new(&[""; 10], SignInPace::new(DEFAULT_RATE));
    login.begins().await;
    for shortest in [1, 2, 4, 8, 16, 32, 64, 120, 120] {
        let pause = login.pause().await;
        let shortest = Duration::from_secs(shortest);
        assert!((shortest..=shortest * 2 + Duration::from_secs(1)).contains(&pause), "{pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_a_pause_gets_it() {
    for (said, shortest) in [("OUT RCT 5\r\n", 300), ("OUT SSD\r\n", 10)] {
        let mut login = SigningIn::new(&[said, ""], SignInPace::new(DEFAULT_RATE));
        login.begins().await;
        let pause = login.pause().await.as_secs();
        assert!((shortest..shortest + 2).contains(&pause), "{said}{pause} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_refused_is_tried_again_only_when_somebody_says_so() {
    let mut login = SigningIn::new(&["911 1\r\n", ""], SignInPace::new(DEFAULT_RATE));
    login.begins().await;
    assert!(matches!(login.state().await, ConnectionState::SignedOut { .. }));
    let week = Duration::from_secs(7 * 24 * 3600);
    assert!(timeout(week, login.state()).await.is_err(), "nobody has said so");
    login.asks.send(LoginCommand::Connect(credentials())).await.unwrap();
    timeout(Duration::from_secs(1), login.begins()).await.expect("now somebody has");
}

#[tokio::test(start_paused = true)]
async fn who_is_waited_for_goes_before_their_turn_once_and_not_when_it_goes_again_by_itself() {
    let pace = SignInPace::new(1);
    (0..1000).for_each(|_| drop(pace.at_once()));
    let mut login = SigningIn::new(&["", ""], pace);
    timeout(Duration::from_secs(1), login.begins()).await.expect("somebody waits for it");
    assert!(login.pause().await >= Duration::from_secs(990), "others have waited for longer");
}

/// A server at which somebody is signed in: it answers what keeps a session alive, and assigns a board whenever one is
/// asked for. Says each time that one was.
async fn server(stream: DuplexStream, asked: mpsc::UnboundedSender<Instant>) {
    let (reader, mut writer) = tokio::io::split(stream);
    let (mut reader, mut line) = (BufReader::new(reader), String::new());
    while reader.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let parts: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        line.clear();
        let answer = match parts[0].as_str() {
            "PNG" => "QNG 50\r\n".to_owned(),
            "XFR" => {
                let _ = asked.send(Instant::now()); // the test may be over
                format!("XFR {} SB x:1 CKI 1\r\n", parts[1])
            }
            "CHG" => format!("{}\r\n", parts.join(" ")),
            "UUX" => {
                let mut payload = vec![0; parts[2].parse().unwrap()];
                reader.read_exact(&mut payload).await.unwrap();
                format!("UUX {} 0\r\n", parts[1])
            }
            _ => String::new(),
        };
        writer.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_boards_nobody_can_enter_is_replaced_although_it_assigns_them() {
    let (bridge, mut core) = Bridge::channel();
    let (ways, _boards): (Vec<_>, Vec<_>) = (0..4).map(|_| tokio::io::duplex(4096)).unzip();
    let shared = shared(bridge, config(), ways);
    let (_asks, mailbox) = mpsc::channel(MAILBOX);
    let mut task = LoginTask::new(login(&shared), alice(), credentials(), mailbox, shared.cancel.clone());
    let ((near, far), (asked, mut trials)) = (tokio::io::duplex(1 << 16), mpsc::unbounded_channel());
    let mut pump = signed_in(&task, near);
    tokio::spawn(server(far, asked));
    let told = async { while core.next_remote().await.is_some() {} };
    let begun = Instant::now();
    let ended = tokio::select! {
        ended = timeout(Duration::from_secs(3600), task.drive(&mut pump)) => ended.expect("it stays"),
        () = told => panic!("the login is gone"),
    };
    let Err(End::Failed(error)) = ended else { panic!("it is not replaced") };
    assert!(error.to_string().contains("a conversation that was tried"), "{error}");
    assert!((348..=350).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let trials: Vec<u64> =
        std::iter::from_fn(|| trials.try_recv().ok()).map(|at| (at - begun).as_secs()).collect();
    assert_eq!(trials, [300, 339]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_come_calls_anew_where_a_call_broke_under_a_file() {
    let (bridge, mut core) = Bridge::channel();
    let shared = shared(bridge, config(), []);
    let (_asks, mailbox) = mpsc::channel(MAILBOX);
    let mut task = LoginTask::new(login(&shared), alice(), credentials(), mailbox, shared.cancel.clone());
    let mut broken = component();
    let state = broken.file_under_way();
    let mut suspension = Suspension::new(task.calls.suspended.clone());
    suspension.suspend(&broken.ctx, email("bob"), state).await;
    let ((near, far), (asked, mut calls)) = (tokio::io::duplex(1 << 16), mpsc::unbounded_channel());
    let mut pump = signed_in(&task, near);
    tokio::spawn(server(far, asked));
    let told = async { while core.next_remote().await.is_some() {} };
    tokio::select! {
        called = timeout(Duration::from_secs(1), calls.recv()) => assert!(called.is_ok(), "nobody is called"),
        _ = task.drive(&mut pump) => panic!("the session has ended"),
        () = told => panic!("the login is gone"),
    }
}

/// Sign-in pages that let everybody in, on a thread of their own.
fn pages() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.extend(byte);
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\nPassportURLs: DALogin=http://{here}/login\r\nAuthentication-Info: Passport1.4 \
                 da-status=success,from-PP='t=1&p=2'\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            drop(stream.write_all(answer.as_bytes())); // the other end may have gone
        }
    });
    format!("http://{here}/rdr/pprdr.asp")
}

#[tokio::test]
async fn contacts_are_shown_as_gone_when_the_session_that_showed_them_has_gone() {
    let (bridge, mut core) = Bridge::channel();
    let (near, far) = tokio::io::duplex(4096);
    let config = MsnConfig { nexus: pages(), ..config() };
    let shared = shared(bridge, config, [near]);
    let (_asks, mailbox) = mpsc::channel(MAILBOX);
    tokio::spawn(
        LoginTask::new(login(&shared), alice(), credentials(), mailbox, shared.cancel.clone()).run(),
    );
    let server = async {
        let (reader, mut writer) = tokio::io::split(far);
        let (mut reader, mut line) = (BufReader::new(reader), String::new());
        for (asked, said) in [
            ("VER", "VER 1 MSNP11\r\nCVR 2 1 1 1 x y\r\nUSR 3 TWN S ct=1\r\n"),
            ("USR 4", "USR 4 OK alice@example.com 1 0\r\nSYN 5 a b 1 0\r\nLST N=bob@example.com F=Bob 3\r\n"),
            ("CHG", ""),
        ] {
            while !line.starts_with(asked) {
                line.clear();
                assert!(reader.read_line(&mut line).await.unwrap() > 0, "before {asked}");
            }
            writer.write_all(said.as_bytes()).await.unwrap();
        }
    };
    let seen = async {
        let mut connected = false;
        loop {
            match next(&mut core).await {
                RemoteKind::State(ConnectionState::Connected) => connected = true,
                RemoteKind::PresenceLost(ghost) => return (connected, ghost.id.as_str().to_owned()),
                RemoteKind::State(ConnectionState::Waiting { reason }) => panic!("nobody is told: {reason}"),
                _ => {}
            }
        }
    };
    let (gone, ()) =
        timeout(Duration::from_secs(60), async { tokio::join!(seen, server) }).await.expect("an end");
    assert_eq!(gone, (true, "bob@example.com".to_owned()));
    shared.cancel.cancel();
}
