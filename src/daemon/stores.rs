//! What the bridge keeps on the disk: the store, sealed with its key, and files on their way.
//!
//! Knows where the configuration puts them. Refuses to make a new key beside a store: that store could not be read again.

use std::sync::Arc;

use anyhow::Context;

use crate::bridge::port::storage::Storage;
use crate::config::Config;
use crate::store::{MediaDirectory, SealingKey, Store, is_store};

/// The open store and directory.
pub(super) struct Stores {
    pub(super) store: Arc<Store>,
    /// Seals the store; names of rooms and signatures of links are derived from it.
    pub(super) key: SealingKey,
    pub(super) media: Arc<MediaDirectory>,
}

impl Stores {
    /// Opens both; a new store gets a new key.
    ///
    /// # Errors
    /// What cannot be read, written or unsealed, with the key of the configuration where that helps.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        let (store, key) = open_store(config)?;
        Ok(Self { store, key, media: open_media(config)? })
    }

    /// The store as the core knows it.
    pub(super) fn storage(&self) -> Arc<dyn Storage> {
        self.store.clone()
    }
}

/// Of a store without a key, or a key without a store, neither is replaced: an error says which is missing.
fn open_store(config: &Config) -> anyhow::Result<(Arc<Store>, SealingKey)> {
    let section = &config.store;
    // A directory alone is no store: somebody may have made it for us.
    let (directory, key_file) = (&section.directory, &section.key_file);
    if is_store(directory) || key_file.exists() {
        let key = SealingKey::load(key_file)?;
        return Ok((Arc::new(Store::open_existing(directory, key.clone())?), key));
    }
    let key = SealingKey::create(key_file)?;
    match Store::open(directory, key.clone()) {
        Ok(store) => Ok((Arc::new(store), key)),
        Err(error) => {
            // Nothing is sealed with it, and beside it a store would be missed.
            let _ = std::fs::remove_file(key_file);
            Err(error.into())
        }
    }
}

/// Where files are kept on their way.
fn open_media(config: &Config) -> anyhow::Result<Arc<MediaDirectory>> {
    let directory = config.store.directory.join("media");
    let media = MediaDirectory::open(&directory, config.files.max_bytes, config.files.max_total_bytes);
    Ok(Arc::new(media.with_context(|| format!("store.directory: cannot use {}", directory.display()))?))
}
