//! «explain»: what became of a message, on every side, and for whom that is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::fmt::format::FmtSpan;

use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::storage::Table;
use crate::bridge::testkit::{ADMIN, Act, BOB, World};

const EVE: &str = "@eve:x";

#[test]
fn a_message_that_arrived_is_explained_also_after_a_restart() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "hello").await;
        life.until(world.msn.arrived(), 1).await;
        life.commands_in(BOB, "$2", "explain").await;
        life.until_that("an answer", world.matrix.arrived(), |_| world.room(BOB).len() == 1).await;
    });
    world.live(async |life| {
        life.commands("$3", "explain $1").await;
        life.until_that("an answer", world.matrix.arrived(), |_| world.told().len() == 1).await;
    });
    for text in [&world.room(BOB)[0], &world.told()[0]] {
        assert!(
            text.starts_with("This message came from Matrix at ") && text.contains("\n  MSN: delivered at "),
            "{text}"
        );
        assert!(text.contains("(1 attempt)") && !text.contains("hello"), "{text}");
    }
}

#[test]
fn a_message_on_its_way_is_explained_with_its_attempts_and_the_reason() {
    let world = World::relayed();
    world.irc.script.usually(Act::transient());
    world.live(async |life| {
        life.sign_in().await;
        life.says_surely(BOB, "hello").await;
        life.pass(Duration::from_secs(10)).await;
        life.commands_in(BOB, "$1", "explain").await;
        life.until_that("an answer", world.matrix.arrived(), |_| world.room(BOB).len() == 2).await;
    });
    let text = &world.room(BOB)[1];
    assert!(
        text.starts_with("This message came from MSN") && text.contains("\n  Matrix: delivered at"),
        "{text}"
    );
    assert!(
        text.contains("\n  IRC: not delivered yet") && text.contains("attempts): it does not answer"),
        "{text}"
    );
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_logged_of_a_message_on_its_way_names_its_portal_its_entry_and_the_side() {
    let (world, log) = (World::relayed(), Log::default());
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_span_events(FmtSpan::NEW)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        world.live(async |life| {
            life.sign_in().await;
            life.says_surely(BOB, "hello").await;
            life.until(world.irc.arrived(), 1).await;
        });
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let begun: Vec<&str> = log.lines().filter(|line| line.ends_with(": new")).collect();
    let entry = |side: &str| {
        let end = format!(" to={side}}}: ");
        let line = begun.iter().find(|line| line.contains(&end)).unwrap_or_else(|| panic!("{side}: {log}"));
        let (_, span) = line.split_once("portal{portal=").unwrap();
        span.split_once("message{entry=").unwrap().1.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(entry("matrix"), entry("irc"));
    assert!(!log.contains("hello"), "{log}");
}

#[test]
fn a_message_that_was_given_up_says_why() {
    let world = World::new();
    world.msn.script.usually(Act::permanent());
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "hello").await;
        life.until(world.matrix.arrived(), 1).await;
        life.commands("$2", "explain $1").await;
        life.until_that("an answer", world.matrix.arrived(), |_| world.told().len() == 1).await;
    });
    assert!(
        world.told()[0].contains("\n  MSN: given up at ") && world.told()[0].contains("it is too large"),
        "{:?}",
        world.told()
    );
}

#[test]
fn nobody_but_the_owner_and_an_administrator_is_told_of_a_message() {
    let world = World::new();
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "hello").await;
        life.until(world.msn.arrived(), 1).await;
        life.until_that("a trace", world.matrix.arrived(), |_| true).await;
        life.pass(Duration::from_secs(1)).await;
        life.commands_as(EVE, "$2", "explain $1").await;
        life.commands_as(ADMIN, "$3", "explain $1").await;
        life.commands("$4", "explain $9").await;
        life.commands("$5", "explain").await;
        life.until_that("answers", world.matrix.arrived(), |shown| shown.len() == 4).await;
    });
    assert!(world.told_to(EVE)[0].starts_with("Nothing is known of that message"));
    assert!(world.told_to(ADMIN)[0].contains("MSN: delivered"));
    let told = world.told();
    assert!(told.iter().any(|text| text.starts_with("Nothing is known")), "{told:?}");
    assert!(told.iter().any(|text| text == "Use this in a conversation: !msn explain."), "{told:?}");
    assert_eq!(world.disk.rows(Table::Traces).len(), 1, "commands and answers have none");
}

#[test]
fn a_message_that_was_taken_back_is_not_said_to_wait() {
    let world = World::new();
    world.msn.script.usually(Act::away());
    world.live(async |life| {
        life.sign_in().await;
        life.writes(BOB, "$1", "hello").await;
        life.until_told(&world, "$1", |outcome| matches!(outcome, Outcome::Held { .. })).await;
        life.commands_in(BOB, "$2", "explain $1").await;
        life.until_that("an answer", world.matrix.arrived(), |_| {
            world.room(BOB).iter().any(|t| t.contains("MSN: waits since"))
        })
        .await;
        life.commands_in(BOB, "$3", "cancel").await;
        life.until_told(&world, "$1", |outcome| matches!(outcome, Outcome::Failed { .. })).await;
        life.commands("$4", "explain $1").await;
        life.until_ann_reads(&world, "it was taken back").await;
    });
    assert!(world.told()[0].contains("\n  MSN: given up at "), "{:?}", world.told());
}
