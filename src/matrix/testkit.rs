//! A homeserver that answers what a test tells it to, for components that are driven alone.
//!
//! Knows what it was asked. Refuses to know Matrix: whether a request is right is for the tests against a real homeserver.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::bridge::body::Body;
use crate::bridge::event::{Author, Ghost, LocalMessage};
use crate::bridge::ids::{ConversationId, EntryId, GhostId, LoginId, PortalKey, UserId as BridgeUser};
use crate::bridge::login::Login;
use crate::bridge::port::storage::{Batch, Storage, Urgency};
use crate::bridge::testkit::SimMedia;
use crate::matrix::component::Components;
use crate::matrix::config::{BotPicture, MatrixConfig, PuppetTokens, RoomPolicy};
use crate::matrix::homeserver::Homeserver;
use crate::matrix::{inbound, outbound};

/// Owns a login, in which [`BOB`] is a contact.
pub(crate) const ANN: &str = "@ann:test.localhost";
pub(crate) const EVE: &str = "@eve:test.localhost";
pub(crate) const BOT: &str = "@msnbot:test.localhost";
pub(crate) const BOB: &str = "@msn_bob=40example.com:test.localhost";

/// The conversation of Ann's login with Bob.
pub(crate) fn with_bob() -> PortalKey {
    PortalKey::new(LoginId::new("alice@example.com"), ConversationId::new("bob@example.com"))
}

pub(crate) fn bob() -> Ghost {
    Ghost { id: GhostId::new("bob@example.com"), name: "Bob".into() }
}

/// The conversation of Ann with the bot.
pub(crate) fn with_ann() -> PortalKey {
    PortalKey::management(&BridgeUser::new(ANN))
}

/// The login is held for somebody from now on.
pub(crate) async fn belongs_to(storage: &dyn Storage, owner: &str) {
    let (password, owner) = (SecretString::from("secret"), BridgeUser::new(owner));
    let login = Login::new(with_bob().receiver, "alice@example.com".into(), owner, &password);
    let mut batch = Batch::default();
    login.store(&mut batch);
    storage.commit(batch, Urgency::Now).await.unwrap();
}

/// Ann has signed in.
pub(crate) async fn sign_in(storage: &dyn Storage) {
    belongs_to(storage, ANN).await;
}

/// Settings for a homeserver at this address.
pub(crate) fn config(homeserver: &str) -> MatrixConfig {
    MatrixConfig {
        homeserver: homeserver.to_owned(),
        server_name: "test.localhost".try_into().unwrap(),
        bot: "@msnbot:test.localhost".try_into().unwrap(),
        bot_name: "MSN bridge".into(),
        bot_picture: BotPicture::own(),
        ghost_prefix: "msn_".into(),
        registration_id: "msnbridge".into(),
        as_token: "as".to_owned().into(),
        hs_token: "hs".to_owned().into(),
        listen: ([127, 0, 0, 1], 0).into(),
        status_events: false,
        receipts: true,
        presence: true,
        status_field: true,
        spaces: true,
        rooms: RoomPolicy::Auto,
        max_file: 1 << 20,
        double_puppets: PuppetTokens::default(),
        encryption: Default::default(),
        ghost_per_login: false,
    }
}

/// The part of a room's state that says that it is encrypted.
const ENCRYPTION: &str = "/state/m.room.encryption";

/// Components over a homeserver and a store, with nothing known yet.
pub(super) async fn components(server: &FakeHomeserver, storage: Arc<dyn Storage>) -> Components {
    let config = config(&server.url());
    let homeserver = Homeserver::new(&config).await.unwrap();
    let alias_of = Box::new(|portal: &PortalKey| format!("alias_{}", portal.conversation).replace(':', "="));
    Components::new(&config, homeserver, storage, Arc::new(SimMedia::default()), alias_of)
}

/// The content of the event that shows what Bob says.
pub(crate) fn content_of(body: &Body) -> Value {
    outbound::contents(body, &Author::Ghost(bob()), false, &EntryId::new("e"), 1, &[]).remove(0)
}

/// What Ann says with a message of this content.
pub(crate) fn message_of(content: Value, portal: PortalKey) -> LocalMessage {
    inbound::message_of(content, portal)
}

/// What is answered to a request whose path has this in it, in anybody's name or in one.
struct Answer {
    part: String,
    user: Option<String>,
    status: StatusCode,
    answer: Value,
    is_for_once: bool,
}

#[derive(Default)]
struct Script {
    /// Method and path, what was sent, and whether it was granted.
    asked: Vec<(String, Value, bool)>,
    /// Path and query of each request.
    addresses: Vec<String>,
    answers: Vec<Answer>,
}

#[derive(Default)]
struct Desk {
    script: Mutex<Script>,
    /// Told of each request.
    asked: Notify,
}

/// Grants everything, unless told otherwise.
pub(crate) struct FakeHomeserver {
    desk: Arc<Desk>,
    url: String,
}

impl FakeHomeserver {
    pub(crate) async fn start() -> Self {
        let desk = Arc::<Desk>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(desk.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { desk, url }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// What is answered to requests whose path has `part` in it.
    pub(crate) fn answers(&self, part: &str, status: u16, answer: Value) {
        self.answer(None, part, status, answer);
    }

    /// What is answered to the next of them, before all that was told earlier and is for more than once.
    #[cfg_attr(
        not(feature = "encryption"),
        allow(dead_code, reason = "only what works with keys is asked twice")
    )]
    pub(crate) fn answers_once(&self, part: &str, status: u16, answer: Value) {
        let (part, status) = (part.to_owned(), StatusCode::from_u16(status).unwrap());
        let answers = &mut self.desk.script.lock().unwrap().answers;
        let behind = answers.iter().take_while(|answer| answer.is_for_once).count();
        answers.insert(behind, Answer { part, user: None, status, answer, is_for_once: true });
    }

    fn answer(&self, user: Option<&str>, part: &str, status: u16, answer: Value) {
        let (part, user) = (part.to_owned(), user.map(str::to_owned));
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { part, user, status, answer, is_for_once: false };
        self.desk.script.lock().unwrap().answers.insert(0, answer);
    }

    /// The same refusal for requests in one user's name alone.
    pub(crate) fn refuses_as(&self, user: &str, part: &str, status: u16, code: &str) {
        self.answer(Some(user), part, status, json!({"errcode": code, "error": "no"}));
    }

    pub(crate) fn refuses(&self, part: &str, status: u16, code: &str) {
        self.answers(part, status, json!({"errcode": code, "error": "no"}));
    }

    /// Method and path of each request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.desk.script.lock().unwrap().asked.iter().map(|(asked, ..)| asked.clone()).collect()
    }

    /// Path and query of each request so far whose path has `part` in it.
    pub(crate) fn addresses(&self, part: &str) -> Vec<String> {
        let script = self.desk.script.lock().unwrap();
        script.addresses.iter().filter(|address| address.contains(part)).cloned().collect()
    }

    /// Waits for a request whose path has `part` in it.
    pub(crate) async fn until_asked(&self, part: &str) {
        while !self.asked().iter().any(|asked| asked.contains(part)) {
            self.desk.asked.notified().await;
        }
    }

    /// What was sent in requests whose path has `part` in it.
    pub(crate) fn sent(&self, part: &str) -> Vec<Value> {
        let script = self.desk.script.lock().unwrap();
        let of = script.asked.iter().filter(|(asked, ..)| asked.contains(part));
        of.map(|(_, body, _)| body.clone()).collect()
    }

    /// The same of those that were granted.
    pub(crate) fn taken(&self, part: &str) -> Vec<Value> {
        let script = self.desk.script.lock().unwrap();
        let of = script.asked.iter().filter(|(asked, _, granted)| *granted && asked.contains(part));
        of.map(|(_, body, _)| body.clone()).collect()
    }

    /// How often something was put there.
    pub(crate) fn puts(&self, part: &str) -> usize {
        self.asked().iter().filter(|asked| asked.starts_with("PUT ") && asked.contains(part)).count()
    }
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let path = percent_encoding::percent_decode_str(request.uri().path()).decode_utf8_lossy().into_owned();
    let query = request.uri().query().unwrap_or_default();
    let query = percent_encoding::percent_decode_str(query).decode_utf8_lossy().into_owned();
    let asked = format!("{} {path}", request.method());
    let address = request.uri().to_string();
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let mut script = desk.script.lock().unwrap();
    desk.asked.notify_one();
    script.addresses.push(address);
    // Rooms are not encrypted unless a test says so of just that.
    let asks_for_keys = path.contains(ENCRYPTION);
    let is_it = |answer: &&Answer| {
        path.contains(&answer.part)
            && answer.user.as_ref().is_none_or(|user| query.contains(user))
            && (!asks_for_keys || answer.part.contains(ENCRYPTION))
    };
    let told = script.answers.iter().position(|answer| is_it(&answer));
    let granted = json!({
        "event_id": "$sent", "room_id": "!made:test.localhost", "user_id": "@somebody:test.localhost",
        "content_uri": "mxc://test.localhost/made",
        "capabilities": {"m.room_versions": {"default": "10", "available": {}}},
    });
    let unless_told = match asks_for_keys {
        true => (StatusCode::NOT_FOUND, json!({"errcode": "M_NOT_FOUND", "error": "no"})),
        false => (StatusCode::OK, granted),
    };
    let (status, answer) = told.map_or(unless_told, |at| {
        let told = &script.answers[at];
        let answer = (told.status, told.answer.clone());
        if told.is_for_once {
            script.answers.remove(at);
        }
        answer
    });
    script.asked.push((asked, serde_json::from_slice(&body).unwrap_or_default(), status.is_success()));
    (status, axum::Json(answer)).into_response()
}
