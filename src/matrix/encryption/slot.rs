//! The place of the bot's device: empty at the start, and where encryption is off.
//!
//! Knows why it is empty. Refuses to make a device.

use std::sync::{Arc, Mutex, PoisonError};

use super::device::Device;
use super::error::CryptoError;
use crate::matrix::homeserver::MatrixError;

/// The bot's device, or why there is none.
pub(super) enum Bot {
    Starting,
    On(Arc<Device>),
    Off(String),
}

/// Where all look for the bot's device.
pub(super) struct BotSlot(Mutex<Bot>);

impl BotSlot {
    pub(super) fn new(bot: Bot) -> Self {
        Self(Mutex::new(bot))
    }

    pub(super) fn set(&self, bot: Bot) {
        // Nothing that holds the lock panics.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bot;
    }

    /// The bot's device.
    ///
    /// # Errors
    /// [`CryptoError::Off`] where there is none and will be none; otherwise it comes yet.
    pub(super) fn get(&self) -> Result<Arc<Device>, CryptoError> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Bot::On(device) => Ok(device.clone()),
            Bot::Off(reason) => Err(CryptoError::Off(reason.clone())),
            Bot::Starting => Err(MatrixError::Unavailable {
                reason: "the bot's device for encrypted rooms is not ready yet".into(),
                after: None,
            }
            .into()),
        }
    }
}
