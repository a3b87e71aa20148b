//! A thread of the store's own, and the queue that it works off.
//!
//! Knows that it ends when nobody hands anything in any more, and that whoever drops it waits for that. Refuses to know what
//! it does.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Dropping it ends the thread, once that has worked off what is there.
pub(super) struct Worker<T> {
    queue: Option<SyncSender<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it never panics; if it did, it is gone all the same
        }
    }
}

impl<T: Send + 'static> Worker<T> {
    /// Starts the thread, with room for so many in its queue.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        name: &str,
        room: usize,
        work: impl FnOnce(&Receiver<T>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (queue, handed_in) = sync_channel(room);
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || work(&handed_in))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Hands something in; false where there is no room for it, or the thread has ended.
    pub(super) fn try_hand(&self, item: T) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.try_send(item).is_ok())
    }

    /// The same, and waits for room; false where the thread has ended.
    pub(super) fn hand(&self, item: T) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.send(item).is_ok())
    }
}
