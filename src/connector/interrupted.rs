//! Files that are coming, remembered on the disk: a bridge that is killed in the middle of one tells of it after its next
//! start. One that is stopped tells at once.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::bridge::BridgeHandle;
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{Ghost, RemoteEvent, RemoteKind};
use crate::bridge::ids::{ConversationId, LoginId};
use crate::bridge::port::storage::{Batch, Storage, StorageError, Table, Urgency};
use crate::connector::clock::time_of_day;
use crate::connector::size::bytes;

/// Most that are told of after a start.
const MAX_TOLD: usize = 1000;

/// One file that is coming.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Arrival {
    login: LoginId,
    conversation: ConversationId,
    sender: Ghost,
    name: String,
    size: u64,
}

/// Kept for as long as the file is coming; dropped, what became of it has been told, unless something broke.
pub(in crate::connector) struct IncompleteFile {
    storage: Arc<dyn Storage>,
    key: Vec<u8>,
}

impl Drop for IncompleteFile {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut batch = Batch::default();
        batch.remove(Table::Arrivals, self.key.clone());
        drop(self.storage.commit(batch, Urgency::Soon)); // it would be told of twice
    }
}

/// Remembers that a file is coming.
pub(in crate::connector) fn note(
    storage: &Arc<dyn Storage>,
    login: &LoginId,
    conversation: &ConversationId,
    sender: &Ghost,
    name: &str,
    size: u64,
) -> IncompleteFile {
    let (login, conversation, sender) = (login.clone(), conversation.clone(), sender.clone());
    let arrival = Arrival { login, conversation, sender, name: name.to_owned(), size };
    let key = rand::random::<u128>().to_be_bytes().to_vec();
    let mut batch = Batch::default();
    batch.put(Table::Arrivals, key.clone(), serde_json::to_vec(&arrival).unwrap_or_default());
    drop(storage.commit(batch, Urgency::Now)); // the file does not wait for it
    IncompleteFile { storage: storage.clone(), key }
}

/// What an earlier run left in the middle.
#[derive(Clone, Default)]
pub(in crate::connector) struct Interrupted(Arc<Mutex<Vec<Left>>>);

/// A row's key, and what it says.
type Left = (Vec<u8>, Arrival);

impl Interrupted {
    /// Every note that an earlier run left: files that it was receiving when it ended.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub(in crate::connector) fn load(storage: &Arc<dyn Storage>) -> Result<Self, StorageError> {
        let rows = storage.scan(Table::Arrivals, &[], None, MAX_TOLD)?;
        let left = rows.into_iter().filter_map(|(key, value)| {
            let read = serde_json::from_slice(&value);
            let arrival = read.inspect_err(|error| tracing::warn!(%error, "a note of a file cannot be read"));
            Some((key, arrival.ok()?))
        });
        Ok(Self(Arc::new(Mutex::new(left.collect()))))
    }

    /// Tells of those of one login, once.
    pub(in crate::connector) async fn tell(
        &self,
        bridge: &BridgeHandle,
        storage: &Arc<dyn Storage>,
        login: &LoginId,
        cancel: &CancellationToken,
    ) {
        let own: Vec<Left> = {
            let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            left.extract_if(.., |(_, arrival)| arrival.login == *login).collect()
        };
        for (key, arrival) in own {
            let Arrival { login, conversation, sender, name, size } = arrival;
            let text = format!(
                "was sending the file «{name}» ({}) when the bridge broke off, and it did not arrive. Ask them to send it again.",
                bytes(size)
            );
            let body = Body::Emote(RichText::plain(text));
            let kind = RemoteKind::Message { conversation, sender, body, at: time_of_day() };
            // The core may be waiting for this login to end: then the next start tells.
            let told = tokio::select! {
                told = bridge.remote(RemoteEvent { login, kind }) => told.is_ok(),
                () = cancel.cancelled() => false,
            };
            if told {
                drop(IncompleteFile { storage: storage.clone(), key });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Bridge;
    use crate::bridge::ids::GhostId;
    use crate::connector::tests::{alice, alone, next};

    fn note_of(storage: &Arc<dyn Storage>, login: &LoginId) -> IncompleteFile {
        let sender = Ghost { id: GhostId::new("bob"), name: "Bob".into() };
        note(storage, login, &ConversationId::new("bob"), &sender, "a.bin", 5000)
    }

    fn rows(storage: &Arc<dyn Storage>) -> usize {
        storage.scan(Table::Arrivals, &[], None, 10).unwrap().len()
    }

    #[tokio::test]
    async fn a_file_is_remembered_for_as_long_as_it_is_coming() {
        let storage = alone().storage;
        let note = note_of(&storage, &alice());
        assert_eq!(rows(&storage), 1);
        drop(note);
        assert_eq!(rows(&storage), 0);
    }

    #[tokio::test]
    async fn what_a_run_left_in_the_middle_is_told_to_its_login_once() {
        let (storage, (bridge, mut core)) = (alone().storage, Bridge::channel());
        for login in [alice(), LoginId::new("eve")] {
            std::mem::forget(note_of(&storage, &login));
        }
        let left = Interrupted::load(&storage).unwrap();
        let cancel = CancellationToken::new();
        for _ in 0..2 {
            left.tell(&bridge, &storage, &alice(), &cancel).await;
        }
        let RemoteKind::Message { body: Body::Emote(text), .. } = next(&mut core).await else {
            panic!("no words")
        };
        let expected = "was sending the file «a.bin» (4.9 kB) when the bridge broke off, and it did not arrive. Ask them \
                        to send it again.";
        assert_eq!(text.text(), expected);
        assert_eq!(rows(&storage), 1, "that of another login waits for it");
        // A login that ends at once leaves it to the next start.
        cancel.cancel();
        drop(core);
        left.tell(&bridge, &storage, &LoginId::new("eve"), &cancel).await;
        assert_eq!(rows(&storage), 1);
    }
}
