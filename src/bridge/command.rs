//! What people can say to the bot: words to a command, and the help that lists them.
//!
//! Knows the forms of commands. Refuses to know how they are carried out: that is the router's.

use std::str::FromStr;

/// One command, its arguments not yet checked by the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Help,
    Login {
        account: String,
    },
    Logout,
    Status,
    Contacts,
    Chat {
        contact: String,
    },
    Invite {
        contact: String,
    },
    Nudge,
    Presence {
        state: String,
    },
    PersonalMessage {
        text: String,
    },
    Font(FontChange),
    /// Whether other members of this conversation's room are heard on the network.
    Relay {
        on: bool,
    },
    Reconnect,
    Cancel,
}

/// A change to the login's own font and colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FontChange {
    Show,
    Reset,
    Set { name: String, color: Option<u32>, bold: bool, italic: bool },
}

/// A command and the login it is for, where one was named with `--login=ACCOUNT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    pub command: Command,
    pub login: Option<String>,
}

struct Usage {
    name: &'static str,
    arguments: &'static str,
    does: &'static str,
}

const USAGES: [Usage; 14] = [
    Usage { name: "help", arguments: "", does: "shows this list" },
    Usage { name: "login", arguments: "<e-mail>", does: "signs in to MSN; the next message is the password" },
    Usage { name: "logout", arguments: "", does: "signs out and forgets the password" },
    Usage { name: "status", arguments: "", does: "shows how each of your connections is" },
    Usage { name: "contacts", arguments: "", does: "lists your contacts and who is online" },
    Usage { name: "chat", arguments: "<e-mail>", does: "opens a conversation" },
    Usage { name: "invite", arguments: "<e-mail>", does: "calls somebody into this conversation" },
    Usage { name: "nudge", arguments: "", does: "sends a nudge in this conversation" },
    Usage {
        name: "presence",
        arguments: "<state>",
        does: "online, busy, idle, brb, away, phone, lunch or hidden",
    },
    Usage { name: "psm", arguments: "[text]", does: "sets or clears your personal message" },
    Usage {
        name: "font",
        arguments: "[name] [#rrggbb] [bold] [italic]",
        does: "sets what your messages look like; «font reset» forgets it",
    },
    Usage {
        name: "relay",
        arguments: "<on|off>",
        does: "lets other people in this conversation's room be heard on MSN, through your account",
    },
    Usage { name: "reconnect", arguments: "", does: "connects again, now" },
    Usage { name: "cancel", arguments: "", does: "forgets a login that waits for its password" },
];

/// The list of commands, one a line.
pub fn help() -> String {
    let line = |usage: &Usage| {
        let form = format!("{} {}", usage.name, usage.arguments);
        format!("{} — {}", form.trim(), usage.does)
    };
    let lines: Vec<String> = USAGES.iter().map(line).collect();
    format!(
        "{}\nIn a conversation, write !msn before a command. With several accounts, add --login=<e-mail>.",
        lines.join("\n")
    )
}

impl FromStr for Invocation {
    /// For people.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut login = None;
        let mut words = Vec::new();
        for word in text.split_whitespace() {
            match word.strip_prefix("--login=") {
                Some(named) => login = Some(named.to_owned()),
                None => words.push(word),
            }
        }
        let Some((name, rest)) = words.split_first() else {
            return Err("Say «help» for a list of commands.".into());
        };
        let command = parse(&name.to_ascii_lowercase(), rest)?;
        Ok(Self { command, login })
    }
}

fn parse(name: &str, rest: &[&str]) -> Result<Command, String> {
    let one = || match rest {
        [only] => Ok((*only).to_owned()),
        _ => Err(usage(name)),
    };
    let none = |command: Command| if rest.is_empty() { Ok(command) } else { Err(usage(name)) };
    match name {
        "help" => Ok(Command::Help),
        "login" => Ok(Command::Login { account: one()? }),
        "logout" => none(Command::Logout),
        "status" => none(Command::Status),
        "contacts" => none(Command::Contacts),
        "chat" => Ok(Command::Chat { contact: one()? }),
        "invite" => Ok(Command::Invite { contact: one()? }),
        "nudge" => none(Command::Nudge),
        "presence" => Ok(Command::Presence { state: one()?.to_ascii_lowercase() }),
        "psm" => Ok(Command::PersonalMessage { text: rest.join(" ") }),
        "font" => font(rest).map(Command::Font).ok_or_else(|| usage(name)),
        "relay" => match rest {
            ["on"] => Ok(Command::Relay { on: true }),
            ["off"] => Ok(Command::Relay { on: false }),
            _ => Err(usage(name)),
        },
        "reconnect" => none(Command::Reconnect),
        "cancel" => none(Command::Cancel),
        // The word is not repeated: it may be a password that came too late.
        _ => Err(
            "I do not know that command. Say «help» for a list. If it was a password, please remove your \
                  message and begin again with «login»."
                .into(),
        ),
    }
}

fn usage(name: &str) -> String {
    let found = USAGES.iter().find(|usage| usage.name == name);
    found.map_or_else(String::new, |usage| {
        format!("Use it like this: {} — {}.", format!("{name} {}", usage.arguments).trim(), usage.does)
    })
}

fn font(words: &[&str]) -> Option<FontChange> {
    match words {
        [] => return Some(FontChange::Show),
        ["reset"] => return Some(FontChange::Reset),
        _ => {}
    }
    let (mut name, mut color, mut bold, mut italic) = (Vec::new(), None, false, false);
    for word in words {
        match (*word, word.strip_prefix('#')) {
            ("bold", _) => bold = true,
            ("italic", _) => italic = true,
            (_, Some(digits)) if digits.len() == 6 => color = Some(u32::from_str_radix(digits, 16).ok()?),
            (_, Some(_)) => return None,
            (word, None) => name.push(word),
        }
    }
    Some(FontChange::Set { name: name.join(" "), color, bold, italic })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_and_mistakes_are_explained() {
        let read = |text: &str| text.parse::<Invocation>();
        assert_eq!(read("LOGIN a@b.c").unwrap().command, Command::Login { account: "a@b.c".into() });
        let named = read("chat bob@b.c --login=a@b.c").unwrap();
        assert_eq!(named.login.as_deref(), Some("a@b.c"));
        assert_eq!(
            read("psm gone  fishing").unwrap().command,
            Command::PersonalMessage { text: "gone fishing".into() }
        );
        let font = read("font Comic Sans MS #ff0000 bold").unwrap().command;
        let set = FontChange::Set {
            name: "Comic Sans MS".into(),
            color: Some(0xFF_0000),
            bold: true,
            italic: false,
        };
        assert_eq!(font, Command::Font(set));
        assert!(read("chat").unwrap_err().contains("chat <e-mail>"));
        assert!(read("font #ff").unwrap_err().contains("font"));
        assert!(read("dance").unwrap_err().contains("help"));
        assert!(read("").is_err());
    }

    #[test]
    fn help_names_every_command() {
        for usage in USAGES {
            assert!(help().contains(usage.name));
            let understood = [&[][..], &["x"], &["on"]].iter().any(|rest| parse(usage.name, rest).is_ok());
            assert!(understood, "{}", usage.name);
        }
    }
}
