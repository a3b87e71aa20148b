//! What people say to the bot, and where that is answered.
//!
//! Knows that the bot talks about an account only where its owner is alone with it. Refuses to find out who is there: the
//! management rooms do. Source: section 2 of the product's description.

use std::sync::Arc;

use ruma::UserId;

use super::constructor::{self, command, typed};
use super::context::InboundContext;
use super::event::Event;
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::prefix;

/// What stands before a command where others are.
const COMMAND: &str = "!msn";

const NOT_ALONE: &str = "I am the bridge to MSN. What I say is about somebody's own account, so I only talk where nobody \
                         else can read: invite me into a room with nobody but you. To have this room be \
                         your conversation with a contact, say «!msn bridge» and their address.";

/// Said in clear in an encrypted room, where the bridge reads none.
pub(super) const UNREADABLE: &str = "This room is encrypted, and this bridge cannot read encrypted rooms: nothing that is said \
                                     here goes to MSN. You are asked into a room without encryption, where everything works.";

/// Reads what is for the bot itself.
pub(crate) struct ManagementInterpreter {
    pub(crate) context: Arc<InboundContext>,
}

impl ManagementInterpreter {
    async fn is_there_alone(&self, event: &Event) -> Result<bool, DeliveryError> {
        self.context.management.is_there_alone(&event.room_id, &event.sender).await
    }

    /// Who can read in a room has changed.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn company_changed(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let InboundContext { homeserver, registry, management, .. } = &*self.context;
        management.company_changed(&event.room_id);
        let portal = registry.portal_of(&event.room_id)?;
        let Some((portal, user)) = portal.and_then(|p| p.management_user().map(|user| (p, user))) else {
            return Ok(LocalEvent::Ignored);
        };
        let is_own = event
            .state_key
            .as_deref()
            .is_some_and(|key| key == user.as_str() || key == homeserver.bot().as_str());
        let Ok(id) = UserId::parse(user.as_str()) else { return Ok(LocalEvent::Ignored) };
        if is_own || management.is_there_alone(&event.room_id, &id).await? {
            return Ok(LocalEvent::Ignored);
        }
        management.end(&portal, &event.room_id).await?;
        Ok(LocalEvent::Overheard { user, place: event.room_id.to_string(), said: None })
    }

    /// Whether a room is encrypted and the bridge reads no such rooms.
    async fn is_unreadable(&self, event: &Event) -> Result<bool, DeliveryError> {
        let InboundContext { encryption, homeserver, .. } = &*self.context;
        Ok(encryption.is_off() && encryption.is_encrypted(&event.room_id, homeserver.bot()).await?)
    }

    /// The bot has entered a room that it was invited to.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn entered(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let InboundContext { registry, management, .. } = &*self.context;
        management.company_changed(&event.room_id);
        let own = constructor::management(event);
        if registry.portal_of(&event.room_id)?.is_none() {
            if !self.is_there_alone(event).await? {
                self.say_not_alone(event).await;
                return Ok(LocalEvent::Ignored);
            }
            match self.is_unreadable(event).await? {
                // The greeting is in another room.
                true => self.context.sender.notice_in_clear(&event.room_id, UNREADABLE).await,
                false => registry.remember(&own, &event.room_id).await?,
            }
        }
        Ok(command(event, own, "hello".into()))
    }

    /// A person says something in a room that is theirs and the bot's: that is where they are answered.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn among_us(
        &self,
        event: &Event,
        portal: PortalKey,
        words: &str,
    ) -> Result<LocalEvent, DeliveryError> {
        let InboundContext { registry, management, .. } = &*self.context;
        if !self.is_there_alone(event).await? {
            management.end(&portal, &event.room_id).await?;
            let (user, said) = (constructor::sender(event), Some(event.event_id.to_string()));
            return Ok(LocalEvent::Overheard { user, place: event.room_id.to_string(), said });
        }
        if registry.room_of(&portal)?.as_deref() != Some(&*event.room_id) {
            registry.remember(&portal, &event.room_id).await?;
        }
        let words = behind_prefix(words).unwrap_or(words);
        Ok(typed(event, portal, words.trim().to_owned()))
    }

    /// Something is said in a room that belongs to no conversation.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn elsewhere(&self, event: &Event, words: &str) -> Result<LocalEvent, DeliveryError> {
        let is_for_us = behind_prefix(words).is_some() && event.text("msgtype") == Some("m.text");
        if !is_for_us || !self.context.may_use(&event.sender) {
            return Ok(LocalEvent::Ignored);
        }
        if self.is_there_alone(event).await? {
            return self.among_us(event, constructor::management(event), words).await;
        }
        // Nothing private is in this command, and only here it can be said.
        let said = behind_prefix(words).unwrap_or_default();
        if said.split_whitespace().next().is_some_and(|name| name.eq_ignore_ascii_case("bridge")) {
            return Ok(command(event, constructor::management(event), said.to_owned()));
        }
        self.say_not_alone(event).await;
        Ok(LocalEvent::Ignored)
    }

    async fn say_not_alone(&self, event: &Event) {
        self.context.sender.notice(&event.room_id, NOT_ALONE, Some(event.event_id.as_str())).await;
    }
}

/// The words behind the prefix of a command.
pub(super) fn behind_prefix(words: &str) -> Option<&str> {
    prefix::behind_prefix(COMMAND, words)
}
