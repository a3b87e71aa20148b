//! What the Matrix side must be told.
//!
//! Knows settings that were checked already. Refuses to know where they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ruma::{OwnedServerName, OwnedUserId};
use secrecy::SecretString;

use crate::bridge::ids::Leg;

/// This side in the core.
pub const LEG: Leg = Leg::frontend("matrix");

/// The project's own picture.
const OWN_PICTURE: &[u8] = include_bytes!("../../deploy/avatar.png");

/// What the bot looks like.
#[derive(Debug, Clone)]
pub enum BotPicture {
    None,
    /// An address on the homeserver.
    Uploaded(String),
    /// To be uploaded, once.
    File {
        bytes: Cow<'static, [u8]>,
        mime: &'static str,
    },
}

impl BotPicture {
    /// The project's own.
    pub fn own() -> Self {
        Self::File { bytes: Cow::Borrowed(OWN_PICTURE), mime: "image/png" }
    }

    /// The picture that is in these bytes, if one is.
    pub fn of(bytes: Vec<u8>) -> Option<Self> {
        let kind = infer::get(&bytes).filter(|kind| kind.matcher_type() == infer::MatcherType::Image)?;
        Some(Self::File { mime: kind.mime_type(), bytes: bytes.into() })
    }
}

/// Whose rooms there are before something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomPolicy {
    /// All contacts', where that floods nobody with invitations.
    Auto,
    All,
    Spoken,
}

/// Tokens with which the bridge may act as people. Under a user's id stands a token of their own; under the server's name
/// one that may act as everybody there.
#[derive(Debug, Clone, Default)]
pub struct PuppetTokens(pub BTreeMap<String, SecretString>);

/// Which rooms are encrypted.
#[derive(Debug, Clone, Default)]
pub struct EncryptionPolicy {
    /// Where the keys are; `None` where encrypted rooms are not used.
    pub keys: Option<KeyFile>,
    /// Whether new rooms are encrypted.
    pub is_default: bool,
    /// Whether nothing is said or read in others.
    pub is_required: bool,
}

/// Where the bot's keys are, and what opens them.
#[derive(Clone)]
pub struct KeyFile {
    /// The directory that holds one for each device.
    pub directory: PathBuf,
    pub key: [u8; 32],
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyFile").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Checked settings of the Matrix side.
#[derive(Debug, Clone)]
pub struct MatrixConfig {
    /// Where the homeserver's client API is.
    pub homeserver: String,
    pub server_name: OwnedServerName,
    /// The appservice's own user.
    pub bot: OwnedUserId,
    /// What the bot is called; empty for what it is called already.
    pub bot_name: String,
    pub bot_picture: BotPicture,
    /// What user names of ghosts and aliases of rooms start with.
    pub ghost_prefix: String,
    /// The `id` in the registration.
    pub registration_id: String,
    pub as_token: SecretString,
    pub hs_token: SecretString,
    /// Where the homeserver reaches us.
    pub listen: SocketAddr,
    /// Whether sent messages are confirmed by a status event in the room.
    pub status_events: bool,
    /// Whether ghosts show with read receipts what the network has confirmed.
    pub receipts: bool,
    /// Whether presence of contacts is shown.
    pub presence: bool,
    /// Whether ghosts have a status field in their profiles, where the homeserver takes such fields.
    pub status_field: bool,
    /// Whether rooms are filed in spaces, as contacts are in groups.
    pub spaces: bool,
    pub rooms: RoomPolicy,
    /// Bytes of the largest file that is carried.
    pub max_file: u64,
    /// How owners are acted as, where the appservice's own token may not.
    pub double_puppets: PuppetTokens,
    pub encryption: EncryptionPolicy,
    /// Whether each login has ghosts of its own, in place of one for each contact.
    pub ghost_per_login: bool,
}
