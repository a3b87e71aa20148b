//! Formatted text to Matrix's HTML and back. What goes out is only ever made of escaped text and the few elements
//! written here; of what comes in only words are taken, and how they look.
//!
//! Knows one text at a time. Refuses to know the event that it stands in.

mod color;
mod flow;
mod link;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::to_rich;
pub(crate) use write::{Picture, behind_name, escaped, from_rich};
