//! What ends for a user: a login, words that wait, and waiting for a password that others could read.

use super::Router;
use super::finished::Finished;
use crate::bridge::BridgeError;
use crate::bridge::event::LocalCommand;
use crate::bridge::ids::{Leg, LoginId, PortalKey, UserId};
use crate::bridge::login::Login;
use crate::bridge::port::storage::{Batch, Urgency};
use crate::bridge::portal::PortalInput;
use crate::bridge::prompt::Prompts;

impl Router {
    /// Ends a login. Its session tells the core of its end, so the core must not wait for that.
    pub(super) async fn logout(&mut self, given: &LocalCommand, id: &LoginId) -> Result<(), BridgeError> {
        let answer = format!(
            "{id} is signed out and its password forgotten. Its rooms stay; they work again after «login {id}»."
        );
        self.end_login(given, id, answer).await
    }

    /// Logins that never got in, but for those of the configuration: a slip of the pen is no second account, of which
    /// every command would have to be told.
    pub(super) async fn forget_mistyped(
        &mut self,
        given: &LocalCommand,
        made: &LoginId,
    ) -> Result<(), BridgeError> {
        let is_slip = |login: &&Login| {
            let never_in = !login.confirmed && !self.configured.contains(&login.id);
            login.owner == given.user && login.id != *made && never_in
        };
        let mut slips: Vec<LoginId> = self.logins.values().filter(is_slip).map(|l| l.id.clone()).collect();
        slips.sort();
        for id in &slips {
            self.end_login(given, id, format!("{id} never signed in, and is forgotten.")).await?;
        }
        Ok(())
    }

    /// Forgets a login and everything that it has under way, and says so then.
    async fn end_login(
        &mut self,
        given: &LocalCommand,
        id: &LoginId,
        answer: String,
    ) -> Result<(), BridgeError> {
        let mut batch = Batch::default();
        Login::erase(id, &mut batch);
        // Until that is on disk it is a login: the command is given again when the disk works.
        self.setup.storage.commit(batch, Urgency::Now).await?;
        self.logins.remove(id);
        self.statuses.remove(id);
        let (network, id) = (self.setup.network.clone(), id.clone());
        let (portal, leg, reference) = (given.portal.clone(), given.leg, given.reference.clone());
        self.requests.spawn(async move {
            network.disconnect(&id).await;
            let ended = Some(id);
            Finished {
                portal,
                leg,
                reference,
                answer,
                with: Batch::default(),
                opens: None,
                ended,
                connect: None,
            }
        });
        Ok(())
    }

    /// What still waits was to be said by an owner who is gone.
    pub(super) async fn give_up_waiting(&self, id: &LoginId) {
        let reason = format!("the account was signed out of {}", self.around.sides.network.name);
        for (_, portal) in self.portals.iter().filter(|(key, _)| key.receiver == *id) {
            let give_up = |leg| PortalInput::GiveUp { leg, reason: reason.clone() };
            for leg in Leg::NETWORK {
                let _ = portal.send(give_up(leg)).await; // a portal that stopped has nothing under way
            }
        }
    }

    /// What waits in a conversation is not sent any more.
    pub(super) async fn take_back(&mut self, given: &LocalCommand) -> Result<Option<String>, BridgeError> {
        let portal = self.open(&given.portal)?;
        let (portal_key, leg, reference) = (given.portal.clone(), given.leg, given.reference.clone());
        let (reply, count) = tokio::sync::oneshot::channel();
        if portal.send(PortalInput::TakeBack { reply }).await.is_err() {
            return Err(BridgeError::Stopped);
        }
        self.requests.spawn(async move {
            let answer = match count.await {
                Ok(0) => "Nothing waits in this conversation.".to_owned(),
                Ok(1) => "The message that waited was taken back.".to_owned(),
                Ok(count) => format!("The {count} messages that waited were taken back."),
                Err(_) => "The bridge is stopping, and nothing was taken back.".to_owned(),
            };
            Finished {
                portal: portal_key,
                leg,
                reference,
                answer,
                with: Batch::default(),
                opens: None,
                ended: None,
                connect: None,
            }
        });
        Ok(None)
    }

    /// Somebody else can read where a password was asked for: it is not waited for any more. What was `said` there since
    /// may be it.
    pub(super) async fn overheard(
        &mut self,
        user: &UserId,
        place: String,
        said: Option<String>,
        mut with: Batch,
    ) -> Result<(), BridgeError> {
        if self.prompts.account(user).is_none() {
            drop(self.setup.storage.commit(with, Urgency::Soon));
            return Ok(());
        }
        Prompts::forget(user, &mut with);
        self.setup.storage.commit(with, Urgency::Now).await?;
        self.prompts.answered(user);
        let host = self.around.sides.host();
        let frontend = self.setup.frontends.iter().find(|frontend| Some(frontend.leg()) == host).cloned();
        let user = user.clone();
        let Some(leg) = host else { return Ok(()) };
        self.requests.spawn(async move {
            let removed = match (frontend, said) {
                (Some(frontend), Some(said)) => Some(frontend.redact(&place, &said).await),
                _ => None,
            };
            overheard_answer(&user, leg, removed)
        });
        Ok(())
    }
}

/// What a user is told whose password was not waited for any longer. `removed` says what became of what they said.
fn overheard_answer(user: &UserId, leg: Leg, removed: Option<bool>) -> Finished {
    let more = match removed {
        None => "",
        Some(true) => " What you said there was removed; if it was the password, change it.",
        Some(false) => {
            " What you said there could not be removed: please remove it yourself, and change the password if it was that."
        }
    };
    let answer = format!(
        "Somebody else can read where you were about to say a password, so it is not waited for there any more.{more} \
         Say «login» and your e-mail address here to sign in."
    );
    let portal = PortalKey::management(user);
    Finished {
        portal,
        leg,
        reference: String::new(),
        answer,
        with: Batch::default(),
        opens: None,
        ended: None,
        connect: None,
    }
}
