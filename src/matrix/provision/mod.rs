//! The provisioning API: programs manage a user's logins and begin conversations in that user's name.
//!
//! Knows the forms that the other bridges' version 3 has, so that their programs work here. Refuses to trust an address or a
//! name: each request shows an access token, an OpenID token, or the secret of the configuration. Source: the provisioning
//! schema of mautrix' `bridgev2`.

mod caller;
mod contact;
mod failure;
mod process;
mod processes;
mod routes;
mod server;
mod whoami;

pub use routes::router;
pub use server::{ProvisionServer, ProvisionSettings};
