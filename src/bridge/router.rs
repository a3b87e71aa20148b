//! The router: one task that knows every login and portal, and hands what happens to the right one.
//!
//! Knows where things go. Refuses to wait: neither the disk nor the network nor a portal holds up its loop. An input that
//! finds no room, or a disk that fails, stays at the head and is tried again; until then no other is taken.

mod accounts;
mod administration;
mod channels;
mod commands;
mod context;
mod dead_letters;
mod early;
mod effects;
mod explanation;
mod finished;
mod handle;
mod inbound;
mod local;
mod logins;
mod portals;
mod profiles;
mod questions;
mod reader;
mod requests;
mod rooms;
mod rooms_on_demand;
mod setback;
mod signals;
mod status;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::BridgeError;
use super::border;
use super::ghost_names::GhostNames;
use super::ids::PortalKey;
use super::overview::Overview;
use super::port::storage::{Batch, disk_retry};
use super::portal::{PortalContext, Quiet, Undeliverable};
use super::report::Reports;
use super::sentence::sentence;
use super::sides::Sides;
use super::trace::TraceLog;
use super::writer::{Disk, Writer};
use crate::retry::Retry;
use commands::CommandService;
use context::RouterContext;
use early::EarlyNotices;
use finished::Finished;
pub(in crate::bridge) use handle::Input;
pub use handle::{Bridge, BridgeHandle, Setup};
use logins::LoginRegistry;
use portals::PortalTable;
use profiles::OwnerProfiles;
use rooms::ContactRooms;
use setback::Setback;
use signals::SignalHub;

/// Failures, and portals that are quiet, on their way to the router.
const NOTES: usize = 64;
/// How long a stop waits for what has no room, or a disk that fails.
const GRACE: Duration = Duration::from_secs(5);

/// Something the router is to act on.
#[derive(Clone)]
enum Work {
    Input(Box<Input>),
    Finished(Box<Finished>),
    Failure(Undeliverable),
}

/// Work that cannot be done now, and when it is tried again.
struct Stalled {
    work: Work,
    until: BoxFuture<'static, ()>,
}

/// The one task through which everything passes.
struct Router {
    context: RouterContext,
    commands: CommandService,
    failures: mpsc::Receiver<Undeliverable>,
    /// Portals in which nothing has happened for long.
    quiet: mpsc::Receiver<Quiet>,
    /// Conversations that are there though nothing was said in them.
    met: mpsc::Receiver<PortalKey>,
    stalled: Option<Stalled>,
    /// Pauses between attempts on a disk that fails.
    disk: Retry,
}

impl Router {
    /// Reads what is stored, opens the portals in which something waits, and connects the logins.
    fn load(setup: Setup, overview: Overview) -> Result<Self, BridgeError> {
        let (undeliverable, failures) = mpsc::channel(NOTES);
        let (quiet_portals, quiet) = mpsc::channel(NOTES);
        let (met_portals, met) = mpsc::channel(NOTES);
        let sides = Sides::new(&*setup.network, &setup.frontends, setup.sign_in.is_some());
        let names = GhostNames::new(setup.storage.clone(), setup.ghost_per_login);
        let (cancel, tasks) = (&setup.cancel, &setup.tasks);
        let traces = TraceLog::load(setup.storage.clone())?;
        let portal = PortalContext {
            storage: setup.storage.clone(),
            network: setup.network.clone(),
            frontends: setup.frontends.clone(),
            undeliverable,
            quiet: quiet_portals,
            reports: Reports::start(&setup.frontends, cancel, tasks),
            clock: setup.clock.clone(),
            heartbeat: setup.heartbeat.clone(),
            media: setup.media.clone(),
            links: setup.links.clone(),
            hold: setup.hold,
            names: names.clone(),
            sides: sides.clone(),
            traces: traces.clone(),
            depths: overview.depths,
        };
        let disk = Disk { storage: setup.storage.clone(), heartbeat: setup.heartbeat.clone() };
        let profiles = OwnerProfiles::new(
            setup.network.clone(),
            &setup.frontends,
            setup.storage.clone(),
            setup.tasks.clone(),
            setup.cancel.clone(),
        );
        let commands = CommandService::load(&*setup.storage)?;
        let rooms = ContactRooms::start(&portal, &met_portals, cancel, tasks);
        let mut context = RouterContext {
            rooms,
            sides,
            names,
            traces,
            portals: PortalTable::new(portal, setup.tasks.clone(), setup.names.clone()),
            logins: LoginRegistry::load(&*setup.storage)?,
            reports: overview.logins,
            early: EarlyNotices::default(),
            signals: SignalHub::start(&setup.frontends, setup.ghost_per_login, cancel, tasks),
            profiles,
            writer: Writer::start(disk, cancel.clone(), tasks),
            setup,
        };
        context.portals.load()?;
        context.connect_all();
        Ok(Self { context, commands, failures, quiet, met, stalled: None, disk: disk_retry() })
    }

    async fn run(mut self, mut events: mpsc::Receiver<Input>) {
        let cancel = self.context.setup.cancel.clone();
        let mut pulse = tokio::time::interval(Duration::from_secs(1));
        loop {
            let is_free = self.stalled.is_none();
            let takes_more = is_free && self.context.writer.has_room();
            tokio::select! {
                input = events.recv(), if takes_more => match input {
                    Some(input) => self.act(Work::Input(Box::new(input))),
                    None => break,
                },
                Some(finished) = self.commands.finished(), if is_free => {
                    self.act(Work::Finished(Box::new(finished)));
                }
                Some(finished) = self.context.writer.written(), if is_free => {
                    self.act(Work::Finished(Box::new(finished)));
                }
                Some(failure) = self.failures.recv(), if is_free => self.act(Work::Failure(failure)),
                Some(quiet) = self.quiet.recv() => self.context.portals.put_away(&quiet),
                Some(met) = self.met.recv() => self.establish(&met),
                () = resumed(&mut self.stalled) => self.try_again(),
                _ = pulse.tick() => self.look_at_logins(),
                () = cancel.cancelled() => break,
            }
            (self.context.setup.heartbeat)();
        }
        self.stop(events).await;
    }

    /// Events that were brought already are written down before the portals stop listening, and what was being written
    /// ends.
    async fn stop(mut self, mut events: mpsc::Receiver<Input>) {
        events.close();
        let until = Instant::now() + GRACE;
        self.unstall(until).await;
        while let Some(input) = events.recv().await {
            while !self.context.writer.has_room() {
                let Ok(Some(finished)) = tokio::time::timeout_at(until, self.context.writer.written()).await
                else {
                    break;
                };
                self.act(Work::Finished(Box::new(finished)));
                self.unstall(until).await;
            }
            self.act(Work::Input(Box::new(input)));
            self.unstall(until).await;
        }
        self.context.writer.close();
        while let Ok(Some(finished)) = tokio::time::timeout_at(until, self.context.writer.written()).await {
            self.act(Work::Finished(Box::new(finished)));
            self.unstall(until).await;
        }
    }

    /// Work that found no room before a stop gets some time.
    async fn unstall(&mut self, until: Instant) {
        while self.stalled.is_some() {
            if tokio::time::timeout_at(until, resumed(&mut self.stalled)).await.is_err() {
                tracing::error!("an event was lost while stopping");
                self.stalled = None;
                return;
            }
            self.try_again();
        }
    }

    /// Takes the stalled work up once more; it may stall again.
    fn try_again(&mut self) {
        if let Some(Stalled { work, .. }) = self.stalled.take() {
            self.act(work);
        }
    }

    /// Acts on something, now or as soon as that can be: what it says is in no other place.
    fn act(&mut self, work: Work) {
        let until: BoxFuture<'static, ()> = match self.take(work.clone()) {
            Ok(()) => return self.disk.reset(),
            Err(Setback::Full(until)) => until,
            Err(Setback::Failed(BridgeError::Storage(error))) => {
                tracing::error!(%error, "the bridge could not act on an event, trying again");
                let (storage, pause) = (self.context.setup.storage.clone(), self.disk.next_pause());
                Box::pin(async move {
                    tokio::time::sleep(pause).await;
                    storage.works().await;
                })
            }
            Err(Setback::Failed(error)) => {
                return tracing::error!(%error, "the bridge could not act on an event");
            }
        };
        self.stalled = Some(Stalled { work, until });
    }

    fn take(&mut self, work: Work) -> Result<(), Setback> {
        match work {
            Work::Input(input) => self.input(*input),
            Work::Finished(finished) => self.commands.follow(&mut self.context, *finished),
            Work::Failure(failure) => self.tell_of_failure(&failure),
        }
    }

    fn input(&mut self, input: Input) -> Result<(), Setback> {
        match input {
            Input::Remote(event) => self.remote(border::remote(event)),
            Input::Kept { event, with, stored } => self.remote_kept(border::remote(*event), with, stored),
            Input::Local { event, receipt } => self.local(border::local(event), receipt),
            Input::LegUp(leg) => {
                let inboxes = &self.context.setup.inboxes;
                inboxes.iter().filter(|inbox| inbox.leg() == leg).for_each(|inbox| inbox.retry());
                self.context.portals.release(leg, |_| true);
                Ok(())
            }
            Input::Recovered => self.recovered(),
            Input::Configured(login) if self.context.setup.permissions.is_shut_out(&login.owner) => {
                tracing::warn!(login = %login.id, owner = %login.owner, "its owner is shut out: it is not connected");
                Ok(())
            }
            Input::Configured(login) => {
                let Some(login) = self.context.logins.configure(*login) else { return Ok(()) };
                let (id, credentials) = (login.id.clone(), login.credentials());
                inbound::save(&mut self.context, &id);
                self.context.setup.network.connect(id, credentials);
                Ok(())
            }
            Input::Open(portal) => Ok(self.context.portals.open(&portal)?),
            Input::Account(call) => accounts::answer(&mut self.context, call),
        }
    }

    /// The disk had failed: sessions are made anew, and what was held up goes.
    fn recovered(&mut self) -> Result<(), Setback> {
        let owners = self.context.logins.owners();
        for owner in &owners {
            self.context.ask_room_to_tell(owner)?;
        }
        self.context.connect_all();
        for leg in self.context.sides.legs() {
            self.context.portals.release(leg, |_| true);
        }
        let text = format!(
            "The bridge's disk works again: what waited is on its way, and {} is being connected.",
            self.context.network_name()
        );
        owners.iter().try_for_each(|owner| self.context.tell(owner, &text))
    }

    /// Its record is written again at the next sign-in, should that fail now.
    fn establish(&self, portal: &PortalKey) {
        if let Err(error) = self.context.portals.establish(portal) {
            tracing::error!(%portal, %error, "a conversation could not be written down");
        }
    }

    /// Owners hear of interruptions that have become long, if they can be told now.
    fn look_at_logins(&mut self) {
        if let Err(Setback::Failed(error)) = inbound::tell_bad_news(&mut self.context) {
            tracing::error!(%error, "an owner could not be told of an interruption");
        }
    }

    /// Tells a login's owner of something from the network that could not be shown.
    fn tell_of_failure(&mut self, failure: &Undeliverable) -> Result<(), Setback> {
        let Some(owner) = self.context.logins.owner(&failure.portal.receiver) else { return Ok(()) };
        let text = format!(
            "A message in the conversation with {} could not be shown on {}: {} It was set aside; later messages are not affected.",
            failure.portal.conversation,
            self.context.sides.name(&failure.leg),
            sentence(&failure.reason)
        );
        self.context.portals.tell(&owner, &text, Batch::default())
    }
}

/// Resolves when stalled work can be tried again; never without such work.
async fn resumed(stalled: &mut Option<Stalled>) {
    match stalled {
        Some(stalled) => stalled.until.as_mut().await,
        None => std::future::pending().await,
    }
}
