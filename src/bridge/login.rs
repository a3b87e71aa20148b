//! A login: one remote account held for somebody, and what the bridge remembers of it.
//!
//! Knows the account, its owner, its password and what it shows. Refuses to print a password: `Debug` names the account
//! alone, and only the sealed table of the store holds the rest.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::body::Format;
use super::ids::{LoginId, UserId};

/// What is needed to sign in.
#[derive(Clone)]
pub struct Credentials {
    /// As its owner spells it.
    pub account: String,
    pub password: SecretString,
    /// The network's word for the presence to start with.
    pub presence: String,
    pub personal_message: String,
    /// A person waits for this sign-in: it does not wait for its turn.
    pub at_once: bool,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.account)
    }
}

/// A login as it is stored: the table is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    pub id: LoginId,
    pub account: String,
    /// Who is told about it and may command it.
    pub owner: UserId,
    #[serde(serialize_with = "expose")]
    password: SecretString,
    /// The network has accepted the password once: until then the account is nobody's.
    #[serde(default = "yes")]
    pub confirmed: bool,
    /// Why it stays signed out until its owner asks for it.
    pub signed_out: Option<String>,
    pub presence: String,
    /// Whether the owner's own presence is shown in place of that.
    #[serde(default)]
    pub follows: bool,
    pub personal_message: String,
    /// The font and colour that plain messages get.
    pub format: Option<Format>,
    /// Among several logins of its owner, the one for which commands are that name none.
    #[serde(default)]
    pub preferred: bool,
}

/// Only into the store, whose table is sealed.
fn expose<S: Serializer>(password: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(password.expose_secret())
}

/// Records from before the question was asked are of logins that had got in.
fn yes() -> bool {
    true
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({} of {})", self.id, self.owner)
    }
}

impl Login {
    pub fn new(id: LoginId, account: String, owner: UserId, password: &SecretString) -> Self {
        Self {
            id,
            account,
            owner,
            password: password.clone(),
            confirmed: false,
            signed_out: None,
            presence: "online".into(),
            follows: true,
            personal_message: String::new(),
            format: None,
            preferred: false,
        }
    }

    /// The owner has given another password; whether it is right is seen when the login signs in.
    pub fn set_password(&mut self, password: &SecretString) {
        self.password = password.clone();
    }

    /// What the network needs to sign in, for a session that nobody waits for.
    pub fn credentials(&self) -> Credentials {
        Credentials {
            account: self.account.clone(),
            password: self.password.clone(),
            presence: self.presence.clone(),
            personal_message: self.personal_message.clone(),
            at_once: false,
        }
    }
}
