//! The machine of a notification session, as one login begins it.
//!
//! Knows what the server is told of us. Refuses to know the socket and what comes of the session.

use std::sync::Arc;

use crate::bridge::login::Credentials;
use crate::connector::clock::now;
use crate::connector::config::MsnConfig;
use crate::connector::error::{ConnectError, TicketError};
use crate::connector::handle::OwnPicture;
use crate::connector::translate::convert;
use crate::msn::command::Status;
use crate::msn::ids::{Capabilities, Email};
use crate::msn::session::{Identity, NotificationSession, Roster, Start};
use crate::msn::wire::UrlText;

/// What this bridge can do: messages in several parts, and it says that it is MSNC4 (7.0).
const CAPABILITIES: Capabilities = Capabilities(0x4000_0000 | Capabilities::MULTI_PACKET);

/// A session that is to sign in with these.
///
/// # Errors
/// The account is no address.
pub(in crate::connector) fn machine(
    config: &MsnConfig,
    credentials: &Credentials,
    picture: Option<&Arc<OwnPicture>>,
    is_http: bool,
) -> Result<NotificationSession, ConnectError> {
    let email = Email::parse(credentials.account.trim()).map_err(|_| {
        let reason = Some("the account is not an e-mail address".into());
        ConnectError::Ticket(TicketError::Rejected { reason })
    })?;
    let identity = Identity {
        email,
        dialects: config.dialects.clone(),
        client: config.client.clone(),
        client_version: config.client_version.clone(),
        locale: config.locale.clone(),
    };
    let start = Start {
        product: config.product.clone(),
        status: convert::parse_status(&credentials.presence).unwrap_or(Status::Online),
        capabilities: CAPABILITIES,
        personal: convert::personal(&credentials.personal_message),
        object: announced(picture),
        roster: Roster::default(),
        pings: !is_http,
    };
    Ok(NotificationSession::new(now(), identity, start))
}

/// The picture of the owner, as it is announced.
pub(in crate::connector) fn announced(picture: Option<&Arc<OwnPicture>>) -> Option<UrlText> {
    picture.map(|picture| UrlText::encode(picture.object.as_xml()))
}
