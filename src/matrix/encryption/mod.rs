//! End-to-bridge encryption: the bot reads what is said in encrypted rooms, and speaks there as the ghosts do.
//!
//! Knows keys, devices and sessions, and which rooms want them. Refuses to know what is said. Without the feature
//! `encryption` it still knows which rooms are encrypted, so that nothing is said there in plain text.

mod rooms;

use futures_util::future::BoxFuture;

#[cfg(feature = "encryption")]
mod arrivals;
#[cfg(feature = "encryption")]
mod bot;
#[cfg(feature = "encryption")]
mod changes;
#[cfg(feature = "encryption")]
mod device;
mod error;
#[cfg(feature = "encryption")]
mod ghosts;
#[cfg(feature = "encryption")]
mod housekeeping;
#[cfg(feature = "encryption")]
mod image;
#[cfg(feature = "encryption")]
mod keys;
#[cfg(feature = "encryption")]
mod listener;
#[cfg(feature = "encryption")]
mod pace;
#[cfg(feature = "encryption")]
mod publish;
#[cfg(feature = "encryption")]
mod queries;
#[cfg(feature = "encryption")]
mod record;
#[cfg(feature = "encryption")]
mod sealer;
#[cfg(feature = "encryption")]
mod slot;
#[cfg(feature = "encryption")]
mod sync;
#[cfg(feature = "encryption")]
mod waiting;

#[cfg(not(feature = "encryption"))]
mod absent;

#[cfg(not(feature = "encryption"))]
pub(crate) use absent::Encryption;
pub(crate) use error::CryptoError;
#[cfg(feature = "encryption")]
pub(crate) use keys::Encryption;
pub(crate) use rooms::ALGORITHM;

/// Says something to everybody in the rooms that they share with the bridge alone; once under a name.
pub(crate) type Tell = Box<dyn Fn(String, String) -> BoxFuture<'static, ()> + Send + Sync>;

/// What became of an event that is encrypted.
#[derive(Debug)]
#[cfg_attr(not(feature = "encryption"), allow(dead_code, reason = "without keys nothing is decrypted"))]
pub(crate) enum Decrypted {
    /// The event that was in it, as JSON.
    Said(Vec<u8>),
    /// Its key may come any moment; what follows in the room waits behind it.
    Waits,
    /// Its key has not come. It is kept in case that it does, or not.
    SetAside { reason: &'static str, is_kept: bool },
    /// It can never be read.
    Never(String),
}
