//! The tasks of the connector between a core that has no room and servers that go on talking: what fills up, and what goes
//! on once there is room again. Time stands still unless everybody waits for it.

pub(super) mod channels;
mod groups;
mod mute;
mod offline;
mod ringing;

use std::sync::Arc;

use futures_util::FutureExt;
use secrecy::SecretString;
use tokio::io::DuplexStream;

use super::dial::Dialler;
use super::interrupted::Interrupted;
use super::*;
use crate::bridge::Bridge;
use crate::bridge::tests::{Memory, NoFiles};
use crate::msn::dialect::Dialect;
use crate::msn::ids::HostPort;

pub(super) fn config() -> MsnConfig {
    MsnConfig {
        server: HostPort { host: "msn.invalid".into(), port: 1863 },
        nexus: "https://msn.invalid/".into(),
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
        ask_above: u64::MAX,
        ffmpeg: None,
        direct: DirectConfig { dial: false, allow: Vec::new(), announce: Vec::new(), ports: 0..=0 },
    }
}

/// What all tasks share, with servers that are these streams.
pub(super) fn shared(
    bridge: BridgeHandle,
    config: MsnConfig,
    servers: impl IntoIterator<Item = DuplexStream>,
) -> Shared {
    Shared {
        passport: Passport::new(&config).unwrap(),
        config: Arc::new(config),
        dialler: Arc::new(Dialler::prepared(servers)),
        pace: Arc::new(SignInPace::new(pace::DEFAULT_RATE)),
        bridge,
        storage: Arc::new(Memory::default()),
        media: Arc::new(NoFiles),
        interrupted: Interrupted::default(),
        tasks: TaskTracker::new(),
        cancel: CancellationToken::new(),
    }
}

pub(super) fn alice() -> LoginId {
    LoginId::new("alice@example.com")
}

pub(super) fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

fn credentials() -> Credentials {
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
pub(super) async fn next(core: &mut Bridge) -> RemoteKind {
    loop {
        match core.next_remote().await.expect("somebody brings things in").kind {
            RemoteKind::Notice { text } if text == "filler" => {}
            kind => return kind,
        }
    }
}
