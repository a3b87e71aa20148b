//! Keeps the bot's device up to date: opened, told of keys, and opened anew where it is lost.
//!
//! Knows what to do when the homeserver does not answer, or does not go on where it was. Refuses to know what is said.
//! Source: section 6.4 of the client-server API.

use std::sync::Arc;
use std::time::Duration;

use super::bot::BotDevice;
use super::changes::DeviceChanges;
use super::device::Device;
use super::error::CryptoError;
use super::pace::Pace;
use super::slot::{Bot, BotSlot};
use super::waiting::WaitingEvents;
use super::{Tell, sync};
use crate::bridge::inbox::Inbox;
use crate::matrix::homeserver::{Homeserver, MatrixError};
use crate::retry::Retry;

/// Pauses between looks at the homeserver that failed.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// What people are told once where the keys were lost.
const LOST: &str = "The bridge has lost its keys for encrypted rooms and goes on with new ones. If it says of a message \
                    that it cannot read it, please send that message again.";

/// Listens as the bot's device.
pub(super) struct KeyListener {
    pub(super) homeserver: Homeserver,
    pub(super) opener: BotDevice,
    pub(super) slot: Arc<BotSlot>,
    pub(super) changes: Arc<DeviceChanges>,
    pub(super) waiting: Arc<WaitingEvents>,
}

impl KeyListener {
    /// Listens until encryption cannot be used at all.
    pub(super) async fn run(&self, inbox: &Inbox, tell: &Tell) {
        let mut retry = Retry::new(PAUSES[0], PAUSES[1]);
        loop {
            let broke = match self.open().await {
                Ok(device) => self.keep_up(&device, inbox, tell, &mut retry).await,
                Err(error) => error,
            };
            match broke {
                CryptoError::Off(reason) => {
                    tracing::warn!(reason, "encrypted rooms cannot be used");
                    return self.slot.set(Bot::Off(reason));
                }
                error => tracing::warn!(%error, "the keys of encrypted rooms do not come, trying again"),
            }
            retry.pause().await;
        }
    }

    async fn open(&self) -> Result<Arc<Device>, CryptoError> {
        if self.homeserver.sender().await? == *self.homeserver.bot() {
            let reason =
                "the bot is the sender_localpart of the registration, `msnbridge check` says what to change";
            return Err(CryptoError::Off(reason.into()));
        }
        let device = Arc::new(self.opener.open().await?);
        self.slot.set(Bot::On(device.clone()));
        Ok(device)
    }

    /// Listens, and tells people meanwhile that the device is another, until listening fails.
    async fn keep_up(
        &self,
        device: &Arc<Device>,
        inbox: &Inbox,
        tell: &Tell,
        retry: &mut Retry,
    ) -> CryptoError {
        let listened = self.listen(device, inbox, retry);
        tokio::pin!(listened);
        tokio::select! {
            broke = &mut listened => broke,
            told = self.tell_of_loss(tell) => {
                if let Err(error) = told {
                    tracing::warn!(%error, "people are told of new keys another time");
                }
                listened.await
            }
        }
    }

    /// Under the device's name: said again after a crash, the homeserver takes it for the same.
    async fn tell_of_loss(&self, tell: &Tell) -> Result<(), CryptoError> {
        let Some(record) = self.opener.news()? else { return Ok(()) };
        tell(record.device.to_string(), LOST.into()).await;
        self.opener.told(record).await
    }

    /// Looks for news until that fails in a way that another device may mend; gives the reason.
    async fn listen(&self, device: &Device, inbox: &Inbox, retry: &mut Retry) -> CryptoError {
        let mut pace = Pace::new(self.homeserver.traffic().clone(), self.waiting.clone());
        let (mut wait, mut loses_place) = (Duration::ZERO, false);
        loop {
            let since = match device.machine.store().next_batch_token().await {
                Ok(since) => since.filter(|_| !loses_place),
                Err(error) => return error.into(),
            };
            match self.look(device, wait, since, inbox).await {
                Ok(()) => {
                    retry.reset();
                    (wait, loses_place) = (pace.next().await, false);
                }
                Err(CryptoError::Homeserver(error)) if error.is("M_UNKNOWN_DEVICE") => return error.into(),
                Err(CryptoError::Homeserver(error @ MatrixError::Refused { .. })) => {
                    // A place that it does not know any more: it was set back to an earlier time, perhaps.
                    tracing::warn!(%error, "the homeserver does not go on where it was, all is asked anew");
                    loses_place = true;
                    retry.pause().await;
                }
                Err(error) => {
                    tracing::info!(%error, "keys and devices could not be asked for, trying again");
                    wait = Duration::ZERO;
                    retry.pause().await;
                }
            }
        }
    }

    async fn look(
        &self,
        device: &Device,
        wait: Duration,
        since: Option<String>,
        inbox: &Inbox,
    ) -> Result<(), CryptoError> {
        let keys = sync::sync(&self.homeserver, device, &self.changes, wait, since).await?;
        if !keys.is_empty() {
            self.waiting.release(&keys, inbox).await?;
            inbox.retry();
        }
        Ok(())
    }
}
