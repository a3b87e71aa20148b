//! Logins that show what their owner's own client shows: nobody is online because a server is up.

use super::Router;
use crate::bridge::event::Availability;
use crate::bridge::ids::{LoginId, UserId};
use crate::bridge::login::Login;
use crate::bridge::port::network::Request;
use crate::bridge::port::storage::{Batch, Urgency};

/// What the network is told of an owner. Somebody whose client is closed can still be written to: they are away.
fn word(availability: Availability) -> &'static str {
    match availability {
        Availability::Online => "online",
        Availability::Away => "idle",
        Availability::Offline => "away",
    }
}

impl Router {
    /// What an owner looks like is brought to the network, for all logins of theirs or for one.
    pub(super) fn show_owner(&mut self, user: &UserId, only: Option<&LoginId>) {
        let own = |login: &&Login| login.owner == *user && only.is_none_or(|only| *only == login.id);
        for login in self.logins.values().filter(own) {
            let (login, user) = (login.id.clone(), user.clone());
            let (network, frontends) = (self.setup.network.clone(), self.setup.frontends.clone());
            let one = self.portraits.entry(login.clone()).or_default().clone();
            self.setup.tasks.spawn(async move {
                // Whoever comes last sees what is there last.
                let _one = one.lock().await;
                for frontend in frontends.iter().filter(|frontend| frontend.traits().shows_users) {
                    let shown = async {
                        let portrait = frontend.avatar(&user).await.map_err(|error| error.to_string())?;
                        network.request(&login, Request::Picture(portrait)).await
                    };
                    if let Err(reason) = shown.await {
                        tracing::info!(%login, reason, "the owner's picture is not shown");
                    }
                }
            });
        }
    }

    /// One of the users came, went, or says something else of themselves.
    pub(super) fn owner_presence(&mut self, user: &UserId, availability: Availability, text: &str) {
        let word = word(availability);
        tracing::debug!(%user, word, "an owner's presence");
        let mut requests = Vec::new();
        for login in self.logins.values_mut().filter(|login| login.owner == *user && login.follows) {
            if login.presence != word {
                word.clone_into(&mut login.presence);
                let mut batch = Batch::default();
                login.store(&mut batch);
                drop(self.setup.storage.commit(batch, Urgency::Soon));
                requests.push((login.id.clone(), Request::Presence(word.to_owned())));
            }
            let known = self.status_texts.entry(login.id.clone()).or_default();
            if login.personal_message.is_empty() && known != text {
                text.clone_into(known);
                requests.push((login.id.clone(), Request::PersonalMessage(text.to_owned())));
            }
        }
        for (login, request) in requests {
            let network = self.setup.network.clone();
            self.setup.tasks.spawn(async move {
                if let Err(reason) = network.request(&login, request).await {
                    tracing::debug!(%login, reason, "the owner's presence was not shown");
                }
            });
        }
    }
}
