//! Rooms of contacts with whom nothing was said yet, and rooms of earlier runs brought up to date: after each sign-in, beside
//! everything else.
//!
//! Knows which logins are due. Refuses to decide whether a contact has a room: each frontend does. What cannot be done now is
//! tried again; a login that signs in once more, or has another contact, is due again.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridge::event::Ghost;
use crate::bridge::ids::{LoginId, PortalKey, UserId};
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::frontend::Frontend;
use crate::bridge::port::network::ContactLine;
use crate::bridge::port::storage::{Storage, StorageError, Table};
use crate::bridge::portal::PortalContext;
use crate::bridge::record::PortalRecord;
use crate::retry::Retry;

/// Logins whose rooms are looked after at once.
const WORKERS: usize = 4;
/// Most conversations of one login that are looked after.
const MAX_PORTALS: usize = 5000;
/// Pauses while a frontend cannot make rooms.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(120)];

/// Logins whose rooms are due, with their owners.
#[derive(Default)]
struct Queue {
    due: Mutex<VecDeque<(LoginId, UserId)>>,
    added: Notify,
}

impl Queue {
    fn due(&self) -> MutexGuard<'_, VecDeque<(LoginId, UserId)>> {
        // Nothing that holds the lock panics.
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> (LoginId, UserId) {
        loop {
            let next = self.due().pop_front();
            match next {
                Some(next) => {
                    // Another worker may be asleep while there is more.
                    self.added.notify_one();
                    return next;
                }
                None => self.added.notified().await,
            }
        }
    }
}

/// Looks after the rooms of logins.
pub(super) struct ContactRooms {
    queue: Arc<Queue>,
    worker: Worker,
}

impl ContactRooms {
    /// `met` is told of conversations that are there from now on.
    pub(super) fn start(
        context: &PortalContext,
        met: &mpsc::Sender<PortalKey>,
        cancel: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let queue = Arc::<Queue>::default();
        let worker = Worker { context: context.clone(), met: met.clone() };
        for _ in 0..WORKERS {
            let worker = worker.clone();
            let (queue, cancel) = (queue.clone(), cancel.clone());
            tasks.spawn(async move { cancel.run_until_cancelled(worker.run(&queue)).await });
        }
        Self { queue, worker }
    }

    /// A login has signed in, or its contacts are others now.
    pub(super) fn again(&self, login: &LoginId, owner: &UserId) {
        let mut due = self.queue.due();
        if !due.iter().any(|(known, _)| known == login) {
            due.push_back((login.clone(), owner.clone()));
            self.queue.added.notify_one();
        }
    }
}

impl ContactRooms {
    /// Shows everything of a login again. Resolves with the number of its rooms, or with the reason for people why that
    /// cannot be.
    pub(super) fn sync(&self, login: LoginId, owner: UserId) -> BoxFuture<'static, Result<usize, String>> {
        let worker = self.worker.clone();
        Box::pin(async move { worker.sync(&login, &owner).await })
    }
}

/// Looks after one login at a time.
#[derive(Clone)]
struct Worker {
    context: PortalContext,
    met: mpsc::Sender<PortalKey>,
}

impl Worker {
    async fn run(&self, queue: &Queue) {
        loop {
            let (login, owner) = queue.next().await;
            let frontends = self.context.frontends.iter().filter(|frontend| frontend.traits().hosts_rooms);
            // Whoever is not signed in any more has their rooms looked after when they are.
            let Ok(contacts) = self.context.network.contacts(&login).await else { continue };
            for frontend in frontends {
                self.look_after(&**frontend, &login, &owner, &contacts).await;
            }
        }
    }

    /// Gives how many rooms are looked after now.
    async fn look_after(
        &self,
        frontend: &dyn Frontend,
        login: &LoginId,
        owner: &UserId,
        contacts: &[ContactLine],
    ) -> usize {
        let mut count = 0;
        let asked = persist(|| frontend.lists_contacts(owner, contacts.len())).await;
        let mut listed = HashSet::new();
        if asked.unwrap_or(false) {
            for contact in contacts {
                if let Some(portal) = self.meet(login, contact).await {
                    count += usize::from(self.show(frontend, &portal, true).await);
                    listed.insert(portal);
                }
            }
        }
        let known = known(&*self.context.storage, login).unwrap_or_else(|error| {
            tracing::error!(%login, %error, "the conversations of a login could not be read");
            Vec::new()
        });
        for portal in known.iter().filter(|portal| !listed.contains(*portal)) {
            count += usize::from(self.show(frontend, portal, false).await);
        }
        count
    }

    /// The conversation with a contact, which is there from now on.
    async fn meet(&self, login: &LoginId, contact: &ContactLine) -> Option<PortalKey> {
        let (id, conversation) = self.context.network.direct_conversation(contact.ghost.as_str()).ok()?;
        let portal = PortalKey::new(login.clone(), conversation);
        let ghost = Ghost { id, name: contact.name.clone() };
        if let Err(error) = self.context.names.meet(login, &ghost) {
            tracing::error!(%login, %error, "a name could not be kept");
        }
        let _ = self.met.send(portal.clone()).await; // the router may be stopping
        Some(portal)
    }

    /// Whether that is done.
    async fn show(&self, frontend: &dyn Frontend, portal: &PortalKey, makes: bool) -> bool {
        let shown = persist(|| frontend.ensure_room(portal, self.context.display(portal), makes)).await;
        if let Err(reason) = &shown {
            tracing::info!(%portal, reason, "a conversation has no room yet");
        }
        shown.is_ok()
    }

    /// Shows everything of a login again; gives how many rooms that was.
    async fn sync(&self, login: &LoginId, owner: &UserId) -> Result<usize, String> {
        let contacts = self.context.network.contacts(login).await?;
        let mut count = 0;
        for frontend in self.context.frontends.iter().filter(|frontend| frontend.traits().hosts_rooms) {
            persist(|| frontend.doubt(login)).await?;
            count += self.look_after(&**frontend, login, owner, &contacts).await;
        }
        Ok(count)
    }
}

/// The conversations that a login has.
fn known(storage: &dyn Storage, login: &LoginId) -> Result<Vec<PortalKey>, StorageError> {
    let prefix = [login.as_str().as_bytes(), b"\0"].concat();
    let rows = storage.scan(Table::Portals, &prefix, None, MAX_PORTALS)?;
    let read = |(_, value): (Vec<u8>, Vec<u8>)| serde_json::from_slice::<PortalRecord>(&value).ok();
    Ok(rows.into_iter().filter_map(read).map(|record| record.key).collect())
}

/// Does something as often as it takes; what can never be done gives its reason.
async fn persist<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, DeliveryError>>,
{
    let mut retry = Retry::new(PAUSES[0], PAUSES[1]);
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(DeliveryError::Permanent { reason }) => return Err(reason),
            Err(error) => tracing::debug!(%error, "rooms of contacts wait"),
        }
        retry.pause().await;
    }
}
