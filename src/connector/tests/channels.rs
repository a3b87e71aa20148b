//! Every bounded channel of the connector, full at once: nobody waits for what only they can bring, and nothing that was
//! said is lost.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Semaphore;

use crate::connector::call::resources::Begin;
use crate::connector::clock::now;
use crate::connector::context::names::BoardName;
use crate::connector::handle::{CallNotice, Message};
use crate::connector::login::machine::machine;
use crate::connector::login::task::End;
use crate::connector::net::pump::Pump;
use crate::connector::tests::*;
use crate::msn::ids::{Cookie, SessionId, Ticket};
use crate::msn::message::TextStyle;
use crate::msn::session::{Machine, NotificationEvent, NotificationSession};

/// More than any channel here holds.
const MANY: usize = 200;
/// Nothing here needs any time but that of whoever waits in vain.
const AT_ONCE: Duration = Duration::from_millis(100);

fn named(n: usize) -> CallNotice {
    CallNotice::Named(BoardName { email: email(&format!("c{n}")), name: format!("Name {n}"), is_first: true })
}

fn words(text: String) -> Message {
    Message::Text { text, style: TextStyle::default(), emoticons: Vec::new() }
}

/// A board that talks without end and acknowledges what it is told.
async fn board(stream: DuplexStream) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    reader.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("ANS 1 "), "{line}");
    writer.write_all(b"IRO 1 1 1 bob@example.com Bob 0\r\nANS 1 OK\r\n").await.unwrap();
    let talk = async {
        for n in 0..MANY {
            let payload =
                format!("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nword {n}.");
            // A name that is news each time.
            let unit = format!("MSG bob@example.com Bob{n} {}\r\n{payload}", payload.len());
            writer.write_all(unit.as_bytes()).await.unwrap();
        }
        writer
    };
    let hear = async {
        let mut asked = Vec::new();
        while asked.len() < MANY {
            line.clear();
            reader.read_line(&mut line).await.unwrap();
            let parts: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            if parts[0] != "MSG" {
                continue;
            }
            let mut payload = vec![0; parts[3].parse().unwrap()];
            reader.read_exact(&mut payload).await.unwrap();
            if parts[2] == "A" {
                asked.push(format!("ACK {}\r\n", parts[1]));
            }
        }
        asked
    };
    let (mut writer, asked) = tokio::join!(talk, hear);
    writer.write_all(asked.concat().as_bytes()).await.unwrap();
    while reader.read_line(&mut line).await.is_ok_and(|read| read > 0) {}
}

#[tokio::test(start_paused = true)]
async fn fault_30_a_call_with_every_channel_full_goes_on_when_there_is_room() {
    let (bridge, mut core) = Bridge::channel();
    let (near, far) = tokio::io::duplex(4096);
    let shared = shared(bridge.clone(), config(), [near]);
    let (news, mut heard) = mpsc::channel(16);
    fill(&bridge);
    (0..16).for_each(|n| drop(news.try_send(named(n))));
    assert_eq!(news.capacity(), 0);
    let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let (board_at, cookie, session) =
        (HostPort { host: "x".into(), port: 1 }, Cookie::new("1"), SessionId("1".into()));
    let begin = Begin::Rung { board: board_at, cookie, session, permit };
    let call = call::start(resources(&shared, news), convert::direct(&email("bob")), begin);
    let board = tokio::spawn(board(far));
    // More than the mailbox holds: the others wait at its door.
    let sending = (0..MANY).map(|n| {
        let call = call.clone();
        tokio::spawn(async move { call.send(words(format!("answer {n}."))).await.unwrap().answer.await })
    });
    let mut sending = Box::pin(join_all(sending.collect::<Vec<_>>()));
    // Without room nothing is read, and nothing is thrown away.
    assert!(tokio::time::timeout(Duration::from_secs(20), &mut sending).await.is_err());
    assert!(!board.is_finished());

    let told = async {
        let mut said = Vec::new();
        while said.len() < MANY {
            if let RemoteKind::Message { body: Body::Text(text), .. } = next(&mut core).await {
                said.push(text.text());
            }
        }
        said
    };
    let retold = async { while heard.recv().await.is_some() {} };
    let (said, sent) = tokio::select! {
        done = async { tokio::join!(told, &mut sending) } => done,
        () = retold => panic!("the call has ended"),
        () = tokio::time::sleep(AT_ONCE) => panic!("somebody waits for what only they can bring"),
    };
    assert_eq!(said, (0..MANY).map(|n| format!("word {n}.")).collect::<Vec<_>>());
    assert!(sent.into_iter().all(|answer| matches!(answer, Ok(Ok(Ok(_))))));
    shared.cancel.cancel();
}

#[tokio::test(start_paused = true)]
async fn fault_30_whoever_waits_for_a_call_that_never_opens_is_told_so() {
    let (bridge, _core) = Bridge::channel();
    // The board is assigned and nobody answers there; or it is not even assigned.
    for is_assigned in [true, false] {
        let shared = shared(bridge.clone(), config(), []);
        let (assignment, assigned) = oneshot::channel();
        let _kept = if is_assigned {
            let board = (HostPort { host: "x".into(), port: 1 }, Cookie::new("1"));
            assignment.send(Ok(board)).unwrap();
            None
        } else {
            Some(assignment)
        };
        let (news, _heard) = mpsc::channel(1);
        let begin = Begin::Calling { assigned, invitees: vec![email("bob")] };
        let call = call::start(resources(&shared, news), convert::direct(&email("bob")), begin);
        let asked = (0..MANY).map(|n| {
            let call = call.clone();
            async move { call.send(words(n.to_string())).await?.answer.await.unwrap().map_err(|u| u.failure) }
        });
        // What opens a way has a time-out of its own, which a prepared one has not: its end is the login's.
        if is_assigned {
            let ending = shared.cancel.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                ending.cancel();
            });
        }
        let answers = tokio::time::timeout(Duration::from_secs(25), join_all(asked)).await;
        let answers = answers.expect("somebody is kept waiting");
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
    }
}

/// A machine that has signed in, and what it has still to tell.
pub(super) fn signed_in(task: &LoginTask, stream: DuplexStream) -> Pump<NotificationSession> {
    let mut machine =
        machine(&task.shared.config, &task.credentials, None, false).expect("it has an account");
    let mut say = |text: &str| machine.handle_input(now(), text.as_bytes()).unwrap();
    say("VER 1 MSNP11\r\nCVR 2 1 1 1 x y\r\nUSR 3 TWN S ct=1\r\n");
    // Nobody is to ask a sign-in page for it.
    let wants_ticket = |event: &NotificationEvent| matches!(event, NotificationEvent::TicketWanted { .. });
    assert!(machine.poll_event().as_ref().is_some_and(wants_ticket));
    machine.provide_ticket(now(), Ticket::new("t=1&p=2"));
    let mut say = |text: &str| machine.handle_input(now(), text.as_bytes()).unwrap();
    say("USR 4 OK alice@example.com 1 0\r\nSYN 5 a b 1 0\r\nLST N=bob@example.com F=Bob 3\r\n");
    Pump::new(machine, Box::new(stream))
}

/// What every kind of question is answered with, as soon as it is.
fn questions(asks: &mpsc::Sender<LoginCommand>) -> Vec<BoxFuture<'static, ()>> {
    let answered = |receiver: oneshot::Receiver<_>| -> BoxFuture<'static, ()> {
        Box::pin(async move { drop::<Result<Vec<ContactLine>, String>>(receiver.await.expect("an answer")) })
    };
    (0..MANY)
        .map(|n| {
            let asks = asks.clone();
            let question: BoxFuture<'static, ()> = match n % 4 {
                0 => {
                    let (reply, answer) = oneshot::channel();
                    Box::pin(async move {
                        asks.send(LoginCommand::Contacts { reply }).await.unwrap();
                        answered(answer).await;
                    })
                }
                1 => Box::pin(async move {
                    let (reply, answer) = oneshot::channel();
                    let conversation = convert::direct(&email(&format!("d{n}")));
                    asks.send(LoginCommand::Call { conversation, worn: None, reply }).await.unwrap();
                    drop(answer.await.expect("an answer"));
                }),
                2 => Box::pin(async move {
                    let (reply, answer) = oneshot::channel();
                    let request = Request::Typing { conversation: convert::direct(&email("bob")) };
                    asks.send(LoginCommand::Request { request, reply }).await.unwrap();
                    drop(answer.await.expect("an answer"));
                }),
                _ => Box::pin(async move {
                    let conversation = convert::direct(&email("bob"));
                    asks.send(LoginCommand::Watch { conversation }).await.unwrap();
                }),
            };
            question
        })
        .collect()
}

/// As calls do that have something to tell.
fn tellers(news: &mpsc::Sender<CallNotice>) -> BoxFuture<'static, Vec<bool>> {
    let tell = |n| {
        let news = news.clone();
        async move { news.send(named(n)).await.is_ok() }
    };
    Box::pin(join_all((0..MANY).map(tell).collect::<Vec<_>>()))
}

#[tokio::test(start_paused = true)]
async fn fault_30_a_login_with_every_channel_full_goes_on_when_there_is_room() {
    let (bridge, mut core) = Bridge::channel();
    let shared = shared(bridge.clone(), config(), []);
    let (asks, mailbox) = mpsc::channel(MAILBOX);
    let cancel = shared.cancel.clone();
    let mut task = LoginTask::new(login(&shared), alice(), credentials(), mailbox, cancel.clone());
    let news = task.calls.news.clone();
    let (near, mut far) = tokio::io::duplex(4096);
    let mut pump = signed_in(&task, near);
    fill(&bridge);
    let server = tokio::spawn(async move {
        let mut lines = Vec::new();
        for n in 0..MANY {
            lines.extend(format!("NLN NLN bob@example.com Bob{n} 0\r\n").into_bytes());
        }
        let (mut reader, mut writer) = tokio::io::split(&mut far);
        let mut sink = tokio::io::sink();
        let (written, _) = tokio::join!(writer.write_all(&lines), tokio::io::copy(&mut reader, &mut sink));
        written.unwrap();
    });
    let driven = tokio::spawn(async move { task.drive(&mut pump).await });
    let asked = questions(&asks).into_iter().map(tokio::spawn).collect::<Vec<_>>();
    let mut asked = Box::pin(join_all(asked));
    let mut told = tokio::spawn(tellers(&news));
    // Without room nothing is read, and whoever asks waits.
    assert!(tokio::time::timeout(Duration::from_secs(20), &mut asked).await.is_err());
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut told).await.is_err());

    let seen = async {
        let (mut met, mut presences) = (Vec::new(), Vec::new());
        while met.len() < MANY || presences.last() != Some(&format!("Bob{}", MANY - 1)) {
            match next(&mut core).await {
                RemoteKind::Met(ghost) => met.push(ghost.name),
                RemoteKind::Presence(presence) => presences.push(presence.ghost.name),
                _ => {}
            }
        }
        (met, presences)
    };
    let ((mut met, presences), asked, told) =
        tokio::time::timeout(AT_ONCE, async { tokio::join!(seen, asked, told) })
            .await
            .expect("somebody waits for what only they can bring");
    assert!(asked.iter().all(Result::is_ok) && told.unwrap().into_iter().all(|told| told));
    met.sort_by_key(|name| name.trim_start_matches("Name ").parse::<usize>().unwrap());
    assert_eq!(met, (0..MANY).map(|n| format!("Name {n}")).collect::<Vec<_>>());
    assert_eq!(presences[1..], (0..MANY).map(|n| format!("Bob{n}")).collect::<Vec<_>>(), "in their order");
    // And it ends, although the core is full again.
    fill(&bridge);
    cancel.cancel();
    let ended = tokio::time::timeout(AT_ONCE, driven).await.expect("it does not end").unwrap();
    assert!(matches!(ended, Err(End::Stop)));
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn fault_30_a_login_that_connects_or_waits_answers_and_hears_its_calls() {
    // Nobody answers at the server; or the turn to sign in is far away.
    for turn_is_far in [false, true] {
        let (bridge, mut core) = Bridge::channel();
        let shared = shared(bridge, config(), []);
        let mut context = login(&shared);
        if turn_is_far {
            context.pace = Arc::new(SignInPace::new(1));
            (0..1000).for_each(|_| drop(context.pace.at_once()));
        }
        let (asks, mailbox) = mpsc::channel(MAILBOX);
        let cancel = shared.cancel.clone();
        let credentials = Credentials { at_once: !turn_is_far, ..credentials() };
        let task = LoginTask::new(context, alice(), credentials, mailbox, cancel.clone());
        let news = task.calls.news.clone();
        let running = tokio::spawn(task.run());
        let asked = questions(&asks).into_iter().map(tokio::spawn).collect::<Vec<_>>();
        let met = async {
            let mut met = 0;
            while met < MANY {
                met += usize::from(matches!(next(&mut core).await, RemoteKind::Met(_)));
            }
        };
        let all = async { tokio::join!(join_all(asked), tellers(&news), met) };
        let (asked, told, ()) =
            tokio::time::timeout(AT_ONCE, all).await.expect("somebody waits for the server");
        assert!(asked.iter().all(Result::is_ok) && told.into_iter().all(|told| told));
        cancel.cancel();
        tokio::time::timeout(AT_ONCE, running).await.expect("it does not end").unwrap();
    }
}
