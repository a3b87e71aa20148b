//! Which Matrix user stands for which remote person, and back.
//!
//! Knows the namespace of the appservice. Refuses to know whether a user exists. Source: the grammar of user identifiers in
//! the Matrix specification's appendices.

use ruma::{OwnedServerName, OwnedUserId, UserId};

use crate::bridge::ids::{GhostId, LoginId};
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::config::MatrixConfig;

/// User ids of ghosts.
#[derive(Debug)]
pub(crate) struct GhostIds {
    prefix: String,
    server_name: OwnedServerName,
    bot: OwnedUserId,
    /// Whether each login has ghosts of its own.
    per_login: bool,
}

impl GhostIds {
    pub(crate) fn new(config: &MatrixConfig) -> Self {
        Self {
            prefix: config.ghost_prefix.clone(),
            server_name: config.server_name.clone(),
            bot: config.bot.clone(),
            per_login: config.ghost_per_login,
        }
    }

    /// The Matrix user that stands for a remote person, as `receiver` knows them.
    ///
    /// # Errors
    /// Permanent where the person's account is too long for a user id.
    pub(crate) fn user(&self, receiver: &LoginId, id: &GhostId) -> Result<OwnedUserId, DeliveryError> {
        let local = match self.per_login {
            true => escape(&format!("{receiver} {id}")),
            false => escape(id.as_str()),
        };
        let text = format!("@{}{local}:{}", self.prefix, self.server_name);
        UserId::parse(text)
            .map_err(|error| DeliveryError::permanent(format!("{id} cannot be a Matrix user: {error}")))
    }

    /// The remote person that a Matrix user stands for.
    pub(crate) fn ghost(&self, user: &UserId) -> Option<GhostId> {
        let local = user.localpart().strip_prefix(&self.prefix)?;
        let text = unescape(local);
        // A blank is in no account; it stands behind the login whose ghost this is.
        let id = text.split_once(' ').map_or(text.as_str(), |(_, id)| id);
        (user.server_name() == self.server_name).then(|| GhostId::new(id))
    }

    /// Whether a user is the bot or a ghost.
    pub(crate) fn is_ours(&self, user: &UserId) -> bool {
        *user == self.bot || self.ghost(user).is_some()
    }
}

/// User ids hold few characters: the others become `=` and two hexadecimal digits.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => out.push(char::from(byte)),
            _ => out.push_str(&format!("={byte:02x}")),
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let encoded = text.replace('%', "%25").replace('=', "%");
    percent_encoding::percent_decode_str(&encoded).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::testkit;

    #[test]
    fn accounts_become_legal_user_names_and_come_back() {
        for account in ["alice@example.com", "a+b_c=d%@x.org", "tel:+15551234", "ünder@x.org"] {
            let local = escape(account);
            assert!(
                local.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-=".contains(&b))
            );
            assert_eq!(unescape(&local), account);
        }
        assert_eq!(escape("alice@example.com"), "alice=40example.com");
    }

    #[test]
    fn a_ghost_is_known_by_its_user_id_with_and_without_its_login_in_it() {
        for ghost_per_login in [false, true] {
            let ids = GhostIds::new(&MatrixConfig { ghost_per_login, ..testkit::config("http://x") });
            let (alice, bob) = (LoginId::new("alice@example.com"), GhostId::new("bob@example.com"));
            let user = ids.user(&alice, &bob).unwrap();
            assert_eq!(user.localpart().contains("alice"), ghost_per_login);
            assert_eq!(ids.ghost(&user), Some(bob));
            assert!(ids.is_ours(&user));
        }
    }

    #[test]
    fn users_of_other_servers_and_other_people_are_not_ours() {
        let ids = GhostIds::new(&testkit::config("http://x"));
        for (user, is_ours) in [
            ("@msnbot:test.localhost", true),
            ("@msn_bob=40example.com:test.localhost", true),
            ("@msn_bob=40example.com:evil.example", false),
            ("@msnbot:evil.example", false),
            ("@ann:test.localhost", false),
        ] {
            assert_eq!(ids.is_ours(<&UserId>::try_from(user).unwrap()), is_ours, "{user}");
        }
    }
}
