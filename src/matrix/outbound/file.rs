//! Files as events: uploaded, and shown with what they are.
//!
//! Knows which message type a file is, and that a large picture has a smaller one beside it. Refuses to judge a transfer that
//! failed: the media client does. Source: `m.image`, `m.audio`, `m.video` and `m.file` of the client-server API.

use std::sync::Arc;

use ruma::UserId;
use serde_json::{Value, json};

use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::media::File;
use crate::matrix::homeserver::{MediaClient, storage_failed};
use crate::pixels::{self, Thumbnail};

/// Pixels that a picture may have without a smaller one beside it, and what that one fits in.
const THUMBNAIL: (u32, u32) = (800, 600);

/// Makes the content of events that show files.
pub(crate) struct FileUploader {
    pub(crate) media: Arc<MediaClient>,
}

impl FileUploader {
    /// The content of the event that shows a file, which is uploaded first.
    ///
    /// # Errors
    /// As for [`MediaClient::upload`].
    pub(crate) async fn content(
        &self,
        speaker: &UserId,
        file: &File,
        is_sealed: bool,
    ) -> Result<Value, DeliveryError> {
        let kind = mime_guess::from_path(&file.name).first_or_octet_stream();
        let uploaded = self.upload(speaker, file, kind.essence_str(), is_sealed).await?;
        let message = match kind.type_().as_str() {
            "image" => "m.image",
            "audio" => "m.audio",
            "video" => "m.video",
            _ => "m.file",
        };
        let mut info = json!({"size": file.size, "mimetype": kind.essence_str()});
        if message == "m.image"
            && let Some((width, height)) = pixels::dimensions(self.media.files().path(&file.media)).await
        {
            info["w"] = json!(width);
            info["h"] = json!(height);
            if width > THUMBNAIL.0 || height > THUMBNAIL.1 {
                self.add_thumbnail(speaker, file, is_sealed, &mut info).await;
            }
        }
        let mut content = json!({"msgtype": message, "body": file.name, "filename": file.name, "info": info});
        content[if is_sealed { "file" } else { "url" }] = uploaded;
        Ok(content)
    }

    /// Where the file is: its address, or for an encrypted one what opens it too.
    async fn upload(
        &self,
        speaker: &UserId,
        file: &File,
        mime: &str,
        is_sealed: bool,
    ) -> Result<Value, DeliveryError> {
        match is_sealed {
            true => self.media.upload_sealed(speaker, file).await,
            false => Ok(self.media.upload(speaker, file, mime).await?.into()),
        }
    }

    /// A smaller picture beside a large one. A client that goes without waits longer, that is all.
    async fn add_thumbnail(&self, speaker: &UserId, file: &File, is_sealed: bool, info: &mut Value) {
        match self.thumbnail(speaker, file, is_sealed).await {
            Ok(Some((uploaded, about))) => {
                info[if is_sealed { "thumbnail_file" } else { "thumbnail_url" }] = uploaded;
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
        is_sealed: bool,
    ) -> Result<Option<(Value, Value)>, DeliveryError> {
        let path = self.media.files().path(&file.media);
        let made = pixels::work_soon(move || pixels::thumbnail(&path, THUMBNAIL.0, THUMBNAIL.1)).await;
        let Thumbnail { data, mime, width, height } = match made {
            Ok(thumbnail) => thumbnail,
            Err(reason) => {
                tracing::debug!(reason, "a picture has no thumbnail");
                return Ok(None);
            }
        };
        let size = data.len() as u64;
        let mut part = self.media.files().begin(size).await.map_err(storage_failed)?;
        part.write(data.into()).await.map_err(storage_failed)?;
        let media = part.finish().await.map_err(storage_failed)?;
        let small = File { media, name: "thumbnail".into(), size };
        let uploaded = self.upload(speaker, &small, mime, is_sealed).await;
        self.media.files().discard(&small.media);
        self.media.give_up(&small);
        Ok(Some((uploaded?, json!({"w": width, "h": height, "mimetype": mime, "size": size}))))
    }
}
