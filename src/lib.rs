//! A bridge between MSN Messenger and Matrix/IRC that loses nothing.
//!
//! | module | knows | may use |
//! |---|---|---|
//! | [`msn`] | the protocol: bytes, commands, sessions, without sockets or clock | nothing of ours |
//! | [`bridge`] | logins, portals, ghosts, the journal; no network | `retry` |
//! | [`store`] | the disk: implements the core's storage | `bridge`, `retry` |
//! | [`connector`] | MSN sockets and reconnects: implements the core's network | `msn`, `bridge`, `pixels`, `retry` |
//! | [`matrix`] | one homeserver: implements a frontend | `bridge`, `pixels`, `retry`, `web` |
//! | [`irc`] | IRC networks, channels and puppets: implements a frontend | `bridge`, `retry` |
//! | [`links`] | addresses of files for those who cannot be shown them, and their HTTP server | `bridge`, `web` |
//! | [`retry`] | pauses between attempts | nothing of ours |
//! | [`web`] | HTTP within bounds: what is read, who may hold connections | nothing of ours |
//! | [`pixels`] | pictures made smaller, within bounds | nothing of ours |
//! | [`service`] | the embedded MSN service | `msn` |
//! | [`config`] | every key and its limits | the parts' own settings |
//! | [`daemon`] | puts it together | everything |
//!
//! `tests/it/layering.rs` fails on any other import.
//!
//! **From MSN to Matrix.** `connector::net::pump` reads bytes into a machine of `msn::session`; its event becomes a
//! `RemoteEvent`; `bridge::router` hands it to the portal's task, which writes it to the journal, syncs, and only then
//! lets each leg carry it: `matrix` sends it as the ghost; the leg's cursor moves on.
//!
//! **From Matrix to MSN.** `matrix::appservice` puts a transaction into the inbox, syncs, answers 200; the inbox is read
//! room by room, each in order, and the router journals what was said in its portal; the remote leg asks `connector` for
//! the call of that conversation, and moves on when the switchboard has acknowledged.
//!
//! **Who waits for whom.** A loop that reads a socket waits for the core and for the disk, and for nothing else; the core
//! waits for portals and for the disk; a portal waits for the disk. What takes an answer of a network is a task of its own.
//!
//! **Files.** What a contact sends comes as packets of `msn::p2p` in a call; `connector::file::incoming` writes them to
//! the disk and tells of the file once it is whole, as of any other message. What is sent to a contact has a leg of its
//! own: it is fetched from its frontend when its turn comes, and `connector::file::outgoing` offers it. A large file
//! waits in `connector::file::offers` until its owner has answered the core's question; a transfer whose switchboard
//! breaks waits in `connector::file::suspended` for the next. Where a file cannot be shown, `bridge::link` gives it an
//! address, and [`links`] serves what is behind that.

pub mod bridge;
pub mod config;
pub mod connector;
pub mod daemon;
pub mod irc;
pub mod links;
pub mod matrix;
pub mod msn;
pub mod pixels;
pub mod retry;
pub mod service;
pub mod store;
pub mod web;
