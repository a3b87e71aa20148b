//! Signing in by security tokens, from the first line to `USR OK`: the machine of the client and the service, over sockets.

use std::sync::Arc;
use std::time::Instant;

use msnbridge::bridge::port::storage::{Storage, Table};
use msnbridge::connector::{OfflinePolicy, OimConfig};
use msnbridge::msn::challenge::Product;
use msnbridge::msn::command::Status;
use msnbridge::msn::dialect::{Dialect, SignIn};
use msnbridge::msn::endpoint::MachineId;
use msnbridge::msn::ids::{Capabilities, Email};
use msnbridge::msn::message::PersonalMessage;
use msnbridge::msn::oim::{Leaving, LeavingFailure, leave, leaving_result};
use msnbridge::msn::session::{
    Identity, LoginFailure, Machine, NotificationEvent, NotificationSession, Roster, SessionError, Start,
};
use msnbridge::msn::sso::{Domain, TokenExchange, TokenFailure, TokenForm, TokenStep, Tokens, token_request};
use msnbridge::service::{Rules, Service, ServiceConfig, parse_accounts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::plain::{MemoryStorage, PlainBridge, PlainConfig, Shown};
use crate::support::within;

const MACHINE: &str = "{a1a1a1a1-0000-4000-8000-00000000000f}";

/// A service that speaks every dialect there is.
async fn service() -> Service {
    service_of("alice@example.com,pass<&>word,Alice\n").await
}

async fn service_of(accounts: &str) -> Service {
    service_with(accounts, "").await
}

/// The same with accounts that answer by themselves.
async fn service_with(accounts: &str, robots: &str) -> Service {
    let any = "127.0.0.1:0".parse().unwrap();
    let config = ServiceConfig {
        dispatch: None,
        dispatch_to: None,
        notification: any,
        switchboard: any,
        http: any,
        https: None,
        accounts: parse_accounts(accounts).unwrap(),
        robots: parse_accounts(robots).unwrap(),
        rules: Rules { dialects: Dialect::ALL.to_vec(), ..Rules::default() },
        public_host: None,
    };
    Service::start(config).await.unwrap()
}

fn alice() -> Email {
    Email::parse("alice@example.com").unwrap()
}

async fn tokens(
    service: &Service,
    form: TokenForm,
    password: &str,
    policy: &str,
) -> Result<Tokens, TokenFailure> {
    let path = if form == TokenForm::Rst { "/RST.srf" } else { "//RST2.srf" };
    let body =
        token_request(form, &alice(), &password.into(), policy, "2026-11-26T19:07:49Z".parse().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = client.post(format!("http://{}{path}", service.addresses.http));
    let post = post.header("Content-Type", form.content_type()).body(body);
    let answer = post.send().await.unwrap().text().await.unwrap();
    match TokenExchange::default().handle(&answer)? {
        TokenStep::Done(tokens) => Ok(tokens),
        TokenStep::AskAt(url) => panic!("sent on to {url}"),
    }
}

fn machine(dialect: Dialect) -> NotificationSession {
    let identity = Identity {
        email: alice(),
        dialects: vec![dialect],
        client: "MSNMSGR".into(),
        client_version: "14.0.8117.416".into(),
        locale: "0x0409".into(),
    };
    let start = Start {
        product: None,
        status: Status::Online,
        capabilities: Capabilities(Capabilities::MULTI_PACKET),
        personal: PersonalMessage::default(),
        object: None,
        roster: Roster::default(),
        pings: false,
    };
    NotificationSession::new(Instant::now(), identity, start)
}

/// Runs a session until it is signed in or over; the tickets are those given, or come from `service`.
async fn sign_in(
    service: &Service,
    dialect: Dialect,
    form: TokenForm,
    given: Option<Tokens>,
) -> Result<Dialect, SessionError> {
    let mut stream = TcpStream::connect(service.addresses.notification).await.unwrap();
    let (mut session, mut buffer) = (machine(dialect), [0; 4096]);
    loop {
        while let Some(bytes) = session.poll_output() {
            stream.write_all(&bytes).await.unwrap();
        }
        if session.is_signed_in() {
            return Ok(session.dialect());
        }
        let read = within("the service to answer", stream.read(&mut buffer)).await.unwrap();
        assert_ne!(read, 0, "the service closed");
        session.handle_input(Instant::now(), &buffer[..read])?;
        while let Some(event) = session.poll_event() {
            if let NotificationEvent::TokensWanted { policy } = event {
                let tokens = match &given {
                    Some(tokens) => tokens.clone(),
                    None => tokens_for(service, form, &policy).await,
                };
                let machine = MachineId::parse(MACHINE).unwrap();
                session.provide_tokens(Instant::now(), &tokens, [9; 8], &machine);
            }
        }
    }
}

async fn tokens_for(service: &Service, form: TokenForm, policy: &str) -> Tokens {
    tokens(service, form, "pass<&>word", policy).await.unwrap()
}

#[tokio::test]
async fn every_dialect_with_proofs_signs_in_by_either_form_of_the_token_service() {
    let service = service().await;
    let proving = Dialect::ALL.into_iter().filter(|dialect| dialect.sign_in() == SignIn::Proof);
    for dialect in proving {
        for form in [TokenForm::Rst, TokenForm::Rst2] {
            assert_eq!(sign_in(&service, dialect, form, None).await, Ok(dialect), "{form:?}");
        }
    }
    service.stop().await;
}

#[tokio::test]
async fn a_wrong_password_ends_at_the_token_service_and_a_foreign_proof_at_the_server() {
    let (service, other) = (service().await, service().await);
    for form in [TokenForm::Rst, TokenForm::Rst2] {
        let refused = tokens(&service, form, "wrong", "MBI_KEY_OLD").await;
        assert_eq!(refused, Err(TokenFailure::Rejected("Authentication Failure".into())));
    }
    let foreign = tokens_for(&other, TokenForm::Rst, "MBI_KEY_OLD").await;
    let refused = sign_in(&service, Dialect::Msnp18, TokenForm::Rst, Some(foreign)).await;
    assert_eq!(refused, Err(SessionError::Login(LoginFailure::Rejected)));
    service.stop().await;
    other.stop().await;
}

/// A bridge with Alice, who is at this service in this dialect.
fn settings(service: &Service, dialect: Dialect) -> PlainConfig {
    let addresses = &service.addresses;
    let mut config = PlainConfig::new(&addresses.notification.to_string(), &addresses.nexus());
    config.msn.token_service = Some(format!("http://{}/RST.srf", addresses.http).parse().unwrap());
    config.msn.address_book =
        Some(format!("http://{}/abservice/abservice.asmx", addresses.http).parse().unwrap());
    config.msn.dialects = vec![dialect];
    config
}

#[tokio::test]
async fn a_login_signs_in_by_proof_and_keeps_the_name_of_its_place() {
    let service = service_of("alice@example.com,alice-pw,Alice\n").await;
    let (directory, storage) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStorage::default()));
    let config = settings(&service, Dialect::Msnp18);
    let bridge = PlainBridge::start_on(storage.clone(), directory.path(), config).await;
    bridge.signed_in().await;
    let row = storage.read(Table::Machines, b"alice@example.com").unwrap().expect("a name is kept");
    assert!(MachineId::parse(&String::from_utf8(row).unwrap()).is_some());
    service.stop().await;
}

#[tokio::test]
async fn an_owner_hears_why_the_token_service_gave_nothing() {
    let service = service_of("alice@example.com,another-pw,Alice\n").await;
    let directory = tempfile::tempdir().unwrap();
    let bridge = PlainBridge::start(directory.path(), settings(&service, Dialect::Msnp15)).await;
    bridge.line("did not accept the e-mail address and password").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = settings(&service, Dialect::Msnp15);
    config.msn.token_service = Some(format!("http://{nobody}/RST.srf").parse().unwrap());
    let bridge = PlainBridge::start(directory.path(), config).await;
    bridge.line("the sign-in page cannot be reached").await;
    service.stop().await;
}

#[tokio::test]
async fn a_contact_list_by_soap_makes_contacts_that_see_ring_and_are_written_to() {
    let service = service_with("alice@example.com,alice-pw,Alice\n", "rob@example.com,rob-pw,Rob\n").await;
    let directory = tempfile::tempdir().unwrap();
    let bridge = PlainBridge::start(directory.path(), settings(&service, Dialect::Msnp15)).await;
    bridge.signed_in().await;
    // Rob greets whoever is on both lists and seen online: the lists were told, and the status.
    let greeted = |shown: &Shown| matches!(shown, Shown::Line { author, conversation, .. } if author == "Rob" && conversation == "rob@example.com");
    bridge.until("Rob to greet", greeted).await;
    let said = bridge.say("rob@example.com", "are you there?").await;
    bridge.outcome(&said, "delivered").await;
    bridge.line("are you there?").await;
    service.stop().await;
}

#[tokio::test]
async fn a_contact_list_that_cannot_be_read_is_asked_for_again_later_with_a_reason() {
    let service = service_of("alice@example.com,alice-pw,Alice\n").await;
    let directory = tempfile::tempdir().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = settings(&service, Dialect::Msnp15);
    config.msn.address_book = Some(format!("http://{nobody}/abservice/abservice.asmx").parse().unwrap());
    let bridge = PlainBridge::start(directory.path(), config).await;
    bridge.line("the contact list service cannot be reached").await;
    service.stop().await;
}

/// Bob, who is not signed in, leaves words for Alice.
async fn leave_for_alice(service: &Service, text: &str) {
    let bob = Email::parse("bob@example.com").unwrap();
    let form = TokenForm::Rst;
    let now = "2026-11-26T19:07:49Z".parse().unwrap();
    let body = token_request(form, &bob, &"bob-pw".into(), "MBI_KEY_OLD", now);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |url: String, kind: &'static str, action: String, body: String| {
        let post = client.post(url).header("Content-Type", kind).header("SOAPAction", action).body(body);
        async move { post.send().await.unwrap().text().await.unwrap() }
    };
    let url = format!("http://{}/RST.srf", service.addresses.http);
    let answer = ask(url, form.content_type(), String::new(), body).await;
    let Ok(TokenStep::Done(tokens)) = TokenExchange::default().handle(&answer) else { panic!("{answer}") };
    let ticket = &tokens.get(Domain::Leaving).unwrap().ticket;
    let product = Product::published("PROD0112J1LW7%NB", Dialect::Msnp11).unwrap();
    let mut lock_key = String::new();
    for _ in 0..2 {
        let request = leave(&Leaving {
            from: &bob,
            name: "Bob",
            to: &alice(),
            text,
            ticket,
            product: &product,
            lock_key: &lock_key,
            run: "{3A3BE82C-684D-4F4F-8005-CBE8D4F82BAD}",
            sequence: 1,
        });
        let url = service.addresses.offline_store();
        let answer = ask(url, "text/xml", request.action, request.body).await;
        match leaving_result(&answer, &product) {
            Ok(()) => return,
            Err(LeavingFailure::LockKey(key)) => lock_key = key,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("the lock key is not taken");
}

#[tokio::test]
async fn words_for_those_who_are_away_are_left_and_fetched_with_the_tickets_of_the_token_service() {
    let service = service_of("alice@example.com,alice-pw,Alice\nbob@example.com,bob-pw,Bob\n").await;
    leave_for_alice(&service, "while you were away").await;
    let directory = tempfile::tempdir().unwrap();
    let mut config = settings(&service, Dialect::Msnp15);
    config.msn.offline = OfflinePolicy::Oim;
    config.msn.oim = OimConfig {
        rsi: Some(service.addresses.offline_retrieval().parse().unwrap()),
        store: Some(service.addresses.offline_store().parse().unwrap()),
    };
    let bridge = PlainBridge::start(directory.path(), config).await;
    bridge.line("while you were away").await;
    let said = bridge.say("bob@example.com", "for later").await;
    bridge.outcome(&said, "delivered").await;
    bridge.line("Your message was left for them").await;
    service.stop().await;
}
