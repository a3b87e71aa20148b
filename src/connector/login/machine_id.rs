//! What a login is called where its account can be in several places: the same for as long as there is a store (§18.5).
//!
//! Knows the row. Refuses to know what a server makes of the name.

use crate::bridge::ids::LoginId;
use crate::bridge::port::storage::{Batch, Storage, StorageError, Table, Urgency};
use crate::msn::endpoint::MachineId;

/// The name of this place for a login; drawn and on disk before it is given where there is none yet. A row that is no name
/// is replaced.
///
/// # Errors
/// The disk cannot be read, or did not take the name.
pub(super) async fn ensure(storage: &dyn Storage, login: &LoginId) -> Result<MachineId, StorageError> {
    let stored = storage.read(Table::Machines, login.as_str().as_bytes())?;
    let stored = stored.and_then(|value| String::from_utf8(value).ok());
    if let Some(known) = stored.as_deref().and_then(MachineId::parse) {
        return Ok(known);
    }
    let drawn = MachineId::of_random(rand::random());
    let mut batch = Batch::default();
    batch.put(Table::Machines, login.as_str(), drawn.to_string());
    storage.commit(batch, Urgency::Now).await?;
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::testkit::SimStorage;
    use crate::connector::tests::alice;

    #[tokio::test]
    async fn a_login_has_one_name_for_good_and_another_login_has_another() {
        let storage = SimStorage::default();
        let name = ensure(&storage, &alice()).await.unwrap();
        storage.crash(0);
        assert_eq!(ensure(&storage, &alice()).await.unwrap(), name, "it was on disk before it was given");
        assert_ne!(ensure(&storage, &LoginId::new("bob@example.com")).await.unwrap(), name);
    }

    #[tokio::test]
    async fn a_damaged_name_is_replaced() {
        let storage = SimStorage::default();
        let mut batch = Batch::default();
        batch.put(Table::Machines, alice().as_str(), "no guid");
        storage.holds(batch);
        let name = ensure(&storage, &alice()).await.unwrap();
        assert_eq!(ensure(&storage, &alice()).await.unwrap(), name);
    }
}
