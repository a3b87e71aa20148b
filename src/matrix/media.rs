//! Files to the homeserver, as streams: what is kept on disk is never held in memory.

use std::path::Path;
use std::time::Duration;

use ruma::api::client::profile::{get_profile_field, set_profile_field};
use ruma::profile::{ProfileFieldName, ProfileFieldValue};
use ruma::{MilliSecondsSinceUnixEpoch, OwnedMxcUri, UserId};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::fs::File as Disk;
use tokio_util::io::ReaderStream;

use super::intent::send_as;
use super::{MatrixError, MatrixFrontend, html};
use crate::bridge::body::{Attachment, Emoticon, Image};
use crate::bridge::event::{Ghost, Picture};
use crate::bridge::ids::{LoginId, UserId as BridgeUser};
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::media::{File, MediaId};
use crate::bridge::port::storage::{Batch, StorageError, Table, Urgency};
use crate::pixels::{self, Thumbnail};
use crate::web::read_body;

/// How long a homeserver may think about an upload, besides the time that the bytes need.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes a second of the slowest way to the homeserver.
const SLOWEST: u64 = 20_000;
/// Attempts to upload a file to a homeserver that is there.
const MAX_ATTEMPTS: u32 = 8;
/// Pixels that a picture may have without a smaller one beside it, and what that one fits in.
const THUMBNAIL: (u32, u32) = (800, 600);
/// How long words wait for a small picture in them.
const EMOTICON_TIME: Duration = Duration::from_secs(5);
/// Bytes of what is answered to anything but a download.
const MAX_ANSWER: usize = 64 * 1024;
/// A download that brings nothing for so long has failed.
const STALLED: Duration = Duration::from_secs(60);

/// Whether failures to download a file count, until it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failures {
    Count,
    Ignore,
}

/// What failures to upload a file are counted under.
fn trouble(file: &File) -> String {
    format!("upload {}", file.media)
}

fn unavailable(reason: impl ToString) -> MatrixError {
    MatrixError::Unavailable { reason: reason.to_string(), after: None }
}

impl MatrixFrontend {
    /// The largest upload that the homeserver takes, in bytes, if it says so.
    pub async fn upload_limit(&self) -> Result<Option<u64>, MatrixError> {
        let url = format!("{}/_matrix/client/v1/media/config", self.config.homeserver);
        let request = self.http.get(url).bearer_auth(self.config.as_token.expose_secret());
        let answer = request.timeout(STALLED).send().await.map_err(unavailable)?;
        let answer = read_body(answer, MAX_ANSWER).await.map_err(unavailable)?;
        let answer: Value = serde_json::from_slice(&answer).map_err(unavailable)?;
        Ok(answer["m.upload.size"].as_u64())
    }

    /// The content of the event that shows a file, which is uploaded first.
    pub(super) async fn file_content(&self, speaker: &UserId, file: &File) -> Result<Value, DeliveryError> {
        let kind = mime_guess::from_path(&file.name).first_or_octet_stream();
        let uploaded = self.upload(speaker, file, kind.essence_str(), &self.media.path(&file.media)).await?;
        let message = match kind.type_().as_str() {
            "image" => "m.image",
            "audio" => "m.audio",
            "video" => "m.video",
            _ => "m.file",
        };
        let mut info = json!({"size": file.size, "mimetype": kind.essence_str()});
        if message == "m.image"
            && let Some((width, height)) = pixels::dimensions(self.media.path(&file.media)).await
        {
            info["w"] = json!(width);
            info["h"] = json!(height);
            if width > THUMBNAIL.0 || height > THUMBNAIL.1 {
                self.add_thumbnail(speaker, file, &mut info).await;
            }
        }
        Ok(json!({
            "msgtype": message,
            "body": file.name,
            "filename": file.name,
            "url": uploaded,
            "info": info,
        }))
    }

    /// A smaller picture beside a large one. Whoever goes without waits longer, that is all.
    async fn add_thumbnail(&self, speaker: &UserId, file: &File, info: &mut Value) {
        match self.thumbnail(speaker, file).await {
            Ok(Some((uri, about))) => {
                info["thumbnail_url"] = json!(uri);
                info["thumbnail_info"] = about;
            }
            Ok(None) => {}
            Err(error) => tracing::info!(%error, "a picture has no thumbnail"),
        }
    }

    async fn thumbnail(
        &self,
        speaker: &UserId,
        file: &File,
    ) -> Result<Option<(String, Value)>, DeliveryError> {
        let path = self.media.path(&file.media);
        let made = pixels::work_soon(move || pixels::thumbnail(&path, THUMBNAIL.0, THUMBNAIL.1)).await;
        let Thumbnail { data, mime, width, height } = match made {
            Ok(thumbnail) => thumbnail,
            Err(reason) => {
                tracing::debug!(reason, "a picture has no thumbnail");
                return Ok(None);
            }
        };
        let failed = |error: StorageError| DeliveryError::transient(error.to_string());
        let size = data.len() as u64;
        let mut part = self.media.begin(size).await.map_err(failed)?;
        part.write(data.into()).await.map_err(failed)?;
        let media = part.finish().await.map_err(failed)?;
        let small = File { media, name: "thumbnail".into(), size };
        let uploaded = self.upload(speaker, &small, mime, &self.media.path(&small.media)).await;
        self.media.discard(&small.media);
        self.known().troubles.remove(&trouble(&small));
        Ok(Some((uploaded?, json!({"w": width, "h": height, "mimetype": mime, "size": size}))))
    }

    async fn upload(
        &self,
        speaker: &UserId,
        file: &File,
        mime: &str,
        path: &Path,
    ) -> Result<String, DeliveryError> {
        let gone = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                DeliveryError::permanent("the file is not on the bridge's disk any more")
            }
            _ => DeliveryError::transient(format!("the file cannot be read: {error}")),
        };
        let disk = Disk::open(path).await.map_err(gone)?;
        let trouble = trouble(file);
        // Not what somebody says it has: a body that is too short or too long would never be taken.
        let length = disk.metadata().await.map_err(gone)?.len();
        let url = format!("{}/_matrix/media/v3/upload", self.config.homeserver);
        let request = self
            .http
            .post(url)
            .query(&[("user_id", speaker.as_str()), ("filename", &file.name)])
            .bearer_auth(self.config.as_token.expose_secret())
            .header(http::header::CONTENT_TYPE, mime)
            .header(http::header::CONTENT_LENGTH, length)
            .timeout(UPLOAD_TIMEOUT + Duration::from_secs(length / SLOWEST))
            .body(reqwest::Body::wrap_stream(ReaderStream::with_capacity(disk, 64 * 1024)));
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Err(unavailable(error).into()),
            Err(error) => return Err(self.troubled(&trouble, &error.to_string()).await),
        };
        let status = answer.status().as_u16();
        // A proxy in front of the homeserver answers what it likes.
        let text = read_body(answer, MAX_ANSWER).await.unwrap_or_default();
        let text: Value = serde_json::from_slice(&text).unwrap_or_default();
        match (status, text["content_uri"].as_str()) {
            (200, Some(uri)) => {
                self.known().troubles.remove(&trouble);
                Ok(uri.to_owned())
            }
            (401, _) => Err(MatrixError::Token.into()),
            (413, _) => Err(DeliveryError::permanent("the homeserver takes no files of this size")),
            (429, _) => Err(unavailable("it asks for a pause").into()),
            (500.., _) => Err(self.troubled(&trouble, &format!("it answers an upload with {status}")).await),
            (status, _) => Err(MatrixError::Refused {
                code: text["errcode"].as_str().unwrap_or("M_UNKNOWN").to_owned(),
                status,
                message: text["error"].as_str().unwrap_or("the upload").to_owned(),
            }
            .into()),
        }
    }

    /// A homeserver that is there and does everything but this must not hold up what comes after it. One that is not
    /// there, or whose proxy says so, is waited for, however long.
    async fn troubled(&self, trouble: &str, reason: &str) -> DeliveryError {
        let attempts = {
            let mut known = self.known();
            let attempts = known.troubles.entry(trouble.to_owned()).or_default();
            *attempts += 1;
            *attempts
        };
        if attempts < MAX_ATTEMPTS || self.homeserver.whoami(None).await.is_err() {
            return unavailable(reason).into();
        }
        self.known().troubles.remove(trouble);
        DeliveryError::permanent(format!("the homeserver does not carry the file: {reason}"))
    }
}

impl MatrixFrontend {
    /// Brings a file that somebody sent here to the disk.
    pub(super) async fn download(
        &self,
        attachment: &Attachment,
        failures: Failures,
    ) -> Result<File, DeliveryError> {
        let gone = || DeliveryError::permanent("it is not on the homeserver any more");
        let uri: OwnedMxcUri = attachment.source.as_str().into();
        let (server, id) = uri.parts().map_err(|_| gone())?;
        let base = &self.config.homeserver;
        let url = format!("{base}/_matrix/client/v1/media/download/{server}/{id}");
        let request = self.http.get(url).bearer_auth(self.config.as_token.expose_secret());
        let trouble = match failures {
            Failures::Count => Some(format!("download {}", attachment.source)),
            Failures::Ignore => None,
        };
        let troubled = async |reason: &str| match &trouble {
            Some(trouble) => self.troubled(trouble, reason).await,
            None => unavailable(reason).into(),
        };
        let mut answer = match tokio::time::timeout(STALLED, request.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_connect() => return Err(unavailable(error).into()),
            Ok(Err(error)) => return Err(troubled(&error.to_string()).await),
            Err(_) => return Err(troubled("it did not answer a download").await),
        };
        match answer.status().as_u16() {
            200 => {}
            401 => return Err(MatrixError::Token.into()),
            429 => return Err(unavailable("it asks for a pause").into()),
            // A medium of another server that is gone is answered so for ever.
            status @ 500.. => {
                return Err(troubled(&format!("it answers a download with {status}")).await);
            }
            _ => return Err(gone()),
        }
        let failed = |error: StorageError| DeliveryError::transient(error.to_string());
        let expected = answer.content_length().unwrap_or(0);
        let too_large = || DeliveryError::permanent("it is larger than what is carried here");
        if expected > self.media.limit() {
            return Err(too_large());
        }
        let mut incoming = self.media.begin(expected).await.map_err(failed)?;
        let mut size = 0;
        loop {
            let bytes = match tokio::time::timeout(STALLED, answer.chunk()).await {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => break,
                Ok(Err(_)) | Err(_) => {
                    return Err(troubled("it stopped in the middle of a file").await);
                }
            };
            size += bytes.len() as u64;
            if size > self.media.limit() {
                return Err(too_large());
            }
            incoming.write(bytes).await.map_err(failed)?;
        }
        let media = incoming.finish().await.map_err(failed)?;
        if let Some(trouble) = trouble {
            self.known().troubles.remove(&trouble);
        }
        Ok(File { media, name: attachment.name.clone(), size })
    }

    /// The small pictures of a text, on the homeserver. One that has not come yet is waited for a moment: its shortcut says
    /// what it was.
    pub(super) async fn emoticons(
        &self,
        speaker: &UserId,
        emoticons: &[Emoticon],
        said_at: u64,
    ) -> Result<Vec<html::Picture>, DeliveryError> {
        // Counted from when it was said: whoever announces pictures that never come delays nobody's backlog.
        let now = u64::from(MilliSecondsSinceUnixEpoch::now().get());
        let age = Duration::from_millis(now.saturating_sub(said_at));
        let until = tokio::time::Instant::now() + EMOTICON_TIME.saturating_sub(age);
        let mut pictures = Vec::new();
        for Emoticon { shortcut, image } in emoticons {
            let uri = match image {
                Image::Source { source } => Some(source.clone()),
                Image::Kept { digest } => self.emoticon(speaker, digest, until).await?,
            };
            pictures.extend(uri.map(|uri| (shortcut.clone(), uri)));
        }
        Ok(pictures)
    }

    async fn emoticon(
        &self,
        speaker: &UserId,
        digest: &str,
        until: tokio::time::Instant,
    ) -> Result<Option<String>, DeliveryError> {
        let failed = |error: StorageError| DeliveryError::transient(error.to_string());
        let row = [b"e", digest.as_bytes()].concat();
        if let Some(known) = self.storage.read(Table::Rooms, &row).map_err(failed)? {
            return Ok(String::from_utf8(known).ok());
        }
        let kept = loop {
            let kept = self.storage.read(Table::Pictures, digest.as_bytes()).map_err(failed)?;
            if kept.is_some() || tokio::time::Instant::now() >= until {
                break kept;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let Some(media) = kept.and_then(|kept| MediaId::new(String::from_utf8(kept).ok()?)) else {
            return Ok(None);
        };
        let path = self.media.path(&media);
        let kind = tokio::task::spawn_blocking(move || infer::get_from_path(path)).await;
        let kind = kind.ok().and_then(Result::ok).flatten();
        let Some(kind) = kind.filter(|kind| kind.matcher_type() == infer::MatcherType::Image) else {
            return Ok(None);
        };
        let name = format!("emoticon.{}", kind.extension());
        let path = self.media.path(&media);
        let uploaded = self.upload(speaker, &File { media, name, size: 0 }, kind.mime_type(), &path).await;
        let uri = match uploaded {
            Ok(uri) => uri,
            // The words go without it, and find out themselves whether the homeserver is there.
            Err(error) => {
                tracing::info!(%error, "an emoticon was not uploaded");
                return Ok(None);
            }
        };
        let mut batch = Batch::default();
        batch.put(Table::Rooms, row, uri.as_str());
        drop(self.storage.commit(batch, Urgency::Soon)); // losing it costs another upload
        Ok(Some(uri))
    }

    /// What a user looks like.
    pub(super) async fn picture_of(&self, user: &BridgeUser) -> Result<Option<File>, DeliveryError> {
        let Ok(user) = UserId::parse(user.as_str()) else { return Ok(None) };
        let request = get_profile_field::v3::Request::new(user.clone(), ProfileFieldName::AvatarUrl);
        let bot = self.config.bot.clone();
        let found = match send_as!(self.homeserver, &bot, request) {
            Ok(answer) => answer.value,
            // No profile, or none that is shown.
            Err(MatrixError::Refused { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let source = match found {
            Some(ProfileFieldValue::AvatarUrl(uri)) => uri.to_string(),
            _ => String::new(),
        };
        self.known().portraits.insert(user, source.clone());
        if source.is_empty() {
            return Ok(None);
        }
        let attachment = Attachment { source, name: "picture".into(), caption: None };
        self.download(&attachment, Failures::Ignore).await.map(Some)
    }

    /// Gives a ghost the face that its contact has, once for each picture.
    pub(super) async fn show_picture(&self, login: &LoginId, ghost: &Ghost, picture: Picture) {
        if let Err(error) = self.try_picture(login, ghost, picture).await {
            // Shown again in the next conversation with them.
            tracing::info!(%error, "a picture was not shown");
        }
    }

    async fn try_picture(
        &self,
        login: &LoginId,
        ghost: &Ghost,
        picture: Picture,
    ) -> Result<(), DeliveryError> {
        let user = self.ghost(login, &ghost.id)?;
        let row = [b"a", user.as_bytes()].concat();
        let failed = |error: StorageError| DeliveryError::transient(error.to_string());
        let shown = self.storage.read(Table::Rooms, &row).map_err(failed)?;
        if shown.as_deref() == Some(picture.digest.as_bytes()) {
            return Ok(());
        }
        self.ensure_registered(&user).await?;
        let path = self.media.path(&picture.media);
        let kind = tokio::task::spawn_blocking(move || infer::get_from_path(path)).await;
        let kind = kind.ok().and_then(Result::ok).flatten();
        let Some(kind) = kind.filter(|kind| kind.matcher_type() == infer::MatcherType::Image) else {
            return Err(DeliveryError::permanent("it is no picture"));
        };
        let file =
            File { media: picture.media, name: format!("picture.{}", kind.extension()), size: picture.size };
        let uploaded = self.upload(&user, &file, kind.mime_type(), &self.media.path(&file.media)).await?;
        let value = ProfileFieldValue::AvatarUrl(uploaded.into());
        let request = set_profile_field::v3::Request::new(user.clone(), value);
        send_as!(self.homeserver, &user, request)?;
        let mut batch = Batch::default();
        tracing::info!(%user, "a picture was shown");
        batch.put(Table::Rooms, row, picture.digest);
        self.storage.commit(batch, Urgency::Soon).await.map_err(failed)
    }
}
