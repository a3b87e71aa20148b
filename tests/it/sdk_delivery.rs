//! The rows of the table of translations that say what became of words, with matrix-sdk as the user: delivered, refused,
//! left for somebody who is away; and what a message keeps on its way there and back.

use ruma::OwnedVoipId;
use ruma::events::call::SessionDescription;
use ruma::events::call::invite::CallInviteEventContent;
use ruma::events::room::message::{MessageType, RoomMessageEventContent};
use ruma::presence::PresenceState;
use serde_json::json;

use crate::chat::World;
use crate::names::on_stage;
use crate::offline::{OimServer, mail_data};
use crate::sdk::{Talk, talk, talk_in};
use crate::sdk_rows::ghost;
use crate::support::msn::{Peer, formatted};
use crate::support::sdk::{SdkUser, send};
use crate::support::stage::{Scenery, Stage};

/// When the message was left that the recorded server of offline messages gives, in milliseconds.
const LEFT_AT: u64 = 1_795_634_012_000;

/// Nobody is signed in to MSN yet, and the bridge is told this about offline messages.
async fn with_mailbox(mut world: World, settings: &[(&str, String)]) -> World {
    assert!(world.bridge.stop().await.success());
    world.bridge.spawn_with(|command| command.envs(settings.iter().map(|(key, value)| (*key, value))));
    world.bridge.wait_for_log_times("both ways", 2).await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    world
}

#[tokio::test]
async fn what_was_left_for_the_owner_is_shown_with_its_own_time_and_a_mark() {
    let mut oim = OimServer::start().await;
    let mut stage = Stage::start(Scenery::default()).await;
    let directory = tempfile::tempdir().unwrap();
    let service = crate::support::service::MsnService::start(directory.path(), crate::chat::ACCOUNTS).await;
    let world = World::start_at(service, directory, &stage.address, "").await;
    let world = with_mailbox(world, &[("MSNBRIDGE__MSN__OIM__RSI", oim.url.clone())]).await;
    let mut user = SdkUser::log_in(&world.synapse.url(), "ann").await;
    let body = format!(
        "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsoimnotification; charset=UTF-8\r\n\r\nMail-Data: {}\r\n",
        mail_data(&["id-1"])
    );
    stage.say(&format!("MSG Hotmail Hotmail {}\r\n{body}QNG 50", body.len())).await;
    let (_, shown) = user.message("words of id-1").await;
    assert_eq!(shown.sender, ghost("erin"));
    assert_eq!(u64::from(shown.origin_server_ts.0), LEFT_AT);
    assert_eq!(user.written(&shown.event_id)["content"]["msnbridge.offline"], true);
    assert!(oim.asked("DeleteMessages").await.contains("<messageId>id-1</messageId>"));
}

#[tokio::test]
async fn words_for_somebody_away_are_left_with_the_server_that_takes_them() {
    let world = World::start_up(tempfile::tempdir().unwrap(), "").await;
    let pages = world.service.nexus.trim_end_matches("/rdr/pprdr.asp").to_owned();
    let settings = [
        ("MSNBRIDGE__MSN__OFFLINE", "oim".to_owned()),
        ("MSNBRIDGE__MSN__OIM__STORE", format!("{pages}/OimWS/oim.asmx")),
    ];
    let world = with_mailbox(world, &settings).await;
    let Talk { world, mut user, call, room, bob } = talk_in(world).await;
    let management = user.room(&world.management).await;
    send(&management, RoomMessageEventContent::text_plain("add bob@example.com")).await;
    user.shows(&ghost("bob"), PresenceState::Online, "").await;
    drop((call, bob));
    user.shows(&ghost("bob"), PresenceState::Offline, "").await;
    let sent = send(&room, RoomMessageEventContent::text_plain("for later")).await;
    user.message_with("Your message was left for them with the MSN server").await;
    user.status(&sent, "SUCCESS").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let told = bob.wire.message("Mail-Data: <MD>").await.payload;
    assert!(told.contains("<E>alice@example.com</E>"), "{told}");
}

#[tokio::test]
async fn what_arrived_what_was_refused_and_what_failed_have_a_status_each() {
    let lists = vec!["LST N=bob@example.com F=Bob C=b1 11".to_owned()];
    let (world, mut stage) = on_stage(Scenery { lists, ..Scenery::default() }).await;
    let mut user = SdkUser::log_in(&world.synapse.url(), "ann").await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    board.text("bob@example.com", "Bob", "hello").await;
    let (room, _) = user.message("hello").await;
    let sent = send(&room, RoomMessageEventContent::text_plain("yes")).await;
    board.heard("yes").await;
    let status = user.status(&sent, "SUCCESS").await;
    assert_eq!(status["delivered_to_users"], json!([ghost("bob")]));
    user.has_read(&room, &ghost("bob"), &sent).await;

    let sent = send(&room, RoomMessageEventContent::text_plain("no")).await;
    let refuse = async |board: &mut crate::support::stage::Board| {
        let (line, payload) = board.until("MSG ").await;
        assert!(payload.ends_with("\r\n\r\nno"), "{payload}");
        board.say(&format!("NAK {}", line.split(' ').nth(1).unwrap_or_default())).await;
    };
    refuse(&mut board).await;
    // Once more, on another board.
    let mut board = stage.called().await;
    board.join("Bob").await;
    refuse(&mut board).await;
    let status = user.status(&sent, "FAIL_RETRIABLE").await;
    assert_eq!(status["message"], "MSN could not deliver it.");
    user.message_with("Your message was not delivered: MSN could not deliver it.").await;

    let sent = room.send_raw("org.example.heart", json!({"beats": 3})).await.expect("sent").response.event_id;
    let status = user.status(&sent, "FAIL_PERMANENT").await;
    let reason = "there are no words in «org.example.heart» that could be sent to MSN.";
    assert_eq!(status["message"], reason);
    user.message_with(&format!("Your message was not delivered: {reason}")).await;
}

#[tokio::test]
async fn contacts_and_calls_are_one_line_each() {
    let mut talk = talk().await;
    let contact = json!({"msgtype": "m.contact", "body": "Carl", "name": "Carl", "phone": "+1 555"});
    talk.room.send_raw("m.room.message", contact).await.expect("sent");
    talk.hears("* shared a contact: Carl, +1 555").await;
    let offer = SessionDescription::new("offer".into(), "v=0\r\nm=audio".into());
    let call = CallInviteEventContent::version_1(
        OwnedVoipId::from("1"),
        OwnedVoipId::from("p"),
        ruma::uint!(60_000),
        offer,
    );
    send(&talk.room, call).await;
    talk.hears("* is calling (voice), which cannot be answered from MSN").await;
    talk.user.message_with("Calls are not carried to MSN").await;
    // An event of another kind whose words are known is its words.
    talk.room.send_raw("org.example.note", json!({"body": "a note"})).await.expect("sent");
    talk.hears("a note").await;
}

#[tokio::test]
async fn a_font_that_matrix_cannot_show_is_kept_for_the_way_back() {
    let mut talk = talk().await;
    let look = "FN=Comic%20Sans%20MS; EF=B; CO=ff8000; CS=0; PF=42";
    talk.call.say(&formatted("fancy", look)).await;
    let (_, shown) = talk.user.message("fancy").await;
    assert!(matches!(shown.content.msgtype, MessageType::Text(_)), "{shown:?}");
    let content = talk.user.written(&shown.event_id)["content"].clone();
    let kept = json!({"FN": "Comic Sans MS", "EF": "B", "CO": "0080ff", "CS": "0", "PF": "42", "RL": false});
    assert_eq!(content["msnbridge.format"], kept);
    let again =
        json!({"msgtype": "m.text", "body": "and back", "msnbridge.format": content["msnbridge.format"]});
    talk.room.send_raw("m.room.message", again).await.expect("sent");
    let heard = talk.hears("and back").await;
    assert!(heard.contains(&format!("X-MMS-IM-Format: {look}")), "{heard}");
    // What has no look of its own has that of the login.
    let management = talk.user.room(&talk.world.management).await;
    send(&management, RoomMessageEventContent::text_plain("font Verdana #0000ff italic")).await;
    talk.user.message_with("Your messages will look like that").await;
    send(&talk.room, RoomMessageEventContent::text_plain("plain")).await;
    let heard = talk.hears("plain").await;
    assert!(heard.contains("FN=Verdana; EF=I; CO=ff0000;"), "{heard}");
}

#[tokio::test]
async fn words_for_somebody_who_is_offline_are_pending_until_they_are_back() {
    let Talk { mut user, call, room, bob, world } = talk_in(World::start_with_friends().await).await;
    drop((call, bob));
    let sent = send(&room, RoomMessageEventContent::text_plain("later")).await;
    let pending = user.status(&sent, "PENDING").await;
    assert_eq!(pending["reason"], "m.foreign_network_error");
    user.message_with("Your message waits").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    bob.answer().await.message("later").await;
    user.status(&sent, "SUCCESS").await;
    user.has_read(&room, &ghost("bob"), &sent).await;
}
