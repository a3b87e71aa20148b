//! The Matrix side: the homeserver, the bot, rooms and double puppets.
//!
//! Knows what is allowed of each key. Refuses to ask the homeserver whether a token is right.

use std::collections::BTreeMap;

use ruma::{OwnedMxcUri, OwnedServerName, ServerName, UserId};

use crate::config::{
    AppserviceSection, Config, ConfigError, EncryptionSection, HomeserverSection, MatrixSection,
    StoreSection, secret,
};
use crate::matrix::{BotPicture, EncryptionPolicy, KeyFile, MatrixConfig, PuppetTokens, RoomPolicy};

/// Bytes of the largest file that is taken as the bot's picture.
const MAX_PICTURE: u64 = 5 << 20;

/// The bot must make a user of the homeserver, and the prefix begin the name of one.
pub(super) fn check_matrix(config: &Config) -> Result<MatrixConfig, ConfigError> {
    let name = &config.homeserver.server_name;
    let server_name = ServerName::parse(name).map_err(|_| {
        ConfigError::value("homeserver.server_name", name, "the homeserver's name, as in example.org")
    })?;
    let url = &config.homeserver.url;
    if reqwest::Url::parse(url).map_or(true, |url| !matches!(url.scheme(), "http" | "https")) {
        return Err(ConfigError::value("homeserver.url", url, "an address, as in http://127.0.0.1:8008"));
    }
    let section = &config.appservice;
    let bot = UserId::parse(format!("@{}:{server_name}", section.bot))
        .ok()
        .filter(|bot| bot.validate_strict().is_ok())
        .ok_or_else(|| {
            ConfigError::value("appservice.bot", &section.bot, "the local part of a Matrix user")
        })?;
    Ok(MatrixConfig {
        homeserver: url.clone(),
        bot,
        bot_name: section.bot_name.trim().to_owned(),
        bot_picture: section.check_picture()?,
        ghost_prefix: section.check_prefix()?,
        registration_id: section.check_id()?,
        as_token: secret::resolve("appservice.as_token", &section.as_token, &section.as_token_file)?,
        hs_token: secret::resolve("appservice.hs_token", &section.hs_token, &section.hs_token_file)?,
        listen: section.listen,
        status_events: config.matrix.status_events,
        receipts: config.matrix.receipts,
        presence: config.matrix.presence,
        status_field: config.matrix.status_field,
        spaces: config.matrix.spaces,
        rooms: config.matrix.check_rooms()?,
        max_file: config.files.max_bytes,
        double_puppets: config.matrix.check_puppets(&server_name)?,
        encryption: config.encryption.check(&config.store)?,
        ghost_per_login: config.ghost.per_login,
        server_name,
    })
}

impl HomeserverSection {
    /// Where the states of logins are posted, if anywhere.
    pub(super) fn check_status_endpoint(&self) -> Result<Option<reqwest::Url>, ConfigError> {
        let text = &self.status_endpoint;
        let url = reqwest::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        match (text.is_empty(), url) {
            (true, _) => Ok(None),
            (false, Some(url)) => Ok(Some(url)),
            (false, None) => {
                let allowed = "an address, as in https://example.org/bridge_state, or nothing";
                Err(ConfigError::value("homeserver.status_endpoint", text, allowed))
            }
        }
    }
}

impl AppserviceSection {
    /// The id stands in an address and in the registration.
    fn check_id(&self) -> Result<String, ConfigError> {
        let is_wrong = |c: char| c.is_whitespace() || c.is_control() || "'\"/".contains(c);
        match self.id.is_empty() || self.id.contains(is_wrong) {
            true => Err(ConfigError::value("appservice.id", &self.id, "one word, as in msnbridge")),
            false => Ok(self.id.clone()),
        }
    }

    fn check_prefix(&self) -> Result<String, ConfigError> {
        let prefix = &self.ghost_prefix;
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        if prefix.is_empty() || !prefix.chars().all(legal) {
            let allowed = "a to z, 0 to 9, dot, underscore or hyphen";
            return Err(ConfigError::value("appservice.ghost_prefix", prefix, allowed));
        }
        Ok(prefix.clone())
    }

    fn check_picture(&self) -> Result<BotPicture, ConfigError> {
        let (key, picture) = ("appservice.bot_avatar", &self.bot_avatar);
        if picture.starts_with("mxc://") {
            let uri = OwnedMxcUri::from(picture.as_str());
            let allowed = "an address of the media repository, as in mxc://example.org/abc";
            return match uri.is_valid() {
                true => Ok(BotPicture::Uploaded(picture.clone())),
                false => Err(ConfigError::value(key, picture, allowed)),
            };
        }
        if !self.has_picture_file() {
            return Ok(if picture.is_empty() { BotPicture::None } else { BotPicture::own() });
        }
        let read = std::fs::metadata(picture).and_then(|file| match file.len() {
            0..=MAX_PICTURE => std::fs::read(picture),
            _ => Err(std::io::Error::other("it is larger than 5 MB")),
        });
        let bytes = read.map_err(|error| ConfigError::SecretFile {
            key: key.into(),
            file: picture.into(),
            reason: error.to_string(),
        })?;
        let allowed = "a picture, an mxc:// address, «default», or nothing";
        BotPicture::of(bytes).ok_or_else(|| ConfigError::value(key, picture, allowed))
    }
}

impl EncryptionSection {
    /// Keys are beside the store; the key that opens them is derived from the store's own when that is read.
    fn check(&self, store: &StoreSection) -> Result<EncryptionPolicy, ConfigError> {
        let needs = |key: &str, is_on: bool, other: bool, allowed: &str| match is_on && !other {
            true => Err(ConfigError::value(&format!("encryption.{key}"), "true", allowed)),
            false => Ok(()),
        };
        needs("default", self.default, self.allow, "false where encryption.allow is false")?;
        needs("require", self.require, self.default, "false where encryption.default is false")?;
        let directory = store.directory.with_extension("keys");
        Ok(EncryptionPolicy {
            keys: self.allow.then_some(KeyFile { directory, key: [0; 32] }),
            is_default: self.default,
            is_required: self.require,
        })
    }
}

impl MatrixSection {
    fn check_rooms(&self) -> Result<RoomPolicy, ConfigError> {
        match self.rooms.as_str() {
            "auto" => Ok(RoomPolicy::Auto),
            "all" => Ok(RoomPolicy::All),
            "spoken" => Ok(RoomPolicy::Spoken),
            other => Err(ConfigError::value("matrix.rooms", other, "auto, all or spoken")),
        }
    }

    /// Another homeserver's people cannot be acted as by way of this one.
    fn check_puppets(&self, server: &OwnedServerName) -> Result<PuppetTokens, ConfigError> {
        let mut tokens = BTreeMap::new();
        for (who, section) in &self.double_puppet {
            let is_ours =
                who == server.as_str() || UserId::parse(who).is_ok_and(|user| user.server_name() == server);
            if !is_ours {
                let allowed = format!("{server}, or a user there, as in @you:{server}");
                return Err(ConfigError::value("matrix.double_puppet", who, &allowed));
            }
            let key = format!("matrix.double_puppet.{who}.token");
            tokens.insert(who.clone(), secret::resolve(&key, &section.token, &section.token_file)?);
        }
        Ok(PuppetTokens(tokens))
    }
}
