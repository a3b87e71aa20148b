//! `export` and `import`.
//!
//! Knows files and the store's own format. A daemon that has the store open is asked for the export; nothing is read into its
//! store.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use super::control;
use crate::config::Config;
use crate::store::{Imported, Salvaged, SealingKey, Store, create_file};

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
    let count = match std::os::unix::net::UnixStream::connect(control::socket_of(&config.store.directory)) {
        Ok(daemon) => receive(config, daemon, file)?,
        // Nobody has the store open.
        Err(_) => write(&open(config)?, file)?,
    };
    println!("{count} rows written to {}. Keep the key file with it: the export is sealed.", file.display());
    Ok(ExitCode::SUCCESS)
}

/// Has the daemon that has the store open write the export; gives how many rows there are.
fn receive(
    config: &Config,
    mut daemon: std::os::unix::net::UnixStream,
    file: &Path,
) -> anyhow::Result<usize> {
    let key = SealingKey::load(&config.store.key_file)?;
    write_beside(file, |part| {
        std::io::copy(&mut daemon, &mut &*part).context("the bridge broke off")?;
        Ok(crate::store::verify(&key, &mut BufReader::new(File::open(file.with_extension("part"))?))?)
    })
}

/// Writes an export of a store that is open here; gives how many rows there are.
///
/// # Errors
/// A store that cannot be read, a file that cannot be written or moved.
pub(super) fn write(store: &Store, file: &Path) -> anyhow::Result<usize> {
    write_beside(file, |part| Ok(crate::store::export(store, &mut BufWriter::new(part))?))
}

/// `check --store`: saves what can be read of a store, whatever has become of it, and says what is lost.
///
/// # Errors
/// Nothing can be opened, or the export cannot be written.
pub(super) fn salvage(config: &Config, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let key = SealingKey::load(&config.store.key_file)?;
    let directory = &config.store.directory;
    let file = file.map_or_else(|| directory.with_extension("salvaged"), Path::to_owned);
    let mut found = Salvaged::default();
    write_beside(&file, |part| {
        found = crate::store::salvage(directory, &key, &mut BufWriter::new(part))?;
        Ok(found.saved)
    })?;
    println!("{} rows can be read, and are in {}.", found.saved, file.display());
    println!(
        "{} messages and events on their way were seen: an export holds none of those.",
        found.on_the_way
    );
    found.unreadable.iter().for_each(|(what, count)| println!("LOST     {count} rows of {what}"));
    if let Some(reason) = &found.broke_off {
        println!("LOST     everything behind a certain row: {reason}");
    }
    match found.is_whole() {
        true => println!("Nothing is lost in what is there."),
        false => {
            println!("Move {} aside, then run «msnbridge import {}».", directory.display(), file.display())
        }
    }
    Ok(if found.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes beside the file first: a half export never stands in the place of a whole one. Gives how many rows there are.
///
/// # Errors
/// Those of `fill`, a file that cannot be written or moved.
fn write_beside(file: &Path, fill: impl FnOnce(&File) -> anyhow::Result<usize>) -> anyhow::Result<usize> {
    let part = file.with_extension("part");
    let out = create_file(&part).with_context(|| format!("cannot write {}", part.display()))?;
    let count = fill(&out)?;
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
