//! In whose name a request is made, and with which token.
//!
//! Knows that the appservice's own token acts as the bot and as every ghost, and as others only where the homeserver lets
//! it; that a token of the configuration does so for one user or a whole server. Refuses to ask whether a token is right.
//! Source: `?user_id=` of the appservice API.

use std::borrow::Cow;

use bytes::BufMut;
use ruma::api::auth_scheme::{AuthScheme, SendAccessToken};
use ruma::api::error::IntoHttpError;
use ruma::api::path_builder::{PathBuilder, SinglePath, VersionHistory};
use ruma::api::{AppserviceUserIdentity, Metadata, OutgoingRequest, SupportedVersions};
use ruma::{DeviceId, OwnedDeviceId, OwnedServerName, OwnedUserId, UserId};
use secrecy::SecretString;

use super::error::Refusal;
use crate::matrix::config::{MatrixConfig, PuppetTokens};

/// In whose name something is asked, and with which device, where that matters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) device: Option<&'a DeviceId>,
}

impl<'a> From<&'a UserId> for Actor<'a> {
    fn from(user: &'a UserId) -> Self {
        Self { user, device: None }
    }
}

impl<'a> From<&'a OwnedUserId> for Actor<'a> {
    fn from(user: &'a OwnedUserId) -> Self {
        Self { user, device: None }
    }
}

/// A request in somebody's name: it is itself a request, with `?user_id=` on it unless the token says who it is.
#[derive(Clone, Debug)]
pub(super) struct As<R> {
    pub(super) user: Option<OwnedUserId>,
    pub(super) device: Option<OwnedDeviceId>,
    pub(super) request: R,
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
        if let Some(user) = &self.user {
            let mut identity = AppserviceUserIdentity::new(user);
            identity.device_id = self.device.as_deref();
            identity.maybe_add_to_uri(request.uri_mut())?;
        }
        Ok(request)
    }
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

/// A request that can be made with a token.
pub(crate) trait Outgoing:
    OutgoingRequest<
        EndpointError: Refusal,
        PathBuilder: Paths,
        Authentication: for<'a> AuthScheme<Input<'a> = SendAccessToken<'a>>,
    >
{
}

impl<R> Outgoing for R
where
    R: OutgoingRequest,
    R::EndpointError: Refusal,
    R::PathBuilder: Paths,
    R::Authentication: for<'a> AuthScheme<Input<'a> = SendAccessToken<'a>>,
{
}

/// With which token somebody is acted as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity<'a> {
    pub(super) token: &'a SecretString,
    /// Whether that is the appservice's own.
    pub(super) is_appservice: bool,
    /// Whether the request says as whom it is made: the token alone does not.
    pub(super) names_user: bool,
}

/// The tokens there are.
#[derive(Debug)]
pub(super) struct Identities {
    appservice: SecretString,
    bot: OwnedUserId,
    ghost_prefix: String,
    server_name: OwnedServerName,
    puppets: PuppetTokens,
}

impl Identities {
    pub(super) fn new(config: &MatrixConfig) -> Self {
        Self {
            appservice: config.as_token.clone(),
            bot: config.bot.clone(),
            ghost_prefix: config.ghost_prefix.clone(),
            server_name: config.server_name.clone(),
            puppets: config.double_puppets.clone(),
        }
    }

    pub(super) fn appservice(&self) -> &SecretString {
        &self.appservice
    }

    fn is_ours(&self, user: &UserId) -> bool {
        *user == self.bot
            || (user.server_name() == self.server_name && user.localpart().starts_with(&self.ghost_prefix))
    }

    /// With which token `user` is acted as: their own before one for their server, and that before the appservice's.
    pub(super) fn of(&self, user: &UserId) -> Identity<'_> {
        let found = |who: &str| self.puppets.0.get(who).filter(|_| !self.is_ours(user));
        if let Some(token) = found(user.as_str()) {
            return Identity { token, is_appservice: false, names_user: false };
        }
        match found(user.server_name().as_str()) {
            Some(token) => Identity { token, is_appservice: false, names_user: true },
            None => Identity { token: &self.appservice, is_appservice: true, names_user: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::matrix::testkit::{self, ANN, BOB, BOT, EVE};

    #[test]
    fn the_closest_token_is_taken_and_none_of_the_configuration_for_ours() {
        let tokens = [(ANN, "ann"), ("test.localhost", "server")];
        let tokens = tokens.map(|(who, token)| (who.to_owned(), SecretString::from(token)));
        let double_puppets = PuppetTokens(tokens.into());
        let identities = Identities::new(&MatrixConfig { double_puppets, ..testkit::config("http://x") });
        for (user, token, names_user) in [
            (ANN, "ann", false),
            (EVE, "server", true),
            (BOT, "as", true),
            (BOB, "as", true),
            ("@eve:elsewhere", "as", true),
        ] {
            let identity = identities.of(<&UserId>::try_from(user).unwrap());
            assert_eq!((identity.token.expose_secret(), identity.names_user), (token, names_user), "{user}");
            assert_eq!(identity.is_appservice, token == "as", "{user}");
        }
    }
}
