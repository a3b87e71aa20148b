//! Acting as somebody: one client with the appservice's token, each request in the name of a ghost or of the bot.
//!
//! Knows whether the homeserver is there, and how often it came back. Refuses to repeat a request: its caller knows whether
//! that is worth anything. Source: `?user_id=` of the appservice API.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::config::RequestConfig;
use matrix_sdk::store::RoomLoadSettings;
use matrix_sdk::{Client, SessionMeta, SessionTokens};
use reqwest::StatusCode;
use ruma::api::auth_scheme::SendAccessToken;
use ruma::api::client::account::register;
use ruma::api::{IncomingResponse, MatrixVersion, SupportedVersions};
use ruma::{OwnedUserId, UserId};
use secrecy::{ExposeSecret, SecretString};

use super::answer::Answer;
use super::echo::Echoes;
use super::error::{MatrixError, asked_pause};
use super::gate::Gate;
use super::identity::{Actor, As, Identities, Identity, Outgoing, Paths};
use super::traffic::Traffic;
use crate::matrix::config::MatrixConfig;
use crate::measure;
use crate::web::read_body;

/// How long the homeserver may take for one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The end of the path of a request that the homeserver answers when there is news, and how long that may take.
const SYNC: &str = "/v3/sync";
const POLL_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a connection is kept for the next request, and how many of them: each holds some tens of kilobytes.
const IDLE: Duration = Duration::from_secs(15);
const MAX_IDLE: usize = 32;

/// Bytes of the longest answer: a hundred events of the largest kind, several times.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// What all requests go through.
pub(super) fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().connect_timeout(TIMEOUT);
    client.pool_idle_timeout(IDLE).pool_max_idle_per_host(MAX_IDLE).build().unwrap_or_default()
}

/// The homeserver, and the right to act there as the bot and as every ghost.
#[derive(Clone, Debug)]
pub struct Homeserver {
    /// The sender's session, in which nothing is said. All else goes beside it: the sdk reads answers of any length.
    session: Client,
    http: reqwest::Client,
    bot: OwnedUserId,
    pub(super) base: String,
    identities: Arc<Identities>,
    versions: SupportedVersions,
    returns: Arc<Returns>,
    echoes: Arc<Echoes>,
    traffic: Arc<Traffic>,
    pub(super) gate: Arc<Gate>,
}

/// The sender's session, as an appservice has it: its token is the appservice's, and nothing is sent yet.
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

impl Returns {
    /// Notes what the homeserver said, or that nobody said anything.
    fn note(&self, answer: &Result<reqwest::Response, reqwest::Error>) {
        // Its process is gone, or the proxy before it finds nobody.
        let is_away = answer.as_ref().map_or_else(reqwest::Error::is_connect, |answer| {
            matches!(answer.status(), StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE)
        });
        if is_away {
            self.is_away.store(true, Ordering::Relaxed);
        } else if answer.is_ok() && self.is_away.swap(false, Ordering::Relaxed) {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Sends a request in somebody's name, and reads the answer as it must be.
macro_rules! send_as {
    ($homeserver:expr, $user:expr, $request:expr) => {
        $homeserver.send_as($user, $request).await
    };
}
pub(crate) use send_as;

/// Sends a request in somebody's name of which only matters whether it was granted.
macro_rules! tell_as {
    ($homeserver:expr, $user:expr, $request:expr) => {
        $homeserver.ask_as($user, $request).await.map(drop)
    };
}
pub(crate) use tell_as;

/// Sends a request in somebody's name, and gives the answer as it came.
macro_rules! ask_as {
    ($homeserver:expr, $user:expr, $request:expr) => {
        $homeserver.ask_as($user, $request).await
    };
}
pub(crate) use ask_as;

/// An answer as it must be.
pub(super) fn read<R: Outgoing>(answer: http::Response<Bytes>) -> Result<R::IncomingResponse, MatrixError> {
    let (is_granted, pause) = (answer.status().is_success(), asked_pause(answer.headers()));
    let is_json = Answer::parse(answer.body()).is_some();
    R::IncomingResponse::try_from_http_response(answer).map_err(|error| match is_granted && is_json {
        true => MatrixError::unreadable(&error),
        false => MatrixError::from(error).after(pause),
    })
}

/// An answer as it came, where the request was granted.
fn granted<R: Outgoing>(answer: http::Response<Bytes>) -> Result<Answer, MatrixError> {
    if answer.status().is_success() {
        return Answer::parse(answer.body()).ok_or_else(MatrixError::not_matrix);
    }
    match read::<R>(answer) {
        Ok(_) => Err(MatrixError::not_matrix()),
        Err(error) => Err(error),
    }
}

impl Homeserver {
    /// Prepares the client; nothing is sent yet.
    ///
    /// # Errors
    /// The address of the homeserver is none.
    pub async fn new(config: &MatrixConfig) -> Result<Self, MatrixError> {
        reqwest::Url::parse(&config.homeserver).map_err(MatrixError::own)?;
        let versions = SupportedVersions {
            // With the newest, fields of profiles have the path that they have kept.
            versions: [MatrixVersion::V1_11, MatrixVersion::V1_12, MatrixVersion::V1_16].into(),
            features: Default::default(),
        };
        let (base, bot) = (config.homeserver.clone(), config.bot.clone());
        let identities = Arc::new(Identities::new(config));
        let session = restore(config).await?;
        Ok(Self {
            session,
            http: client(),
            bot,
            base,
            identities,
            versions,
            returns: Arc::default(),
            echoes: Arc::default(),
            traffic: Arc::default(),
            gate: Arc::default(),
        })
    }

    /// The user that people know the bridge by.
    pub(crate) fn bot(&self) -> &UserId {
        &self.bot
    }

    /// How often the homeserver was away and came back.
    pub fn returns(&self) -> u64 {
        self.returns.count.load(Ordering::Relaxed)
    }

    /// Whether what is sent comes back.
    pub fn echoes(&self) -> &Arc<Echoes> {
        &self.echoes
    }

    /// How much happens in our rooms.
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// With which token somebody is acted as.
    pub(super) fn identity(&self, user: &UserId) -> Identity<'_> {
        self.identities.of(user)
    }

    /// Sends a request with the appservice's token, as nobody in particular.
    ///
    /// # Errors
    /// The homeserver is not available, refuses, or does not know the token.
    async fn send<R: Outgoing>(&self, request: R) -> Result<R::IncomingResponse, MatrixError> {
        read::<R>(self.exchange(self.prepare(self.identities.appservice(), request)?).await?)
    }

    /// Sends a request in somebody's name.
    ///
    /// # Errors
    /// The homeserver is not available, refuses, or does not know the token; [`MatrixError::UNREADABLE`] where it granted
    /// the request and its answer is not what it must be. A token of the configuration that is not known there is a
    /// refusal: only the one act fails.
    pub(crate) async fn send_as<R: Outgoing>(
        &self,
        actor: impl Into<Actor<'_>>,
        request: R,
    ) -> Result<R::IncomingResponse, MatrixError> {
        self.act(actor.into(), request, read::<As<R>>).await
    }

    /// The same, and gives the answer as it came.
    ///
    /// # Errors
    /// The homeserver is not available, refuses, or does not know the token.
    pub(crate) async fn ask_as<R: Outgoing>(
        &self,
        actor: impl Into<Actor<'_>>,
        request: R,
    ) -> Result<Answer, MatrixError> {
        self.act(actor.into(), request, granted::<As<R>>).await
    }

    async fn act<R: Outgoing, A>(
        &self,
        actor: Actor<'_>,
        request: R,
        read: impl Fn(http::Response<Bytes>) -> Result<A, MatrixError>,
    ) -> Result<A, MatrixError> {
        let Identity { token, is_appservice, names_user } = self.identity(actor.user);
        let is_bot = *actor.user == self.bot;
        let user = names_user.then(|| actor.user.to_owned());
        let device = actor.device.map(ToOwned::to_owned);
        let request = self.prepare(token, As { user, device, request })?;
        match read(self.exchange(request.clone()).await?) {
            Err(MatrixError::Token) if !is_appservice => Err(MatrixError::puppet_token()),
            Err(error) if is_bot && error.is_about_nobody() => {
                self.register_bot().await?;
                read(self.exchange(request).await?)
            }
            answer => answer,
        }
    }

    /// Makes the bot, a user of the namespace like a ghost. One that is there already stays as it is.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn register_bot(&self) -> Result<(), MatrixError> {
        let mut request = register::v3::Request::new();
        request.username = Some(self.bot.localpart().to_owned());
        request.login_type = Some(register::LoginType::ApplicationService);
        request.inhibit_login = true;
        let request = As { user: Some(self.bot.clone()), device: None, request };
        let request = self.prepare(self.identities.appservice(), request)?;
        match read::<As<register::v3::Request>>(self.exchange(request).await?) {
            Ok(_) | Err(MatrixError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A request as it goes over the wire.
    pub(super) fn prepare<R: Outgoing>(
        &self,
        token: &SecretString,
        request: R,
    ) -> Result<http::Request<Bytes>, MatrixError> {
        let token = SendAccessToken::Appservice(token.expose_secret());
        let request: http::Request<BytesMut> = request
            .try_into_http_request(&self.base, token, <R::PathBuilder as Paths>::input(&self.versions))
            .map_err(MatrixError::own)?;
        Ok(request.map(BytesMut::freeze))
    }

    /// One request and its answer, of which no more is read than any can have.
    pub(super) async fn exchange(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, MatrixError> {
        let request = request.map(reqwest::Body::from);
        let mut request = reqwest::Request::try_from(request).map_err(MatrixError::own)?;
        let is_poll = request.url().path().ends_with(SYNC);
        *request.timeout_mut() = Some(if is_poll { POLL_TIMEOUT } else { TIMEOUT });
        // What waits for news for half a minute takes nobody's place.
        let _pass = if is_poll { None } else { self.gate.enter(request.url().path()).await };
        let began = Instant::now();
        let answer = self.http.execute(request).await;
        self.returns.note(&answer);
        if !is_poll {
            let outcome = match &answer {
                Ok(answer) if answer.status().is_success() => "ok",
                Ok(_) => "refused",
                Err(_) => "failed",
            };
            measure::took(measure::HOMESERVER_REQUEST, ("outcome", outcome), began.elapsed());
        }
        let answer = answer.map_err(|error| MatrixError::unavailable(&error))?;
        let mut whole = http::Response::builder().status(answer.status());
        whole.headers_mut().into_iter().for_each(|headers| headers.clone_from(answer.headers()));
        let body = read_body(answer, MAX_ANSWER).await.map_err(|error| MatrixError::unavailable(&error))?;
        whole.body(body).map_err(MatrixError::own)
    }

    /// Whom the homeserver takes us for when we act as `user`.
    ///
    /// # Errors
    /// Refused where we may not act as `user`; the homeserver is not available.
    pub async fn whoami(&self, user: &UserId) -> Result<OwnedUserId, MatrixError> {
        let request = ruma::api::client::account::whoami::v3::Request::new();
        Ok(send_as!(self, user, request)?.user_id)
    }

    /// The `sender_localpart` of the registration: whom the homeserver takes us for where a request names nobody. No other
    /// request may be made so, because the sender is not the bot.
    ///
    /// # Errors
    /// The homeserver is not available, or does not know the token.
    pub async fn sender(&self) -> Result<OwnedUserId, MatrixError> {
        Ok(self.session.send(ruma::api::client::account::whoami::v3::Request::new()).await?.user_id)
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
