//! Signing in by tokens against the embedded service: what is fetched where, what is kept, and what an owner is told.

use std::time::Duration;

use tokio::time::timeout;

use crate::bridge::event::ConnectionState;
use crate::bridge::port::storage::Table;
use crate::connector::tests::*;
use crate::msn::endpoint::MachineId;
use crate::service::{Rules, Service, ServiceConfig, parse_accounts};

/// Thirty times what anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// A service that speaks every dialect there is.
pub(in crate::connector) async fn service() -> Service {
    let any = "127.0.0.1:0".parse().unwrap();
    let accounts = "alice@example.com,pw,Alice\nbob@example.com,pw,Bob\n";
    let config = ServiceConfig {
        dispatch: None,
        dispatch_to: None,
        notification: any,
        switchboard: any,
        http: any,
        https: None,
        accounts: parse_accounts(accounts).unwrap(),
        robots: Vec::new(),
        rules: Rules { dialects: Dialect::ALL.to_vec(), ..Rules::default() },
        public_host: None,
    };
    Service::start(config).await.unwrap()
}

/// What the tasks of Alice's login share, and what they bring in, when she is at this service with this dialect.
pub(in crate::connector) fn at(service: &Service, dialect: Dialect) -> (Shared, Bridge) {
    let mut config = config();
    let address = service.addresses.notification;
    config.server = HostPort { host: address.ip().to_string(), port: address.port() };
    config.token_service = Some(format!("http://{}/RST.srf", service.addresses.http).parse().unwrap());
    config.dialects = vec![dialect];
    let (bridge, core) = Bridge::channel();
    let dialler = Arc::new(Dialler::new(&config, reqwest::Client::new()));
    (Shared { dialler, ..shared(bridge, config, []) }, core)
}

/// Starts her login; the sender keeps it.
fn begin(shared: &Shared, credentials: Credentials) -> mpsc::Sender<LoginCommand> {
    let (asks, mailbox) = mpsc::channel(MAILBOX);
    tokio::spawn(LoginTask::new(login(shared), alice(), credentials, mailbox, shared.cancel.clone()).run());
    asks
}

/// The first state that says how signing in ended.
async fn outcome(core: &mut Bridge) -> ConnectionState {
    let state = async {
        loop {
            match next(core).await {
                RemoteKind::State(ConnectionState::Connecting) => {}
                RemoteKind::State(state) => return state,
                _ => {}
            }
        }
    };
    timeout(DEADLINE, state).await.expect("the sign-in ends")
}

fn name_of_this_place(shared: &Shared) -> Option<MachineId> {
    let row = shared.storage.read(Table::Machines, alice().as_str().as_bytes()).unwrap();
    MachineId::parse(&String::from_utf8(row?).unwrap())
}

#[tokio::test]
async fn a_login_signs_in_by_proof_and_keeps_the_name_of_its_place() {
    let service = service().await;
    let (shared, mut core) = at(&service, Dialect::Msnp18);
    let mut asks = begin(&shared, credentials());
    assert_eq!(outcome(&mut core).await, ConnectionState::Connected);
    let name = name_of_this_place(&shared).expect("a name is kept");
    drop(asks);
    asks = begin(&shared, credentials());
    assert_eq!(outcome(&mut core).await, ConnectionState::Connected);
    assert_eq!(name_of_this_place(&shared), Some(name));
    drop(asks);
    service.stop().await;
}

#[tokio::test]
async fn a_password_that_the_token_service_refuses_ends_the_sign_in_with_a_reason() {
    let service = service().await;
    let (shared, mut core) = at(&service, Dialect::Msnp15);
    let wrong = Credentials { password: SecretString::from("wrong"), ..credentials() };
    let _asks = begin(&shared, wrong);
    let ConnectionState::SignedOut { reason } = outcome(&mut core).await else { panic!("it is final") };
    assert!(reason.contains("did not accept the e-mail address and password"), "{reason}");
    service.stop().await;
}

#[tokio::test]
async fn a_token_service_that_cannot_be_reached_is_asked_again_later() {
    let service = service().await;
    let (mut shared, mut core) = at(&service, Dialect::Msnp15);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = MsnConfig {
        token_service: Some(format!("http://{nobody}/RST.srf").parse().unwrap()),
        ..(*shared.config).clone()
    };
    shared.tokens = TokenService::new(reqwest::Client::new(), &config);
    let _asks = begin(&shared, credentials());
    let ConnectionState::Waiting { reason } = outcome(&mut core).await else { panic!("it is tried again") };
    assert!(reason.contains("cannot be reached"), "{reason}");
    service.stop().await;
}
