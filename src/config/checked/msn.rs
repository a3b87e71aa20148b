//! `msn` and `service`, checked: the server, what it is told of the client, how it is reached, and the embedded one.
//!
//! Knows which keys need each other. Refuses to connect: a server that is not there shows when a login signs in.

use super::super::{Config, ConfigError, MsnSection, ServiceSection, secret};
use super::MsnServer;
use crate::connector::{MsnConfig, Proxy, RelayFormat, Transport, token_form};
use crate::msn::challenge::Product;
use crate::msn::dialect::Dialect;
use crate::msn::ids::HostPort;
use crate::service::{AccountLine, parse_accounts, parse_public_host};

/// Where servers keep contact lists.
const ADDRESS_BOOK: &str = "/abservice/abservice.asmx";
/// Most sign-ins a second that can be asked for.
const MAX_SIGN_INS: u32 = 10_000;

impl Config {
    /// What the connector is handed, and which server it is for.
    ///
    /// # Errors
    /// The first key of `msn`, `files.direct` or `service.accounts` that is wrong or missing.
    pub(super) fn check_msn(&self) -> Result<(MsnConfig, MsnServer), ConfigError> {
        let section = &self.msn;
        let embedded = section.is_embedded();
        let dialects = section.check_dialects()?;
        let server = section.check_server(&self.service)?;
        let nexus = section.check_nexus(&self.service)?;
        let token_service = section.check_token_service(&nexus)?;
        let address_book = beside(&nexus, ADDRESS_BOOK);
        section.check_client()?;
        let config = MsnConfig {
            server,
            nexus,
            token_service,
            address_book,
            allow_insecure_login: section.allow_insecure_login,
            dialects,
            client: section.client.clone(),
            client_version: section.client_version.clone(),
            locale: section.locale.clone(),
            product: section.check_product()?,
            transport: section.check_transport()?,
            proxy: section.check_proxy()?,
            gateway: section.check_gateway()?,
            offline: section.check_offline()?,
            relay: section.check_relay()?,
            oim: section.check_oim(embedded.then_some(self.service.http))?,
            groups: self.relay_groups()?,
            ask_above: self.files.ask_above,
            ffmpeg: Some(self.files.ffmpeg.clone()).filter(|program| !program.is_empty()),
            direct: self.files.check_direct()?,
        };
        let server =
            if embedded { MsnServer::Embedded(self.service.read_accounts()?) } else { MsnServer::Elsewhere };
        Ok((config, server))
    }
}

/// The path of a page that is where the nexus is.
fn beside(nexus: &str, path: &str) -> Option<reqwest::Url> {
    reqwest::Url::parse(nexus).and_then(|nexus| nexus.join(path)).ok()
}

impl MsnSection {
    fn is_embedded(&self) -> bool {
        self.server == "embedded"
    }

    /// In the order of the list, which is the order in which they are offered.
    fn check_dialects(&self) -> Result<Vec<Dialect>, ConfigError> {
        let dialect = |name: &String| {
            let allowed = "MSNP8, MSNP9, MSNP10, MSNP11 or MSNP12";
            let dialect = name.parse().ok().filter(|dialect| Dialect::COMPLETE.contains(dialect));
            dialect.ok_or_else(|| ConfigError::value("msn.dialects", name, allowed))
        };
        let dialects = self.dialects.iter().map(dialect).collect::<Result<Vec<_>, _>>()?;
        if dialects.is_empty() {
            let allowed = "a list such as [MSNP11]";
            return Err(ConfigError::Absent { key: "msn.dialects".into(), allowed: allowed.into() });
        }
        Ok(dialects)
    }

    /// The embedded service is reached where it listens.
    fn check_server(&self, service: &ServiceSection) -> Result<HostPort, ConfigError> {
        if self.is_embedded() {
            let address = service.notification;
            return Ok(HostPort { host: address.ip().to_string(), port: address.port() });
        }
        let allowed = "host:port, or embedded";
        self.server.parse().map_err(|_| ConfigError::value("msn.server", &self.server, allowed))
    }

    /// That of the embedded service is known; any other must be named.
    fn check_nexus(&self, service: &ServiceSection) -> Result<String, ConfigError> {
        match (self.is_embedded(), self.nexus.as_str()) {
            (true, _) => Ok(format!("http://{}/rdr/pprdr.asp", service.http)),
            (false, "") => {
                let allowed = "the address of the server's nexus, as in https://example.org/rdr/pprdr.asp";
                Err(ConfigError::Absent { key: "msn.nexus".into(), allowed: allowed.into() })
            }
            (false, nexus) => Ok(nexus.to_owned()),
        }
    }

    /// Where the nexus is, if nothing else is said: a server has its sign-in pages in one place.
    fn check_token_service(&self, nexus: &str) -> Result<Option<reqwest::Url>, ConfigError> {
        if self.token_service.is_empty() {
            return Ok(beside(nexus, "/RST.srf"));
        }
        let url = reqwest::Url::parse(&self.token_service).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.filter(|url| token_form(url).is_some());
        let allowed = "an address, as in https://login.example.net/RST.srf or …/RST2.srf, or empty";
        url.map(Some).ok_or_else(|| ConfigError::value("msn.token_service", &self.token_service, allowed))
    }

    /// What the server is told of the client stands between spaces on the wire.
    fn check_client(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("msn.client", &self.client),
            ("msn.client_version", &self.client_version),
            ("msn.locale", &self.locale),
        ] {
            if value.is_empty() || value.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err(ConfigError::value(key, value, "one word"));
            }
        }
        Ok(())
    }

    fn check_relay(&self) -> Result<RelayFormat, ConfigError> {
        let allowed = "one line with {name} and {text} in it, once each";
        RelayFormat::parse(&self.relay).ok_or_else(|| ConfigError::value("msn.relay", &self.relay, allowed))
    }

    /// Both or neither.
    fn check_product(&self) -> Result<Option<Product>, ConfigError> {
        match (self.product_id.as_str(), self.product_key.as_str()) {
            ("", "") => Ok(None),
            ("", _) | (_, "") => {
                let allowed = "set together with msn.product_id";
                Err(ConfigError::Absent { key: "msn.product_key".into(), allowed: allowed.into() })
            }
            (id, key) => Ok(Some(Product { id: id.into(), key: key.into() })),
        }
    }

    /// `http` needs a gateway; `auto` takes one if there is one.
    fn check_transport(&self) -> Result<Transport, ConfigError> {
        match self.transport.as_str() {
            "auto" => Ok(Transport::Auto),
            "direct" => Ok(Transport::Direct),
            "http" if self.gateway.is_empty() => {
                let allowed = "the address of the HTTP gateway, for msn.transport: http";
                Err(ConfigError::Absent { key: "msn.gateway".into(), allowed: allowed.into() })
            }
            "http" => Ok(Transport::Http),
            other => Err(ConfigError::value("msn.transport", other, "auto, direct or http")),
        }
    }

    /// With or without `socks5://`, and with a password where there is a user.
    fn check_proxy(&self) -> Result<Option<Proxy>, ConfigError> {
        if self.proxy.is_empty() {
            return Ok(None);
        }
        let address = self.proxy.strip_prefix("socks5://").unwrap_or(&self.proxy);
        let allowed = "host:port of a SOCKS5 proxy";
        let server = address.parse().map_err(|_| ConfigError::value("msn.proxy", &self.proxy, allowed))?;
        let credentials = match self.proxy_user.as_str() {
            "" => None,
            user => {
                let (text, file) = (&self.proxy_password, &self.proxy_password_file);
                Some((user.to_owned(), secret::resolve("msn.proxy_password", text, file)?))
            }
        };
        Ok(Some(Proxy { server, credentials }))
    }

    fn check_gateway(&self) -> Result<Option<reqwest::Url>, ConfigError> {
        if self.gateway.is_empty() {
            return Ok(None);
        }
        let url = reqwest::Url::parse(&self.gateway).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let allowed = "an address, as in http://gateway.example.org/gateway/gateway.dll";
        url.map(Some).ok_or_else(|| ConfigError::value("msn.gateway", &self.gateway, allowed))
    }

    /// 1 to 10,000: revival servers are small, and none at all would be no bridge.
    ///
    /// # Errors
    /// A rate that is out of its limits.
    pub(super) fn check_sign_ins(&self) -> Result<u32, ConfigError> {
        let rate = self.sign_ins_per_second;
        if !(1..=MAX_SIGN_INS).contains(&rate) {
            let allowed = format!("1 to {MAX_SIGN_INS} sign-ins a second");
            return Err(ConfigError::value("msn.sign_ins_per_second", rate, &allowed));
        }
        Ok(rate)
    }
}

impl ServiceSection {
    /// The name that clients are told, if one is set.
    ///
    /// # Errors
    /// A host with a port, or none at all.
    pub(super) fn check_public_host(&self) -> Result<Option<String>, ConfigError> {
        if self.public_host.is_empty() {
            return Ok(None);
        }
        let allowed = "a name or an address without a port, or nothing";
        let checked = parse_public_host(&self.public_host).map(Some);
        checked.map_err(|_| ConfigError::value("service.public_host", &self.public_host, allowed))
    }

    /// An account that is wrong is an error of the file, which names its line.
    fn read_accounts(&self) -> Result<Vec<AccountLine>, ConfigError> {
        let file = std::path::PathBuf::from(&self.accounts);
        let fail = |reason: String| ConfigError::SecretFile {
            key: "service.accounts".into(),
            file: file.clone(),
            reason,
        };
        let text = std::fs::read_to_string(&file).map_err(|error| fail(error.to_string()))?;
        parse_accounts(&text).map_err(|error| fail(error.to_string()))
    }
}
