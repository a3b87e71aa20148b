//! The rows of the table of translations that are more than words, with matrix-sdk as the user: who contacts are, what they
//! show, how they are sorted, whom they ask, what they send.

use matrix_sdk::deserialized_responses::RawSyncOrStrippedState;
use matrix_sdk::{Client, Room};
use ruma::events::reaction::ReactionEventContent;
use ruma::events::relation::Annotation;
use ruma::events::room::MediaSource;
use ruma::events::room::message::{FileMessageEventContent, MessageType, RoomMessageEventContent};
use ruma::events::space::child::SpaceChildEventContent;
use ruma::presence::PresenceState;
use ruma::{OwnedUserId, UserId};

use crate::chat::World;
use crate::names::on_stage;
use crate::support::files::{self, Gift, noise, noise_digest};
use crate::support::msn::{Peer, text};
use crate::support::sdk::{SdkUser, send};
use crate::support::stage::Scenery;
use crate::support::synapse::SERVER_NAME;

pub(crate) fn ghost(name: &str) -> OwnedUserId {
    UserId::parse(format!("@msn_{name}=40example.com:{SERVER_NAME}")).expect("a user")
}

/// What a contact is called in a room.
async fn called(room: &Room, who: &str) -> Option<String> {
    let member = room.get_member_no_sync(&ghost(who)).await.expect("the store")?;
    member.display_name().map(str::to_owned)
}

/// The name of a space that holds this room.
async fn space_of(client: &Client, child: &Room) -> Option<String> {
    for space in client.joined_rooms().into_iter().filter(|room| room.is_space()) {
        let children = space.get_state_events_static::<SpaceChildEventContent>().await.expect("the store");
        let holds = |event: &RawSyncOrStrippedState<SpaceChildEventContent>| {
            let RawSyncOrStrippedState::Sync(raw) = event else { return false };
            let event: serde_json::Value = raw.deserialize_as_unchecked().expect("JSON");
            event["state_key"] == child.room_id().as_str() && event["content"]["via"].is_array()
        };
        if children.iter().any(holds) {
            return space.name();
        }
    }
    None
}

#[tokio::test]
async fn contacts_have_names_presence_words_of_their_own_and_a_place_in_a_space() {
    let mut world = World::start_with_friends().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let mut user = SdkUser::log_in(&world.synapse.url(), "ann").await;
    call.say(&text("hello")).await;
    let (room, said) = user.message("hello").await;
    assert_eq!(said.sender, ghost("bob"));
    user.until("Bob's name", async |_| (called(&room, "bob").await.as_deref() == Some("Bob")).then_some(()))
        .await;
    assert_eq!(room.name().as_deref(), Some("Bob"));
    let data = "<Data><PSM>at sea</PSM><CurrentMedia></CurrentMedia></Data>";
    bob.wire.send("UUX", &format!("{}\r\n{data}", data.len())).await;
    bob.wire.send("CHG", "BSY 0").await;
    let shown = user.presence_of(&ghost("bob"), PresenceState::Unavailable).await;
    assert!(shown.is_some_and(|words| words.contains("at sea")));
    user.until("the space", async |client| {
        space_of(client, &room).await.filter(|name| name == "MSN (alice@example.com)")
    })
    .await;
    let management = world.management.clone();
    let commands =
        [("group create Pals", "There is a group «Pals»"), ("move bob@example.com Pals", "is in the group")];
    for (command, answer) in commands {
        world.user.send(&management, command).await;
        world.user.message_with(answer).await;
    }
    user.until("another space", async |client| space_of(client, &room).await.filter(|name| name == "Pals"))
        .await;
    drop(bob);
    user.presence_of(&ghost("bob"), PresenceState::Offline).await;
}

#[tokio::test]
async fn whoever_adds_the_owner_is_asked_about_and_a_reaction_answers() {
    let world = World::start().await;
    let mut user = SdkUser::log_in(&world.synapse.url(), "ann").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    bob.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    let (management, question) = user.message_with("<bob@example.com> has added").await;
    let yes = ReactionEventContent::new(Annotation::new(question.event_id, "👍".into()));
    send(&management, yes).await;
    user.message_with("bob@example.com can see you now").await;
    bob.wire.line("ADC 0 RL N=alice@example.com").await;
    send(&management, RoomMessageEventContent::text_plain("block bob@example.com")).await;
    user.message_with("bob@example.com can neither see nor call you now").await;
    bob.wire.line("FLN alice@example.com").await;
}

#[tokio::test]
async fn files_go_both_ways_and_invitations_to_programs_are_told() {
    let world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let mut user = SdkUser::log_in(&world.synapse.url(), "ann").await;
    Gift::offer(&mut call, "notes.bin", 3_000, "200 OK").await.send(&mut call, u64::MAX).await;
    let (room, came) = user.message("notes.bin").await;
    let MessageType::File(file) = &came.content.msgtype else { panic!("{came:?}") };
    assert_eq!(file.info.as_ref().and_then(|info| info.size).map(u64::from), Some(3_000));
    let MediaSource::Plain(uri) = &file.source else { panic!("{file:?}") };
    assert_eq!(world.user.download(uri.as_str()).await, noise(0, 3_000));
    let uri = world.user.upload(&noise(0, 2_000)).await;
    let back = FileMessageEventContent::plain("back.bin".into(), uri.into());
    send(&room, RoomMessageEventContent::new(MessageType::File(back))).await;
    let offer = files::offered(&mut call).await;
    assert_eq!((offer.name.as_str(), offer.size), ("back.bin", 2_000));
    assert_eq!(offer.take(&mut call, files::Way::Board).await, noise_digest(2_000));
    user.event_of("com.beeper.message_send_status").await;
    let invitation = "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\n\
                      Invitation-Cookie: 12\r\nInvitation-Command: INVITE\r\nApplication-Name: Chess\r\n\
                      Application-GUID: {1}\r\n\r\n";
    call.say(invitation).await;
    let (_, told) = user.message_with("invites you to «Chess»; it was declined").await;
    assert_eq!(told.sender, ghost("bob"));
    call.message("Cancel-Code: REJECT_NOT_INSTALLED").await;
    // Refused aloud.
    let uri = format!("mxc://{SERVER_NAME}/none");
    let gone = FileMessageEventContent::plain("gone.bin".into(), uri.into());
    send(&room, RoomMessageEventContent::new(MessageType::File(gone))).await;
    user.message_with("Your file was not delivered").await;
}

#[tokio::test]
async fn mail_pages_alerts_and_a_server_that_goes_down_are_told_where_owner_and_bridge_are_alone() {
    let lists = vec!["LST N=bob@example.com F=Bob C=b1 11".to_owned()];
    let (world, mut stage) = on_stage(Scenery { lists, ..Scenery::default() }).await;
    let mut user = SdkUser::log_in(&world.synapse.url(), "ann").await;
    let mime = |kind: &str, body: &str| {
        format!("MIME-Version: 1.0\r\nContent-Type: {kind}; charset=UTF-8\r\n\r\n{body}\r\n")
    };
    let mail = mime("text/x-msmsgsemailnotification", "From: Eve\r\nSubject: hi");
    let down = mime("application/x-msmsgssystemmessage", "Type: 1\r\nArg1: 5");
    let note = |rest: &str| format!("<NOTIFICATION id=\"0\">{rest}</NOTIFICATION>");
    let words = |text: &str| format!("<MSG><BODY><TEXT>{text}</TEXT></BODY></MSG>");
    let page = note(&format!("<FROM name=\"tel:+1555\"/>{}", words("call me")));
    for (head, payload, told) in [
        ("MSG Hotmail Hotmail", mail, "New mail from Eve: hi"),
        ("IPG", page, "Page from +1555: call me"),
        ("NOT", note(&words("Meeting &amp; lunch")), "MSN alert: Meeting & lunch"),
        ("MSG Hotmail Hotmail", down, "The MSN server goes down in 5 minutes. "),
    ] {
        stage.say(&format!("{head} {}\r\n{payload}QNG 50", payload.len())).await;
        is_told(&mut user, &world, told).await;
    }
    stage.heard("VER ").await;
    stage.say_the_last("OUT SSD").await;
    is_told(&mut user, &world, "The MSN server is shutting down. ").await;
    // It is back, and so is the bridge.
    stage.heard("VER ").await;
    stage.heard("CHG ").await;
    let alert = note(&words("hello again"));
    stage.say(&format!("NOT {}\r\n{alert}QNG 50", alert.len())).await;
    is_told(&mut user, &world, "MSN alert: hello again").await;
}

/// Waits for a notice that begins so, in the room of the owner and the bridge.
async fn is_told(user: &mut SdkUser, world: &World, start: &str) {
    let (room, told) = user.message_with(start).await;
    assert_eq!(room.room_id().as_str(), world.management);
    assert!(matches!(told.content.msgtype, MessageType::Notice(_)), "{told:?}");
}
