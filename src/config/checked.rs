//! From what was written to what the parts need: everything is checked once, here.
//!
//! Knows the limits of every value, and puts what is right into each part's own configuration. Refuses to read the file.

mod files;
mod matrix;
mod msn;
mod permissions;
mod web;

use std::net::SocketAddr;

use ruma::{OwnedUserId, UserId};
use secrecy::SecretString;

use super::{Config, ConfigError, secret};
pub use permissions::PermissionTable;

use crate::bridge::HoldLimits;
use crate::connector::MsnConfig;
use crate::irc::IrcConfig;
use crate::links::LinksConfig;
use crate::matrix::MatrixConfig;
use crate::msn::ids::Email;
use crate::service::AccountLine;
use crate::sign_in::WebConfig;

/// A configuration that is right, split into what each part is handed.
#[derive(Debug, Clone)]
pub struct Checked {
    pub matrix: MatrixConfig,
    pub msn: MsnConfig,
    /// How much waits for contacts who are offline.
    pub hold: HoldLimits,
    pub irc: IrcConfig,
    /// Where files are shared, if anywhere.
    pub links: Option<LinksConfig>,
    /// What is served for browsers, if anything.
    pub web: Option<WebConfig>,
    /// What programs may show there in place of a user's token, if anything.
    pub shared_secret: Option<SecretString>,
    pub server: MsnServer,
    /// Logins that sign in to MSN a second, 1 to 10,000.
    pub sign_ins_per_second: u32,
    /// The name under which clients reach the embedded service.
    pub public_host: Option<String>,
    pub permissions: PermissionTable,
    pub logins: Vec<CheckedLogin>,
    /// Where figures are served, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// Where the states of logins are posted, if anywhere.
    pub status_endpoint: Option<reqwest::Url>,
}

/// Which MSN server is used.
#[derive(Debug, Clone)]
pub enum MsnServer {
    /// Somebody's, as configured.
    Elsewhere,
    /// The one in this program, with these accounts.
    Embedded(Vec<AccountLine>),
}

/// A login from the configuration.
#[derive(Debug, Clone)]
pub struct CheckedLogin {
    /// Checked to be an address.
    pub account: Email,
    pub owner: OwnedUserId,
    pub password: SecretString,
}

impl Config {
    /// Checks every value that has limits, and reads the files that hold secrets and accounts.
    ///
    /// # Errors
    /// The first key that is wrong, with what would be right.
    pub fn check(&self) -> Result<Checked, ConfigError> {
        self.files.check_total()?;
        let web = self.web.check()?;
        let matrix = matrix::check_matrix(self)?;
        let (msn, server) = self.check_msn()?;
        Ok(Checked {
            matrix,
            msn,
            hold: self.msn.check_hold()?,
            irc: self.check_irc()?,
            links: self.files.check_links(web.as_ref())?,
            web,
            shared_secret: self.web.check_secret()?,
            server,
            sign_ins_per_second: self.msn.check_sign_ins()?,
            public_host: self.service.check_public_host()?,
            permissions: PermissionTable::check(&self.permissions)?,
            logins: self.check_logins()?,
            metrics: self.metrics.check()?,
            status_endpoint: self.homeserver.check_status_endpoint()?,
        })
    }

    /// Each is named in errors by its place in the list, since an account may be what is wrong.
    fn check_logins(&self) -> Result<Vec<CheckedLogin>, ConfigError> {
        let mut logins = Vec::new();
        for (at, section) in self.logins.iter().enumerate() {
            let key = |name: &str| format!("logins[{at}].{name}");
            let account = Email::parse(&section.account).ok().filter(Email::is_address);
            let account = account
                .ok_or_else(|| ConfigError::value(&key("account"), &section.account, "an e-mail address"))?;
            let owner = UserId::parse(&section.owner).map_err(|_| {
                ConfigError::value(&key("owner"), &section.owner, "a Matrix user, as in @name:server")
            })?;
            let password = secret::resolve(&key("password"), &section.password, &section.password_file)?;
            logins.push(CheckedLogin { account, owner, password });
        }
        Ok(logins)
    }
}
