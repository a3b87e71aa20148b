//! Files of the oldest clients, which know no peer-to-peer transfers: played by hand, both ways, whole or told.

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::chat::World;
use crate::direct::{DIRECT, confirmed};
use crate::support::files::noise;
use crate::support::msn::{Peer, Wire, text};
use crate::support::within;

/// Bob's client is so old that it has no capabilities.
async fn met(world: &mut World) -> (Peer, Wire, String) {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    bob.wire.send("CHG", "NLN 0").await;
    bob.wire.line("CHG").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hello")).await;
    let room = world.user.message("hello").await["room_id"].as_str().unwrap().to_owned();
    (bob, call, room)
}

async fn world() -> World {
    World::start_with_friends_in(tempfile::tempdir().unwrap(), DIRECT).await
}

pub(crate) async fn invite(call: &mut Wire, fields: &str) {
    let payload = format!(
        "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\n{fields}\r\n\r\n"
    );
    call.payload("N", payload.as_bytes()).await;
}

pub(crate) async fn offer(call: &mut Wire, name: &str, size: usize, more: &str) {
    let fields = format!(
        "Application-Name: File Transfer\r\nApplication-GUID: {{5D3E02AB-6190-11d3-BBBB-00C04F795683}}\r\n\
         Invitation-Command: INVITE\r\nInvitation-Cookie: 33267\r\nApplication-File: {name}\r\nApplication-FileSize: {size}{more}"
    );
    invite(call, &fields).await;
}

pub(crate) fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
}

/// A connection on which lines and frames are read.
pub(crate) struct Stream(BufReader<TcpStream>);

impl Stream {
    pub(crate) async fn accepted(listener: &TcpListener) -> Self {
        let (stream, _) = within("the bridge to connect", listener.accept()).await.expect("accepted");
        Self(BufReader::new(stream))
    }

    pub(crate) async fn connect(address: &str) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.expect("the bridge listens")))
    }

    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        within("a line", self.0.read_line(&mut line)).await.expect("a line");
        line.trim_end().to_owned()
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await.expect("written");
    }

    pub(crate) async fn frames(&mut self, bytes: &[u8], size: usize) {
        for part in bytes.chunks(size) {
            let head = [0, u8::try_from(part.len() % 256).unwrap(), u8::try_from(part.len() / 256).unwrap()];
            self.0.write_all(&[&head[..], part].concat()).await.expect("written");
        }
    }

    /// The sender's part up to the data.
    pub(crate) async fn begin_sending(&mut self, size: usize, cookie: &str) {
        assert_eq!(self.line().await, "VER MSNFTP");
        self.say("VER MSNFTP").await;
        assert_eq!(self.line().await, format!("USR alice@example.com {cookie}"));
        self.say(&format!("FIL {size}")).await;
        assert_eq!(self.line().await, "TFR");
    }

    pub(crate) async fn take(&mut self, size: usize) -> Vec<u8> {
        let mut file = Vec::new();
        while file.len() < size {
            let mut head = [0; 3];
            self.0.read_exact(&mut head).await.expect("a frame");
            assert_eq!(head[0], 0);
            let mut data = vec![0; usize::from(head[1]) + 256 * usize::from(head[2])];
            self.0.read_exact(&mut data).await.expect("a frame");
            file.extend(data);
        }
        file
    }

    async fn is_over(&mut self) -> bool {
        within("the end", self.0.read(&mut [0])).await.is_ok_and(|n| n == 0)
    }
}

/// Says where Bob listens.
pub(crate) async fn here(call: &mut Wire, listener: &TcpListener) {
    let port = listener.local_addr().unwrap().port();
    let fields = format!(
        "Invitation-Command: ACCEPT\r\nInvitation-Cookie: 33267\r\nIP-Address: 127.0.0.1\r\nPort: {port}\r\n\
         AuthCookie: 93301\r\nLaunch-Application: FALSE\r\nRequest-Data: IP-Address:"
    );
    invite(call, &fields).await;
}

async fn shown(world: &mut World, name: &str) -> Vec<u8> {
    let shown = world.user.message(name).await;
    world.user.download(shown["content"]["url"].as_str().unwrap()).await
}

#[tokio::test]
async fn a_file_of_an_old_client_is_fetched_from_where_it_listens() {
    let mut world = world().await;
    let (_bob, mut call, _) = met(&mut world).await;
    let file = noise(0, 60_904);
    offer(&mut call, "réadme.txt", file.len(), "").await;
    let accepted = call.message("Invitation-Command: ACCEPT").await.payload;
    assert_eq!(
        (field(&accepted, "Invitation-Cookie").as_str(), field(&accepted, "Launch-Application").as_str()),
        ("33267", "FALSE")
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    here(&mut call, &listener).await;
    let mut stream = Stream::accepted(&listener).await;
    stream.begin_sending(file.len(), "93301").await;
    stream.frames(&file, 1999).await;
    assert_eq!(stream.line().await, "BYE 16777989");
    assert_eq!(shown(&mut world, "réadme.txt").await, file);
    // The next one is taken back, and nothing of it stays.
    offer(&mut call, "half.txt", file.len(), "").await;
    call.message("Invitation-Command: ACCEPT").await;
    here(&mut call, &listener).await;
    let mut stream = Stream::accepted(&listener).await;
    stream.begin_sending(file.len(), "93301").await;
    stream.frames(&file[..10_000], 2045).await;
    stream.0.write_all(&[1, 0, 0]).await.unwrap();
    world
        .user
        .message_with("sent the file «half.txt» (59.5 kB), which did not arrive: they cancelled it")
        .await;
    assert_eq!(std::fs::read_dir(world.bridge.file("store/media")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_old_client_that_nobody_can_reach_comes_itself() {
    let mut world = world().await;
    let (_bob, mut call, _) = met(&mut world).await;
    let file = noise(7, 5000);
    offer(&mut call, "a.bin", file.len(), "\r\nConnectivity: N").await;
    let accepted = call.message("Sender-Connect: TRUE").await.payload;
    let address = format!("{}:{}", field(&accepted, "IP-Address"), field(&accepted, "Port"));
    let mut stream = Stream::connect(&address).await;
    stream.begin_sending(file.len(), &field(&accepted, "AuthCookie")).await;
    stream.frames(&file, 2045).await;
    assert_eq!(stream.line().await, "BYE 16777989");
    assert_eq!(shown(&mut world, "a.bin").await, file);
}

#[tokio::test]
async fn a_file_from_matrix_is_given_to_an_old_client_and_to_nobody_else() {
    let mut world = world().await;
    let (_bob, mut call, room) = met(&mut world).await;
    let file = noise(3, 30_000);
    let content = json!({"msgtype": "m.file", "body": "plan.txt", "url": world.user.upload(&file).await});
    for is_bob in [true, false] {
        let sent = world.user.send_content(&room, content.clone()).await;
        let offer = call.message("Invitation-Command: INVITE").await.payload;
        assert_eq!(
            (field(&offer, "Application-File").as_str(), field(&offer, "Application-FileSize").as_str()),
            ("plan.txt", "30000")
        );
        let cookie = field(&offer, "Invitation-Cookie");
        let yes = format!(
            "Invitation-Command: ACCEPT\r\nInvitation-Cookie: {cookie}\r\nLaunch-Application: FALSE\r\nRequest-Data: IP-Address:"
        );
        invite(&mut call, &yes).await;
        let there = call.message("AuthCookie: ").await.payload;
        let address = format!("{}:{}", field(&there, "IP-Address"), field(&there, "Port"));
        let mut stream = Stream::connect(&address).await;
        stream.say("VER MSNFTP").await;
        assert_eq!(stream.line().await, "VER MSNFTP");
        let secret = if is_bob { field(&there, "AuthCookie") } else { "1".into() };
        stream.say(&format!("USR bob@example.com {secret}")).await;
        if !is_bob {
            assert!(stream.is_over().await, "a stranger gets nothing");
            world
                .user
                .message_with("Your file was not delivered: somebody else answered in their place")
                .await;
            continue;
        }
        assert_eq!(stream.line().await, "FIL 30000");
        stream.say("TFR").await;
        assert!(stream.take(file.len()).await == file);
        stream.say("BYE 16777989").await;
        confirmed(&mut world, &sent).await;
    }
}

#[tokio::test]
async fn conf_085_what_comes_to_nothing_is_told_on_both_sides() {
    // Nothing but public addresses is dialled.
    let mut world = World::start_with_friends().await;
    let (_bob, mut call, room) = met(&mut world).await;
    offer(&mut call, "a.txt", 10, "\r\nConnectivity: N").await;
    call.message("Cancel-Code: REJECT").await;
    world
        .user
        .message_with("it was declined: neither their computer nor this bridge can be connected to")
        .await;
    offer(&mut call, "b.txt", 10, "").await;
    call.message("Invitation-Command: ACCEPT").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    here(&mut call, &listener).await;
    call.message("Cancel-Code: FTTIMEOUT").await;
    world.user.message_with("the bridge may not connect to their computer").await;
    offer(&mut call, "huge.iso", 3_000_000_000, "").await;
    call.message("Cancel-Code: REJECT").await;
    world
        .user
        .message_with("offers the file «huge.iso» (2.8 GB); it was declined: only files of up to")
        .await;
    // The other way: declined, and taken by a client that cannot be met.
    let content = json!({"msgtype": "m.file", "body": "c.txt", "url": world.user.upload(b"1234").await});
    for (answer, told) in [
        ("Invitation-Command: CANCEL\r\nCancel-Code: REJECT", "Your file was not delivered: it was declined"),
        (
            "Invitation-Command: ACCEPT\r\nLaunch-Application: FALSE\r\nRequest-Data: IP-Address:",
            "Your file was not delivered: their client and this bridge cannot connect to each other",
        ),
    ] {
        world.user.send_content(&room, content.clone()).await;
        let offer = call.message("Invitation-Command: INVITE").await.payload;
        assert_eq!(field(&offer, "Connectivity"), "N");
        invite(&mut call, &format!("{answer}\r\nInvitation-Cookie: {}", field(&offer, "Invitation-Cookie")))
            .await;
        world.user.message_with(told).await;
    }
}
