//! A side that the core has never heard of: a log of plain text, beside Matrix.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::bridge::body::Body;
use crate::bridge::event::{Author, LocalEvent};
use crate::bridge::ids::{Leg, PortalKey};
use crate::bridge::port::delivery::{Content, Delivery, DeliveryError, Display};
use crate::bridge::port::frontend::{Frontend, FrontendTraits, Outcome, Signal};
use crate::bridge::testkit::{BOB, World};

const LOG: Leg = Leg::frontend("log");

/// Writes a line for each thing said in a conversation.
#[derive(Default)]
struct TextLog {
    lines: Mutex<Vec<String>>,
    /// What is refused, for ever.
    refuses: Option<&'static str>,
}

fn name(author: &Author) -> &str {
    match author {
        Author::Ghost(ghost) => &ghost.name,
        Author::Owner { name } | Author::Relayed { name } => name,
        Author::Bridge => "bridge",
    }
}

impl Frontend for TextLog {
    fn leg(&self) -> Leg {
        LOG
    }

    fn traits(&self) -> FrontendTraits {
        FrontendTraits {
            name: "the log",
            carries_files: false,
            shows_titles: false,
            hosts_rooms: false,
            shows_users: false,
            speaks_in_lines: false,
            redaction_note: "",
        }
    }

    fn serves(&self, portal: &PortalKey) -> bool {
        portal.management_user().is_none()
    }

    fn deliver(&self, delivery: Delivery, _display: Display) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let text = match &delivery.content {
                Content::Said { body: Body::Text(text) } => text.text(),
                other => format!("{other:?}"),
            };
            if self.refuses.is_some_and(|refused| text.contains(refused)) {
                return Err(DeliveryError::permanent("it is full"));
            }
            self.lines.lock().unwrap().push(format!("<{}> {text}", name(&delivery.author)));
            Ok(())
        })
    }

    fn report(&self, _portal: &PortalKey, _reference: &str, _outcome: Outcome) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn show(&self, _signal: Signal) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn interpret<'a>(&'a self, _raw: &'a [u8]) -> BoxFuture<'a, Result<LocalEvent, DeliveryError>> {
        Box::pin(async { Ok(LocalEvent::Ignored) })
    }

    fn redact<'a>(&'a self, _place: &'a str, _reference: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async { false })
    }
}

fn world(log: &Arc<TextLog>) -> World {
    let mut world = World::new();
    world.others.push(log.clone());
    world
}

#[test]
fn a_side_that_is_new_gets_what_everybody_says_and_the_core_knows_nothing_of_it() {
    let log = Arc::new(TextLog::default());
    let world = world(&log);
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "hello").await;
        life.until(world.matrix.arrived(), 1).await;
        life.writes(BOB, "$1", "good day").await;
        life.until(world.msn.arrived(), 1).await;
        life.pass(Duration::from_secs(1)).await;
    });
    assert_eq!(*log.lines.lock().unwrap(), ["<bob@x> hello", "<@ann:x> good day"]);
    assert_eq!(world.room(BOB), ["hello"]);
}

#[test]
fn what_a_new_side_refuses_is_told_under_its_own_name() {
    let log = Arc::new(TextLog { refuses: Some("not this"), ..TextLog::default() });
    let world = world(&log);
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "not this").await;
        life.until_that("the notice", world.matrix.arrived(), |all| !all.is_empty()).await;
        life.says(BOB, "and not this").await;
        life.until_ann_reads(&world, "set aside").await;
    });
    assert_eq!(world.heard(BOB), ["not this"]);
    assert_eq!(world.room(BOB), ["Your message was not delivered on the log: it is full.", "and not this"]);
    assert!(world.told()[0].contains("could not be shown on the log: it is full."), "{:?}", world.told());
}
