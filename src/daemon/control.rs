//! A socket beside the store by which other runs of the program reach the daemon that has the store open.
//!
//! Knows one request: an export, as it would be without a daemon. Refuses every user but the daemon's own and root, by the
//! socket's mode.

use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::store::Store;

/// How long whoever reads may take for a piece.
const READER_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the socket of a store's daemon is.
pub(super) fn socket_of(store: &Path) -> PathBuf {
    store.with_extension("socket")
}

/// Listens from now on. The store is ours, so a socket that is there already is left over.
///
/// # Errors
/// The socket cannot be made.
pub(super) fn listen(store: &Path) -> std::io::Result<UnixListener> {
    let socket = socket_of(store);
    if let Err(error) = std::fs::remove_file(&socket)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let listener = UnixListener::bind(&socket)?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers one after the other until cancelled.
pub(super) async fn serve(listener: UnixListener, store: Arc<Store>, cancel: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = cancel.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => give_export(stream, store.clone()).await,
            Err(error) => {
                tracing::warn!(%error, "somebody could not be answered at the socket beside the store");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Writes an export to whoever asked; its end tells them that it is whole.
async fn give_export(stream: UnixStream, store: Arc<Store>) {
    let written = tokio::task::spawn_blocking(move || {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(READER_TIMEOUT))?;
        crate::store::export(&store, &mut BufWriter::new(stream)).map_err(std::io::Error::other)
    });
    match written.await {
        Ok(Ok(rows)) => tracing::info!(rows, "exported the store for somebody who asked"),
        Ok(Err(error)) => tracing::warn!(%error, "an export broke off"),
        Err(error) => tracing::error!(%error, "an export broke off"),
    }
}
