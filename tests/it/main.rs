//! Tests that cross a border: processes, sockets, other people's programs.

#[path = "../support/mod.rs"]
mod support;

mod asking;
mod broken_boards;
mod chat;
mod check;
mod circles;
mod conformance;
mod contacts;
mod cuts;
mod delivery;
mod direct;
mod disk;
mod emoticons;
#[cfg(feature = "encryption")]
mod encrypted_rooms;
#[cfg(feature = "encryption")]
mod encryption;
#[cfg(feature = "encryption")]
mod encryption_long;
#[cfg(feature = "encryption")]
mod encryption_loss;
mod encryption_off;
mod events;
mod features;
mod files;
mod fuzz;
mod groups;
mod held;
mod homeservers;
mod hostile;
mod hostile_users;
mod independent;
mod irc;
mod irc_address;
mod irc_channel;
mod irc_entry;
mod irc_long;
mod irc_pace;
mod irc_plumb;
mod irc_refused;
mod irc_servers;
mod kills;
mod large;
mod large_list;
mod layering;
mod limits;
mod links;
mod management;
mod many_logins;
mod migration;
mod msnftp;
mod names;
mod offline;
mod old_clients;
mod old_service;
mod outage;
mod package;
mod peers;
mod proof;
mod provisioning;
mod recorded_peers;
mod refusals;
mod rooms;
mod sdk;
mod sdk_delivery;
mod sdk_files;
mod sdk_objects;
mod sdk_people;
mod sdk_rows;
mod secrets;
mod sender;
mod servers;
mod sign_in;
mod sign_in_page;
mod sizes;
mod slow_readers;
mod sources;
mod spaces;
mod statuses;
mod transcripts;
mod trouble;
mod walkthrough;
mod watching;
mod ways;
