//! A login with a thousand contacts, and a restart while three hundred are online: how long, how many requests, how much
//! memory. Takes minutes and measures, so it runs in `tests/run --long` alone.

use std::time::{Duration, Instant};

use crate::chat::{ACCOUNTS, World};
use crate::hostile::memory;
use crate::support::bridge::Bridge;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::other_homeserver::OtherHomeserver;
use crate::support::service::MsnService;
use crate::support::stage::{Scenery, Stage};
use crate::support::synapse::{SERVER_NAME, Synapse};
use crate::support::{PATIENCE, within_promise};

const CONTACTS: usize = 1_000;
const GROUPS: usize = 20;
/// Ghosts that are online at the restart.
const ONLINE: usize = 300;
/// Requests that a second start may make, whatever it finds.
const SECOND_START: usize = 50;
/// So long nothing is asked of the homeserver any more when all is done.
const STILL: Duration = Duration::from_secs(10);

fn account(number: usize) -> String {
    format!("contact{number}@example.com")
}

fn lists(contacts: usize) -> Vec<String> {
    let groups = (0..GROUPS).map(|number| format!("LSG Group%20{number} g{number}"));
    let contact = |number: usize| {
        format!("LST N={} F=Contact%20{number} C=c{number} 11 g{}", account(number), number % GROUPS)
    };
    groups.chain((0..contacts).map(contact)).collect()
}

/// Ann's account has these contacts, each has a room, and every request to the homeserver is counted.
async fn signed_in(contacts: usize) -> (World, Stage, OtherHomeserver, Instant) {
    let stage = Stage::start(Scenery { lists: lists(contacts), ..Scenery::default() }).await;
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &stage.address, &service.nexus);
    let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
    let counted = OtherHomeserver::start(synapse.url()).await;
    counted.unchanged();
    bridge.append_config("matrix: {rooms: all}\n");
    bridge.set_homeserver(&counted.url());
    bridge.spawn_with(|command| command.env("RUST_LOG", "msnbridge=info"));
    bridge.wait_for_log("both ways").await;
    let mut user = MatrixUser::register(&synapse.url(), "ann").await;
    let management = user.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    counted.forget();
    let begun = Instant::now();
    user.sign_in(&management, "alice@example.com", "alice-pw").await;
    (World::assemble(service, synapse, bridge, user, management, directory), stage, counted, begun)
}

/// Waits until the homeserver was not asked for anything for a while, besides whether there are keys, which is asked for
/// ever; when the last request was.
async fn until_still(counted: &OtherHomeserver, promise: Duration) -> Instant {
    within_promise(promise, "the bridge to have shown everything", async {
        let asked = || counted.count("") - counted.count("/sync");
        let (mut known, mut since) = (asked(), Instant::now());
        while since.elapsed() < STILL {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if asked() != known {
                (known, since) = (asked(), Instant::now());
            }
        }
        since
    })
    .await
}

fn print_requests(what: &str, counted: &OtherHomeserver) {
    println!("{what}: {} requests", counted.count(""));
    counted.kinds().into_iter().take(12).for_each(|(kind, count)| println!("  {count:6} {kind}"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: tests/run --long"]
async fn a_thousand_contacts_are_shown_once_and_a_second_start_asks_for_little() {
    let (mut world, mut stage, counted, begun) = signed_in(CONTACTS).await;
    let usable = begun.elapsed();
    // Words do not wait for a thousand rooms.
    let mut board = stage.ring(&account(999), "Last", &[&format!("{} Last", account(999))]).await;
    board.text(&account(999), "Last", "already?").await;
    let shown = world.user.message("already?").await;
    let spoken = begun.elapsed();
    let room = shown["room_id"].as_str().unwrap().to_owned();
    world.user.send(&room, "already.").await;
    board.heard("already.").await;
    let answered = begun.elapsed();
    drop(board);
    let done = until_still(&counted, PATIENCE).await - begun;
    println!(
        "{CONTACTS} contacts in {GROUPS} groups: signed in after {usable:?}, words after {spoken:?}, an answer after \
              {answered:?}, every room after {done:?}, {} MB of memory",
        memory(world.bridge.pid()) >> 20
    );
    print_requests("the first start", &counted);
    assert!(counted.count("POST /_matrix/client/v3/createRoom") >= CONTACTS + GROUPS);
    assert!(answered < PATIENCE, "{answered:?}");

    world.bridge.stop().await;
    stage.begin_anew();
    counted.forget();
    let begun = Instant::now();
    world.bridge.spawn_with(|command| command.env("RUST_LOG", "msnbridge=info"));
    world.bridge.wait_for_log_times("both ways", 2).await;
    let mut board = stage.ring(&account(998), "Again", &[&format!("{} Again", account(998))]).await;
    board.text(&account(998), "Again", "still?").await;
    // Ann's client is still busy with a thousand invitations.
    within_promise(PATIENCE, "the words", async {
        while counted.count("/send/m.room.message/") == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let spoken = begun.elapsed();
    until_still(&counted, PATIENCE).await;
    println!("a second start: words after {spoken:?}, {} MB of memory", memory(world.bridge.pid()) >> 20);
    print_requests("a second start", &counted);
    assert!(counted.count("") < SECOND_START, "{}", counted.count(""));
}

/// Requests about the presence of one contact.
fn of(counted: &OtherHomeserver, number: usize) -> usize {
    counted.count(&format!("/presence/@msn_contact{number}="))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: tests/run --long"]
async fn a_restart_with_three_hundred_online_repeats_no_presence() {
    let (mut world, mut stage, counted, _) = signed_in(ONLINE).await;
    for number in 0..ONLINE {
        stage.say(&format!("NLN NLN {} Contact%20{number} 0", account(number))).await;
    }
    // Ann is there, so it is said again and again, and all of it at least once.
    within_promise(PATIENCE, "everybody to be shown online", async {
        while (0..ONLINE).any(|number| of(&counted, number) == 0) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    print_requests("three hundred come online", &counted);
    counted.forget();
    world.bridge.stop().await;
    stage.begin_anew();
    print_requests("its stop", &counted);
    counted.forget();
    world.bridge.spawn_with(|command| command.env("RUST_LOG", "msnbridge=info"));
    world.bridge.wait_for_log_times("both ways", 2).await;
    // The same people are online as before, and one is not.
    for number in 1..ONLINE {
        stage.say(&format!("ILN 9 NLN {} Contact%20{number} 0", account(number))).await;
    }
    until_still(&counted, PATIENCE).await;
    print_requests("a restart with three hundred online", &counted);
    let all = counted.count("/presence/");
    println!("{all} presence requests for {ONLINE} ghosts, {} for the one who left", of(&counted, 0));
    assert!(all <= 5, "{all}");
}

/// Beside the message itself nothing is asked of the homeserver: that is what bounds how fast a conversation can be.
#[tokio::test]
async fn a_message_from_msn_takes_one_request() {
    const MESSAGES: usize = 20;
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
    let counted = OtherHomeserver::start(synapse.url()).await;
    counted.unchanged();
    bridge.set_homeserver(&counted.url());
    bridge.start().await;
    let mut user = MatrixUser::register(&synapse.url(), "ann").await;
    let management = user.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    user.sign_in(&management, "alice@example.com", "alice-pw").await;
    let mut bob = Peer::sign_in(&service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("the room is made")).await;
    user.message("the room is made").await;
    until_still(&counted, STILL * 2).await;
    counted.forget();
    for n in 0..MESSAGES {
        call.say(&text(&format!("message {n}"))).await;
    }
    user.message(&format!("message {}", MESSAGES - 1)).await;
    print_requests("twenty messages", &counted);
    assert_eq!(counted.count("/send/m.room.message"), MESSAGES);
    let others = counted.count("") - MESSAGES - counted.count("/ping") - counted.count("/sync");
    assert!(others <= 2, "{others} requests besides");
}
