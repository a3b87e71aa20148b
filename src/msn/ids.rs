//! The names and numbers of the protocol as types: made once at the edge, trusted afterwards.
//!
//! Knows the form of each token (§1.1 to §1.5, §4.3). Refuses to know whether such an account, group or session exists.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// Longest account that is read, in bytes (§1.5 gives 113 to 129).
pub const MAX_EMAIL: usize = 129;

/// Why a token is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a valid {what}: {value:?}")]
pub struct InvalidToken {
    what: &'static str,
    value: String,
}

impl InvalidToken {
    pub(crate) fn new(what: &'static str, value: &str) -> Self {
        let value = value.chars().take(80).collect();
        Self { what, value }
    }
}

/// An account: any MSN user (the documents say principal).
///
/// Spelled as its owner spells it, compared without regard to ASCII case. Reading is liberal, since phone contacts
/// (`tel:+1555`) stand in the same place; [`Email::is_address`] is the strict question. Servers of later dialects put a
/// network number before an account and a machine id behind it: neither is part of who somebody is.
#[derive(Clone)]
pub struct Email(Arc<str>);

/// The account within `[network:]account[;data]` (§18.5).
pub(super) fn bare_account(token: &str) -> &str {
    let token = match token.split_once(':') {
        Some((network, account)) if !network.is_empty() && network.bytes().all(|b| b.is_ascii_digit()) => {
            account
        }
        _ => token,
    };
    // A semicolon ends the account once it has its `@`, or where it can have none.
    match token.split_once(';') {
        Some((account, _)) if account.contains('@') || account.starts_with("tel:") => account,
        _ => token,
    }
}

impl Email {
    /// Takes any printable token whose account has 1 to [`MAX_EMAIL`] bytes; keeps the account alone.
    ///
    /// # Errors
    /// The account is empty, too long, or holds blanks or control characters.
    pub fn parse(token: &str) -> Result<Self, InvalidToken> {
        let token = bare_account(token);
        let fits = (1..=MAX_EMAIL).contains(&token.len());
        if !fits || token.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidToken::new("account", token));
        }
        Ok(Self(token.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form used as a key: ASCII lower case.
    pub fn to_key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Whether this is `user@domain.tld`, what a service accepts as a new contact.
    pub fn is_address(&self) -> bool {
        let Some((user, domain)) = self.0.split_once('@') else {
            return false;
        };
        let dotted = domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.');
        !user.is_empty() && dotted && !domain.contains('@')
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}
impl Eq for Email {}
impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            byte.to_ascii_lowercase().hash(state);
        }
    }
}
impl PartialOrd for Email {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Email {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_key().cmp(&other.to_key())
    }
}
impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A transaction id: the request number that its reply repeats (§1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrId(pub u32);

impl fmt::Display for TrId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
impl FromStr for TrId {
    type Err = InvalidToken;
    fn from_str(token: &str) -> Result<Self, InvalidToken> {
        let digits = !token.is_empty() && token.bytes().all(|b| b.is_ascii_digit());
        let value = digits.then(|| token.parse().ok()).flatten();
        value.map(Self).ok_or_else(|| InvalidToken::new("transaction id", token))
    }
}

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque! {
    /// A group: a number in MSNP8 and 9, a GUID from MSNP10, opaque to us.
    GroupId
}
opaque! {
    /// A contact's id from MSNP10 (`C=`); normally a GUID, opaque to us.
    ContactId
}
opaque! {
    /// A switchboard session's number; third-party servers use hex strings, so it is text.
    SessionId
}

macro_rules! secret_token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            pub fn new(text: impl Into<String>) -> Self {
                Self(SecretString::from(text.into()))
            }

            /// The text itself, for the wire only.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.expose() == other.expose()
            }
        }
        impl Eq for $name {}
    };
}

secret_token! {
    /// Passport's proof of sign-in, sent unchanged in `USR TWN S` (§2.6).
    Ticket
}
secret_token! {
    /// The single-use key of a switchboard (`CKI`, §6.1).
    Cookie
}

/// A server address as the protocol writes it, `host:port`; the host is a name or an IP address (§6.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = InvalidToken;
    fn from_str(token: &str) -> Result<Self, InvalidToken> {
        let invalid = || InvalidToken::new("server address", token);
        let (host, port) = token.rsplit_once(':').ok_or_else(invalid)?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let printable = host.bytes().all(|b| b.is_ascii_graphic());
        if host.is_empty() || host.len() > 253 || !printable {
            return Err(invalid());
        }
        let port = port.parse().map_err(|_| invalid())?;
        if port == 0 {
            return Err(invalid());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What a client says it can do (§4.3): flags in the low bits, the MSNC version in the top four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// Understands messages in several parts (§7.3).
    pub const MULTI_PACKET: u32 = 0x20;

    pub fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    /// 0 for clients that know no peer-to-peer transfers.
    pub fn msnc(self) -> u8 {
        (self.0 >> 28) as u8
    }
}

impl FromStr for Capabilities {
    type Err = InvalidToken;
    /// Accepts `1234`, a negative 32-bit number, and `1234:48` of later clients.
    fn from_str(token: &str) -> Result<Self, InvalidToken> {
        let number = token.split(':').next().unwrap_or(token);
        let value = match number.parse::<i64>() {
            Ok(n) if n < 0 => i32::try_from(n).ok().map(i32::cast_unsigned),
            Ok(n) => u32::try_from(n).ok(),
            Err(_) => None,
        };
        value.map(Self).ok_or_else(|| InvalidToken::new("capability number", token))
    }
}
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_compare_without_case_and_keep_their_spelling() {
        let a = Email::parse("Alice@Example.com").unwrap();
        let b = Email::parse("alice@example.COM").unwrap();
        assert_eq!(a, b);
        assert_eq!(a.as_str(), "Alice@Example.com");
        assert_eq!(a.to_key(), "alice@example.com");
        assert!(Email::parse("").is_err());
        assert!(Email::parse("a b@c.d").is_err());
        assert!(Email::parse(&"x".repeat(130)).is_err());
        assert!(Email::parse("tel:+15551234").is_ok_and(|t| !t.is_address()));
    }

    #[test]
    fn fault_11_a_network_number_and_a_machine_id_are_no_part_of_an_account() {
        let machine = "{a1a1a1a1-0000-4000-8000-00000000000f}";
        for token in [
            format!("bob@example.com;{machine}"),
            "1:bob@example.com".to_owned(),
            format!("1:Bob@Example.com;{machine}"),
            "32:bob@example.com".to_owned(),
            "1:bob@example.com;via=9:guid:x".to_owned(),
            "bob@example.com;".to_owned(),
        ] {
            let email = Email::parse(&token).unwrap();
            assert_eq!(email.to_key(), "bob@example.com", "{token}");
            assert!(email.is_address(), "{token}");
        }
        assert_eq!(Email::parse("tel:+15551234").unwrap().as_str(), "tel:+15551234");
        assert_eq!(Email::parse("4:tel:+15551234;{x}").unwrap().as_str(), "tel:+15551234");
        // What only looks like it is part of the account; nothing is left of what is nothing else.
        assert_eq!(Email::parse("a;b@example.com").unwrap().as_str(), "a;b@example.com");
        assert_eq!(Email::parse("x1:bob@example.com").unwrap().as_str(), "x1:bob@example.com");
        assert!(Email::parse("1:").is_err());
        // The limit is the account's: what stands around it does not count.
        assert!(Email::parse(&format!("{}@e.c;{machine}", "x".repeat(120))).is_ok());
    }

    #[test]
    fn conf_057_capabilities_read_as_u32_negative_and_with_extension() {
        assert_eq!("1073774628".parse(), Ok(Capabilities(0x4000_8024)));
        assert_eq!("-1073741824".parse(), Ok(Capabilities(0xC000_0000)));
        assert_eq!("268435456:48".parse(), Ok(Capabilities(0x1000_0000)));
        assert_eq!("268435456:48".parse::<Capabilities>().unwrap().msnc(), 1);
        assert!("4294967296".parse::<Capabilities>().is_err());
        assert!("-2147483649".parse::<Capabilities>().is_err());
        assert!("caps".parse::<Capabilities>().is_err());
    }

    #[test]
    fn conf_065_server_addresses_are_names_or_addresses_with_any_port() {
        let named: HostPort = "m1.example.org:1864".parse().unwrap();
        assert_eq!((named.host.as_str(), named.port), ("m1.example.org", 1864));
        let v6: HostPort = "[::1]:5000".parse().unwrap();
        assert_eq!((v6.host.as_str(), v6.to_string().as_str()), ("::1", "[::1]:5000"));
        for bad in ["10.0.0.1", "host:", ":1863", "host:0", "host:65536", "ho st:1"] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", Ticket::new("t=abc&p=")), "Ticket(..)");
        assert_eq!(format!("{:?}", Cookie::new("17.1.2")), "Cookie(..)");
    }
}
