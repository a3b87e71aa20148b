//! The MSN side of the bridge: tokio around the machines of [`crate::msn`].
//!
//! Knows sockets, time, HTTPS, reconnects, and which call serves which conversation. Decides nothing about the protocol
//! (that is the machines') and nothing about who hears what (that is the core's). Imports run one way: `network` ->
//! `login` -> `call` -> `file`, `object`, `translate` -> `handle`, `context` -> `net` -> the leaves.

mod call;
mod clock;
mod config;
mod context;
mod error;
mod file;
mod handle;
mod interrupted;
mod login;
mod net;
mod network;
mod object;
mod size;
#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;
mod translate;

pub use config::{DirectConfig, MsnConfig, OfflinePolicy, OimConfig, Proxy, RelayFormat, Transport};
pub use error::{CallFailure, ConnectError, TicketError};
pub use login::oim::answers as oim_answers;
pub use net::dial::reach;
pub use net::passport::Passport;
pub use net::token_service::{TokenService, form_of as token_form};
pub use network::MsnConnector;
pub use translate::group::conversation_of;
