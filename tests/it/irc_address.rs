//! Whose a connection is and where it comes from, as networks are told: ident, WEBIRC, addresses of a prefix.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::chat::World;
use crate::irc::{CHANNEL, relay_config};
use crate::support::irc::Person;
use crate::support::irc_servers::{Family, Limits, Server};
use crate::support::msn::{Peer, text};
use crate::support::{free_port, within};

/// Bob has said something in the channel; where he comes from, as the watcher sees it.
async fn origin(server: &Server, host: &str, more: &str) -> (World, String) {
    let mut watcher = Person::join(server.port, "watcher", CHANNEL).await;
    let config = relay_config(server.port, &["bob@example.com"]);
    let config = config.replace("server: 127.0.0.1", &format!("server: '{host}'"));
    let config = config.replace("nick: msnbot,", &format!("nick: msnbot, {more},"));
    let world = World::start_in(tempfile::tempdir().unwrap(), &config).await;
    watcher.line(":msnbot!").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let line = watcher.line(" :hi").await;
    assert!(line.starts_with(":bob[m]!"), "{line}");
    let source = line.split(' ').next().unwrap();
    (world, source.rsplit('@').next().unwrap().to_owned())
}

#[tokio::test]
async fn a_network_that_believes_the_bridge_is_told_an_address_for_each_contact() {
    let server = Server::start(Family::Inspircd, Limits::Lifted).await;
    let more = "puppet_addresses: 'fd00:7:7:7::/64', webirc: {password: let-me}";
    let (world, host) = origin(&server, "127.0.0.1", more).await;
    assert!(host.starts_with("fd00:7:7:7:") && host.len() > 20, "{host}");
    let (_, said) = world.bridge.run(&["check"]);
    assert!(said.contains("takes contacts with addresses of their own (webirc)"), "{said}");
    let file = world.bridge.file("bridge.yaml");
    let written = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, written.replace("let-me", "wrong")).unwrap();
    let (_, said) = world.bridge.run(&["check"]);
    assert!(said.contains("takes no contact with an address of its own"), "{said}");
    std::fs::write(&file, written.replace("fd00:7:7:7::/64", "10.0.0.0/8")).unwrap();
    let (_, said) = world.bridge.run(&["check"]);
    assert!(said.contains("irc.networks.test.puppet_addresses: \"10.0.0.0/8\" is not allowed"), "{said}");
}

/// A prefix that is routed to this host for as long as this lives.
struct Route(String);

impl Route {
    fn run(&self, verb: &str) -> bool {
        let words = ["-6", "route", verb, "local", &self.0, "dev", "lo"];
        let is_root = std::process::Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
        let mut command = std::process::Command::new(if is_root { "ip" } else { "sudo" });
        if !is_root {
            command.args(["-n", "ip"]);
        }
        command.args(words).status().is_ok_and(|status| status.success())
    }

    fn new() -> Self {
        let route = Self(format!("fd00:{:x}:1:2::/64", std::process::id() & 0xFFFF));
        assert!(route.run("add"), "no route for {}: root, or sudo without a password, adds one", route.0);
        route
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.run("del");
    }
}

#[tokio::test]
#[ignore = "adds a route to this host, which takes root, iproute2 and IPv6"]
async fn each_contact_comes_from_an_address_of_the_prefix() {
    let route = Route::new();
    let server = Server::start(Family::Inspircd, Limits::Lifted).await;
    let (world, host) = origin(&server, "::1", &format!("puppet_addresses: '{}'", route.0)).await;
    assert!(host.starts_with(route.0.trim_end_matches(":/64")), "{host}");
    let (_, said) = world.bridge.run(&["check"]);
    assert!(said.contains("takes contacts with addresses of their own (puppet_addresses)"), "{said}");
}

/// What the ident server says of the connection between these ports.
async fn asked(ident: u16, ports: (u16, u16)) -> String {
    within("the ident server", async {
        let mut stream = loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", ident)).await {
                break stream;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        stream.write_all(format!("{}, {}\r\n", ports.0, ports.1).as_bytes()).await.unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await.unwrap();
        answer
    })
    .await
}

#[tokio::test]
async fn a_network_that_asks_whose_a_connection_is_hears_it_and_of_no_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, ident) = (listener.local_addr().unwrap().port(), free_port());
    let relays = relay_config(port, &["bob@example.com"]);
    let config = format!("{relays}  ident: '127.0.0.1:{ident}'\n");
    let world = World::start_up(tempfile::tempdir().unwrap(), &config).await;
    let (_stream, from) = within("the bot to connect", listener.accept()).await.unwrap();
    let answer = asked(ident, (from.port(), port)).await;
    assert_eq!(answer, format!("{}, {port} : USERID : UNIX : msnbridge\r\n", from.port()));
    let answer = asked(ident, (from.port(), 1)).await;
    assert_eq!(answer, format!("{}, 1 : ERROR : NO-USER\r\n", from.port()));
    let (_, said) = world.bridge.run(&["check"]);
    assert!(said.contains(&format!("127.0.0.1:{ident} (irc.ident) is in use")), "{said}");
}
