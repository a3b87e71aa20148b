//! Who comes and goes: invitations of the bot and of ghosts, owners who leave, third persons.

use ruma::UserId;
use ruma::api::client::membership::join_room_by_id;

use super::Event;
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::{GhostId, PortalKey, UserId as BridgeUser};
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::intent::send_as;
use crate::matrix::{MatrixError, MatrixFrontend};

impl MatrixFrontend {
    pub(super) async fn membership(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        // Names are asked for anew when somebody is to be heard.
        self.known().names.remove(&(event.room_id.clone(), event.sender.clone()));
        let overheard = self.company_changed(event).await?;
        if overheard != LocalEvent::Ignored {
            return Ok(overheard);
        }
        if matches!(event.text("membership"), Some("leave" | "ban")) {
            if let Some((portal, ghost)) = self.removed_ghost(event)? {
                return Ok(self.as_command(event, portal, format!("drop {ghost}")));
            }
            let left = self.owner_left(event).await?;
            return Ok(left.map_or(LocalEvent::Ignored, |portal| LocalEvent::OwnerLeft { portal }));
        }
        if let Some(user) = self.avatar_changed(event) {
            return Ok(LocalEvent::Portrait { user });
        }
        let invited = event.state_key.as_deref().and_then(|key| UserId::parse(key).ok());
        match invited.filter(|user| self.is_ours(user) && event.text("membership") == Some("invite")) {
            Some(invited) => self.invited(event, &invited).await,
            None => Ok(LocalEvent::Ignored),
        }
    }

    /// The bot or a ghost is invited.
    async fn invited(&self, event: &Event, invited: &UserId) -> Result<LocalEvent, DeliveryError> {
        if !self.may_use(&event.sender) {
            self.leave(&event.room_id, invited).await?;
            return Ok(LocalEvent::Ignored);
        }
        let management = PortalKey::management(&BridgeUser::new(event.sender.as_str()));
        if let Some(ghost) = self.ghost_id(invited) {
            // Whoever invites a contact wants to talk to them: they get the conversation that exists for it.
            self.leave(&event.room_id, invited).await?;
            // Into a conversation it is a call into that; anywhere else it makes them a contact.
            let portal = self.own_portal(event)?;
            return Ok(match portal {
                Some(portal) => self.as_command(event, portal, format!("invite {ghost}")),
                None => self.as_command(event, management, format!("add {ghost} --chat")),
            });
        }
        let join = join_room_by_id::v3::Request::new(event.room_id.clone());
        match send_as!(self.homeserver, &self.config.bot, join) {
            Ok(_) => self.entered(event, &management).await,
            // Taken back, or not to be joined by this homeserver: whoever invited can do so again.
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::info!(%error, "an invitation could not be accepted");
                Ok(LocalEvent::Ignored)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A contact whom the owner of a conversation removed from its room.
    fn removed_ghost(&self, event: &Event) -> Result<Option<(PortalKey, GhostId)>, DeliveryError> {
        let removed = event.state_key.as_deref().and_then(|key| UserId::parse(key).ok());
        let Some(ghost) = removed.and_then(|user| self.ghost_id(&user)) else { return Ok(None) };
        Ok(self.own_portal(event)?.map(|portal| (portal, ghost)))
    }

    /// Whoever has another picture than when they were seen last: told once, not for each of their rooms.
    fn avatar_changed(&self, event: &Event) -> Option<BridgeUser> {
        let joined = event.text("membership") == Some("join");
        let is_own = event.state_key.as_deref() == Some(event.sender.as_str());
        if !joined || !is_own || !self.may_use(&event.sender) {
            return None;
        }
        let picture = event.text("avatar_url").unwrap_or_default().to_owned();
        let before = self.known().portraits.insert(event.sender.clone(), picture.clone());
        (before? != picture).then(|| BridgeUser::new(event.sender.as_str()))
    }

    /// Somebody who leaves their room is asked into another with the next message, so that nothing is said to nobody.
    /// Gives the conversation they left.
    async fn owner_left(&self, event: &Event) -> Result<Option<PortalKey>, DeliveryError> {
        let Some(portal) = self.portal_of(&event.room_id)? else { return Ok(None) };
        let owner = self.owner_of(&portal)?;
        if owner.is_none() || owner.map(String::from) != event.state_key {
            return Ok(None);
        }
        tracing::info!(%portal, room = %event.room_id, "the owner left the room");
        self.forget_room(&portal, &event.room_id).await?;
        Ok(portal.management_user().is_none().then_some(portal))
    }
}
