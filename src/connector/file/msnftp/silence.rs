//! Files of old clients against contacts, and their machines, that say nothing more: each step ends within its time, and
//! whoever waits is told.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use crate::bridge::Bridge;
use crate::bridge::body::Body;
use crate::bridge::event::{Ghost, RemoteKind};
use crate::bridge::ids::GhostId;
use crate::bridge::port::media::{Media, MediaId};
use crate::bridge::port::network::Offered;
use crate::bridge::port::storage::StorageError;
use crate::connector::call::resources::Begin;
use crate::connector::config::MsnConfig;
use crate::connector::context::Shared;
use crate::connector::file::msnftp::stream::Run;
use crate::connector::file::msnftp::*;
use crate::connector::handle::CallHandle;
use crate::connector::tests::{alice, config, email, next, resources, shared};
use crate::connector::translate::convert;
use crate::connector::{call, interrupted};
use crate::msn::ids::{Cookie, HostPort, SessionId};

/// A disk that takes everything, and has one file.
struct Disk(tempfile::NamedTempFile);

struct Dropped;

impl Incoming for Dropped {
    fn write(&mut self, _bytes: Bytes) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async { Ok(()) })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<MediaId, StorageError>> {
        Box::pin(async { Ok(MediaId::new("m").unwrap()) })
    }
}

impl Media for Disk {
    fn limit(&self) -> u64 {
        u64::MAX
    }

    fn lower_limit(&self, _bytes: u64) {}

    fn begin(&self, _expected: u64) -> BoxFuture<'_, Result<Box<dyn Incoming>, StorageError>> {
        Box::pin(async { Ok(Box::new(Dropped) as Box<dyn Incoming>) })
    }

    fn discard(&self, _media: &MediaId) {}

    fn path(&self, _media: &MediaId) -> std::path::PathBuf {
        self.0.path().to_owned()
    }
}

const SIZE: u64 = 50_000;

fn file() -> File {
    File { media: MediaId::new("m").unwrap(), name: "x.bin".into(), size: SIZE }
}

fn reachable() -> MsnConfig {
    let mut config = config();
    config.direct.dial = true;
    config.direct.announce = vec![[127, 0, 0, 1].into()];
    config
}

fn with_disk(mut shared: Shared) -> Shared {
    let disk = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(disk.path(), vec![7; usize::try_from(SIZE).unwrap()]).unwrap();
    shared.media = Arc::new(Disk(disk));
    shared
}

/// A call that Bob rang, whose client says no more than this, and then nothing.
fn silent_board(bridge: crate::bridge::BridgeHandle, said: &str) -> (CallHandle, DuplexStream) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let shared = with_disk(shared(bridge, reachable(), [near]));
    let (news, heard) = mpsc::channel(16);
    let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let (board, cookie) = (HostPort { host: "x".into(), port: 1 }, Cookie::new("1"));
    let begin = Begin::Rung { board, cookie, session: SessionId("1".into()), permit };
    let call = call::start(resources(&shared, news), convert::direct(&email("bob")), begin);
    // A client of capabilities that know no other way.
    let said = format!("IRO 1 1 1 bob@example.com Bob 0\r\nANS 1 OK\r\n{said}");
    let mut board = far;
    tokio::spawn({
        let (near, far) = tokio::io::duplex(1 << 20);
        let far = std::mem::replace(&mut board, far);
        async move {
            let _heard = heard;
            let (mut reader, mut writer) = tokio::io::split(far);
            let (_, mut copy) = tokio::io::split(near);
            writer.write_all(said.as_bytes()).await.unwrap();
            let _ = tokio::io::copy(&mut reader, &mut copy).await;
        }
    });
    (call, board)
}

/// What the bridge says on the board until this is in it.
async fn heard(board: &mut DuplexStream, part: &str) {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(part) {
        assert!(board.read_buf(&mut all).await.unwrap() > 0, "{}", String::from_utf8_lossy(&all));
    }
}

#[tokio::test(start_paused = true)]
async fn fault_07_an_offer_to_an_old_client_that_is_not_answered_ends() {
    let (bridge, _core) = Bridge::channel();
    let (call, mut board) = silent_board(bridge, "");
    let begun = Instant::now();
    let given = tokio::time::timeout(ANSWER * 2, call.send_file(file(), Offered::default()))
        .await
        .expect("the giver is kept waiting");
    assert_eq!(given, Err(CallFailure::File("they did not answer".into())));
    assert_eq!(begun.elapsed().as_secs(), ANSWER.as_secs());
    heard(&mut board, "Cancel-Code: TIMEOUT").await;
}

#[tokio::test(start_paused = true)]
async fn fault_07_a_file_of_an_old_client_that_does_not_say_where_it_is_ends() {
    let (bridge, mut core) = Bridge::channel();
    let offer = format!(
        "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\nApplication-Name: File Transfer\r\n\
         Application-GUID: {FILE}\r\nInvitation-Command: INVITE\r\nInvitation-Cookie: 77\r\n\
         Application-File: y.bin\r\nApplication-FileSize: {SIZE}\r\n\r\n"
    );
    let begun = Instant::now();
    let said = format!("MSG bob@example.com Bob {}\r\n{offer}", offer.len());
    let (_call, mut board) = silent_board(bridge, &said);
    let told = async {
        loop {
            if let RemoteKind::Message { body: Body::Emote(text), .. } = next(&mut core).await {
                return text.text();
            }
        }
    };
    let told = tokio::time::timeout(ADDRESS * 2, told).await.expect("nobody is told");
    assert!(told.contains("«y.bin»") && told.contains("did not say how to get it"), "{told}");
    assert_eq!(begun.elapsed().as_secs(), ADDRESS.as_secs());
    heard(&mut board, "Cancel-Code: FTTIMEOUT").await;
}

/// A stream to a machine that takes the connection and says nothing.
async fn mute() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

fn run(bridge: crate::bridge::BridgeHandle) -> Run {
    let shared = with_disk(shared(bridge, reachable(), []));
    Run {
        cancel: shared.cancel.clone(),
        shared,
        login: alice(),
        own: email("alice"),
        with: email("bob"),
        conversation: convert::direct(&email("bob")),
        ghost: Ghost { id: GhostId::new("bob"), name: "Bob".into() },
    }
}

fn arriving(run: &Run) -> Arriving {
    let note =
        interrupted::note(&run.shared.storage, &run.login, &run.conversation, &run.ghost, "y.bin", SIZE);
    let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    Arriving { name: "y.bin".into(), size: SIZE, file: Box::new(Dropped), permit, note }
}

#[tokio::test(start_paused = true)]
async fn fault_07_a_stream_to_a_machine_that_is_mute_or_never_comes_ends_and_is_told_of() {
    for comes in [true, false] {
        let (bridge, mut core) = Bridge::channel();
        let pair = mute().await;
        let (near, _kept) = pair;
        // The steps of the stream are walked with its machines, and who never comes is the door's: here what is told.
        let meeting = move |stream: TcpStream| async move {
            if comes {
                Ok(stream)
            } else {
                Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "nobody came"))
            }
        };
        let running = run(bridge.clone());
        let arriving = arriving(&running);
        let met = tokio::time::timeout(GIVEN, running.receive(meeting(near), 1, arriving)).await;
        assert_eq!(met, Ok(comes));
        let RemoteKind::Message { body: Body::Emote(text), .. } = next(&mut core).await else {
            panic!("something else is told");
        };
        let why = if comes { "nothing was heard of them" } else { "could not connect" };
        assert!(text.text().contains("did not arrive") && text.text().contains(why), "{}", text.text());

        let (near, _kept) = mute().await;
        let (reply, answer) = oneshot::channel();
        let given = run(bridge).send_file(meeting(near), 1, file(), reply.into());
        assert_eq!(tokio::time::timeout(GIVEN, given).await, Ok(comes));
        let failure = answer.await.expect("an answer").unwrap_err();
        assert!(failure.to_string().contains(why), "{failure}");
    }
}

#[tokio::test]
async fn fault_21_an_empty_file_goes_both_ways() {
    let mut lines = [0; 512];
    let (bridge, mut core) = Bridge::channel();
    let (near, mut far) = mute().await;
    let running = run(bridge.clone());
    let arriving = Arriving { size: 0, ..arriving(&running) };
    let sender = async {
        for (said, answered) in [("VER MSNFTP\r\n", "USR alice@example.com 7"), ("FIL 0\r\n", "BYE 16777989")]
        {
            far.write_all(said.as_bytes()).await.unwrap();
            let mut heard = String::new();
            while !heard.contains(answered) {
                let read = far.read(&mut lines).await.unwrap();
                assert!(read > 0, "{heard}");
                heard.push_str(&String::from_utf8_lossy(&lines[..read]));
            }
        }
    };
    let both = async { tokio::join!(running.receive(async { Ok(near) }, 7, arriving), sender).0 };
    assert_eq!(tokio::time::timeout(GIVEN, both).await, Ok(true));
    let RemoteKind::Message { body: Body::File(file), .. } = next(&mut core).await else {
        panic!("no file is shown")
    };
    assert_eq!((file.name.as_str(), file.size), ("y.bin", 0));

    let (near, mut far) = mute().await;
    let (reply, answer) = oneshot::channel();
    let empty = File { size: 0, ..self::file() };
    let receiver = async {
        for (said, answered) in [
            ("VER MSNFTP\r\n", "VER MSNFTP"),
            ("USR bob@example.com 7\r\n", "FIL 0\r\n"),
            ("TFR\r\nBYE 16777989\r\n", ""),
        ] {
            far.write_all(said.as_bytes()).await.unwrap();
            let mut heard = String::new();
            while !heard.contains(answered) {
                let read = far.read(&mut lines).await.unwrap();
                assert!(read > 0, "{heard}");
                heard.push_str(&String::from_utf8_lossy(&lines[..read]));
            }
        }
    };
    let given =
        async { tokio::join!(run(bridge).send_file(async { Ok(near) }, 7, empty, reply.into()), receiver).0 };
    assert_eq!(tokio::time::timeout(GIVEN, given).await, Ok(true));
    assert_eq!(answer.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn fault_07_a_door_is_not_open_for_ever() {
    let doors = Arc::new(Semaphore::new(1));
    let door = reachable().direct.listen(&doors).await.unwrap();
    let came = tokio::time::timeout(GIVEN, door.accept()).await.expect("it stays open");
    assert_eq!(came.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(doors.available_permits(), 1, "the next one may come");
}

#[tokio::test(start_paused = true)]
async fn fault_30_the_ends_of_more_streams_than_the_call_has_room_for_are_all_heard() {
    let mut streams = Streams::new(Arc::new(Semaphore::new(1)));
    let ends = MAX_STREAMS * 3;
    for number in 0..ends as u64 {
        let end = streams.end.clone();
        tokio::spawn(async move { end.send(End { number, never_met: false }).await.is_ok() });
    }
    let mut heard = Vec::new();
    while heard.len() < ends {
        let end = tokio::time::timeout(GIVEN, streams.ended()).await.expect("an end is lost");
        heard.push(end.number);
    }
    heard.sort_unstable();
    assert_eq!(heard, (0..ends as u64).collect::<Vec<_>>());
    // Whoever ends behind its call waits for nobody.
    let end = streams.end.clone();
    drop(streams);
    assert!(end.send(End { number: 0, never_met: false }).await.is_err());
}

/// More than any step here may take.
const GIVEN: Duration = Duration::from_secs(61);
