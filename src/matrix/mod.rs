//! The Matrix side: an appservice that shows ghosts, portals and a management room on one homeserver.
//!
//! Knows Matrix rooms, events and the appservice protocol. Refuses to know MSN and IRC: it implements
//! [`Frontend`] and speaks in the core's words. One HTTP client acts as every ghost.

mod announce;
mod appservice;
mod config;
mod deliver;
mod error;
mod html;
mod inbound;
mod intent;
mod live_notice;
mod management;
mod media;
mod member;
mod name;
mod outbound;
mod presence;
mod progress;
pub mod registration;
mod room;
mod spaces;
mod strand;
mod typing;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use ruma::{OwnedUserId, UserId};

pub use appservice::{Appservice, serve};
pub use config::MatrixConfig;
pub use error::MatrixError;
pub use intent::Homeserver;
use media::Failures;
pub use presence::run as show_presence;
pub use spaces::run as organize_spaces;

use crate::bridge::body::Attachment;
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::{GhostId, Leg, LoginId, PortalKey, UserId as BridgeUser};
use crate::bridge::link::Links;
use crate::bridge::port::delivery::{Delivery, DeliveryError, Display};
use crate::bridge::port::frontend::{Frontend, FrontendTraits, Outcome, Permissions, Signal};
use crate::bridge::port::media::{File, Media};
use crate::bridge::port::storage::Storage;

/// This side in the core.
pub const LEG: Leg = Leg::frontend("matrix");

/// The Matrix frontend.
pub struct MatrixFrontend {
    config: MatrixConfig,
    homeserver: Homeserver,
    storage: Arc<dyn Storage>,
    permissions: Arc<dyn Permissions>,
    /// What names room aliases: a hash that nobody else can compute.
    alias_of: Box<dyn Fn(&PortalKey) -> String + Send + Sync>,
    /// What was found to be so since the start; asked again when something is refused.
    known: Mutex<Known>,
    presence: presence::Board,
    company: management::Company,
    organizing: spaces::Filing,
    media: Arc<dyn Media>,
    links: Option<Arc<Links>>,
    /// For what ruma's requests would hold in memory as a whole.
    http: reqwest::Client,
}

/// Facts about the homeserver that need not be asked twice.
#[derive(Default)]
struct Known {
    registered: HashSet<OwnedUserId>,
    /// Ghosts and the name they were last given.
    named: HashMap<OwnedUserId, String>,
    joined: HashSet<(ruma::OwnedRoomId, OwnedUserId)>,
    /// Members who were told that they are not relayed; ghosts for whom the bot speaks.
    told: HashSet<(ruma::OwnedRoomId, OwnedUserId)>,
    /// What members that are relayed are called.
    names: HashMap<(ruma::OwnedRoomId, OwnedUserId), String>,
    /// Whether the homeserver lets us act as a person.
    puppets: HashMap<OwnedUserId, bool>,
    /// Uploads and downloads that failed, and how often.
    troubles: HashMap<String, u32>,
    /// Where it is shown how far files are.
    progress: HashMap<String, (ruma::OwnedRoomId, ruma::OwnedEventId)>,
    /// The rooms that people share with the bridge alone.
    management: HashMap<OwnedUserId, ruma::OwnedRoomId>,
    /// The pictures of owners that were told of last.
    portraits: HashMap<OwnedUserId, String>,
}

impl MatrixFrontend {
    pub fn new(
        config: MatrixConfig,
        homeserver: Homeserver,
        storage: Arc<dyn Storage>,
        permissions: Arc<dyn Permissions>,
        media: Arc<dyn Media>,
        links: Option<Arc<Links>>,
        alias_of: Box<dyn Fn(&PortalKey) -> String + Send + Sync>,
    ) -> Self {
        let known = Mutex::new(Known::default());
        let (presence, company, organizing) = Default::default();
        Self {
            config,
            homeserver,
            storage,
            permissions,
            alias_of,
            known,
            presence,
            company,
            organizing,
            media,
            links,
            http: intent::client(),
        }
    }

    pub fn homeserver(&self) -> &Homeserver {
        &self.homeserver
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // Nothing that holds the lock panics; a cache is right or asked again.
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The Matrix user that stands for a remote person, as `receiver` knows them.
    fn ghost(&self, receiver: &LoginId, id: &GhostId) -> Result<OwnedUserId, DeliveryError> {
        let local = match self.config.ghost_per_login {
            true => escape(&format!("{receiver} {id}")),
            false => escape(id.as_str()),
        };
        let text = format!("@{}{local}:{}", self.config.ghost_prefix, self.config.server_name);
        UserId::parse(text)
            .map_err(|error| DeliveryError::permanent(format!("{id} cannot be a Matrix user: {error}")))
    }

    /// The remote person that a Matrix user stands for.
    fn ghost_id(&self, user: &UserId) -> Option<GhostId> {
        let local = user.localpart().strip_prefix(&self.config.ghost_prefix)?;
        let text = unescape(local);
        // A blank is in no account; it stands behind the login whose ghost this is.
        let id = text.split_once(' ').map_or(text.as_str(), |(_, id)| id);
        (user.server_name() == self.config.server_name).then(|| GhostId::new(id))
    }

    /// Whether a user is the bot or a ghost.
    pub fn is_own(&self, user: &str) -> bool {
        UserId::parse(user).is_ok_and(|user| self.is_ours(&user))
    }

    fn is_ours(&self, user: &UserId) -> bool {
        user == self.config.bot || self.ghost_id(user).is_some()
    }
}

/// User ids hold few characters: the others become `=` and two hexadecimal digits.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => out.push(char::from(byte)),
            _ => out.push_str(&format!("={byte:02x}")),
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let encoded = text.replace('%', "%25").replace('=', "%");
    percent_encoding::percent_decode_str(&encoded).decode_utf8_lossy().into_owned()
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
            redaction_note: "your homeserver may keep a copy for some days",
        }
    }

    fn serves(&self, _portal: &PortalKey) -> bool {
        true
    }

    fn deliver(&self, delivery: Delivery, display: Display) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(self.deliver_entry(delivery, display))
    }

    fn report(&self, portal: &PortalKey, reference: &str, outcome: Outcome) -> BoxFuture<'_, ()> {
        let (portal, reference) = (portal.clone(), reference.to_owned());
        Box::pin(async move { self.report_outcome(&portal, &reference, outcome).await })
    }

    fn show(&self, signal: Signal) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            match signal {
                Signal::Typing { portal, author } => self.show_typing(&portal, author).await,
                Signal::Presence { logins, presence } => self.show_presence(&logins, presence),
                Signal::Named { login, ghost, titles } => self.show_name(&login, ghost, titles).await,
                Signal::Picture { login, ghost, picture } => {
                    self.show_picture(&login, &ghost, picture).await;
                }
                Signal::Progress { portal, progress } => self.show_progress(&portal, progress).await,
                Signal::Groups { login, groups } => self.show_groups(login, groups),
            }
        })
    }

    fn interpret<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Result<LocalEvent, DeliveryError>> {
        Box::pin(self.interpret_event(raw))
    }

    fn fetch<'a>(&'a self, attachment: &'a Attachment) -> BoxFuture<'a, Result<File, DeliveryError>> {
        Box::pin(self.download(attachment, Failures::Count))
    }

    fn fetch_now<'a>(&'a self, attachment: &'a Attachment) -> BoxFuture<'a, Result<File, DeliveryError>> {
        Box::pin(self.download(attachment, Failures::Ignore))
    }

    fn avatar<'a>(&'a self, user: &'a BridgeUser) -> BoxFuture<'a, Result<Option<File>, DeliveryError>> {
        Box::pin(self.picture_of(user))
    }

    fn lane(&self, raw: &[u8]) -> String {
        inbound::lane(raw)
    }

    fn owner_of_item(&self, raw: &[u8]) -> Option<BridgeUser> {
        self.owner_of_event(raw)
    }

    fn redact<'a>(&'a self, place: &'a str, reference: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(self.redact_event(place, reference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_become_legal_user_names_and_come_back() {
        for account in ["alice@example.com", "a+b_c=d%@x.org", "tel:+15551234", "ünder@x.org"] {
            let local = escape(account);
            assert!(
                local.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-=".contains(&b))
            );
            assert_eq!(unescape(&local), account);
        }
        assert_eq!(escape("alice@example.com"), "alice=40example.com");
    }
}
