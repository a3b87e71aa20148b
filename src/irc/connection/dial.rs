//! Opens a connection to one server, over TLS unless that is off, from the address that its owner has.
//!
//! Knows why it failed, in words for the person who configured it. Refuses to try again: the session does.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::{Stream, tls};
use crate::irc::caller::Caller;
use crate::irc::config::{NetworkConfig, Server};
use crate::irc::ident::Known;

/// How long connecting may take, TLS included.
const CONNECT_TIME: Duration = Duration::from_secs(30);

/// An open way to a server.
pub(in crate::irc) struct Opened {
    pub(in crate::irc) stream: Box<dyn Stream>,
    /// For as long as the network may ask who we are.
    pub(in crate::irc) known: Option<Known>,
}

/// Opens a way to `server`; the bot shows its certificate, if it has one.
///
/// # Errors
/// A text that names the server, what went wrong, and the key that mends it where there is one.
pub(in crate::irc) async fn dial(
    config: &NetworkConfig,
    server: &Server,
    caller: &Caller,
) -> Result<Opened, String> {
    let opened = tokio::time::timeout(CONNECT_TIME, open(config, server, caller)).await;
    let opened = opened.unwrap_or_else(|_| Err("no answer in time".into()));
    opened.map_err(|reason| format!("{server}: {reason}"))
}

async fn open(config: &NetworkConfig, server: &Server, caller: &Caller) -> Result<Opened, String> {
    // Where the address is told it need not be ours.
    let from = caller.address.filter(|_| config.webirc.is_none());
    let stream = connect(server, from).await.map_err(|error| match from {
        Some(address) => format!("{error}, from {address} (puppet_addresses)"),
        None => error.to_string(),
    })?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let ports = stream.local_addr().and_then(|ours| Ok((ours.port(), stream.peer_addr()?.port())));
    let known = ports.ok().and_then(|ports| Some(caller.idents.as_ref()?.note(ports, &caller.user)));
    let Some(tls) = &config.tls else { return Ok(Opened { stream: Box::new(stream), known }) };
    let name = tls.name.as_ref().unwrap_or(&server.host).clone();
    let name = ServerName::try_from(name).map_err(|_| format!("{} is no name for TLS", server.host))?;
    let connector = TlsConnector::from(if caller.is_bot { tls.bot.clone() } else { tls.puppet.clone() });
    let secured = connector.connect(name, stream).await.map_err(|error| tls::explain(&error, &tls.key))?;
    Ok(Opened { stream: Box::new(secured), known })
}

async fn connect(server: &Server, from: Option<Ipv6Addr>) -> io::Result<TcpStream> {
    let name = (server.host.as_str(), server.port);
    let Some(from) = from else { return TcpStream::connect(name).await };
    let mut failed = io::Error::other("the server has no IPv6 address");
    for address in tokio::net::lookup_host(name).await?.filter(SocketAddr::is_ipv6) {
        let socket = TcpSocket::new_v6()?;
        // An address that is routed to the host is none of an interface.
        socket2::SockRef::from(&socket).set_freebind_v6(true)?;
        socket.bind((from, 0).into())?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
