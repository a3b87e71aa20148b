//! In whose name a program asks.
//!
//! Knows the three things that a program can show. Refuses to remember an answer of the homeserver: a token that was taken
//! back is one no longer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::header;
use axum::http::request::Parts;
use ruma::{OwnedUserId, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::failure::Failure;
use super::server::ProvisionServer;
use crate::bridge::ids::UserId as BridgeUser;
use crate::bridge::port::frontend::Level;
use crate::matrix::homeserver::MatrixError;
use crate::web::Connection;

/// Begins a token that a homeserver has made for others than itself.
const OPENID: &str = "openid:";

/// A user in whose name something is asked, and the login that is meant.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) user: BridgeUser,
    pub(super) login: Option<String>,
}

/// What is said beside the path.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    /// With the secret alone: in whose name.
    user_id: Option<String>,
    #[serde(alias = "loginID")]
    login_id: Option<String>,
}

impl FromRequestParts<Arc<ProvisionServer>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<ProvisionServer>) -> Result<Self, Failure> {
        let address = parts.extensions.get::<Connection>().map(Connection::address);
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let asked = Query::<Asked>::try_from_uri(&parts.uri).map(|Query(asked)| asked).unwrap_or_default();
        let head = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            head.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(Failure::missing_token)?;
        let user = server.caller(token.trim(), asked.user_id.as_deref(), address).await?;
        Ok(Self { user, login: asked.login_id })
    }
}

impl ProvisionServer {
    /// The user that a token stands for, if that user may have logins.
    async fn caller(&self, token: &str, named: Option<&str>, address: IpAddr) -> Result<BridgeUser, Failure> {
        let is_secret = self
            .settings
            .secret
            .as_ref()
            .is_some_and(|secret| bool::from(secret.expose_secret().as_bytes().ct_eq(token.as_bytes())));
        let user = match is_secret {
            true => named_user(named)?,
            false => self.owner(token, address).await?,
        };
        if named.is_some_and(|named| named != user.as_str()) {
            return Err(Failure::forbidden("The token is another user's."));
        }
        let id = BridgeUser::new(user.as_str());
        if self.ids.is_ours(&user) || self.permissions.level(&id) < Level::User {
            return Err(Failure::forbidden("You may not use this bridge. Ask its administrator."));
        }
        Ok(id)
    }

    /// Whose a token is, as the homeserver says.
    async fn owner(&self, token: &str, address: IpAddr) -> Result<OwnedUserId, Failure> {
        let found = match token.strip_prefix(OPENID) {
            Some(token) => self.homeserver.owner_of_openid(&SecretString::from(token)).await,
            None => self.homeserver.owner_of_token(&SecretString::from(token)).await,
        };
        match found {
            Ok(user) if user.server_name() == self.settings.server_name => Ok(user),
            Ok(_) | Err(MatrixError::Token | MatrixError::Refused { .. }) => {
                self.guesses.count(&address)?;
                Err(Failure::unknown_token())
            }
            Err(error @ (MatrixError::Unavailable { .. } | MatrixError::Missing { .. })) => {
                tracing::warn!(%error, "whose a token is was not learned");
                Err(Failure::internal(error.to_string()))
            }
        }
    }
}

fn named_user(named: Option<&str>) -> Result<OwnedUserId, Failure> {
    let named = named.ok_or_else(|| Failure::forbidden("Say in whose name, with ?user_id=."))?;
    UserId::parse(named).map_err(|_| Failure::forbidden("The name behind ?user_id= is no Matrix user."))
}
