//! Messages that were left for an owner and cannot be fetched: who is told, and how often.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::connector::login::offline::Offline;
use crate::connector::login::oim::{Fetching, Tickets};
use crate::connector::tests::*;
use crate::msn::ids::Ticket;
use crate::msn::oim::MailData;

fn waiting() -> MailData {
    MailData::Messages(vec!["id-1".into()])
}

async fn notice(core: &mut Bridge) -> String {
    match tokio::time::timeout(Duration::from_secs(600), next(core)).await.expect("nobody is told") {
        RemoteKind::Notice { text } => text,
        other => panic!("{other:?} is told"),
    }
}

/// A server that closes every connection, on a thread of its own: the clock of the tests is not its.
fn closing() -> (String, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/rsi/rsi.asmx", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (url, asked)
}

#[tokio::test(start_paused = true)]
async fn fault_09_an_owner_hears_once_that_messages_cannot_be_fetched_after_five_attempts() {
    let (bridge, mut core) = Bridge::channel();
    let shared = shared(bridge, config(), []);
    let (url, asked) = closing();
    let password = SecretString::from("pw".to_owned());
    let tickets = Tickets::new(shared.passport.clone(), email("alice"), password, "ct=1".into());
    tickets.set(Ticket::new("t=1&p=2"));
    let fetching = Fetching { shared: shared.clone(), login: alice(), tickets, url: url.parse().unwrap() };
    let begun = Instant::now();
    let turns = Semaphore::new(1);
    tokio::time::timeout(Duration::from_secs(600), fetching.run(waiting(), &turns))
        .await
        .expect("it gives up");
    assert_eq!(turns.available_permits(), 1, "the next round may begin");
    assert!(begun.elapsed() >= Duration::from_secs(15), "with pauses: {:?}", begun.elapsed());
    let text = notice(&mut core).await;
    assert!(text.contains("could not be fetched") && text.contains("«reconnect»"), "{text}");
    assert!(!text.contains(".."), "{text}");
    while asked.load(Ordering::SeqCst) < 5 {
        std::thread::yield_now();
    }
    let more = tokio::time::timeout(Duration::from_secs(600), next(&mut core)).await;
    assert!(more.is_err(), "told once: {more:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn fault_09_an_owner_hears_once_that_nobody_knows_where_to_fetch_from() {
    let (shared, mut offline) = (alone(), Offline::default());
    let text = offline.fetch(&shared, &alice(), waiting()).expect("the owner is told");
    assert!(text.contains("msn.oim.rsi") && text.contains("administrator"), "{text}");
    for _ in 0..2 {
        assert_eq!(offline.fetch(&shared, &alice(), waiting()), None, "told once");
    }
}
