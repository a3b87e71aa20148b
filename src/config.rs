//! The configuration: one file, the environment over it, secrets from files; checked into values that are right.
//!
//! Knows every key, its default and its limits. Refuses to know what the parts do with it. Each part is handed its own
//! section only.

mod checked;
mod error;
mod irc;
mod offline;
mod secret;
mod section;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use checked::{Checked, CheckedLogin, MsnServer, PermissionTable};
pub use error::ConfigError;
pub use section::{
    AppserviceSection, DirectSection, EncryptionSection, FilesSection, GhostSection, HoldSection,
    HomeserverSection, IrcNetworkSection, IrcNickServSection, IrcPersonSection, IrcPuppetAccountSection,
    IrcPuppetSaslSection, IrcRelayKindsSection, IrcRelaySection, IrcSaslSection, IrcSection, LinksSection,
    LogSection, LoginSection, MatrixSection, MetricsSection, MsnSection, OimSection, PuppetSection,
    ServiceSection, StoreSection, WebSection,
};

/// What environment variables start with: `MSNBRIDGE__MSN__SERVER` sets `msn.server`.
const ENVIRONMENT: &str = "MSNBRIDGE";

/// The file as it is written. Every key has a default but the ones that only the administrator can know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub homeserver: HomeserverSection,
    pub appservice: AppserviceSection,
    pub msn: MsnSection,
    #[serde(default)]
    pub matrix: MatrixSection,
    #[serde(default)]
    pub encryption: EncryptionSection,
    #[serde(default)]
    pub ghost: GhostSection,
    #[serde(default)]
    pub service: ServiceSection,
    #[serde(default)]
    pub store: StoreSection,
    #[serde(default)]
    pub files: FilesSection,
    #[serde(default)]
    pub web: WebSection,
    /// Users, servers or `*`, and what each may do: `admin`, `user`, `relay` or `none`; the closest of them counts.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
    #[serde(default)]
    pub logins: Vec<LoginSection>,
    #[serde(default)]
    pub irc: IrcSection,
    #[serde(default)]
    pub log: LogSection,
    #[serde(default)]
    pub metrics: MetricsSection,
}

impl Config {
    /// Reads the file and the environment. Paths in it are relative to where the file is; no value is checked yet.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] without a file, [`ConfigError::Unreadable`] for text that is no YAML or names unknown keys.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        if !file.exists() {
            return Err(ConfigError::Missing { file: file.to_owned() });
        }
        let environment =
            config::Environment::with_prefix(ENVIRONMENT).prefix_separator("__").separator("__");
        let written = config::File::from(file).format(config::FileFormat::Yaml);
        Self::build(
            file,
            config::Config::builder().add_source(written).add_source(environment.try_parsing(true)),
        )
    }

    /// Reads text as it would stand in the file, without the environment; no value is checked yet.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`], as [`Self::load`] has it.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let written = config::File::from_str(text, config::FileFormat::Yaml);
        Self::build(file, config::Config::builder().add_source(written))
    }

    /// The file gives errors their name, and relative paths their base.
    fn build(
        file: &Path,
        sources: config::ConfigBuilder<config::builder::DefaultState>,
    ) -> Result<Self, ConfigError> {
        let read = sources.build().and_then(config::Config::try_deserialize::<Self>);
        let mut config = read
            .map_err(|error| ConfigError::Unreadable { file: file.to_owned(), reason: error.to_string() })?;
        config.anchor(file.parent().unwrap_or_else(|| Path::new("")));
        Ok(config)
    }

    /// Makes every path absolute that is named from where the file is; an empty one stays empty.
    fn anchor(&mut self, base: &Path) {
        let anchor = |path: &mut PathBuf| *path = base.join(&*path);
        anchor(&mut self.store.directory);
        anchor(&mut self.store.key_file);
        if self.appservice.has_picture_file() {
            let picture = &mut self.appservice.bot_avatar;
            *picture = base.join(&*picture).to_string_lossy().into_owned();
        }
        let texts = [
            &mut self.appservice.as_token_file,
            &mut self.appservice.hs_token_file,
            &mut self.service.accounts,
            &mut self.msn.proxy_password_file,
            &mut self.web.shared_secret_file,
        ];
        let puppets = self.matrix.double_puppet.values_mut().map(|puppet| &mut puppet.token_file);
        let logins = self.logins.iter_mut().map(|login| &mut login.password_file);
        let irc = self.irc.files_mut();
        let all = texts.into_iter().chain(puppets).chain(logins).chain(irc);
        for text in all.filter(|text| !text.is_empty()) {
            *text = base.join(&*text).to_string_lossy().into_owned();
        }
    }
}
