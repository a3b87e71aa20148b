//! The direct connection alone: whom it is opened with, and when it is given up.

use super::*;
use crate::connector::tests::{bob, component, component_with, config, email};
use crate::msn::p2p::Guid;

fn addresses() -> Vec<SocketAddr> {
    vec!["127.0.0.1:9".parse().unwrap()]
}

#[tokio::test]
async fn nobody_is_dialled_where_that_is_not_allowed() {
    let (mut call, mut direct) = (component(), DirectConnection::default());
    call.ctx.peers.open(&email("bob"));
    let wanted =
        DirectInput::DialWanted { email: email("bob"), addresses: addresses(), nonce: Nonce::Plain(Guid(7)) };
    direct.handle(&mut call.ctx, wanted).await;
    assert!(direct.email().is_none() && !direct.has_room());
}

#[tokio::test]
async fn a_connection_that_cannot_be_opened_is_forgotten() {
    let mut config = config();
    config.direct.dial = true;
    config.direct.allow = vec!["127.0.0.0/8".parse().unwrap()];
    let (mut call, mut direct) = (component_with(config), DirectConnection::default());
    call.offer(&mut bob(), "a.bin", 10);
    let wanted = || DirectInput::DialWanted {
        email: email("bob"),
        addresses: addresses(),
        nonce: Nonce::Plain(Guid(7)),
    };
    direct.handle(&mut call.ctx, wanted()).await;
    assert_eq!(direct.email(), Some(&email("bob")));
    assert!(!direct.has_room() && direct.take(&email("carol")).is_none());
    let input = direct.next().await;
    assert!(matches!(input, DirectInput::Gone(_)), "{input:?}");
    direct.handle(&mut call.ctx, input).await;
    assert!(direct.email().is_none());
    // What is opened for a peer that has gone is of no use.
    direct.handle(&mut call.ctx, wanted()).await;
    call.ctx.peers.take(&email("bob"));
    direct.handle(&mut call.ctx, DirectInput::Ready).await;
    assert!(direct.email().is_none());
}

#[tokio::test]
async fn a_port_is_listened_at_for_one_contact_at_a_time() {
    let mut config = config();
    config.direct.announce = vec![[127, 0, 0, 1].into()];
    let (mut call, mut direct) = (component_with(config), DirectConnection::default());
    call.ctx.peers.open(&email("bob"));
    direct.handle(&mut call.ctx, DirectInput::ListenWanted(email("bob"))).await;
    assert_eq!((direct.email(), call.ctx.doors.available_permits()), (Some(&email("bob")), 0));
    call.ctx.peers.open(&email("carol"));
    direct.handle(&mut call.ctx, DirectInput::ListenWanted(email("carol"))).await;
    assert_eq!(direct.email(), Some(&email("bob")));
    let kept = direct.take(&email("bob"));
    assert!(kept.is_some() && direct.email().is_none());
    direct.put(kept);
    assert_eq!(direct.email(), Some(&email("bob")), "it goes on in another call");
}
