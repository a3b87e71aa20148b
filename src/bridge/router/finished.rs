//! The end of a command that asked something of the network: its answer, and what is true from then on.

use super::Router;
use crate::bridge::BridgeError;
use crate::bridge::ids::{Leg, LoginId, PortalKey};
use crate::bridge::port::storage::Batch;

/// A command whose request to the network came to an end.
pub(super) struct Finished {
    pub(super) portal: PortalKey,
    pub(super) leg: Leg,
    /// What it answers; empty for nothing in particular.
    pub(super) reference: String,
    pub(super) answer: String,
    /// What is true now that it has ended.
    pub(super) with: Batch,
    /// A conversation that is opened by it, and what is said there first.
    pub(super) opens: Option<(PortalKey, String)>,
    /// A login that was ended: nobody else may come to say what waits for it.
    pub(super) ended: Option<LoginId>,
    /// Who signs in once the answer is said, so that what becomes of it is said after that.
    pub(super) connect: Option<LoginId>,
}

impl Router {
    pub(super) async fn command_finished(&mut self, finished: Finished) -> Result<(), BridgeError> {
        let Finished { portal, leg, reference, answer, with, opens, ended, connect } = finished;
        if let Some((opened, text)) = opens {
            let place = self.around.sides.host().unwrap_or(leg);
            self.say(&opened, place, text, None, Batch::default()).await?;
        }
        if let Some(login) = ended {
            self.give_up_waiting(&login).await;
        }
        let about = Some(reference).filter(|reference| !reference.is_empty());
        self.say(&portal, leg, answer, about, with).await?;
        connect.iter().for_each(|id| self.connect(id));
        Ok(())
    }
}
