//! How much was said in one absence of a leg.
//!
//! Knows entries that were said while a leg could not be reached. Refuses to decide which of them are passed over: the portal
//! does.

use super::{Cursors, Entry, entry_key, sequence_of};
use crate::bridge::BridgeError;
use crate::bridge::event::Timestamp;
use crate::bridge::ids::Leg;
use crate::bridge::port::storage::{Storage, Table};
use crate::bridge::record::decode;

/// What follows an entry that was said while a leg was away: the rest of that absence.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::bridge) struct Absence {
    /// Entries for the leg behind it that were said in the same absence, counted up to what is enough.
    pub(in crate::bridge) behind: usize,
    /// When the first was said after the leg was back, if one was.
    pub(in crate::bridge) over_at: Option<Timestamp>,
}

impl Cursors {
    /// The absence of a leg from one of its entries on. An entry that was said while the leg could be reached ends it:
    /// two absences with words between them are never counted together.
    pub(in crate::bridge) fn absence(
        &self,
        storage: &dyn Storage,
        leg: Leg,
        sequence: u64,
        enough: usize,
    ) -> Result<Absence, BridgeError> {
        let (mut after, mut absence) = (sequence, Absence::default());
        while after < self.head && absence.behind < enough {
            let from = entry_key(&self.portal, after);
            let rows = storage.scan(Table::Journal, &self.portal.to_key(), Some(&from), 64)?;
            let Some((key, _)) = rows.last() else { break };
            after = sequence_of(key);
            for (_, value) in &rows {
                let entry = decode::<Entry>("journal entry", value)?;
                match (entry.legs.contains(&leg), entry.away.contains(&leg)) {
                    (true, false) => return Ok(Absence { over_at: Some(entry.at), ..absence }),
                    (true, true) => absence.behind += 1,
                    (false, _) => {}
                }
            }
        }
        absence.behind = absence.behind.min(enough);
        Ok(absence)
    }
}
