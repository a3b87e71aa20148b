//! The tasks of the connector between a core that has no room and servers that go on talking: what fills up, and what goes
//! on once there is room again. Time stands still unless everybody waits for it.

mod channels;
mod component;
mod groups;
mod mute;
mod offline;
mod ringing;
mod sessions;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::io::DuplexStream;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridge::body::Body;
use crate::bridge::event::{RemoteEvent, RemoteKind};
use crate::bridge::ids::LoginId;
use crate::bridge::login::Credentials;
use crate::bridge::port::network::{ContactLine, Request};
use crate::bridge::testkit::{SimMedia, SimStorage};
use crate::bridge::{Bridge, BridgeHandle};
use crate::connector::call;
use crate::connector::call::resources::CallResources;
use crate::connector::config::{
    DirectConfig, MsnConfig, OfflinePolicy, OimConfig, Proxy, RelayFormat, Transport,
};
use crate::connector::context::Shared;
use crate::connector::context::names::Names;
use crate::connector::context::people::Directory;
use crate::connector::error::{CallFailure, ConnectError, TicketError};
use crate::connector::file::offers::OfferRegistry;
use crate::connector::file::suspended::SuspendedTransfers;
use crate::connector::handle::CallNotice;
use crate::connector::interrupted::Interrupted;
use crate::connector::login::command::LoginCommand;
use crate::connector::login::pace::{DEFAULT_RATE, SignInPace};
use crate::connector::login::task::{LoginContext, LoginTask};
use crate::connector::net::dial::Dialler;
use crate::connector::net::passport::Passport;
use crate::connector::net::token_service::TokenService;
use crate::connector::network::MAILBOX;
use crate::connector::translate::{convert, group};
use crate::msn::command::{ListMask, Status};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Capabilities, Email, HostPort};
use crate::msn::message::PersonalMessage;
use crate::msn::session::Contact;
pub(in crate::connector) use component::{Component, bob, component, component_with};

pub(in crate::connector) fn config() -> MsnConfig {
    MsnConfig {
        server: HostPort { host: "msn.invalid".into(), port: 1863 },
        nexus: "https://msn.invalid/".into(),
        token_service: None,
        address_book: None,
        allow_insecure_login: false,
        dialects: vec![Dialect::Msnp11],
        client: "MSNMSGR".into(),
        client_version: "7.0.0813".into(),
        locale: "0x0409".into(),
        transport: Transport::Direct,
        proxy: None,
        gateway: None,
        product: None,
        groups: Vec::new(),
        offline: OfflinePolicy::Hold,
        oim: OimConfig::default(),
        relay: RelayFormat::default(),
        ask_above: u64::MAX,
        ffmpeg: None,
        direct: DirectConfig { dial: false, allow: Vec::new(), announce: Vec::new(), ports: 0..=0 },
    }
}

/// What all tasks share, with servers that are these streams.
pub(in crate::connector) fn shared(
    bridge: BridgeHandle,
    config: MsnConfig,
    servers: impl IntoIterator<Item = DuplexStream>,
) -> Shared {
    Shared {
        passport: Passport::new(&config).unwrap(),
        tokens: TokenService::new(reqwest::Client::new(), &config),
        config: Arc::new(config),
        dialler: Arc::new(Dialler::prepared(servers)),
        bridge,
        storage: Arc::new(SimStorage::default()),
        media: Arc::new(SimMedia::default()),
        tasks: TaskTracker::new(),
        cancel: CancellationToken::new(),
    }
}

/// What all tasks share, with a core that has stopped: what it is told is lost.
pub(in crate::connector) fn alone() -> Shared {
    shared(Bridge::channel().0, config(), [])
}

/// A login among these.
fn login(shared: &Shared) -> LoginContext {
    let pace = Arc::new(SignInPace::new(DEFAULT_RATE));
    LoginContext { shared: shared.clone(), pace, interrupted: Interrupted::default() }
}

pub(in crate::connector) fn alice() -> LoginId {
    LoginId::new("alice@example.com")
}

pub(in crate::connector) fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

/// A contact with no picture, on no list.
pub(in crate::connector) fn contact(name: &str, status: Status, capabilities: u32) -> Contact {
    Contact {
        email: email(name),
        name: name.to_uppercase(),
        id: None,
        lists: ListMask::default(),
        groups: Vec::new(),
        properties: std::collections::BTreeMap::new(),
        status,
        capabilities: Capabilities(capabilities),
        object: None,
        personal: PersonalMessage::default(),
    }
}

/// What a login lends to a call that is about Bob.
pub(in crate::connector) fn resources(shared: &Shared, news: mpsc::Sender<CallNotice>) -> CallResources {
    CallResources {
        login: alice(),
        email: email("alice"),
        dialect: Dialect::Msnp11,
        people: Directory::default().about(vec![email("bob")]),
        own_picture: watch::Sender::new(None).subscribe(),
        streams: Arc::new(Semaphore::new(1)),
        doors: Arc::new(Semaphore::new(1)),
        offers: OfferRegistry::default(),
        names: Names::default(),
        suspended: SuspendedTransfers::default(),
        news,
        cancel: shared.cancel.clone(),
        shared: shared.clone(),
    }
}

pub(in crate::connector) fn credentials() -> Credentials {
    Credentials {
        account: alice().as_str().to_owned(),
        password: SecretString::from("pw".to_owned()),
        presence: "online".into(),
        personal_message: String::new(),
        at_once: true,
    }
}

/// Brings things in until the core has room for nothing more.
fn fill(bridge: &BridgeHandle) {
    let event = || RemoteEvent { login: alice(), kind: RemoteKind::Notice { text: "filler".into() } };
    // The scheduler's own bound is no full channel.
    while tokio::task::unconstrained(bridge.remote(event())).now_or_never().is_some() {}
}

/// The next thing that is brought in, those apart that filled the core.
pub(in crate::connector) async fn next(core: &mut Bridge) -> RemoteKind {
    loop {
        match core.next_remote().await.expect("somebody brings things in").kind {
            RemoteKind::Notice { text } if text == "filler" => {}
            kind => return kind,
        }
    }
}
