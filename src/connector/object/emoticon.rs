//! Small pictures in a text, winks, voice clips and handwriting: what comes with a message beside its words.
//!
//! An emoticon is fetched when it is announced and kept by its digest; the words that use it are told at once and name
//! it. What our side uses is made small and offered before the words, and given to whoever asks.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::bridge::body::{Body, Emoticon, Image, RichText};
use crate::bridge::event::{RemoteEvent, RemoteKind};
use crate::bridge::port::media::File;
use crate::bridge::port::storage::StorageError;
use crate::connector::call::Call;
use crate::connector::clock::{now, time_of_day};
use crate::connector::context::Shared;
use crate::connector::file::interrupted;
use crate::connector::handle::{Offered, OwnPicture};
use crate::connector::net::pump::Pump;
use crate::connector::object::{own_picture, picture, voice, wink};
use crate::msn::ids::Email;
use crate::msn::message::Emoticon as Announced;
use crate::msn::p2p::{MsnObject, ObjectKind, safe_name};
use crate::msn::session::SwitchboardSession;
use crate::pixels;

/// Bytes of the largest emoticon, and of the largest clip or wink, that is fetched.
const MAX_EMOTICON: u64 = 256 << 10;
const MAX_CLIP: u64 = 2 << 20;
/// Objects of one contact that are fetched at once.
const MAX_AT_ONCE: usize = 24;
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
    pub(in crate::connector) fn offer(&mut self, emoticons: &[Offered]) {
        for emoticon in emoticons {
            self.offered.retain(|known| known.object.digest != emoticon.face.object.digest);
            self.offered.push(emoticon.face.clone());
        }
        let excess = self.offered.len().saturating_sub(MAX_OFFERED);
        self.offered.drain(..excess);
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
) -> Vec<Offered> {
    let mut offered = Vec::new();
    for (at, (shortcut, file)) in files.iter().enumerate() {
        let face = own_picture::emoticon(shared, email, file).await;
        shared.media.discard(&file.media);
        match face {
            Ok(face) => {
                let called = short(shortcut, at);
                if called != *shortcut {
                    *text = text.replace(shortcut.as_str(), &called);
                }
                offered.push(Offered { shortcut: called, face });
            }
            Err(reason) => tracing::info!(reason, "an emoticon cannot be shown on MSN"),
        }
    }
    offered
}

impl Call {
    /// What the next words of somebody will use.
    pub(in crate::connector) async fn announced(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        email: &Email,
        list: Vec<Announced>,
    ) {
        let mut known = Vec::new();
        for Announced { shortcut, object } in list {
            let Ok(object) = MsnObject::parse(&object) else { continue };
            if object.kind != ObjectKind::Emoticon || object.size > MAX_EMOTICON {
                continue;
            }
            let digest = picture::digest(&object);
            self.fetch_once(pump, email, object, String::new()).await;
            known.push(Emoticon { shortcut, image: Image::Kept { digest } });
        }
        self.emoticons.announced.retain(|(from, _)| from != email);
        self.emoticons.announced.push((email.clone(), known));
    }

    async fn fetch_once(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        email: &Email,
        object: MsnObject,
        name: String,
    ) {
        let is_kept = picture::kept(&self.of.shared, &picture::digest(&object)).is_some();
        if !is_kept && !self.transfers.is_fetching(&object) && self.transfers.count(email) < MAX_AT_ONCE {
            self.want(pump, email, object, now(), picture::names(), name).await;
        }
    }

    /// The words, with what their sender announced for them.
    pub(in crate::connector) fn with_emoticons(&mut self, email: &Email, body: Body) -> Body {
        let Body::Text(mut text) = body else { return body };
        let at = self.emoticons.announced.iter().position(|(from, _)| from == email);
        let announced = at.map(|at| self.emoticons.announced.swap_remove(at).1).unwrap_or_default();
        let words = text.text();
        text.emoticons = announced.into_iter().filter(|e| words.contains(&e.shortcut)).collect();
        Body::Text(text)
    }

    /// A wink or a voice clip was announced: it is fetched, and shown as a file.
    pub(in crate::connector) async fn clip_announced(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        email: &Email,
        data: &str,
    ) {
        let Ok(object) = MsnObject::parse(data) else { return };
        let name = match object.kind {
            ObjectKind::VoiceClip => "voice clip.wav".to_owned(),
            ObjectKind::Wink => safe_name(&format!("{}.mct", title(&object.friendly))),
            _ => return,
        };
        if object.size <= MAX_CLIP {
            self.fetch_once(pump, email, object, name).await;
        }
    }

    /// A clip has come.
    pub(in crate::connector) async fn clip_is_whole(
        &mut self,
        email: &Email,
        object: &MsnObject,
        file: File,
    ) {
        let data = tokio::fs::read(self.of.shared.media.path(&file.media)).await;
        if data.is_ok_and(|data| object.describes(&data)) {
            return match object.kind {
                ObjectKind::VoiceClip => self.translate(email, file, spoken),
                _ => self.translate(email, file, drawn),
            };
        }
        self.of.shared.media.discard(&file.media);
        let text = format!("sent «{}», which is not what was announced", file.name);
        self.show(email, &text).await;
    }

    /// What a clip becomes, told when it is made. That takes a moment, and what is said does not wait. A bridge that stops
    /// meanwhile tells it as it is.
    fn translate<F>(&self, email: &Email, clip: File, translation: impl FnOnce(Shared, File) -> F)
    where
        F: Future<Output = Vec<Body>> + Send + 'static,
    {
        let (shared, login) = (self.of.shared.clone(), self.of.login.clone());
        let (conversation, sender) = (self.conversation.clone(), self.ghost(email));
        let (translated, cancel) = (translation(shared.clone(), clip.clone()), self.of.cancel.clone());
        // Its contact hears that it has arrived before it is told here.
        let note = interrupted::note(&shared, &login, &conversation, &sender, &clip.name, clip.size);
        self.of.shared.tasks.spawn(async move {
            let bodies = tokio::select! {
                bodies = translated => bodies,
                () = cancel.cancelled() => vec![Body::File(clip.clone())],
            };
            let is_replaced = !bodies.contains(&Body::File(clip.clone()));
            for body in bodies {
                let (conversation, sender) = (conversation.clone(), sender.clone());
                let kind = RemoteKind::Message { conversation, sender, body, at: time_of_day() };
                if shared.bridge.remote(RemoteEvent { login: login.clone(), kind }).await.is_err() {
                    tracing::error!("the bridge has stopped, a clip was not taken");
                    // The next start tells.
                    return std::mem::forget(note);
                }
            }
            drop(note);
            if is_replaced {
                shared.media.discard(&clip.media);
            }
        });
    }

    pub(in crate::connector) async fn show_file(&self, email: &Email, file: File) {
        let (conversation, sender) = (self.conversation.clone(), self.ghost(email));
        let kind = RemoteKind::Message { conversation, sender, body: Body::File(file), at: time_of_day() };
        self.tell(kind).await;
    }

    /// Handwriting as a picture, where it is one.
    pub(in crate::connector) async fn handwriting(&self, ink: &[u8]) -> Option<File> {
        let text = std::str::from_utf8(ink).ok()?.trim();
        let picture = STANDARD.decode(text.strip_prefix("base64:")?.trim_matches(['\0', '\r', '\n'])).ok()?;
        if !picture.starts_with(b"GIF8") {
            return None;
        }
        kept(&self.of.shared, picture, "handwriting.gif".into()).await
    }
}

/// A voice clip, as something that can be played.
async fn spoken(shared: Shared, clip: File) -> Vec<Body> {
    match voice::playable(&shared, &clip).await {
        Ok(Some(playable)) => vec![Body::File(playable)],
        Ok(None) => vec![Body::File(clip)],
        Err(why) => {
            tracing::info!(?why, "a voice clip stays as it is");
            let words = format!("sent a voice clip that few players know: {why}");
            vec![Body::File(clip), Body::Emote(RichText::plain(words))]
        }
    }
}

/// A wink, and the picture in it.
async fn drawn(shared: Shared, wink: File) -> Vec<Body> {
    let path = shared.media.path(&wink.media);
    let found = pixels::work_soon(move || wink::picture(&path).map_err(|error| error.to_string())).await;
    let picture = match found {
        Ok(Some((data, ending))) => {
            let name = format!("{}.{ending}", wink.name.trim_end_matches(".mct"));
            kept(&shared, data, name).await
        }
        Ok(None) => None,
        Err(reason) => {
            tracing::info!(reason, "a wink shows no picture");
            None
        }
    };
    picture.into_iter().chain([wink]).map(Body::File).collect()
}

async fn kept(shared: &Shared, data: Vec<u8>, name: String) -> Option<File> {
    let size = data.len() as u64;
    let kept = async {
        let mut part = shared.room_for(size).await.map_err(StorageError)?;
        part.write(data.into()).await?;
        part.finish().await
    };
    let media = kept.await.inspect_err(|error| tracing::warn!(%error, "a picture was not kept")).ok()?;
    Some(File { media, name, size })
}

/// The title of an object: base64 of UTF-16, with a NUL.
fn title(friendly: &str) -> String {
    let bytes = STANDARD.decode(friendly.trim()).unwrap_or_default();
    let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    let title = String::from_utf16_lossy(&units).trim_end_matches('\0').to_owned();
    if title.trim().is_empty() { "wink".to_owned() } else { title }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortcuts_and_titles_are_ones_that_can_be_used() {
        assert_eq!(short(":cat:", 0), ":cat:");
        assert_eq!(short(":a_long_name:", 1), "(e2)");
        assert_eq!(short("a b", 0), "(e1)");
        assert_eq!(short("", 4), "(e5)");
        assert_eq!(title("AAA="), "wink");
        let laugh: Vec<u8> = "Laugh\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(title(&STANDARD.encode(laugh)), "Laugh");
        assert_eq!(title("no base64 ü"), "wink");
    }
}
