//! Chromium without scripts, driven through WebDriver: what a person with a current browser sees and does.
//!
//! Source: the WebDriver standard of the W3C. The driver and the browser are Debian's (`deploy/tools chromium`).

use std::process::{Child, Command, Stdio};

use base64::Engine;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::free_port;

/// The name under which WebDriver gives an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser with an empty profile.
pub(crate) struct Chromium {
    driver: Child,
    client: Client,
    session: String,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The browser ends with its driver.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        let port = free_port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = command.spawn().expect("chromedriver: deploy/tools chromium installs it");
        let (client, base) = (Client::new(), format!("http://127.0.0.1:{port}"));
        super::within("chromedriver", async {
            while client.get(format!("{base}/status")).send().await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--window-size=420,800"],
            "prefs": {"profile.managed_default_content_settings.javascript": 2},
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let made = client.post(format!("{base}/session")).json(&wanted).send().await.expect("an answer");
        let made: Value = made.json().await.expect("JSON");
        let id = made["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {made}"));
        Self { session: format!("{base}/session/{id}"), driver, client }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let answer = self.try_to_ask(method, path, body).await;
        assert!(answer["error"].is_null(), "{path}: {answer}");
        answer
    }

    async fn try_to_ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.client.request(method, format!("{}{path}", self.session));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        answer["value"].clone()
    }

    pub(crate) async fn open(&self, address: &str) {
        self.ask(Method::POST, "/url", Some(json!({"url": address}))).await;
    }

    async fn element(&self, selector: &str) -> String {
        let found = json!({"using": "css selector", "value": selector});
        let found = self.ask(Method::POST, "/element", Some(found)).await;
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// The text that is shown, as a person reads it, once this is a part of it: a page may be on its way.
    pub(crate) async fn text_with(&self, part: &str) -> String {
        super::within(&format!("«{part}» in Chromium"), async {
            loop {
                let body = self.element("body").await;
                let shown = self.try_to_ask(Method::GET, &format!("/element/{body}/text"), None).await;
                if let Some(text) = shown.as_str().filter(|text| text.contains(part)) {
                    return text.to_owned();
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.ask(Method::POST, &format!("/element/{element}/click"), Some(json!({}))).await;
    }

    /// Types into an empty or a filled field.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.ask(Method::POST, &format!("/element/{element}/clear"), Some(json!({}))).await;
        self.ask(Method::POST, &format!("/element/{element}/value"), Some(json!({"text": text}))).await;
    }

    /// Keeps a picture of the page where `MSNBRIDGE_SHOTS` names a directory.
    pub(crate) async fn photograph(&self, name: &str) {
        let Some(directory) = std::env::var_os("MSNBRIDGE_SHOTS") else { return };
        let picture = self.ask(Method::GET, "/screenshot", None).await;
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().expect("text"));
        let file = std::path::Path::new(&directory).join(format!("{name}.png"));
        std::fs::write(file, bytes.expect("a picture")).expect("a file");
    }
}
