//! Files that contacts offer and that are large enough to be asked about: they wait in their call for the owner's word.
//!
//! Knows what waits, and until when. The question, and who may answer it, are the core's; how a file is taken is in
//! `transfer` and `msnftp`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::bridge::event::RemoteKind;
use crate::bridge::ids::ConversationId;
use crate::connector::call::Call;
use crate::connector::clock::now;
use crate::connector::handle::CallHandle;
use crate::connector::net::pump::Pump;
use crate::connector::size::bytes;
use crate::msn::ids::Email;
use crate::msn::message::{CancelCode, Invitation};
use crate::msn::p2p::TransferId;
use crate::msn::session::SwitchboardSession;

/// How long an owner may take to answer: their contact's client waits as long as it is shown.
const ANSWER: Duration = Duration::from_secs(30 * 60);
/// The peer is told by us, not by its own clock.
const MARGIN: Duration = Duration::from_secs(60);
/// Most files of one call that wait.
const MAX_WAITING: usize = 8;

/// Every offer of a login that waits, whichever call it came in.
#[derive(Clone, Default)]
pub(in crate::connector) struct Offers(Arc<Mutex<Vec<Known>>>);

struct Known {
    number: u32,
    conversation: ConversationId,
    call: CallHandle,
}

impl Offers {
    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number is not used again soon: an answer may come late.
    fn add(&self, conversation: ConversationId, call: CallHandle) -> u32 {
        let mut known = self.known();
        let number = loop {
            let number = rand::random_range(100_000..1_000_000);
            if known.iter().all(|offer| offer.number != number) {
                break number;
            }
        };
        known.push(Known { number, conversation, call });
        number
    }

    fn remove(&self, number: u32) {
        self.known().retain(|offer| offer.number != number);
    }

    /// The offer that is meant, and the call that has it; without a number the only one of the conversation.
    pub(in crate::connector) fn find(
        &self,
        conversation: &ConversationId,
        number: Option<u32>,
    ) -> Result<(u32, CallHandle), String> {
        let known = self.known();
        let is_meant = |offer: &&Known| match number {
            Some(number) => offer.number == number,
            None => offer.conversation == *conversation,
        };
        let mut meant = known.iter().filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some(offer), None) => Ok((offer.number, offer.call.clone())),
            (Some(_), Some(_)) => {
                Err("several files are offered here; say the number of the one you mean".into())
            }
            (None, _) if number.is_none() => Err("no file waits for an answer in this conversation".into()),
            (None, _) => Err("that file is not offered any more".into()),
        }
    }
}

/// What an answer leads back to.
pub(in crate::connector) enum Offer {
    Packets(TransferId),
    Stream(Box<Invitation>),
}

/// A file that waits.
struct Waiting {
    number: u32,
    email: Email,
    name: String,
    size: u64,
    until: Instant,
    offer: Offer,
}

/// What waits in one call.
#[derive(Default)]
pub(in crate::connector) struct Asked(Vec<Waiting>);

impl Asked {
    pub(in crate::connector) fn is_idle(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::connector) fn deadline(&self) -> Option<std::time::Instant> {
        self.0.iter().map(|waiting| waiting.until.into_std()).min()
    }
}

impl Call {
    /// Has the owner asked; an error where too many wait.
    pub(in crate::connector) async fn ask(
        &mut self,
        email: &Email,
        name: String,
        size: u64,
        offer: Offer,
    ) -> Result<(), &'static str> {
        if self.asked.0.len() >= MAX_WAITING {
            return Err("too many wait for an answer already");
        }
        let until = Instant::now() + ANSWER;
        if let (Offer::Packets(transfer), Some(peer)) = (&offer, self.transfers.known(email)) {
            peer.wait_for_answer(*transfer, (until + MARGIN).into_std());
        }
        let number = self.of.offers.add(self.conversation.clone(), self.handle());
        tracing::info!(%email, bytes = size, number, "asking about a file");
        let what = format!("the file «{name}» ({})", bytes(size));
        self.asked.0.push(Waiting { number, email: email.clone(), name, size, until, offer });
        let (conversation, sender) = (self.conversation.clone(), self.ghost(email));
        self.tell(RemoteKind::FileOffered {
            conversation,
            sender,
            number,
            what,
            minutes: ANSWER.as_secs() / 60,
        })
        .await;
        Ok(())
    }

    fn take_asked(&mut self, which: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let taken: Vec<Waiting> = self.asked.0.extract_if(.., |waiting| which(waiting)).collect();
        taken.iter().for_each(|waiting| self.of.offers.remove(waiting.number));
        taken
    }

    /// The owner has answered. What is wrong is for them.
    pub(in crate::connector) async fn answered(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        number: u32,
        accept: bool,
    ) -> Result<(), String> {
        let Some(Waiting { email, name, size, offer, .. }) =
            self.take_asked(|waiting| waiting.number == number).pop()
        else {
            return Err("that file is not offered any more".into());
        };
        let taken = match (offer, accept) {
            (Offer::Packets(transfer), true) => self.take(&email, transfer, name, size).await,
            (Offer::Stream(invitation), true) => {
                self.take_stream(pump, &email, &invitation, name, size).await
            }
            (offer, false) => {
                self.decline_offer(pump, &email, offer);
                Ok(())
            }
        };
        self.flush(pump, &email).await;
        taken
    }

    fn decline_offer(&mut self, pump: &mut Pump<SwitchboardSession>, email: &Email, offer: Offer) {
        match offer {
            Offer::Packets(transfer) => {
                if let Some(peer) = self.transfers.known(email) {
                    peer.end(now(), transfer);
                }
            }
            Offer::Stream(invitation) => {
                self.declined.remember(email, &invitation);
                crate::connector::file::msnftp::cancel(pump, invitation.cookie, &CancelCode::Reject);
            }
        }
    }

    /// A transfer that nobody has answered yet is over; false where there is none.
    pub(in crate::connector) async fn withdrawn(&mut self, email: &Email, transfer: TransferId) -> bool {
        let is_it =
            |w: &Waiting| w.email == *email && matches!(w.offer, Offer::Packets(id) if id == transfer);
        self.say_withdrawn(is_it).await
    }

    /// The same, of an invitation.
    pub(in crate::connector) async fn stream_withdrawn(&mut self, email: &Email, cookie: u32) -> bool {
        let is_it =
            |w: &Waiting| w.email == *email && matches!(&w.offer, Offer::Stream(i) if i.cookie == cookie);
        self.say_withdrawn(is_it).await
    }

    /// Whether an invitation under this cookie waits for its owner's word.
    pub(in crate::connector) fn is_asked_about(&self, email: &Email, cookie: u32) -> bool {
        let is_it =
            |w: &Waiting| matches!(&w.offer, Offer::Stream(i) if w.email == *email && i.cookie == cookie);
        self.asked.0.iter().any(is_it)
    }

    async fn say_withdrawn(&mut self, which: impl Fn(&Waiting) -> bool) -> bool {
        let withdrawn = self.take_asked(which);
        for waiting in &withdrawn {
            let text = format!("does not offer the file «{}» any more", waiting.name);
            self.show(&waiting.email, &text).await;
        }
        !withdrawn.is_empty()
    }

    pub(in crate::connector) async fn offers_are_late(&mut self, pump: &mut Pump<SwitchboardSession>) {
        let at = Instant::now();
        for Waiting { email, name, offer, .. } in self.take_asked(|waiting| waiting.until <= at) {
            self.decline_offer(pump, &email, offer);
            let text = format!("offered the file «{name}»; nobody answered, and it was declined");
            self.show(&email, &text).await;
            self.flush(pump, &email).await;
        }
    }

    /// Whoever offered has gone, or everybody has.
    pub(in crate::connector) async fn offers_are_lost(&mut self, of: Option<&Email>) {
        for Waiting { email, name, .. } in self.take_asked(|w| of.is_none_or(|gone| *gone == w.email)) {
            let text = format!(
                "offered the file «{name}», but the conversation was closed before it was taken. Ask them to send it again."
            );
            self.show(&email, &text).await;
        }
    }
}
