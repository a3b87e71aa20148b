//! The promise that an item leaves its inbox together with what it became.
//!
//! Knows the item's key. Refuses to know what became of the item: the batch in which the receipt is spent does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::port::storage::{Batch, Table};

/// Takes an item out of its inbox once it is spent. Copies are the same receipt: an input that must wait is tried again.
/// An item whose receipt is never spent is read again at the next start.
#[derive(Debug, Clone)]
#[must_use = "an item whose receipt is not spent is read again"]
pub(super) struct InboxReceipt(Option<Arc<Row>>);

#[derive(Debug)]
struct Row {
    key: Vec<u8>,
    is_spent: AtomicBool,
}

impl InboxReceipt {
    pub(super) fn new(key: Vec<u8>) -> Self {
        Self(Some(Arc::new(Row { key, is_spent: AtomicBool::new(false) })))
    }

    /// Of something that came from no inbox.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// The item leaves its inbox with this batch.
    pub(super) fn spend(self, batch: &mut Batch) {
        if let Some(row) = self.0 {
            row.is_spent.store(true, Ordering::Relaxed);
            batch.remove(Table::Inbox, row.key.clone());
        }
    }

    /// The batch that takes the item out of its inbox, and nothing else so far.
    pub(super) fn into_batch(self) -> Batch {
        let mut batch = Batch::default();
        self.spend(&mut batch);
        batch
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if !*self.is_spent.get_mut() {
            tracing::warn!("an item of an inbox was not acted on, and is read again at the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_takes_its_item_out_of_the_inbox_and_no_other() {
        let receipt = InboxReceipt::new(b"matrix1".to_vec());
        let again = receipt.clone();
        let batch = receipt.into_batch();
        assert_eq!(batch.0.len(), 1);
        assert_eq!((batch.0[0].table, batch.0[0].key.as_slice()), (Table::Inbox, &b"matrix1"[..]));
        assert_eq!(batch.0[0].value, None);
        assert!(again.0.unwrap().is_spent.load(Ordering::Relaxed), "a copy is the same receipt");
        assert!(InboxReceipt::none().into_batch().0.is_empty());
    }
}
