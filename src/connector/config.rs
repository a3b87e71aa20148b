//! What the MSN side must be told: any server works by this alone.
//!
//! Knows settings that were checked already. Refuses to know where they were written.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use secrecy::SecretString;

use crate::bridge::ids::LoginId;
use crate::msn::challenge::Product;
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, HostPort};

/// How servers are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Straight, and through the gateway where that does not work.
    Auto,
    Direct,
    Http,
}

/// What becomes of words for somebody who is offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfflinePolicy {
    /// They wait until the contact appears.
    Hold,
    /// They are left with the server as offline messages, where it takes them; else they wait.
    Oim,
    /// They are refused at once.
    Fail,
}

/// Where offline messages are fetched (`rsi`) and left (`store`), where they are at all.
#[derive(Debug, Clone, Default)]
pub struct OimConfig {
    pub rsi: Option<reqwest::Url>,
    pub store: Option<reqwest::Url>,
}

/// How words of somebody without a login look to contacts: a name and the words, with what stands around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayFormat(String);

impl Default for RelayFormat {
    fn default() -> Self {
        Self("<{name}> {text}".into())
    }
}

impl RelayFormat {
    /// Of one line in which `{name}` and `{text}` stand once each; `None` for anything else.
    pub fn parse(form: &str) -> Option<Self> {
        let is_one_line = !form.chars().any(char::is_control);
        let has_both = ["{name}", "{text}"].iter().all(|part| form.matches(part).count() == 1);
        (is_one_line && has_both).then(|| Self(form.to_owned()))
    }

    /// The words under this name; a name or words that look like a part of the form stay as they are.
    pub fn of(&self, name: &str, text: &str) -> String {
        let (before, behind) = self.0.split_once("{text}").unwrap_or(("", ""));
        [&before.replace("{name}", name), text, &behind.replace("{name}", name)].concat()
    }
}

/// A SOCKS5 proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub server: HostPort,
    pub credentials: Option<(String, SecretString)>,
}

/// Checked settings of the MSN side.
#[derive(Debug, Clone)]
pub struct MsnConfig {
    /// The first server to ask: a dispatch server, or a notification server itself.
    pub server: HostPort,
    /// Where the login page is asked for.
    pub nexus: String,
    /// Where security tokens are asked for, by a path that ends in `RST.srf` or `RST2.srf`, where that is known.
    pub token_service: Option<reqwest::Url>,
    /// Where contact lists are read from MSNP13 on, where that is known: `abservice.asmx`, with the other service beside it.
    pub address_book: Option<reqwest::Url>,
    /// Whether passwords may go over plain HTTP to another machine.
    pub allow_insecure_login: bool,
    /// Offered dialects, most preferred first.
    pub dialects: Vec<Dialect>,
    /// Client name and version that the server is told.
    pub client: String,
    pub client_version: String,
    pub locale: String,
    /// How servers are reached.
    pub transport: Transport,
    /// What connections go through, sign-in pages included.
    pub proxy: Option<Proxy>,
    /// The HTTP gateway, where there is one.
    pub gateway: Option<reqwest::Url>,
    /// Answers challenges in place of the published product of the dialect.
    pub product: Option<Product>,
    /// Groups that are there before anybody has called them together: whose, and who is in them.
    pub groups: Vec<(LoginId, Vec<Email>)>,
    /// What becomes of words for somebody who is offline.
    pub offline: OfflinePolicy,
    /// How words of people without a login look.
    pub relay: RelayFormat,
    /// Where offline messages are.
    pub oim: OimConfig,
    /// Larger files wait until their owner has taken them.
    pub ask_above: u64,
    /// What translates voice clips, if anything.
    pub ffmpeg: Option<String>,
    /// Connections for files, besides the server's.
    pub direct: DirectConfig,
}

/// What may be done about connections besides the server's.
#[derive(Debug, Clone)]
pub struct DirectConfig {
    /// Whether contacts are connected to.
    pub dial: bool,
    /// Networks that may be dialled besides public addresses.
    pub allow: Vec<IpNet>,
    /// The addresses under which contacts reach this machine; empty where they cannot.
    pub announce: Vec<IpAddr>,
    /// Where it is listened, for as long as somebody is expected. 0 is any port.
    pub ports: RangeInclusive<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_for_the_words_of_others_has_their_name_and_words_once_each() {
        for wrong in ["", "{text}", "{name}: x", "{name} {name} {text}", "{name}\n{text}"] {
            assert_eq!(RelayFormat::parse(wrong), None, "{wrong:?}");
        }
        let of = |form: &str, name: &str, text: &str| RelayFormat::parse(form).unwrap().of(name, text);
        assert_eq!(of("{name} says: {text}", "Eve", "hi {name}"), "Eve says: hi {name}");
        assert_eq!(of("{text} ({name})", "{text}", "hi"), "hi ({text})");
        assert_eq!(RelayFormat::default().of("Eve", "hi"), "<Eve> hi");
    }
}
