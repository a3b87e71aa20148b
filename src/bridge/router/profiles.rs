//! Logins that show what their owner's own client shows: a picture, a presence, a status text. Nobody is online because a
//! server is up.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::logins::LoginRegistry;
use crate::bridge::event::Availability;
use crate::bridge::ids::{LoginId, UserId};
use crate::bridge::login::Login;
use crate::bridge::port::frontend::Frontend;
use crate::bridge::port::network::{Network, Request};
use crate::bridge::port::storage::{Batch, Storage, Urgency};

/// The network's word for an owner's presence. A user whose client is closed can still be written to: they are away.
fn word(availability: Availability) -> &'static str {
    match availability {
        Availability::Online => "online",
        Availability::Away => "idle",
        Availability::Offline => "away",
    }
}

/// What logins show of their owners, as far as that was passed on in this life.
pub(super) struct OwnerProfiles {
    network: Arc<dyn Network>,
    /// The sides on which users look like something.
    frontends: Vec<Arc<dyn Frontend>>,
    storage: Arc<dyn Storage>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    /// What owners say of themselves, as far as it was passed on.
    status_texts: HashMap<LoginId, String>,
    /// One change of a login's picture at a time.
    pictures: HashMap<LoginId, Arc<Mutex<()>>>,
}

impl OwnerProfiles {
    pub(super) fn new(
        network: Arc<dyn Network>,
        frontends: &[Arc<dyn Frontend>],
        storage: Arc<dyn Storage>,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let shows = |frontend: &&Arc<dyn Frontend>| frontend.traits().shows_users;
        let frontends = frontends.iter().filter(shows).cloned().collect();
        Self {
            network,
            frontends,
            storage,
            tasks,
            cancel,
            status_texts: HashMap::new(),
            pictures: HashMap::new(),
        }
    }

    /// A login's owner looks like something new, or the login does not show it yet.
    pub(super) fn show_picture(&mut self, login: &Login) {
        let (login, user) = (login.id.clone(), login.owner.clone());
        let (network, frontends) = (self.network.clone(), self.frontends.clone());
        let one = self.pictures.entry(login.clone()).or_default().clone();
        self.start(async move {
            // The last change sees what is there last.
            let _one = one.lock().await;
            for frontend in frontends {
                let shown = async {
                    let picture = frontend.avatar(&user).await.map_err(|error| error.to_string())?;
                    network.request(&login, Request::Picture(picture)).await
                };
                if let Err(reason) = shown.await {
                    tracing::info!(%login, reason, "the owner's picture is not shown");
                }
            }
        });
    }

    /// One of the users came, went, or says something else of themselves.
    pub(super) fn presence(
        &mut self,
        logins: &mut LoginRegistry,
        user: &UserId,
        availability: Availability,
        text: &str,
    ) {
        let word = word(availability);
        tracing::debug!(%user, word, "an owner's presence");
        for login in logins.of_owner_mut(user).filter(|login| login.follows) {
            if login.presence != word {
                word.clone_into(&mut login.presence);
                let mut batch = Batch::default();
                login.store(&mut batch);
                // Lost in a crash, the next presence says more.
                drop(self.storage.commit(batch, Urgency::Soon));
                self.request(login.id.clone(), Request::Presence(word.to_owned()));
            }
            let known = self.status_texts.entry(login.id.clone()).or_default();
            if login.personal_message.is_empty() && known != text {
                text.clone_into(known);
                self.request(login.id.clone(), Request::PersonalMessage(text.to_owned()));
            }
        }
    }

    /// A stop waits for nothing of this: a network that does not answer would hold it up.
    fn start(&self, shown: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move { cancel.run_until_cancelled(shown).await });
    }

    /// Asks the network beside everything else; a failure shows the next time.
    fn request(&self, login: LoginId, request: Request) {
        let network = self.network.clone();
        self.start(async move {
            if let Err(reason) = network.request(&login, request).await {
                tracing::debug!(%login, reason, "the owner's presence was not shown");
            }
        });
    }
}
