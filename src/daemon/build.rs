//! Puts the parts together, in the order in which they need each other.
//!
//! Knows which part is handed what. Refuses to know what any of them does with it, and how they are stopped.

use std::sync::Arc;

use axum::Router;
use tokio::sync::Notify;

use super::deaf::EchoWatch;
use super::disk::Disk;
use super::homeserver::{appservice, forward_signals, learn_limit, listen};
use super::lifetimes::Lifetimes;
use super::notify::Status;
use super::pages::{Beside, Pages};
use super::reload::CurrentPermissions;
use super::sharing::Sharing;
use super::source::{random_name, random_secret, time_of_day};
use super::stores::Stores;
use super::watch::Heartbeat;
use crate::bridge::ids::{LoginId, PortalKey, UserId};
use crate::bridge::inbox::Inbox;
use crate::bridge::link::{self, Links};
use crate::bridge::login::Login;
use crate::bridge::port::frontend::{Frontend, Permissions};
use crate::bridge::port::network::Network;
use crate::bridge::port::sign_in::SignInPage;
use crate::bridge::{Bridge, BridgeHandle, Setup, ShutOutList};
use crate::config::{Checked, Config};
use crate::connector::MsnConnector;
use crate::irc::IrcFrontend;
use crate::matrix::{
    Homeserver, MatrixFrontend, ProvisionServer, ProvisionSettings, keep_keys, provision_router,
    show_presence, tend_rooms,
};
use crate::store::{Store, sweep_media};

/// Names the Matrix inbox in the store.
const MATRIX_INBOX: u8 = 0;

/// What runs, and what is needed to stop it in order.
pub(super) struct Running {
    pub(super) bridge: BridgeHandle,
    pub(super) matrix: Arc<MatrixFrontend>,
    pub(super) store: Arc<Store>,
    pub(super) lifetimes: Lifetimes,
    pub(super) notices: Notices,
    pub(super) irc: Option<Arc<IrcFrontend>>,
    /// Who may use the bridge, to be replaced.
    pub(super) permissions: CurrentPermissions,
}

/// How the parts that watch the homeserver and the disk hear of each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Notices {
    /// What the service manager is told.
    pub(super) status: Arc<Status>,
    /// Notified when the homeserver has called.
    pub(super) pinged: Arc<Notify>,
    /// Notified when the homeserver should be asked for what it holds back.
    pub(super) ask_homeserver: Arc<Notify>,
}

/// Starts the bridge: when this returns, logins are known to the core and the homeserver can call.
///
/// # Errors
/// What a part needs and does not get: the store, an address to listen on, a client for the homeserver.
pub(super) async fn start(
    config: &Config,
    checked: &Checked,
    heartbeat: &Heartbeat,
) -> anyhow::Result<Running> {
    let (stores, lifetimes) = (Stores::open(config)?, Lifetimes::default());
    let sharing = sharing(checked, &stores).await?;
    let links = sharing.as_ref().map(|sharing| sharing.links.clone());
    let pages = checked.web.as_ref().map(Pages::new);
    let current = CurrentPermissions::new(checked.permissions.clone());
    let permissions = ShutOutList::load(&*stores.store, Arc::new(current.clone()))?;
    let permissions: Arc<dyn Permissions> = Arc::new(permissions);
    let matrix = matrix(checked, &stores, permissions.clone(), links.clone()).await?;
    let inbox = Arc::new(Inbox::open(stores.storage(), crate::matrix::LEG, MATRIX_INBOX)?);
    let (bridge, core) = Bridge::channel();
    let network = network(checked, &stores, &bridge, &lifetimes)?;
    let irc = irc(checked, &stores, &bridge, &lifetimes);
    let mut frontends: Vec<Arc<dyn Frontend>> = vec![matrix.clone()];
    frontends.extend(irc.clone().map(|irc| irc as Arc<dyn Frontend>));
    let parts =
        Parts { checked, stores, lifetimes, permissions, links, matrix, inbox, bridge, network, frontends };
    core.start(parts.setup(heartbeat, pages.as_ref()))?;
    parts.introduce().await?;
    let notices = Notices::default();
    parts.take_in(&notices).await?;
    let files = parts.share(sharing).await?;
    parts.serve_pages(pages, files).await?;
    parts.keep_up();
    let Parts { stores, lifetimes, matrix, bridge, .. } = parts;
    Ok(Running { bridge, matrix, store: stores.store, lifetimes, notices, irc, permissions: current })
}

/// Files under an address, if the configuration wants any; else what was shared before is forgotten.
async fn sharing(checked: &Checked, stores: &Stores) -> anyhow::Result<Option<Sharing>> {
    let Some(config) = &checked.links else {
        link::clear(&*stores.store).await?;
        return Ok(None);
    };
    Ok(Some(Sharing::new(config, &stores.key, stores.storage(), stores.media.clone())))
}

/// The frontend, with a client for the homeserver. Aliases of rooms are derived from the key: nobody can guess one.
async fn matrix(
    checked: &Checked,
    stores: &Stores,
    permissions: Arc<dyn Permissions>,
    links: Option<Arc<Links>>,
) -> anyhow::Result<Arc<MatrixFrontend>> {
    let homeserver = Homeserver::new(&checked.matrix).await?;
    let key = stores.key.clone();
    let alias_of = Box::new(move |portal: &PortalKey| {
        let hash = key.derive(&format!("alias\0{portal}"));
        hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    });
    let mut config = checked.matrix.clone();
    if let Some(keys) = &mut config.encryption.keys {
        keys.key = stores.key.derive("keys of encrypted rooms");
    }
    let (storage, media) = (stores.storage(), stores.media.clone());
    let matrix = MatrixFrontend::new(config, homeserver, storage, permissions, media, links, alias_of);
    Ok(Arc::new(matrix))
}

/// The MSN side; its logins come from the core.
fn network(
    checked: &Checked,
    stores: &Stores,
    bridge: &BridgeHandle,
    lifetimes: &Lifetimes,
) -> anyhow::Result<Arc<dyn Network>> {
    let msn = MsnConnector::new(
        checked.msn.clone(),
        bridge.clone(),
        stores.storage(),
        stores.media.clone(),
        lifetimes.intake_tasks.clone(),
        lifetimes.intake.clone(),
    )?;
    Ok(Arc::new(msn.with_sign_ins_per_second(checked.sign_ins_per_second)))
}

/// The IRC side, where a network is configured.
fn irc(
    checked: &Checked,
    stores: &Stores,
    bridge: &BridgeHandle,
    lifetimes: &Lifetimes,
) -> Option<Arc<IrcFrontend>> {
    if checked.irc.networks.is_empty() {
        return None;
    }
    let Lifetimes { intake, intake_tasks, .. } = lifetimes;
    let key = stores.key.clone();
    let hash = Arc::new(move |account: &str| {
        let hash = key.derive(&format!("irc nick\0{account}"));
        hash.iter().map(|byte| char::from(b'a' + byte % 26)).collect::<String>()
    });
    let (mut config, storage) = (checked.irc.clone(), stores.storage());
    if checked.links.is_none() {
        // Nothing has an address: all of it is said.
        config.paste_lines = 0;
    }
    Some(Arc::new(IrcFrontend::start(config, bridge, storage, hash, intake_tasks, intake)))
}

/// Every part, made and not yet started.
struct Parts<'a> {
    checked: &'a Checked,
    stores: Stores,
    lifetimes: Lifetimes,
    permissions: Arc<dyn Permissions>,
    links: Option<Arc<Links>>,
    matrix: Arc<MatrixFrontend>,
    inbox: Arc<Inbox>,
    bridge: BridgeHandle,
    network: Arc<dyn Network>,
    frontends: Vec<Arc<dyn Frontend>>,
}

impl Parts<'_> {
    /// What the core is handed.
    fn setup(&self, heartbeat: &Heartbeat, pages: Option<&Pages>) -> Setup {
        Setup {
            storage: self.stores.storage(),
            network: self.network.clone(),
            frontends: self.frontends.clone(),
            inboxes: vec![self.inbox.clone()],
            permissions: self.permissions.clone(),
            clock: Arc::new(time_of_day),
            ghost_per_login: self.checked.matrix.ghost_per_login,
            names: Arc::new(random_name),
            heartbeat: heartbeat.beat(),
            media: self.stores.media.clone(),
            links: self.links.clone(),
            sign_in: pages.map(|pages| pages.links.clone() as Arc<dyn SignInPage>),
            hold: self.checked.hold,
            cancel: self.lifetimes.core.clone(),
            broken: self.lifetimes.broken.clone(),
            shutdown: self.lifetimes.shutdown.clone(),
            tasks: self.lifetimes.core_tasks.clone(),
        }
    }

    /// Tells the core of the logins and channels that the configuration names.
    async fn introduce(&self) -> anyhow::Result<()> {
        for login in &self.checked.logins {
            let id = LoginId::new(login.account.to_key());
            let owner = UserId::new(login.owner.as_str());
            let login = Login::new(id, login.account.to_string(), owner, &login.password);
            self.bridge.configure_login(login).await?;
        }
        for portal in self.frontends.iter().flat_map(|frontend| frontend.portals()) {
            self.bridge.open(portal).await?;
        }
        Ok(())
    }

    /// From now on the disk is watched and the homeserver is heard.
    async fn take_in(&self, notices: &Notices) -> anyhow::Result<()> {
        let Lifetimes { intake, intake_tasks, .. } = &self.lifetimes;
        self.lifetimes.spawn(self.disk(notices).run(intake.clone()));
        let echoes = EchoWatch {
            matrix: self.matrix.clone(),
            status: notices.status.clone(),
            ask_homeserver: notices.ask_homeserver.clone(),
        };
        self.lifetimes.spawn(echoes.run(intake.clone()));
        let (matrix, network, bridge) = (&self.matrix, self.network.clone(), self.bridge.clone());
        let attention = forward_signals(matrix, network, bridge, intake, intake_tasks);
        let (inbox, pinged) = (self.inbox.clone(), notices.pinged.clone());
        let appservice = appservice(self.checked, inbox, attention, pinged, matrix.clone());
        listen(self.checked, appservice, intake, intake_tasks).await
    }

    /// What leaves and comes back when the disk fails.
    fn disk(&self, notices: &Notices) -> Disk {
        Disk {
            store: self.stores.store.clone(),
            network: self.network.clone(),
            matrix: self.matrix.clone(),
            frontends: self.frontends.clone(),
            bridge: self.bridge.clone(),
            status: notices.status.clone(),
            ask_homeserver: notices.ask_homeserver.clone(),
        }
    }

    /// Serves shared files, if there are to be any; gives the server where it is to be a part of the pages for people.
    async fn share(&self, sharing: Option<Sharing>) -> anyhow::Result<Option<Router>> {
        let (Some(sharing), Some(config)) = (sharing, &self.checked.links) else { return Ok(None) };
        let Lifetimes { intake, intake_tasks, .. } = &self.lifetimes;
        sharing.start(config, vec![self.matrix.clone()], intake, intake_tasks).await
    }

    /// Serves the page on which users sign in, if there is to be one.
    async fn serve_pages(&self, pages: Option<Pages>, files: Option<Router>) -> anyhow::Result<()> {
        let Some(pages) = pages else { return Ok(()) };
        let settings = ProvisionSettings {
            server_name: self.checked.matrix.server_name.clone(),
            secret: self.checked.shared_secret.clone(),
            random: Arc::new(random_secret),
        };
        let (bridge, network, permissions) =
            (self.bridge.clone(), self.network.clone(), self.permissions.clone());
        let server = ProvisionServer::new(settings, &self.matrix, bridge.clone(), network, permissions);
        let beside = Beside { provision: provision_router(server), files };
        let Lifetimes { intake, intake_tasks, .. } = &self.lifetimes;
        pages.start(self.network.traits(), bridge, beside, intake, intake_tasks).await
    }

    /// What goes on beside the messages: presence, spaces, the upload limit, and files that nobody needs any more.
    fn keep_up(&self) {
        let intake = || self.lifetimes.intake.clone();
        let (matrix, media, store) = (&self.matrix, &self.stores.media, &self.stores.store);
        self.lifetimes.spawn(show_presence(matrix.clone(), intake()));
        self.lifetimes.spawn(learn_limit(matrix.clone(), media.clone(), intake()));
        self.lifetimes.spawn(sweep_media(media.clone(), store.clone(), intake()));
        self.lifetimes.spawn(tend_rooms(matrix.clone(), intake()));
        self.lifetimes.spawn(keep_keys(matrix.clone(), self.inbox.clone(), intake()));
    }
}
