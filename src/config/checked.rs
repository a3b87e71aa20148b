//! From what was written to what the parts need: everything is checked once, here.

mod permissions;

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use ruma::{OwnedUserId, ServerName, UserId};
use secrecy::SecretString;

use super::{Config, ConfigError, MsnSection, secret};
pub use permissions::PermissionTable;

use crate::bridge::HoldLimits;
use crate::connector::{DirectConfig, MsnConfig, Proxy, Transport};
use crate::irc::IrcConfig;
use crate::links::LinksConfig;
use crate::matrix::MatrixConfig;
use crate::msn::challenge::Product;
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, HostPort};
use crate::service::{AccountLine, parse_accounts, parse_public_host};

/// Characters of the address that links begin with: they must fit in a line of IRC.
const MAX_LINK_URL: usize = 100;
/// Most sign-ins a second that can be asked for.
const MAX_SIGN_INS: u32 = 10_000;

/// A configuration that is right.
#[derive(Debug, Clone)]
pub struct Checked {
    pub matrix: MatrixConfig,
    pub msn: MsnConfig,
    /// How much waits for contacts who are offline.
    pub hold: HoldLimits,
    pub irc: IrcConfig,
    /// Where files are shared, if anywhere.
    pub links: Option<LinksConfig>,
    pub server: MsnServer,
    /// How many logins sign in to MSN a second.
    pub sign_ins_per_second: u32,
    /// The name under which clients reach the embedded service.
    pub public_host: Option<String>,
    pub permissions: PermissionTable,
    pub logins: Vec<CheckedLogin>,
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
    pub account: Email,
    pub owner: OwnedUserId,
    pub password: SecretString,
}

impl Config {
    /// Checks every value that has limits.
    pub fn check(&self) -> Result<Checked, ConfigError> {
        self.check_files()?;
        let matrix = self.check_matrix()?;
        let (msn, server) = self.check_msn()?;
        Ok(Checked {
            matrix,
            msn,
            hold: self.msn.check_hold()?,
            irc: self.check_irc()?,
            links: self.check_links()?,
            server,
            sign_ins_per_second: self.check_sign_ins()?,
            public_host: self.check_public_host()?,
            permissions: PermissionTable::check(&self.permissions)?,
            logins: self.check_logins()?,
        })
    }

    fn check_matrix(&self) -> Result<MatrixConfig, ConfigError> {
        let name = &self.homeserver.server_name;
        let server_name = ServerName::parse(name).map_err(|_| {
            ConfigError::value("homeserver.server_name", name, "the homeserver's name, as in example.org")
        })?;
        let url = &self.homeserver.url;
        if reqwest::Url::parse(url).map_or(true, |url| !matches!(url.scheme(), "http" | "https")) {
            return Err(ConfigError::value("homeserver.url", url, "an address, as in http://127.0.0.1:8008"));
        }
        let section = &self.appservice;
        let bot = UserId::parse(format!("@{}:{server_name}", section.bot)).map_err(|_| {
            ConfigError::value("appservice.bot", &section.bot, "the local part of a Matrix user")
        })?;
        let prefix = &section.ghost_prefix;
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        if prefix.is_empty() || !prefix.chars().all(legal) {
            return Err(ConfigError::value(
                "appservice.ghost_prefix",
                prefix,
                "a to z, 0 to 9, dot, underscore or hyphen",
            ));
        }
        Ok(MatrixConfig {
            homeserver: url.clone(),
            server_name,
            bot,
            ghost_prefix: prefix.clone(),
            registration_id: section.id.clone(),
            as_token: secret::resolve("appservice.as_token", &section.as_token, &section.as_token_file)?,
            hs_token: secret::resolve("appservice.hs_token", &section.hs_token, &section.hs_token_file)?,
            listen: section.listen,
            status_events: self.matrix.status_events,
            presence: self.matrix.presence,
            spaces: self.matrix.spaces,
            ghost_per_login: self.ghost.per_login,
        })
    }

    fn check_msn(&self) -> Result<(MsnConfig, MsnServer), ConfigError> {
        let section = &self.msn;
        let mut dialects = Vec::new();
        for name in &section.dialects {
            let dialect = name.parse::<Dialect>();
            dialects.push(dialect.map_err(|_| {
                ConfigError::value("msn.dialects", name, "MSNP8, MSNP9, MSNP10, MSNP11 or MSNP12")
            })?);
        }
        if dialects.is_empty() {
            return Err(ConfigError::Absent {
                key: "msn.dialects".into(),
                allowed: "a list such as [MSNP11]".into(),
            });
        }
        let embedded = section.server == "embedded";
        let server = if embedded {
            let address = self.service.notification;
            HostPort { host: address.ip().to_string(), port: address.port() }
        } else {
            let allowed = "host:port, or embedded";
            section.server.parse().map_err(|_| ConfigError::value("msn.server", &section.server, allowed))?
        };
        let nexus = match (embedded, section.nexus.as_str()) {
            (true, _) => format!("http://{}/rdr/pprdr.asp", self.service.http),
            (false, "") => {
                let allowed = "the address of the server's nexus, as in https://example.org/rdr/pprdr.asp";
                return Err(ConfigError::Absent { key: "msn.nexus".into(), allowed: allowed.into() });
            }
            (false, nexus) => nexus.to_owned(),
        };
        for (key, value) in [
            ("msn.client", &section.client),
            ("msn.client_version", &section.client_version),
            ("msn.locale", &section.locale),
        ] {
            if value.is_empty() || value.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err(ConfigError::value(key, value, "one word"));
            }
        }
        let product = match (section.product_id.as_str(), section.product_key.as_str()) {
            ("", "") => None,
            ("", _) | (_, "") => {
                let allowed = "set together with msn.product_id";
                return Err(ConfigError::Absent { key: "msn.product_key".into(), allowed: allowed.into() });
            }
            (id, key) => Some(Product { id: id.into(), key: key.into() }),
        };
        let config = MsnConfig {
            server,
            nexus,
            allow_insecure_login: section.allow_insecure_login,
            dialects,
            client: section.client.clone(),
            client_version: section.client_version.clone(),
            locale: section.locale.clone(),
            transport: check_transport(section)?,
            proxy: check_proxy(section)?,
            gateway: check_gateway(section)?,
            product,
            offline: section.check_offline()?,
            oim: section.check_oim(embedded.then_some(self.service.http))?,
            groups: self.relay_groups()?,
            ask_above: self.files.ask_above,
            ffmpeg: Some(self.files.ffmpeg.clone()).filter(|program| !program.is_empty()),
            direct: self.check_direct()?,
        };
        let server =
            if embedded { MsnServer::Embedded(self.embedded_accounts()?) } else { MsnServer::Elsewhere };
        Ok((config, server))
    }

    fn check_direct(&self) -> Result<DirectConfig, ConfigError> {
        let section = &self.files.direct;
        let network = |text: &String| {
            let one = text.parse::<IpAddr>().map(IpNet::from);
            one.or_else(|_| text.parse::<IpNet>()).map_err(|_| {
                ConfigError::value("files.direct.allow", text, "a network, as in 192.168.0.0/16")
            })
        };
        let address = |text: &String| {
            text.parse::<IpAddr>().map_err(|_| {
                ConfigError::value(
                    "files.direct.announce",
                    text,
                    "an IP address under which this machine is reached",
                )
            })
        };
        let (first, last) = section.ports.split_once('-').unwrap_or((&section.ports, &section.ports));
        let ports = match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            (Ok(first), Ok(last)) if first <= last => first..=last,
            _ => {
                return Err(ConfigError::value(
                    "files.direct.ports",
                    &section.ports,
                    "ports, as in 6891-6900",
                ));
            }
        };
        Ok(DirectConfig {
            dial: section.dial,
            allow: section.allow.iter().map(network).collect::<Result<_, _>>()?,
            announce: section.announce.iter().map(address).collect::<Result<_, _>>()?,
            ports,
        })
    }

    fn check_files(&self) -> Result<(), ConfigError> {
        let section = &self.files;
        if section.max_bytes > section.max_total_bytes {
            return Err(ConfigError::value(
                "files.max_bytes",
                section.max_bytes,
                "at most files.max_total_bytes",
            ));
        }
        Ok(())
    }

    fn check_links(&self) -> Result<Option<LinksConfig>, ConfigError> {
        let section = &self.files.links;
        if section.url.is_empty() {
            return Ok(None);
        }
        let url = reqwest::Url::parse(&section.url).ok();
        let is_right = url.is_some_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if !is_right || section.url.len() > MAX_LINK_URL {
            let allowed = "an address of at most 100 characters, as in https://bridge.example.org/files";
            return Err(ConfigError::value("files.links.url", &section.url, allowed));
        }
        if !(1..=24 * 365).contains(&section.hours) {
            return Err(ConfigError::value("files.links.hours", section.hours, "1 to 8760"));
        }
        if section.max_bytes < self.files.max_bytes {
            return Err(ConfigError::value(
                "files.links.max_bytes",
                section.max_bytes,
                "at least files.max_bytes",
            ));
        }
        let free = self.files.max_total_bytes.saturating_sub(self.files.max_bytes.saturating_mul(2));
        if section.max_bytes > free {
            let allowed =
                "at most files.max_total_bytes less twice files.max_bytes: files on their way need room";
            return Err(ConfigError::value("files.links.max_bytes", section.max_bytes, allowed));
        }
        Ok(Some(LinksConfig {
            url: section.url.trim_end_matches('/').to_owned(),
            listen: section.listen,
            keep: Duration::from_secs(u64::from(section.hours) * 3600),
            budget: section.max_bytes,
        }))
    }

    fn check_sign_ins(&self) -> Result<u32, ConfigError> {
        let rate = self.msn.sign_ins_per_second;
        if !(1..=MAX_SIGN_INS).contains(&rate) {
            let allowed = format!("1 to {MAX_SIGN_INS} sign-ins a second");
            return Err(ConfigError::value("msn.sign_ins_per_second", rate, &allowed));
        }
        Ok(rate)
    }

    fn check_public_host(&self) -> Result<Option<String>, ConfigError> {
        let host = &self.service.public_host;
        if host.is_empty() {
            return Ok(None);
        }
        let checked = parse_public_host(host);
        let allowed = "a name or an address without a port, or nothing";
        checked.map(Some).map_err(|_| ConfigError::value("service.public_host", host, allowed))
    }

    fn embedded_accounts(&self) -> Result<Vec<AccountLine>, ConfigError> {
        let file = std::path::PathBuf::from(&self.service.accounts);
        let fail = |reason: String| ConfigError::SecretFile {
            key: "service.accounts".into(),
            file: file.clone(),
            reason,
        };
        let text = std::fs::read_to_string(&file).map_err(|error| fail(error.to_string()))?;
        parse_accounts(&text).map_err(|error| fail(error.to_string()))
    }

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

fn check_transport(section: &MsnSection) -> Result<Transport, ConfigError> {
    match section.transport.as_str() {
        "auto" => Ok(Transport::Auto),
        "direct" => Ok(Transport::Direct),
        "http" if section.gateway.is_empty() => {
            let allowed = "the address of the HTTP gateway, for msn.transport: http";
            Err(ConfigError::Absent { key: "msn.gateway".into(), allowed: allowed.into() })
        }
        "http" => Ok(Transport::Http),
        other => Err(ConfigError::value("msn.transport", other, "auto, direct or http")),
    }
}

fn check_proxy(section: &MsnSection) -> Result<Option<Proxy>, ConfigError> {
    if section.proxy.is_empty() {
        return Ok(None);
    }
    let address = section.proxy.strip_prefix("socks5://").unwrap_or(&section.proxy);
    let server = address
        .parse()
        .map_err(|_| ConfigError::value("msn.proxy", &section.proxy, "host:port of a SOCKS5 proxy"))?;
    let credentials = match section.proxy_user.as_str() {
        "" => None,
        user => {
            let (text, file) = (&section.proxy_password, &section.proxy_password_file);
            Some((user.to_owned(), secret::resolve("msn.proxy_password", text, file)?))
        }
    };
    Ok(Some(Proxy { server, credentials }))
}

fn check_gateway(section: &MsnSection) -> Result<Option<reqwest::Url>, ConfigError> {
    if section.gateway.is_empty() {
        return Ok(None);
    }
    let url = reqwest::Url::parse(&section.gateway).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let allowed = "an address, as in http://gateway.example.org/gateway/gateway.dll";
    url.map(Some).ok_or_else(|| ConfigError::value("msn.gateway", &section.gateway, allowed))
}
