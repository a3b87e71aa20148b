//! Whether the addresses that people are given lead here: of the sign-in page, and of shared files.
//!
//! Knows the greeting that each server has at its root. Refuses to look at any page or file.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

use super::Finding;
use crate::config::Checked;
use crate::web::{BodyError, read_body};
use crate::{links, sign_in};

/// How long the web server in front may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// An address under which this bridge is to be reached.
pub(super) struct Served {
    /// What it is for, as the subject of a sentence in the plural.
    what: &'static str,
    url: String,
    listen: SocketAddr,
    /// Begins the names of its keys.
    section: &'static str,
    greeting: &'static str,
}

/// Every such address in a configuration.
pub(super) fn addresses(checked: &Checked) -> Vec<Served> {
    let pages = checked.web.as_ref().map(|web| Served {
        what: "links to the sign-in page",
        url: web.url.clone(),
        listen: web.listen,
        section: "web",
        greeting: sign_in::GREETING,
    });
    let links = checked.links.as_ref().and_then(|links| {
        Some(Served {
            what: "links to files",
            url: links.url.clone(),
            listen: links.listen?,
            section: "files.links",
            greeting: links::GREETING,
        })
    });
    pages.into_iter().chain(links).collect()
}

impl Served {
    /// Fetches the root of the address as somebody outside would, and compares the greeting.
    pub(super) async fn look(&self) -> Finding {
        let Self { what, url, listen, section, greeting } = self;
        // A port that is taken is taken by the running bridge: it answers for itself.
        let served = TcpListener::bind(listen).await.map(|listener| {
            let greeting = *greeting;
            let router = Router::new().route("/", get(move || async move { greeting }));
            tokio::spawn(async move { axum::serve(listener, router).await })
        });
        let found = ask(&format!("{url}/"), greeting.len()).await;
        if let Ok(task) = served {
            task.abort();
        }
        let wrong = match found {
            Ok(text) if text == *greeting => return Finding::Fine(format!("{what}, under {url}")),
            Ok(_) => "something else answers there".to_owned(),
            Err(error) => error,
        };
        let cure = format!(
            "have the web server at {section}.url pass what is below it on to http://{listen}/, or correct {section}.url or \
             {section}.listen"
        );
        Finding::problem(format!("{what} would lead to {url}, which is not this bridge: {wrong}"), cure)
    }
}

/// What is read there, no longer than the greeting; empty for something longer.
async fn ask(url: &str, length: usize) -> Result<String, String> {
    let client =
        reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build().map_err(|error| error.to_string())?;
    let answer = client.get(url).send().await.map_err(|error| error.to_string())?;
    let answer = answer.error_for_status().map_err(|error| error.to_string())?;
    match read_body(answer, length).await {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(BodyError::TooLong(_)) => Ok(String::new()),
        Err(error) => Err(error.to_string()),
    }
}
