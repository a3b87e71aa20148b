//! What components make of answers that no good homeserver gives.

use std::sync::Arc;

use ruma::{RoomId, UserId};
use serde_json::json;

use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::testkit::SimStorage;
use crate::matrix::component::Components;
use crate::matrix::homeserver::{MatrixError, Sent};
use crate::matrix::testkit::{self, ANN, BOB, EVE, FakeHomeserver};

fn room() -> &'static RoomId {
    <&RoomId>::try_from("!made:test.localhost").unwrap()
}

fn user(name: &'static str) -> &'static UserId {
    <&UserId>::try_from(name).unwrap()
}

async fn desk() -> (FakeHomeserver, Components) {
    let server = FakeHomeserver::start().await;
    let parts = testkit::components(&server, Arc::new(SimStorage::default())).await;
    (server, parts)
}

async fn sends(parts: &Components) -> Result<(), MatrixError> {
    let sent = Sent { room: room(), speaker: user(BOB), id: "1", kind: "m.room.message", at: None };
    parts.sender.send(sent, json!({"body": "hi"})).await.map(drop)
}

#[tokio::test]
async fn an_odd_name_of_one_member_costs_nobody_else_their_name() {
    let (server, parts) = desk().await;
    let joined = json!({EVE: {"display_name": ["odd"], "avatar_url": 7}, ANN: {"display_name": "Ann"}});
    server.answers("/joined_members", 200, json!({"joined": joined}));
    assert_eq!(parts.members.name(room(), user(ANN)).await.unwrap(), "Ann");
    assert_eq!(parts.members.name(room(), user(EVE)).await.unwrap(), "eve");
    server.answers("/joined_members", 200, json!([]));
    assert_eq!(parts.members.name(room(), user(BOB)).await.unwrap(), user(BOB).localpart());
    assert!(parts.members.is_alive(room()).await.unwrap(), "whoever lists its members is there");
}

#[tokio::test]
async fn a_room_whose_state_cannot_be_read_is_not_private() {
    let (server, parts) = desk().await;
    for state in [json!({}), json!("odd"), json!([7]), json!([{"type": "m.room.member", "content": 7}])] {
        server.answers("/state", 200, state.clone());
        assert!(!parts.management.is_there_alone(room(), user(ANN)).await.unwrap(), "{state}");
    }
}

#[tokio::test]
async fn what_was_granted_is_done_whatever_is_said_of_it() {
    let (server, parts) = desk().await;
    server.answers("/rooms/", 200, json!({"room_id": 7, "joined": true}));
    parts.members.ensure_joined(room(), user(BOB)).await.unwrap();
    parts.members.leave(room(), user(BOB)).await.unwrap();
    // Without its id an event is as good as refused: asked again, the homeserver would say the same.
    let error = sends(&parts).await.unwrap_err();
    assert!(error.is(MatrixError::UNREADABLE), "{error}");
    assert!(matches!(error.into(), DeliveryError::Permanent { .. }));
}

#[tokio::test]
async fn a_request_that_nobody_knows_now_is_tried_again_and_changes_nothing() {
    let (server, parts) = desk().await;
    server.refuses("/rooms/", 404, "M_UNRECOGNIZED");
    let error: DeliveryError = sends(&parts).await.unwrap_err().into();
    assert!(matches!(error, DeliveryError::Transient { .. }), "{error:?}");
    assert!(parts.members.is_alive(room()).await.is_err(), "the room is not gone");
    server.refuses("/rooms/", 404, "M_NOT_FOUND");
    assert!(!parts.members.is_alive(room()).await.unwrap());
}

#[tokio::test]
async fn as_long_a_pause_is_made_as_the_homeserver_asks_for() {
    let (server, parts) = desk().await;
    server.answers(
        "/send/",
        429,
        json!({"errcode": "M_LIMIT_EXCEEDED", "error": "", "retry_after_ms": 3000}),
    );
    let error: DeliveryError = sends(&parts).await.unwrap_err().into();
    let DeliveryError::Transient { after, .. } = error else { panic!("{error:?}") };
    assert_eq!(after, Some(std::time::Duration::from_secs(3)));
}
