//! What is stored about logins and portals, and how a row is read back.
//!
//! Knows JSON rows and their pages. Refuses to know sealing: the store does that. A row of an older form is read as the
//! newer one with its defaults.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::BridgeError;
use super::ids::{Leg, LoginId, PortalKey};
use super::login::Login;
use super::port::storage::{Batch, Storage, Table};

/// A conversation as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalRecord {
    pub key: PortalKey,
    /// The sides that take part, the remote network included.
    pub legs: Vec<Leg>,
    /// Whether people without a login are heard on the network too, through its account.
    #[serde(default)]
    pub relays: bool,
}

impl PortalRecord {
    pub fn store(&self, batch: &mut Batch) {
        batch.put(Table::Portals, self.key.to_key(), encode(self));
    }

    /// Every row of this kind.
    ///
    /// # Errors
    /// The store cannot be read, or a row is damaged.
    pub fn load_all(storage: &dyn Storage) -> Result<Vec<Self>, BridgeError> {
        load_all(storage, Table::Portals, "portal")
    }

    /// The row of this portal, if there is one.
    ///
    /// # Errors
    /// The store cannot be read, or the row is damaged.
    pub fn load(storage: &dyn Storage, key: &PortalKey) -> Result<Option<Self>, BridgeError> {
        storage.read(Table::Portals, &key.to_key())?.map(|value| decode("portal", &value)).transpose()
    }
}

impl Login {
    pub fn store(&self, batch: &mut Batch) {
        batch.put(Table::Logins, self.id.as_str(), encode(self));
    }

    /// The login is gone with this batch.
    pub fn erase(id: &LoginId, batch: &mut Batch) {
        batch.remove(Table::Logins, id.as_str());
    }

    /// Every row of this kind.
    ///
    /// # Errors
    /// The store cannot be read, or a row is damaged.
    pub fn load_all(storage: &dyn Storage) -> Result<Vec<Self>, BridgeError> {
        load_all(storage, Table::Logins, "login")
    }
}

/// Most rows read at once.
const PAGE: usize = 256;

fn load_all<T: DeserializeOwned>(
    storage: &dyn Storage,
    table: Table,
    what: &'static str,
) -> Result<Vec<T>, BridgeError> {
    let mut all = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = storage.scan(table, &[], after.as_deref(), PAGE)?;
        let Some((last, _)) = rows.last() else { return Ok(all) };
        after = Some(last.clone());
        for (_, value) in rows {
            // A login holds its password.
            all.push(decode(what, &Zeroizing::new(value))?);
        }
    }
}

/// Our own types always serialise: they hold no maps with other keys than text.
pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// A row that another version may have written. The error names the kind of row and no content.
pub(super) fn decode<T: DeserializeOwned>(what: &'static str, value: &[u8]) -> Result<T, BridgeError> {
    serde_json::from_slice(value).map_err(|source| BridgeError::Record { what, source })
}
