//! Files to the homeserver and from it, as streams: what is kept on disk is never held in memory.
//!
//! Knows how long a transfer may take, and how often one has failed. Refuses to know what a file is for. Source: the content
//! repository of the client-server API.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use ruma::{OwnedMxcUri, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::fs::File as Disk;
use tokio_util::io::ReaderStream;

use super::client::{Homeserver, client};
use super::error::{MatrixError, asked_pause, storage_failed};
use super::identity::Identity;
use super::transfer::{busy, gone, is_unrecognized, not_on_disk, sealed_info, too_large, unavailable};
use crate::bridge::body::Attachment;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::media::{File, Media, MediaId};
use crate::matrix::cache::Cache;
use crate::matrix::config::MatrixConfig;
use crate::web::read_body;

/// How long a homeserver may think about an upload, besides the time that the bytes need.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes a second of the slowest way to the homeserver.
const SLOWEST: u64 = 20_000;
/// Attempts to transfer a file to or from a homeserver that is there.
const MAX_ATTEMPTS: u32 = 8;
/// Bytes of what is answered to anything but a download.
const MAX_ANSWER: usize = 64 * 1024;
/// A download that brings nothing for so long has failed.
const STALLED: Duration = Duration::from_secs(60);
/// Files whose failures are counted. One that is evicted is counted anew: its next attempts are some requests more.
const MAX_COUNTED: usize = 10_000;

/// Whether failures to download a file count, until it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failures {
    Count,
    Ignore,
}

/// What failures to upload a file are counted under.
fn upload_key(file: &File) -> String {
    format!("upload {}", file.media)
}

/// Carries files between the disk and the homeserver.
pub(crate) struct MediaClient {
    homeserver: Homeserver,
    /// For what ruma's requests would hold in memory as a whole.
    http: reqwest::Client,
    base: String,
    token: SecretString,
    media: Arc<dyn Media>,
    /// Uploads and downloads that failed, and how often.
    failures: Cache<String, u32>,
}

impl MediaClient {
    pub(crate) fn new(config: &MatrixConfig, homeserver: Homeserver, media: Arc<dyn Media>) -> Self {
        let (base, token) = (config.homeserver.clone(), config.as_token.clone());
        Self { homeserver, http: client(), base, token, media, failures: Cache::new(MAX_COUNTED) }
    }

    /// Where files are kept.
    pub(crate) fn files(&self) -> &dyn Media {
        &*self.media
    }

    /// What kind of picture a file is, from its own bytes; `None` for anything else.
    pub(crate) async fn image_kind(&self, media: &MediaId) -> Option<infer::Type> {
        let path = self.media.path(media);
        let kind = tokio::task::spawn_blocking(move || infer::get_from_path(path)).await;
        let kind = kind.ok().and_then(Result::ok).flatten();
        kind.filter(|kind| kind.matcher_type() == infer::MatcherType::Image)
    }

    /// The largest upload that the homeserver takes, in bytes, if it says so.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn upload_limit(&self) -> Result<Option<u64>, MatrixError> {
        let request = |path: &str| self.get(path).timeout(STALLED).send();
        let mut answer = request("/_matrix/client/v1/media/config").await.map_err(unavailable)?;
        if answer.status() == StatusCode::NOT_FOUND {
            answer = request("/_matrix/media/v3/config").await.map_err(unavailable)?;
        }
        let answer = read_body(answer, MAX_ANSWER).await.map_err(unavailable)?;
        let answer: Value = serde_json::from_slice(&answer).map_err(unavailable)?;
        Ok(answer["m.upload.size"].as_u64())
    }

    /// Uploads a file from the disk, and gives its address there.
    ///
    /// # Errors
    /// Permanent where the file is gone, is refused, or failed [`MAX_ATTEMPTS`] times; transient otherwise.
    pub(crate) async fn upload(
        &self,
        speaker: &UserId,
        file: &File,
        mime: &str,
    ) -> Result<String, DeliveryError> {
        self.upload_counted(speaker, file, mime, &upload_key(file)).await
    }

    /// Encrypts a file and uploads that, and gives the `file` of its event: where it is, and what opens it.
    ///
    /// # Errors
    /// As for [`MediaClient::upload`].
    #[cfg(feature = "encryption")]
    pub(crate) async fn upload_sealed(&self, speaker: &UserId, file: &File) -> Result<Value, DeliveryError> {
        let (sealed, mut info) = super::sealed::seal(&*self.media, file).await?;
        let mime = "application/octet-stream";
        let uploaded = self.upload_counted(speaker, &sealed, mime, &upload_key(file)).await;
        self.media.discard(&sealed.media);
        info["url"] = uploaded?.into();
        Ok(info)
    }

    /// Nothing is encrypted here.
    ///
    /// # Errors
    /// Permanent, always.
    #[cfg(not(feature = "encryption"))]
    #[expect(clippy::unused_async, reason = "with keys this takes time")]
    pub(crate) async fn upload_sealed(
        &self,
        _speaker: &UserId,
        _file: &File,
    ) -> Result<Value, DeliveryError> {
        Err(DeliveryError::permanent("this msnbridge was built without encryption"))
    }

    /// Uploads a file; its failures count under this key.
    async fn upload_counted(
        &self,
        speaker: &UserId,
        file: &File,
        mime: &str,
        key: &str,
    ) -> Result<String, DeliveryError> {
        let disk = Disk::open(self.media.path(&file.media)).await.map_err(not_on_disk)?;
        // Not what somebody says it has: a body that is too short or too long would never be taken.
        let length = disk.metadata().await.map_err(not_on_disk)?.len();
        let request = self
            .begin_upload(speaker, &file.name, mime)
            .header(http::header::CONTENT_LENGTH, length)
            .timeout(UPLOAD_TIMEOUT + Duration::from_secs(length / SLOWEST))
            .body(reqwest::Body::wrap_stream(ReaderStream::with_capacity(disk, 64 * 1024)));
        let _pass = self.homeserver.gate.upload().await;
        match request.send().await {
            Ok(answer) => match self.uploaded(answer, key).await {
                Err(DeliveryError::LegDown { .. }) if !self.homeserver.identity(speaker).is_appservice => {
                    Err(MatrixError::puppet_token().into())
                }
                uploaded => uploaded,
            },
            Err(error) if error.is_connect() => Err(unavailable(error).into()),
            Err(error) => Err(self.failed(key, &error.to_string()).await),
        }
    }

    /// Uploads what is at hand, and gives its address there.
    ///
    /// # Errors
    /// Permanent where it is refused; transient otherwise.
    pub(crate) async fn upload_bytes(
        &self,
        speaker: &UserId,
        name: &str,
        mime: &str,
        bytes: Vec<u8>,
    ) -> Result<String, DeliveryError> {
        let request = self.begin_upload(speaker, name, mime).timeout(UPLOAD_TIMEOUT).body(bytes);
        let key = format!("upload {name}");
        let _pass = self.homeserver.gate.upload().await;
        match request.send().await {
            Ok(answer) => self.uploaded(answer, &key).await,
            Err(error) => Err(unavailable(error).into()),
        }
    }

    /// An upload in somebody's name, with everything but the bytes.
    fn begin_upload(&self, speaker: &UserId, name: &str, mime: &str) -> reqwest::RequestBuilder {
        let Identity { token, names_user, .. } = self.homeserver.identity(speaker);
        let user = names_user.then(|| ("user_id", speaker.as_str()));
        self.http
            .post(format!("{}/_matrix/media/v3/upload", self.base))
            .query(
                &(!name.is_empty()).then_some([("filename", name)]).into_iter().flatten().collect::<Vec<_>>(),
            )
            .query(&user.into_iter().collect::<Vec<_>>())
            .bearer_auth(token.expose_secret())
            .header(http::header::CONTENT_TYPE, mime)
    }

    /// What the homeserver answers to an upload.
    async fn uploaded(&self, answer: reqwest::Response, key: &str) -> Result<String, DeliveryError> {
        let (status, pause) = (answer.status().as_u16(), asked_pause(answer.headers()));
        // A proxy in front of the homeserver answers what it likes.
        let text = read_body(answer, MAX_ANSWER).await.unwrap_or_default();
        let text: Value = serde_json::from_slice(&text).unwrap_or_default();
        match (status, text["content_uri"].as_str()) {
            (200, Some(uri)) => {
                self.failures.remove(key);
                Ok(uri.to_owned())
            }
            (401, _) => Err(MatrixError::Token.into()),
            (413, _) => Err(DeliveryError::permanent("the homeserver takes no files of this size")),
            (429, _) => {
                let asked = text["retry_after_ms"].as_u64().map(Duration::from_millis);
                Err(busy(pause.or(asked)).into())
            }
            (404 | 405, _) if text["errcode"] == "M_UNRECOGNIZED" => {
                Err(self.failed(key, "it does not know uploads").await)
            }
            (500.., _) => Err(self.failed(key, &format!("it answers an upload with {status}")).await),
            (status, _) => Err(MatrixError::Refused {
                code: text["errcode"].as_str().unwrap_or("M_UNKNOWN").to_owned(),
                status,
                message: text["error"].as_str().unwrap_or("the upload").to_owned(),
            }
            .into()),
        }
    }

    /// The upload of this file is not tried again: its failures need no counting.
    pub(crate) fn give_up(&self, file: &File) {
        self.failures.remove(&upload_key(file));
    }

    /// A homeserver that is there and does everything but this must not hold up what comes after it. One that is not
    /// there, or whose proxy says so, is waited for, however long.
    async fn failed(&self, key: &str, reason: &str) -> DeliveryError {
        let attempts = self.failures.update(key.to_owned(), |attempts| *attempts += 1);
        if attempts < MAX_ATTEMPTS || self.homeserver.whoami(self.homeserver.bot()).await.is_err() {
            return unavailable(reason).into();
        }
        self.failures.remove(key);
        DeliveryError::permanent(format!("the homeserver does not carry the file: {reason}"))
    }

    /// The same for a download, whose failures may not count.
    async fn download_failed(&self, key: Option<&str>, reason: &str) -> DeliveryError {
        match key {
            Some(key) => self.failed(key, reason).await,
            None => unavailable(reason).into(),
        }
    }

    /// Brings a file that somebody sent here to the disk.
    ///
    /// # Errors
    /// Permanent where the homeserver does not have the file, it is too large, or it failed [`MAX_ATTEMPTS`] times with
    /// failures counted; transient otherwise.
    pub(crate) async fn download(
        &self,
        attachment: &Attachment,
        failures: Failures,
    ) -> Result<File, DeliveryError> {
        let Some(mut info) = sealed_info(&attachment.source) else {
            return self.download_from(&attachment.source, &attachment.name, failures).await;
        };
        let url = info["url"].take();
        let url = url.as_str().ok_or_else(gone)?;
        let sealed = self.download_from(url, &attachment.name, failures).await?;
        let opened = self.open_sealed(&sealed, info).await;
        self.media.discard(&sealed.media);
        opened
    }

    #[cfg_attr(
        not(feature = "encryption"),
        expect(clippy::unused_async, reason = "with keys this takes time")
    )]
    async fn open_sealed(&self, sealed: &File, info: Value) -> Result<File, DeliveryError> {
        #[cfg(feature = "encryption")]
        return super::sealed::open(&*self.media, sealed, info).await;
        #[cfg(not(feature = "encryption"))]
        Err(DeliveryError::permanent(format!("{} is encrypted ({})", sealed.name, info["v"])))
    }

    async fn download_from(
        &self,
        source: &str,
        name: &str,
        failures: Failures,
    ) -> Result<File, DeliveryError> {
        let key = match failures {
            Failures::Count => Some(format!("download {source}")),
            Failures::Ignore => None,
        };
        let answer = self.open_download(source, key.as_deref()).await?;
        let (media, size) = self.store_download(answer, key.as_deref()).await?;
        if let Some(key) = key {
            self.failures.remove(&key);
        }
        Ok(File { media, name: name.to_owned(), size })
    }

    async fn open_download(
        &self,
        source: &str,
        key: Option<&str>,
    ) -> Result<reqwest::Response, DeliveryError> {
        let uri: OwnedMxcUri = source.into();
        let (server, id) = uri.parts().map_err(|_| gone())?;
        let mut answer = self.request_download("client/v1/media", server.as_str(), id, key).await?;
        if answer.status() == StatusCode::NOT_FOUND && is_unrecognized(&mut answer).await {
            // A homeserver from before downloads needed a token.
            answer = self.request_download("media/v3", server.as_str(), id, key).await?;
        }
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED => Err(MatrixError::Token.into()),
            StatusCode::TOO_MANY_REQUESTS => Err(busy(asked_pause(answer.headers())).into()),
            // A medium of another server that is gone is answered so for ever.
            status if status.as_u16() >= 500 => {
                let reason = format!("it answers a download with {}", status.as_u16());
                Err(self.download_failed(key, &reason).await)
            }
            _ => Err(gone()),
        }
    }

    async fn request_download(
        &self,
        version: &str,
        server: &str,
        id: &str,
        key: Option<&str>,
    ) -> Result<reqwest::Response, DeliveryError> {
        let request = self.get(&format!("/_matrix/{version}/download/{server}/{id}"));
        match tokio::time::timeout(STALLED, request.send()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.is_connect() => Err(unavailable(error).into()),
            Ok(Err(error)) => Err(self.download_failed(key, &error.to_string()).await),
            Err(_) => Err(self.download_failed(key, "it did not answer a download").await),
        }
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.base)).bearer_auth(self.token.expose_secret())
    }

    async fn store_download(
        &self,
        mut answer: reqwest::Response,
        key: Option<&str>,
    ) -> Result<(MediaId, u64), DeliveryError> {
        let expected = answer.content_length().unwrap_or(0);
        if expected > self.media.limit() {
            return Err(too_large());
        }
        let mut incoming = self.media.begin(expected).await.map_err(storage_failed)?;
        let mut size = 0;
        loop {
            let bytes = match tokio::time::timeout(STALLED, answer.chunk()).await {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => break,
                Ok(Err(_)) | Err(_) => {
                    return Err(self.download_failed(key, "it stopped in the middle of a file").await);
                }
            };
            size += bytes.len() as u64;
            if size > self.media.limit() {
                return Err(too_large());
            }
            incoming.write(bytes).await.map_err(storage_failed)?;
        }
        Ok((incoming.finish().await.map_err(storage_failed)?, size))
    }
}
