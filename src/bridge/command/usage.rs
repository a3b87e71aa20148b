//! The list of commands, for people.

pub(super) struct Usage {
    pub(super) name: &'static str,
    pub(super) arguments: &'static str,
    pub(super) does: &'static str,
}

/// Commands under a heading each.
const USAGES: [(&str, &[Usage]); 4] = [
    (
        "Your accounts",
        &[
            Usage {
                name: "login",
                arguments: "<e-mail>",
                does: "signs in to MSN; the next message is the password",
            },
            Usage { name: "logout", arguments: "", does: "signs out and forgets the password" },
            Usage { name: "reconnect", arguments: "", does: "connects again, now" },
            Usage {
                name: "cancel",
                arguments: "",
                does: "forgets a login that waits for its password; in a conversation: takes back what waits there",
            },
            Usage { name: "status", arguments: "", does: "shows how each of your connections is" },
            Usage { name: "help", arguments: "", does: "shows this list" },
        ],
    ),
    (
        "Conversations",
        &[
            Usage { name: "chat", arguments: "<e-mail>", does: "opens a conversation" },
            Usage { name: "invite", arguments: "<e-mail>", does: "calls somebody into this conversation" },
            Usage { name: "drop", arguments: "<e-mail>", does: "takes somebody out of this group for good" },
            Usage { name: "nudge", arguments: "", does: "sends a nudge in this conversation" },
            Usage {
                name: "file",
                arguments: "accept|decline [number]",
                does: "answers a contact who offers a large file in this conversation",
            },
            Usage {
                name: "relay",
                arguments: "<on|off>",
                does: "lets other people in this conversation's room be heard on MSN, through your account",
            },
            Usage { name: "page", arguments: "<e-mail> <text>", does: "sends a page to a contact's phone" },
        ],
    ),
    (
        "Contacts",
        &[
            Usage { name: "contacts", arguments: "", does: "lists your contacts and who is online" },
            Usage { name: "add", arguments: "<e-mail> [group]", does: "adds a contact" },
            Usage { name: "remove", arguments: "<e-mail>", does: "removes a contact" },
            Usage {
                name: "rename",
                arguments: "<e-mail> <name>",
                does: "calls a contact something else in your list",
            },
            Usage { name: "block", arguments: "<e-mail>", does: "lets somebody neither see nor call you" },
            Usage { name: "unblock", arguments: "<e-mail>", does: "lets them again" },
            Usage {
                name: "accept",
                arguments: "<e-mail>",
                does: "lets somebody who asked see you, and adds them",
            },
            Usage { name: "decline", arguments: "<e-mail>", does: "does not" },
            Usage { name: "move", arguments: "<e-mail> <group>", does: "moves a contact to a group" },
            Usage {
                name: "group",
                arguments: "create <name> | rename <name> <name> | delete <name> | put <e-mail> <name> | take <e-mail> <name>",
                does: "changes your groups; a name with blanks goes in quotes",
            },
            Usage {
                name: "strangers",
                arguments: "<on|off>",
                does: "whether people who are not on your lists may see and call you",
            },
            Usage {
                name: "ask",
                arguments: "<on|off>",
                does: "whether other MSN clients of yours ask before somebody who adds you may see you",
            },
        ],
    ),
    (
        "What others see of you",
        &[
            Usage {
                name: "presence",
                arguments: "<state>",
                does: "online, busy, idle, brb, away, phone, lunch or hidden; or follow, to show what your own client shows",
            },
            Usage {
                name: "psm",
                arguments: "[text] [♫ title - artist]",
                does: "sets or clears your personal message, and what you are listening to",
            },
            Usage { name: "name", arguments: "<name>", does: "sets your display name" },
            Usage {
                name: "font",
                arguments: "[name] [#rrggbb] [bold] [italic]",
                does: "sets what your messages look like; «font reset» forgets it",
            },
            Usage {
                name: "phone",
                arguments: "<home|work|mobile> [number]",
                does: "sets or removes a phone number that your contacts see",
            },
        ],
    ),
];

pub(super) fn all() -> impl Iterator<Item = &'static Usage> {
    USAGES.iter().flat_map(|(_, usages)| usages.iter())
}

/// The list of commands, one a line.
pub fn help() -> String {
    let line = |usage: &Usage| {
        let form = format!("{} {}", usage.name, usage.arguments);
        format!("  {} — {}", form.trim(), usage.does)
    };
    let part = |(heading, usages): &(&str, &[Usage])| {
        let lines: Vec<String> = usages.iter().map(line).collect();
        format!("{heading}:\n{}", lines.join("\n"))
    };
    let parts: Vec<String> = USAGES.iter().map(part).collect();
    format!(
        "{}\nIn a conversation, write !msn before a command. With several accounts, add --login=<e-mail>.",
        parts.join("\n")
    )
}

/// How one command is used.
pub(super) fn of(name: &str) -> String {
    all().find(|usage| usage.name == name).map_or_else(String::new, |usage| {
        format!("Use it like this: {} — {}.", format!("{name} {}", usage.arguments).trim(), usage.does)
    })
}
