//! Ghosts as Matrix users, and what their contacts look like; the bot, and the people as whom the bridge may act.
//!
//! Knows the user id, the name, the picture and the presence of a ghost, and the picture of an owner. Refuses to know rooms:
//! whether somebody may be looking at a ghost is asked of an [`Audience`].

mod bot;
mod double_puppet;
mod ghost;
mod ghost_id;
mod ghost_name;
mod owner_avatar;
mod presence;
mod presence_board;
mod presence_record;
mod status_field;

pub(super) use bot::BotProfile;
pub(super) use double_puppet::DoublePuppets;
pub(super) use ghost::GhostProfiles;
pub(super) use ghost_id::GhostIds;
pub(super) use owner_avatar::OwnerAvatars;
pub(super) use presence::{Audience, PresencePublisher, Showing};
pub(super) use presence_record::PresenceRecords;
pub(super) use status_field::StatusFields;
