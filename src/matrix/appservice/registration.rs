//! The registration file: what the homeserver must be told about the bridge.
//!
//! Knows the form that Synapse, Dendrite and Conduit read, and that the bot is a user of the namespace beside the sender:
//! Synapse answers no `/sync` of the sender. Refuses to write a file. Source: registration of the application service API.

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
    /// The localpart of the user that the token alone acts as: a technical one, that says nothing and joins nothing.
    pub fn sender_localpart(bot_localpart: &str) -> String {
        format!("{bot_localpart}_as")
    }

    /// The file as Synapse, Dendrite and Conduit read it.
    pub fn to_yaml(&self) -> String {
        let server = self.server_name.replace('.', "\\.");
        let prefix = self.ghost_prefix.replace('.', "\\.");
        format!(
            "# Tells the homeserver about the bridge. Keep it readable by the homeserver alone: it holds both tokens.\n\
             id: '{id}'\n\
             url: '{url}'\n\
             as_token: {as_token}\n\
             hs_token: {hs_token}\n\
             # Speaks nowhere. The bot is a user of the namespace below, because Synapse does not let the sender sync.\n\
             sender_localpart: {sender}\n\
             rate_limited: false\n\
             receive_ephemeral: true\n\
             io.element.msc4190: true\n\
             namespaces:\n\
             \x20 users:\n\
             \x20   - {{exclusive: true, regex: '@{prefix}.*:{server}'}}\n\
             \x20   - {{exclusive: true, regex: '@{bot}:{server}'}}\n\
             \x20 aliases:\n\
             \x20   - {{exclusive: true, regex: '#{prefix}.*:{server}'}}\n\
             \x20 rooms: []\n",
            id = self.id,
            url = self.url,
            as_token = self.as_token.expose_secret(),
            hs_token = self.hs_token.expose_secret(),
            sender = Self::sender_localpart(self.bot_localpart),
            bot = self.bot_localpart.replace('.', "\\."),
        )
    }
}
