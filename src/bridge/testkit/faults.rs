//! What a simulated part does with the next thing it is given, by a script or by a seed, and where the bridge stops.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

use crate::bridge::port::delivery::DeliveryError;

/// What becomes of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Take,
    /// Taken, with a word for its sender.
    TakeWith(String),
    Refuse(DeliveryError),
    /// It arrived, and the bridge hears that it did not.
    TakeAndRefuse(DeliveryError),
    /// No answer, whether it arrived or not.
    Hang {
        arrives: bool,
    },
    /// Taken after a while.
    Late(Duration),
    /// Offered, and taken after a while; only files are.
    Offered(Duration),
    /// A mistake of ours in an adapter.
    Panic,
}

impl Act {
    pub(crate) fn transient() -> Self {
        Self::Refuse(DeliveryError::transient("it does not answer"))
    }

    pub(crate) fn permanent() -> Self {
        Self::Refuse(DeliveryError::permanent("it is too large"))
    }

    pub(crate) fn leg_down() -> Self {
        Self::Refuse(DeliveryError::LegDown { reason: "the token is not accepted".into() })
    }

    pub(crate) fn away() -> Self {
        Self::Refuse(DeliveryError::Away { reason: "bob is not online".into() })
    }
}

/// The acts of one side, in order; behind them the usual one, or chance.
#[derive(Debug)]
pub(crate) struct Script(Mutex<Acts>);

#[derive(Debug)]
struct Acts {
    next: VecDeque<Act>,
    usual: Act,
    chance: Option<StdRng>,
    /// Acts in which something may have arrived although the bridge does not know.
    ambiguous: usize,
}

impl Default for Script {
    fn default() -> Self {
        Self(Mutex::new(Acts { next: VecDeque::new(), usual: Act::Take, chance: None, ambiguous: 0 }))
    }
}

impl Script {
    /// What comes next, each once.
    pub(crate) fn next(&self, acts: impl IntoIterator<Item = Act>) {
        self.0.lock().unwrap().next.extend(acts);
    }

    /// What is done next, where that is known.
    pub(crate) fn first(&self) -> Option<Act> {
        self.0.lock().unwrap().next.front().cloned()
    }

    /// What is done from now on when nothing else is asked for.
    pub(crate) fn usually(&self, act: Act) {
        let mut acts = self.0.lock().unwrap();
        (acts.usual, acts.chance) = (act, None);
    }

    /// Faults by chance from now on.
    pub(crate) fn by_seed(&self, seed: u64) {
        self.0.lock().unwrap().chance = Some(StdRng::seed_from_u64(seed));
    }

    /// How often something may have arrived although the bridge does not know.
    pub(crate) fn ambiguous(&self) -> usize {
        self.0.lock().unwrap().ambiguous
    }

    pub(crate) fn act(&self) -> Act {
        let act = self.choose();
        if matches!(act, Act::TakeAndRefuse(_) | Act::Hang { arrives: true }) {
            self.0.lock().unwrap().ambiguous += 1;
        }
        act
    }

    fn choose(&self) -> Act {
        let mut acts = self.0.lock().unwrap();
        if let Some(act) = acts.next.pop_front() {
            return act;
        }
        let Some(chance) = &mut acts.chance else { return acts.usual.clone() };
        let lost = DeliveryError::transient("no answer came");
        match chance.random_range(0..100) {
            0..70 => Act::Take,
            70..80 => Act::Late(Duration::from_millis(chance.random_range(1..90_000))),
            80..88 => Act::transient(),
            88..94 => Act::TakeAndRefuse(lost),
            94..97 => Act::leg_down(),
            _ => Act::Panic,
        }
    }
}

/// Counts what the bridge does, and stops it where it is told to: what comes behind that step never ends.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    count: AtomicUsize,
    /// 0 for never.
    last: AtomicUsize,
    stopped: Mutex<CancellationToken>,
}

impl Steps {
    /// The bridge stops before its `n`th step from now.
    pub(crate) fn stop_at(&self, n: usize) {
        self.count.store(0, Ordering::SeqCst);
        self.last.store(n, Ordering::SeqCst);
        *self.stopped.lock().unwrap() = CancellationToken::new();
    }

    pub(crate) fn never_stop(&self) {
        self.stop_at(0);
    }

    /// Steps taken since the last change of where to stop.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped.lock().unwrap().is_cancelled()
    }

    /// Resolves when the bridge has stopped.
    pub(crate) fn stopped(&self) -> CancellationToken {
        self.stopped.lock().unwrap().clone()
    }

    /// One step; it is not taken when the bridge has stopped.
    pub(crate) async fn step(self: &Arc<Self>) {
        let last = self.last.load(Ordering::SeqCst);
        if self.count.fetch_add(1, Ordering::SeqCst) + 1 >= last && last > 0 {
            self.stopped.lock().unwrap().cancel();
            std::future::pending::<()>().await;
        }
    }
}
