//! Messages that the notification server itself sends (§5.4).
//!
//! Knows which fields clients look for. Refuses to invent what this service does not know of a person.

use std::net::SocketAddr;

use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, Ticket};
use crate::msn::message::Envelope;

/// The initial profile. Fields about which this service knows nothing are present and empty, as clients expect.
pub(super) fn profile(email: &Email, ticket: &Ticket, peer: Option<SocketAddr>, dialect: Dialect) -> Vec<u8> {
    let address = peer.map_or_else(|| "127.0.0.1".to_owned(), |peer| peer.ip().to_string());
    let port = peer.map_or(0, |peer| peer.port()).to_string();
    let mut envelope = Envelope::new("text/x-msmsgsprofile; charset=UTF-8");
    for (name, value) in [
        ("LoginTime", "0"),
        ("EmailEnabled", "0"),
        ("MemberIdHigh", "0"),
        ("MemberIdLow", "0"),
        ("lang_preference", "1033"),
        ("preferredEmail", email.as_str()),
        ("country", ""),
        ("PostalCode", ""),
        ("Gender", ""),
        ("Kid", "0"),
        ("Age", ""),
        ("BDayPre", ""),
        ("Birthday", ""),
        ("Wallet", ""),
        ("Flags", "1027"),
        ("sid", "507"),
        ("kv", "5"),
        ("MSPAuth", ticket.expose()),
        ("ClientIP", &address),
        ("ClientPort", &port),
    ] {
        envelope = envelope.with(name, value);
    }
    if dialect.has_guids() {
        envelope = envelope.with("ABCHMigrated", "1");
    }
    envelope.encode()
}
