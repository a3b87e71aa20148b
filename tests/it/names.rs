//! Who is who: accounts, names and texts as servers and clients of other people write them.

use serde_json::{Value, json};

use crate::chat::World;
use crate::support::stage::{Scenery, Stage};
use crate::support::synapse::SERVER_NAME;

/// A Matrix user signed in as Alice, on a stage.
pub(crate) async fn on_stage(scenery: Scenery) -> (World, Stage) {
    on_stage_with(scenery, "").await
}

/// The same with more of a configuration.
pub(crate) async fn on_stage_with(scenery: Scenery, config: &str) -> (World, Stage) {
    let stage = Stage::start(scenery).await;
    let directory = tempfile::tempdir().unwrap();
    let service = crate::support::service::MsnService::start(directory.path(), crate::chat::ACCOUNTS).await;
    let mut world = World::start_at(service, directory, &stage.address, config).await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    (world, stage)
}

pub(crate) fn ghost(name: &str) -> String {
    format!("@msn_{name}=40example.com:{SERVER_NAME}")
}

pub(crate) fn room_of(event: &Value) -> String {
    event["room_id"].as_str().expect("a room").to_owned()
}

const BOBS: &str = "bob@example.com;{a1a1a1a1-0000-4000-8000-00000000000b}";

/// Imitates a server of MSNP16 and later, which names each client of an account on its boards and then the account.
#[tokio::test]
async fn fault_11_an_account_with_a_machine_id_or_a_network_number_is_the_account() {
    let (mut world, mut stage) = on_stage(Scenery::default()).await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    board.text("bob@example.com", "Bob", "as myself").await;
    let room = room_of(&world.user.message("as myself").await);
    // The same person again, once for each of their clients: nobody new, and no group.
    board.say(&format!("JOI {BOBS} Bob 0")).await;
    board.say("JOI 1:bob@example.com Bob 0").await;
    board.say(&format!("JOI 1:{} Bob 0", BOBS.to_ascii_uppercase())).await;
    for (who, words) in [
        (BOBS, "from a machine"),
        ("1:bob@example.com", "from a network"),
        (&*format!("1:{BOBS}"), "from both"),
        ("BOB@example.com;{B2}", "from another machine"),
    ] {
        board.text(who, "Bob", words).await;
        let shown = world.user.message(words).await;
        assert_eq!((room_of(&shown), &shown["sender"]), (room.clone(), &json!(ghost("bob"))), "{who}");
    }
    // One client of theirs goes, they do not.
    board.say(&format!("JOI {} Bob 0", BOBS.replace("b}", "c}"))).await;
    board.say(&format!("BYE {}", BOBS.replace("b}", "c}"))).await;
    world.user.send(&room, "still there?").await;
    board.heard("still there?").await;
    // A ring under such a name is answered for the same conversation.
    drop(board);
    let present = format!("{BOBS} Bob 0");
    let mut board = stage.ring(&format!("1:{BOBS}"), "Bob", &[&present]).await;
    board.text(BOBS, "Bob", "rung again").await;
    assert_eq!(room_of(&world.user.message("rung again").await), room);
}

/// A text as a gateway sends it, in somebody's name.
fn in_the_name_of(name: &str, words: &str) -> String {
    format!(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nP4-Context: {name}\r\n\r\n{words}"
    )
}

/// Imitates a gateway (7.0 and later), which speaks for several people through one account.
#[tokio::test]
async fn fault_12_a_name_in_a_message_is_for_that_message_only() {
    let lists = vec!["LST N=bob@example.com F=Bob C=b1 11".to_owned()];
    let (mut world, mut stage) = on_stage(Scenery { lists, ..Scenery::default() }).await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    board.text("bob@example.com", "Bob", "as Bob").await;
    let room = room_of(&world.user.message("as Bob").await);
    let profile = "com.beeper.per_message_profile";
    for (name, words) in [("+1 555 0100", "one"), ("Müller", "two"), ("Bobby", "three")] {
        board.message("bob@example.com", "Bob", in_the_name_of(name, words).as_bytes()).await;
        let shown = world.user.message(words).await;
        assert_eq!(shown["content"][profile]["displayname"], name);
        assert_eq!(shown["sender"], ghost("bob"));
    }
    for name in ["", "   "] {
        board.message("bob@example.com", "Bob", in_the_name_of(name, "in no name").as_bytes()).await;
        assert_eq!(world.user.message("in no name").await["content"][profile], Value::Null);
    }
    board.text("bob@example.com", "Bob", "as Bob again").await;
    assert_eq!(world.user.message("as Bob again").await["content"][profile], Value::Null);
    // He was called Bob all the time, and never anything else.
    let members =
        world.user.call(reqwest::Method::GET, &format!("rooms/{room}/messages?dir=b&limit=100"), None).await;
    let events = members["chunk"].as_array().unwrap().iter();
    let names: Vec<&Value> = events
        .filter(|event| event["type"] == "m.room.member" && event["state_key"] == ghost("bob"))
        .map(|event| &event["content"]["displayname"])
        .collect();
    assert!(!names.is_empty() && names.iter().all(|name| **name == "Bob"), "{names:?}");
}

/// Waits until somebody is called so in a room.
async fn called(world: &mut World, room: &str, who: &str, name: &str) {
    let who = ghost(who);
    let named = |event: &Value| {
        event["type"] == "m.room.member"
            && event["room_id"] == room
            && event["state_key"] == who
            && event["content"]["displayname"] == name
    };
    world.user.event(&format!("{who} called {name}"), named).await;
}

/// Waits until a room is called so.
pub(crate) async fn titled(world: &mut World, room: &str, title: &str) {
    let named = |event: &Value| {
        event["type"] == "m.room.name" && event["room_id"] == room && event["content"]["name"] == title
    };
    world.user.event(&format!("a room called {title}"), named).await;
}

/// Every name that somebody had in a room, in order, without repetitions.
async fn names_in(world: &World, room: &str, who: &str) -> Vec<String> {
    let path = format!("rooms/{room}/messages?dir=f&limit=500");
    let answer = world.user.call(reqwest::Method::GET, &path, None).await;
    let events = answer["chunk"].as_array().unwrap().iter();
    let own = events.filter(|event| event["type"] == "m.room.member" && event["state_key"] == ghost(who));
    let mut names: Vec<String> =
        own.filter_map(|event| event["content"]["displayname"].as_str().map(str::to_owned)).collect();
    names.dedup();
    names
}

/// A server whose boards go on calling people what they were called when they came (as the classic service did).
#[tokio::test]
async fn fault_13_the_newest_name_is_everywhere_at_once_and_never_flips_back() {
    let bob = |name: &str| format!("LST N=bob@example.com F={name} C=b1 11");
    let answers = vec![("SBP", "SBP {n} {rest}"), ("REM", "REM {n} {rest}")];
    let (mut world, mut stage) =
        on_stage(Scenery { lists: vec![bob("Bob")], answers, ..Scenery::default() }).await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    board.text("bob@example.com", "Bob", "hello").await;
    let room = room_of(&world.user.message("hello").await);
    called(&mut world, &room, "bob", "Bob").await;

    // The name alone, in the same status.
    stage.say("NLN NLN bob@example.com Bob 0").await;
    stage.say("NLN NLN bob@example.com Bobby 0").await;
    called(&mut world, &room, "bob", "Bobby").await;
    titled(&mut world, &room, "Bobby").await;
    // The board goes on as before, in texts, when somebody comes back, and in the next call.
    board.text("bob@example.com", "Bob", "still on this board").await;
    world.user.message("still on this board").await;
    board.say("BYE bob@example.com 1").await;
    board.say("JOI bob@example.com Bob").await;
    board.text("bob@example.com", "Bob", "back on this board").await;
    world.user.message("back on this board").await;
    let mut next = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    next.text("bob@example.com", "Bob", "on another board").await;
    world.user.message("on another board").await;
    // What a board says otherwise than before is news.
    next.text("bob@example.com", "Bobster", "and again").await;
    world.user.message("and again").await;
    called(&mut world, &room, "bob", "Bobster").await;
    // So is what the owner calls them, and their name at the next sign-in, though they are not there.
    let management = world.management.clone();
    world.user.send(&management, "rename bob@example.com Robert").await;
    stage.heard("SBP ").await;
    called(&mut world, &room, "bob", "Robert").await;
    stage.set_lists(&[&bob("Bob%20the%20builder")]);
    drop((board, next));
    world.user.send(&management, "reconnect").await;
    called(&mut world, &room, "bob", "Bob the builder").await;
    titled(&mut world, &room, "Bob the builder").await;
    // Who is no contact any more keeps their name.
    world.user.message_with("Signed in to MSN").await;
    world.user.send(&management, "remove bob@example.com").await;
    world.user.message_with("is no contact of yours any more").await;
    let mut board =
        stage.ring("bob@example.com", "bob@example.com", &["bob@example.com bob@example.com"]).await;
    board.text("bob@example.com", "bob@example.com", "do you know me?").await;
    world.user.message("do you know me?").await;
    let names = names_in(&world, &room, "bob").await;
    assert_eq!(names, ["Bob", "Bobby", "Bobster", "Robert", "Bob the builder"]);
}
