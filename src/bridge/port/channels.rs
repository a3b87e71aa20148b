//! What a user asks of a side that has channels: places of other people, some of which are ends of conversations.
//!
//! Knows who asks, and for which conversation. Refuses to know what a channel is called and who decides there: its side does.

use crate::bridge::ids::{GhostId, LoginId, PortalKey, UserId};

/// A channel as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelName {
    pub channel: String,
    /// Without one the only network there is.
    pub network: Option<String>,
}

/// Somebody in a conversation, and the conversation with them alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub ghost: GhostId,
    pub direct: PortalKey,
}

/// What is asked of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelAct {
    /// It becomes an end of a conversation.
    Plumb { name: ChannelName, portal: PortalKey, members: Vec<Member> },
    /// It is none any more: this one, or the one of this conversation.
    Unplumb { name: Option<ChannelName>, portal: PortalKey },
    /// A contact who was put out of the channel of this conversation enters again.
    Rejoin { portal: PortalKey, ghost: GhostId },
}

/// What a user asks of a channel.
#[derive(Debug, Clone)]
pub struct ChannelRequest {
    pub user: UserId,
    /// Whether the user decides for everybody.
    pub is_admin: bool,
    /// The user's own.
    pub logins: Vec<LoginId>,
    pub act: ChannelAct,
}
