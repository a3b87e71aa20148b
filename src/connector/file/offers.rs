//! Files that contacts offer and that are large enough to be asked about: they wait in their call for the owner's word.
//!
//! Knows what waits, and until when. Refuses to know the question and who may answer it, which is the core's, and how a
//! file is taken, which is `incoming`'s and `msnftp`'s.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::bridge::event::RemoteKind;
use crate::bridge::ids::ConversationId;
use crate::connector::context::call::CallContext;
use crate::connector::handle::CallHandle;
use crate::connector::size::bytes;
use crate::msn::ids::Email;
use crate::msn::message::Invitation;
use crate::msn::p2p::TransferId;

/// How long an owner may take to answer: their contact's client waits as long as it is shown.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// The peer is told by us, not by its own clock.
const MARGIN: Duration = Duration::from_secs(60);
/// Most files of one call that wait.
const MAX_WAITING: usize = 8;

/// Every offer of a login that waits, whichever call it came in.
#[derive(Clone, Default)]
pub(in crate::connector) struct OfferRegistry(Arc<Mutex<Vec<Known>>>);

/// An offer under its number.
struct Known {
    number: u32,
    conversation: ConversationId,
    call: CallHandle,
}

impl OfferRegistry {
    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number is not used again soon: an answer may come late.
    fn add(&self, conversation: ConversationId, call: CallHandle) -> u32 {
        let mut known = self.lock();
        let number = loop {
            let number = rand::random_range(100_000..1_000_000);
            if known.iter().all(|offer| offer.number != number) {
                break number;
            }
        };
        known.push(Known { number, conversation, call });
        number
    }

    /// The number means nothing any more.
    fn remove(&self, number: u32) {
        self.lock().retain(|offer| offer.number != number);
    }

    /// The offer that is meant, and the call that has it; without a number the only one of the conversation.
    ///
    /// # Errors
    /// There is none, or more than one, in words for people.
    pub(in crate::connector) fn find(
        &self,
        conversation: &ConversationId,
        number: Option<u32>,
    ) -> Result<(u32, CallHandle), String> {
        let known = self.lock();
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

/// How an offered file would come.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::connector) enum Offer {
    Packets(TransferId),
    Stream(Box<Invitation>),
}

/// A file that is offered.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::connector) struct OfferedFile {
    pub(in crate::connector) email: Email,
    pub(in crate::connector) name: String,
    pub(in crate::connector) size: u64,
    pub(in crate::connector) offer: Offer,
}

/// A file that waits.
struct Waiting {
    number: u32,
    until: Instant,
    file: OfferedFile,
}

/// What happened.
pub(in crate::connector) enum OfferEvent {
    /// The owner is to be asked.
    Offered(OfferedFile),
    /// The owner has answered. What is wrong is for them.
    Answered { number: u32, accept: bool, reply: oneshot::Sender<Result<(), String>> },
    /// Somebody who offered has gone.
    Left(Email),
    /// The call is over.
    Closed,
}

/// What is to be done elsewhere.
#[derive(Debug)]
pub(in crate::connector) enum OfferOutcome {
    /// The file is to be taken; who answered hears what became of that.
    Accepted { file: OfferedFile, reply: oneshot::Sender<Result<(), String>> },
    /// The file is to be declined.
    Declined(OfferedFile),
    /// Too many wait: it is to be declined, for this reason.
    Crowded(OfferedFile, &'static str),
}

/// What waits in one call.
pub(in crate::connector) struct Offers {
    registry: OfferRegistry,
    waiting: Vec<Waiting>,
    outcomes: VecDeque<OfferOutcome>,
}

impl Offers {
    /// Nothing is offered in this call yet; `registry` has the numbers of the whole login.
    pub(in crate::connector) fn new(registry: OfferRegistry) -> Self {
        Self { registry, waiting: Vec::new(), outcomes: VecDeque::new() }
    }

    /// One thing that happened to offers of this call.
    pub(in crate::connector) async fn handle(&mut self, ctx: &mut CallContext, event: OfferEvent) {
        match event {
            OfferEvent::Offered(file) => self.ask(ctx, file).await,
            OfferEvent::Answered { number, accept, reply } => self.answered(number, accept, reply),
            OfferEvent::Left(email) => self.lose(ctx, |file| file.email == email).await,
            OfferEvent::Closed => self.lose(ctx, |_| true).await,
        }
    }

    /// What was decided, in order.
    pub(in crate::connector) fn poll_event(&mut self) -> Option<OfferOutcome> {
        self.outcomes.pop_front()
    }

    /// When the first offer is declined for want of an answer.
    pub(in crate::connector) fn next_timeout(&self) -> Option<std::time::Instant> {
        self.waiting.iter().map(|waiting| waiting.until.into_std()).min()
    }

    /// Whether nothing waits for its owner's word.
    pub(in crate::connector) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Asks the owner, under a number; the ninth file of a call is declined without asking.
    async fn ask(&mut self, ctx: &mut CallContext, file: OfferedFile) {
        if self.waiting.len() >= MAX_WAITING {
            let reason = "too many wait for an answer already";
            return self.outcomes.push_back(OfferOutcome::Crowded(file, reason));
        }
        let until = Instant::now() + ANSWER_TIMEOUT;
        if let (Offer::Packets(transfer), Some(peer)) = (&file.offer, ctx.peers.get(&file.email)) {
            peer.wait_for_answer(*transfer, (until + MARGIN).into_std());
        }
        let number = self.registry.add(ctx.conversation.clone(), ctx.handle.clone());
        tracing::info!(email = %file.email, bytes = file.size, number, "asking about a file");
        let (conversation, sender) = (ctx.conversation.clone(), ctx.ghost(&file.email));
        let what = format!("the file «{}» ({})", file.name, bytes(file.size));
        self.waiting.push(Waiting { number, until, file });
        let minutes = ANSWER_TIMEOUT.as_secs() / 60;
        ctx.tell(RemoteKind::FileOffered { conversation, sender, number, what, minutes }).await;
    }

    /// Offers that are over, with their numbers.
    fn take(&mut self, which: impl Fn(&Waiting) -> bool) -> Vec<OfferedFile> {
        let taken: Vec<Waiting> = self.waiting.extract_if(.., |waiting| which(waiting)).collect();
        taken.iter().for_each(|waiting| self.registry.remove(waiting.number));
        taken.into_iter().map(|waiting| waiting.file).collect()
    }

    /// The owner's word. Whoever gave it hears at once where nothing is offered under the number.
    fn answered(&mut self, number: u32, accept: bool, reply: oneshot::Sender<Result<(), String>>) {
        let answer = match (self.take(|waiting| waiting.number == number).pop(), accept) {
            (Some(file), true) => {
                return self.outcomes.push_back(OfferOutcome::Accepted { file, reply });
            }
            (Some(file), false) => {
                self.outcomes.push_back(OfferOutcome::Declined(file));
                Ok(())
            }
            (None, _) => Err("that file is not offered any more".into()),
        };
        let _ = reply.send(answer); // whoever asked may have gone
    }

    /// A transfer that nobody has answered yet is over; false where there is none.
    pub(in crate::connector) async fn withdraw_transfer(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        transfer: TransferId,
    ) -> bool {
        let is_it = |f: &OfferedFile| matches!(f.offer, Offer::Packets(id) if id == transfer);
        self.withdraw(ctx, |file| file.email == *email && is_it(file)).await
    }

    /// The same, of an invitation.
    pub(in crate::connector) async fn withdraw_invitation(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        cookie: u32,
    ) -> bool {
        self.withdraw(ctx, |file| is_invitation(file, email, cookie)).await
    }

    /// Whether an invitation under this cookie waits for its owner's word.
    pub(in crate::connector) fn has_invitation(&self, email: &Email, cookie: u32) -> bool {
        self.waiting.iter().any(|waiting| is_invitation(&waiting.file, email, cookie))
    }

    /// They take offers back, and the owner hears of each; false where there is none.
    async fn withdraw(&mut self, ctx: &mut CallContext, which: impl Fn(&OfferedFile) -> bool) -> bool {
        let withdrawn = self.take(|waiting| which(&waiting.file));
        for file in &withdrawn {
            let text = format!("does not offer the file «{}» any more", file.name);
            ctx.show(&file.email, &text).await;
        }
        !withdrawn.is_empty()
    }

    /// What nobody has answered in time is declined.
    pub(in crate::connector) async fn handle_timeout(&mut self, ctx: &mut CallContext) {
        let at = Instant::now();
        for file in self.take(|waiting| waiting.until <= at) {
            let text = format!("offered the file «{}»; nobody answered, and it was declined", file.name);
            ctx.show(&file.email, &text).await;
            self.outcomes.push_back(OfferOutcome::Declined(file));
        }
    }

    /// Offers that nobody can take any more, and the owner hears of each.
    async fn lose(&mut self, ctx: &mut CallContext, which: impl Fn(&OfferedFile) -> bool) {
        for file in self.take(|waiting| which(&waiting.file)) {
            let text = format!(
                "offered the file «{}», but the conversation was closed before it was taken. Ask them to send it again.",
                file.name
            );
            ctx.show(&file.email, &text).await;
        }
    }
}

/// Whether a file was offered by this member's invitation under this cookie.
fn is_invitation(file: &OfferedFile, email: &Email, cookie: u32) -> bool {
    matches!(&file.offer, Offer::Stream(invitation) if file.email == *email && invitation.cookie == cookie)
}

#[cfg(test)]
mod tests;
