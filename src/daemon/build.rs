//! Puts the parts together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attention::{self, Attention};
use super::disk::Disk;
use super::notify::Status;
use super::sharing::Sharing;
use super::source::{random_name, time_of_day};
use super::watch::Heartbeat;
use crate::bridge::ids::{LoginId, PortalKey, UserId};
use crate::bridge::inbox::Inbox;
use crate::bridge::link::{self, Links};
use crate::bridge::login::Login;
use crate::bridge::port::frontend::Frontend;
use crate::bridge::port::media::Media;
use crate::bridge::port::network::{Network, Request};
use crate::bridge::port::storage::Storage;
use crate::bridge::{Bridge, BridgeHandle, Setup};
use crate::config::{Checked, Config};
use crate::connector::MsnConnector;
use crate::irc::IrcFrontend;
use crate::matrix::{Appservice, Homeserver, MatrixFrontend, organize_spaces, show_presence};
use crate::retry::Retry;
use crate::store::{MediaDirectory, SealingKey, Store, is_store, sweep_media};

/// Names the Matrix inbox in the store.
const MATRIX_INBOX: u8 = 0;
/// Typing notices on their way to logins; more are dropped.
const TYPING: usize = 64;

/// What runs, and what is needed to stop it in order.
pub(super) struct Running {
    pub(super) bridge: BridgeHandle,
    pub(super) matrix: Arc<MatrixFrontend>,
    pub(super) store: Arc<Store>,
    /// Ends the sessions with the networks and the endpoint: nothing new comes in.
    pub(super) intake: CancellationToken,
    /// Ends the core, which first writes down what has come in.
    pub(super) core: CancellationToken,
    pub(super) intake_tasks: TaskTracker,
    pub(super) core_tasks: TaskTracker,
    /// Cancelled when the core broke off.
    pub(super) broken: CancellationToken,
    /// What the service manager is told.
    pub(super) status: Arc<Status>,
    /// Notified when the homeserver has called.
    pub(super) pinged: Arc<tokio::sync::Notify>,
    /// Notified when the homeserver should be asked for what it holds back.
    pub(super) ask_homeserver: Arc<tokio::sync::Notify>,
}

/// Opens the store; a new one gets a new key.
pub(super) fn open_store(config: &Config) -> anyhow::Result<(Arc<Store>, SealingKey)> {
    let section = &config.store;
    // A directory alone is no store: somebody may have made it for us.
    let (directory, key_file) = (&section.directory, &section.key_file);
    if is_store(directory) || key_file.exists() {
        let key = SealingKey::load(key_file)?;
        return Ok((Arc::new(Store::open_existing(directory, key.clone())?), key));
    }
    let key = SealingKey::create(key_file)?;
    match Store::open(directory, key.clone()) {
        Ok(store) => Ok((Arc::new(store), key)),
        Err(error) => {
            // Nothing is sealed with it, and beside it a store would be missed.
            let _ = std::fs::remove_file(key_file);
            Err(error.into())
        }
    }
}

/// Where files are kept on their way.
fn open_media(config: &Config) -> anyhow::Result<Arc<MediaDirectory>> {
    let directory = config.store.directory.join("media");
    let media = MediaDirectory::open(&directory, config.files.max_bytes, config.files.max_total_bytes);
    Ok(Arc::new(media.with_context(|| format!("store.directory: cannot use {}", directory.display()))?))
}

/// The homeserver's own limit counts too, as soon as it can be asked.
async fn learn_limit(matrix: Arc<MatrixFrontend>, media: Arc<MediaDirectory>, cancel: CancellationToken) {
    let asked = async {
        let mut retry = Retry::new(Duration::from_secs(1), Duration::from_secs(120));
        loop {
            match matrix.upload_limit().await {
                Ok(limit) => return limit,
                Err(error) => tracing::debug!(%error, "the homeserver does not say how large uploads may be"),
            }
            retry.pause().await;
        }
    };
    tokio::select! {
        Some(bytes) = asked => {
            tracing::info!(bytes, "the homeserver takes uploads of this size");
            media.lower_limit(bytes);
        }
        () = cancel.cancelled() => {}
        else => {}
    }
}

pub(super) async fn start(
    config: &Config,
    checked: &Checked,
    heartbeat: &Heartbeat,
) -> anyhow::Result<Running> {
    let (store, key) = open_store(config)?;
    let storage: Arc<dyn Storage> = store.clone();
    let (intake, core) = (CancellationToken::new(), CancellationToken::new());
    let broken = CancellationToken::new();
    let (intake_tasks, core_tasks) = (TaskTracker::new(), TaskTracker::new());
    let media = open_media(config)?;

    if checked.links.is_none() {
        link::clear(&*storage).await?;
    }
    let links = checked.links.as_ref().map(|links| Sharing::new(links, &key, storage.clone(), media.clone()));

    let shared = links.as_ref().map(|sharing| sharing.links.clone());
    let matrix = matrix(checked, storage.clone(), media.clone(), shared.clone(), key).await?;
    let inbox = Arc::new(Inbox::open(storage.clone(), crate::matrix::LEG, MATRIX_INBOX)?);

    let (bridge, core_task) = Bridge::channel();
    let msn = MsnConnector::new(
        checked.msn.clone(),
        bridge.clone(),
        storage.clone(),
        media.clone(),
        intake_tasks.clone(),
        intake.clone(),
    )?;
    let msn = msn.with_sign_ins_per_second(checked.sign_ins_per_second);
    let network: Arc<dyn Network> = Arc::new(msn);
    let mut frontends: Vec<Arc<dyn Frontend>> = vec![matrix.clone()];
    if !checked.irc.relays.is_empty() {
        let irc = IrcFrontend::start(checked.irc.clone(), &bridge, storage.clone(), &intake_tasks, &intake);
        frontends.push(Arc::new(irc));
    }
    core_task.start(Setup {
        storage,
        network: network.clone(),
        frontends: frontends.clone(),
        inboxes: vec![inbox.clone()],
        permissions: Arc::new(checked.permissions.clone()),
        clock: Arc::new(time_of_day),
        ghost_per_login: checked.matrix.ghost_per_login,
        names: Arc::new(random_name),
        heartbeat: heartbeat.beat(),
        media: media.clone(),
        links: shared,
        hold: checked.hold,
        cancel: core.clone(),
        broken: broken.clone(),
        tasks: core_tasks.clone(),
    })?;
    for login in &checked.logins {
        let id = LoginId::new(login.account.to_key());
        let owner = UserId::new(login.owner.as_str());
        bridge.configure_login(Login::new(id, login.account.to_string(), owner, &login.password)).await?;
    }

    for relay in &checked.irc.relays {
        bridge.open(relay.portal.clone()).await?;
    }

    let (pinged, ask_homeserver) =
        (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let status = Arc::new(Status::default());
    let disk = Disk {
        store: store.clone(),
        network: network.clone(),
        matrix: matrix.clone(),
        frontends,
        relays: checked.irc.relays.iter().map(|relay| relay.portal.clone()).collect(),
        bridge: bridge.clone(),
        status: status.clone(),
        ask_homeserver: ask_homeserver.clone(),
    };
    intake_tasks.spawn(disk.run(intake.clone()));
    let typing = forward_signals(&matrix, network, bridge.clone(), &intake, &intake_tasks);
    let appservice = appservice(checked, inbox, typing, pinged.clone(), matrix.clone());
    listen(checked, appservice, &intake, &intake_tasks).await?;
    if let (Some(sharing), Some(config)) = (links, &checked.links) {
        sharing.start(config, vec![matrix.clone()], &intake, &intake_tasks).await?;
    }
    intake_tasks.spawn(show_presence(matrix.clone(), intake.clone()));
    intake_tasks.spawn(learn_limit(matrix.clone(), media.clone(), intake.clone()));
    intake_tasks.spawn(sweep_media(media, store.clone(), intake.clone()));
    intake_tasks.spawn(organize_spaces(matrix.clone(), intake.clone()));
    Ok(Running {
        bridge,
        matrix,
        store,
        intake,
        core,
        intake_tasks,
        core_tasks,
        broken,
        status,
        pinged,
        ask_homeserver,
    })
}

async fn matrix(
    checked: &Checked,
    storage: Arc<dyn Storage>,
    media: Arc<dyn Media>,
    links: Option<Arc<Links>>,
    key: SealingKey,
) -> anyhow::Result<Arc<MatrixFrontend>> {
    let homeserver = Homeserver::new(&checked.matrix).await?;
    let alias_of = Box::new(move |portal: &PortalKey| {
        let hash = key.derive(&format!("alias\0{portal}"));
        hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    });
    let (config, permissions) = (checked.matrix.clone(), Arc::new(checked.permissions.clone()));
    let matrix = MatrixFrontend::new(config, homeserver, storage, permissions, media, links, alias_of);
    Ok(Arc::new(matrix))
}

fn appservice(
    checked: &Checked,
    inbox: Arc<Inbox>,
    attention: Attention,
    pinged: Arc<tokio::sync::Notify>,
    frontend: Arc<MatrixFrontend>,
) -> Appservice {
    let homeserver = frontend.homeserver().clone();
    Appservice {
        hs_token: checked.matrix.hs_token.clone(),
        inbox,
        ephemeral: Box::new(move |event| attention.put(event, |user| frontend.is_own(user))),
        pinged: Box::new(move || pinged.notify_one()),
        restarts: Box::new(move || homeserver.returns()),
    }
}

async fn listen(
    checked: &Checked,
    appservice: Appservice,
    cancel: &CancellationToken,
    tasks: &TaskTracker,
) -> anyhow::Result<()> {
    let address = checked.matrix.listen;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("appservice.listen: cannot listen on {address}"))?;
    tasks.spawn(crate::matrix::serve(listener, appservice, cancel.clone()));
    Ok(())
}

/// Owners who type on Matrix are seen typing on MSN; whoever does anything may be looking at presence. A login that is
/// busy, connecting perhaps, is not waited for: others type too.
fn forward_signals(
    matrix: &Arc<MatrixFrontend>,
    network: Arc<dyn Network>,
    bridge: BridgeHandle,
    cancel: &CancellationToken,
    tasks: &TaskTracker,
) -> Attention {
    let (sender, mut events) = attention::channel();
    let (matrix, cancel, typing) = (matrix.clone(), cancel.clone(), tasks.clone());
    let room = Arc::new(Semaphore::new(TYPING));
    tasks.spawn(async move {
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = cancel.cancelled() => None,
            };
            let Some(event) = event else { return };
            matrix.note_activity(&event);
            if let Some(presence) = matrix.person_presence(&event) {
                let _ = bridge.local(presence).await; // the core may be stopping
                continue;
            }
            let Some(portal) = matrix.typing_owner(&event) else { continue };
            let Ok(permit) = room.clone().try_acquire_owned() else { continue };
            let (network, cancel) = (network.clone(), cancel.clone());
            typing.spawn(async move {
                let request = Request::Typing { conversation: portal.conversation };
                tokio::select! {
                    _ = network.request(&portal.receiver, request) => {} // worth nothing later
                    () = cancel.cancelled() => {}
                }
                drop(permit);
            });
        }
    });
    sender
}
