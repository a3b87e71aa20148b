//! Who comes and goes: invitations of the bot and of ghosts, owners who leave, third persons.
//!
//! Knows what a change of membership asks of the bridge. Refuses to know who else can read in a room: the management rooms
//! do. Source: `m.room.member` of the client-server API.

use std::sync::Arc;

use ruma::api::client::membership::join_room_by_id;
use ruma::{OwnedUserId, UserId};

use super::constructor::{self, command};
use super::context::InboundContext;
use super::event::Event;
use super::management::ManagementInterpreter;
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::{GhostId, PortalKey, UserId as BridgeUser};
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::homeserver::{MatrixError, tell_as};
use crate::matrix::profile::OwnerAvatars;
use crate::matrix::room::RoomUpgrades;

/// Why an invitation is not accepted, for whoever gave it.
const NOT_PERMITTED: &str = "You may not use this bridge. Ask whoever runs it.";

/// Reads changes of membership.
pub(crate) struct MembershipInterpreter {
    pub(crate) context: Arc<InboundContext>,
    pub(crate) management: Arc<ManagementInterpreter>,
    pub(crate) avatars: Arc<OwnerAvatars>,
    pub(crate) upgrades: Arc<RoomUpgrades>,
}

/// The user whose membership an event sets.
fn member_of(event: &Event) -> Option<OwnedUserId> {
    event.state_key.as_deref().and_then(|key| UserId::parse(key).ok())
}

fn ignore_refusal(error: MatrixError) -> Result<LocalEvent, DeliveryError> {
    match error {
        MatrixError::Refused { .. } => Ok(LocalEvent::Ignored),
        error => Err(error.into()),
    }
}

impl MembershipInterpreter {
    /// Reads a change of membership.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn member(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        // Names are asked for anew when somebody is to be heard.
        self.context.members.forget_name(&event.room_id, &event.sender);
        let overheard = self.management.company_changed(event).await?;
        if overheard != LocalEvent::Ignored {
            return Ok(overheard);
        }
        if matches!(event.text("membership"), Some("leave" | "ban")) {
            if let Some((portal, ghost)) = self.removed_ghost(event)? {
                return Ok(command(event, portal, format!("drop {ghost}")));
            }
            let left = self.owner_left(event).await?;
            return Ok(left.map_or(LocalEvent::Ignored, |portal| LocalEvent::OwnerLeft { portal }));
        }
        if let Some(user) = self.avatar_changed(event) {
            return Ok(LocalEvent::Portrait { user });
        }
        let is_invitation = event.text("membership") == Some("invite");
        match member_of(event).filter(|user| is_invitation && self.context.ids.is_ours(user)) {
            Some(invited) => self.invited(event, &invited).await,
            None => Ok(LocalEvent::Ignored),
        }
    }

    /// The bot or a ghost is invited.
    async fn invited(&self, event: &Event, invited: &UserId) -> Result<LocalEvent, DeliveryError> {
        let InboundContext { homeserver, ids, members, .. } = &*self.context;
        if !self.context.may_use(&event.sender) {
            members.leave_because(&event.room_id, invited, Some(NOT_PERMITTED)).await?;
            return Ok(LocalEvent::Ignored);
        }
        if let Some(ghost) = ids.ghost(invited) {
            if self.succeeds_ours(event)? {
                // Somebody who upgrades a room asks everybody of the old one into the new one.
                let joined = members.ensure_joined(&event.room_id, invited).await;
                return joined.map(|()| LocalEvent::Ignored).or_else(ignore_refusal);
            }
            // A person who invites a contact wants to talk to them: they get the conversation that exists for it.
            members.leave(&event.room_id, invited).await?;
            // Into a conversation it is a call into that; anywhere else it makes them a contact.
            return Ok(match self.context.own_portal(event)? {
                Some(portal) => command(event, portal, format!("invite {ghost}")),
                None => command(event, constructor::management(event), format!("add {ghost} --chat")),
            });
        }
        let join = join_room_by_id::v3::Request::new(event.room_id.clone());
        match tell_as!(homeserver, homeserver.bot(), join) {
            Ok(()) if self.context.conversation(&event.room_id)?.is_some() => Ok(LocalEvent::Ignored),
            Ok(()) if self.upgrades.entered(&event.room_id).await? => Ok(LocalEvent::Ignored),
            Ok(()) => self.management.entered(event).await,
            // Taken back, or not to be joined by this homeserver: the person who invited can do so again.
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::info!(%error, "an invitation could not be accepted");
                Ok(LocalEvent::Ignored)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the room of an invitation is there to take the place of one of ours.
    fn succeeds_ours(&self, event: &Event) -> Result<bool, DeliveryError> {
        let create = event.invite_state("m.room.create");
        create.map_or(Ok(false), |create| self.upgrades.succeeds_ours(create))
    }

    /// A contact whom the owner of a conversation removed from its room.
    fn removed_ghost(&self, event: &Event) -> Result<Option<(PortalKey, GhostId)>, DeliveryError> {
        let Some(user) = member_of(event) else { return Ok(None) };
        let Some(ghost) = self.context.ids.ghost(&user) else { return Ok(None) };
        self.context.members.forget_member(&event.room_id, &user);
        Ok(self.context.own_portal(event)?.map(|portal| (portal, ghost)))
    }

    /// An owner who has another picture than when they were seen last: told once, not for each of their rooms.
    fn avatar_changed(&self, event: &Event) -> Option<BridgeUser> {
        let joined = event.text("membership") == Some("join");
        let is_own = event.state_key.as_deref() == Some(event.sender.as_str());
        if !joined || !is_own || !self.context.may_use(&event.sender) {
            return None;
        }
        let picture = event.text("avatar_url").unwrap_or_default();
        self.avatars.is_news(&event.sender, picture).then(|| constructor::sender(event))
    }

    /// Somebody who leaves their room is asked into another with the next message, so that nothing is said to nobody.
    /// Gives the conversation they left.
    async fn owner_left(&self, event: &Event) -> Result<Option<PortalKey>, DeliveryError> {
        let InboundContext { registry, rooms, .. } = &*self.context;
        let Some(portal) = registry.portal_of(&event.room_id)? else { return Ok(None) };
        let owner = registry.owner_of(&portal)?;
        if owner.is_none() || owner.as_ref().map(|owner| owner.as_str()) != event.state_key.as_deref() {
            return Ok(None);
        }
        if let Some(owner) = &owner {
            rooms.abandon(&portal, &event.room_id, owner).await?;
        }
        tracing::info!(%portal, room = %event.room_id, "the owner left the room");
        Ok(portal.management_user().is_none().then_some(portal))
    }
}
