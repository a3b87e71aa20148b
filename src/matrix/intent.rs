//! Acting as somebody: one client with the appservice's token, each request in the name of a ghost or of the bot.

use std::fmt::Debug;
use std::time::Duration;

use bytes::BufMut;
use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::config::RequestConfig;
use matrix_sdk::store::RoomLoadSettings;
use matrix_sdk::{Client, SessionMeta, SessionTokens};
use ruma::api::auth_scheme::AuthScheme;
use ruma::api::error::IntoHttpError;
use ruma::api::path_builder::PathBuilder;
use ruma::api::{AppserviceUserIdentity, MatrixVersion, Metadata, OutgoingRequest};
use ruma::{OwnedUserId, UserId};
use secrecy::ExposeSecret;

use super::{MatrixConfig, MatrixError};

/// How long the homeserver may take for one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request in somebody's name: it is itself a request, with `?user_id=` on it.
#[derive(Clone, Debug)]
pub(super) struct As<R> {
    user: OwnedUserId,
    request: R,
}

impl<R: Metadata> Metadata for As<R> {
    const METHOD: http::Method = R::METHOD;
    const RATE_LIMITED: bool = R::RATE_LIMITED;
    type Authentication = R::Authentication;
    type PathBuilder = R::PathBuilder;
    const PATH_BUILDER: Self::PathBuilder = R::PATH_BUILDER;
}

impl<R: OutgoingRequest> OutgoingRequest for As<R> {
    type EndpointError = R::EndpointError;
    type IncomingResponse = R::IncomingResponse;

    fn try_into_http_request<T: Default + BufMut + AsRef<[u8]>>(
        self,
        base_url: &str,
        authentication: <Self::Authentication as AuthScheme>::Input<'_>,
        path: <Self::PathBuilder as PathBuilder>::Input<'_>,
    ) -> Result<http::Request<T>, IntoHttpError> {
        let mut request = self.request.try_into_http_request(base_url, authentication, path)?;
        AppserviceUserIdentity::new(&self.user).maybe_add_to_uri(request.uri_mut())?;
        Ok(request)
    }
}

/// The homeserver, and the right to act there as the bot and as every ghost.
#[derive(Clone, Debug)]
pub struct Homeserver {
    pub(super) client: Client,
}

/// Sends a request in somebody's name. A macro, since the traits that would bound a function are private to the sdk.
macro_rules! send_as {
    ($homeserver:expr, $user:expr, $request:expr) => {
        $homeserver
            .client
            .send($crate::matrix::intent::named($user, $request))
            .await
            .map_err($crate::matrix::MatrixError::from)
    };
}
pub(super) use send_as;

pub(super) fn named<R>(user: &UserId, request: R) -> As<R> {
    As { user: user.to_owned(), request }
}

impl Homeserver {
    /// Prepares the client; nothing is sent yet.
    pub async fn new(config: &MatrixConfig) -> Result<Self, MatrixError> {
        let fail = |what: String| MatrixError::Refused { code: "M_BRIDGE".into(), status: 0, message: what };
        // `force_auth`: registering and the ping are otherwise sent without the token.
        let requests = RequestConfig::new().force_auth().retry_limit(0).timeout(TIMEOUT);
        let client = Client::builder()
            .homeserver_url(&config.homeserver)
            .request_config(requests)
            .server_versions([MatrixVersion::V1_11, MatrixVersion::V1_12])
            .build()
            .await
            .map_err(|error| fail(error.to_string()))?;
        let session = MatrixSession {
            meta: SessionMeta { user_id: config.bot.clone(), device_id: "BRIDGE".into() },
            tokens: SessionTokens {
                access_token: config.as_token.expose_secret().to_owned(),
                refresh_token: None,
            },
        };
        let restored = client.matrix_auth().restore_session(session, RoomLoadSettings::default()).await;
        restored.map_err(|error| fail(error.to_string()))?;
        Ok(Self { client })
    }

    /// Whom the homeserver takes us for, as ourselves or as somebody else.
    pub async fn whoami(&self, user: Option<&UserId>) -> Result<OwnedUserId, MatrixError> {
        let request = ruma::api::client::account::whoami::v3::Request::new();
        let answer = match user {
            Some(user) => send_as!(self, user, request)?,
            None => self.client.send(request).await.map_err(MatrixError::from)?,
        };
        Ok(answer.user_id)
    }

    /// Has the homeserver call us: the only proof that both directions work. Gives its round trip.
    pub async fn ping(&self, registration_id: &str) -> Result<Duration, MatrixError> {
        use ruma::api::client::appservice::request_ping::v1::Request;
        let request = Request::new(registration_id.to_owned());
        Ok(self.client.send(request).await.map_err(MatrixError::from)?.duration)
    }
}
