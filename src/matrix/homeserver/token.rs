//! Whose a token is that somebody shows who is not the homeserver.
//!
//! Knows access tokens and OpenID tokens. Refuses to keep one. Source: `whoami` of the client-server API, `userinfo` of the
//! server-server API, which a homeserver serves where its `openid` or `federation` resource is.

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ruma::api::client::account::whoami;
use ruma::{OwnedUserId, UserId};
use secrecy::{ExposeSecret, SecretString};

use super::answer::Answer;
use super::client::{Homeserver, read};
use super::error::MatrixError;

/// Where a homeserver says whose an OpenID token is.
const USERINFO: &str = "/_matrix/federation/v1/openid/userinfo";

impl Homeserver {
    /// The user whose access token it is.
    ///
    /// # Errors
    /// The homeserver is not available, or knows no such token.
    pub(crate) async fn owner_of_token(&self, token: &SecretString) -> Result<OwnedUserId, MatrixError> {
        let request = self.prepare(token, whoami::v3::Request::new())?;
        Ok(read::<whoami::v3::Request>(self.exchange(request).await?)?.user_id)
    }

    /// Whether it answers about OpenID tokens at all.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub async fn says_whose_openid_tokens_are(&self) -> Result<bool, MatrixError> {
        match self.owner_of_openid(&SecretString::from("none")).await {
            Ok(_) | Err(MatrixError::Refused { .. } | MatrixError::Token) => Ok(true),
            Err(MatrixError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The user who asked their homeserver for this OpenID token.
    ///
    /// # Errors
    /// The homeserver is not available, does not say, or knows no such token.
    pub(crate) async fn owner_of_openid(&self, token: &SecretString) -> Result<OwnedUserId, MatrixError> {
        let token = utf8_percent_encode(token.expose_secret(), NON_ALPHANUMERIC);
        let uri = format!("{}{USERINFO}?access_token={token}", self.base.trim_end_matches('/'));
        let request = http::Request::get(uri).body(Bytes::new()).map_err(MatrixError::own)?;
        let answer = self.exchange(request).await?;
        if !answer.status().is_success() {
            return Err(MatrixError::openid(answer.status(), answer.body()));
        }
        let user = Answer::parse(answer.body()).and_then(|answer| answer.text("sub"));
        user.and_then(|user| UserId::parse(user).ok()).ok_or_else(MatrixError::not_matrix)
    }
}
