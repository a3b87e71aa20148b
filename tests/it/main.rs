//! Tests that cross a border: processes, sockets, other people's programs.

#[path = "../support/mod.rs"]
mod support;

mod asking;
mod broken_boards;
mod chat;
mod check;
mod conformance;
mod contacts;
mod cuts;
mod delivery;
mod direct;
mod disk;
mod emoticons;
mod features;
mod files;
mod fuzz;
mod groups;
mod held;
mod hostile;
mod independent;
mod irc;
mod irc_pace;
mod kills;
mod large;
mod layering;
mod links;
mod management;
mod migration;
mod msnftp;
mod names;
mod offline;
mod old_clients;
mod old_service;
mod outage;
mod peers;
mod recorded_peers;
mod refusals;
mod secrets;
mod servers;
mod slow_readers;
mod spaces;
mod transcripts;
mod trouble;
mod walkthrough;
mod ways;
