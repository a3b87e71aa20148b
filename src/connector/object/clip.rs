//! What comes whole beside words and is shown as a file: voice clips, winks, handwriting.
//!
//! Knows what each becomes. A translation takes a moment in a task of its own: what is said does not wait for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{RemoteEvent, RemoteKind};
use crate::bridge::port::media::File;
use crate::bridge::port::storage::StorageError;
use crate::connector::clock::time_of_day;
use crate::connector::context::Shared;
use crate::connector::context::call::CallContext;
use crate::connector::object::{voice, wink};
use crate::msn::ids::Email;
use crate::msn::p2p::{MsnObject, ObjectKind, TransferId, safe_name};
use crate::pixels;

/// What a clip that is announced is called; `None` for what is none.
pub(in crate::connector) fn name(object: &MsnObject) -> Option<String> {
    match object.kind {
        ObjectKind::VoiceClip => Some("voice clip.wav".to_owned()),
        ObjectKind::Wink => Some(safe_name(&format!("{}.mct", title(&object.friendly)))),
        _ => None,
    }
}

/// A clip has come: its sender hears whether that is what was announced.
pub(in crate::connector) async fn show(
    ctx: &mut CallContext,
    email: &Email,
    (transfer, object): (TransferId, &MsnObject),
    file: File,
) {
    let data = tokio::fs::read(ctx.shared.media.path(&file.media)).await;
    if data.is_ok_and(|data| object.describes(&data)) {
        ctx.peers.confirm(email, transfer);
        return match object.kind {
            ObjectKind::VoiceClip => translate(ctx, email, file, spoken),
            _ => translate(ctx, email, file, drawn),
        };
    }
    ctx.peers.end(email, transfer);
    ctx.shared.media.discard(&file.media);
    let text = format!("sent «{}», which is not what was announced", file.name);
    ctx.show(email, &text).await;
}

/// Handwriting as a picture, where it is one.
pub(in crate::connector) async fn handwriting(shared: &Shared, ink: &[u8]) -> Option<File> {
    let text = std::str::from_utf8(ink).ok()?.trim();
    let picture = STANDARD.decode(text.strip_prefix("base64:")?.trim_matches(['\0', '\r', '\n'])).ok()?;
    if !picture.starts_with(b"GIF8") {
        return None;
    }
    keep_file(shared, picture, "handwriting.gif".into()).await
}

/// What a clip becomes, told when it is made. That takes a moment, and what is said does not wait. A bridge that stops
/// meanwhile tells it as it is.
fn translate<F>(ctx: &CallContext, email: &Email, clip: File, translation: impl FnOnce(Shared, File) -> F)
where
    F: Future<Output = Vec<Body>> + Send + 'static,
{
    let (shared, login) = (ctx.shared.clone(), ctx.login.clone());
    let (conversation, sender) = (ctx.conversation.clone(), ctx.ghost(email));
    let (translated, cancel) = (translation(shared.clone(), clip.clone()), ctx.cancel.clone());
    // Its contact hears that it has arrived before it is told here.
    let note = ctx.note_incoming(email, &clip.name, clip.size);
    ctx.shared.tasks.spawn(async move {
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
            keep_file(&shared, data, name).await
        }
        Ok(None) => None,
        Err(reason) => {
            tracing::info!(reason, "a wink shows no picture");
            None
        }
    };
    picture.into_iter().chain([wink]).map(Body::File).collect()
}

/// Data as a file of their own; `None` where the disk does not take them.
async fn keep_file(shared: &Shared, data: Vec<u8>, name: String) -> Option<File> {
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
    use crate::connector::tests::component;

    #[test]
    fn titles_are_ones_that_can_be_read() {
        assert_eq!(title("AAA="), "wink");
        let laugh: Vec<u8> = "Laugh\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(title(&STANDARD.encode(laugh)), "Laugh");
        assert_eq!(title("no base64 ü"), "wink");
    }

    #[tokio::test]
    async fn handwriting_is_shown_where_it_is_a_picture() {
        let call = component();
        let gif = format!("base64:{}", STANDARD.encode(b"GIF89a rest"));
        let file = handwriting(&call.ctx.shared, gif.as_bytes()).await.expect("a picture");
        assert_eq!((file.name.as_str(), file.size), ("handwriting.gif", 11));
        assert_eq!(call.media.data(&file.media), b"GIF89a rest");
        let isf = format!("base64:{}", STANDARD.encode(b"\0\x1dISF"));
        for other in [isf.as_bytes(), b"base64:!", b"GIF89a", b"\xff"] {
            assert_eq!(handwriting(&call.ctx.shared, other).await, None);
        }
    }
}
