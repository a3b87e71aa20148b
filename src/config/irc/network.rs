//! One IRC network of the section, checked: its servers, its TLS, its accounts.
//!
//! Knows keys and what is allowed; reads the PEM files that they name. Refuses to connect.

use std::path::PathBuf;
use std::time::Duration;

use encoding_rs::Encoding;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use secrecy::{ExposeSecret, SecretString};

use crate::config::{ConfigError, IrcNetworkSection, IrcPuppetSaslSection, IrcSaslSection, secret};
use crate::irc::{
    ClientCertificate, Fingerprint, Mechanism, NetworkConfig, NickServ, NickTemplate, Prefix, PuppetSasl,
    SaslConfig, Server, Tls, TlsSettings,
};

/// Names the keys of one network.
struct Keys<'a>(&'a str);

impl Keys<'_> {
    fn of(&self, field: &str) -> String {
        format!("irc.networks.{}.{field}", self.0)
    }
}

/// Names its keys by the network's own name.
///
/// # Errors
/// The first key that is wrong, or a file that cannot be read.
pub(super) fn check(
    name: &str,
    section: &IrcNetworkSection,
    nick: &NickTemplate,
) -> Result<NetworkConfig, ConfigError> {
    let keys = Keys(name);
    if !(0..=10_000).contains(&section.line_penalty_ms) {
        return Err(ConfigError::value(&keys.of("line_penalty_ms"), section.line_penalty_ms, "0 to 10000"));
    }
    if !(0..=100).contains(&section.puppets_per_second) {
        let key = keys.of("puppets_per_second");
        return Err(ConfigError::value(&key, section.puppets_per_second, "0 to 100"));
    }
    let charset = Encoding::for_label(section.charset.as_bytes()).ok_or_else(|| {
        ConfigError::value(&keys.of("charset"), &section.charset, "a charset, as in windows-1252 or koi8-r")
    })?;
    let wrong_line = section.on_connect.iter().find(|line| line.is_empty() || line.contains(['\r', '\n']));
    if let Some(line) = wrong_line {
        return Err(ConfigError::value(&keys.of("on_connect"), line, "lines of IRC, as in MODE msnbot +B"));
    }
    Ok(NetworkConfig {
        name: name.to_owned(),
        servers: servers(&keys, section)?,
        tls: if section.tls { Some(tls(&keys, section)?) } else { None },
        nick: section.nick.clone(),
        password: secret::optional(&keys.of("password"), &section.password, &section.password_file)?,
        sasl: sasl(&keys, section)?,
        puppet_sasl: puppet_sasl(&keys, &section.puppet_sasl)?,
        nickserv: nickserv(&keys, section)?,
        on_connect: section.on_connect.clone(),
        charset,
        line_penalty: Duration::from_millis(u64::from(section.line_penalty_ms)),
        puppet_gap: Duration::from_secs(1).checked_div(section.puppets_per_second).unwrap_or_default(),
        nick_template: nick_template(&keys, section, nick)?,
        puppet_addresses: puppet_addresses(&keys, section)?,
        webirc: webirc(&keys, section)?,
    })
}

fn puppet_addresses(keys: &Keys<'_>, section: &IrcNetworkSection) -> Result<Option<Prefix>, ConfigError> {
    let text = section.puppet_addresses.as_str();
    if text.is_empty() {
        return Ok(None);
    }
    let allowed = "an IPv6 prefix of 16 to 120 bits, as in 2001:db8:1:2::/64";
    let prefix = Prefix::parse(text);
    prefix.map(Some).ok_or_else(|| ConfigError::value(&keys.of("puppet_addresses"), text, allowed))
}

/// What is told are the addresses of the prefix: without one there is nothing to tell.
fn webirc(keys: &Keys<'_>, section: &IrcNetworkSection) -> Result<Option<SecretString>, ConfigError> {
    let key = keys.of("webirc.password");
    let password = secret::optional(&key, &section.webirc.password, &section.webirc.password_file)?;
    if password.as_ref().is_some_and(|password| password.expose_secret().contains(' ')) {
        return Err(ConfigError::value(&key, "…", "a word without blanks"));
    }
    if password.is_some() && section.puppet_addresses.is_empty() {
        let allowed = "a prefix whose addresses the network is told, as in fd00:1:2:3::/64";
        return Err(ConfigError::value(&keys.of("puppet_addresses"), "", allowed));
    }
    Ok(password)
}

/// `puppet_suffix` is read as it was.
fn nick_template(
    keys: &Keys<'_>,
    section: &IrcNetworkSection,
    nick: &NickTemplate,
) -> Result<NickTemplate, ConfigError> {
    let Some(suffix) = &section.puppet_suffix else { return Ok(nick.clone()) };
    let key = keys.of("puppet_suffix");
    tracing::warn!("{key} is read as irc.nick: '{{local}}{suffix}'; move it there");
    let template = NickTemplate::parse(&format!("{{local}}{suffix}"));
    template.ok_or_else(|| ConfigError::value(&key, suffix, "at most five letters of nicks"))
}

/// The one by itself first, then the list.
fn servers(keys: &Keys<'_>, section: &IrcNetworkSection) -> Result<Vec<Server>, ConfigError> {
    let host_wrong = |host: &str| host.is_empty() || host.contains(char::is_whitespace);
    let mut servers = Vec::new();
    if !section.server.is_empty() || section.servers.is_empty() {
        if host_wrong(&section.server) {
            return Err(ConfigError::value(&keys.of("server"), &section.server, "a host name"));
        }
        if section.port == 0 {
            return Err(ConfigError::value(&keys.of("port"), section.port, "1 to 65535"));
        }
        servers.push(Server { host: section.server.clone(), port: section.port });
    }
    for address in &section.servers {
        let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let (host, port) = parts.filter(|(host, port)| !host_wrong(host) && *port != 0).ok_or_else(|| {
            ConfigError::value(&keys.of("servers"), address, "host:port, as in irc.example.org:6697")
        })?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        servers.push(Server { host, port });
    }
    Ok(servers)
}

fn tls(keys: &Keys<'_>, section: &IrcNetworkSection) -> Result<Tls, ConfigError> {
    let authorities = match section.ca_file.is_empty() {
        true => Vec::new(),
        false => certificates(&keys.of("ca_file"), &section.ca_file)?,
    };
    let fingerprint = match section.fingerprint.as_str() {
        "" => None,
        text => Some(Fingerprint::parse(text).ok_or_else(|| {
            ConfigError::value(&keys.of("fingerprint"), text, "a SHA-256, 64 hexadecimal digits")
        })?),
    };
    let certificate = match section.sasl.certificate.as_str() {
        "" => None,
        file => Some(ClientCertificate {
            chain: certificates(&keys.of("sasl.certificate"), file)?,
            key: private_key(&keys.of("sasl.key"), &section.sasl.key)?,
        }),
    };
    let name = (!section.tls_name.is_empty()).then(|| section.tls_name.clone());
    let key = format!("irc.networks.{}", keys.0);
    let what = if certificate.is_some() { "sasl.certificate" } else { "ca_file" };
    let tls = Tls::new(TlsSettings { key, authorities, fingerprint, name, certificate });
    tls.map_err(|error| ConfigError::value(&keys.of(what), error, "certificates, and the key of the first"))
}

fn unreadable(key: &str, file: &str, reason: &impl ToString) -> ConfigError {
    ConfigError::SecretFile { key: key.into(), file: PathBuf::from(file), reason: reason.to_string() }
}

fn certificates(key: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unreadable(key, file, &error))?;
    match certificates.is_empty() {
        true => Err(unreadable(key, file, &"it holds no certificate in PEM")),
        false => Ok(certificates),
    }
}

fn private_key(key: &str, file: &str) -> Result<PrivateKeyDer<'static>, ConfigError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unreadable(key, file, &error))
}

/// One of the mechanisms by its name, in any case.
fn mechanism(key: &str, name: &str, allowed: &[Mechanism]) -> Result<Mechanism, ConfigError> {
    let named = allowed.iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name));
    named.copied().ok_or_else(|| {
        let names: Vec<&str> = allowed.iter().map(|mechanism| mechanism.name()).collect();
        ConfigError::value(key, name, format!("{}, or empty", names.join(", ")))
    })
}

fn sasl(keys: &Keys<'_>, section: &IrcNetworkSection) -> Result<Option<SaslConfig>, ConfigError> {
    let IrcSaslSection { mechanism: name, user, password, password_file, certificate, .. } = &section.sasl;
    if name.is_empty() {
        return Ok(None);
    }
    let mechanism = mechanism(&keys.of("sasl.mechanism"), name, &Mechanism::ALL)?;
    if mechanism == Mechanism::External {
        if certificate.is_empty() || !section.tls {
            let allowed = "a PEM file, and tls on: EXTERNAL is proven by a certificate";
            return Err(ConfigError::value(&keys.of("sasl.certificate"), certificate, allowed));
        }
        return Ok(Some(SaslConfig { mechanism, user: user.clone(), password: None }));
    }
    if user.is_empty() {
        return Err(ConfigError::value(&keys.of("sasl.user"), user, "the bot's account"));
    }
    let password = Some(secret::resolve(&keys.of("sasl.password"), password, password_file)?);
    Ok(Some(SaslConfig { mechanism, user: user.clone(), password }))
}

fn puppet_sasl(keys: &Keys<'_>, section: &IrcPuppetSaslSection) -> Result<PuppetSasl, ConfigError> {
    if section.mechanism.is_empty() {
        return Ok(PuppetSasl::default());
    }
    let allowed = [Mechanism::Plain, Mechanism::ScramSha256];
    let mechanism = mechanism(&keys.of("puppet_sasl.mechanism"), &section.mechanism, &allowed)?;
    let template = match section.user.is_empty() {
        true => None,
        false => {
            let key = keys.of("puppet_sasl.password");
            let password = Some(secret::resolve(&key, &section.password, &section.password_file)?);
            Some(SaslConfig { mechanism, user: section.user.clone(), password })
        }
    };
    let mut accounts = std::collections::BTreeMap::new();
    for (contact, account) in &section.accounts {
        let key = keys.of(&format!("puppet_sasl.accounts.{contact}.password"));
        let password = Some(secret::resolve(&key, &account.password, &account.password_file)?);
        let user = account.user.clone();
        accounts.insert(contact.to_ascii_lowercase(), SaslConfig { mechanism, user, password });
    }
    Ok(PuppetSasl { template, accounts })
}

fn nickserv(keys: &Keys<'_>, section: &IrcNetworkSection) -> Result<Option<NickServ>, ConfigError> {
    let section = &section.nickserv;
    let password =
        secret::optional(&keys.of("nickserv.password"), &section.password, &section.password_file)?;
    if password.is_some() && (section.name.is_empty() || section.name.contains(char::is_whitespace)) {
        return Err(ConfigError::value(&keys.of("nickserv.name"), &section.name, "a nick, as in NickServ"));
    }
    let (name, account) = (section.name.clone(), section.account.clone());
    Ok(password.map(|password| NickServ { name, account, password }))
}
