//! The traits that adapters implement, and what goes through them.
//!
//! Each file is one port: a [`network`], [`frontend`]s and their [`channels`], [`storage`], [`media`], a page to [`sign_in`]
//! on, and the [`delivery`] that the first two take. They know values of the core and no part of it that acts.

pub mod channels;
pub mod delivery;
pub mod frontend;
pub mod media;
pub mod network;
pub mod sign_in;
pub mod storage;
