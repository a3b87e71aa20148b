//! Rooms of portals, management rooms and spaces.
//!
//! Knows which room belongs to which portal, and how one is made, adopted, kept up to date, followed and given up. Refuses
//! to know what is said there.

mod adoption;
mod alias;
mod company;
mod creation;
mod direct;
mod face;
mod features;
mod leaver;
mod levels;
mod maker;
mod management;
mod member;
mod portal;
mod registry;
mod space;
mod space_queue;
mod state;
#[cfg(test)]
mod tests;
mod upgrade;
mod version;

pub(super) use adoption::RoomAdoption;
pub(super) use alias::{AliasOf, RoomAliases};
pub(super) use creation::RoomCreator;
pub(super) use direct::DirectRooms;
pub(super) use levels::RoomLevels;
pub(super) use maker::RoomMaker;
pub(super) use management::ManagementRooms;
pub(super) use member::RoomMembers;
pub(super) use portal::PortalRooms;
pub(super) use registry::RoomRegistry;
pub(super) use space::SpaceOrganizer;
pub(super) use space_queue::SpaceQueue;
pub(super) use state::RoomStates;
pub(super) use upgrade::{RoomUpgrades, Tombstone};
