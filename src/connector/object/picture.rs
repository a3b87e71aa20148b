//! Display pictures of contacts: fetched in a call when they are new, once for each digest, and kept.

use crate::bridge::event::{Picture, RemoteKind};
use crate::bridge::link;
use crate::bridge::port::media::MediaId;
use crate::bridge::port::storage::{Batch, StorageError, Table, Urgency};
use crate::connector::call::Call;
use crate::connector::clock::now;
use crate::connector::context::Shared;
use crate::connector::net::pump::Pump;
use crate::connector::object::own_picture;
use crate::connector::translate::convert;
use crate::msn::ids::Email;
use crate::msn::p2p::{MsnObject, Names, ObjectKind};
use crate::msn::session::{Contact, SwitchboardSession};

/// Bytes of the largest picture that is fetched: official clients make them of at most 25 kB.
const MAX_SIZE: u64 = 256 << 10;
/// Most pictures that are kept; then some are forgotten, and fetched again when they are seen again.
const MAX_KEPT: usize = 2000;
/// How many are forgotten at once.
const FORGOTTEN: usize = 200;

/// The picture that a contact announces, where it is one that is shown.
pub(in crate::connector) fn announced(contact: &Contact) -> Option<MsnObject> {
    let object = MsnObject::parse(&contact.object.as_ref()?.decode()).ok()?;
    (object.kind == ObjectKind::DisplayPicture && object.size <= MAX_SIZE).then_some(object)
}

pub(in crate::connector) fn digest(object: &MsnObject) -> String {
    object.digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The kept data of an object.
pub(in crate::connector) fn kept(shared: &Shared, digest: &str) -> Option<MediaId> {
    let row = shared.storage.read(Table::Pictures, digest.as_bytes()).ok().flatten()?;
    let media = MediaId::new(String::from_utf8(row).ok()?)?;
    shared.media.path(&media).exists().then_some(media)
}

/// Remembers the data of an object; some others are forgotten where there are too many.
pub(in crate::connector) async fn keep(
    shared: &Shared,
    digest: &str,
    media: &MediaId,
) -> Result<(), StorageError> {
    let mut batch = Batch::default();
    let mut rows = shared.storage.scan(Table::Pictures, &[], None, MAX_KEPT)?;
    let mut gone = Vec::new();
    if rows.len() >= MAX_KEPT {
        // Any of them, so that nobody chooses whose. What owners show stays.
        rows.retain(|(key, _)| !key.starts_with(own_picture::OWN));
        let first = rand::random_range(0..rows.len().saturating_sub(FORGOTTEN).max(1));
        for (key, value) in rows.into_iter().skip(first).take(FORGOTTEN) {
            batch.remove(Table::Pictures, key);
            gone.extend(String::from_utf8(value).ok().and_then(MediaId::new));
        }
    }
    batch.put(Table::Pictures, digest, media.as_str());
    shared.storage.commit(batch, Urgency::Now).await?;
    if !gone.is_empty() {
        let shown = link::media(&*shared.storage)?;
        gone.iter().filter(|media| !shown.contains(media)).for_each(|media| shared.media.discard(media));
    }
    Ok(())
}

/// What a new session is called.
pub(in crate::connector) fn names() -> Names {
    Names::new(rand::random(), rand::random(), rand::random())
}

impl Call {
    /// Somebody is in the call who has announced a picture: it is shown, or fetched first.
    pub(in crate::connector) async fn look_at(&mut self, pump: &mut Pump<SwitchboardSession>, email: &Email) {
        let Some(object) = self.of.people.picture(email) else { return };
        let digest = digest(&object);
        match kept(&self.of.shared, &digest) {
            Some(media) => {
                // The object may not say how large it is.
                let known = tokio::fs::metadata(self.of.shared.media.path(&media)).await;
                let size = known.map_or(object.size, |metadata| metadata.len());
                self.show_picture(email, Picture { media, digest, size }).await;
            }
            None => {
                self.want(pump, email, object, now(), names(), String::new()).await;
            }
        }
    }

    pub(in crate::connector) async fn show_picture(&self, email: &Email, picture: Picture) {
        let ghost = convert::account(email);
        self.tell(RemoteKind::Picture { ghost, picture }).await;
    }
}
