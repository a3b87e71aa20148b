//! Somebody who says words that appear in a room.
//!
//! Knows how they are said on each way. Refuses to know when they were seen.

use reqwest::Client;
use serde_json::json;

use crate::support::msn::{Peer, Wire, text};

/// How words come to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// A person of the homeserver says them.
    Bare,
    /// A ghost says them, by the bridge's token and without the bridge.
    Appservice,
    /// A contact says them on MSN.
    Bridged,
}

/// Every way, in the order in which they take turns.
pub(crate) const WAYS: [Way; 3] = [Way::Bare, Way::Appservice, Way::Bridged];

pub(crate) enum Speaker {
    /// The end of a call, and the session that it needs.
    Msn {
        call: Wire,
        _peer: Peer,
    },
    Matrix {
        http: Client,
        room: String,
        token: String,
        query: String,
        sent: u64,
    },
}

impl Speaker {
    /// A person of the homeserver.
    pub(crate) fn person(base: &str, room: &str, token: &str) -> Self {
        Self::on_matrix(base, room, token, "")
    }

    /// A ghost, by the bridge's token.
    pub(crate) fn ghost(base: &str, room: &str, token: &str, ghost: &str) -> Self {
        Self::on_matrix(base, room, token, &format!("?user_id={}", ghost.replace('=', "%3D")))
    }

    fn on_matrix(base: &str, room: &str, token: &str, query: &str) -> Self {
        let room = format!("{base}/_matrix/client/v3/rooms/{room}/send/m.room.message");
        Self::Matrix { http: Client::new(), room, token: token.to_owned(), query: query.to_owned(), sent: 0 }
    }

    /// Says words: over HTTP until they are confirmed, on MSN until they are sent.
    pub(crate) async fn say(&mut self, words: &str) {
        match self {
            Self::Msn { call, .. } => drop(call.payload("N", text(words).as_bytes()).await),
            Self::Matrix { http, room, token, query, sent } => {
                *sent += 1;
                // As current clients and the bridge say that nobody is meant: Synapse holds this against a schema, which takes
                // it 2 ms a message, whoever sends it.
                let content = json!({"msgtype": "m.text", "body": words, "m.mentions": {}});
                let request = http.put(format!("{room}/b{sent}{query}")).bearer_auth(token).json(&content);
                let answer = request.send().await.expect("the homeserver answers");
                assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
            }
        }
    }
}
