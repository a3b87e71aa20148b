//! Who may use the bot: `permissions`.
//!
//! Knows users, servers and everybody, and that the closest of them counts. Refuses to know what a level lets a user do:
//! the core does.

use std::collections::BTreeMap;

use ruma::{ServerName, UserId};

use crate::bridge::ids::UserId as BridgeUser;
use crate::bridge::port::frontend::{Level, Permissions};
use crate::config::ConfigError;

/// Who may use the bot: users, whole servers, or everybody (`*`). The closest of them counts: a user before their server,
/// a server before everybody.
#[derive(Debug, Clone, Default)]
pub struct PermissionTable {
    levels: BTreeMap<String, Level>,
}

impl Permissions for PermissionTable {
    fn level(&self, user: &BridgeUser) -> Level {
        let server = user.as_str().split_once(':').map_or("", |(_, server)| server);
        let closest = [user.as_str(), server, "*"].into_iter().find_map(|who| self.levels.get(who));
        closest.copied().unwrap_or(Level::None)
    }
}

impl PermissionTable {
    /// Each entry is a user, a server or `*`, and has one of the four levels.
    ///
    /// # Errors
    /// An entry that is none of them, or has another level.
    pub(super) fn check(table: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut levels = BTreeMap::new();
        for (who, level) in table {
            let key = format!("permissions.{who}");
            let level = match level.as_str() {
                "admin" => Level::Admin,
                "user" => Level::User,
                "relay" => Level::Relay,
                "none" => Level::None,
                other => return Err(ConfigError::value(&key, other, "admin, user, relay or none")),
            };
            let known = who == "*" || UserId::parse(who).is_ok() || ServerName::parse(who).is_ok();
            if !known {
                return Err(ConfigError::value(
                    "permissions",
                    who,
                    "a user (@name:server), a server name, or *",
                ));
            }
            levels.insert(who.clone(), level);
        }
        Ok(Self { levels })
    }
}
