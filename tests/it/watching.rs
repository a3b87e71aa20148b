//! Whoever watches the bridge: figures, health, states of logins, and the configuration read again.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use axum::{Json, Router};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use msnbridge::measure;

use crate::chat::{ACCOUNTS, World};
use crate::support::bridge::Bridge;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};
use crate::support::{free_port, within};

/// What an address answers: its status, and its text.
async fn get(url: &str) -> (u16, String) {
    let answer = reqwest::get(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The figure that stands behind this name with these labels.
fn figure(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Asks until a figure is right: what is counted is counted a moment after it is seen.
async fn until(url: &str, name: &str, wanted: f64) {
    let mut seen = String::new();
    let right = async {
        loop {
            seen = get(url).await.1;
            if figure(&seen, name) == Some(wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(&format!("{name} to be {wanted}"), right).await;
}

#[tokio::test]
async fn figures_and_health_follow_what_happens() {
    let listen = format!("127.0.0.1:{}", free_port());
    let config = format!("metrics: {{listen: '{listen}'}}\n");
    let mut world = World::start_with_friends_in(tempfile::tempdir().unwrap(), &config).await;
    let (page, ready) = (format!("http://{listen}/metrics"), format!("http://{listen}/health/ready"));
    until(&page, "msnbridge_logins{state=\"connected\"}", 1.0).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    for n in 0..3 {
        call.say(&text(&format!("from MSN {n}"))).await;
    }
    let room = world.user.message("from MSN 2").await["room_id"].as_str().unwrap().to_owned();
    world.user.send(&room, "from Matrix").await;
    call.message("from Matrix").await;
    until(&page, "msnbridge_journaled_total{from=\"msn\"}", 3.0).await;
    until(&page, "msnbridge_journaled_total{from=\"matrix\"}", 1.0).await;
    until(&page, "msnbridge_attempts_total{to=\"msn\",outcome=\"delivered\"}", 1.0).await;
    until(&page, "msnbridge_delivery_seconds_count{to=\"matrix\"}", 3.0).await;
    until(&page, "msnbridge_switchboards", 1.0).await;
    until(&page, "msnbridge_waiting_messages{to=\"matrix\"}", 0.0).await;
    let (_, shown) = get(&page).await;
    for metric in ["msnbridge_store_bytes", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(figure(&shown, metric).is_some_and(|figure| figure > 0.0), "{metric}: {shown}");
    }
    assert_eq!(get(&ready).await.0, 200);
    assert_eq!(world.bridge.run(&["healthy"]), (true, "connected to the homeserver\n".into()));

    world.synapse.kill().await;
    call.say(&text("nobody is there")).await;
    until(&page, "msnbridge_waiting_messages{to=\"matrix\"}", 1.0).await;
    until(&page, "msnbridge_homeserver_up", 0.0).await;
    let (status, why) = get(&ready).await;
    assert!(status == 503 && why.starts_with("waiting for the homeserver"), "{status} {why}");
    assert!(!world.bridge.run(&["healthy"]).0);
    assert_eq!(get(&format!("http://{listen}/health/live")).await.0, 200);
    world.synapse.restart().await;
    until(&page, "msnbridge_waiting_messages{to=\"matrix\"}", 0.0).await;
    until(&page, "msnbridge_homeserver_up", 1.0).await;
}

/// Keeps what is posted, with what was shown for it.
async fn listener() -> (String, mpsc::UnboundedReceiver<(String, Value)>) {
    let (sender, received) = mpsc::unbounded_channel();
    let keep = async |State(sender): State<mpsc::UnboundedSender<(String, Value)>>,
                      headers: HeaderMap,
                      Json(body): Json<Value>| {
        let shown = headers["authorization"].to_str().unwrap().to_owned();
        sender.send((shown, body)).unwrap();
    };
    let router = Router::new().route("/state", post(keep)).with_state(sender);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/state", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

#[tokio::test]
async fn the_state_of_a_login_is_posted_when_it_changes() {
    let (url, mut posted) = listener().await;
    let mut world = World::start_up(tempfile::tempdir().unwrap(), "").await;
    world.bridge.stop().await;
    world.bridge.add_to_section("homeserver", "status_endpoint", &url);
    world.bridge.start().await;
    let mut next = async |event: &str| {
        let found = async {
            loop {
                let (shown, body) = posted.recv().await.unwrap();
                assert!(shown.strip_prefix("Bearer ").is_some_and(|token| token.len() == 64), "{shown}");
                if body["state_event"] == event {
                    return body;
                }
            }
        };
        within(event, found).await
    };
    next("RUNNING").await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    let connected = next("CONNECTED").await;
    assert_eq!(connected["remote_id"], "alice@example.com");
    assert_eq!(connected["user_id"].as_str().unwrap().split(':').next(), Some("@ann"));
    // Her own client throws the bridge out.
    let _alice = Peer::sign_in(&world.service, "alice@example.com", "alice-pw").await;
    let out = next("BAD_CREDENTIALS").await;
    assert!(out["message"].as_str().is_some_and(|message| message.contains("another place")), "{out}");
    world.user.send(&management, "logout").await;
    next("LOGGED_OUT").await;
}

#[tokio::test]
async fn permissions_and_the_log_filter_are_read_again_and_a_wrong_file_changes_nothing() {
    let mut world = World::start_up(tempfile::tempdir().unwrap(), "log: {filter: info}\n").await;
    // The environment would have the last word.
    world.bridge.stop().await;
    world.bridge.spawn_with(|command| command.env_remove("RUST_LOG"));
    world.bridge.wait_for_log_times("both ways", 2).await;
    let before = world.bridge.log().matches("DEBUG").count();
    world.bridge.reload(|text| text.replace("log: {filter: info}", "log: {filter: 'no such filter=='}"));
    world.bridge.wait_for_log("the one before stays in effect").await;
    world.bridge.reload(|text| {
        let text = text.replace("'no such filter=='", "debug");
        let user = text.lines().find(|line| line.ends_with(": user")).unwrap().to_owned();
        text.replace(&user, "  '*': none")
    });
    world.bridge.wait_for_log("read the configuration again").await;
    let body = json!({"invite": [format!("@msnbot:{SERVER_NAME}")]});
    world.user.call(Method::POST, "createRoom", Some(body)).await;
    let refused = |event: &Value| {
        let reason = event["content"]["reason"].as_str();
        event["type"] == "m.room.member" && reason.is_some_and(|reason| reason.contains("may not use"))
    };
    world.user.event("the bot to decline", refused).await;
    world.bridge.wait_for_log_times("DEBUG", before + 1).await;
}

#[tokio::test]
async fn a_store_is_exported_while_the_bridge_runs_held_by_one_and_looked_at_when_it_does_not_run() {
    let mut world = World::start().await;
    let (ok, said) = world.bridge.run(&["export", "live.export"]);
    assert!(ok && said.contains("rows written"), "{said}");
    let (ok, said) = world.bridge.run(&["run"]);
    assert!(!ok && said.contains("no other bridge is running"), "{said}");
    assert!(world.bridge.stop().await.success());
    let (ok, said) = world.bridge.run(&["check", "--store", "saved.export"]);
    assert!(ok && said.contains("Nothing is lost"), "{said}");
    for export in ["live.export", "saved.export"] {
        std::fs::remove_dir_all(world.bridge.store()).unwrap();
        let (ok, said) = world.bridge.run(&["import", export]);
        assert!(ok && said.contains("rows read"), "{export}: {said}");
    }
    world.bridge.start().await;
    world.bridge.wait_for_log_times("state=Connected", 2).await;
}

/// Stands between Synapse and the bridge; while it is deaf it answers transactions itself, and passes pings on all the same.
struct DeafProxy {
    url: String,
    is_deaf: Arc<AtomicBool>,
    /// Whether somebody's typing has come by.
    has_typing: Arc<AtomicBool>,
    target: Arc<Mutex<String>>,
}

async fn deaf_proxy() -> DeafProxy {
    let [deaf, typing]: [Arc<AtomicBool>; 2] = Default::default();
    let target = Arc::new(Mutex::new(String::new()));
    let (is_deaf, has_typing, to) = (deaf.clone(), typing.clone(), target.clone());
    let pass = async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        if String::from_utf8_lossy(&body).contains("m.typing") {
            typing.store(true, Ordering::SeqCst);
        }
        if deaf.load(Ordering::SeqCst) && uri.path().contains("/transactions/") {
            return (StatusCode::OK, "{}".to_owned());
        }
        let target = to.lock().unwrap().clone();
        let request = reqwest::Client::new().request(method, format!("{target}{uri}")).body(body);
        match request.header("authorization", headers["authorization"].clone()).send().await {
            Ok(answer) => (answer.status(), answer.text().await.unwrap_or_default()),
            Err(_) => (StatusCode::BAD_GATEWAY, "{}".to_owned()),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(pass);
    tokio::spawn(async move { axum::serve(listener, router).await });
    DeafProxy { url, is_deaf, has_typing, target }
}

#[tokio::test]
#[ignore = "waits for the minute after which it is noticed"]
async fn a_homeserver_that_takes_everything_and_passes_nothing_on_is_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    let proxy = deaf_proxy().await;
    let registration = std::fs::read_to_string(bridge.registration()).unwrap();
    let url = registration.lines().find_map(|line| line.strip_prefix("url: ")).unwrap();
    *proxy.target.lock().unwrap() = url.trim_matches('\'').to_owned();
    std::fs::write(bridge.registration(), registration.replace(url, &proxy.url)).unwrap();
    let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
    let listen = format!("127.0.0.1:{}", free_port());
    bridge.append_config(&format!("metrics: {{listen: '{listen}'}}\n"));
    bridge.set_homeserver(&synapse.url());
    bridge.start().await;
    let mut user = MatrixUser::register(&synapse.url(), "ann").await;
    let management = user.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    user.sign_in(&management, "alice@example.com", "alice-pw").await;

    // What the bot does in a quiet house to find out whether it is heard comes back, as the bridge expects it.
    let token = registration
        .lines()
        .find_map(|line| line.strip_prefix("as_token: "))
        .unwrap()
        .trim_matches(['\'', '"']);
    let bot = format!("@msnbot:{SERVER_NAME}");
    let typing = format!("{}/_matrix/client/v3/rooms/{management}/typing/{bot}?user_id={bot}", synapse.url());
    let told =
        reqwest::Client::new().put(typing).bearer_auth(token).json(&json!({"typing": true, "timeout": 1000}));
    assert!(told.send().await.unwrap().status().is_success());
    let passed = async {
        while !proxy.has_typing.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("the bot's typing to come back", passed).await;

    let (page, ready) = (format!("http://{listen}/metrics"), format!("http://{listen}/health/ready"));
    let mut bob = Peer::sign_in(&service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("before")).await;
    user.message("before").await;
    proxy.is_deaf.store(true, Ordering::SeqCst);
    call.say(&text("nothing comes back of this")).await;
    user.message_with("the homeserver passes nothing on").await;
    until(&page, "msnbridge_deaf_total{side=\"matrix\"}", 1.0).await;
    let (status, why) = get(&ready).await;
    assert!(status == 503 && why.contains("passes nothing on since"), "{status} {why}");
    proxy.is_deaf.store(false, Ordering::SeqCst);
    call.say(&text("after")).await;
    let well = async {
        while get(&ready).await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    within("the homeserver to be heard again", well).await;
}

/// Names of our metrics in a text, as they are defined.
fn names(text: &str) -> Vec<String> {
    let after = text.split("msnbridge_").skip(1);
    let whole = after.map(|rest| {
        let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        let of_histogram = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
        format!("msnbridge_{}", of_histogram.unwrap_or(&name))
    });
    whole.filter(|name| name != "msnbridge_").collect()
}

#[test]
fn every_metric_is_documented_and_alerts_and_board_ask_for_none_that_is_not() {
    let read =
        |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let known: Vec<&str> = measure::ALL.iter().map(|metric| metric.name).collect();
    let manual = read("deploy/README.md");
    for name in &known {
        assert!(names(&manual).iter().any(|named| named == name), "{name} is not explained");
    }
    for file in ["deploy/README.md", "deploy/watch/alerts.yaml", "deploy/watch/grafana.json"] {
        for name in names(&read(file)) {
            assert!(known.contains(&&*name), "{file} names {name}, which is no metric");
        }
    }
    let alerts = read("deploy/watch/alerts.yaml");
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(manual.contains(&format!("`{alert}`")), "{alert} is not explained");
        assert!(read("deploy/watch/alerts.test.yaml").contains(&format!("alertname: {alert}\n")), "{alert}");
    }
}

#[test]
#[ignore = "needs Prometheus' own tool"]
fn each_alert_fires_when_it_should_and_not_before() {
    let watch = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/watch");
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]] {
        let output =
            std::process::Command::new("promtool").args(arguments).current_dir(&watch).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
