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
