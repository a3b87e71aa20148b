//! Names of things in the core. Their text is made and read by the adapter that owns them; the core only compares.
//!
//! Knows the forms that stand in keys of the store, which never change. Refuses to know which frontends there are.

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

            /// The text, as the adapter made it.
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

    /// The name of one of several entries that were brought together; the first has the name of all.
    pub fn part(&self, part: usize) -> Self {
        if part == 0 { self.clone() } else { Self::new(format!("{self}+{part}")) }
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

/// The name of a frontend: 1 to 15 small letters. Its adapter chooses the name, and keys of the store hold it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrontendId {
    letters: [u8; Self::MAX],
    length: u8,
}

impl FrontendId {
    const MAX: usize = 15;

    /// `None` for what could not stand in a key. In a `const`, that is found when the program is built.
    pub const fn new(name: &str) -> Option<Self> {
        let name = name.as_bytes();
        if name.is_empty() || name.len() > Self::MAX {
            return None;
        }
        let mut letters = [0; Self::MAX];
        let mut at = 0;
        while at < name.len() {
            if !name[at].is_ascii_lowercase() {
                return None;
            }
            letters[at] = name[at];
            at += 1;
        }
        Some(Self { letters, length: at as u8 })
    }

    pub fn as_str(&self) -> &str {
        // Only small letters were let in.
        std::str::from_utf8(&self.letters[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for FrontendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One destination of an entry: a side of the bridge. Stored as its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Leg {
    /// A side on which people are shown to other people.
    Frontend(FrontendId),
    Remote,
    /// The network again, for files: they take long, and what is said does not wait behind them.
    Files,
}

impl Leg {
    /// The legs that lead to the network.
    pub const NETWORK: [Self; 2] = [Self::Remote, Self::Files];

    /// The leg of the frontend with this name.
    ///
    /// # Panics
    /// A name that is no [`FrontendId`], or one of the network's legs. Meant for a `const`, where the build fails then.
    pub const fn frontend(name: &'static str) -> Self {
        match (FrontendId::new(name), name.as_bytes()) {
            (None, _) | (_, b"remote" | b"files") => panic!("this cannot name a frontend"),
            (Some(id), _) => Self::Frontend(id),
        }
    }

    /// Whether people are shown there, and not the network itself.
    pub fn is_frontend(self) -> bool {
        matches!(self, Self::Frontend(_))
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Frontend(id) => id.as_str(),
            Self::Remote => "remote",
            Self::Files => "files",
        }
    }
}

impl From<Leg> for String {
    fn from(leg: Leg) -> Self {
        leg.as_str().to_owned()
    }
}

impl TryFrom<String> for Leg {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "remote" => Ok(Self::Remote),
            "files" => Ok(Self::Files),
            name => FrontendId::new(name).map(Self::Frontend).ok_or("no name of a side"),
        }
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_is_stored_as_its_name() {
        for (leg, stored) in [
            (Leg::frontend("matrix"), "\"matrix\""),
            (Leg::frontend("x"), "\"x\""),
            (Leg::Remote, "\"remote\""),
            (Leg::Files, "\"files\""),
        ] {
            assert_eq!(serde_json::to_string(&leg).unwrap(), stored);
            assert_eq!(serde_json::from_str::<Leg>(stored).unwrap(), leg);
        }
        for wrong in ["\"\"", "\"Matrix\"", "\"a b\"", "\"sixteenletterslo\"", "1"] {
            assert!(serde_json::from_str::<Leg>(wrong).is_err(), "{wrong}");
        }
    }
}
