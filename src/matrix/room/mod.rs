//! Rooms of portals, management rooms and spaces.
//!
//! Knows which room belongs to which portal, and how one is made, adopted, repaired and given up. Refuses to know what is
//! said there.

mod alias;
mod company;
mod management;
mod member;
mod portal;
mod registry;
mod space;
mod space_queue;
#[cfg(test)]
mod tests;

pub(super) use alias::{AliasOf, RoomAliases};
pub(super) use management::ManagementRooms;
pub(super) use member::RoomMembers;
pub(super) use portal::PortalRooms;
pub(super) use registry::RoomRegistry;
pub(super) use space::SpaceOrganizer;
pub(super) use space_queue::SpaceQueue;
