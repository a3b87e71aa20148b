//! The whole store but what is on its way, as one versioned file, and back.
//!
//! One JSON object a line: a head with the version, rows, and an end with their number and a keyed hash of every byte
//! before it, so that a file that was cut or changed is refused. Sealed tables stay sealed under the store's key in an
//! envelope of their own: an export holds no password in the clear, and needs the same key file to be read. Version 1 had
//! no end; such files are read, and said to be unchecked.

use std::io::{BufRead, Read, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{SealingKey, Store, StoreError, is_store, place};
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};

const FORMAT: &str = "msnbridge export";
/// Raised when a line means something else than before. An import takes this version, and the one before the code at
/// the end.
const VERSION: u32 = 2;
/// The version that has no end.
const UNCHECKED: u32 = 1;
/// Bytes of the longest line: several times the largest row.
const MAX_LINE: u64 = 64 * 1024 * 1024;
/// Rows written together.
const PAGE: usize = 256;

/// The first line: what follows, and which key sealed it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    version: u32,
    /// Tells one key from another, and nothing else about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    key: String,
}

/// One row.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    table: u8,
    key: String,
    value: String,
}

/// The last line: how many rows there were, and a code over all of them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    rows: usize,
    mac: String,
}

/// What an import brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    pub rows: usize,
    /// Whether the file could be checked; false for one of version 1.
    pub checked: bool,
}

pub(super) fn fail(error: impl std::fmt::Display) -> StoreError {
    StoreError::Export(error.to_string())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tables that an export holds.
pub(super) fn tables() -> impl Iterator<Item = Table> {
    Table::ALL.into_iter().filter(|table| !table.is_transient() && *table != Table::Meta)
}

/// A hash over every byte of a file, under a key that follows from the store's.
struct Seal(Hmac<Sha256>);

impl Seal {
    fn new(key: &SealingKey) -> Self {
        let derived = zeroize::Zeroizing::new(key.derive("export"));
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(&*derived);
        Self(mac.unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")))
    }

    fn end(&self, rows: usize) -> String {
        let mac = hexadecimal(&self.0.clone().finalize().into_bytes());
        serde_json::to_string(&End { rows, mac }).unwrap_or_default()
    }
}

/// Names a key without giving it away.
fn name_of(key: &SealingKey) -> String {
    hexadecimal(&key.derive("export key")[..8])
}

/// An export that is being written.
pub(super) struct Writer<'a> {
    out: &'a mut dyn Write,
    seal: Seal,
    sealing: &'a SealingKey,
    count: usize,
}

impl<'a> Writer<'a> {
    /// Writes the head.
    pub(super) fn begin(sealing: &'a SealingKey, out: &'a mut dyn Write) -> Result<Self, StoreError> {
        let mut writer = Self { out, seal: Seal::new(sealing), sealing, count: 0 };
        writer.line(&Head { format: FORMAT.into(), version: VERSION, key: name_of(sealing) })?;
        Ok(writer)
    }

    /// Writes one row.
    pub(super) fn row(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let value = if table.is_sealed() { self.sealing.seal(key, value) } else { value.to_vec() };
        let (key, value) = (STANDARD.encode(key), STANDARD.encode(value));
        self.line(&Line { table: table as u8, key, value })?;
        self.count += 1;
        Ok(())
    }

    /// Writes the end; gives the number of rows.
    pub(super) fn end(self) -> Result<usize, StoreError> {
        let end = self.seal.end(self.count);
        writeln!(self.out, "{end}").and_then(|()| self.out.flush()).map_err(fail)?;
        Ok(self.count)
    }
    /// Writes one line and counts it into the code at the end.
    fn line(&mut self, line: &impl Serialize) -> Result<(), StoreError> {
        let text = serde_json::to_string(line).map_err(fail)? + "\n";
        self.seal.0.update(text.as_bytes());
        self.out.write_all(text.as_bytes()).map_err(fail)
    }
}

/// Writes every row but the journal's; gives their number.
///
/// # Errors
/// The store's, or those of what is written to.
pub fn export(store: &Store, out: &mut dyn Write) -> Result<usize, StoreError> {
    let mut writer = Writer::begin(&store.sealing, out)?;
    for table in tables() {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = store.scan(table, &[], after.as_deref(), PAGE).map_err(fail)?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            for (key, value) in &rows {
                writer.row(table, key, value)?;
            }
        }
    }
    writer.end()
}

/// Whether a file is a whole export that this key opens; gives its rows.
///
/// # Errors
/// It was cut or changed, or is of another key.
pub fn verify(key: &SealingKey, input: &mut dyn BufRead) -> Result<usize, StoreError> {
    let mut seal = Seal::new(key);
    let mut rows = 0;
    while let Some(line) = next_line(input)? {
        if line.starts_with(b"{\"rows\"") {
            let is_whole = line.strip_suffix(b"\n") == Some(seal.end(rows).as_bytes());
            return if is_whole { Ok(rows) } else { Err(fail("it was changed or cut since it was written")) };
        }
        rows += usize::from(!line.starts_with(b"{\"format\""));
        seal.0.update(&line);
    }
    Err(fail("its end is missing: it was cut"))
}

/// Makes a store in `directory` from an export: all of it, or none.
///
/// # Errors
/// A store that is there already, a file that was cut or changed, another key than the export's, and the disk's own.
pub fn import(directory: &Path, key: &SealingKey, input: &mut dyn BufRead) -> Result<Imported, StoreError> {
    if is_store(directory) {
        return Err(StoreError::InUse { directory: directory.to_owned() });
    }
    place::make(directory, |part| {
        let store = Store::open(part, key.clone())?;
        let imported = read(&store, input)?;
        store.syncer.sync_blocking().map_err(fail)?;
        Ok(imported)
    })
}

/// The next line with its end, or nothing behind the last.
fn next_line(input: &mut dyn BufRead) -> Result<Option<Vec<u8>>, StoreError> {
    let mut line = Vec::new();
    input.take(MAX_LINE).read_until(b'\n', &mut line).map_err(fail)?;
    match line.last() {
        None => Ok(None),
        Some(_) if line.len() as u64 == MAX_LINE => Err(fail("a line is too long")),
        Some(_) => Ok(Some(line)),
    }
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(line).map_err(|error| fail(format!("it was changed: {error}")))
}

/// Reads a whole export; nothing of a damaged one stays.
fn read(store: &Store, input: &mut dyn BufRead) -> Result<Imported, StoreError> {
    let first = next_line(input)?.ok_or_else(|| fail("the file is empty"))?;
    let head: Head =
        serde_json::from_slice(&first).map_err(|_| fail("this is not an export of msnbridge"))?;
    if head.format != FORMAT || ![VERSION, UNCHECKED].contains(&head.version) {
        return Err(fail(format!("version {} of «{}» is not known here", head.version, head.format)));
    }
    let checked = head.version == VERSION;
    if checked && head.key != name_of(&store.sealing) {
        return Err(StoreError::WrongKey);
    }
    let mut seal = Seal::new(&store.sealing);
    seal.0.update(&first);
    let mut rows = Rows { store, batch: Batch::default(), count: 0 };
    let mut ended = false;
    while let Some(line) = next_line(input)? {
        if ended {
            return Err(fail("something follows its end"));
        }
        if checked && line.starts_with(b"{\"rows\"") {
            // Byte for byte: a change that would be read as the same is one all the same.
            if line.strip_suffix(b"\n") != Some(seal.end(rows.count).as_bytes()) {
                return Err(fail("it was changed or cut since it was written"));
            }
            ended = true;
            continue;
        }
        rows.take(&line)?;
        seal.0.update(&line);
    }
    if checked && !ended {
        return Err(fail("its end is missing: it was cut"));
    }
    rows.write()?;
    Ok(Imported { rows: rows.count, checked })
}

/// Rows on their way into a store.
struct Rows<'a> {
    store: &'a Store,
    batch: Batch,
    count: usize,
}

impl Rows<'_> {
    /// One line of rows.
    fn take(&mut self, line: &[u8]) -> Result<(), StoreError> {
        let line: Line = parse(line)?;
        let table = tables().find(|table| *table as u8 == line.table);
        let table = table.ok_or_else(|| fail("it has a row of a table that no export has"))?;
        let key = STANDARD.decode(line.key).map_err(fail)?;
        let mut value = STANDARD.decode(line.value).map_err(fail)?;
        if table.is_sealed() {
            value = self.store.sealing.open(&key, &value).map_err(|_| StoreError::WrongKey)?;
        }
        self.batch.put(table, key, value);
        self.count += 1;
        if self.batch.0.len() == PAGE { self.write() } else { Ok(()) }
    }

    /// Commits the rows that were taken since the last time.
    fn write(&mut self) -> Result<(), StoreError> {
        self.store.apply(std::mem::take(&mut self.batch), Urgency::Soon).map_err(fail)
    }
}
