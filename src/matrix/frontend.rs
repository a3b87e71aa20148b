//! The frontend: what the core asks of this side, handed to the component that owns it.
//!
//! Knows which component answers what. Refuses to hold state of its own.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use ruma::UserId;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::appservice::ephemeral;
use super::component::Components;
use super::config::{LEG, MatrixConfig, RoomPolicy};
use super::encryption::Tell;
use super::homeserver::{Failures, Homeserver, MatrixError};
use super::inbound::{self, EventInterpreter};
use super::outbound::{
    Announcer, EntrySender, NamePublisher, ProgressPublisher, StatusReporter, TypingPublisher,
};
use super::room::{RoomAdoption, SpaceOrganizer};
use crate::bridge::BridgeError;
use crate::bridge::body::Attachment;
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::{Leg, LoginId, PortalKey, UserId as BridgeUser};
use crate::bridge::inbox::Inbox;
use crate::bridge::link::Links;
use crate::bridge::port::delivery::{Delivery, DeliveryError, Display};
use crate::bridge::port::frontend::{Frontend, FrontendTraits, Outcome, Permissions, Signal};
use crate::bridge::port::media::{File, Media};
use crate::bridge::port::storage::Storage;

/// Most invitations that somebody wants to find all at once.
const MAX_INVITATIONS: usize = 50;

/// The Matrix frontend.
pub struct MatrixFrontend {
    components: Components,
    policy: RoomPolicy,
    spaces: SpaceOrganizer,
    adoption: RoomAdoption,
    entries: EntrySender,
    status: StatusReporter,
    typing: TypingPublisher,
    progress: ProgressPublisher,
    names: NamePublisher,
    announcer: Announcer,
    interpreter: EventInterpreter,
}

impl MatrixFrontend {
    /// Wires the components; nothing is sent yet. `alias_of` names the room of a portal in a way that nobody else can.
    pub fn new(
        config: MatrixConfig,
        homeserver: Homeserver,
        storage: Arc<dyn Storage>,
        permissions: Arc<dyn Permissions>,
        media: Arc<dyn Media>,
        links: Option<Arc<Links>>,
        alias_of: Box<dyn Fn(&PortalKey) -> String + Send + Sync>,
    ) -> Self {
        let components = Components::new(&config, homeserver, storage, media.clone(), alias_of);
        Self {
            policy: config.rooms,
            spaces: components.spaces(&config),
            adoption: components.adoption(),
            entries: components.entries(links.clone()),
            status: components.status(&config),
            typing: components.typing(),
            progress: components.progress(),
            names: components.names(),
            announcer: components.announcer(),
            interpreter: components.interpreter(permissions, media, links),
            components,
        }
    }

    pub(super) fn components(&self) -> &Components {
        &self.components
    }

    pub fn homeserver(&self) -> &Homeserver {
        &self.components.homeserver
    }

    /// Whether a user is the bot or a ghost.
    pub fn is_own(&self, user: &str) -> bool {
        UserId::parse(user).is_ok_and(|user| self.components.ids.is_ours(&user))
    }

    /// The largest upload that the homeserver takes, in bytes, if it says so.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub async fn upload_limit(&self) -> Result<Option<u64>, MatrixError> {
        self.components.media.upload_limit().await
    }

    /// Looks up where owners of logins are told things, for the time when that is not possible.
    ///
    /// # Errors
    /// The store's own.
    pub fn prepare_to_announce(&self) -> Result<(), BridgeError> {
        self.components.registry.look_up_management()
    }

    /// Says something to everybody at once, in the room that they share with the bridge alone.
    pub async fn announce(&self, id: &str, text: &str) {
        self.announcer.announce(id, text).await;
    }

    /// The bot types for a moment in a room that it shares with somebody alone: a homeserver that passes typing on is heard
    /// then.
    pub async fn type_to_nobody(&self) {
        self.typing.to_nobody().await;
    }

    /// The portal whose owner an ephemeral event says is typing.
    pub fn typing_owner(&self, event: &Value) -> Option<PortalKey> {
        let typing = ephemeral::typing(event)?;
        let registry = &self.components.registry;
        let portal = registry.portal_of(&typing.room).ok()??;
        let owner = registry.owner_of(&portal).ok()??;
        typing.users.iter().any(|user| *user == owner).then_some(portal)
    }

    /// What an ephemeral event says of somebody's presence.
    pub fn person_presence(&self, event: &Value) -> Option<LocalEvent> {
        let ephemeral::PersonPresence { user, availability, text } = ephemeral::presence(event)?;
        let is_person = !self.components.ids.is_ours(&user);
        let user = BridgeUser::new(user.as_str());
        is_person.then_some(LocalEvent::Presence { user, availability, text })
    }

    /// People who type, read or come online are looking.
    pub fn note_activity(&self, event: &Value) {
        ephemeral::active_users(event).iter().for_each(|user| self.components.presence.seen(user));
    }

    async fn show_signal(&self, signal: Signal) {
        match signal {
            Signal::Typing { portal, author } => self.typing.show(&portal, author).await,
            Signal::Presence { logins, presence } => self.components.presence.show(&logins, presence),
            Signal::Named { login, ghost, titles } => self.names.show(&login, ghost, titles).await,
            Signal::Picture { login, ghost, picture } => {
                let shown = self.components.profiles.show_avatar(&login, &ghost, picture).await;
                if let Some(user) = shown
                    && let Err(error) = self.components.rooms.repicture(&user).await
                {
                    tracing::info!(%error, %user, "rooms do not bear a new picture");
                }
            }
            Signal::Progress { portal, progress } => self.progress.show(&portal, progress).await,
            Signal::Groups { login, groups } => self.spaces.show_groups(login, groups),
        }
    }
}

/// Shows presence of contacts, and what they have of what was said, until stopped.
pub async fn show_presence(frontend: Arc<MatrixFrontend>, cancel: CancellationToken) {
    let Components { presence, receipts, .. } = &frontend.components;
    tokio::join!(presence.run(cancel.clone()), receipts.run(cancel));
}

/// Keeps the keys of encrypted rooms up to date, and has what waited for one read again, until stopped.
pub async fn keep_keys(frontend: Arc<MatrixFrontend>, inbox: Arc<Inbox>, cancel: CancellationToken) {
    let whole = frontend.clone();
    let tell: Tell = Box::new(move |id, text| {
        let frontend = whole.clone();
        Box::pin(async move {
            if let Err(error) = frontend.prepare_to_announce() {
                tracing::warn!(%error, "not everybody is told");
            }
            frontend.announce(&id, &text).await;
        })
    });
    frontend.components.encryption.run(inbox, tell, cancel).await;
}

/// Shows who the bot is, files rooms in spaces, and leaves those that are given up, until stopped.
pub async fn tend_rooms(frontend: Arc<MatrixFrontend>, cancel: CancellationToken) {
    let introduced = cancel.run_until_cancelled(frontend.components.bot.show());
    let left = frontend.components.rooms.leaver.run(cancel.clone());
    futures_util::join!(introduced, frontend.spaces.run(cancel.clone()), left);
}

impl Frontend for MatrixFrontend {
    fn leg(&self) -> Leg {
        LEG
    }

    fn traits(&self) -> FrontendTraits {
        FrontendTraits {
            name: "Matrix",
            carries_files: true,
            shows_titles: true,
            hosts_rooms: true,
            shows_users: true,
            speaks_in_lines: false,
            redaction_note: "your homeserver may keep a copy for some days",
        }
    }

    fn serves(&self, _portal: &PortalKey) -> bool {
        true
    }

    fn deliver(&self, delivery: Delivery, display: Display) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let (portal, author) = (delivery.portal.clone(), delivery.author.clone());
            self.entries.deliver(delivery, display).await?;
            self.typing.end(&portal, &author).await;
            Ok(())
        })
    }

    fn report(&self, portal: &PortalKey, reference: &str, outcome: Outcome) -> BoxFuture<'_, ()> {
        let (portal, reference) = (portal.clone(), reference.to_owned());
        Box::pin(async move { self.status.report(&portal, &reference, outcome).await })
    }

    fn show(&self, signal: Signal) -> BoxFuture<'_, ()> {
        Box::pin(self.show_signal(signal))
    }

    fn interpret<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Result<LocalEvent, DeliveryError>> {
        Box::pin(self.interpreter.interpret(raw))
    }

    fn fetch<'a>(&'a self, attachment: &'a Attachment) -> BoxFuture<'a, Result<File, DeliveryError>> {
        Box::pin(self.components.media.download(attachment, Failures::Count))
    }

    fn fetch_now<'a>(&'a self, attachment: &'a Attachment) -> BoxFuture<'a, Result<File, DeliveryError>> {
        Box::pin(self.components.media.download(attachment, Failures::Ignore))
    }

    fn avatar<'a>(&'a self, user: &'a BridgeUser) -> BoxFuture<'a, Result<Option<File>, DeliveryError>> {
        Box::pin(self.components.avatars.fetch(user))
    }

    fn lane(&self, raw: &[u8]) -> String {
        inbound::lane(raw)
    }

    fn owner_of_item(&self, raw: &[u8]) -> Option<BridgeUser> {
        self.interpreter.owner_of_item(raw)
    }

    fn lists_contacts<'a>(
        &'a self,
        owner: &'a BridgeUser,
        contacts: usize,
    ) -> BoxFuture<'a, Result<bool, DeliveryError>> {
        Box::pin(async move {
            match (self.policy, UserId::parse(owner.as_str())) {
                (RoomPolicy::All, _) => Ok(true),
                (RoomPolicy::Spoken, _) | (RoomPolicy::Auto, Err(_)) => Ok(false),
                (RoomPolicy::Auto, _) if contacts <= MAX_INVITATIONS => Ok(true),
                (RoomPolicy::Auto, Ok(owner)) => Ok(self.components.puppets.may_act_as(&owner).await?),
            }
        })
    }

    fn ensure_room<'a>(
        &'a self,
        portal: &'a PortalKey,
        display: Display,
        makes: bool,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async move { self.components.rooms.show(portal, &display, makes).await })
    }

    fn doubt<'a>(&'a self, login: &'a LoginId) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async move {
            self.components.rooms.doubt(login).await?;
            self.spaces.doubt(login).await
        })
    }

    fn remove_portal<'a>(
        &'a self,
        portal: &'a PortalKey,
        keeps_people: bool,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(self.components.rooms.delete(portal, keeps_people))
    }

    fn adopt_room<'a>(
        &'a self,
        portal: &'a PortalKey,
        display: Display,
        place: &'a str,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(self.adoption.adopt(portal, display, place))
    }

    fn redact<'a>(&'a self, place: &'a str, reference: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(self.components.sender.redact_password(place, reference))
    }
}
