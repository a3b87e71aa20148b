//! Names of things in the core. Their text is made and read by the adapter that owns them; the core only compares.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque! {
    /// One account on the remote network, held for somebody.
    LoginId
}
opaque! {
    /// A remote person.
    GhostId
}
opaque! {
    /// A conversation as its login sees it.
    ConversationId
}
opaque! {
    /// Somebody who uses the bridge: a Matrix user.
    UserId
}
opaque! {
    /// An entry of the journal: the same text on every attempt to deliver it.
    EntryId
}

impl EntryId {
    /// Of what a frontend has brought under this name.
    pub fn brought(leg: Leg, reference: &str) -> Self {
        Self::new(format!("{leg}:{reference}"))
    }
}

/// A conversation and whose view of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortalKey {
    pub receiver: LoginId,
    pub conversation: ConversationId,
}

/// The conversation id of the room in which a user talks to the bridge itself.
const MANAGEMENT: &str = "#management";

impl PortalKey {
    pub fn new(receiver: LoginId, conversation: ConversationId) -> Self {
        Self { receiver, conversation }
    }

    /// Where the bridge and `user` talk: notices and commands travel like any message, through the journal.
    pub fn management(user: &UserId) -> Self {
        Self::new(LoginId::new(user.as_str()), ConversationId::new(MANAGEMENT))
    }

    /// The user, if this is a management conversation.
    pub fn management_user(&self) -> Option<UserId> {
        (self.conversation.as_str() == MANAGEMENT).then(|| UserId::new(self.receiver.as_str()))
    }

    /// The form used in keys of the store. The parts hold no NUL: adapters build them from validated tokens.
    pub fn to_key(&self) -> Vec<u8> {
        let mut key = self.receiver.as_str().as_bytes().to_vec();
        key.push(0);
        key.extend_from_slice(self.conversation.as_str().as_bytes());
        key.push(0);
        key
    }
}

impl fmt::Display for PortalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.conversation, self.receiver)
    }
}

/// One destination of what is said: the sides of the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Leg {
    Matrix,
    Irc,
    Remote,
    /// The network again, for files: they take long, and what is said does not wait behind them.
    Files,
}

impl Leg {
    pub const ALL: [Self; 4] = [Self::Matrix, Self::Irc, Self::Remote, Self::Files];

    /// Whether people are shown there, and not the network itself.
    pub fn is_frontend(self) -> bool {
        matches!(self, Self::Matrix | Self::Irc)
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matrix => "Matrix",
            Self::Irc => "IRC",
            Self::Remote | Self::Files => "MSN",
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matrix => "matrix",
            Self::Irc => "irc",
            Self::Remote => "remote",
            Self::Files => "files",
        }
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
