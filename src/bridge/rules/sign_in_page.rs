//! Signing in and out on a page: links for one user, passwords that never were in a room, and what becomes of them.

use secrecy::{ExposeSecret, SecretString};

use crate::bridge::account::SignInOutcome;
use crate::bridge::event::{ConnectionState, RemoteKind};
use crate::bridge::ids::{LoginId, UserId};
use crate::bridge::port::storage::Table;
use crate::bridge::testkit::{ALICE, ANN, Life, World};

const CAROL: &str = "carol@x";
const EVE: &str = "@eve:x";

fn password(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

/// What Ann's sign-in as Carol comes to when her session does this.
async fn outcome(life: &Life, world: &World, state: ConnectionState) -> SignInOutcome {
    let ann = UserId::new(ANN);
    let before = world.msn.connects().len();
    let session = async {
        life.until_connects(world, before + 1).await;
        life.remote_of(CAROL, RemoteKind::State(ConnectionState::Connecting)).await;
        life.remote_of(CAROL, RemoteKind::State(state)).await;
    };
    let (outcome, ()) = tokio::join!(life.bridge.sign_in(&ann, CAROL, password("secret")), session);
    outcome.unwrap()
}

#[test]
fn with_a_page_the_answer_is_a_link_and_the_next_message_is_no_password() {
    let world = World::with_page();
    world.live(async |life| {
        life.sign_in().await;
        life.commands("$1", "login").await;
        life.commands("$2", "login carol@x").await;
        life.commands("$3", "status").await;
        life.until(world.matrix.arrived(), 3).await;
    });
    let told = world.told_to(ANN);
    assert!(told[0].starts_with("Sign in to MSN here: https://b.x/@ann:x/\n"), "{}", told[0]);
    assert!(told[1].starts_with("Sign in to MSN here: https://b.x/@ann:x/carol@x\n"), "{}", told[1]);
    assert_eq!(told[2], "alice@x: connected");
    assert_eq!(world.msn.connects(), [LoginId::new(ALICE)]);
}

#[test]
fn a_password_from_the_page_is_stored_before_it_is_tried_and_the_room_hears_of_it() {
    let world = World::with_page();
    world.live(async |life| {
        life.sign_in().await;
        let outcome = outcome(life, &world, ConnectionState::Connected).await;
        assert_eq!(outcome, SignInOutcome::SignedIn { login: LoginId::new(CAROL) });
        let logins = life.bridge.logins(&UserId::new(ANN)).await.unwrap();
        let names: Vec<(&str, &str)> = logins.iter().map(|it| (it.id.as_str(), it.words.as_str())).collect();
        assert_eq!(names, [(ALICE, "connected"), (CAROL, "connected")]);
        assert!(logins.iter().all(|login| login.since.is_some()));
        assert_eq!(life.bridge.logins(&UserId::new(EVE)).await.unwrap(), []);
        life.until(world.matrix.arrived(), 2).await;
    });
    let told = world.told_to(ANN);
    assert_eq!(told[0], "Signing in as carol@x, as was asked on the sign-in page …");
    assert!(told[1].starts_with("Signed in to MSN as carol@x."), "{}", told[1]);
    let (_, carol) = world.msn.sign_ins().borrow().last().cloned().unwrap();
    assert_eq!(carol.account, CAROL);
    assert!(carol.at_once);
    assert_eq!(carol.password.expose_secret(), "secret");
    assert_eq!(world.disk.rows(Table::Logins).len(), 2);
}

#[test]
fn what_becomes_of_a_sign_in_is_said_once_whatever_it_is() {
    let world = World::with_page();
    world.live(async |life| {
        life.sign_in().await;
        let wrong = ConnectionState::SignedOut { reason: "the password is wrong".into() };
        let refused = SignInOutcome::Refused { reason: "the password is wrong".into() };
        assert_eq!(outcome(life, &world, wrong).await, refused);
        let away = ConnectionState::Waiting { reason: "nobody answers".into() };
        let waiting = SignInOutcome::Waiting { login: LoginId::new(CAROL), reason: "nobody answers".into() };
        assert_eq!(outcome(life, &world, away).await, waiting);
        // The next state of the same session is nobody's outcome.
        life.remote_of(CAROL, RemoteKind::State(ConnectionState::Connected)).await;
        let connected = SignInOutcome::SignedIn { login: LoginId::new(CAROL) };
        assert_eq!(outcome(life, &world, ConnectionState::Connected).await, connected);
    });
}

#[test]
fn an_account_of_somebody_else_is_not_taken_and_a_stranger_may_not_sign_in() {
    let world = World::with_page();
    world.strangers.add(EVE);
    let is_refused = |outcome: SignInOutcome, part: &str| match outcome {
        SignInOutcome::Refused { reason } => assert!(reason.contains(part), "{reason}"),
        other => panic!("{other:?}"),
    };
    world.live(async |life| {
        life.sign_in().await;
        let mallory = UserId::new("@mallory:x");
        let taken = life.bridge.sign_in(&mallory, ALICE, password("x")).await.unwrap();
        is_refused(taken, "in use by somebody else");
        let stranger = life.bridge.sign_in(&UserId::new(EVE), CAROL, password("x")).await.unwrap();
        is_refused(stranger, "may not use this bridge");
        assert!(!life.bridge.sign_out(&mallory, LoginId::new(ALICE)).await.unwrap());
        assert!(!life.bridge.sign_out(&mallory, LoginId::new(CAROL)).await.unwrap());
    });
    assert_eq!(world.msn.connects(), [LoginId::new(ALICE)]);
    assert_eq!(world.disk.rows(Table::Logins).len(), 1);
}

#[test]
fn a_login_that_is_signed_out_on_the_page_is_forgotten_and_the_room_hears_of_it() {
    let world = World::with_page();
    world.live(async |life| {
        life.sign_in().await;
        assert!(life.bridge.sign_out(&UserId::new(ANN), LoginId::new(ALICE)).await.unwrap());
        life.until(world.matrix.arrived(), 1).await;
        assert_eq!(life.bridge.logins(&UserId::new(ANN)).await.unwrap(), []);
    });
    let told = world.told_to(ANN);
    assert!(
        told[0].starts_with("alice@x is signed out and its password forgotten, as was asked"),
        "{}",
        told[0]
    );
    assert_eq!(world.disk.rows(Table::Logins).len(), 0);
}
