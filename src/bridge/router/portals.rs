//! The portals that run: each is a task with a mailbox, started when something is to be said there.
//!
//! Knows which conversations there are and which sides take part in each. Refuses to know what becomes of an entry: its
//! portal does. A portal that has been quiet for long is put away, and comes back with the next thing said.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::setback::Setback;
use crate::bridge::BridgeError;
use crate::bridge::body::Body;
use crate::bridge::clean;
use crate::bridge::event::{Author, Ghost};
use crate::bridge::ids::{EntryId, Leg, LoginId, PortalKey, UserId};
use crate::bridge::journal::{Entry, Origin};
use crate::bridge::port::delivery::{Content, Display};
use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::storage::{Batch, Table, Urgency};
use crate::bridge::portal::{self, MAILBOX, PortalContext, PortalInput, Quiet, Releases};
use crate::bridge::record::PortalRecord;
use crate::bridge::trace::Trace;

/// Inputs of one portal that one thing done by the router needs at most.
const ROOM: usize = 4;

/// A portal's task, and how it is reached.
struct Running {
    mailbox: mpsc::Sender<PortalInput>,
    releases: Arc<Releases>,
    task: JoinHandle<()>,
    /// Inputs that were sent to it.
    sent: u64,
}

/// The tasks of portals, by conversation.
pub(super) struct PortalTable {
    context: PortalContext,
    tasks: TaskTracker,
    /// Random text that names entries which have no name of their own.
    names: Arc<dyn Fn() -> String + Send + Sync>,
    running: HashMap<PortalKey, Running>,
    /// Portals that were put away: the next task of such a portal waits for the end of the one before.
    retiring: HashMap<PortalKey, JoinHandle<()>>,
    /// Those whose record is on its way to the disk: nothing was said there since.
    new: HashSet<PortalKey>,
}

impl PortalTable {
    pub(super) fn new(
        context: PortalContext,
        tasks: TaskTracker,
        names: Arc<dyn Fn() -> String + Send + Sync>,
    ) -> Self {
        let (running, retiring, new) = (HashMap::new(), HashMap::new(), HashSet::new());
        Self { context, tasks, names, running, retiring, new }
    }

    /// Takes up the portals in which something waits.
    pub(super) fn load(&mut self) -> Result<(), BridgeError> {
        for record in PortalRecord::load_all(&*self.context.storage)? {
            self.meet(&record.key)?;
            if !self.context.storage.scan(Table::Journal, &record.key.to_key(), None, 1)?.is_empty() {
                self.open(&record.key)?;
            }
        }
        Ok(())
    }

    /// From now on the names of those in this conversation are kept.
    fn meet(&self, key: &PortalKey) -> Result<(), BridgeError> {
        if key.management_user().is_some() {
            return Ok(());
        }
        for id in self.context.network.audience(key).people {
            self.context.names.meet(&key.receiver, &Ghost { id, name: String::new() })?;
        }
        Ok(())
    }

    /// Starts the portal's task if it does not run.
    pub(super) fn open(&mut self, key: &PortalKey) -> Result<(), BridgeError> {
        if self.running.get(key).is_some_and(|portal| !portal.mailbox.is_closed()) {
            return Ok(());
        }
        let legs = self.legs(key);
        let known = PortalRecord::load(&*self.context.storage, key)?;
        if known.as_ref().is_none_or(|known| known.legs != legs) {
            let mut batch = Batch::default();
            let relays = known.is_some_and(|known| known.relays);
            PortalRecord { key: key.clone(), legs: legs.clone(), relays }.store(&mut batch);
            // On disk with the first entry at the latest: batches keep their order.
            drop(self.context.storage.commit(batch, Urgency::Soon));
            self.new.insert(key.clone());
            self.meet(key)?;
        }
        let before = self.running.remove(key).map(|portal| portal.task);
        let before = before.or_else(|| self.retiring.remove(key));
        let (mailbox, inputs) = mpsc::channel(MAILBOX);
        let releases = Arc::new(Releases::default());
        let (context, key_of, released) = (self.context.clone(), key.clone(), releases.clone());
        let task = self.tasks.spawn(async move {
            if let Some(before) = before {
                // Two tasks never write one journal. How the one before ended is logged where it ended.
                let _ = before.await;
            }
            portal::run(key_of, legs, context, inputs, released).await;
        });
        self.running.insert(key.clone(), Running { mailbox, releases, task, sent: 0 });
        Ok(())
    }

    /// A conversation is there from now on, though nothing was said in it.
    pub(super) fn establish(&self, key: &PortalKey) -> Result<(), BridgeError> {
        if PortalRecord::load(&*self.context.storage, key)?.is_none() {
            let mut batch = Batch::default();
            PortalRecord { key: key.clone(), legs: self.legs(key), relays: false }.store(&mut batch);
            // Lost in a crash, it is established again at the next sign-in.
            drop(self.context.storage.commit(batch, Urgency::Soon));
        }
        Ok(())
    }

    /// A portal that has been quiet for long is put away, unless something was said there since it said so: then it may be
    /// at work on that.
    pub(super) fn put_away(&mut self, quiet: &Quiet) {
        let key = &quiet.portal;
        if self.running.get(key).is_none_or(|portal| portal.sent != quiet.taken) {
            return;
        }
        self.retiring.retain(|_, task| !task.is_finished());
        if let Some(portal) = self.running.remove(key) {
            tracing::debug!(portal = %key, "put away");
            self.retiring.insert(key.clone(), portal.task);
        }
    }

    /// A side takes part in a conversation from now on, or does not any more: then what waits for it is given up.
    pub(super) fn serve(&mut self, key: &PortalKey, leg: Leg, serves: bool) -> Result<(), Setback> {
        if serves {
            self.open(key)?;
        }
        self.ask_room(key)?;
        let reason = "its place there is none of this conversation any more".to_owned();
        self.send(
            key,
            match serves {
                true => PortalInput::Join { leg },
                false => PortalInput::GiveUp { leg, reason },
            },
        )
    }

    /// The sides that take part in a conversation: frontends that serve it, and the network but for management.
    pub(super) fn legs(&self, key: &PortalKey) -> Vec<Leg> {
        let serving = self.context.frontends.iter().filter(|frontend| frontend.serves(key));
        let mut legs: Vec<Leg> = serving.map(|frontend| frontend.leg()).collect();
        if key.management_user().is_none() {
            legs.extend(Leg::NETWORK);
        }
        legs
    }

    /// Whether a portal takes what one thing done by the router may say there. One that does not run has all its room.
    pub(super) fn ask_room(&self, key: &PortalKey) -> Result<(), Setback> {
        let Some(portal) = self.running.get(key) else { return Ok(()) };
        if portal.mailbox.capacity() >= ROOM {
            return Ok(());
        }
        let mailbox = portal.mailbox.clone();
        Err(Setback::Full(Box::pin(async move { drop(mailbox.reserve_many(ROOM).await) })))
    }

    /// An entry for every leg but the one it came from.
    pub(super) fn entry(
        &self,
        key: &PortalKey,
        author: Author,
        content: Content,
        origin: Option<Origin>,
    ) -> Entry {
        let came_from = origin.as_ref().map(|origin| origin.leg);
        let id = match &origin {
            // The same on every reading, should this be interrupted.
            Some(origin) => EntryId::brought(origin.leg, &origin.reference),
            None => EntryId::new((self.names)()),
        };
        let has_file = matches!(&content, Content::Said { body: Body::Attachment(_) });
        let is_for = |leg: &Leg| Some(*leg) != came_from && (*leg != Leg::Files || has_file);
        let legs = self.legs(key).into_iter().filter(is_for).collect();
        Entry { id, author, content, at: (self.context.clock)(), origin, legs, away: Vec::new() }
    }

    /// Hands an entry to a portal, with changes that belong to it. `stored` is told when it is on disk.
    pub(super) fn append(
        &mut self,
        key: &PortalKey,
        entry: Entry,
        with: Batch,
        stored: Option<mpsc::Sender<()>>,
    ) -> Result<(), Setback> {
        self.append_all(key, vec![entry], with, stored)
    }

    /// The same for entries that are all written, or none.
    pub(super) fn append_all(
        &mut self,
        key: &PortalKey,
        entries: Vec<Entry>,
        mut with: Batch,
        stored: Option<mpsc::Sender<()>>,
    ) -> Result<(), Setback> {
        self.open(key)?;
        self.ask_room(key)?;
        // A disk that failed just then has no record: a start would not find what waits here.
        if self.new.remove(key) && PortalRecord::load(&*self.context.storage, key)?.is_none() {
            PortalRecord { key: key.clone(), legs: self.legs(key), relays: false }.store(&mut with);
        }
        self.send(key, PortalInput::Append { entries, with, stored })
    }

    /// Says something as the bridge, on one side of a portal.
    pub(super) fn say(
        &mut self,
        key: &PortalKey,
        leg: Leg,
        text: &str,
        about: Option<String>,
        with: Batch,
    ) -> Result<(), Setback> {
        let content = Content::Said { body: Body::Notice { text: clean::words(text), about } };
        let entry = Entry { legs: vec![leg], ..self.entry(key, Author::Bridge, content, None) };
        self.append(key, entry, with, None)
    }

    /// Tells a frontend what became of something that it brought.
    pub(super) fn report(&self, key: &PortalKey, origin: &Origin, outcome: Outcome) {
        self.context.reports.send(key, origin, outcome);
    }

    /// Tells a user something, where they and the bridge are among themselves.
    pub(super) fn tell(&mut self, user: &UserId, text: &str, with: Batch) -> Result<(), Setback> {
        let key = PortalKey::management(user);
        let content = Content::Said { body: Body::notice(clean::words(text)) };
        let entry = self.entry(&key, Author::Bridge, content, None);
        self.append(&key, entry, with, None)
    }

    /// Tells portals that a leg may be up again.
    pub(super) fn release(&self, leg: Leg, which: impl Fn(&PortalKey) -> bool) {
        for (_, portal) in self.running.iter().filter(|(key, _)| which(key)) {
            portal.releases.add(leg);
        }
    }

    /// What still waits for the network was to be said by an owner who is gone.
    pub(super) fn give_up(&mut self, login: &LoginId, reason: &str) -> Result<(), Setback> {
        let concerned: Vec<PortalKey> =
            self.running.keys().filter(|key| key.receiver == *login).cloned().collect();
        for key in &concerned {
            self.ask_room(key)?;
        }
        for key in &concerned {
            for leg in Leg::NETWORK {
                self.send(key, PortalInput::GiveUp { leg, reason: reason.to_owned() })?;
            }
        }
        Ok(())
    }

    /// What waits in a conversation is not sent any more; resolves with how much that was.
    pub(super) fn take_back(&mut self, key: &PortalKey) -> Result<oneshot::Receiver<usize>, Setback> {
        self.open(key)?;
        self.ask_room(key)?;
        let (reply, count) = oneshot::channel();
        self.send(key, PortalInput::TakeBack { reply })?;
        Ok(count)
    }

    /// What a portal that runs knows of an entry on its way, or of its newest; `None` where it does not run.
    pub(super) fn explain(
        &mut self,
        key: &PortalKey,
        entry: Option<EntryId>,
    ) -> Result<Option<oneshot::Receiver<Option<Trace>>>, Setback> {
        if !self.running.contains_key(key) {
            return Ok(None);
        }
        self.ask_room(key)?;
        let (reply, answer) = oneshot::channel();
        self.send(key, PortalInput::Explain { entry, reply })?;
        Ok(Some(answer))
    }

    /// Puts an input into a running portal's mailbox, whose room was asked for.
    fn send(&mut self, key: &PortalKey, input: PortalInput) -> Result<(), Setback> {
        let Some(portal) = self.running.get_mut(key) else { return Ok(()) };
        match portal.mailbox.try_send(input) {
            Ok(()) => {
                portal.sent += 1;
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(_)) => {
                let mailbox = portal.mailbox.clone();
                Err(Setback::Full(Box::pin(async move { drop(mailbox.reserve_many(ROOM).await) })))
            }
            // Its task broke off just now: the next attempt starts another.
            Err(mpsc::error::TrySendError::Closed(_)) => {
                Err(Setback::Full(Box::pin(tokio::time::sleep(std::time::Duration::from_millis(100)))))
            }
        }
    }

    /// How a conversation is shown now.
    pub(super) fn display(&self, key: &PortalKey) -> Display {
        self.context.display(key)
    }

    /// What a conversation is called, by the people in it.
    pub(super) fn title(&self, key: &PortalKey) -> Option<String> {
        self.context.display(key).title
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::bridge::body::{Body, RichText};
    use crate::bridge::depths::LegDepths;
    use crate::bridge::ghost_names::GhostNames;
    use crate::bridge::port::frontend::Frontend;
    use crate::bridge::report::Reports;
    use crate::bridge::sides::Sides;
    use crate::bridge::testkit::{Act, BOB, World};
    use crate::bridge::trace::TraceLog;

    fn table(world: &World) -> PortalTable {
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let frontends: Vec<Arc<dyn Frontend>> = vec![world.matrix.clone()];
        let context = PortalContext {
            storage: world.disk.clone(),
            network: world.msn.clone(),
            undeliverable: mpsc::channel(1).0,
            quiet: mpsc::channel(1).0,
            reports: Reports::start(&frontends, &cancel, &tasks),
            sides: Sides::new(&*world.msn, &frontends, false),
            frontends,
            clock: Arc::new(|| 1),
            heartbeat: Arc::new(|| {}),
            media: world.media.clone(),
            links: None,
            hold: world.hold,
            names: GhostNames::new(world.disk.clone(), false),
            traces: TraceLog::load(world.disk.clone()).unwrap(),
            depths: LegDepths::default(),
        };
        PortalTable::new(context, tasks, Arc::new(|| "n".into()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_portal_that_took_something_since_it_said_that_it_rests_is_not_put_away() {
        let world = World::new();
        world.matrix.script.usually(Act::Late(Duration::from_secs(60)));
        let (mut table, key) = (table(&world), World::portal(BOB));
        let content = Content::Said { body: Body::Text(RichText::plain("hello")) };
        let entry = Entry {
            legs: vec![crate::bridge::testkit::MATRIX],
            ..table.entry(&key, Author::Bridge, content, None)
        };
        assert!(table.append(&key, entry, Batch::default(), None).is_ok());
        // Its mailbox is as empty as that of a portal at rest, and the entry is on its way.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mailbox = &table.running[&key].mailbox;
        assert_eq!(mailbox.capacity(), mailbox.max_capacity());
        table.put_away(&Quiet { portal: key.clone(), taken: 0 });
        assert!(table.running.contains_key(&key));
        table.put_away(&Quiet { portal: key.clone(), taken: 1 });
        assert!(!table.running.contains_key(&key));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_task_of_a_portal_begins_when_the_one_before_has_ended() {
        let world = World::new();
        world.msn.script.next([Act::Late(Duration::from_secs(3))]);
        let (mut table, key) = (table(&world), World::portal(BOB));
        for (text, taken) in [("a", 1), ("b", 1)] {
            let content = Content::Said { body: Body::Text(RichText::plain(text)) };
            let legs = vec![Leg::Remote];
            let entry = table.entry(&key, Author::Bridge, content, None);
            let entry = Entry { id: EntryId::new(text), legs, ..entry };
            assert!(table.append(&key, entry, Batch::default(), None).is_ok());
            // The first is on its way when its task is told to end.
            tokio::time::sleep(Duration::from_secs(1)).await;
            table.put_away(&Quiet { portal: key.clone(), taken });
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.heard(BOB), ["a", "b"], "the network cannot be asked what it has");
    }
}
