//! Voice clips made playable: MSN records them in the Siren codec, which nothing but ffmpeg still reads.
//!
//! Knows how to tell such a clip and how to have it translated. Refuses to decode anything itself: what a peer sent is
//! read in a process of its own, with bounds on time and size.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::bridge::port::media::File;
use crate::bridge::port::storage::StorageError;
use crate::connector::context::Shared;

/// The codec's number in a WAV file.
const SIREN: [u8; 2] = 0x028E_u16.to_le_bytes();
/// The decoder is named, so that none of the many others reads what a peer sent.
const INPUT: &str =
    "-hide_banner -nostdin -v error -threads 1 -protocol_whitelist file,pipe -f wav -c:a msnsiren -i";
/// Two minutes of one channel, as chat programs play them.
const OUTPUT: &str = "-t 120 -map 0:a:0 -ac 1 -c:a libopus -b:a 32k -f ogg pipe:1";
/// How long a translation may take, waiting for its turn included; clips are of 15 seconds.
const TRANSLATION_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a translated clip.
const MAX_CLIP: u64 = 4 << 20;
/// Translations at once, for all logins.
static WORKING: Semaphore = Semaphore::const_new(2);

/// Why a clip stays as it is. For people.
#[derive(Debug, Error)]
pub(in crate::connector) enum Untranslated {
    #[error("the bridge has no ffmpeg to make it playable")]
    NoProgram,
    #[error("ffmpeg could not make it playable")]
    Failed(String),
    #[error("there is no room for it on the bridge's disk now")]
    Disk(#[from] StorageError),
}

/// Whether this is a WAV file in Siren.
fn is_siren(head: &[u8]) -> bool {
    let is_wave = head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WAVE");
    let format = head.windows(4).position(|window| window == b"fmt ");
    is_wave && format.is_some_and(|at| head.get(at + 8..at + 10) == Some(&SIREN))
}

/// A playable clip in the place of one that is not; `None` for one that is left as it is.
///
/// # Errors
/// There is no program that translates, or it failed: the clip stays as it is.
pub(in crate::connector) async fn playable(
    shared: &Shared,
    clip: &File,
) -> Result<Option<File>, Untranslated> {
    let path = shared.media.path(&clip.media);
    let mut head = [0; 256];
    let read = async { tokio::fs::File::open(&path).await?.read(&mut head).await };
    let length = read.await.map_err(|error| StorageError(error.to_string()))?;
    if !is_siren(&head[..length]) {
        return Ok(None);
    }
    let program = shared.config.ffmpeg.as_deref().ok_or(Untranslated::NoProgram)?;
    let late = |_| Untranslated::Failed("it took too long".into());
    let data = tokio::time::timeout(TRANSLATION_TIMEOUT, translate(program, &path)).await.map_err(late)??;
    let size = data.len() as u64;
    let mut part = shared.media.begin(size).await?;
    part.write(data.into()).await?;
    Ok(Some(File { media: part.finish().await?, name: "voice clip.ogg".into(), size }))
}

async fn translate(program: &str, path: &Path) -> Result<Vec<u8>, Untranslated> {
    let failed = |error: std::io::Error| Untranslated::Failed(error.to_string());
    let _permit = WORKING.acquire().await.map_err(|error| Untranslated::Failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.args(INPUT.split(' ')).arg(path).args(OUTPUT.split(' '));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Untranslated::NoProgram,
        _ => failed(error),
    })?;
    let mut data = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(MAX_CLIP + 1).read_to_end(&mut data).await.map_err(failed)?;
    }
    let status = child.wait().await.map_err(failed)?;
    if !status.success() || data.is_empty() || data.len() as u64 > MAX_CLIP {
        return Err(Untranslated::Failed(format!("{status}, {} bytes", data.len())));
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_siren_is_taken_for_it() {
        let wave =
            |codec: u16| [&b"RIFF\0\0\0\0WAVEfmt \x12\0\0\0"[..], &codec.to_le_bytes(), &[1, 0]].concat();
        assert!(is_siren(&wave(0x028E)));
        assert!(!is_siren(&wave(1)), "plain samples play everywhere");
        assert!(!is_siren(&wave(0x028E)[..20]), "cut");
        assert!(!is_siren(b"RIFF"));
        assert!(!is_siren(b""));
    }
}
