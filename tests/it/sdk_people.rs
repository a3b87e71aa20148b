//! The rows of the table of translations that are about people, with matrix-sdk as the user: how they are there, what they
//! say of themselves, what they are called, and who is whose contact.

use matrix_sdk::Room;
use ruma::events::AnySyncStateEvent;
use ruma::events::reaction::ReactionEventContent;
use ruma::events::relation::Annotation;
use ruma::events::room::message::RoomMessageEventContent;
use ruma::presence::PresenceState;

use crate::chat::World;
use crate::sdk::{Talk, talk_in};
use crate::sdk_rows::ghost;
use crate::support::msn::{Peer, Unit, Wire};
use crate::support::sdk::{SdkUser, send};

async fn friends() -> (Talk, Room) {
    let mut talk = talk_in(World::start_with_friends().await).await;
    let management = talk.user.room(&talk.world.management).await;
    (talk, management)
}

/// Says something to the bot, and waits for its answer.
async fn ask(user: &mut SdkUser, management: &Room, command: &str, answer: &str) {
    send(management, RoomMessageEventContent::text_plain(command)).await;
    user.message_with(answer).await;
}

/// What somebody says of themselves.
async fn says(peer: &mut Wire, words: &str, media: &str) {
    let data = format!("<Data><PSM>{words}</PSM><CurrentMedia>{media}</CurrentMedia></Data>");
    peer.send("UUX", &format!("{}\r\n{data}", data.len())).await;
    peer.line("UUX").await;
}

/// Waits until Bob is called so, and the room with him.
async fn waits_for_name(user: &mut SdkUser, room: &Room, name: &str) {
    let is_member = |event: &AnySyncStateEvent| match event {
        AnySyncStateEvent::RoomMember(member) => {
            let shown = member.as_original()?.content.displayname.as_deref();
            (*member.state_key() == ghost("bob") && shown == Some(name)).then_some(())
        }
        _ => None,
    };
    user.state(&format!("Bob called {name}"), room, is_member).await;
    let is_room = |event: &AnySyncStateEvent| match event {
        AnySyncStateEvent::RoomName(event) => (event.as_original()?.content.name == name).then_some(()),
        _ => None,
    };
    user.state(&format!("a room called {name}"), room, is_room).await;
}

#[tokio::test]
async fn every_status_of_a_contact_is_presence_and_words() {
    let (Talk { mut user, mut bob, call, world: _world, .. }, _) = friends().await;
    let bobs = ghost("bob");
    for (status, words) in [
        ("BSY", "busy"),
        ("IDL", "idle"),
        ("BRB", "be right back"),
        ("AWY", "away"),
        ("PHN", "on the phone"),
        ("LUN", "out to lunch"),
    ] {
        bob.wire.send("CHG", &format!("{status} 0")).await;
        user.shows(&bobs, PresenceState::Unavailable, words).await;
    }
    bob.wire.send("CHG", "NLN 0").await;
    user.shows(&bobs, PresenceState::Online, "").await;
    bob.wire.send("CHG", "HDN 0").await;
    user.shows(&bobs, PresenceState::Offline, "").await;
    bob.wire.send("CHG", "NLN 0").await;
    user.shows(&bobs, PresenceState::Online, "").await;
    drop((call, bob));
    user.shows(&bobs, PresenceState::Offline, "").await;
}

#[tokio::test]
async fn every_status_of_the_owner_is_seen_by_contacts() {
    let (Talk { mut user, mut bob, world: _world, call: _call, .. }, management) = friends().await;
    bob.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    let mut last = bob.wire.line("ILN").await.at;
    for (word, status) in [
        ("busy", "BSY"),
        ("idle", "IDL"),
        ("brb", "BRB"),
        ("away", "AWY"),
        ("phone", "PHN"),
        ("lunch", "LUN"),
        ("online", "NLN"),
    ] {
        ask(&mut user, &management, &format!("presence {word}"), &format!("You are now «{word}»")).await;
        let start = format!("NLN {status} alice@example.com");
        last = bob.wire.until(&start, |u| u.at > last && u.line.starts_with(&start)).await.at;
    }
    ask(&mut user, &management, "presence hidden", "You are now «hidden»").await;
    bob.wire.line("FLN alice@example.com").await;
}

#[tokio::test]
async fn personal_messages_and_songs_are_status_texts_both_ways() {
    let (Talk { mut user, mut bob, world: _world, call: _call, .. }, management) = friends().await;
    let bobs = ghost("bob");
    says(&mut bob.wire, "at sea &amp; away", "").await;
    user.shows(&bobs, PresenceState::Online, "at sea & away").await;
    says(&mut bob.wire, "at sea", r"\0Music\01\0{0} - {1}\0Yesterday\0The Beatles\0").await;
    user.shows(&bobs, PresenceState::Online, "at sea ♫ Yesterday - The Beatles").await;
    says(&mut bob.wire, "", "").await;
    user.shows(&bobs, PresenceState::Online, "").await;

    bob.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    bob.wire.line("ILN").await;
    // What the owner's own client says, until a command says something else.
    user.show(PresenceState::Online, "gone fishing").await;
    let told =
        |words: &'static str| move |u: &Unit| u.line.starts_with("UBX alice") && u.payload.contains(words);
    bob.wire.until("the status text", told("<PSM>gone fishing</PSM>")).await;
    ask(&mut user, &management, "psm reading ♫ Help - The Beatles", "is set").await;
    let song = bob.wire.until("the song", told("Help\\0The Beatles\\0")).await;
    assert!(song.payload.contains("<PSM>reading</PSM>"), "{}", song.payload);
}

#[tokio::test]
async fn friendly_names_are_display_names_both_ways() {
    let (Talk { mut user, mut bob, room, world: _world, call: _call, .. }, management) = friends().await;
    bob.wire.send("PRP", "MFN Bobby%20the%20sailor").await;
    waits_for_name(&mut user, &room, "Bobby the sailor").await;
    ask(&mut user, &management, "rename bob@example.com Robert", "is called «Robert»").await;
    waits_for_name(&mut user, &room, "Robert").await;

    bob.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    bob.wire.line("ILN").await;
    ask(&mut user, &management, "name Alice in Wonderland", "You are called «Alice in Wonderland»").await;
    let named = |u: &Unit| u.line.contains(" alice@example.com Alice%20in%20Wonderland ");
    bob.wire.until("the new name", named).await;
}

#[tokio::test]
async fn contacts_are_added_renamed_blocked_and_removed_by_words_or_by_an_invitation() {
    let (Talk { world, mut user, mut bob, call: _call, .. }, management) = friends().await;
    bob.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    bob.wire.line("ILN").await;
    ask(&mut user, &management, "block bob@example.com", "can neither see nor call you").await;
    let hidden = bob.wire.line("FLN alice@example.com").await.at;
    ask(&mut user, &management, "unblock bob@example.com", "can see and call you again").await;
    bob.wire.until("Alice again", |u| u.at > hidden && u.line.starts_with("NLN ")).await;
    ask(&mut user, &management, "remove bob@example.com", "is no contact of yours any more").await;
    bob.wire.line("REM 0 RL alice@example.com").await;
    ask(&mut user, &management, "add bob@example.com", "is among your contacts").await;
    bob.wire.line("ADC 0 RL N=alice@example.com").await;
    ask(&mut user, &management, "remove bob@example.com", "is no contact of yours any more").await;
    bob.wire.line("REM 0 RL alice@example.com").await;
    management.invite_user_by_id(&ghost("bob")).await.expect("invited");
    user.message_with("bob@example.com is among your contacts").await;
    bob.wire.line("ADC 0 RL N=alice@example.com").await;

    // Who asks to be let in may be declined.
    let mut dave = Peer::sign_in(&world.service, "dave@example.com", "dave-pw").await;
    dave.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    let (_, question) = user.message_with("<dave@example.com> has added").await;
    send(&management, ReactionEventContent::new(Annotation::new(question.event_id, "👎".into()))).await;
    user.message_with("dave@example.com was not let in").await;
}
