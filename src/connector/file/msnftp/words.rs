//! The invitations that belong to a file, and what stands in an answer.
//!
//! Knows the fields of an invitation about a file (§8.4). Refuses to know who listens and who connects.

use std::net::{IpAddr, SocketAddr};

use crate::connector::context::call::CallContext;
use crate::msn::command::Acknowledge;
use crate::msn::message::{CancelCode, Invitation, InvitationCommand};

/// Says an invitation, or an answer to one, on the board.
pub(super) fn say(ctx: &mut CallContext, invitation: &Invitation) {
    ctx.say(Acknowledge::OnFailure, invitation.encode().encode());
}

/// Says that a negotiation is over, and why.
pub(in crate::connector) fn cancel(ctx: &mut CallContext, cookie: u32, code: &CancelCode) {
    say(ctx, &Invitation::cancel(cookie, code));
}

/// The answer of either side, so far as it is always the same.
pub(super) fn accept(cookie: u32) -> Invitation {
    Invitation::new(InvitationCommand::Accept, cookie)
        .with("Launch-Application", "FALSE")
        .with("Request-Data", "IP-Address:")
}

/// The same, with where one listens.
pub(super) fn accept_at(cookie: u32, here: SocketAddr, secret: u32) -> Invitation {
    Invitation::new(InvitationCommand::Accept, cookie)
        .with("IP-Address", &here.ip().to_string())
        .with("Port", &here.port().to_string())
        .with("AuthCookie", &secret.to_string())
        .with("Launch-Application", "FALSE")
        .with("Request-Data", "IP-Address:")
}

/// Where they listen, and what is to be shown there.
pub(super) fn target(accepted: &Invitation) -> Option<(Vec<SocketAddr>, u32)> {
    let number = |name: &str| accepted.field(name).and_then(|port| port.parse::<u16>().ok());
    let secret = accepted.field("AuthCookie")?.parse().ok()?;
    let mut addresses = Vec::new();
    for (address, ports) in
        [("IP-Address", ["Port", "PortX"]), ("IP-Address-Internal", ["Port", "PortX-Internal"])]
    {
        let Some(text) = accepted.field(address) else { continue };
        if let Ok(whole) = text.parse::<SocketAddr>() {
            addresses.push(whole);
        } else if let Ok(ip) = text.parse::<IpAddr>() {
            addresses.extend(ports.into_iter().filter_map(number).map(|port| SocketAddr::new(ip, port)));
        }
    }
    addresses.dedup();
    (!addresses.is_empty()).then_some((addresses, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Option<(Vec<SocketAddr>, u32)> {
        let begun = Invitation::new(InvitationCommand::Accept, 1);
        target(&fields.iter().fold(begun, |invitation, (name, value)| invitation.with(name, value)))
    }

    #[test]
    fn conf_083_every_address_that_is_told_is_known() {
        let all = read(&[
            ("IP-Address", "192.0.2.1"),
            ("IP-Address-Internal", "10.0.0.1"),
            ("Port", "6891"),
            ("PortX", "11178"),
            ("PortX-Internal", "7"),
            ("AuthCookie", "93301"),
        ]);
        let addresses = ["192.0.2.1:6891", "192.0.2.1:11178", "10.0.0.1:6891", "10.0.0.1:7"];
        let addresses = addresses.map(|a| a.parse().unwrap()).to_vec();
        assert_eq!(all, Some((addresses, 93301)));
        let whole = read(&[("IP-Address", "192.0.2.1:5"), ("AuthCookie", "1")]);
        assert_eq!(whole, Some((vec!["192.0.2.1:5".parse().unwrap()], 1)));
        // Without a port, or without what is to be shown there, nobody can go.
        assert_eq!(read(&[("IP-Address", "192.0.2.1"), ("AuthCookie", "1")]), None);
        assert_eq!(read(&[("IP-Address", "192.0.2.1"), ("Port", "6891")]), None);
    }
}
