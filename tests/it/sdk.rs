//! The rows of the table of translations that are words, with matrix-sdk as the user: its types read what the bridge
//! sends, and make what the bridge reads.

use matrix_sdk::Room;
use ruma::events::poll::unstable_start::{
    NewUnstablePollStartEventContent, UnstablePollAnswer, UnstablePollAnswers, UnstablePollStartContentBlock,
};
use ruma::events::reaction::ReactionEventContent;
use ruma::events::relation::{Annotation, InReplyTo, Reply};
use ruma::events::room::ImageInfo;
use ruma::events::room::message::{
    LocationMessageEventContent, MessageType, Relation, ReplacementMetadata, RoomMessageEventContent,
};
use ruma::events::sticker::StickerEventContent;

use crate::chat::World;
use crate::support::files::{self, noise};
use crate::support::msn::{Peer, Wire, formatted, text};
use crate::support::sdk::{SdkUser, send};
use crate::support::synapse::SERVER_NAME;

/// Bob and Alice have met, and Alice's Matrix user has a client by matrix-sdk.
pub(crate) struct Talk {
    pub(crate) world: World,
    pub(crate) user: SdkUser,
    pub(crate) call: Wire,
    pub(crate) room: Room,
    pub(crate) bob: Peer,
}

pub(crate) async fn talk() -> Talk {
    talk_in(World::start().await).await
}

pub(crate) async fn talk_in(world: World) -> Talk {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let mut user = SdkUser::log_in(&world.synapse.url(), "ann").await;
    call.say(&text("shall we?")).await;
    let (room, _) = user.message("shall we?").await;
    Talk { world, user, call, room, bob }
}

impl Talk {
    pub(crate) async fn hears(&mut self, words: &str) -> String {
        self.call.message(&format!("\r\n\r\n{words}")).await.payload
    }
}

#[tokio::test]
async fn words_with_their_charset_and_look_go_both_ways() {
    let mut talk = talk().await;
    let head = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=windows-1251\r\n\r\n";
    talk.call.payload("N", &[head.as_bytes(), &[0xCF, 0xF0, 0xE8]].concat()).await;
    talk.user.message("При").await;
    talk.call.say(&formatted("fancy", "FN=Arial; EF=BIUS; CO=ff; CS=0; PF=22; RL=1")).await;
    let (_, shown) = talk.user.message("fancy").await;
    let MessageType::Text(words) = &shown.content.msgtype else { panic!("{shown:?}") };
    assert_eq!(
        words.formatted.as_ref().expect("a look").body,
        "<div dir=\"rtl\"><font color=\"#ff0000\" data-mx-color=\"#ff0000\"><strong><em><u><del>fancy</del></u></em></strong></font></div>"
    );
    let mentions = shown.content.mentions.expect("it is said whom it mentions");
    assert!(mentions.user_ids.is_empty() && !mentions.room);
    send(
        &talk.room,
        RoomMessageEventContent::text_html("loud", "<b><font color=\"#00ff00\">loud</font></b>"),
    )
    .await;
    let heard = talk.hears("loud").await;
    assert!(heard.contains("EF=B; CO=ff00;"), "{heard}");
    send(&talk.room, RoomMessageEventContent::text_html("list", "<ol><li>a</li><li>b</li></ol>")).await;
    talk.hears("1. a\r\n2. b").await;
    send(&talk.room, RoomMessageEventContent::emote_plain("waves")).await;
    talk.hears("* waves").await;
    talk.user.event_of("com.beeper.message_send_status").await;
}

#[tokio::test]
async fn typing_and_nudges_go_both_ways() {
    let mut talk = talk().await;
    let typing =
        "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgscontrol\r\nTypingUser: bob@example.com\r\n\r\n\r\n";
    talk.call.say(typing).await;
    assert_eq!(talk.user.typist().await, format!("@msn_bob=40example.com:{SERVER_NAME}").as_str());
    talk.room.typing_notice(true).await.expect("typing");
    talk.call.message("TypingUser: alice@example.com").await;
    talk.call.say("MIME-Version: 1.0\r\nContent-Type: text/x-msnmsgr-datacast\r\n\r\nID: 1\r\n\r\n").await;
    let (_, nudge) = talk.user.message("sent a nudge").await;
    assert!(matches!(nudge.content.msgtype, MessageType::Emote(_)));
    send(&talk.room, RoomMessageEventContent::text_plain("!msn nudge")).await;
    talk.call.message("ID: 1").await;
}

#[tokio::test]
async fn answers_edits_reactions_and_removals_are_words() {
    let mut talk = talk().await;
    talk.call.say(&text("or not?")).await;
    let (_, asked) = talk.user.message("or not?").await;
    let mut answer = RoomMessageEventContent::text_plain("yes");
    answer.relates_to = Some(Relation::Reply(Reply::new(InReplyTo::new(asked.event_id.clone()))));
    let yes = send(&talk.room, answer).await;
    talk.hears("> or not?\r\nyes").await;
    let edit = RoomMessageEventContent::text_plain("no");
    send(&talk.room, edit.make_replacement(ReplacementMetadata::new(yes.clone(), None))).await;
    talk.hears("* no").await;
    let reaction = ReactionEventContent::new(Annotation::new(asked.event_id, "👍".into()));
    let reaction = send(&talk.room, reaction).await;
    talk.hears("* reacted 👍").await;
    talk.room.redact(&reaction, None, None).await.expect("removed");
    talk.hears("* took back a reaction").await;
    talk.room.redact(&yes, None, None).await.expect("removed");
    talk.hears("* deleted a message").await;
}

#[tokio::test]
async fn stickers_polls_and_places_are_a_picture_and_a_line_each() {
    let mut talk = talk().await;
    let uri = talk.world.user.upload(&noise(0, 300)).await;
    let mut info = ImageInfo::new();
    info.mimetype = Some("image/png".into());
    send(&talk.room, StickerEventContent::new("a happy cat".into(), info, uri.into())).await;
    assert_eq!(files::offered(&mut talk.call).await.name, "a happy cat.png");
    let answers = ["Pizza", "Pasta"].map(|words| UnstablePollAnswer::new(words, words));
    let answers = UnstablePollAnswers::try_from(Vec::from(answers)).expect("answers");
    let poll = UnstablePollStartContentBlock::new("Lunch?", answers);
    send(&talk.room, NewUnstablePollStartEventContent::plain_text("Lunch?", poll)).await;
    talk.hears("* started the poll «Lunch?»: 1. Pizza, 2. Pasta").await;
    // Where nothing else is said, a place is where its sender is.
    let place = LocationMessageEventContent::new("Big Ben".into(), "geo:51.5,-0.12".into());
    send(&talk.room, RoomMessageEventContent::new(MessageType::Location(place))).await;
    talk.hears("* shared their location: Big Ben https://www.openstreetmap.org/?mlat=51.5&mlon=-0.12").await;
}
