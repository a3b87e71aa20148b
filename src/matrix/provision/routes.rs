//! Which path leads where.
//!
//! Knows the paths of the schema. Refuses to listen: whoever puts the program together says where.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::failure::Failure;
use super::server::ProvisionServer;
use super::{contact, process, whoami};

/// Bytes of a request's body.
const MAX_BODY: usize = 8 * 1024;

/// Every path of the API, below `/_matrix/provision`.
pub fn router(server: Arc<ProvisionServer>) -> Router {
    Router::new()
        .route("/v3/whoami", get(whoami::whoami))
        .route("/v3/logins", get(whoami::logins))
        .route("/v3/logout/{login}", post(whoami::logout))
        .route("/v3/login/flows", get(process::list))
        .route("/v3/login/start/{flow}", post(process::start))
        .route("/v3/login/step/{process}/{step}/{kind}", post(process::step))
        .route("/v3/login/cancel/{process}", post(process::cancel))
        .route("/v3/contacts", get(contact::contacts))
        .route("/v3/search_users", post(contact::search))
        .route("/v3/resolve_identifier/{identifier}", get(contact::resolve))
        .route("/v3/create_dm/{identifier}", post(contact::create))
        .route("/v3/create_group", post(contact::create_group))
        .fallback(|| async { Failure::unrecognized() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(server)
}
