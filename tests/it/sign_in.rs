//! What a person reads while they sign in to MSN: everything that happens, in its order, in whole sentences.

use crate::chat::World;
use crate::support::boards::{Answer, BoardServer};
use crate::support::plain::{PlainBridge, PlainConfig};

/// What the bot has said in a room, in its order.
async fn said(world: &World, room: &str) -> Vec<String> {
    let history = world.user.history(room).await;
    let by_bot =
        history.iter().filter(|event| event["sender"].as_str().is_some_and(|s| s.contains("msnbot")));
    by_bot.filter_map(|event| Some(event["content"]["body"].as_str()?.to_owned())).collect()
}

/// Where the first notice that contains this stands.
fn at(said: &[String], part: &str) -> usize {
    said.iter().position(|text| text.contains(part)).unwrap_or_else(|| panic!("no {part:?} in {said:#?}"))
}

async fn give(world: &mut World, account: &str, password: &str) {
    let management = world.management.clone();
    world.user.send(&management, &format!("login {account}")).await;
    world.user.message_with(&format!("Now send the password of {account}")).await;
    world.user.send(&management, password).await;
}

#[tokio::test]
async fn fault_23_a_slip_of_the_pen_is_refused_after_it_was_tried_and_goes_with_the_next_login() {
    let directory = tempfile::tempdir().unwrap();
    let config = "logins:\n  - {account: nobody@example.com, owner: '@ann:test.localhost', password: x}\n";
    let mut world = World::start_up(directory, config).await;
    let management = world.management.clone();
    world.user.message_with("nobody@example.com is signed out of MSN").await;
    // An account that is not there, and one whose password is another.
    for slip in ["ailce@example.com", "alice@example.com"] {
        give(&mut world, slip, "not the password").await;
        world.user.message_with(&format!("{slip} is signed out of MSN")).await;
    }
    let told = said(&world, &management).await;
    for slip in ["ailce@example.com", "alice@example.com"] {
        let (tried, refused) =
            (at(&told, &format!("Signing in as {slip}")), at(&told, &format!("{slip} is signed out")));
        assert!(tried < refused, "{told:#?}");
        let text = &told[refused];
        assert!(text.contains(" is not right. Messages to MSN wait. "), "{text}");
    }
    assert!(told.iter().all(|text| !text.contains("..")), "{told:#?}");
    at(&told, "ailce@example.com never signed in, and is forgotten.");

    give(&mut world, "alice@example.com", "alice-pw").await;
    world.user.message_with("Signed in to MSN as alice@example.com").await;
    world.user.send(&management, "status").await;
    let status = world.user.message_with("alice@example.com: connected").await;
    let status = status["content"]["body"].as_str().unwrap();
    // The one from the configuration stays, and its reason ends like the lines around it.
    assert!(status.contains("nobody@example.com: signed out: ") && !status.contains("ailce"), "{status}");
    assert!(!status.contains(".\n") && !status.ends_with('.'), "{status}");
    world.user.send(&management, "login carol@example.com").await;
    world.user.message_with("Now send the password of carol@example.com").await;
    world.user.send(&management, "carol-pw").await;
    world.user.message_with("Signed in to MSN as carol@example.com").await;
    world.user.send(&management, "status").await;
    world.user.message_with("carol@example.com: connected").await;
}

#[tokio::test]
async fn fault_36_whoever_signs_in_hears_at_once_what_is_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::start_up(directory, "").await;
    let nexus = crate::servers::pages(|_, _| {
        "HTTP/1.1 200 OK\r\nPassportURLs: DALogin=http://192.0.2.1/login\r\n".to_owned()
    })
    .await;
    world.bridge.set_nexus(&format!("http://{nexus}/rdr/pprdr.asp"));
    world.bridge.kill().await;
    world.bridge.start().await;
    give(&mut world, "alice@example.com", "alice-pw").await;
    let told = world.user.message_with("alice@example.com is not connected to MSN").await;
    let told = told["content"]["body"].as_str().unwrap();
    assert!(told.contains("use https, or set msn.allow_insecure_login. It is tried again"), "{told}");
    let management = world.management.clone();
    let history = said(&world, &management).await;
    assert!(at(&history, "Signing in as alice") < at(&history, "is not connected"), "{history:#?}");
    world.bridge.set_nexus(&world.service.nexus.clone());
    world.bridge.kill().await;
    world.bridge.start().await;
    world.bridge.wait_for_log("state=Connected").await;
}

/// Imitates a server whose list has a line that nobody can read.
#[tokio::test]
async fn fault_07_a_list_with_gaps_is_gone_on_with_and_told_of_once() {
    let server = BoardServer::start(|asked| match asked.verb.as_str() {
        "SYN" => Answer::Bytes(format!(
            "SYN {} 1 1 3 0\r\nLST N=bob@example.com F=Bob C=b1 11\r\nLST N= F=x 11\r\nLST\r\n",
            asked.number
        )),
        _ => Answer::Usual,
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let bridge = PlainBridge::start(directory.path(), PlainConfig::new(&server.address, &server.nexus)).await;
    bridge.signed_in().await;
    bridge.line("with gaps: 1 of 3 contacts came, 2 lines could not be read.").await;
    let said = bridge.say("bob@example.com", "all the same").await;
    bridge.outcome(&said, "delivered").await;
    bridge.command(None, "reconnect").await;
    bridge.until_lines("Signed in to MSN", 2).await;
    let said = bridge.say("bob@example.com", "and again").await;
    bridge.outcome(&said, "delivered").await;
    assert_eq!(bridge.count("with gaps"), 1, "{:?}", bridge.shown());
}
