//! Files of encrypted rooms: encrypted before they go up, and opened after they came down.
//!
//! Knows that nothing of a file counts before its hash was right. Refuses to hold one in memory, and to know where it is
//! shown. Source: "Sending encrypted attachments" of the client-server API, in the matrix-sdk-crypto crate.

use std::io::{self, Read};

use bytes::Bytes;
use matrix_sdk_crypto::{AttachmentDecryptor, AttachmentEncryptor, MediaEncryptionInfo};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::storage_failed;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::media::{File, Media, MediaId};

/// Bytes that are worked at a time, and such pieces under way.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 8;

/// Hands on what a reader gives, until its end.
fn pump(reader: &mut impl Read, out: &mpsc::Sender<Bytes>) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(()),
            read => out
                .blocking_send(Bytes::copy_from_slice(&piece[..read]))
                .map_err(|_| io::Error::other("nobody takes it any more"))?,
        }
    }
}

/// Keeps what comes as a file, if the work ends well.
async fn keep<T>(
    media: &dyn Media,
    size: u64,
    mut pieces: mpsc::Receiver<Bytes>,
    work: JoinHandle<io::Result<T>>,
) -> Result<(MediaId, T), DeliveryError> {
    let mut incoming = media.begin(size).await.map_err(storage_failed)?;
    while let Some(piece) = pieces.recv().await {
        incoming.write(piece).await.map_err(storage_failed)?;
    }
    let done = work.await.map_err(storage_failed)?;
    let done = done.map_err(|error| DeliveryError::permanent(format!("the file cannot be read: {error}")))?;
    Ok((incoming.finish().await.map_err(storage_failed)?, done))
}

/// Encrypts a file into another, and gives what opens that: the `file` of an event, but for its address.
///
/// # Errors
/// The disk has no room for it, or the file is gone.
pub(super) async fn seal(media: &dyn Media, file: &File) -> Result<(File, Value), DeliveryError> {
    let (out, pieces) = mpsc::channel(PIECES);
    let path = media.path(&file.media);
    let work = tokio::task::spawn_blocking(move || {
        let mut disk = std::fs::File::open(path)?;
        let mut sealing = AttachmentEncryptor::new(&mut disk);
        pump(&mut sealing, &out)?;
        Ok(sealing.finish())
    });
    let (sealed, info) = keep(media, file.size, pieces, work).await?;
    let info = serde_json::to_value(info).map_err(storage_failed)?;
    Ok((File { media: sealed, name: String::new(), size: file.size }, info))
}

/// Opens an encrypted file with the `file` of its event.
///
/// # Errors
/// Permanent where it does not fit what opens it; the disk has no room for it.
pub(super) async fn open(media: &dyn Media, sealed: &File, info: Value) -> Result<File, DeliveryError> {
    let wrong = |error| {
        DeliveryError::permanent(format!("the file is encrypted in a way that is not known: {error}"))
    };
    let info: MediaEncryptionInfo = serde_json::from_value(info).map_err(wrong)?;
    let (out, pieces) = mpsc::channel(PIECES);
    let path = media.path(&sealed.media);
    let work = tokio::task::spawn_blocking(move || {
        let mut disk = std::fs::File::open(path)?;
        let mut opening = AttachmentDecryptor::new(&mut disk, info).map_err(io::Error::other)?;
        pump(&mut opening, &out)
    });
    let (media, ()) = keep(media, sealed.size, pieces, work).await?;
    Ok(File { media, name: sealed.name.clone(), size: sealed.size })
}
