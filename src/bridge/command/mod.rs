//! The bot's commands: each is one place with its name, its arguments, its help and its effect.
//!
//! Knows the words of a command, the logins of the user who gave it, and what the network takes for an account. Refuses
//! to wait: a command comes to an [`Effect`], which the router carries out. Source: section 2 of the product's description.

mod account;
mod admin;
mod channels;
mod contacts;
mod conversation;
mod effect;
mod help;
mod profile;
#[cfg(test)]
mod tests;
mod words;

use std::collections::HashMap;

pub(super) use effect::{Effect, LoginChange, NetworkRequest};

use super::event::LocalCommand;
use super::ids::{ConversationId, GhostId, LoginId};
use super::login::Login;
use super::port::frontend::Level;
use super::port::network::Network;
use super::sides::Sides;

/// One command.
struct CommandSpec {
    name: &'static str,
    /// For people; `<account>` stands for the form of the network's accounts.
    arguments: &'static str,
    /// For people; `{network}` stands for its name, `{presences}` for what an owner can choose.
    does: &'static str,
    run: fn(&CommandContext<'_>, &[&str]) -> Result<Effect, Refusal>,
}

/// Commands that belong together.
struct Topic {
    /// What `help` takes for it.
    name: &'static str,
    heading: &'static str,
    /// Users below this do not see it, and cannot give its commands.
    level: Level,
    commands: &'static [CommandSpec],
}

const TOPICS: [Topic; 6] = [
    Topic { name: "accounts", heading: "Your accounts", level: Level::User, commands: account::COMMANDS },
    Topic {
        name: "conversations",
        heading: "Conversations",
        level: Level::User,
        commands: conversation::COMMANDS,
    },
    Topic { name: "channels", heading: "Channels", level: Level::User, commands: channels::COMMANDS },
    Topic { name: "contacts", heading: "Contacts", level: Level::User, commands: contacts::COMMANDS },
    Topic {
        name: "profile",
        heading: "What others see of you",
        level: Level::User,
        commands: profile::COMMANDS,
    },
    Topic { name: "admin", heading: "Administration", level: Level::Admin, commands: admin::COMMANDS },
];
/// How alike a word must be to a command to be taken for a slip of the pen; 1.0 is the same.
const ALIKE: f64 = 0.8;

/// Why a command comes to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refusal {
    /// The words are not those of its form.
    Usage,
    /// For the user.
    Because(String),
}

impl From<String> for Refusal {
    fn from(explanation: String) -> Self {
        Self::Because(explanation)
    }
}

/// Other names that people try, from the bots of other bridges.
const ALIASES: [(&str, &str); 4] =
    [("list-logins", "status"), ("pm", "chat"), ("start-chat", "chat"), ("logins", "status")];

/// What every command can see.
pub(super) struct CommandContext<'a> {
    pub(super) given: &'a LocalCommand,
    pub(super) logins: &'a HashMap<LoginId, Login>,
    pub(super) network: &'a dyn Network,
    pub(super) sides: &'a Sides,
    /// What the user may do.
    pub(super) level: Level,
    /// The account named with `--login=`.
    named: Option<String>,
}

/// What `text` comes to, as a command of its user; an explanation where that is nothing.
pub(super) fn run(mut context: CommandContext<'_>, text: &str) -> Effect {
    let mut rest = words::split(text);
    rest.retain(|word| match word.strip_prefix("--login=") {
        Some(named) => {
            context.named = Some(named.to_owned());
            false
        }
        None => true,
    });
    let Some((name, rest)) = rest.split_first() else {
        return Effect::Answer("Say «help» for a list of commands.".into());
    };
    let name = name.to_ascii_lowercase();
    let Some(command) = context.find(&name) else { return Effect::Answer(context.unknown(&name)) };
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (command.run)(&context, &rest) {
        Ok(effect) => effect,
        Err(Refusal::Usage) => Effect::Answer(help::usage(command, &context)),
        Err(Refusal::Because(explanation)) => Effect::Answer(explanation),
    }
}

impl<'a> CommandContext<'a> {
    pub(super) fn new(
        given: &'a LocalCommand,
        logins: &'a HashMap<LoginId, Login>,
        network: &'a dyn Network,
        sides: &'a Sides,
        level: Level,
    ) -> Self {
        Self { given, logins, network, sides, level, named: None }
    }

    /// The topics that the user may see.
    fn topics(&self) -> impl Iterator<Item = &'static Topic> {
        let level = self.level;
        TOPICS.iter().filter(move |topic| topic.level <= level)
    }

    /// The command of this name, in small letters, or the one that another name leads to.
    fn find(&self, name: &str) -> Option<&'static CommandSpec> {
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, of)| of);
        self.topics().flat_map(|topic| topic.commands).find(|command| command.name == name)
    }

    /// The answer to a word that is no command. The word is not repeated: it may be a password that came too late.
    fn unknown(&self, name: &str) -> String {
        let names = self.topics().flat_map(|topic| topic.commands).map(|command| command.name);
        let alike = names.map(|known| (strsim::jaro_winkler(known, name), known));
        let closest = alike.filter(|(alike, _)| *alike >= ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b));
        let meant = closest.map(|(_, known)| format!(" Did you mean «{known}»?")).unwrap_or_default();
        format!(
            "I do not know that command.{meant} Say «help» for a list. If it was a password, please remove your message \
             and begin again with «login»."
        )
    }

    /// Whether the command was given where the user and the bridge are among themselves.
    fn is_in_management(&self) -> bool {
        self.given.portal.management_user().is_some()
    }

    /// The login the command is for: the one named, the conversation's, the preferred one, or the only one.
    fn login(&self) -> Result<&'a Login, Refusal> {
        let mut own: Vec<&Login> =
            self.logins.values().filter(|login| login.owner == self.given.user).collect();
        own.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(named) = &self.named {
            return self.login_called(named);
        }
        if let Some(login) = own.iter().find(|login| login.id == self.given.portal.receiver) {
            return Ok(login);
        }
        if let Some(preferred) = own.iter().find(|login| login.preferred) {
            return Ok(preferred);
        }
        match own.as_slice() {
            [] => {
                let network = &self.sides.network;
                let text = format!(
                    "You are not signed in to {}. Say «login» and your {} address.",
                    network.name, network.account
                );
                Err(text.into())
            }
            [only] => Ok(only),
            several => {
                let names: Vec<&str> = several.iter().map(|login| login.id.as_str()).collect();
                let text = format!(
                    "Say for which account: add --login=… ({}), or choose one with «set-default».",
                    names.join(", ")
                );
                Err(text.into())
            }
        }
    }

    /// The user's login of this name.
    fn login_called(&self, named: &str) -> Result<&'a Login, Refusal> {
        let is_it =
            |login: &&Login| login.owner == self.given.user && login.id.as_str().eq_ignore_ascii_case(named);
        let found = self.logins.values().find(is_it);
        found.ok_or_else(|| format!("You have no login {named}. Say «status» for yours.").into())
    }

    /// The same, by its id.
    fn login_id(&self) -> Result<LoginId, Refusal> {
        self.login().map(|login| login.id.clone())
    }

    /// A contact as it was typed, and the conversation with it.
    fn contact(&self, typed: &str) -> Result<(GhostId, ConversationId), Refusal> {
        Ok(self.network.direct_conversation(typed)?)
    }

    /// A text in which the network's own words stand.
    fn fill(&self, text: &str) -> String {
        help::fill(text, self.sides)
    }
}

/// No words, or the number of a page of a long list, from 1.
fn page(words: &[&str]) -> Result<usize, Refusal> {
    match words {
        [] => Ok(1),
        [number] => number.parse().ok().filter(|page| *page > 0).ok_or(Refusal::Usage),
        _ => Err(Refusal::Usage),
    }
}

/// `on` or `off`.
fn switch(words: &[&str]) -> Result<bool, Refusal> {
    match words {
        ["on"] => Ok(true),
        ["off"] => Ok(false),
        _ => Err(Refusal::Usage),
    }
}

/// The only word.
fn one<'a>(words: &[&'a str]) -> Result<&'a str, Refusal> {
    match words {
        [only] => Ok(only),
        _ => Err(Refusal::Usage),
    }
}

/// All words, with a blank between them; at least one.
fn line(words: &[&str]) -> Result<String, Refusal> {
    if words.is_empty() { Err(Refusal::Usage) } else { Ok(words.join(" ")) }
}

/// No words, or the usage of the command.
fn nothing(words: &[&str]) -> Result<(), Refusal> {
    if words.is_empty() { Ok(()) } else { Err(Refusal::Usage) }
}
