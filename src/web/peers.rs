//! Who is connected, and from where: how many connections one address, and all together, may hold without being trusted.
//!
//! Where there are too many, the one that has waited longest for its first request goes: whoever only holds connections
//! loses them, and whoever asks at once is heard.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// What a server allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that are not trusted, all together and of one address.
    pub connections: usize,
    pub per_address: usize,
    /// How long a client may take over the head of its first request.
    pub head: Duration,
    /// How long a connection may wait between two requests, where it may make several.
    pub idle: Option<Duration>,
    /// How long a connection may last that is not trusted.
    pub lasting: Duration,
}

impl Limits {
    /// For whoever comes with a browser. One request each: nobody holds a place only by asking again now and then.
    pub const PUBLIC: Self = Self {
        connections: 256,
        per_address: 16,
        head: Duration::from_secs(15),
        idle: None,
        // A large file, by a slow line.
        lasting: Duration::from_secs(2 * 3600),
    };
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No request yet.
    Waiting,
    /// Something is being answered.
    Busy,
    /// Its client has shown that it may do all this: it does not count.
    Trusted,
}

/// One connection, and how far it has come.
#[derive(Debug)]
struct Entry {
    number: u64,
    address: IpAddr,
    stage: Stage,
    ended: CancellationToken,
}

/// The connections of one server, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Peers {
    limits: Limits,
    entries: Arc<Mutex<(u64, VecDeque<Entry>)>>,
}

/// One connection, for as long as it lasts. Handlers find it among a request's extensions.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Place>);

/// A connection's right to be here; dropped, another may come.
#[derive(Debug)]
struct Place {
    peers: Peers,
    number: u64,
    /// Cancelled when the connection has to make room.
    ended: CancellationToken,
    trusted: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.peers.lock().1.retain(|entry| entry.number != self.number);
    }
}

/// Whoever has one address of IPv6 has a whole network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

impl Peers {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, entries: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, VecDeque<Entry>)> {
        // Nothing that holds the lock panics.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection from there, if there is room for it or can be made.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Connection> {
        let address = network(address);
        let mut guard = self.lock();
        let (next, entries) = &mut *guard;
        if !make_room(entries, self.limits.per_address, |entry| entry.address == address)
            || !make_room(entries, self.limits.connections, |_| true)
        {
            return None;
        }
        *next += 1;
        let (number, ended) = (*next, CancellationToken::new());
        entries.push_back(Entry { number, address, stage: Stage::Waiting, ended: ended.clone() });
        drop(guard);
        let place = Place { peers: self.clone(), number, ended, trusted: CancellationToken::new() };
        Some(Connection(Arc::new(place)))
    }
}

/// Whether one more of this kind may come; the oldest that waits goes for it.
fn make_room(entries: &mut VecDeque<Entry>, most: usize, of_kind: impl Fn(&Entry) -> bool) -> bool {
    let counts = |entry: &&Entry| of_kind(entry) && entry.stage != Stage::Trusted;
    if entries.iter().filter(counts).count() < most {
        return true;
    }
    let waits = |entry: &Entry| of_kind(entry) && entry.stage == Stage::Waiting;
    let Some(at) = entries.iter().position(waits) else { return false };
    entries.remove(at).into_iter().for_each(|entry| entry.ended.cancel());
    true
}

impl Connection {
    /// The connection has come so far: one that has said who it is stays longest.
    fn reach(&self, stage: Stage) {
        let mut guard = self.0.peers.lock();
        if let Some(entry) = guard.1.iter_mut().find(|entry| entry.number == self.0.number) {
            entry.stage = stage;
        }
    }

    /// Where its client is, as far as that counts: of an address of IPv6 the network.
    pub fn address(&self) -> IpAddr {
        let guard = self.0.peers.lock();
        let own = guard.1.iter().find(|entry| entry.number == self.0.number);
        own.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |entry| entry.address)
    }

    /// A whole head has come.
    pub(super) fn asked(&self) {
        if !self.is_trusted() {
            self.reach(Stage::Busy);
        }
    }

    /// The head came through a proxy on this machine, for somebody at this address; false if they hold too much already.
    pub(super) fn is_for(&self, address: IpAddr) -> bool {
        let address = network(address);
        let mut guard = self.0.peers.lock();
        let others = |entry: &&Entry| {
            entry.address == address && entry.number != self.0.number && entry.stage != Stage::Trusted
        };
        let fits = guard.1.iter().filter(others).count() < self.0.peers.limits.per_address;
        if let Some(entry) = guard.1.iter_mut().find(|entry| entry.number == self.0.number && fits) {
            entry.address = address;
        }
        fits
    }

    /// The client has shown that it may do all this: no bound holds for the connection any more.
    pub fn trust(&self) {
        self.reach(Stage::Trusted);
        self.0.trusted.cancel();
    }

    /// Whether the peer has shown that it is the one the port is for.
    pub(super) fn is_trusted(&self) -> bool {
        self.0.trusted.is_cancelled()
    }

    /// Whether no request has come.
    pub(super) fn is_waiting(&self) -> bool {
        let guard = self.0.peers.lock();
        let own = guard.1.iter().find(|entry| entry.number == self.0.number);
        own.is_none_or(|entry| entry.stage == Stage::Waiting)
    }

    /// Resolves when the connection has to make room.
    pub(super) async fn ended(&self) {
        self.0.ended.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(connections: usize, per_address: usize) -> Peers {
        let head = Duration::from_secs(1);
        Peers::new(Limits { connections, per_address, head, idle: None, lasting: head })
    }

    fn ended(connection: &Connection) -> bool {
        connection.0.ended.is_cancelled()
    }

    #[test]
    fn fault_33_who_only_holds_connections_loses_the_oldest_and_others_lose_nothing() {
        let peers = peers(100, 2);
        let [mallory, ann] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let other = peers.enter(ann).unwrap();
        let held: Vec<Connection> = (0..4).map(|_| peers.enter(mallory).unwrap()).collect();
        assert_eq!(held.iter().map(ended).collect::<Vec<_>>(), [true, true, false, false]);
        assert!(!ended(&other));
        // What is being answered is not ended for what only waits.
        held[2].asked();
        held[3].asked();
        assert!(peers.enter(mallory).is_none());
        drop(held);
        assert!(peers.enter(mallory).is_some());
    }

    #[test]
    fn fault_33_all_together_have_a_bound_and_the_trusted_do_not_count() {
        let peers = peers(3, 100);
        let at = |n: u8| IpAddr::from([198, 51, 100, n]);
        let homeserver = peers.enter(at(1)).unwrap();
        homeserver.trust();
        let held: Vec<Connection> = (2..7).map(|n| peers.enter(at(n)).unwrap()).collect();
        assert_eq!(held.iter().filter(|connection| !ended(connection)).count(), 3);
        assert!(!ended(&homeserver));
        for _ in 0..10 {
            peers.enter(at(1)).unwrap().trust();
        }
    }

    #[test]
    fn fault_33_behind_a_proxy_the_address_is_the_one_it_names() {
        let peers = peers(100, 2);
        let proxy = IpAddr::from([127, 0, 0, 1]);
        let behind: Vec<Connection> = (0..3)
            .map(|_| {
                let connection = peers.enter(proxy).unwrap();
                connection.asked();
                connection.is_for("203.0.113.9".parse().unwrap());
                connection
            })
            .collect();
        assert!(!behind[2].is_for("203.0.113.9".parse().unwrap()));
        assert!(behind[2].is_for("203.0.113.10".parse().unwrap()), "somebody else is served");
    }

    #[test]
    fn fault_33_an_address_of_ipv6_is_its_network() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
    }
}
