//! A bridge between MSN Messenger and Matrix/IRC that loses nothing.
//!
//! | module | knows | may use |
//! |---|---|---|
//! | [`msn`] | the protocol: bytes, commands, sessions, without sockets or clock | nothing of ours |
//! | [`bridge`] | logins, portals, ghosts, the journal; no network | `measure`, `retry` |
//! | [`store`] | the disk: implements the core's storage | `bridge`, `measure`, `retry` |
//! | [`connector`] | MSN sockets and reconnects: implements the core's network | `msn`, `bridge`, `measure`, `pixels`, `retry`, `web` |
//! | [`matrix`] | one homeserver: implements a frontend | `bridge`, `measure`, `pixels`, `retry`, `web` |
//! | [`irc`] | IRC networks, channels and puppets: implements a frontend | `bridge`, `measure`, `retry` |
//! | [`links`] | addresses of files for those who cannot be shown them, and their HTTP server | `bridge`, `web` |
//! | [`sign_in`] | the page on which users sign in and out | `bridge`, `web` |
//! | [`measure`] | what is counted and measured, by name | nothing of ours |
//! | [`retry`] | pauses between attempts | nothing of ours |
//! | [`web`] | HTTP within bounds: what is read, who may hold connections | nothing of ours |
//! | [`pixels`] | pictures made smaller, within bounds | nothing of ours |
//! | [`service`] | the embedded MSN service | `msn` |
//! | [`config`] | every key and its limits | the parts' own settings |
//! | [`daemon`] | puts it together | everything |
//!
//! `tests/it/layering.rs` fails on any other import.
//!
//! # Four walks
//!
//! Each line is a room that a message passes, with the type it has there. Nobody has to go back into a room.
//!
//! **A text from MSN to Matrix.**
//! 1. `connector::net::pump` reads bytes of a switchboard's socket: `Bytes`.
//! 2. [`msn::session::SwitchboardSession`] decodes and joins them: a [`msn::session::CallEvent`].
//! 3. `connector::call` names the conversation and the author: a [`bridge::event::RemoteEvent`].
//! 4. `bridge::router` makes it an `Entry` with a name of its own.
//! 5. `bridge::portal` writes the entry to the journal, syncs, and lets each leg carry it: a
//!    [`bridge::port::delivery::Delivery`].
//! 6. [`matrix`] sends it as the ghost: a request to the homeserver. The leg's cursor moves on.
//!
//! **A text from Matrix to MSN.**
//! 1. `matrix::appservice` takes a transaction: `Item`s.
//! 2. [`bridge::inbox`] writes them down and syncs; only then the homeserver is answered 200.
//! 3. `bridge::router::reader` reads them, room by room, and [`matrix`] says what each means: a
//!    [`bridge::event::LocalEvent`], with the receipt that takes it out of the inbox.
//! 4. `bridge::router` makes it an `Entry`; the receipt is spent in the batch that journals it.
//! 5. `bridge::portal` syncs and lets the remote leg carry it: a [`bridge::port::delivery::Delivery`].
//! 6. [`connector`] translates it and asks the conversation's call: a `CallCommand`.
//! 7. [`msn::session::SwitchboardSession`] encodes it, and hears the switchboard's acknowledgement. The leg's cursor moves on.
//!
//! **A file from a contact.**
//! 1. `connector::net::pump` reads bytes: `Bytes`.
//! 2. [`msn::p2p`] joins packets to an invitation and its data: a [`msn::p2p::PeerEvent`].
//! 3. `connector::file::incoming` writes the data to the disk, and tells of the file once it is whole: a
//!    [`bridge::event::RemoteEvent`] with a [`bridge::port::media::File`].
//! 4. From here on it is a message like any other: router, portal, and [`matrix`], which uploads it.
//!
//! **A file to a contact.**
//! 1. As a text, up to the portal: an `Attachment`, which is an address only.
//! 2. `bridge::portal` lets the files' leg carry it: [`matrix`] brings it to the disk, a [`bridge::port::media::File`].
//! 3. `connector::file::outgoing` offers it in the conversation's call.
//! 4. [`msn::p2p`] cuts it into packets, and hears the end. The leg's cursor moves on.
//!
//! A large file waits in `connector::file::offers` until its owner has answered the core's question; a transfer whose
//! switchboard breaks waits in `connector::file::suspended` for the next. Where a file cannot be shown,
//! [`bridge::link`] gives it an address, and [`links`] serves what is behind that.
//!
//! # Who waits for whom
//!
//! A loop that reads a socket waits for the core and for the disk, and for nothing else. The core's router waits for
//! nothing: an input that finds no room stays at the head. A portal waits for the disk. What takes an answer of a network
//! is a task of its own.

pub mod bridge;
pub mod config;
pub mod connector;
pub mod daemon;
pub mod irc;
pub mod links;
pub mod matrix;
pub mod measure;
pub mod msn;
pub mod pixels;
pub mod retry;
#[cfg(test)]
mod round_trip;
pub mod service;
pub mod sign_in;
pub mod store;
pub mod web;
