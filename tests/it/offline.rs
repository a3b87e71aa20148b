//! Offline messages: fetched, shown with their own time, deleted there only when they are on disk here; and left for those
//! who are away. The HTTP server says what a third-party one was recorded to say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use msnbridge::connector::{OfflinePolicy, OimConfig};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::boards::{Answer, Asked, BoardServer};
use crate::support::plain::{MemoryStorage, PlainBridge, PlainConfig, Shown};
use crate::support::within;

const LOCK_KEY: &str = "0c6981d9b8c9599dcf5fb8d6d9a726e4";

fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<soap:Envelope \
         xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">\n\t<soap:Body>\n{body}\n\t</soap:Body>\n</soap:Envelope>"
    )
}

fn fault(code: &str, detail: &str) -> (StatusCode, String) {
    let body = format!(
        "<soap:Fault>\n<faultcode xmlns:q0=\"http://messenger.msn.com/ws/2004/09/oim/\">q0:{code}</faultcode>\n\
         <faultstring>Exception of type System.Web.Services.Protocols.SoapException was thrown.</faultstring>\n\
         <detail>{detail}</detail>\n</soap:Fault>"
    );
    (StatusCode::INTERNAL_SERVER_ERROR, envelope(&body))
}

/// The server of offline messages: what waits, and what was asked.
pub(crate) struct OimServer {
    pub(crate) url: String,
    asked: mpsc::UnboundedReceiver<(String, String)>,
    /// Deleting fails while this holds.
    keeps: Arc<AtomicBool>,
    /// Nobody takes messages while this holds.
    refuses: Arc<AtomicBool>,
}

/// Base64 of `text <id>`, its run and its time, as a message on the server.
fn stored(id: &str) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(format!("words of {id}"));
    let sequence = id.trim_start_matches("id-");
    envelope(&format!(
        "<GetMessageResponse xmlns=\"http://www.hotmail.msn.com/ws/2004/09/oim/rsi\">\n<GetMessageResult>\
         X-Message-Info: cwRBnLifKNE8dVZlNj6AiX8142B67OTjG9BFMLMyzuui1H4Xx7m3NQ==\r\n\
         From: =?utf-8?B?RXJpbg==?= &lt;erin@example.com&gt;\r\nTo: alice@example.com\r\nSubject: \r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\
         X-OIM-Message-Type: OfflineMessage\r\nX-OIM-Run-Id: {{3A3BE82C-684D-4F4F-8005-CBE8D4F82BAD}}\r\n\
         X-OIM-Sequence-Num: {sequence}\r\n\
         X-OriginalArrivalTime: 25 Nov 2026 19:13:32.0000 (UTC) FILETIME=[0F901600:01DD7D11]\r\n\r\n\
         {text}</GetMessageResult>\n</GetMessageResponse>"
    ))
}

impl OimServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let (asks, asked) = mpsc::unbounded_channel();
        let (keeps, refuses) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (kept, refused) = (keeps.clone(), refuses.clone());
        let (stale, busy) = (Arc::new(Mutex::new(true)), Arc::new(Mutex::new(true)));
        let answer = move |headers: HeaderMap, body: Bytes| {
            let body = String::from_utf8_lossy(&body).into_owned();
            let action = headers["SOAPAction"].to_str().unwrap().trim_matches('"').to_owned();
            let verb = action.rsplit('/').next().unwrap().to_owned();
            let id =
                body.split("<messageId>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
            let answer = match verb.as_str() {
                // The first ticket is not taken here, as after a long session.
                "GetMessage" if std::mem::take(&mut *stale.lock().unwrap()) => {
                    fault("AuthenticationFailed", "")
                }
                "GetMessage" => (StatusCode::OK, stored(id)),
                "GetMetadata" if std::mem::take(&mut *busy.lock().unwrap()) => {
                    (StatusCode::SERVICE_UNAVAILABLE, String::new())
                }
                "GetMetadata" => {
                    let list = mail_data(&["id-2", "id-1"]);
                    (StatusCode::OK, envelope(&format!("<GetMetadataResponse>{list}</GetMetadataResponse>")))
                }
                "DeleteMessages" if kept.load(Ordering::SeqCst) => {
                    (StatusCode::SERVICE_UNAVAILABLE, String::new())
                }
                "DeleteMessages" => (StatusCode::OK, envelope("<DeleteMessagesResponse/>")),
                "Store" if !body.contains(&format!("lockkey=\"{LOCK_KEY}\"")) => fault(
                    "AuthenticationFailed",
                    "<LockKeyChallenge xmlns=\"http://messenger.msn.com/ws/2004/09/oim/\">1850937852</LockKeyChallenge>",
                ),
                "Store" if refused.load(Ordering::SeqCst) => fault("SystemUnavailable", ""),
                "Store" => (
                    StatusCode::OK,
                    envelope("<StoreResponse><PointsConsumed>0</PointsConsumed></StoreResponse>"),
                ),
                _ => (StatusCode::NOT_FOUND, String::new()),
            };
            let _ = asks.send((verb, body)); // the test may be over
            async move { answer }
        };
        let app = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, asked, keeps, refuses }
    }

    /// The next request of this kind.
    pub(crate) async fn asked(&mut self, verb: &str) -> String {
        within(verb, async {
            loop {
                let (asked, body) = self.asked.recv().await.expect("the server runs");
                if asked == verb {
                    return body;
                }
            }
        })
        .await
    }
}

/// The list of messages that wait.
pub(crate) fn mail_data(ids: &[&str]) -> String {
    let item = |id: &&str| {
        format!("<M><T>11</T><S>6</S><RS>0</RS><E>erin@example.com</E><I>{id}</I><F>.!!OIM</F></M>")
    };
    let items: String = ids.iter().map(item).collect();
    format!("<MD><E><I>0</I><IU>0</IU><O>0</O><OU>0</OU></E>{items}</MD>")
}

/// A notification server that says at sign-in that these wait.
fn says_waiting(ids: &'static [&'static str]) -> impl Fn(&Asked) -> Answer {
    says(mail_data(ids))
}

fn says(mail_data: String) -> impl Fn(&Asked) -> Answer {
    move |asked| {
        if asked.verb != "CHG" {
            return Answer::Usual;
        }
        let body = format!(
            "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinitialmdatanotification; charset=UTF-8\r\n\r\n\
             Mail-Data: {mail_data}\r\nInbox-URL: /x\r\n"
        );
        Answer::Bytes(format!("CHG {} NLN 0\r\nMSG Hotmail Hotmail {}\r\n{body}", asked.number, body.len()))
    }
}

#[tokio::test]
async fn fault_09_what_was_left_is_shown_once_and_deleted_when_it_is_on_disk() {
    let mut oim = OimServer::start().await;
    oim.keeps.store(true, Ordering::SeqCst);
    let server = BoardServer::start(says_waiting(&["id-2", "id-1"])).await;
    let (directory, storage) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStorage::default()));
    let config = |server: &BoardServer| {
        let mut config = PlainConfig::new(&server.address, &server.nexus);
        config.msn.oim = OimConfig { rsi: Some(oim.url.parse().unwrap()), store: None };
        config
    };
    let bridge = PlainBridge::start_on(storage.clone(), directory.path(), config(&server)).await;
    bridge.line("words of id-2").await;
    let lines: Vec<String> = bridge
        .shown()
        .into_iter()
        .filter_map(|shown| match shown {
            Shown::Line { conversation, text, .. } if conversation == "erin@example.com" => Some(text),
            _ => None,
        })
        .collect();
    assert_eq!(lines, ["words of id-1", "words of id-2"], "in the order in which they were said");
    let deleted = oim.asked("DeleteMessages").await;
    assert!(deleted.contains("<messageId>id-1</messageId><messageId>id-2</messageId>"), "{deleted}");
    assert!(deleted.contains("<t>1</t><p>2</p>"), "the halves of the ticket: {deleted}");
    drop(bridge);

    // They are there still: they are not shown a second time, and deleted now.
    let keeps = oim.keeps.clone();
    let second = BoardServer::start(says_waiting(&["id-2", "id-1", "id-3"])).await;
    let bridge = {
        let mut config = PlainConfig::new(&second.address, &second.nexus);
        config.msn.oim = OimConfig { rsi: Some(oim.url.parse().unwrap()), store: None };
        while oim.asked.try_recv().is_ok() {}
        keeps.store(false, Ordering::SeqCst);
        PlainBridge::start_on(storage, directory.path(), config).await
    };
    bridge.line("words of id-3").await;
    oim.asked("DeleteMessages").await;
    assert_eq!((bridge.count("words of id-1"), bridge.count("words of id-2")), (0, 0));
}

#[tokio::test]
async fn fault_09_a_list_that_is_too_long_is_asked_for_and_what_was_left_has_its_own_time() {
    let mut oim = OimServer::start().await;
    let server = BoardServer::start(says("too-large".into())).await;
    let directory = tempfile::tempdir().unwrap();
    let mut config = PlainConfig::new(&server.address, &server.nexus);
    config.msn.oim = OimConfig { rsi: Some(oim.url.parse().unwrap()), store: None };
    let bridge = PlainBridge::start(directory.path(), config).await;
    for words in ["words of id-1", "words of id-2"] {
        let Shown::Line { author, at, .. } = bridge.line(words).await else { unreachable!() };
        assert_eq!((author.as_str(), at), ("erin@example.com", 1_795_634_012_000), "{words}");
    }
    oim.asked("DeleteMessages").await;
    // Some come while the session lasts, as to somebody who is hidden.
    let list = mail_data(&["id-3"]);
    let body = format!(
        "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsoimnotification; charset=UTF-8\r\n\r\nMail-Data: {list}\r\n"
    );
    server.say(0, &format!("MSG Hotmail Hotmail {}\r\n{body}", body.len())).await;
    bridge.line("words of id-3").await;
    assert!(oim.asked("DeleteMessages").await.contains("<messageId>id-3</messageId>"));
}

fn away(asked: &Asked) -> Answer {
    match asked.verb.as_str() {
        "CAL" => Answer::Bytes(format!("217 {}\r\n", asked.number)),
        _ => Answer::Usual,
    }
}

#[tokio::test]
async fn fault_09_words_for_somebody_away_are_left_with_the_server_or_wait() {
    let mut oim = OimServer::start().await;
    let server = BoardServer::start(away).await;
    let directory = tempfile::tempdir().unwrap();
    let mut config = PlainConfig::new(&server.address, &server.nexus);
    config.msn.offline = OfflinePolicy::Oim;
    config.msn.oim = OimConfig { rsi: None, store: Some(oim.url.parse().unwrap()) };
    let bridge = PlainBridge::start(directory.path(), config).await;
    bridge.signed_in().await;
    let sent = bridge.say("bob@example.com", "for later").await;
    bridge.outcome(&sent, "delivered").await;
    bridge.line("Your message was left for them").await;
    assert!(oim.asked("Store").await.contains("lockkey=\"\""));
    let stored = oim.asked("Store").await;
    assert!(stored.contains("passport=\"t=1&amp;p=2\"") && stored.contains("Zm9yIGxhdGVy"), "{stored}");
    // The key is kept.
    let sent = bridge.say("bob@example.com", "second").await;
    bridge.outcome(&sent, "delivered").await;
    let stored = oim.asked("Store").await;
    assert!(stored.contains("X-OIM-Sequence-Num: 2") && stored.contains(LOCK_KEY), "{stored}");
    oim.refuses.store(true, Ordering::SeqCst);
    let sent = bridge.say("bob@example.com", "third").await;
    bridge.outcome(&sent, "held").await;
    bridge.line("Your message waits").await;
}
