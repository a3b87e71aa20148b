//! Ghosts as Matrix users: registered when first needed, named, and given the picture of their contact.
//!
//! Knows which ghosts are registered, and what they were called and looked like last. Refuses to know what a contact is
//! called: the core says so. Source: registration of the appservice API, profiles of the client-server API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ruma::api::client::account::register;
use ruma::api::client::profile::{get_profile_field, set_profile_field};
use ruma::profile::{ProfileFieldName, ProfileFieldValue};
use ruma::{OwnedUserId, UserId};

use super::ghost_id::GhostIds;
use super::ghost_name::NewestNames;
use crate::bridge::event::{Ghost, Picture};
use crate::bridge::ids::LoginId;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::media::File;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::cache::Cache;
use crate::matrix::homeserver::{Homeserver, MatrixError, MediaClient, ask_as, storage_failed, tell_as};
use crate::matrix::lock::KeyedLocks;

/// Longest display name that is given to a ghost, in characters and in bytes: homeservers refuse longer ones.
const MAX_NAME: usize = 128;
const MAX_NAME_BYTES: usize = 255;

/// Ghosts that are known to be registered, and to be named. One that is evicted costs one more request of either kind, with
/// the next words of its contact.
const MAX_KNOWN: usize = 20_000;

/// The row of the picture that a ghost was given last.
fn avatar_row(user: &UserId) -> Vec<u8> {
    [b"a", user.as_bytes()].concat()
}

/// The row of the address of that picture.
fn picture_row(user: &UserId) -> Vec<u8> {
    [b"m", user.as_bytes()].concat()
}

/// The row of the name that a ghost was given last: who has one is registered.
fn name_row(user: &UserId) -> Vec<u8> {
    [b"n", user.as_bytes()].concat()
}

/// A name as a profile can have it, cut between two characters.
fn shown_name(name: &str) -> String {
    let mut name: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    name
}

/// Makes ghosts, and has them look like their contacts.
pub(crate) struct GhostProfiles {
    homeserver: Homeserver,
    ids: Arc<GhostIds>,
    media: Arc<MediaClient>,
    storage: Arc<dyn Storage>,
    registered: Cache<OwnedUserId, ()>,
    /// Ghosts and the name they were last given.
    named: Cache<OwnedUserId, String>,
    newest: NewestNames,
    /// A ghost is named, or joins a room, one at a time: a homeserver writes the name of the one who joins into the room.
    locks: Arc<KeyedLocks>,
    /// Something was refused in this life: what is written down of ghosts may be another homeserver's.
    distrusts_disk: AtomicBool,
}

impl GhostProfiles {
    pub(crate) fn new(
        homeserver: Homeserver,
        ids: Arc<GhostIds>,
        media: Arc<MediaClient>,
        storage: Arc<dyn Storage>,
    ) -> Self {
        let (registered, named) = (Cache::new(MAX_KNOWN), Cache::new(MAX_KNOWN));
        let distrusts_disk = AtomicBool::new(false);
        let (newest, locks) = (NewestNames::default(), Arc::default());
        Self { homeserver, ids, media, storage, registered, named, newest, locks, distrusts_disk }
    }

    /// A homeserver that started anew knows no ghosts.
    pub(crate) fn forget_all(&self) {
        self.distrusts_disk.store(true, Ordering::Relaxed);
        self.registered.clear();
        self.named.clear();
    }

    /// Takes nothing for granted of one ghost: it is registered and named with the next occasion, and given the picture that
    /// it was given last.
    ///
    /// # Errors
    /// The homeserver is not available, or the store cannot be read.
    pub(crate) async fn doubt(&self, user: &UserId) -> Result<(), DeliveryError> {
        self.registered.remove(user);
        self.named.remove(user);
        let mut batch = Batch::default();
        batch.remove(Table::Rooms, name_row(user));
        drop(self.storage.commit(batch, Urgency::Soon));
        let Some(uri) = self.avatar(user).await? else { return Ok(()) };
        match self.put_avatar(user, uri).await {
            // A homeserver that does not know it gives it its picture in the next conversation.
            Ok(()) | Err(MatrixError::Refused { .. } | MatrixError::Missing { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A row about a ghost, where what is written down counts.
    fn known(&self, row: &[u8]) -> Result<Option<String>, DeliveryError> {
        if self.distrusts_disk.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let row = self.storage.read(Table::Rooms, row).map_err(storage_failed)?;
        Ok(row.and_then(|row| String::from_utf8(row).ok()))
    }

    /// Lost in a crash, it costs a request.
    fn note(&self, row: Vec<u8>, value: &str) {
        let mut batch = Batch::default();
        batch.put(Table::Rooms, row, value);
        drop(self.storage.commit(batch, Urgency::Soon));
    }

    /// Whether a ghost was named since the start.
    pub(crate) fn is_named(&self, user: &UserId) -> bool {
        self.named.contains(user)
    }

    /// What is held while a ghost is named, and while it joins a room.
    pub(crate) fn locks(&self) -> Arc<KeyedLocks> {
        self.locks.clone()
    }

    /// A contact is called so now, whatever was begun under an older name.
    pub(crate) fn learn_name(&self, user: &UserId, name: &str) {
        self.newest.learn(user, name);
    }

    /// The Matrix user of a ghost, registered and named as the network names it now.
    ///
    /// # Errors
    /// The homeserver does not register it; permanent where it can have no user id.
    pub(crate) async fn ensure(
        &self,
        receiver: &LoginId,
        ghost: &Ghost,
    ) -> Result<OwnedUserId, DeliveryError> {
        let user = self.ids.user(receiver, &ghost.id)?;
        let _turn = self.locks.lock(&user).await;
        if !self.named.contains(&user)
            && let Some(known) = self.known(&name_row(&user))?
        {
            self.registered.insert(user.clone(), ());
            self.named.insert(user.clone(), known);
        }
        self.ensure_registered(&user).await?;
        let name = shown_name(&self.newest.newest(&user, &ghost.name));
        let is_new = self.named.get(&user).as_ref() != Some(&name);
        if is_new && !name.trim().is_empty() {
            self.set_name(&user, &name).await?;
            self.note(name_row(&user), &name);
            self.named.insert(user.clone(), name);
        }
        Ok(user)
    }

    async fn set_name(&self, user: &UserId, name: &str) -> Result<(), MatrixError> {
        let value = ProfileFieldValue::DisplayName(name.to_owned());
        let request = set_profile_field::v3::Request::new(user.to_owned(), value);
        match tell_as!(self.homeserver, user, request) {
            Ok(()) => Ok(()),
            // A homeserver may not allow names: what is said matters more.
            // One that does not know the ghost any more is another matter.
            Err(error @ (MatrixError::Refused { .. } | MatrixError::Missing { .. }))
                if !error.to_string().contains("has not registered") =>
            {
                tracing::warn!(%error, "a ghost could not be named");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn ensure_registered(&self, user: &UserId) -> Result<(), MatrixError> {
        if !self.registered.contains(user) {
            self.register(user).await?;
            self.registered.insert(user.to_owned(), ());
        }
        Ok(())
    }

    async fn register(&self, user: &UserId) -> Result<(), MatrixError> {
        let mut request = register::v3::Request::new();
        request.username = Some(user.localpart().to_owned());
        request.login_type = Some(register::LoginType::ApplicationService);
        request.inhibit_login = true;
        match tell_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(()) => Ok(()),
            Err(error) if error.is("M_USER_IN_USE") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives a ghost the picture that its contact has, once for each picture, or takes it away. Gives the ghost, if it is
    /// news.
    pub(crate) async fn show_avatar(
        &self,
        login: &LoginId,
        ghost: &Ghost,
        picture: Option<Picture>,
    ) -> Option<OwnedUserId> {
        let shown = match picture {
            Some(picture) => self.set_avatar(login, ghost, picture).await,
            None => self.remove_avatar(login, ghost).await,
        };
        shown.unwrap_or_else(|error| {
            // Shown again in the next conversation with them.
            tracing::info!(%error, "a picture was not shown");
            None
        })
    }

    /// Where the picture of a ghost is, if it was given one.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn avatar(&self, user: &UserId) -> Result<Option<String>, MatrixError> {
        let read = |row: Vec<u8>| self.storage.read(Table::Rooms, &row).ok().flatten();
        if let Some(known) = read(picture_row(user)).and_then(|row| String::from_utf8(row).ok()) {
            return Ok(Some(known));
        }
        if read(avatar_row(user)).is_none() {
            return Ok(None);
        }
        // Given before its address was written down.
        let request = get_profile_field::v3::Request::new(user.to_owned(), ProfileFieldName::AvatarUrl);
        let found = match ask_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(answer) => answer.text("avatar_url").filter(|uri| !uri.is_empty()),
            Err(MatrixError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(uri) = found else { return Ok(None) };
        self.note(picture_row(user), &uri);
        Ok(Some(uri))
    }

    /// The contact shows no picture any more.
    async fn remove_avatar(
        &self,
        login: &LoginId,
        ghost: &Ghost,
    ) -> Result<Option<OwnedUserId>, DeliveryError> {
        let user = self.ids.user(login, &ghost.id)?;
        if self.storage.read(Table::Rooms, &avatar_row(&user)).map_err(storage_failed)?.is_none() {
            return Ok(None);
        }
        self.put_avatar(&user, String::new()).await?;
        let mut batch = Batch::default();
        batch.remove(Table::Rooms, avatar_row(&user));
        batch.remove(Table::Rooms, picture_row(&user));
        self.storage.commit(batch, Urgency::Soon).await.map_err(storage_failed)?;
        Ok(Some(user))
    }

    /// The address of a picture, or nothing.
    async fn put_avatar(&self, user: &UserId, uri: String) -> Result<(), MatrixError> {
        let value = ProfileFieldValue::AvatarUrl(uri.into());
        let request = set_profile_field::v3::Request::new(user.to_owned(), value);
        tell_as!(self.homeserver, user, request)
    }

    async fn set_avatar(
        &self,
        login: &LoginId,
        ghost: &Ghost,
        picture: Picture,
    ) -> Result<Option<OwnedUserId>, DeliveryError> {
        let user = self.ids.user(login, &ghost.id)?;
        let row = avatar_row(&user);
        let shown = self.storage.read(Table::Rooms, &row).map_err(storage_failed)?;
        if shown.as_deref() == Some(picture.digest.as_bytes()) {
            return Ok(None);
        }
        self.ensure_registered(&user).await?;
        let Some(kind) = self.media.image_kind(&picture.media).await else {
            return Err(DeliveryError::permanent("it is no picture"));
        };
        let name = format!("picture.{}", kind.extension());
        let file = File { media: picture.media, name, size: picture.size };
        let uploaded = self.media.upload(&user, &file, kind.mime_type()).await?;
        self.put_avatar(&user, uploaded.clone()).await?;
        tracing::info!(%user, "a picture was shown");
        let mut batch = Batch::default();
        batch.put(Table::Rooms, row, picture.digest);
        batch.put(Table::Rooms, picture_row(&user), uploaded);
        self.storage.commit(batch, Urgency::Soon).await.map_err(storage_failed)?;
        Ok(Some(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::ids::GhostId;
    use crate::bridge::testkit::{SimMedia, SimStorage};
    use crate::matrix::testkit::{self, FakeHomeserver};

    async fn profiles(server: &FakeHomeserver) -> GhostProfiles {
        let config = testkit::config(&server.url());
        let homeserver = Homeserver::new(&config).await.unwrap();
        let media = Arc::new(MediaClient::new(&config, homeserver.clone(), Arc::new(SimMedia::default())));
        GhostProfiles::new(
            homeserver,
            Arc::new(GhostIds::new(&config)),
            media,
            Arc::new(SimStorage::default()),
        )
    }

    #[tokio::test]
    async fn a_ghost_is_registered_once_and_named_when_its_name_is_news() {
        let server = FakeHomeserver::start().await;
        let (profiles, alice) = (profiles(&server).await, LoginId::new("alice@example.com"));
        let mut bob = Ghost { id: GhostId::new("bob@example.com"), name: "Bob".into() };
        let user = profiles.ensure(&alice, &bob).await.unwrap();
        assert_eq!(profiles.ensure(&alice, &bob).await.unwrap(), user);
        bob.name = "Bobby".into();
        profiles.ensure(&alice, &bob).await.unwrap();
        bob.name = String::new();
        profiles.ensure(&alice, &bob).await.unwrap();
        let name = format!("PUT /_matrix/client/v3/profile/{user}/displayname");
        let asked = server.asked();
        assert_eq!(asked, ["POST /_matrix/client/v3/register", name.as_str(), name.as_str()]);
    }

    #[tokio::test]
    async fn what_was_begun_under_an_older_name_does_not_bring_it_back() {
        let server = FakeHomeserver::start().await;
        let (profiles, alice) = (profiles(&server).await, LoginId::new("alice@example.com"));
        let bob = |name: &str| Ghost { id: GhostId::new("bob@example.com"), name: name.into() };
        let user = profiles.ensure(&alice, &bob("bob@example.com")).await.unwrap();
        profiles.learn_name(&user, "Bob");
        for name in ["Bob", "bob@example.com", "bob@example.com"] {
            profiles.ensure(&alice, &bob(name)).await.unwrap();
        }
        let given = |name: &str| serde_json::json!({"displayname": name});
        assert_eq!(server.sent("/displayname"), [given("bob@example.com"), given("Bob")]);
    }

    #[test]
    fn names_are_cut_between_two_characters_where_homeservers_refuse_longer_ones() {
        assert_eq!(shown_name("Bob\u{7}by"), "Bobby");
        assert_eq!(shown_name(&"x".repeat(300)).len(), MAX_NAME);
        let faces = shown_name(&"\u{1f600}".repeat(300));
        assert_eq!((faces.len(), faces.chars().count()), (252, 63));
        let mixed = shown_name(&format!("a{}", "é".repeat(300)));
        assert_eq!((mixed.len(), mixed.chars().count()), (255, 128));
    }

    #[tokio::test]
    async fn a_ghost_that_was_registered_before_is_as_good_and_one_that_is_forgotten_is_asked_for_again() {
        let server = FakeHomeserver::start().await;
        server.refuses("/register", 400, "M_USER_IN_USE");
        let (profiles, alice) = (profiles(&server).await, LoginId::new("alice@example.com"));
        let bob = Ghost { id: GhostId::new("bob@example.com"), name: String::new() };
        profiles.ensure(&alice, &bob).await.unwrap();
        profiles.forget_all();
        profiles.ensure(&alice, &bob).await.unwrap();
        assert_eq!(server.asked(), ["POST /_matrix/client/v3/register"; 2]);
    }

    #[tokio::test]
    async fn a_picture_is_taken_away_once_when_its_contact_shows_none_any_more() {
        let server = FakeHomeserver::start().await;
        let (profiles, alice) = (profiles(&server).await, LoginId::new("alice@example.com"));
        let bob = Ghost { id: GhostId::new("bob@example.com"), name: "Bob".into() };
        assert_eq!(profiles.show_avatar(&alice, &bob, None).await, None, "there was none");
        assert_eq!(server.asked(), [""; 0]);
        let user = profiles.ids.user(&alice, &bob.id).unwrap();
        profiles.note(avatar_row(&user), "digest");
        profiles.note(picture_row(&user), "mxc://x/bob");
        assert_eq!(profiles.show_avatar(&alice, &bob, None).await.as_ref(), Some(&user));
        assert_eq!(profiles.show_avatar(&alice, &bob, None).await, None, "once");
        assert_eq!(server.sent("/avatar_url"), [serde_json::json!({"avatar_url": ""})]);
        assert_eq!(profiles.avatar(&user).await.unwrap(), None);
    }
}
