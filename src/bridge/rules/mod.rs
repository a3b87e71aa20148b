//! The rules of sections 2 and 4 of the product's description, how the networks meet and «nothing is lost»,
//! as tests on simulated parts and paused time.

mod administration;
mod asked;
mod chaos;
mod commands;
mod crashes;
mod disk;
mod explain;
mod failures;
mod files;
mod frontends;
mod hold;
mod inbox;
mod journal;
mod names;
mod order;
mod own_rooms;
mod packs;
mod people;
mod relay;
mod rest;
mod rooms;
mod sign_in;
mod sign_in_page;
mod standing;
