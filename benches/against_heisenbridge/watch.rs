//! Somebody who syncs without end, and notes when each line was first seen.
//!
//! Knows that a message may hold several lines, with the name of who said them in front. Refuses to know which bridge brought
//! it.

use std::collections::HashMap;
use std::time::Instant;

use tokio::sync::watch;

use crate::support::within;
use crate::sync::sync;

/// When each line was first seen.
pub(crate) type Times = HashMap<String, Instant>;

/// What somebody has seen.
#[derive(Clone)]
pub(crate) struct Seen(watch::Receiver<Times>);

/// The words of a line, behind the name in front.
fn words(line: &str) -> &str {
    line.strip_prefix('<').and_then(|rest| rest.split_once("> ")).map_or(line, |(_, words)| words)
}

impl Seen {
    /// Watches all rooms of a user.
    pub(crate) fn watch(base: String, token: String) -> Self {
        let (tell, seen) = watch::channel(Times::new());
        tokio::spawn(sync(base, token, move |bodies, now| {
            tell.send_modify(|times| {
                for line in bodies.iter().flat_map(|body| body.lines()) {
                    times.entry(words(line).to_owned()).or_insert(now);
                }
            });
        }));
        Self(seen)
    }

    /// When this line was seen.
    pub(crate) async fn line(&self, line: &str) -> Instant {
        let mut times = self.0.clone();
        within(line, async {
            times.wait_for(|times| times.contains_key(line)).await.expect("somebody watches")[line]
        })
        .await
    }
}
