//! Between the protocol's words and the core's.
//!
//! Knows both vocabularies, value by value. Refuses to know who is told.

use crate::bridge::body::{Body, Format, RichText, Style};
use crate::bridge::event::{Author, Availability, ContactGroup, Ghost, GhostPresence};
use crate::bridge::ids::ConversationId;
use crate::bridge::port::delivery::{Content, Delivery};
use crate::connector::config::RelayFormat;
use crate::connector::context::names::{ghost, ghost_id};
use crate::connector::handle::Message;
use crate::msn::command::{ListKind, Status};
use crate::msn::ids::{Email, GroupId};
use crate::msn::message::{Content as MsnContent, CurrentMedia, PersonalMessage, TextStyle, without_codes};
use crate::msn::session::{Contact, Roster};

/// The groups of somebody's contacts.
pub(in crate::connector) fn groups(roster: &Roster) -> Vec<ContactGroup> {
    let inside = |id: &GroupId| {
        let members = roster.contacts().filter(|c| c.lists.has(ListKind::Forward) && c.groups.contains(id));
        members.map(|contact| direct(&contact.email)).collect()
    };
    let group = |(id, name): (&GroupId, &String)| ContactGroup {
        id: id.0.clone(),
        name: without_codes(name),
        conversations: inside(id),
    };
    roster.groups().iter().map(group).collect()
}

/// The conversation with one person.
pub(in crate::connector) fn direct(email: &Email) -> ConversationId {
    ConversationId::new(email.to_key())
}

/// The font and the effects as the core has them; black is no colour of its own.
pub(in crate::connector) fn style_to_format(style: &TextStyle) -> Format {
    Format {
        font: style.font.clone(),
        style: Style {
            bold: style.bold,
            italic: style.italic,
            underline: style.underline,
            strike: style.strike,
            // Black is what everybody has who chose nothing: the reader's own colour.
            color: (style.color != 0).then_some(style.color),
            ..Style::default()
        },
        charset: style.charset,
        pitch_family: style.pitch_family,
        right_to_left: style.right_to_left,
    }
}

/// The other way round; no colour is black.
pub(in crate::connector) fn format_to_style(format: &Format) -> TextStyle {
    TextStyle {
        font: format.font.clone(),
        bold: format.style.bold,
        italic: format.style.italic,
        underline: format.style.underline,
        strike: format.style.strike,
        color: format.style.color.unwrap_or(0),
        charset: format.charset,
        pitch_family: format.pitch_family,
        right_to_left: format.right_to_left,
    }
}

/// What an entry is on MSN; `None` for what has no place there. Words under a name that is not the account's are in the form
/// of `relay`.
pub(in crate::connector) fn message(delivery: &Delivery, relay: &RelayFormat) -> Option<Message> {
    let Content::Said { body } = &delivery.content else { return None };
    let name = match &delivery.author {
        Author::Relayed { name } => Some(name.as_str()),
        _ => body.shown_as(),
    };
    let named = |text: &RichText| match name {
        Some(name) => relay.of(name, &text.text()),
        None => text.text(),
    };
    match body {
        Body::Text(text) => Some(plain(named(text), style_of(text))),
        Body::Emote(text) => Some(plain(format!("* {}", named(text)), style_of(text))),
        Body::Nudge => Some(Message::Nudge),
        Body::Attachment(attachment) => {
            let caption = attachment.caption.as_ref()?;
            Some(plain(named(caption), style_of(caption)))
        }
        Body::File(_) | Body::Notice { .. } | Body::LiveNotice { .. } | Body::Question { .. } => None,
    }
}

fn plain(text: String, style: TextStyle) -> Message {
    Message::Text { text, style, emoticons: Vec::new() }
}

/// MSN formats whole messages only: what the whole text looks like, in the font it came with.
fn style_of(text: &RichText) -> TextStyle {
    let mut style = text.format.as_ref().map(format_to_style).unwrap_or_default();
    if let Some(uniform) = text.uniform_style().filter(|uniform| !uniform.is_plain()) {
        style.bold |= uniform.bold;
        style.italic |= uniform.italic;
        style.underline |= uniform.underline;
        style.strike |= uniform.strike;
        style.color = uniform.color.unwrap_or(style.color);
    }
    style
}

/// What a message from MSN says; `None` for what asks to be neither shown nor answered.
pub(in crate::connector) fn body(content: MsnContent) -> Option<Body> {
    let emote = |text: &str| (!text.trim().is_empty()).then(|| Body::Emote(RichText::plain(text)));
    match content {
        // Some clients send these, and nobody could read them.
        MsnContent::Text { text, .. } if text.trim().is_empty() => None,
        MsnContent::Text { text, style, shown_as } => {
            let words = match style {
                Some(style) => RichText::formatted(text, style_to_format(&style)),
                None => RichText::plain(text),
            };
            let shown_as = shown_as.map(|name| without_codes(&name));
            Some(Body::Text(RichText { shown_as, ..words }))
        }
        MsnContent::Nudge => Some(Body::Nudge),
        MsnContent::Datacast { id: 4, data } => emote(&data),
        MsnContent::Datacast { id: 2, .. } => emote("sent a wink"),
        MsnContent::Datacast { id: 3, .. } => emote("sent a voice clip"),
        MsnContent::Ink(_) => emote("sent a handwritten message in a form that cannot be shown here"),
        MsnContent::Datacast { .. }
        | MsnContent::Typing { .. }
        | MsnContent::Emoticons(_)
        | MsnContent::Invitation(_)
        | MsnContent::Peer { .. }
        | MsnContent::Other { .. } => None,
    }
}

/// A state as people say it; to be hidden is to be offline.
pub(in crate::connector) fn status_words(status: Status) -> &'static str {
    match status {
        Status::Online => "online",
        Status::Busy => "busy",
        Status::Idle => "idle",
        Status::BeRightBack => "be right back",
        Status::Away => "away",
        Status::OnThePhone => "on the phone",
        Status::OutToLunch => "out to lunch",
        Status::Hidden | Status::Offline => "offline",
    }
}

/// The words of the `presence` command.
pub(in crate::connector) fn parse_status(word: &str) -> Option<Status> {
    Some(match word {
        "online" | "available" => Status::Online,
        "busy" => Status::Busy,
        "idle" => Status::Idle,
        "brb" => Status::BeRightBack,
        "away" => Status::Away,
        "phone" => Status::OnThePhone,
        "lunch" => Status::OutToLunch,
        "hidden" | "invisible" | "offline" => Status::Hidden,
        _ => return None,
    })
}

/// A personal message as it is typed: words, and behind a note what is being listened to.
pub(in crate::connector) fn personal(text: &str) -> PersonalMessage {
    let Some((words, song)) = text.split_once('♫') else {
        return PersonalMessage { text: text.to_owned(), media: None };
    };
    let song = song.trim();
    let (format, arguments) = match song.split_once(" - ") {
        Some((title, artist)) => ("{0} - {1}", vec![title.trim().to_owned(), artist.trim().to_owned()]),
        None => ("{0}", vec![song.to_owned()]),
    };
    let media = (!song.is_empty()).then(|| {
        Box::new(CurrentMedia {
            application: String::new(),
            kind: "Music".into(),
            format: format.into(),
            arguments,
        })
    });
    PersonalMessage { text: words.trim().to_owned(), media }
}

/// What is shown of a contact's state: one of three, and words where the state says more.
pub(in crate::connector) fn presence(contact: &Contact) -> GhostPresence {
    let availability = match contact.status {
        Status::Online => Availability::Online,
        Status::Hidden | Status::Offline => Availability::Offline,
        _ => Availability::Away,
    };
    let status = match contact.status {
        Status::Online | Status::Hidden | Status::Offline => "",
        other => status_words(other),
    };
    let personal = without_codes(&contact.personal.line());
    let text = [status, personal.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" – ");
    let ghost = match availability {
        Availability::Offline => ghost(&contact.email, &contact.name),
        // Whoever is there is called what they say, also when they say their account.
        _ => Ghost { id: ghost_id(&contact.email), name: without_codes(&contact.name) },
    };
    GhostPresence { ghost, availability, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::body::Run;
    use crate::bridge::ids::{EntryId, LoginId, PortalKey};
    use proptest::prelude::*;

    prop_compose! {
        fn any_style()(font in proptest::collection::vec(any::<char>(), 0..32), flags in any::<[bool; 5]>(), color in 0u32..0x100_0000, charset in any::<u32>(), pitch_family in any::<u8>()) -> TextStyle {
            let [bold, italic, underline, strike, right_to_left] = flags;
            TextStyle { font: font.into_iter().collect(), bold, italic, underline, strike, color, charset, pitch_family, right_to_left }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        // With the other half of the way, in `matrix::outbound`, this is the identity from MSN to Matrix and back.
        #[test]
        fn a_style_survives_the_way_through_the_core(styles in proptest::collection::vec(any_style(), 100)) {
            for style in styles {
            let text = RichText::formatted("x", style_to_format(&style));
            prop_assert_eq!(&format_to_style(&style_to_format(&style)), &style);
            prop_assert_eq!(style_of(&text), style);
            }
        }
    }

    #[test]
    fn fault_22_a_text_of_nothing_is_nothing_to_show() {
        let text = |text: &str| {
            body(MsnContent::Text { text: text.into(), style: Some(TextStyle::default()), shown_as: None })
        };
        for nothing in ["", " ", "\r\n", "\n\n", "\t ", "\u{a0}"] {
            assert_eq!(text(nothing), None, "{nothing:?}");
            assert_eq!(body(MsnContent::Datacast { id: 4, data: nothing.into() }), None, "{nothing:?}");
        }
        assert!(matches!(text(" ."), Some(Body::Text(_))));
    }

    fn on_msn(author: Author, body: Body) -> (String, TextStyle) {
        let delivery = Delivery {
            portal: PortalKey::new(LoginId::new("alice@x"), ConversationId::new("bob@x")),
            id: EntryId::new("e"),
            sequence: 1,
            author,
            content: Content::Said { body },
            at: 1,
            unconfirmed: false,
            pack: Vec::new(),
        };
        match message(&delivery, &RelayFormat::default()) {
            Some(Message::Text { text, style, .. }) => (text, style),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_name_that_is_not_the_accounts_stands_before_the_words() {
        let owner = || Author::Owner { name: "Ann".into() };
        let named = RichText { shown_as: Some("Ann at work".into()), ..RichText::plain("hi") };
        assert_eq!(on_msn(owner(), Body::Text(named.clone())).0, "<Ann at work> hi");
        assert_eq!(on_msn(owner(), Body::Emote(named)).0, "* <Ann at work> hi");
        assert_eq!(on_msn(owner(), Body::Text(RichText::plain("hi"))).0, "hi");
        let relayed = Author::Relayed { name: "eve".into() };
        assert_eq!(on_msn(relayed, Body::Text(RichText::plain("hi"))).0, "<eve> hi");
    }

    #[test]
    fn an_act_keeps_its_look_and_its_direction() {
        let style = Style { bold: true, color: Some(0xFF), ..Style::default() };
        let format = Format { right_to_left: true, style, ..Format::default() };
        let (_, style) = on_msn(Author::Bridge, Body::Emote(RichText::formatted("waves", format.clone())));
        assert_eq!(style_to_format(&style), format);
    }

    #[test]
    fn words_are_shown_under_the_name_that_goes_with_them_without_its_codes() {
        let shown_as = |name: Option<&str>| {
            let shown_as = name.map(str::to_owned);
            match body(MsnContent::Text { text: "hi".into(), style: None, shown_as }) {
                Some(Body::Text(text)) => text.shown_as,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(shown_as(None), None);
        assert_eq!(shown_as(Some("[c=4]Robert[/c]")).as_deref(), Some("Robert"));
    }

    #[test]
    fn a_song_behind_a_note_is_what_is_playing() {
        let read = personal("at sea ♫ Yesterday - The Beatles");
        assert_eq!(read.text, "at sea");
        assert_eq!(read.media.as_ref().unwrap().line(), "Yesterday - The Beatles");
        assert_eq!(read.line(), "at sea ♫ Yesterday - The Beatles");
        assert_eq!(personal("♫ Hum").line(), "♫ Hum");
        assert_eq!(personal("♫"), PersonalMessage::default());
        assert_eq!(personal("plain").media, None);
    }

    #[test]
    fn html_that_is_bold_all_over_is_bold_on_msn_and_a_bold_word_is_not() {
        let run = |text: &str, bold| Run { text: text.into(), style: Style { bold, ..Style::default() } };
        let all = RichText {
            runs: vec![run("one", true), run(" ", false), run("two", true)],
            ..RichText::default()
        };
        assert!(style_of(&all).bold);
        let some = RichText { runs: vec![run("one", true), run(" two", false)], ..RichText::default() };
        assert!(!style_of(&some).bold);
    }
}
