//! The MSN network: which login has a task, and what the core asks of each.
//!
//! Knows the tasks of all logins and how they are reached. Refuses to know sessions, calls and sockets. Implements the
//! core's [`Network`].

mod delivery;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridge::BridgeHandle;
use crate::bridge::event::{RemoteEvent, RemoteKind};
use crate::bridge::ids::{ConversationId, GhostId, LoginId, PortalKey};
use crate::bridge::login::Credentials;
use crate::bridge::port::delivery::{Delivered, Delivery, DeliveryError, Emoticons};
use crate::bridge::port::media::{File, Media};
use crate::bridge::port::network::{Audience, ContactLine, Network, NetworkTraits, Offered, Request};
use crate::bridge::port::storage::Storage;
use crate::bridge::sentence::sentence;
use crate::connector::config::MsnConfig;
use crate::connector::context::{Shared, names};
use crate::connector::error::{CallFailure, TicketError};
use crate::connector::handle::{CallHandle, Message};
use crate::connector::interrupted::Interrupted;
use crate::connector::login::command::LoginCommand;
use crate::connector::login::pace;
use crate::connector::login::pace::SignInPace;
use crate::connector::login::task::{LoginContext, LoginTask};
use crate::connector::net::dial::Dialler;
use crate::connector::net::passport::Passport;
use crate::connector::net::token_service::TokenService;
use crate::connector::object::{emoticon, own_picture};
use crate::connector::translate::{convert, group};
use crate::msn::command::ErrorCode;
use crate::msn::ids::Email;
use crate::msn::session::InviteFailure;
use delivery::Attempts;

/// Requests waiting for one login's task; full, whoever asks waits.
pub(in crate::connector) const MAILBOX: usize = 64;

/// The MSN network.
pub struct MsnConnector {
    pub(in crate::connector) shared: Shared,
    pace: Arc<SignInPace>,
    interrupted: Interrupted,
    logins: Mutex<HashMap<LoginId, LoginHandle>>,
    /// Nobody is connected until this is over.
    suspended: AtomicBool,
    /// Whose owners' pictures cannot be shown, and why.
    without_picture: Mutex<HashMap<LoginId, String>>,
}

/// Where one login is asked, and how it is ended.
struct LoginHandle {
    mailbox: mpsc::Sender<LoginCommand>,
    cancel: CancellationToken,
}

impl MsnConnector {
    /// The connector without any login; nothing is connected to. `tasks` and `cancel`: how it is stopped.
    ///
    /// # Errors
    /// No client for sign-in pages can be made of the configuration.
    pub fn new(
        config: MsnConfig,
        bridge: BridgeHandle,
        storage: Arc<dyn Storage>,
        media: Arc<dyn Media>,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Result<Self, TicketError> {
        let passport = Passport::new(&config)?;
        let tokens = TokenService::new(passport.client(), &config);
        let dialler = Arc::new(Dialler::new(&config, passport.client()));
        let config = Arc::new(config);
        // Without the disk nothing works, and that is said elsewhere.
        let interrupted = Interrupted::load(&storage).unwrap_or_default();
        let pace = Arc::new(SignInPace::new(pace::DEFAULT_RATE));
        let shared = Shared { config, passport, tokens, dialler, bridge, storage, media, tasks, cancel };
        Ok(Self {
            shared,
            pace,
            interrupted,
            logins: Mutex::default(),
            suspended: AtomicBool::new(false),
            without_picture: Mutex::default(),
        })
    }

    /// Lets so many logins sign in a second; 5 where this is not called. Those whom a person waits for go besides.
    #[must_use]
    pub fn with_sign_ins_per_second(mut self, rate: u32) -> Self {
        self.pace = Arc::new(SignInPace::new(rate));
        self
    }

    fn login_context(&self) -> LoginContext {
        let (shared, pace, interrupted) = (self.shared.clone(), self.pace.clone(), self.interrupted.clone());
        LoginContext { shared, pace, interrupted }
    }

    fn logins(&self) -> std::sync::MutexGuard<'_, HashMap<LoginId, LoginHandle>> {
        // Nothing that holds the lock panics.
        self.logins.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn mailbox(&self, login: &LoginId) -> Option<mpsc::Sender<LoginCommand>> {
        self.logins().get(login).map(|handle| handle.mailbox.clone())
    }

    /// Asks a login's task something; `None` when there is no such task.
    async fn ask<T>(
        &self,
        login: &LoginId,
        ask: impl FnOnce(oneshot::Sender<T>) -> LoginCommand,
    ) -> Option<T> {
        let mailbox = self.mailbox(login)?;
        let (reply, answer) = oneshot::channel();
        mailbox.send(ask(reply)).await.ok()?;
        answer.await.ok()
    }

    async fn deliver_message(
        &self,
        delivery: Delivery,
        pictures: Emoticons,
    ) -> Result<Delivered, DeliveryError> {
        let Some(mut message) = convert::message(&delivery, &self.shared.config.relay) else {
            return Ok(Delivered::default());
        };
        if let Message::Text { text, emoticons, .. } = &mut message
            && let Ok(email) = Email::parse(delivery.portal.receiver.as_str())
        {
            *emoticons = emoticon::prepare(&self.shared, &email, &pictures, text).await;
        }
        Attempts::new(self, &delivery, message).run().await
    }

    /// Gives a file, in another call where the first never offered it.
    async fn give_file(
        &self,
        portal: &PortalKey,
        file: &File,
        offered: Offered,
    ) -> Result<Delivered, DeliveryError> {
        let mut result = self.offer_file(portal, file, offered.clone()).await;
        if matches!(result, Err(DeliveryError::Transient { .. })) {
            tokio::time::sleep(Duration::from_millis(500)).await;
            result = self.offer_file(portal, file, offered).await;
        }
        self.shared.media.discard(&file.media);
        result.map(|()| Delivered::default()).map_err(|error| match error {
            DeliveryError::Transient { reason, .. } => DeliveryError::permanent(reason),
            error => error,
        })
    }

    /// Offers a file. That takes as long as they need to answer and to take it; what is said goes on meanwhile.
    async fn offer_file(
        &self,
        portal: &PortalKey,
        file: &File,
        offered: Offered,
    ) -> Result<(), DeliveryError> {
        let call = self.call_for(portal, None).await?;
        let Err(failure) = call.send_file(file.clone(), offered).await else { return Ok(()) };
        Err(match failure {
            CallFailure::Lost | CallFailure::NotOpened(_) if self.shared.cancel.is_cancelled() => {
                delivery::stopping()
            }
            CallFailure::Nobody(InviteFailure::Refused(ErrorCode::NOT_ONLINE))
            | CallFailure::NoBoard(ErrorCode::HIDDEN) => self.away(portal, &failure).await,
            // It was never offered: the next call may be a better one.
            CallFailure::NotOpened(_) | CallFailure::NoBoard(_) | CallFailure::NoAssignment => {
                DeliveryError::transient(failure.to_string())
            }
            failure => DeliveryError::permanent(failure.to_string()),
        })
    }

    /// The call of a conversation, another than the one that is worn out.
    ///
    /// # Errors
    /// Everything for this login must wait: there is no session, or it does not answer.
    async fn call_for(
        &self,
        portal: &PortalKey,
        worn: Option<CallHandle>,
    ) -> Result<CallHandle, DeliveryError> {
        let conversation = portal.conversation.clone();
        let call = self.ask(&portal.receiver, |reply| LoginCommand::Call { conversation, worn, reply }).await;
        call.ok_or_else(delivery::not_signed_in)?.map_err(|reason| DeliveryError::LegDown { reason })
    }

    /// Makes what a login shows of its owner, and has it announced.
    async fn set_face(&self, login: &LoginId, file: Option<&File>) -> Result<(), String> {
        let email = Email::parse(login.as_str()).map_err(|error| error.to_string())?;
        let face = own_picture::make(&self.shared, login, &email, file).await;
        file.inspect(|file| self.shared.media.discard(&file.media));
        if let Err(reason) = &face {
            self.tell_of_face(login, reason).await;
        } else {
            self.without_picture().remove(login);
        }
        match self.mailbox(login) {
            Some(mailbox) => drop(mailbox.send(LoginCommand::OwnPicture(face?)).await), // it may just have ended
            // Logged out meanwhile.
            None => drop(own_picture::make(&self.shared, login, &email, None).await?),
        }
        Ok(())
    }

    fn without_picture(&self) -> std::sync::MutexGuard<'_, HashMap<LoginId, String>> {
        // Nothing that holds the lock panics.
        self.without_picture.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// An owner whose picture cannot be shown hears why, once for each reason.
    async fn tell_of_face(&self, login: &LoginId, reason: &str) {
        let known = self.without_picture().insert(login.clone(), reason.to_owned());
        if known.as_deref() == Some(reason) {
            return;
        }
        let text = format!(
            "Your Matrix avatar is not shown on MSN: {} It is tried again at the next sign-in, or with another picture.",
            sentence(reason)
        );
        let event = RemoteEvent { login: login.clone(), kind: RemoteKind::Notice { text } };
        let _ = self.shared.bridge.remote(event).await; // the core may be stopping
    }
}

impl Network for MsnConnector {
    fn traits(&self) -> NetworkTraits {
        NetworkTraits {
            name: "MSN",
            command_prefix: "!msn",
            account: "e-mail",
            presences: "online, busy, idle, brb, away, phone, lunch or hidden",
        }
    }

    fn login_id(&self, account: &str) -> Result<LoginId, String> {
        let email = Email::parse(account.trim()).ok().filter(Email::is_address);
        let email = email.ok_or_else(|| format!("«{account}» is not an e-mail address."))?;
        Ok(LoginId::new(email.to_key()))
    }

    fn direct_conversation(&self, contact: &str) -> Result<(GhostId, ConversationId), String> {
        let email = Email::parse(contact.trim()).ok().filter(Email::is_address);
        let email = email.ok_or_else(|| format!("«{contact}» is not an e-mail address."))?;
        Ok((names::ghost_id(&email), convert::direct(&email)))
    }

    fn connect(&self, login: LoginId, credentials: Credentials) {
        let mut logins = self.logins();
        if self.suspended.load(Ordering::Acquire) {
            return;
        }
        if let Some(handle) = logins.get(&login).filter(|handle| !handle.mailbox.is_closed()) {
            // A full mailbox belongs to a task that is busy signing in already.
            if handle.mailbox.try_send(LoginCommand::Connect(credentials.clone())).is_ok() {
                return;
            }
        }
        let (mailbox, asks) = mpsc::channel(MAILBOX);
        let cancel = self.shared.cancel.child_token();
        let task = LoginTask::new(self.login_context(), login.clone(), credentials, asks, cancel.clone());
        self.shared.tasks.spawn(task.run());
        if let Some(old) = logins.insert(login, LoginHandle { mailbox, cancel }) {
            old.cancel.cancel();
        }
    }

    fn suspend(&self) {
        let mut logins = self.logins();
        self.suspended.store(true, Ordering::Release);
        logins.drain().for_each(|(_, handle)| handle.cancel.cancel());
    }

    fn resume(&self) {
        self.suspended.store(false, Ordering::Release);
    }

    fn disconnect<'a>(&'a self, login: &'a LoginId) -> BoxFuture<'a, ()> {
        // Its session ends now, whenever its end is waited for.
        let handle = self.logins().remove(login).inspect(|handle| handle.cancel.cancel());
        Box::pin(async move {
            if let Some(handle) = handle {
                handle.mailbox.closed().await;
            }
            // It looks like nothing to anybody any more.
            if let Ok(email) = Email::parse(login.as_str()) {
                let _ = own_picture::make(&self.shared, login, &email, None).await; // its row stays, and is used again
            }
        })
    }

    fn audience(&self, portal: &PortalKey) -> Audience {
        let members = group::members(&self.shared, &portal.receiver, &portal.conversation);
        let people = members.iter().map(names::ghost_id).collect();
        Audience { people, is_group: group::is_group(&portal.conversation) }
    }

    fn takes_files(&self, portal: &PortalKey) -> bool {
        !group::is_group(&portal.conversation)
    }

    fn deliver(
        &self,
        delivery: Delivery,
        emoticons: Emoticons,
    ) -> BoxFuture<'_, Result<Delivered, DeliveryError>> {
        Box::pin(self.deliver_message(delivery, emoticons))
    }

    fn give(
        &self,
        delivery: Delivery,
        file: File,
        offered: Offered,
    ) -> BoxFuture<'_, Result<Delivered, DeliveryError>> {
        Box::pin(async move { self.give_file(&delivery.portal, &file, offered).await })
    }

    fn request<'a>(&'a self, login: &'a LoginId, request: Request) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            if let Request::Picture(file) = request {
                return self.set_face(login, file.as_ref()).await;
            }
            let answer = self.ask(login, |reply| LoginCommand::Request { request, reply }).await;
            answer.unwrap_or_else(|| Err("you are not signed in to MSN".into()))
        })
    }

    fn about<'a>(&'a self, login: &'a LoginId, ghost: &'a GhostId) -> BoxFuture<'a, String> {
        Box::pin(async move {
            let Ok(who) = Email::parse(ghost.as_str()) else { return String::new() };
            let answer = self.ask(login, |reply| LoginCommand::About { who, reply }).await;
            answer.unwrap_or_else(|| "You are not signed in to MSN, so nothing is known of them now.".into())
        })
    }

    fn contacts<'a>(&'a self, login: &'a LoginId) -> BoxFuture<'a, Result<Vec<ContactLine>, String>> {
        Box::pin(async move {
            let answer = self.ask(login, |reply| LoginCommand::Contacts { reply }).await;
            answer.unwrap_or_else(|| Err("you are not signed in to MSN".into()))
        })
    }
}
