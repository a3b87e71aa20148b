//! Which addresses of contacts may be dialled, and where contacts can connect to us.
//!
//! Whoever offers a file names the address: without a rule they could have the bridge knock at any door behind its
//! firewall. Public addresses only, unless the configuration names more.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connector::config::DirectConfig;

/// How long one address may take to answer.
const DIAL: Duration = Duration::from_secs(5);
/// Most addresses that are tried: whoever waits for it waits no longer than for so many.
const MAX_DIALLED: usize = 3;
/// How long somebody may take to come.
const ACCEPT: Duration = Duration::from_secs(20);
/// Bytes that wait in the system, unseen by us.
const SEND_BUFFER: usize = 256 * 1024;

/// Ranges that no contact on the internet can have: this machine, its neighbours, and addresses with another meaning.
const SPECIAL: [&str; 17] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    // Documentation, and addresses that carry one of the above inside.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
];
/// All that is public of IPv6.
const GLOBAL: &str = "2000::/3";

impl DirectConfig {
    /// Whether any ports are set aside on which contacts may be waited for.
    pub(in crate::connector) fn listens(&self) -> bool {
        !self.announce.is_empty()
    }

    /// Whether a contact may have us connect there.
    pub(in crate::connector) fn may_dial(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        // The own address leads past the firewall of this machine.
        let is_other = is_public(address) && !self.announce.contains(&address);
        self.dial && (is_other || self.allow.iter().any(|network| network.contains(&address)))
    }

    /// The first of the allowed addresses that answers.
    ///
    /// # Errors
    /// None of them may be dialled, or the last failure where none answers.
    pub(in crate::connector) async fn dial(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let mut last =
            io::Error::new(io::ErrorKind::PermissionDenied, "none of their addresses may be dialled");
        for address in addresses.iter().filter(|address| self.may_dial(address.ip())).take(MAX_DIALLED) {
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer");
            match tokio::time::timeout(DIAL, TcpStream::connect(address)).await.map_err(late).flatten() {
                Ok(stream) => return ready(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Listens at a free port of those that are set aside, where one of `doors` is free.
    ///
    /// # Errors
    /// No address is announced, too many are waited for already, or all ports that are set aside are in use.
    pub(in crate::connector) async fn listen(&self, doors: &Arc<Semaphore>) -> io::Result<PeerListener> {
        let permit = doors.clone().try_acquire_owned();
        let permit = permit.map_err(|_| io::Error::other("too many are waited for already"))?;
        let mut last = io::Error::new(io::ErrorKind::Unsupported, "no address is announced");
        let Some(announced) = self.announce.first().copied() else { return Err(last) };
        let anywhere = match announced {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        for port in self.ports.clone() {
            // The announced address is this machine's own, or that of what stands before it.
            for address in [announced, anywhere] {
                match TcpListener::bind((address, port)).await {
                    Ok(listener) => {
                        let port = listener.local_addr()?.port();
                        let here = SocketAddr::new(announced, port);
                        return Ok(PeerListener { listener, here, permit });
                    }
                    Err(error) => last = error,
                }
            }
        }
        Err(last)
    }
}

/// A port on which somebody is waited for.
pub(in crate::connector) struct PeerListener {
    listener: TcpListener,
    /// Where they are to go.
    pub(in crate::connector) here: SocketAddr,
    permit: OwnedSemaphorePermit,
}

impl PeerListener {
    /// The first who comes. Nobody else is let in after that.
    ///
    /// # Errors
    /// The listener failed, or nobody came in time.
    pub(in crate::connector) async fn accept(self) -> io::Result<TcpStream> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "nobody came");
        let accepted = tokio::time::timeout(ACCEPT, self.listener.accept()).await;
        drop(self.permit);
        let (stream, _) = accepted.map_err(late).flatten()?;
        ready(stream)
    }
}

/// What the system takes off our hands must be through within the time-outs, also on a slow line.
fn ready(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER)?;
    Ok(stream)
}

fn is_public(address: IpAddr) -> bool {
    let within = |network: &str| network.parse::<IpNet>().is_ok_and(|network| network.contains(&address));
    (address.is_ipv4() || within(GLOBAL)) && !SPECIAL.into_iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(allow: &[&str]) -> DirectConfig {
        let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
        DirectConfig { dial: true, allow, announce: vec![IpAddr::from([127, 0, 0, 1])], ports: 0..=0 }
    }

    #[test]
    fn only_public_addresses_are_dialled_unless_more_is_configured() {
        let config = config(&["192.168.7.0/24", "fd00::/8"]);
        let may = |address: &str| config.may_dial(address.parse().unwrap());
        for public in ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "192.168.7.9", "fd00::7"] {
            assert!(may(public), "{public}");
        }
        for special in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.8.1",
            "169.254.169.254",
            "100.100.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "ff02::1",
        ] {
            assert!(!may(special), "{special}");
        }
        let own: IpAddr = "9.9.9.9".parse().unwrap();
        assert!(!DirectConfig { announce: vec![own], ..config.clone() }.may_dial(own));
        assert!(!DirectConfig { dial: false, ..config }.may_dial("8.8.8.8".parse().unwrap()));
        for network in SPECIAL.into_iter().chain([GLOBAL]) {
            assert!(network.parse::<IpNet>().is_ok(), "{network}");
        }
    }

    #[tokio::test]
    async fn what_may_not_be_dialled_is_not_even_tried() {
        let doors = Arc::new(Semaphore::new(1));
        let door = config(&[]).listen(&doors).await.unwrap();
        assert!(config(&[]).listen(&doors).await.is_err(), "one at a time here");
        let here = [door.here];
        let refused = config(&[]).dial(&here).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        let allowed = config(&["127.0.0.0/8"]);
        let (dialled, accepted) = tokio::join!(allowed.dial(&here), door.accept());
        assert!(dialled.is_ok() && accepted.is_ok());
        assert!(config(&[]).listen(&doors).await.is_ok());
    }
}
