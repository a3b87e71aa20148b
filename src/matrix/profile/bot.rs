//! The bot's own name and picture, which is the network's picture as well.
//!
//! Knows what was uploaded, so that it is uploaded once. Refuses to know where the picture is shown besides the bot's own
//! profile. Source: profiles of the client-server API.

use std::sync::Arc;
use std::time::Duration;

use ruma::api::client::profile::{get_profile_field, set_profile_field};
use ruma::profile::{ProfileFieldName, ProfileFieldValue};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::config::{BotPicture, MatrixConfig};
use crate::matrix::homeserver::{Homeserver, MatrixError, MediaClient, send_as, storage_failed};
use crate::retry::Retry;

/// The row of the picture that was uploaded last.
const ROW: &[u8] = b"b";
/// Pauses between attempts to show who the bot is.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(300)];

/// A picture on the homeserver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Uploaded {
    /// Hexadecimal, of the picture's bytes.
    digest: String,
    uri: String,
}

/// Shows who the bot is.
pub(crate) struct BotProfile {
    homeserver: Homeserver,
    media: Arc<MediaClient>,
    storage: Arc<dyn Storage>,
    name: String,
    picture: BotPicture,
    /// One upload at a time; whether it was refused in this life.
    uploading: Mutex<bool>,
}

impl BotProfile {
    pub(crate) fn new(
        config: &MatrixConfig,
        homeserver: Homeserver,
        media: Arc<MediaClient>,
        storage: Arc<dyn Storage>,
    ) -> Self {
        let (name, picture) = (config.bot_name.clone(), config.bot_picture.clone());
        Self { homeserver, media, storage, name, picture, uploading: Mutex::new(false) }
    }

    /// What the bot is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Gives the bot its name and picture, and tries until that is done.
    pub(crate) async fn show(&self) {
        let mut retry = Retry::new(PAUSES[0], PAUSES[1]);
        while let Err(error) = self.try_to_show().await {
            tracing::info!(%error, "the bot's name and picture are not shown yet");
            if matches!(error, DeliveryError::Permanent { .. }) {
                return;
            }
            retry.pause().await;
        }
    }

    async fn try_to_show(&self) -> Result<(), DeliveryError> {
        self.homeserver.register_bot().await?;
        let name = self.shown(ProfileFieldName::DisplayName).await?;
        if !self.name.is_empty() && name.as_ref() != Some(&self.name) {
            self.set(ProfileFieldValue::DisplayName(self.name.clone())).await?;
        }
        let shown = self.shown(ProfileFieldName::AvatarUrl).await?;
        if shown.is_none() && matches!(self.picture, BotPicture::File { .. }) {
            // A homeserver that started anew may not have what was uploaded before.
            self.forget_upload().await?;
        }
        let Some(picture) = self.upload().await? else { return Ok(()) };
        if shown.as_ref() != Some(&picture) {
            self.set(ProfileFieldValue::AvatarUrl(picture.into())).await?;
        }
        Ok(())
    }

    async fn shown(&self, field: ProfileFieldName) -> Result<Option<String>, MatrixError> {
        let bot = self.homeserver.bot();
        let request = get_profile_field::v3::Request::new(bot.to_owned(), field);
        match send_as!(self.homeserver, bot, request) {
            Ok(answer) => Ok(match answer.value {
                Some(ProfileFieldValue::DisplayName(name)) => Some(name),
                Some(ProfileFieldValue::AvatarUrl(uri)) => Some(uri.to_string()),
                _ => None,
            }),
            // No profile yet.
            Err(MatrixError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn set(&self, value: ProfileFieldValue) -> Result<(), MatrixError> {
        let bot = self.homeserver.bot();
        let request = set_profile_field::v3::Request::new(bot.to_owned(), value);
        send_as!(self.homeserver, bot, request).map(drop)
    }

    /// Where the picture is; `None` where there is none, or it cannot be uploaded now.
    pub(crate) async fn picture(&self) -> Option<String> {
        self.upload().await.unwrap_or_else(|error| {
            tracing::info!(%error, "the bot's picture is not there yet");
            None
        })
    }

    async fn upload(&self) -> Result<Option<String>, DeliveryError> {
        let (bytes, mime) = match &self.picture {
            BotPicture::None => return Ok(None),
            BotPicture::Uploaded(uri) => return Ok(Some(uri.clone())),
            BotPicture::File { bytes, mime } => (bytes, *mime),
        };
        let mut is_refused = self.uploading.lock().await;
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let row = self.storage.read(Table::Rooms, ROW).map_err(storage_failed)?;
        let known = row.and_then(|row| serde_json::from_slice::<Uploaded>(&row).ok());
        if let Some(known) = known.filter(|known| known.digest == digest) {
            return Ok(Some(known.uri));
        }
        if *is_refused {
            return Ok(None);
        }
        let bot = self.homeserver.bot();
        let uploaded = self.media.upload_bytes(bot, "bridge", mime, bytes.to_vec()).await;
        *is_refused = matches!(uploaded, Err(DeliveryError::Permanent { .. }));
        let uri = uploaded?;
        let mut batch = Batch::default();
        let uploaded = Uploaded { digest, uri: uri.clone() };
        batch.put(Table::Rooms, ROW, serde_json::to_vec(&uploaded).map_err(storage_failed)?);
        self.storage.commit(batch, Urgency::Soon).await.map_err(storage_failed)?;
        Ok(Some(uri))
    }

    async fn forget_upload(&self) -> Result<(), DeliveryError> {
        let mut batch = Batch::default();
        batch.remove(Table::Rooms, ROW);
        self.storage.commit(batch, Urgency::Soon).await.map_err(storage_failed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::bridge::testkit::{SimMedia, SimStorage};
    use crate::matrix::testkit::{self, FakeHomeserver};

    async fn bot(server: &FakeHomeserver, picture: BotPicture) -> BotProfile {
        let config = MatrixConfig { bot_picture: picture, ..testkit::config(&server.url()) };
        for field in ["/displayname", "/avatar_url"] {
            server.answers(field, 200, json!({}));
        }
        let homeserver = Homeserver::new(&config).await.unwrap();
        let media = Arc::new(MediaClient::new(&config, homeserver.clone(), Arc::new(SimMedia::default())));
        BotProfile::new(&config, homeserver, media, Arc::new(SimStorage::default()))
    }

    fn set(server: &FakeHomeserver, field: &str) -> Vec<Value> {
        let asked = server.asked();
        let sent = server.sent(&format!("/profile/@msnbot:test.localhost/{field}"));
        assert!(asked.iter().any(|asked| asked.starts_with("GET") && asked.ends_with(field)));
        sent.into_iter().filter(|sent| !sent.is_null()).collect()
    }

    #[tokio::test]
    async fn the_bot_is_given_its_name_and_its_picture_once() {
        let server = FakeHomeserver::start().await;
        server.answers("/media/v3/upload", 200, json!({"content_uri": "mxc://test.localhost/1"}));
        let profile = bot(&server, BotPicture::own()).await;
        profile.show().await;
        assert_eq!(set(&server, "displayname"), [json!({"displayname": "MSN bridge"})]);
        assert_eq!(set(&server, "avatar_url"), [json!({"avatar_url": "mxc://test.localhost/1"})]);
        server.answers("/avatar_url", 200, json!({"avatar_url": "mxc://test.localhost/1"}));
        server.answers("/displayname", 200, json!({"displayname": "MSN bridge"}));
        profile.show().await;
        assert_eq!(profile.picture().await.as_deref(), Some("mxc://test.localhost/1"));
        assert_eq!((set(&server, "displayname").len(), set(&server, "avatar_url").len()), (1, 1));
        assert_eq!(server.sent("/upload").len(), 1);
    }

    #[tokio::test]
    async fn without_a_picture_none_is_set_and_an_address_is_taken_as_it_is() {
        let server = FakeHomeserver::start().await;
        let none = bot(&server, BotPicture::None).await;
        none.show().await;
        assert_eq!((none.picture().await, set(&server, "avatar_url")), (None, Vec::new()));
        let known = bot(&server, BotPicture::Uploaded("mxc://x/1".into())).await;
        known.show().await;
        assert_eq!(set(&server, "avatar_url"), [json!({"avatar_url": "mxc://x/1"})]);
        assert_eq!(server.sent("/upload").len(), 0);
    }
}
