//! `files`, checked: sizes that fit together, links, and connections straight to contacts.
//!
//! Knows which limits depend on each other. Refuses to know the disk: whether there is room shows when a file comes.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::super::{ConfigError, FilesSection};
use super::web::is_address;
use crate::connector::DirectConfig;
use crate::links::{BELOW_WEB, LinksConfig};
use crate::sign_in::WebConfig;

/// Characters of the address that links begin with: they must fit in a line of IRC.
const MAX_LINK_URL: usize = 100;

impl FilesSection {
    /// One file fits into what all of them may take.
    ///
    /// # Errors
    /// One file larger than all may be.
    pub(super) fn check_total(&self) -> Result<(), ConfigError> {
        if self.max_bytes > self.max_total_bytes {
            return Err(ConfigError::value(
                "files.max_bytes",
                self.max_bytes,
                "at most files.max_total_bytes",
            ));
        }
        Ok(())
    }

    /// Links, if there are any: under an address of their own, or below that of the page. They leave room for two files on their way.
    ///
    /// # Errors
    /// `url`, `hours` or `max_bytes`, by their keys.
    pub(super) fn check_links(&self, web: Option<&WebConfig>) -> Result<Option<LinksConfig>, ConfigError> {
        let section = &self.links;
        let (url, listen) = match (section.url.as_str(), web) {
            ("", None) => return Ok(None),
            ("", Some(web)) => (format!("{}{BELOW_WEB}", web.url), None),
            (url, _) => (url.trim_end_matches('/').to_owned(), Some(section.listen)),
        };
        if !is_address(&url) || section.url.len() > MAX_LINK_URL {
            let allowed = "an address of at most 100 characters, as in https://bridge.example.org/files";
            return Err(ConfigError::value("files.links.url", &section.url, allowed));
        }
        if !(1..=24 * 365).contains(&section.hours) {
            return Err(ConfigError::value("files.links.hours", section.hours, "1 to 8760"));
        }
        if section.max_bytes < self.max_bytes {
            return Err(ConfigError::value(
                "files.links.max_bytes",
                section.max_bytes,
                "at least files.max_bytes",
            ));
        }
        let free = self.max_total_bytes.saturating_sub(self.max_bytes.saturating_mul(2));
        if section.max_bytes > free {
            let allowed =
                "at most files.max_total_bytes less twice files.max_bytes: files on their way need room";
            return Err(ConfigError::value("files.links.max_bytes", section.max_bytes, allowed));
        }
        Ok(Some(LinksConfig {
            url,
            listen,
            keep: Duration::from_secs(u64::from(section.hours) * 3600),
            budget: section.max_bytes,
        }))
    }

    /// Networks, addresses and ports of connections straight to contacts.
    ///
    /// # Errors
    /// `allow`, `announce` or `ports`, by their keys.
    pub(super) fn check_direct(&self) -> Result<DirectConfig, ConfigError> {
        let section = &self.direct;
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
}
