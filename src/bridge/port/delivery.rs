//! One entry on its way to one leg, and how that may end.
//!
//! Knows what an adapter gets and what it may answer. Refuses to know when something is tried again: the portal does.
//! Source: section 4 of the product's description.

use std::time::Duration;

use thiserror::Error;

use super::media::File;
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{Author, Ghost, Timestamp};
use crate::bridge::ids::{EntryId, PortalKey};

/// One entry on its way to one leg.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub portal: PortalKey,
    /// Names the entry on every attempt: adapters derive what makes a repeat recognisable from it.
    pub id: EntryId,
    /// Rises within a portal.
    pub sequence: u64,
    pub author: Author,
    pub content: Content,
    /// When it was said.
    pub at: Timestamp,
    /// Whether an earlier attempt may have arrived: look before sending.
    pub unconfirmed: bool,
    /// The lines that `content` is made of, where it is those of several entries; without, it is one entry's. Of lines that
    /// arrived already only the others are shown.
    pub pack: Vec<PackedLine>,
}

/// An entry that goes together with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedLine {
    pub id: EntryId,
    pub text: RichText,
}

/// What goes with an entry to a frontend, by the traits that it states.
#[derive(Debug, Clone, Default)]
pub struct Display {
    /// Addresses of what this side cannot show.
    pub links: Vec<Link>,
    /// The address of all that is said, where this side shows only the beginning.
    pub whole: Option<String>,
    /// What the conversation is called, where the network has people in it.
    pub title: Option<String>,
    /// Whether it is with several people.
    pub is_group: bool,
    /// Those whom it is with, as far as is known.
    pub people: Vec<Ghost>,
    /// Entries before this one that were passed over, because they had become too old or too many.
    pub missed: u64,
}

/// The small pictures that a text for the network uses, with what stands for each.
pub type Emoticons = Vec<(String, File)>;

/// An address, and what it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// A file's name, or what stands for a small picture.
    pub of: String,
    pub address: String,
}

/// What an entry holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Content {
    Said { body: Body },
    Joined { ghost: Ghost },
    Left { ghost: Ghost },
}

impl Content {
    /// The text of what is said in words alone, with nothing that belongs to a whole message.
    pub fn bare_text(&self) -> Option<&RichText> {
        let Self::Said { body: Body::Text(text) } = self else { return None };
        let RichText { runs: _, format, emoticons, shown_as, left_offline } = text;
        let is_bare = format.is_none() && emoticons.is_empty() && shown_as.is_none() && !left_offline;
        is_bare.then_some(text)
    }
}

/// What the network says of something that arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// What its sender should know: that it missed somebody, or waits elsewhere.
    pub note: Option<String>,
}

/// Why a delivery did not succeed, by what can be done about it. Texts are for people.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// Again, for ever, after a while.
    #[error("{reason}")]
    Transient { reason: String, after: Option<Duration> },
    /// Nothing at all goes through on this leg until something changes.
    #[error("{reason}")]
    LegDown { reason: String },
    /// Those whom it is for cannot be reached now. The network says when they can, with [`RemoteKind::Reachable`].
    ///
    /// [`RemoteKind::Reachable`]: crate::bridge::event::RemoteKind::Reachable
    #[error("{reason}")]
    Away { reason: String },
    /// This entry can never be delivered.
    #[error("{reason}")]
    Permanent { reason: String },
}

impl DeliveryError {
    /// To be tried again, after the pause of the leg.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::Transient { reason: reason.into(), after: None }
    }

    /// Never to be tried again: the entry becomes a dead letter.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self::Permanent { reason: reason.into() }
    }
}
