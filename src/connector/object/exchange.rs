//! The objects of one call: pictures, emoticons and clips of those who are here, and what our side shows them.
//!
//! Knows what is fetched, what becomes of it, and what our side gives. Refuses to know how bytes travel: those are the
//! transfers' of `file`.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use crate::bridge::body::{Body, Emoticon, Image};
use crate::bridge::event::{Picture, RemoteKind};
use crate::bridge::port::media::{File, Incoming, MediaId};
use crate::bridge::port::storage::StorageError;
use crate::connector::context::call::CallContext;
use crate::connector::context::{Shared, names};
use crate::connector::handle::{OfferedEmoticon, OwnPicture};
use crate::connector::object::emoticon::Emoticons;
use crate::connector::object::{cache, clip};
use crate::msn::command::Acknowledge;
use crate::msn::ids::Email;
use crate::msn::message::{Content, Emoticon as Announced};
use crate::msn::p2p::{MsnObject, ObjectKind, TransferId};

/// Bytes of the largest emoticon, and of the largest clip or wink, that is fetched.
const MAX_EMOTICON: u64 = 256 << 10;
const MAX_CLIP: u64 = 2 << 20;
/// Most pictures that are remembered as wrong.
const MAX_WRONG: usize = 64;

/// What happened with a member.
pub(in crate::connector) enum ObjectEvent {
    /// They are here now.
    Joined,
    /// What their next words will use.
    Emoticons(Vec<Announced>),
    /// They announced a wink or a voice clip.
    Clip(String),
    /// They ask for an object.
    Wanted { transfer: TransferId, object: MsnObject },
    /// A picture or an emoticon of theirs is there; they have not heard so.
    PictureCame { transfer: TransferId, object: MsnObject, file: Box<dyn Incoming> },
    /// A wink or a voice clip of theirs is there; they have not heard so.
    ClipCame { transfer: TransferId, object: MsnObject, file: File },
}

/// What is to be done elsewhere.
#[derive(Debug)]
pub(in crate::connector) enum ObjectOutcome {
    /// To be asked for. `is_once`: unless it is on its way already, or too much is.
    Fetch { email: Email, object: MsnObject, name: String, is_once: bool },
    /// To be given to who asks for it.
    Give { email: Email, transfer: TransferId, media: MediaId },
}

/// The objects of one call.
pub(in crate::connector) struct Objects {
    /// What is shown of the owner now.
    own_picture: watch::Receiver<Option<Arc<OwnPicture>>>,
    emoticons: Emoticons,
    /// Pictures that were not what was announced: not fetched again in this call.
    wrong: Vec<[u8; 20]>,
    outcomes: VecDeque<ObjectOutcome>,
}

impl Objects {
    /// Nothing is fetched yet; `own_picture` follows the owner's.
    pub(in crate::connector) fn new(own_picture: watch::Receiver<Option<Arc<OwnPicture>>>) -> Self {
        Self { own_picture, emoticons: Emoticons::default(), wrong: Vec::new(), outcomes: VecDeque::new() }
    }

    /// One thing that a member announced, asked for or sent.
    pub(in crate::connector) async fn handle(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        event: ObjectEvent,
    ) {
        match event {
            ObjectEvent::Joined => self.look_at(ctx, email).await,
            ObjectEvent::Emoticons(list) => self.announced(ctx, email, list),
            ObjectEvent::Clip(data) => self.clip_announced(ctx, email, &data),
            ObjectEvent::Wanted { transfer, object } => self.wanted(ctx, email, transfer, &object),
            ObjectEvent::PictureCame { transfer, object, file } => {
                self.picture_came(ctx, email, (transfer, &object), file).await;
            }
            ObjectEvent::ClipCame { transfer, object, file } => {
                clip::show(ctx, email, (transfer, &object), file).await;
            }
        }
    }

    /// Which objects are to be fetched and given, in order.
    pub(in crate::connector) fn poll_event(&mut self) -> Option<ObjectOutcome> {
        self.outcomes.pop_front()
    }

    /// Announces what our next words use.
    pub(in crate::connector) fn offer(&mut self, ctx: &mut CallContext, emoticons: &[OfferedEmoticon]) {
        if emoticons.is_empty() {
            return;
        }
        self.emoticons.offer(emoticons);
        let pairs = emoticons.iter().map(|e| (e.shortcut.as_str(), e.picture.object.as_xml()));
        ctx.say(Acknowledge::OnFailure, Content::emoticons(pairs).encode());
    }

    /// The words, with what their sender announced for them.
    pub(in crate::connector) fn attach(&mut self, email: &Email, body: Body) -> Body {
        self.emoticons.attach(email, body)
    }

    /// Somebody is in the call who may have announced a picture: it is shown, or fetched first.
    async fn look_at(&mut self, ctx: &CallContext, email: &Email) {
        let Some(object) = ctx.people.picture(email) else {
            if ctx.people.shows_none(email) {
                show_picture(ctx, email, None).await;
            }
            return;
        };
        let digest = cache::digest(&object);
        match cache::kept(&ctx.shared, &digest) {
            Some(media) => {
                // The object may not say how large it is.
                let known = tokio::fs::metadata(ctx.shared.media.path(&media)).await;
                let size = known.map_or(object.size, |metadata| metadata.len());
                show_picture(ctx, email, Some(Picture { media, digest, size })).await;
            }
            None => self.fetch(email, object, String::new(), false),
        }
    }

    /// Wants an object of a member, unless it came wrong before.
    fn fetch(&mut self, email: &Email, object: MsnObject, name: String, is_once: bool) {
        if self.wrong.contains(&object.digest) {
            return;
        }
        self.outcomes.push_back(ObjectOutcome::Fetch { email: email.clone(), object, name, is_once });
    }

    /// The same for one that is kept by its digest: what is kept is not fetched again.
    fn fetch_once(&mut self, ctx: &CallContext, email: &Email, object: MsnObject, name: String) {
        if cache::kept(&ctx.shared, &cache::digest(&object)).is_none() {
            self.fetch(email, object, name, true);
        }
    }

    /// Emoticons of the text that follows (§7.6): the text names them by their digests, also before they are here.
    fn announced(&mut self, ctx: &CallContext, email: &Email, list: Vec<Announced>) {
        let mut known = Vec::new();
        for Announced { shortcut, object } in list {
            let Ok(object) = MsnObject::parse(&object) else { continue };
            if object.kind != ObjectKind::Emoticon || object.size > MAX_EMOTICON {
                continue;
            }
            known.push(Emoticon { shortcut, image: Image::Kept { digest: cache::digest(&object) } });
            self.fetch_once(ctx, email, object, String::new());
        }
        self.emoticons.announce(email, known);
    }

    /// A wink or a voice clip was announced: it is fetched, and shown as a file.
    fn clip_announced(&mut self, ctx: &CallContext, email: &Email, data: &str) {
        let Ok(object) = MsnObject::parse(data) else { return };
        let Some(name) = clip::name(&object) else { return };
        if object.size <= MAX_CLIP {
            self.fetch_once(ctx, email, object, name);
        }
    }

    /// Somebody asks for what our side has announced: nothing else is given.
    fn wanted(&mut self, ctx: &mut CallContext, email: &Email, transfer: TransferId, object: &MsnObject) {
        let own = self.own_picture.borrow().clone();
        let mut announced = own.iter().chain(&self.emoticons.offered);
        match announced.find(|picture| picture.object.digest == object.digest) {
            Some(picture) => {
                let (email, media) = (email.clone(), picture.media.clone());
                self.outcomes.push_back(ObjectOutcome::Give { email, transfer, media });
            }
            None => ctx.peers.end(email, transfer),
        }
    }

    /// A picture is kept where it is what was announced; its sender hears which.
    async fn picture_came(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        (transfer, object): (TransferId, &MsnObject),
        file: Box<dyn Incoming>,
    ) {
        let kept = keep(&ctx.shared, object, file).await;
        match &kept {
            Ok(Some(_)) => ctx.peers.confirm(email, transfer),
            _ => ctx.peers.end(email, transfer),
        }
        match kept {
            Ok(Some(_)) if object.kind == ObjectKind::Emoticon => {}
            Ok(Some((media, size))) => {
                let picture = Picture { media, digest: cache::digest(object), size };
                show_picture(ctx, email, Some(picture)).await;
            }
            Ok(None) => {
                tracing::info!(%email, "a picture is not what was announced");
                if self.wrong.len() < MAX_WRONG {
                    self.wrong.push(object.digest);
                }
            }
            Err(error) => tracing::error!(%error, "a picture cannot be kept"),
        }
    }
}

/// Keeps what has come of an object: its name and its bytes, or `None` where it is not what was announced.
async fn keep(
    shared: &Shared,
    object: &MsnObject,
    file: Box<dyn Incoming>,
) -> Result<Option<(MediaId, u64)>, StorageError> {
    let media = file.finish().await?;
    let data = tokio::fs::read(shared.media.path(&media)).await;
    let data = data.map_err(|error| StorageError(error.to_string()))?;
    let size = data.len() as u64;
    if !object.describes(&data) {
        shared.media.discard(&media);
        return Ok(None);
    }
    let kept = cache::keep(shared, &cache::digest(object), &media).await;
    kept.inspect_err(|_| shared.media.discard(&media))?;
    Ok(Some((media, size)))
}

/// Everybody sees this picture of a contact from now on, or none.
async fn show_picture(ctx: &CallContext, email: &Email, picture: Option<Picture>) {
    ctx.tell(RemoteKind::Picture { ghost: names::account(email), picture }).await;
}

#[cfg(test)]
mod tests;
