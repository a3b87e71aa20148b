//! Whether the addresses of shared files lead here.
//!
//! Knows the greeting that the link server has at its root. Refuses to look at any file.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

use super::Finding;
use crate::links::{GREETING, LinksConfig};
use crate::web::{BodyError, read_body};

/// How long the web server in front may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches the root of the address as somebody outside would, and compares the greeting.
pub(super) async fn look(config: &LinksConfig) -> Finding {
    // A port that is taken is taken by the running bridge: it answers for itself.
    let served = TcpListener::bind(config.listen).await.map(|listener| {
        let router = Router::new().route("/", get(|| async { GREETING }));
        tokio::spawn(async move { axum::serve(listener, router).await })
    });
    let found = ask(&format!("{}/", config.url)).await;
    if let Ok(task) = served {
        task.abort();
    }
    let wrong = match found {
        Ok(text) if text == GREETING => {
            return Finding::Fine(format!("links to files, under {}", config.url));
        }
        Ok(_) => "something else answers there".to_owned(),
        Err(error) => error,
    };
    let cure = format!(
        "have the web server at files.links.url pass what is below it on to http://{}/, or correct files.links.url or \
         files.links.listen",
        config.listen
    );
    Finding::problem(
        format!("links to files would lead to {}, which is not this bridge: {wrong}", config.url),
        cure,
    )
}

/// What is read there, no longer than the greeting; empty for something longer.
async fn ask(url: &str) -> Result<String, String> {
    let client =
        reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build().map_err(|error| error.to_string())?;
    let answer = client.get(url).send().await.map_err(|error| error.to_string())?;
    let answer = answer.error_for_status().map_err(|error| error.to_string())?;
    match read_body(answer, GREETING.len()).await {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(BodyError::TooLong(_)) => Ok(String::new()),
        Err(error) => Err(error.to_string()),
    }
}
