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
