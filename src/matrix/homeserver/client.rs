//! Acting as somebody: one client with the appservice's token, each request in the name of a ghost or of the bot.
//!
//! Knows whether the homeserver is there, and how often it came back. Refuses to repeat a request: its caller knows whether
//! that is worth anything. Source: `?user_id=` of the appservice API.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::config::RequestConfig;
use matrix_sdk::store::RoomLoadSettings;
use matrix_sdk::{Client, SessionMeta, SessionTokens};
use reqwest::StatusCode;
use ruma::api::auth_scheme::{AuthScheme, SendAccessToken};
use ruma::api::error::IntoHttpError;
use ruma::api::path_builder::{PathBuilder, SinglePath, VersionHistory};
use ruma::api::{
    AppserviceUserIdentity, IncomingResponse, MatrixVersion, Metadata, OutgoingRequest, SupportedVersions,
};
use ruma::{OwnedUserId, UserId};
use secrecy::{ExposeSecret, SecretString};

use super::error::{MatrixError, Refusal};
use crate::matrix::config::MatrixConfig;
use crate::web::read_body;

/// How long the homeserver may take for one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of the longest answer: a hundred events of the largest kind, several times.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// What all requests go through.
pub(super) fn client() -> reqwest::Client {
    reqwest::Client::builder().connect_timeout(TIMEOUT).build().unwrap_or_default()
}

/// A request in somebody's name: it is itself a request, with `?user_id=` on it.
#[derive(Clone, Debug)]
pub(crate) struct As<R> {
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
    /// The bot's own session. What ghosts say and whatever may be long goes beside it: the sdk reads answers of any length.
    session: Client,
    http: reqwest::Client,
    bot: OwnedUserId,
    base: String,
    token: SecretString,
    versions: SupportedVersions,
    returns: Arc<Returns>,
}

/// The bot's session, as an appservice has it: its token is the appservice's, and nothing is sent yet.
async fn restore(config: &MatrixConfig) -> Result<Client, MatrixError> {
    // `force_auth`: some requests are otherwise sent without the token.
    let requests = RequestConfig::new().force_auth().retry_limit(0).timeout(TIMEOUT);
    let client = Client::builder()
        .homeserver_url(&config.homeserver)
        .request_config(requests)
        .server_versions([MatrixVersion::V1_11, MatrixVersion::V1_12])
        .build()
        .await
        .map_err(MatrixError::own)?;
    let access_token = config.as_token.expose_secret().to_owned();
    let session = MatrixSession {
        meta: SessionMeta { user_id: config.bot.clone(), device_id: "BRIDGE".into() },
        tokens: SessionTokens { access_token, refresh_token: None },
    };
    let restored = client.matrix_auth().restore_session(session, RoomLoadSettings::default()).await;
    restored.map_err(MatrixError::own)?;
    Ok(client)
}

/// Whether the homeserver is there, and how often it came back.
#[derive(Debug, Default)]
struct Returns {
    is_away: AtomicBool,
    count: AtomicU64,
}

/// How a request's path is made: ruma has one way for what has versions and one for what has none.
pub(crate) trait Paths: PathBuilder {
    fn input(versions: &SupportedVersions) -> Self::Input<'_>;
}

impl Paths for VersionHistory {
    fn input(versions: &SupportedVersions) -> Self::Input<'_> {
        Cow::Borrowed(versions)
    }
}

impl Paths for SinglePath {
    fn input(_: &SupportedVersions) -> Self::Input<'_> {}
}

/// Sends a request in somebody's name.
macro_rules! send_as {
    ($homeserver:expr, $user:expr, $request:expr) => {
        $homeserver.send($crate::matrix::homeserver::named($user, $request)).await
    };
}
pub(crate) use send_as;

pub(crate) fn named<R>(user: &UserId, request: R) -> As<R> {
    As { user: user.to_owned(), request }
}

impl Homeserver {
    /// Prepares the client; nothing is sent yet.
    ///
    /// # Errors
    /// The address of the homeserver is none.
    pub async fn new(config: &MatrixConfig) -> Result<Self, MatrixError> {
        reqwest::Url::parse(&config.homeserver).map_err(MatrixError::own)?;
        let versions = SupportedVersions {
            versions: [MatrixVersion::V1_11, MatrixVersion::V1_12].into(),
            features: Default::default(),
        };
        let (base, token, bot) = (config.homeserver.clone(), config.as_token.clone(), config.bot.clone());
        let session = restore(config).await?;
        Ok(Self { session, http: client(), bot, base, token, versions, returns: Arc::default() })
    }

    /// The appservice's own user.
    pub(crate) fn bot(&self) -> &UserId {
        &self.bot
    }

    /// How often the homeserver was away and came back.
    pub fn returns(&self) -> u64 {
        self.returns.count.load(Ordering::Relaxed)
    }

    /// Sends a request with the appservice's token. Of the answer no more is read than any can have.
    ///
    /// # Errors
    /// The homeserver is not available, refuses, or does not know the token.
    pub(crate) async fn send<R>(&self, request: R) -> Result<R::IncomingResponse, MatrixError>
    where
        R: OutgoingRequest,
        R::EndpointError: Refusal,
        R::PathBuilder: Paths,
        for<'a> R::Authentication: AuthScheme<Input<'a> = SendAccessToken<'a>>,
    {
        let token = SendAccessToken::Appservice(self.token.expose_secret());
        let request: http::Request<BytesMut> = request
            .try_into_http_request(&self.base, token, R::PathBuilder::input(&self.versions))
            .map_err(MatrixError::own)?;
        let request = request.map(|body| reqwest::Body::from(body.freeze()));
        let mut request = reqwest::Request::try_from(request).map_err(MatrixError::own)?;
        *request.timeout_mut() = Some(TIMEOUT);
        let answer = self.http.execute(request).await;
        // Its process is gone, or the proxy before it finds nobody.
        let is_away = answer.as_ref().map_or_else(reqwest::Error::is_connect, |answer| {
            matches!(answer.status(), StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE)
        });
        if is_away {
            self.returns.is_away.store(true, Ordering::Relaxed);
        } else if answer.is_ok() && self.returns.is_away.swap(false, Ordering::Relaxed) {
            self.returns.count.fetch_add(1, Ordering::Relaxed);
        }
        let answer = answer.map_err(|error| MatrixError::unavailable(&error))?;
        let mut whole = http::Response::builder().status(answer.status());
        whole.headers_mut().into_iter().for_each(|headers| headers.clone_from(answer.headers()));
        let body = read_body(answer, MAX_ANSWER).await.map_err(|error| MatrixError::unavailable(&error))?;
        let whole = whole.body(body).map_err(MatrixError::own)?;
        R::IncomingResponse::try_from_http_response(whole).map_err(MatrixError::from)
    }

    /// Whom the homeserver takes us for, as ourselves or as somebody else.
    ///
    /// # Errors
    /// Refused where we may not act as `user`; the homeserver is not available.
    pub async fn whoami(&self, user: Option<&UserId>) -> Result<OwnedUserId, MatrixError> {
        let request = ruma::api::client::account::whoami::v3::Request::new();
        let answer = match user {
            Some(user) => send_as!(self, user, request)?,
            None => self.session.send(request).await?,
        };
        Ok(answer.user_id)
    }

    /// Has the homeserver call us: the only proof that both directions work. Gives its round trip.
    ///
    /// # Errors
    /// The homeserver cannot reach us, or is not available itself.
    pub async fn ping(&self, registration_id: &str) -> Result<Duration, MatrixError> {
        use ruma::api::client::appservice::request_ping::v1::Request;
        let request = Request::new(registration_id.to_owned());
        Ok(self.send(request).await?.duration)
    }
}
