//! What an IRC network refuses to show: it is named, it touches nothing else, and what was too fast is said again.
//! A scripted server: no real one gives all of these.

use crate::chat::World;
use crate::irc::{CHANNEL, relay_config};
use crate::support::irc_script::ScriptedIrc;
use crate::support::msn::{Peer, text};

/// Bob's channel and Carol's, and the rooms of both conversations.
async fn world(irc: &mut ScriptedIrc) -> (World, String, String) {
    let config = relay_config(irc.port, &["bob@example.com"])
        + "  - {network: test, channel: '#other', login: alice@example.com, contact: carol@example.com}\n";
    let mut world = World::start_in(tempfile::tempdir().unwrap(), &config).await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let mut rooms = Vec::new();
    for name in ["bob", "carol"] {
        let mut peer =
            Peer::sign_in(&world.service, &format!("{name}@example.com"), &format!("{name}-pw")).await;
        let mut call = peer.call("alice@example.com").await;
        call.say(&text(&format!("I am {name}"))).await;
        rooms.push(world.user.message(&format!("I am {name}")).await["room_id"].as_str().unwrap().to_owned());
        irc.said_until(&format!("I am {name}")).await;
    }
    let [bobs, carols] = rooms.try_into().unwrap();
    (world, bobs, carols)
}

#[tokio::test]
async fn each_refusal_of_what_is_said_is_named_and_touches_no_other_channel() {
    let mut irc = ScriptedIrc::start(false).await;
    let (mut world, bobs, carols) = world(&mut irc).await;
    for number in [401, 403, 404, 407, 408, 415, 417, 437, 477, 484, 486, 489, 492, 520, 531, 599, 716] {
        irc.mute(CHANNEL, Some(&format!("{number} {CHANNEL} :no")));
        world.user.send(&bobs, &format!("refused {number}")).await;
        world.user.message_with(&format!("IRC refuses: no ({number}")).await;
        world.user.send(&carols, &format!("fine {number}")).await;
        irc.said_until(&format!("fine {number}")).await;
    }
    irc.mute(CHANNEL, None);
    world.user.send(&bobs, "and this is shown").await;
    irc.said_until("and this is shown").await;
    assert_eq!(irc.attempts(), 4, "the bot, two contacts and the owner, once each");
}

#[tokio::test]
async fn what_was_too_fast_for_the_network_is_said_again_more_slowly() {
    let mut irc = ScriptedIrc::start(false).await;
    let (mut world, bobs, _carols) = world(&mut irc).await;
    for (number, answer) in [
        (439, format!("439 {CHANNEL} :Target change too fast")),
        (707, format!("707 {CHANNEL} :Targets changing too fast, message dropped")),
        (0, format!("NOTICE ann[m] :*** Message to {CHANNEL} throttled due to flooding")),
    ] {
        irc.mute(CHANNEL, Some(&answer));
        world.user.send(&bobs, &format!("patience {number}")).await;
        world.bridge.wait_for_log("not delivered, trying again leg=irc").await;
        irc.mute(CHANNEL, None);
        irc.said_until(&format!("patience {number}")).await;
    }
    world.bridge.wait_for_log("finds us too fast").await;
}

#[tokio::test]
async fn somebody_sent_away_for_a_flood_comes_back_more_slowly_and_goes_on() {
    let mut irc = ScriptedIrc::start(false).await;
    let (mut world, bobs, carols) = world(&mut irc).await;
    irc.hang_up_after(7);
    irc.say_at_parting("ERROR :Closing Link: 127.0.0.1 (Excess Flood)");
    let lines: Vec<String> = (0..12).map(|line| format!("line {line}")).collect();
    world.user.send(&bobs, &lines.join("\n")).await;
    world.bridge.wait_for_log("finds us too fast line_penalty=500ms").await;
    world.user.send(&carols, "meanwhile here").await;
    let said = irc.said_until("line 11").await;
    for line in &lines {
        assert!(said.iter().any(|said| said.ends_with(line.as_str())), "{line} is missing: {said:?}");
    }
}
