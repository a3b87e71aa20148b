//! The registration file: what the homeserver must be told about the bridge.
//!
//! Knows the form that Synapse, Dendrite and Conduit read. Refuses to write a file. Source: registration of the application
//! service API.

use secrecy::{ExposeSecret, SecretString};

/// What goes into a registration.
pub struct Registration<'a> {
    pub id: &'a str,
    /// Where the homeserver reaches the bridge.
    pub url: &'a str,
    pub as_token: &'a SecretString,
    pub hs_token: &'a SecretString,
    pub bot_localpart: &'a str,
    pub ghost_prefix: &'a str,
    pub server_name: &'a str,
}

impl Registration<'_> {
    /// The file as Synapse, Dendrite and Conduit read it.
    pub fn to_yaml(&self) -> String {
        let server = self.server_name.replace('.', "\\.");
        let prefix = self.ghost_prefix.replace('.', "\\.");
        format!(
            "# Tells the homeserver about the bridge. Keep it readable by the homeserver alone: it holds both tokens.\n\
             id: {id}\n\
             url: {url}\n\
             as_token: {as_token}\n\
             hs_token: {hs_token}\n\
             sender_localpart: {bot}\n\
             rate_limited: false\n\
             receive_ephemeral: true\n\
             namespaces:\n\
             \x20 users:\n\
             \x20   - {{exclusive: true, regex: '@{prefix}.*:{server}'}}\n\
             \x20 aliases:\n\
             \x20   - {{exclusive: true, regex: '#{prefix}.*:{server}'}}\n\
             \x20 rooms: []\n",
            id = self.id,
            url = self.url,
            as_token = self.as_token.expose_secret(),
            hs_token = self.hs_token.expose_secret(),
            bot = self.bot_localpart,
        )
    }
}
