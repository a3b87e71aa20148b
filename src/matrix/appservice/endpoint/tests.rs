//! Transactions as homeservers send them, and what is on disk then.

use std::sync::Mutex;

use super::*;
use crate::bridge::ids::Leg;
use crate::bridge::port::storage::{Storage, Table};
use crate::bridge::testkit::SimStorage;

const PATH: &str = "/_matrix/app/v1/transactions/1";

struct Desk {
    url: String,
    storage: Arc<dyn Storage>,
    ephemeral: Arc<Mutex<Vec<Value>>>,
    cancel: CancellationToken,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn desk() -> Desk {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let storage: Arc<dyn Storage> = Arc::new(SimStorage::default());
    let inbox = Arc::new(Inbox::open(storage.clone(), Leg::frontend("matrix"), 0).unwrap());
    let (ephemeral, cancel) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
    let told = ephemeral.clone();
    let appservice = Appservice {
        hs_token: "a+b".to_owned().into(),
        inbox,
        ephemeral: Box::new(move |event| told.lock().unwrap().push(event)),
        is_own: Box::new(|user| user.starts_with("@msn_")),
        heard: Box::new(|_| {}),
        pinged: Box::new(|| {}),
        restarts: Box::new(|| 0),
    };
    tokio::spawn(serve(listener, appservice, cancel.clone()));
    Desk { url, storage, ephemeral, cancel }
}

impl Desk {
    async fn put(&self, path: &str, token: Option<&str>, body: impl Into<reqwest::Body>) -> u16 {
        let mut request = reqwest::Client::new().put(format!("{}{path}", self.url)).body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().status().as_u16()
    }

    fn kept(&self) -> usize {
        self.storage.scan(Table::Inbox, b"", None, 1000).unwrap().len()
    }

    /// What became of one transaction: its answer, and how many events and ephemeral ones were in it.
    async fn takes(&self, body: String) -> (u16, usize, usize) {
        let before = (self.kept(), self.ephemeral.lock().unwrap().len());
        let status =
            self.put(&format!("/_matrix/app/v1/transactions/m{}", body.len()), Some("a+b"), body).await;
        (status, self.kept() - before.0, self.ephemeral.lock().unwrap().len() - before.1)
    }
}

fn event(id: &str, size: usize) -> String {
    let words = "x".repeat(size);
    format!(
        r#"{{"type":"m.room.message","room_id":"!a:x","sender":"@a:x","event_id":"{id}","content":{{"body":"{words}"}}}}"#
    )
}

#[tokio::test]
async fn odd_parts_of_a_transaction_cost_only_themselves() {
    let desk = desk().await;
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let typing = r#"{"type":"m.typing","room_id":"!a:x","content":{"user_ids":[]}}"#;
    for (number, odd) in ["null", "7", "{}", "\"x\"", "true", deep.as_str()].iter().enumerate() {
        let one = event(&format!("$e{number}"), number);
        let whole =
            format!(r#"{{"events": [{one}], "ephemeral": {odd}, "to_device": {odd}, "future": {odd}}}"#);
        assert_eq!(desk.takes(whole).await, (200, 1, 0), "{odd:.20}");
        let whole = format!(r#"{{"events": {odd}, "ephemeral": [{odd}, {typing}]}}"#);
        let (status, events, ephemeral) = desk.takes(whole).await;
        assert_eq!((status, events), (200, 0), "{odd:.20}");
        assert!(ephemeral >= 1, "{odd:.20}");
    }
    let one = event("$odd", 1);
    let whole = format!(r#"{{"events": [7, null, {{}}, {{"event_id": 7}}, {deep}, {one}]}}"#);
    assert_eq!(desk.takes(whole).await, (200, 1, 0));
}

#[tokio::test]
async fn a_transaction_of_eighteen_megabytes_is_taken() {
    let desk = desk().await;
    let events: Vec<String> = (0..100).map(|number| event(&format!("$e{number}"), 180_000)).collect();
    let body = format!(r#"{{"events": [{}]}}"#, events.join(","));
    assert!(body.len() > 18_000_000);
    assert_eq!(desk.takes(body).await, (200, 100, 0));
}

#[tokio::test]
async fn homeservers_of_the_older_form_are_served_as_well() {
    let desk = desk().await;
    let body =
        |id: &str| format!(r#"{{"events": [{}], "de.sorunome.msc2409.ephemeral": [{{}}]}}"#, event(id, 1));
    assert_eq!(desk.put("/transactions/1?access_token=a%2Bb", None, body("$1")).await, 200);
    assert_eq!(desk.put("/transactions/2?foo=1&access_token=a%2Bb", None, body("$2")).await, 200);
    assert_eq!(desk.put(PATH, Some("a+b"), body("$3")).await, 200);
    assert_eq!((desk.kept(), desk.ephemeral.lock().unwrap().len()), (3, 3));
    for (path, token, status) in [
        ("/transactions/4", None, 401),
        ("/transactions/4?access_token=a", None, 403),
        ("/transactions/4?access_token=a%2Bb", Some("other"), 403),
        (PATH, Some("other"), 403),
    ] {
        assert_eq!(desk.put(path, token, body("$4")).await, status, "{path}");
    }
    assert_eq!(desk.kept(), 3);
}

#[tokio::test]
async fn what_our_own_users_said_is_not_kept_and_what_they_did_to_a_room_is() {
    let desk = desk().await;
    let said = event("$1", 1).replace("@a:x", "@msn_bob:x");
    let typing = r#"{"type":"m.typing"}"#;
    let whole = format!(r#"{{"events": [{said}], "ephemeral": [{typing}]}}"#);
    assert_eq!(desk.takes(whole).await, (200, 0, 1));
    let joined = said.replace(r#""type""#, r#""state_key":"@msn_bob:x","type""#).replace("$1", "$2");
    let whole = format!(r#"{{"events": [{said}, {joined}, {}]}}"#, event("$3", 1));
    assert_eq!(desk.takes(whole).await, (200, 2, 0));
}
