//! The whole store but what is on its way, as one versioned file, and back.
//!
//! One JSON object a line: a head with the version, then rows. Sealed tables stay sealed under the store's key in an
//! envelope of their own, so an export holds no password in the clear; it needs the same key file to be imported.

use std::io::{BufRead, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::bridge::ports::{Batch, Storage, Table, Urgency};

const FORMAT: &str = "msnbridge export";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Line {
    table: u8,
    key: String,
    value: String,
}

fn fail(error: impl std::fmt::Display) -> StoreError {
    StoreError::Export(error.to_string())
}

/// Writes every row but the journal's; gives their number.
pub fn export(store: &Store, out: &mut dyn Write) -> Result<usize, StoreError> {
    let head = Head { format: FORMAT.into(), version: VERSION };
    writeln!(out, "{}", serde_json::to_string(&head).map_err(fail)?).map_err(fail)?;
    let mut count = 0;
    for table in Table::ALL.into_iter().filter(|t| !t.is_transient() && *t != Table::Meta) {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = store.scan(table, &[], after.as_deref(), 256).map_err(fail)?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            for (key, value) in &rows {
                let value = if table.is_sealed() { store.sealing.seal(key, value) } else { value.clone() };
                let line =
                    Line { table: table as u8, key: STANDARD.encode(key), value: STANDARD.encode(value) };
                writeln!(out, "{}", serde_json::to_string(&line).map_err(fail)?).map_err(fail)?;
                count += 1;
            }
        }
    }
    out.flush().map_err(fail)?;
    Ok(count)
}

/// Reads an export into `store`, which should be a new one; gives the number of rows.
pub fn import(store: &Store, input: &mut dyn BufRead) -> Result<usize, StoreError> {
    let mut lines = input.lines();
    let head = lines.next().ok_or_else(|| fail("the file is empty"))?.map_err(fail)?;
    let head: Head = serde_json::from_str(&head).map_err(|_| fail("this is not an export of msnbridge"))?;
    if head.format != FORMAT || head.version != VERSION {
        return Err(fail(format!("version {} of «{}» is not known here", head.version, head.format)));
    }
    let mut count = 0;
    let mut batch = Batch::default();
    for line in lines {
        let line: Line = serde_json::from_str(&line.map_err(fail)?).map_err(fail)?;
        let table = Table::ALL
            .into_iter()
            .find(|t| *t as u8 == line.table)
            .ok_or_else(|| fail("an unknown table"))?;
        let key = STANDARD.decode(line.key).map_err(fail)?;
        let mut value = STANDARD.decode(line.value).map_err(fail)?;
        if table.is_sealed() {
            value = store.sealing.open(&key, &value).map_err(|_| StoreError::WrongKey)?;
        }
        batch.put(table, key, value);
        count += 1;
        if batch.0.len() == 256 {
            store.apply(std::mem::take(&mut batch), Urgency::Soon).map_err(fail)?;
        }
    }
    store.apply(batch, Urgency::Soon).map_err(fail)?;
    store.syncer.sync_blocking().map_err(fail)?;
    Ok(count)
}
