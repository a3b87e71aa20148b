//! What is shown in rooms.
//!
//! Knows how one journal entry becomes events, once, and how what is only worth something now is shown: status, typing,
//! progress, names, a notice to everybody. Refuses to know what came in, and when an entry is tried again: the portal does.

mod announce;
mod content;
mod emoticon;
mod entry;
mod file;
#[cfg(test)]
mod golden;
mod history;
mod live_notice;
mod name;
mod notice;
mod pack;
mod progress;
mod receipt;
mod speaker;
mod status;
#[cfg(test)]
mod tests;
mod typing;

pub(super) use announce::Announcer;
#[cfg(test)]
pub(super) use content::contents;
pub(super) use emoticon::EmoticonUploader;
pub(super) use entry::EntrySender;
pub(super) use file::FileUploader;
pub(super) use name::NamePublisher;
pub(super) use progress::ProgressPublisher;
pub(super) use receipt::ReceiptPublisher;
pub(super) use speaker::Speakers;
pub(super) use status::{MAX_COUNTED, StatusReporter};
pub(super) use typing::TypingPublisher;
