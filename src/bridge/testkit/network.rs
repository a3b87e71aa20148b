//! The simulated network: it remembers what arrived and what was asked of it, and does what its script says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::NETWORK_TRAITS;
use super::faults::{Act, Script, Steps};
use super::side::{Arrivals, Shown, act};
use crate::bridge::body::Body;
use crate::bridge::ids::{ConversationId, GhostId, LoginId, PortalKey};
use crate::bridge::login::Credentials;
use crate::bridge::port::delivery::{Content, Delivered, Delivery, DeliveryError, Display, Emoticons};
use crate::bridge::port::media::File;
use crate::bridge::port::network::{Audience, ContactLine, Network, NetworkTraits, Offered, Request};

/// The simulated network. It cannot be asked whether something arrived.
pub(crate) struct SimNetwork {
    pub(crate) script: Script,
    steps: Arc<Steps>,
    arrivals: Arrivals,
    /// What asking something of it comes to.
    pub(crate) answers: Script,
    requests: watch::Sender<Vec<(LoginId, Request)>>,
    connects: watch::Sender<Vec<(LoginId, Credentials)>>,
    disconnects: Mutex<Vec<LoginId>>,
    /// Who is in which conversation.
    pub(crate) people: Mutex<HashMap<String, Audience>>,
    pub(crate) contacts: Mutex<Result<Vec<ContactLine>, String>>,
}

impl SimNetwork {
    pub(crate) fn new(steps: Arc<Steps>) -> Self {
        Self {
            script: Script::default(),
            steps,
            arrivals: Arrivals::new(),
            answers: Script::default(),
            requests: watch::Sender::new(Vec::new()),
            connects: watch::Sender::new(Vec::new()),
            disconnects: Mutex::default(),
            people: Mutex::default(),
            contacts: Mutex::new(Ok(Vec::new())),
        }
    }

    pub(crate) fn arrived(&self) -> watch::Receiver<Vec<Shown>> {
        self.arrivals.watch()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.borrow().iter().map(|(_, request)| request.clone()).collect()
    }

    /// The same, with whose they are, and where others wait for them.
    pub(crate) fn asked(&self) -> watch::Receiver<Vec<(LoginId, Request)>> {
        self.requests.subscribe()
    }

    pub(crate) fn disconnects(&self) -> Vec<LoginId> {
        self.disconnects.lock().unwrap().clone()
    }

    /// These people are in a conversation.
    pub(crate) fn gathers(&self, conversation: &str, people: &[&str], is_group: bool) {
        let people = people.iter().copied().map(GhostId::new).collect();
        self.people.lock().unwrap().insert(conversation.to_owned(), Audience { people, is_group });
    }

    /// Logins that were asked to connect, each time.
    pub(crate) fn connects(&self) -> Vec<LoginId> {
        self.connects.borrow().iter().map(|(login, _)| login.clone()).collect()
    }

    /// The same with what each signed in with, as it happens.
    pub(crate) fn sign_ins(&self) -> watch::Receiver<Vec<(LoginId, Credentials)>> {
        self.connects.subscribe()
    }
}

impl Network for SimNetwork {
    fn traits(&self) -> NetworkTraits {
        NETWORK_TRAITS
    }

    fn login_id(&self, account: &str) -> Result<LoginId, String> {
        if account.contains('@') { Ok(LoginId::new(account)) } else { Err("That is no address.".into()) }
    }

    fn direct_conversation(&self, contact: &str) -> Result<(GhostId, ConversationId), String> {
        match contact.contains('@') {
            true => Ok((GhostId::new(contact), ConversationId::new(contact))),
            false => Err("That is no contact.".into()),
        }
    }

    fn connect(&self, login: LoginId, credentials: Credentials) {
        self.connects.send_modify(|all| all.push((login, credentials)));
    }

    fn suspend(&self) {}

    fn resume(&self) {}

    fn disconnect<'a>(&'a self, login: &'a LoginId) -> BoxFuture<'a, ()> {
        self.disconnects.lock().unwrap().push(login.clone());
        Box::pin(async {})
    }

    fn audience(&self, portal: &PortalKey) -> Audience {
        self.people.lock().unwrap().get(portal.conversation.as_str()).cloned().unwrap_or_default()
    }

    fn deliver(
        &self,
        delivery: Delivery,
        emoticons: Emoticons,
    ) -> BoxFuture<'_, Result<Delivered, DeliveryError>> {
        // A file goes on a leg of its own; on the other there is nothing to say of it.
        if matches!(&delivery.content, Content::Said { body: Body::Attachment(_) }) {
            return Box::pin(async { Ok(Delivered::default()) });
        }
        Box::pin(async move {
            act(
                &self.script,
                &self.steps,
                &self.arrivals,
                (&delivery, &Display::default(), &emoticons),
                false,
            )
            .await
        })
    }

    /// A file that is taken is one that was offered.
    fn give(
        &self,
        delivery: Delivery,
        file: File,
        offered: Offered,
    ) -> BoxFuture<'_, Result<Delivered, DeliveryError>> {
        let delivery = Delivery { content: Content::Said { body: Body::File(file) }, ..delivery };
        Box::pin(async move {
            if matches!(self.script.first(), Some(Act::Offered(_))) {
                offered.tell();
            }
            self.deliver(delivery, Vec::new()).await
        })
    }

    fn request<'a>(&'a self, login: &'a LoginId, request: Request) -> BoxFuture<'a, Result<(), String>> {
        self.requests.send_modify(|all| all.push((login.clone(), request)));
        Box::pin(async {
            match self.answers.act() {
                Act::Refuse(error) => Err(error.to_string()),
                Act::Hang { .. } => std::future::pending().await,
                Act::Late(after) => {
                    tokio::time::sleep(after).await;
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    }

    fn contacts<'a>(&'a self, _login: &'a LoginId) -> BoxFuture<'a, Result<Vec<ContactLine>, String>> {
        let contacts = self.contacts.lock().unwrap().clone();
        Box::pin(async { contacts })
    }
}
