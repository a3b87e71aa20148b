//! Opens a connection to one server, over TLS unless that is off.
//!
//! Knows why it failed, in words for the person who configured it. Refuses to try again: the session does.

use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Stream, tls};
use crate::irc::config::{NetworkConfig, Server};

/// How long connecting may take, TLS included.
const CONNECT_TIME: Duration = Duration::from_secs(30);

/// Opens a way to `server`; `as_bot` shows the bot's certificate, if it has one.
///
/// # Errors
/// A text that names the server, what went wrong, and the key that mends it where there is one.
pub(in crate::irc) async fn dial(
    config: &NetworkConfig,
    server: &Server,
    as_bot: bool,
) -> Result<Box<dyn Stream>, String> {
    let opened = tokio::time::timeout(CONNECT_TIME, open(config, server, as_bot)).await;
    let opened = opened.unwrap_or_else(|_| Err("no answer in time".into()));
    opened.map_err(|reason| format!("{server}: {reason}"))
}

async fn open(config: &NetworkConfig, server: &Server, as_bot: bool) -> Result<Box<dyn Stream>, String> {
    let stream = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(|e| e.to_string())?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let Some(tls) = &config.tls else { return Ok(Box::new(stream)) };
    let name = tls.name.as_ref().unwrap_or(&server.host).clone();
    let name = ServerName::try_from(name).map_err(|_| format!("{} is no name for TLS", server.host))?;
    let connector = TlsConnector::from(if as_bot { tls.bot.clone() } else { tls.puppet.clone() });
    let secured = connector.connect(name, stream).await.map_err(|error| tls::explain(&error, &tls.key))?;
    Ok(Box::new(secured))
}
