//! What outlives the bridge: the simulated parts, and the lives of the bridge between them, one after the other.

use super::{IRC, MATRIX};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::faults::Steps;
use super::frontend::SimFrontend;
use super::life::Life;
use super::media::SimMedia;
use super::network::SimNetwork;
use super::side::Shown;
use super::storage::SimStorage;
use crate::bridge::HoldLimits;
use crate::bridge::ids::{ConversationId, LoginId, PortalKey, UserId};
use crate::bridge::link::{LinkContext, Links, Terms};
use crate::bridge::login::Login;
use crate::bridge::port::frontend::{Frontend, Level, Outcome, Permissions};
use crate::bridge::port::sign_in::SignInPage;
use crate::bridge::port::storage::{Batch, Table};

/// The one login, its owner and the contact most tests need.
pub(crate) const ALICE: &str = "alice@x";
pub(crate) const ANN: &str = "@ann:x";
pub(crate) const BOB: &str = "bob@x";
/// Who may see and command the logins of others.
pub(crate) const ADMIN: &str = "@root:x";

/// Milliseconds that have passed in all lives.
#[derive(Debug, Default)]
pub(super) struct Clock {
    before: AtomicU64,
    born: Mutex<Option<Instant>>,
}

impl Clock {
    pub(super) fn now(&self) -> u64 {
        let lived = self.born.lock().unwrap().map_or(0, |born| born.elapsed().as_millis());
        self.before.load(Ordering::SeqCst) + u64::try_from(lived).unwrap_or(0)
    }

    fn begin(&self) {
        *self.born.lock().unwrap() = Some(Instant::now());
    }

    fn end(&self) {
        self.before.store(self.now(), Ordering::SeqCst);
        *self.born.lock().unwrap() = None;
    }
}

/// Everybody but those who are named may use the bot.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<HashSet<UserId>>);

impl Strangers {
    pub(crate) fn add(&self, user: &str) {
        self.0.lock().unwrap().insert(UserId::new(user));
    }
}

impl Permissions for Strangers {
    fn level(&self, user: &UserId) -> Level {
        match self.0.lock().unwrap().contains(user) {
            true => Level::None,
            false if user.as_str() == ADMIN => Level::Admin,
            false => Level::User,
        }
    }

    fn is_shut_out(&self, user: &UserId) -> bool {
        self.0.lock().unwrap().contains(user)
    }

    fn shut_out(&self, user: &UserId, is_out: bool, batch: &mut Batch) -> bool {
        let mut out = self.0.lock().unwrap();
        if is_out {
            batch.put(Table::ShutOut, user.as_str(), []);
            out.insert(user.clone())
        } else {
            batch.remove(Table::ShutOut, user.as_str());
            out.remove(user)
        };
        true
    }
}

/// A page that is served nowhere.
struct SimPage;

impl SignInPage for SimPage {
    fn link(&self, user: &UserId, account: Option<&str>) -> String {
        format!("https://b.x/{user}/{}", account.unwrap_or_default())
    }

    fn minutes(&self) -> u64 {
        15
    }
}

/// What outlives the bridge.
pub(crate) struct World {
    pub(crate) disk: Arc<SimStorage>,
    pub(crate) msn: Arc<SimNetwork>,
    pub(crate) matrix: Arc<SimFrontend>,
    pub(crate) irc: Arc<SimFrontend>,
    pub(crate) steps: Arc<Steps>,
    pub(crate) media: Arc<SimMedia>,
    pub(crate) strangers: Arc<Strangers>,
    pub(crate) hold: HoldLimits,
    /// Cancelled when an administrator ends the program.
    pub(crate) shutdown: CancellationToken,
    pub(crate) ghost_per_login: bool,
    pub(crate) has_irc: bool,
    /// Files that are shared, where they are.
    pub(crate) links: Option<Arc<Links>>,
    /// Where users sign in, if not in their rooms.
    pub(crate) sign_in: Option<Arc<dyn SignInPage>>,
    /// Sides besides those two.
    pub(crate) others: Vec<Arc<dyn Frontend>>,
    pub(super) clock: Arc<Clock>,
    pub(super) numbers: Arc<AtomicU64>,
}

impl World {
    /// A bridge to Matrix, which can be asked what it has.
    pub(crate) fn new() -> Self {
        let steps = Arc::new(Steps::default());
        let disk = SimStorage::new(steps.clone());
        let world = Self {
            disk: Arc::new(disk),
            msn: Arc::new(SimNetwork::new(steps.clone())),
            matrix: Arc::new(SimFrontend::new(MATRIX, true, steps.clone())),
            irc: Arc::new(SimFrontend::new(IRC, false, steps.clone())),
            steps,
            media: Arc::default(),
            strangers: Arc::default(),
            hold: HoldLimits { max_messages: 200, max_age: Duration::from_secs(7 * 24 * 3600) },
            shutdown: CancellationToken::new(),
            ghost_per_login: false,
            has_irc: false,
            links: None,
            sign_in: None,
            others: Vec::new(),
            clock: Arc::default(),
            numbers: Arc::default(),
        };
        world.knows(ALICE, ANN);
        world
    }

    /// Milliseconds that have passed in all lives.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// A login that has got in before.
    pub(crate) fn knows(&self, login: &str, owner: &str) {
        let mut batch = Batch::default();
        Self::login(login, owner).store(&mut batch);
        self.disk.holds(batch);
    }

    pub(crate) fn login(login: &str, owner: &str) -> Login {
        let password = SecretString::from("pw".to_owned());
        let mut login = Login::new(LoginId::new(login), login.into(), UserId::new(owner), &password);
        login.confirmed = true;
        login
    }

    /// The same with an IRC channel, which cannot be asked.
    pub(crate) fn relayed() -> Self {
        Self { has_irc: true, ..Self::new() }
    }

    /// A bridge to Matrix with a page on which users sign in.
    pub(crate) fn with_page() -> Self {
        Self { sign_in: Some(Arc::new(SimPage)), ..Self::new() }
    }

    /// A bridge to Matrix that shares files where they cannot be shown.
    pub(crate) fn sharing() -> Self {
        let world = Self::new();
        let (clock, numbers) = (world.clock.clone(), world.numbers.clone());
        let around = LinkContext {
            storage: world.disk.clone(),
            media: world.media.clone(),
            clock: Arc::new(move || clock.now()),
            names: Arc::new(move || format!("l{}", numbers.fetch_add(1, Ordering::SeqCst))),
            address: Box::new(|shared| format!("https://files.x/{}", shared.id)),
        };
        let terms = Terms { keep: Duration::from_secs(7 * 24 * 3600), budget: 1 << 30 };
        Self { links: Some(Arc::new(Links::new(around, terms))), ..world }
    }

    /// One life of the bridge, which ends well when `scene` is over.
    pub(crate) fn live<T>(&self, scene: impl AsyncFnOnce(&Life) -> T) -> T {
        let result = self.run(async |life| {
            let result = scene(life).await;
            life.stop().await;
            result
        });
        self.disk.close();
        result
    }

    /// One life, which ends without a word when `scene` is over, or where [`Steps`] say. The machine has written `kept` of
    /// what was not synced.
    pub(crate) fn crash_after<T>(&self, kept: usize, scene: impl AsyncFnOnce(&Life) -> T) -> Option<T> {
        let stopped = self.steps.stopped();
        let result = self.run(async |life| {
            tokio::select! {
                biased;
                () = stopped.cancelled() => None,
                result = scene(life) => Some(result),
            }
        });
        self.disk.crash(kept);
        self.steps.never_stop();
        result
    }

    fn run<T>(&self, scene: impl AsyncFnOnce(&Life) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let result = runtime.block_on(async {
            self.clock.begin();
            let life = Life::start(self);
            let result = scene(&life).await;
            self.clock.end();
            result
        });
        // Every task ends where it is.
        drop(runtime);
        result
    }

    pub(crate) fn portal(contact: &str) -> PortalKey {
        PortalKey::new(LoginId::new(ALICE), ConversationId::new(contact))
    }

    /// What the room with a contact shows.
    pub(crate) fn room(&self, contact: &str) -> Vec<String> {
        texts(&self.matrix.arrived().borrow(), &Self::portal(contact))
    }

    pub(crate) fn channel(&self, contact: &str) -> Vec<String> {
        texts(&self.irc.arrived().borrow(), &Self::portal(contact))
    }

    /// What a contact has heard.
    pub(crate) fn heard(&self, contact: &str) -> Vec<String> {
        texts(&self.msn.arrived().borrow(), &Self::portal(contact))
    }

    /// The same of another login than Alice's.
    pub(crate) fn portal_of(login: &str, contact: &str) -> PortalKey {
        PortalKey::new(LoginId::new(login), ConversationId::new(contact))
    }

    /// What the owner reads where they and the bridge are among themselves.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told_to(ANN)
    }

    /// The same for another user.
    pub(crate) fn told_to(&self, user: &str) -> Vec<String> {
        self.shown_in(&PortalKey::management(&UserId::new(user)))
    }

    /// What a room shows.
    pub(crate) fn shown_in(&self, portal: &PortalKey) -> Vec<String> {
        texts(&self.matrix.arrived().borrow(), portal)
    }

    /// What the sender of something on Matrix was told of it.
    pub(crate) fn reports_of(&self, reference: &str) -> Vec<Outcome> {
        let reports = self.matrix.reports();
        let all = reports.borrow();
        all.iter().filter(|(of, _)| of == reference).map(|(_, outcome)| outcome.clone()).collect()
    }
}

fn texts(shown: &[Shown], portal: &PortalKey) -> Vec<String> {
    shown.iter().filter(|shown| shown.portal == *portal).map(|shown| shown.text.clone()).collect()
}
