//! What is asked of the homeserver for what contacts show, from one start to the next.

use super::*;
use crate::bridge::port::storage::Storage;
use crate::bridge::testkit::SimStorage;
use crate::matrix::testkit::{self, ANN, BOB, FakeHomeserver, bob, with_bob};

const PRESENCE: &str = "/presence/";

/// Ann shares a room with Bob's ghost.
struct Looks;

impl Audience for Looks {
    fn any(&self, _: &UserId, is_active: &dyn Fn(&UserId) -> bool) -> bool {
        is_active(ANN.try_into().unwrap())
    }
}

/// A bridge that has just started.
async fn start(server: &FakeHomeserver, storage: &Arc<dyn Storage>) -> PresencePublisher {
    let parts = testkit::components(server, storage.clone()).await;
    let showing = Showing {
        is_wanted: true,
        fields: StatusFields::new(parts.homeserver.clone(), true),
        records: PresenceRecords::new(storage.clone()),
    };
    PresencePublisher::new(showing, parts.homeserver, parts.ids, parts.profiles, Arc::new(Looks))
}

fn shows(publisher: &PresencePublisher, availability: Availability, text: &str) {
    let presence = GhostPresence { ghost: bob(), availability, text: text.into() };
    publisher.show(&[with_bob().receiver], presence);
}

async fn says(publisher: &PresencePublisher) -> Said {
    publisher.say(BOB.try_into().unwrap()).await
}

#[tokio::test]
async fn a_restart_repeats_nothing_that_is_already_so() {
    let server = FakeHomeserver::start().await;
    let storage: Arc<dyn Storage> = Arc::new(SimStorage::default());
    let first = start(&server, &storage).await;
    shows(&first, Availability::Online, "hi");
    assert_eq!(says(&first).await, Said::Asked(3), "its presence, and the two names of its status");
    assert_eq!(server.sent(PRESENCE).len(), 1);
    let before = server.asked().len();
    let second = start(&server, &storage).await;
    shows(&second, Availability::Online, "hi");
    assert_eq!(says(&second).await, Said::Nothing, "nobody was seen");
    assert_eq!(server.asked().len(), before, "not one request");
    second.seen(ANN.try_into().unwrap());
    assert_eq!(says(&second).await, Said::Asked(1), "now somebody may be looking");
    shows(&second, Availability::Away, "hi");
    assert_eq!(says(&second).await, Said::Asked(1), "that is news");
    shows(&second, Availability::Offline, "");
    says(&second).await;
    let before = server.asked().len();
    let third = start(&server, &storage).await;
    third.seen(ANN.try_into().unwrap());
    shows(&third, Availability::Offline, "");
    assert_eq!(says(&third).await, Said::Nothing);
    assert_eq!(server.asked().len(), before);
}

#[tokio::test]
async fn a_homeserver_that_refuses_presence_is_not_asked_again_and_still_has_the_status() {
    for (status, code) in [(403, "M_FORBIDDEN"), (404, "M_UNRECOGNIZED")] {
        let server = FakeHomeserver::start().await;
        let publisher = start(&server, &(Arc::new(SimStorage::default()) as Arc<dyn Storage>)).await;
        server.refuses(PRESENCE, status, code);
        for text in ["one", "two"] {
            shows(&publisher, Availability::Online, text);
            assert!(matches!(says(&publisher).await, Said::Asked(_)));
        }
        assert_eq!(server.sent(PRESENCE).len(), 1, "{code}");
        assert_eq!(server.sent("/m.status").len(), 2, "{code}");
    }
}

#[tokio::test]
async fn without_presence_and_without_fields_nothing_is_asked() {
    let server = FakeHomeserver::start().await;
    let publisher = start(&server, &(Arc::new(SimStorage::default()) as Arc<dyn Storage>)).await;
    server.refuses("/profile/", 404, "M_UNRECOGNIZED");
    server.refuses(PRESENCE, 403, "M_FORBIDDEN");
    shows(&publisher, Availability::Online, "one");
    says(&publisher).await;
    let before = server.asked().len();
    shows(&publisher, Availability::Away, "two");
    assert_eq!(says(&publisher).await, Said::Nothing);
    assert_eq!(server.asked().len(), before);
}
