//! The provisioning API, as a program that manages several bridges uses it: the forms are those of the published schema of
//! `bridgev2`, looked at field by field.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::chat::World;
use crate::support::free_port;
use crate::support::matrix::MatrixUser;
use crate::support::synapse::SERVER_NAME;

const SECRET: &str = "a secret of more than thirty-two characters";

/// One program with a token.
struct Program {
    client: Client,
    base: String,
    token: String,
}

impl Program {
    fn with(base: &str, token: &str) -> Self {
        Self { client: Client::new(), base: base.to_owned(), token: token.to_owned() }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request =
            self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.json().await.expect("JSON"))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(Method::POST, path, Some(body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    async fn refused(&self, method: Method, path: &str, body: Option<Value>) -> (u16, String) {
        let (status, answer) = self.ask(method, path, body).await;
        assert!(answer["error"].as_str().is_some_and(|text| text.ends_with('.')), "{answer}");
        (status.as_u16(), answer["errcode"].as_str().unwrap().to_owned())
    }
}

async fn start() -> (World, String) {
    let port = free_port();
    let config = format!(
        "web: {{url: 'http://127.0.0.1:{port}', listen: '127.0.0.1:{port}', shared_secret: '{SECRET}'}}\n"
    );
    let world = World::start_up(tempfile::tempdir().unwrap(), &config).await;
    (world, format!("http://127.0.0.1:{port}/_matrix/provision"))
}

/// Each field under its name, and what it holds.
#[track_caller]
fn has(value: &Value, texts: &[&str]) {
    for name in texts {
        assert!(value[name].is_string(), "{name} of {value}");
    }
}

/// Signs an account in, step by step.
async fn sign_in(program: &Program, account: &str, password: &str) -> (StatusCode, Value) {
    let step = program.post("/v3/login/start/password", json!({})).await;
    has(&step, &["login_id", "type", "step_id", "instructions"]);
    assert_eq!(step["type"], "user_input");
    let fields = step["user_input"]["fields"].as_array().unwrap();
    fields.iter().for_each(|field| has(field, &["type", "id", "name"]));
    let kinds: Vec<&str> = fields.iter().map(|field| field["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["email", "password"]);
    let path = format!("/v3/login/step/{}/{}/user_input", text(&step, "login_id"), text(&step, "step_id"));
    let given = json!({"account": account, "password": password});
    program.ask(Method::POST, &path, Some(given)).await
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

#[tokio::test]
async fn a_program_signs_a_user_in_finds_contacts_begins_a_conversation_and_signs_out() {
    let (mut world, base) = start().await;
    let program = Program::with(&base, world.user.token());
    let who = program.get("/v3/whoami").await;
    has(&who["network"], &["displayname", "network_url", "network_icon", "network_id", "beeper_bridge_type"]);
    has(&who, &["homeserver", "bridge_bot", "command_prefix", "management_room"]);
    assert_eq!((&who["homeserver"], &who["logins"]), (&json!(SERVER_NAME), &json!([])));
    assert_eq!(who["management_room"], world.management.as_str());
    assert!(who["network"]["network_icon"].as_str().unwrap().starts_with("mxc://"), "{who}");
    assert_eq!(who["login_flows"], program.get("/v3/login/flows").await["flows"]);
    has(&who["login_flows"][0], &["id", "name", "description"]);
    let (status, wrong) = sign_in(&program, "alice@example.com", "not it").await;
    assert_eq!((status, &wrong["errcode"]), (StatusCode::FORBIDDEN, &json!("M_FORBIDDEN")));
    let (status, done) = sign_in(&program, "alice@example.com", "alice-pw").await;
    assert_eq!((status, &done["type"]), (StatusCode::OK, &json!("complete")), "{done}");
    assert_eq!(done["complete"]["user_login_id"], "alice@example.com");
    world.user.message_with("Signed in to MSN as alice@example.com").await;
    assert_eq!(program.get("/v3/logins").await["login_ids"], json!(["alice@example.com"]));
    let who = program.get("/v3/whoami").await;
    let login = &who["logins"][0];
    has(login, &["id", "name"]);
    assert_eq!(login["state"]["state_event"], "CONNECTED");
    assert!(
        login["state"]["timestamp"].as_u64().is_some_and(|at| at > 1_700_000_000_000)
            && login["profile"].is_object()
    );

    let resolved = program.get("/v3/resolve_identifier/mailto:Bob@example.com").await;
    assert_eq!(resolved["id"], "bob@example.com");
    assert_eq!(resolved["mxid"], format!("@msn_bob=40example.com:{SERVER_NAME}"));
    assert!(resolved.get("dm_room_mxid").is_none(), "{resolved}");
    let made = program.post("/v3/create_dm/bob@example.com", json!({})).await;
    has(&made, &["id", "mxid", "dm_room_mxid"]);
    let again = program.post("/v3/create_dm/bob@example.com", json!({})).await;
    assert_eq!(again["dm_room_mxid"], made["dm_room_mxid"]);
    let said = world.user.message_with("This is your conversation with bob@example.com.").await;
    assert_eq!(said["room_id"], made["dm_room_mxid"]);
    world.user.send(&world.management.clone(), "add bob@example.com").await;
    world.user.message_with("bob@example.com is").await;
    let contacts = program.get("/v3/contacts").await;
    let contacts = contacts["contacts"].as_array().unwrap();
    assert!(
        contacts.iter().any(|it| it["id"] == "bob@example.com" && it["dm_room_mxid"] == made["dm_room_mxid"])
    );
    let found = program.post("/v3/search_users", json!({"query": "BOB"})).await;
    assert_eq!(found["results"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(program.post("/v3/search_users", json!({"query": "nobody"})).await["results"], json!([]));

    assert_eq!(program.post("/v3/logout/all", json!({})).await, json!({}));
    world.user.message_with("alice@example.com is signed out and its password forgotten").await;
    assert_eq!(program.get("/v3/logins").await["login_ids"], json!([]));
}

#[tokio::test]
async fn a_user_is_known_by_any_of_three_tokens_and_touches_nobody_elses_login() {
    let (mut world, base) = start().await;
    let ann = Program::with(&base, world.user.token());
    let (status, _) = sign_in(&ann, "alice@example.com", "alice-pw").await;
    assert_eq!(status, StatusCode::OK);
    world.user.message_with("Signed in to MSN as alice@example.com").await;
    let path = format!("user/@ann:{SERVER_NAME}/openid/request_token");
    let openid = world.user.call(Method::POST, &path, Some(json!({}))).await;
    let openid = Program::with(&base, &format!("openid:{}", text(&openid, "access_token")));
    assert_eq!(openid.get("/v3/logins").await["login_ids"], json!(["alice@example.com"]));
    let secret = Program::with(&base, SECRET);
    let named = format!("/v3/logins?user_id=@ann:{SERVER_NAME}");
    assert_eq!(secret.get(&named).await["login_ids"], json!(["alice@example.com"]));
    assert_eq!(secret.refused(Method::GET, "/v3/logins", None).await, (403, "M_FORBIDDEN".into()));

    let user = MatrixUser::register(&world.synapse.url(), "eve").await;
    let eve = Program::with(&base, user.token());
    assert_eq!(eve.get("/v3/logins").await["login_ids"], json!([]));
    let not_found = (404, "M_NOT_FOUND".to_owned());
    for (method, path) in [
        (Method::POST, "/v3/logout/alice@example.com"),
        (Method::GET, "/v3/contacts?login_id=alice@example.com"),
        (Method::GET, "/v3/contacts"),
        (Method::POST, "/v3/create_dm/bob@example.com?login_id=alice@example.com"),
        (Method::POST, "/v3/login/start/password?login_id=alice@example.com"),
        (Method::POST, "/v3/login/start/qr"),
        (Method::POST, "/v3/login/step/x/msnbridge.password/user_input"),
    ] {
        assert_eq!(eve.refused(method, path, Some(json!({}))).await, not_found, "{path}");
    }
    assert_eq!(eve.refused(Method::GET, &named, None).await, (403, "M_FORBIDDEN".into()));
    // A sign-in that Ann began is hers.
    let step = ann.post("/v3/login/start/password", json!({})).await;
    let path = format!("/v3/login/step/{}/msnbridge.password", text(&step, "login_id"));
    let given = json!({"account": "bob@example.com", "password": "bob-pw"});
    let user_input = format!("{path}/user_input");
    assert_eq!(eve.refused(Method::POST, &user_input, Some(given)).await, not_found);
    let wrong_kind = ann.refused(Method::POST, &format!("{path}/cookies"), Some(json!({}))).await;
    assert_eq!(wrong_kind, (400, "M_BAD_STATE".into()));
    assert_eq!(ann.refused(Method::POST, &user_input, Some(json!([]))).await, (400, "M_NOT_JSON".into()));
    assert_eq!(ann.refused(Method::POST, "/v3/create_group", None).await, (501, "M_UNRECOGNIZED".into()));
    assert_eq!(ann.refused(Method::GET, "/v3/nothing", None).await, (404, "M_UNRECOGNIZED".into()));
    assert_eq!(ann.get("/v3/logins").await["login_ids"], json!(["alice@example.com"]));
}

#[tokio::test]
async fn whoever_guesses_tokens_is_told_to_wait() {
    let (world, base) = start().await;
    let missing = Client::new().get(format!("{base}/v3/whoami")).send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(missing.json::<Value>().await.unwrap()["errcode"], "M_MISSING_TOKEN");
    for n in 0..9 {
        let token = if n % 2 == 0 { format!("openid:guess{n}") } else { format!("guess{n}") };
        let guess = Program::with(&base, &token).refused(Method::GET, "/v3/whoami", None).await;
        assert_eq!(guess, (401, "M_UNKNOWN_TOKEN".into()), "{n}");
    }
    let tenth = Program::with(&base, "guess").refused(Method::GET, "/v3/whoami", None).await;
    assert_eq!(tenth, (429, "M_LIMIT_EXCEEDED".into()));
    // Whoever is known is not shut out by others.
    Program::with(&base, world.user.token()).get("/v3/whoami").await;
    let log = world.bridge.log();
    assert!(!log.contains("guess") && !log.contains(SECRET), "a token in the log");
}
