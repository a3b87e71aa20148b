//! `export` and `import`.
//!
//! Knows files and the store's own format. Refuses to run beside a service that has the store open.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::config::Config;
use crate::store::{Imported, SealingKey, Store, create_file};

/// The store as it is: an export makes none.
fn open(config: &Config) -> anyhow::Result<Store> {
    let key = SealingKey::load(&config.store.key_file)?;
    Ok(Store::open_existing(&config.store.directory, key)?)
}

/// `export`: every row but those on their way, sealed as in the store.
///
/// # Errors
/// A store that is in use or cannot be unsealed, a file that cannot be written.
pub(super) fn export(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let store = open(config)?;
    let count = write(&store, file)?;
    println!("{count} rows written to {}. Keep the key file with it: the export is sealed.", file.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes beside the file first: a half export never stands in the place of a whole one. Gives how many rows there are.
///
/// # Errors
/// A store that cannot be read, a file that cannot be written or moved.
pub(super) fn write(store: &Store, file: &Path) -> anyhow::Result<usize> {
    let part = file.with_extension("part");
    let out = create_file(&part).with_context(|| format!("cannot write {}", part.display()))?;
    let count = crate::store::export(store, &mut BufWriter::new(&out))?;
    out.sync_all()?;
    std::fs::rename(&part, file)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    Ok(count)
}

/// `import`: into a new store, with the key of the old one.
///
/// # Errors
/// A store that is there already, a file that is no export, is damaged or was sealed with another key.
pub(super) fn import(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let input = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let key = SealingKey::load(&config.store.key_file)?;
    let Imported { rows, checked } =
        crate::store::import(&config.store.directory, &key, &mut BufReader::new(input))?;
    println!("{rows} rows read from {}.", file.display());
    if !checked {
        println!(
            "Notice: this export was written by an earlier version, which did not make it possible to check that nothing \
             is missing. Export again once everything is as it should be."
        );
    }
    Ok(ExitCode::SUCCESS)
}
