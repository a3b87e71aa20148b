//! What people can say to the bot: words to a command, and the help that lists them.
//!
//! Knows the forms of commands. Refuses to know how they are carried out: that is the router's.

mod usage;
mod words;

use std::str::FromStr;

pub use usage::help;

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
    /// Takes somebody out of a group.
    Drop {
        contact: String,
    },
    Invite {
        contact: String,
    },
    Nudge,
    Page {
        contact: String,
        text: String,
    },
    Presence {
        state: String,
    },
    PersonalMessage {
        text: String,
    },
    Name {
        name: String,
    },
    Font(FontChange),
    /// The answer to a file that is offered in this conversation; without a number, to the only one.
    File {
        accept: bool,
        number: Option<u32>,
    },
    /// Whether other members of this conversation's room are heard on the network.
    Relay {
        on: bool,
    },
    Roster(RosterCommand),
    Reconnect,
    Cancel,
}

/// What is to change about contacts and groups; the contact as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterCommand {
    /// `chat`: the conversation is opened too.
    Add {
        contact: String,
        group: Option<String>,
        chat: bool,
    },
    Remove {
        contact: String,
    },
    Block {
        contact: String,
    },
    Unblock {
        contact: String,
    },
    Accept {
        contact: String,
    },
    Decline {
        contact: String,
    },
    Rename {
        contact: String,
        name: String,
    },
    Move {
        contact: String,
        group: String,
    },
    Put {
        contact: String,
        group: String,
    },
    Take {
        contact: String,
        group: String,
    },
    CreateGroup {
        name: String,
    },
    RenameGroup {
        from: String,
        to: String,
    },
    DeleteGroup {
        name: String,
    },
    Strangers {
        allowed: bool,
    },
    Ask {
        on: bool,
    },
    Phone {
        kind: String,
        number: Option<String>,
    },
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

impl FromStr for Invocation {
    /// For people.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut login = None;
        let mut words = Vec::new();
        for word in words::split(text) {
            match word.strip_prefix("--login=") {
                Some(named) => login = Some(named.to_owned()),
                None => words.push(word),
            }
        }
        let Some((name, rest)) = words.split_first() else {
            return Err("Say «help» for a list of commands.".into());
        };
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let command = parse(&name.to_ascii_lowercase(), &rest)?;
        Ok(Self { command, login })
    }
}

fn parse(name: &str, rest: &[&str]) -> Result<Command, String> {
    let one = || match rest {
        [only] => Ok((*only).to_owned()),
        _ => Err(usage::of(name)),
    };
    let none = |command: Command| if rest.is_empty() { Ok(command) } else { Err(usage::of(name)) };
    match name {
        "help" => Ok(Command::Help),
        "login" => Ok(Command::Login { account: one()? }),
        "logout" => none(Command::Logout),
        "status" => none(Command::Status),
        "contacts" => none(Command::Contacts),
        "chat" => Ok(Command::Chat { contact: one()? }),
        "drop" => Ok(Command::Drop { contact: one()? }),
        "invite" => Ok(Command::Invite { contact: one()? }),
        "nudge" => none(Command::Nudge),
        "page" => match rest {
            [contact, text @ ..] if !text.is_empty() => {
                Ok(Command::Page { contact: (*contact).to_owned(), text: text.join(" ") })
            }
            _ => Err(usage::of(name)),
        },
        "presence" => Ok(Command::Presence { state: one()?.to_ascii_lowercase() }),
        "psm" => Ok(Command::PersonalMessage { text: rest.join(" ") }),
        "name" if !rest.is_empty() => Ok(Command::Name { name: rest.join(" ") }),
        "name" => Err(usage::of(name)),
        "font" => font(rest).map(Command::Font).ok_or_else(|| usage::of(name)),
        "relay" => switch(rest).map(|on| Command::Relay { on }).ok_or_else(|| usage::of(name)),
        "file" => file(rest).ok_or_else(|| usage::of(name)),
        "reconnect" => none(Command::Reconnect),
        "cancel" => none(Command::Cancel),
        name if usage::all().any(|usage| usage.name == name) => {
            roster(name, rest).map(Command::Roster).ok_or_else(|| usage::of(name))
        }
        // The word is not repeated: it may be a password that came too late.
        _ => Err(
            "I do not know that command. Say «help» for a list. If it was a password, please remove your \
                  message and begin again with «login»."
                .into(),
        ),
    }
}

fn switch(words: &[&str]) -> Option<bool> {
    match words {
        ["on"] => Some(true),
        ["off"] => Some(false),
        _ => None,
    }
}

fn file(words: &[&str]) -> Option<Command> {
    let (answer, number) = match words {
        [answer] => (*answer, None),
        [answer, number] => (*answer, Some(number.trim_start_matches('#').parse().ok()?)),
        _ => return None,
    };
    match answer {
        "accept" => Some(Command::File { accept: true, number }),
        "decline" => Some(Command::File { accept: false, number }),
        _ => None,
    }
}

fn roster(name: &str, rest: &[&str]) -> Option<RosterCommand> {
    use RosterCommand as R;
    let own = |text: &&str| (*text).to_owned();
    Some(match (name, rest) {
        // Made of an act, not typed: whoever invites a contact wants to talk to them too.
        ("add", [contact, "--chat"]) => R::Add { contact: own(contact), group: None, chat: true },
        ("add", [contact]) => R::Add { contact: own(contact), group: None, chat: false },
        ("add", [contact, group @ ..]) => {
            R::Add { contact: own(contact), group: Some(group.join(" ")), chat: false }
        }
        ("remove", [contact]) => R::Remove { contact: own(contact) },
        ("block", [contact]) => R::Block { contact: own(contact) },
        ("unblock", [contact]) => R::Unblock { contact: own(contact) },
        ("accept", [contact]) => R::Accept { contact: own(contact) },
        ("decline", [contact]) => R::Decline { contact: own(contact) },
        ("rename", [contact, name @ ..]) if !name.is_empty() => {
            R::Rename { contact: own(contact), name: name.join(" ") }
        }
        ("move", [contact, group @ ..]) if !group.is_empty() => {
            R::Move { contact: own(contact), group: group.join(" ") }
        }
        ("group", ["create", name @ ..]) if !name.is_empty() => R::CreateGroup { name: name.join(" ") },
        ("group", ["delete", name @ ..]) if !name.is_empty() => R::DeleteGroup { name: name.join(" ") },
        ("group", ["rename", from, to]) => R::RenameGroup { from: own(from), to: own(to) },
        ("group", ["put", contact, group @ ..]) if !group.is_empty() => {
            R::Put { contact: own(contact), group: group.join(" ") }
        }
        ("group", ["take", contact, group @ ..]) if !group.is_empty() => {
            R::Take { contact: own(contact), group: group.join(" ") }
        }
        ("strangers", words) => R::Strangers { allowed: switch(words)? },
        ("ask", words) => R::Ask { on: switch(words)? },
        ("phone", [kind @ ("home" | "work" | "mobile"), number @ ..]) => {
            let number = (!number.is_empty()).then(|| number.join(" "));
            R::Phone { kind: own(kind), number }
        }
        _ => return None,
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
        assert_eq!(
            read("file accept 123456").unwrap().command,
            Command::File { accept: true, number: Some(123_456) }
        );
        assert_eq!(read("file decline").unwrap().command, Command::File { accept: false, number: None });
        assert!(read("file accept it").unwrap_err().contains("file accept"));
        assert!(read("chat").unwrap_err().contains("chat <e-mail>"));
        assert!(read("font #ff").unwrap_err().contains("font"));
        assert!(read("dance").unwrap_err().contains("help"));
        assert!(read("").is_err());
    }

    #[test]
    fn roster_commands_take_names_with_blanks() {
        let read = |text: &str| match text.parse::<Invocation>().map(|i| i.command) {
            Ok(Command::Roster(command)) => Ok(command),
            Ok(other) => panic!("{other:?}"),
            Err(explanation) => Err(explanation),
        };
        let contact = || "bob@b.c".to_owned();
        assert_eq!(
            read("add bob@b.c Old friends"),
            Ok(RosterCommand::Add { contact: contact(), group: Some("Old friends".into()), chat: false })
        );
        assert_eq!(
            read("group rename \"Old friends\" Pals"),
            Ok(RosterCommand::RenameGroup { from: "Old friends".into(), to: "Pals".into() })
        );
        assert_eq!(
            read("rename bob@b.c Bob the builder"),
            Ok(RosterCommand::Rename { contact: contact(), name: "Bob the builder".into() })
        );
        assert_eq!(read("phone mobile"), Ok(RosterCommand::Phone { kind: "mobile".into(), number: None }));
        for wrong in ["phone fax 1", "group", "group dance", "strangers maybe", "rename bob@b.c"] {
            assert!(read(wrong).unwrap_err().contains("Use it like this"), "{wrong}");
        }
    }

    #[test]
    fn help_names_every_command_and_each_is_understood() {
        for usage in usage::all() {
            assert!(help().contains(usage.name));
            let forms: [&[&str]; 7] =
                [&[], &["x"], &["accept"], &["on"], &["x", "y"], &["create", "x"], &["home", "1"]];
            let understood = forms.iter().any(|rest| parse(usage.name, rest).is_ok());
            assert!(understood, "{}", usage.name);
        }
    }
}
