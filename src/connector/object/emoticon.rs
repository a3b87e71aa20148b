//! The emoticons of one call: what each sender has announced for their next words, and what our side has.
//!
//! An emoticon is fetched when it is announced and kept by its digest; the words that use it are told at once and name
//! it. What our side uses is made small and offered before the words, and given to whoever asks.

use std::sync::Arc;

use crate::bridge::body::{Body, Emoticon};
use crate::bridge::port::media::File;
use crate::connector::context::Shared;
use crate::connector::handle::{OfferedEmoticon, OwnPicture};
use crate::connector::object::own_picture;
use crate::msn::ids::Email;

/// Characters of a shortcut that every client takes.
const MAX_SHORTCUT: usize = 7;
/// Emoticons that are remembered as offered, in one call.
const MAX_OFFERED: usize = 64;

/// The emoticons of one call.
#[derive(Default)]
pub(in crate::connector) struct Emoticons {
    /// What each sender has announced for the next words.
    announced: Vec<(Email, Vec<Emoticon>)>,
    /// What our side has announced.
    pub(in crate::connector) offered: Vec<Arc<OwnPicture>>,
}

impl Emoticons {
    /// Pictures that a text of ours names: contacts ask for them a moment later. The oldest are forgotten.
    pub(in crate::connector) fn offer(&mut self, emoticons: &[OfferedEmoticon]) {
        for emoticon in emoticons {
            self.offered.retain(|known| known.object.digest != emoticon.picture.object.digest);
            self.offered.push(emoticon.picture.clone());
        }
        let excess = self.offered.len().saturating_sub(MAX_OFFERED);
        self.offered.drain(..excess);
    }

    /// What the next words of somebody will use, in place of what they announced before.
    pub(in crate::connector) fn announce(&mut self, email: &Email, emoticons: Vec<Emoticon>) {
        self.announced.retain(|(from, _)| from != email);
        self.announced.push((email.clone(), emoticons));
    }

    /// The words, with what their sender announced for them.
    pub(in crate::connector) fn attach(&mut self, email: &Email, body: Body) -> Body {
        let Body::Text(mut text) = body else { return body };
        let at = self.announced.iter().position(|(from, _)| from == email);
        let announced = at.map(|at| self.announced.swap_remove(at).1).unwrap_or_default();
        let words = text.text();
        text.emoticons = announced.into_iter().filter(|e| words.contains(&e.shortcut)).collect();
        Body::Text(text)
    }
}

/// A shortcut that every client takes: the own one where that is short enough.
fn short(shortcut: &str, at: usize) -> String {
    let fits = shortcut.chars().count() <= MAX_SHORTCUT && !shortcut.chars().any(char::is_whitespace);
    if fits && !shortcut.is_empty() { shortcut.to_owned() } else { format!("(e{})", at + 1) }
}

/// Makes what a text uses ready to be given; in the text it is called as it can be called there.
pub(in crate::connector) async fn prepare(
    shared: &Shared,
    email: &Email,
    files: &[(String, File)],
    text: &mut String,
) -> Vec<OfferedEmoticon> {
    let mut offered = Vec::new();
    for (at, (shortcut, file)) in files.iter().enumerate() {
        let picture = own_picture::emoticon(shared, email, file).await;
        shared.media.discard(&file.media);
        match picture {
            Ok(picture) => {
                let called = short(shortcut, at);
                if called != *shortcut {
                    *text = text.replace(shortcut.as_str(), &called);
                }
                offered.push(OfferedEmoticon { shortcut: called, picture });
            }
            Err(reason) => tracing::info!(reason, "an emoticon cannot be shown on MSN"),
        }
    }
    offered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::body::{Image, RichText};
    use crate::connector::tests::email;
    use crate::msn::p2p::{MsnObject, ObjectKind};

    #[test]
    fn shortcuts_are_ones_that_every_client_takes() {
        assert_eq!(short(":cat:", 0), ":cat:");
        assert_eq!(short(":a_long_name:", 1), "(e2)");
        assert_eq!(short("a b", 0), "(e1)");
        assert_eq!(short("", 4), "(e5)");
    }

    fn emoticon(shortcut: &str) -> Emoticon {
        Emoticon { shortcut: shortcut.into(), image: Image::Kept { digest: shortcut.into() } }
    }

    #[test]
    fn words_have_the_emoticons_that_they_name_once() {
        let mut emoticons = Emoticons::default();
        emoticons.announce(&email("bob"), vec![emoticon(":old:")]);
        emoticons.announce(&email("bob"), vec![emoticon(":cat:"), emoticon(":dog:")]);
        let named = |body| match body {
            Body::Text(text) => text.emoticons.into_iter().map(|e| e.shortcut).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let words = || Body::Text(RichText::plain("a :cat: and an :old: one"));
        assert_eq!(named(emoticons.attach(&email("carol"), words())), Vec::<String>::new());
        assert_eq!(emoticons.attach(&email("bob"), Body::Nudge), Body::Nudge);
        assert_eq!(named(emoticons.attach(&email("bob"), words())), [":cat:"]);
        assert_eq!(
            named(emoticons.attach(&email("bob"), words())),
            Vec::<String>::new(),
            "for the next words only"
        );
    }

    #[test]
    fn the_oldest_of_what_our_side_has_offered_is_evicted() {
        let mut emoticons = Emoticons::default();
        let offered = |n: usize| {
            let object =
                MsnObject::new("alice@example.com", ObjectKind::Emoticon, "x", n.to_string().as_bytes());
            let media = crate::bridge::port::media::MediaId::new("m").unwrap();
            OfferedEmoticon { shortcut: format!("(e{n})"), picture: Arc::new(OwnPicture { object, media }) }
        };
        (0..=MAX_OFFERED).for_each(|n| emoticons.offer(&[offered(n)]));
        emoticons.offer(&[offered(MAX_OFFERED)]);
        assert_eq!(emoticons.offered.len(), MAX_OFFERED);
        let has =
            |n: usize| emoticons.offered.iter().any(|e| e.object.digest == offered(n).picture.object.digest);
        assert!(!has(0) && has(1) && has(MAX_OFFERED));
    }
}
