//! `export` and `import`.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::config::Config;
use crate::store::{SealingKey, Store};

fn open(config: &Config) -> anyhow::Result<Store> {
    let key = SealingKey::load(&config.store.key_file)?;
    Ok(Store::open(&config.store.directory, key)?)
}

pub(super) fn export(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let store = open(config)?;
    let count = write(&store, file)?;
    println!("{count} rows written to {}. Keep the key file with it: the export is sealed.", file.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes beside the file first: a half export never stands in the place of a whole one.
pub(super) fn write(store: &Store, file: &Path) -> anyhow::Result<usize> {
    let part = file.with_extension("part");
    let out = File::create(&part).with_context(|| format!("cannot write {}", part.display()))?;
    let count = crate::store::export(store, &mut BufWriter::new(&out))?;
    out.sync_all()?;
    std::fs::rename(&part, file)?;
    Ok(count)
}

pub(super) fn import(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let input = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let store = open(config)?;
    let count = crate::store::import(&store, &mut BufReader::new(input))?;
    println!("{count} rows read from {}.", file.display());
    Ok(ExitCode::SUCCESS)
}
